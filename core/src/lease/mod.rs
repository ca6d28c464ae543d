//! The life of one lease: its state, its reservation, its meter.
//!
//! Its steps are listed in [`TRANSITIONS`].
//!
//! Every step first lets time do what it has done (`Lease::roll`), so that nothing hangs on who comes first.

mod end;
mod extend;
mod liveness;
mod steps;

pub use end::{Ran, Undone};
pub use liveness::Challenge;

use crate::deadline;
use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{CHALLENGE_TIME, GRACE, HALT_TIME, MAX_DOWNTIME, MAX_VERIFICATION, REJECT_TIME};
use crate::quantity::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
use crate::stream::{Split, accrued, billable_ms, split};
use crate::transition::Transition;

/// Every step that moves a lease on. What time does by itself any step does first, so one step can lead to several states.
pub const TRANSITIONS: &[Transition<LeaseState>] = &[
    Transition::begins("open", LeaseState::Starting, "award, post_instant"),
    Transition::new(LeaseState::Starting, "fail to start", LeaseState::Failed, "fail_start"),
    Transition::new(LeaseState::Starting, "decline", LeaseState::Failed, "decline, in half a minute"),
    Transition::new(LeaseState::Starting, "not given", LeaseState::Failed, "want, in half of the time to start"),
    Transition::new(LeaseState::Starting, "buyer error", LeaseState::Failed, "report_buyer_error"),
    Transition::new(LeaseState::Starting, "ready", LeaseState::Running, "ready"),
    Transition::new(LeaseState::Starting, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Running, "answer", LeaseState::Running, "answer_challenge"),
    Transition::new(LeaseState::Running, "challenge", LeaseState::Running, "challenge"),
    Transition::new(LeaseState::Running, "notice", LeaseState::Running, "give_notice"),
    Transition::new(LeaseState::Running, "notice", LeaseState::Grace, "give_notice, the funds are used up"),
    Transition::new(LeaseState::Running, "expire", LeaseState::Paused, "expire, a challenge was missed"),
    Transition::new(LeaseState::Running, "expire", LeaseState::Grace, "expire, the funds are used up"),
    Transition::new(LeaseState::Running, "expire", LeaseState::Ended, "expire, the notice is over"),
    Transition::new(LeaseState::Running, "abandon", LeaseState::Ended, "abandon"),
    Transition::new(LeaseState::Running, "finish", LeaseState::Finished, "finish"),
    Transition::new(LeaseState::Running, "reject", LeaseState::Failed, "reject_ready, in ninety seconds"),
    Transition::new(LeaseState::Running, "resolve", LeaseState::Paused, "resolve_challenge, it was missed"),
    Transition::new(LeaseState::Running, "resolve", LeaseState::Running, "resolve_challenge, the notice is over"),
    Transition::new(LeaseState::Running, "resolve", LeaseState::Grace, "resolve_challenge, the funds are used up"),
    Transition::new(LeaseState::Running, "settle", LeaseState::Running, "settle"),
    Transition::new(LeaseState::Running, "settle", LeaseState::Paused, "settle, a challenge was missed"),
    Transition::new(LeaseState::Running, "settle", LeaseState::Grace, "settle, the funds are used up"),
    Transition::new(LeaseState::Running, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Running, "top up", LeaseState::Running, "top_up"),
    Transition::new(LeaseState::Running, "top up", LeaseState::Paused, "top_up, a challenge was missed"),
    Transition::new(LeaseState::Running, "unreachable", LeaseState::Ended, "declare_unreachable, after ten minutes"),
    Transition::new(LeaseState::Paused, "abandon", LeaseState::Ended, "abandon"),
    Transition::new(LeaseState::Paused, "expire", LeaseState::Ended, "expire, the notice is over"),
    Transition::new(LeaseState::Paused, "reject", LeaseState::Failed, "reject_ready, in ninety seconds"),
    Transition::new(LeaseState::Paused, "resolve", LeaseState::Paused, "resolve_challenge"),
    Transition::new(LeaseState::Paused, "resume", LeaseState::Running, "resume"),
    Transition::new(LeaseState::Paused, "settle", LeaseState::Paused, "settle"),
    Transition::new(LeaseState::Paused, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Paused, "top up", LeaseState::Paused, "top_up"),
    Transition::new(LeaseState::Paused, "unreachable", LeaseState::Ended, "declare_unreachable, after ten minutes"),
    Transition::new(LeaseState::Grace, "expire", LeaseState::Ended, "expire, the grace period or the notice is over"),
    Transition::new(LeaseState::Grace, "answer", LeaseState::Grace, "answer_challenge"),
    Transition::new(LeaseState::Grace, "abandon", LeaseState::Ended, "abandon"),
    Transition::new(LeaseState::Grace, "finish", LeaseState::Finished, "finish"),
    Transition::new(LeaseState::Grace, "notice", LeaseState::Grace, "give_notice"),
    Transition::new(LeaseState::Grace, "resolve", LeaseState::Grace, "resolve_challenge, it is moot"),
    Transition::new(LeaseState::Grace, "settle", LeaseState::Grace, "settle"),
    Transition::new(LeaseState::Grace, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Grace, "top up", LeaseState::Running, "top_up"),
    Transition::new(LeaseState::Finished, "accept", LeaseState::Ended, "accept"),
    Transition::new(LeaseState::Finished, "expire", LeaseState::Ended, "expire, nobody reopened it"),
    Transition::new(LeaseState::Finished, "reopen", LeaseState::Ended, "reopen"),
    Transition::new(LeaseState::Finished, "resolve", LeaseState::Finished, "resolve_challenge, it is moot"),
    Transition::new(LeaseState::Finished, "settle", LeaseState::Finished, "settle"),
    Transition::new(LeaseState::Ended, "resolve", LeaseState::Ended, "resolve_challenge, it is moot or was missed"),
    Transition::new(LeaseState::Ended, "settle", LeaseState::Ended, "settle"),
    Transition::new(LeaseState::Failed, "resolve", LeaseState::Failed, "resolve_challenge, it is moot"),
    Transition::ends(LeaseState::Ended, "close", "close_lease"),
    Transition::ends(LeaseState::Failed, "close", "close_lease"),
];

/// States of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LeaseState {
    /// Awarded; the node pulls and starts.
    Starting = 1,
    /// The meter runs.
    Running = 2,
    /// Down: a liveness challenge was not answered. The meter stands.
    Paused = 3,
    /// The reservation is used up; waits for a top-up.
    Grace = 4,
    /// Over; what is owed is fixed.
    Ended = 5,
    /// Never started, or the buyer rejected the start.
    Failed = 6,
    /// The node says that the work is done; the buyer may still reopen the job. The unit is free, the stake is not.
    Finished = 7,
}

impl LeaseState {
    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub const fn from_byte(byte: u8) -> RuleResult<Self> {
        match byte {
            1 => Ok(Self::Starting),
            2 => Ok(Self::Running),
            3 => Ok(Self::Paused),
            4 => Ok(Self::Grace),
            5 => Ok(Self::Ended),
            6 => Ok(Self::Failed),
            7 => Ok(Self::Finished),
            _ => Err(RuleError::WrongState),
        }
    }

    /// Is the lease over?
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed)
    }
}

/// The moving parts of a lease. `paid + fee + refunded + forfeited + held = reserved` at all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// State.
    pub state: LeaseState,
    /// Why it ended, or [`EndReason::None`].
    pub reason: EndReason,
    /// The winning price.
    pub price: PricePerHour,
    /// Milliseconds that a slot takes as a rule.
    pub slot_ms: u32,
    /// Fee on what is paid.
    pub fee_bps: Bps,
    /// Gross, ever handed to the lease: by the award and by top-ups.
    pub reserved: Atoms,
    /// Gross accrued in segments that are closed.
    pub base: Atoms,
    /// Net paid to the provider.
    pub paid: Atoms,
    /// Fee recorded.
    pub fee: Atoms,
    /// Gone back to the purse or the job.
    pub refunded: Atoms,
    /// Owed by the buyer to the insurance fund, for a start that it rejected or that it gave no chance.
    pub forfeited: Atoms,
    /// Start of the running segment.
    pub segment: Now,
    /// The moment from which the present deadline counts (see [`crate::deadline`]): the award, the open challenge or the one that
    /// was missed, when the end of the funds was seen, the node's finish.
    pub mark: Now,
    /// When it was awarded.
    pub awarded: UnixTs,
    /// Last moment for `ready`.
    pub start_deadline: UnixTs,
    /// When it became ready; zero before.
    pub ready_ts: UnixTs,
    /// When the reservation is used up; zero before ready.
    pub runway_end: UnixTs,
    /// When the grace period ends; zero outside of it.
    pub grace_end: UnixTs,
    /// When it ended, or finished; zero before.
    pub ended_ts: UnixTs,
    /// Until when the buyer may reopen the job; once it accepted, when it did; zero before the node finished it.
    pub review_end: UnixTs,
    /// How long after its end its stake stands for a verification; zero for a job that is not verified.
    pub verification: Seconds,
    /// The time between checkpoints that the job asked for; earnings since the last one are held back. Zero: none.
    pub checkpoint_every: Seconds,
    /// When the last checkpoint was recorded; zero before the first.
    pub checkpoint_ts: UnixTs,
    /// Of what was accrued, the part that the last checkpoint confirmed.
    pub confirmed: Atoms,
    /// Deadline of the open liveness challenge; zero while none is open.
    pub challenge_end: UnixTs,
    /// What was accrued when the open challenge was made.
    pub challenge_gross: Atoms,
    /// Since when it is down; zero while it is not.
    pub down_since: UnixTs,
    /// Downtime for which the buyer got its credit.
    pub credited: Seconds,
    /// Credit for downtime that is to be taken from the stake, because what was held back did not cover it.
    pub credit: Atoms,
    /// Credit that was taken from the stake so far.
    pub collected: Atoms,
    /// Notice with which the provider may leave; zero: it may not.
    pub notice: Seconds,
    /// When the provider may leave without fault; zero without a notice.
    pub notice_end: UnixTs,
    /// The longest that it may be paid for: what its job was posted for, and what it was extended by. Its stake was reserved
    /// for this.
    pub duration: Seconds,
}

/// What one settlement moves.
pub type Settlement = Split;

impl Lease {
    /// Reserved and neither paid, nor recorded as fee, nor refunded.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn held(&self) -> RuleResult<Atoms> {
        let gone = self.paid.add(self.fee)?.add(self.refunded)?.add(self.forfeited)?;
        self.reserved.sub(gone).map_err(|_| RuleError::InvariantBroken)
    }

    /// Everything that the lease owes for its whole life until `now`, fee included.
    ///
    /// # Errors
    /// [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn gross(&self, now: Now) -> RuleResult<Atoms> {
        match self.state {
            LeaseState::Running => {
                let funds = self.funds_of_segment()?;
                let ms = billable_ms(self.segment, now, self.meter_end(), self.slot_ms);
                self.base.add(accrued(self.price, ms, funds)?)
            }
            _ => Ok(self.base),
        }
    }

    /// When the meter stops at the latest: the funds are used up, or the notice is over.
    pub fn meter_end(&self) -> UnixTs {
        if self.notice_end.is_zero() { self.runway_end } else { self.runway_end.min(self.notice_end) }
    }

    /// Are earnings since the last checkpoint held back?
    pub fn is_durable(&self) -> bool {
        !self.checkpoint_every.is_zero()
    }

    /// What of that can be paid at `now`: nothing in the first ninety seconds, in which the buyer may reject the start; while
    /// a challenge is open no more than at its start; in a durable lease no more than the last checkpoint confirmed, until the
    /// buyer has accepted.
    fn releasable(&self, now: Now) -> RuleResult<Atoms> {
        let gross = self.gross(now)?;
        if self.state == LeaseState::Ended || self.state == LeaseState::Finished && !self.is_durable() {
            return Ok(gross);
        }
        let settled = self.paid.add(self.fee)?;
        if self.can_be_rejected(now) {
            return Ok(settled);
        }
        let mut most = gross;
        if !self.challenge_end.is_zero() {
            most = most.min(self.challenge_gross);
        }
        if self.is_durable() {
            most = most.min(self.confirmed);
        }
        Ok(most.max(settled))
    }

    /// What a settlement at `now` would move.
    ///
    /// # Errors
    /// Those of [`Lease::gross`].
    pub fn payable(&self, now: Now) -> RuleResult<Settlement> {
        // The fee is taken of the whole life's gross, so that splitting a payment into thousands changes neither part.
        let due = split(self.releasable(now)?, self.fee_bps)?;
        Ok(Split { net: due.net.saturating_sub(self.paid), fee: due.fee.saturating_sub(self.fee) })
    }

    /// What the stake may still give back to the buyer for a fault: what it is charged, less what it was or will be credited
    /// out of the stake. Credit and slash together never give back more than was charged.
    pub fn compensable(&self) -> Atoms {
        self.base.saturating_sub(self.credit).saturating_sub(self.collected)
    }

    /// Is it ready for so short a time that the buyer may still reject the start?
    pub fn can_be_rejected(&self, now: Now) -> bool {
        matches!(self.state, LeaseState::Running | LeaseState::Paused | LeaseState::Grace)
            && now.ts.since(self.ready_ts) < REJECT_TIME
    }

    /// The lease is over and nothing is owed, neither to the provider nor to the buyer.
    ///
    /// # Errors
    /// Those of [`Lease::check_release`].
    pub fn check_close(&self, now: Now) -> RuleResult<()> {
        self.check_release(now)?;
        self.check_paid()
    }

    /// The lease is over, and what it owes is paid.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::StillOwed`].
    pub fn check_paid(&self) -> RuleResult<()> {
        self.check_clear()?;
        if !self.held()?.is_zero() {
            return Err(RuleError::StillOwed);
        }
        Ok(())
    }

    /// The lease is over and its stake can go free: no challenge is open, no credit is to be taken from it, and the time for which
    /// it stands for a verification is over. What is owed to the provider may still wait, so that a frozen account of the buyer
    /// never holds a provider's stake.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::StillOwed`], [`RuleError::ChallengeWindow`].
    pub fn check_release(&self, now: Now) -> RuleResult<()> {
        self.check_clear()?;
        if now.ts < self.stake_until() { Err(RuleError::ChallengeWindow) } else { Ok(()) }
    }

    /// Until when its stake stands for a verification, once it is over or finished; whatever the buyer does cannot shorten it,
    /// and it never lasts longer than 72 hours, verifier or none. Zero where nothing was delivered that could be verified.
    pub fn stake_until(&self) -> UnixTs {
        if self.verification.is_zero() || !matches!(self.state, LeaseState::Ended | LeaseState::Finished) {
            return UnixTs::ZERO;
        }
        UnixTs(self.ended_ts.0.saturating_add(self.verification.min(MAX_VERIFICATION).0))
    }

    fn check_clear(&self) -> RuleResult<()> {
        if !self.state.is_over() {
            return Err(RuleError::WrongState);
        }
        if !self.credit.is_zero() || !self.challenge_end.is_zero() {
            return Err(RuleError::StillOwed);
        }
        Ok(())
    }

    /// The next time at which somebody has something to do; where only money is owed, the time of its end.
    pub fn due(&self) -> UnixTs {
        match self.state {
            LeaseState::Starting => self.start_deadline,
            LeaseState::Running if !self.challenge_end.is_zero() => self.challenge_end.min(self.meter_end()),
            LeaseState::Running => self.meter_end(),
            LeaseState::Paused => self.unless_noticed(UnixTs(self.down_since.0.saturating_add(MAX_DOWNTIME.0))),
            LeaseState::Grace => self.unless_noticed(self.grace_end),
            LeaseState::Finished => self.review_end,
            LeaseState::Ended | LeaseState::Failed => self.ended_ts.max(self.review_end).max(self.stake_until()),
        }
    }

    /// The sooner of `end` and the end of the notice, where one was given.
    fn unless_noticed(&self, end: UnixTs) -> UnixTs {
        if self.notice_end.is_zero() { end } else { end.min(self.notice_end) }
    }

    /// Is a challenge open that the node has to answer? Not one whose time runs past the meter's end: a node may stop there.
    fn must_answer(&self) -> bool {
        !self.challenge_end.is_zero() && self.challenge_end < self.meter_end()
    }

    /// Time alone moves a lease on: a challenge that was not answered pauses it from the moment of the challenge; a runway
    /// that ended begins the grace period, counted from the runway's end, whoever notices it and when, but for a minute at least
    /// once it was seen.
    fn roll(&mut self, now: Now) -> RuleResult<()> {
        if self.state != LeaseState::Running {
            return Ok(());
        }
        if self.must_answer() {
            if deadline::passed(self.challenge_end, self.mark, now) {
                self.base = self.challenge_gross;
                self.confirmed = self.confirmed.min(self.base);
                self.down_since = UnixTs(self.challenge_end.0.saturating_sub(CHALLENGE_TIME.0));
                self.state = LeaseState::Paused;
            }
            // While it can be answered nothing else is decided, so that it never matters who comes first.
        } else if now.ts >= self.runway_end && self.meter_end() == self.runway_end {
            self.base = self.gross(now)?;
            // Whoever sees it late leaves the buyer a minute at least: the chain may have stood still.
            self.grace_end = self.runway_end.after(GRACE)?.max(now.ts.after(HALT_TIME)?);
            self.mark = now;
            self.state = LeaseState::Grace;
        }
        Ok(())
    }

    /// Is the lease over because the provider's notice is? Then nothing but its end can be recorded any more. A node that was
    /// down for ten minutes before that, or a lease whose funds and grace ended before, ends by those. Time was let do its part
    /// before.
    fn has_left(&self, now: Now) -> bool {
        if self.notice_end.is_zero() || now.ts < self.notice_end {
            return false;
        }
        match self.state {
            LeaseState::Running => !self.must_answer(),
            LeaseState::Paused => self.down_since.0.saturating_add(MAX_DOWNTIME.0) > self.notice_end.0,
            LeaseState::Grace => self.notice_end <= self.grace_end,
            _ => false,
        }
    }

    /// Refuses where the lease is over by its notice.
    fn not_left(&self, now: Now) -> RuleResult<()> {
        if self.has_left(now) { Err(RuleError::TooLate) } else { Ok(()) }
    }

    fn funds_of_segment(&self) -> RuleResult<Atoms> {
        let gone = self.base.add(self.refunded)?.add(self.forfeited)?;
        self.reserved.sub(gone).map_err(|_| RuleError::InvariantBroken)
    }

    fn expect(&self, states: &[LeaseState]) -> RuleResult<()> {
        if states.contains(&self.state) { Ok(()) } else { Err(RuleError::WrongState) }
    }
}
