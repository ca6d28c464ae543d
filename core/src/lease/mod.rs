//! The life of one lease: its state, its reservation, its meter.
//!
//! Its steps are listed in [`TRANSITIONS`].
//!
//! Every step first lets time do what it has done (`Lease::roll`), so that nothing hangs on who comes first.

mod end;
mod extend;
mod liveness;
mod steps;

pub use end::Ran;
pub use liveness::Challenge;

use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{CHALLENGE_TIME, GRACE, MAX_DOWNTIME, REJECT_TIME};
use crate::quantity::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
use crate::stream::{Split, accrued, billable_ms, split};
use crate::transition::Transition;

/// Every step that moves a lease on. What time does by itself any step does first, so one step can lead to several states.
pub const TRANSITIONS: &[Transition<LeaseState>] = &[
    Transition::begins("open", LeaseState::Starting, "award, post_instant"),
    Transition::new(LeaseState::Starting, "fail to start", LeaseState::Failed, "fail_start"),
    Transition::new(LeaseState::Starting, "ready", LeaseState::Running, "ready"),
    Transition::new(LeaseState::Starting, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Running, "answer", LeaseState::Running, "answer_challenge"),
    Transition::new(LeaseState::Running, "challenge", LeaseState::Running, "challenge"),
    Transition::new(LeaseState::Running, "expire", LeaseState::Paused, "expire, a challenge was missed"),
    Transition::new(LeaseState::Running, "expire", LeaseState::Grace, "expire, the funds are used up"),
    Transition::new(LeaseState::Running, "expire", LeaseState::Ended, "expire, nobody noticed the grace period"),
    Transition::new(LeaseState::Running, "finish", LeaseState::Ended, "finish, abandon"),
    Transition::new(LeaseState::Running, "reject", LeaseState::Failed, "reject_ready, in ninety seconds"),
    Transition::new(LeaseState::Running, "resolve", LeaseState::Paused, "resolve_challenge, it was missed"),
    Transition::new(LeaseState::Running, "settle", LeaseState::Running, "settle"),
    Transition::new(LeaseState::Running, "settle", LeaseState::Paused, "settle, a challenge was missed"),
    Transition::new(LeaseState::Running, "settle", LeaseState::Grace, "settle, the funds are used up"),
    Transition::new(LeaseState::Running, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Running, "top up", LeaseState::Running, "top_up"),
    Transition::new(LeaseState::Running, "top up", LeaseState::Paused, "top_up, a challenge was missed"),
    Transition::new(LeaseState::Running, "unreachable", LeaseState::Ended, "declare_unreachable, after ten minutes"),
    Transition::new(LeaseState::Paused, "finish", LeaseState::Ended, "finish, abandon"),
    Transition::new(LeaseState::Paused, "resolve", LeaseState::Paused, "resolve_challenge"),
    Transition::new(LeaseState::Paused, "resume", LeaseState::Running, "resume"),
    Transition::new(LeaseState::Paused, "settle", LeaseState::Paused, "settle"),
    Transition::new(LeaseState::Paused, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Paused, "top up", LeaseState::Paused, "top_up"),
    Transition::new(LeaseState::Paused, "unreachable", LeaseState::Ended, "declare_unreachable, after ten minutes"),
    Transition::new(LeaseState::Grace, "expire", LeaseState::Ended, "expire, the grace period is over"),
    Transition::new(LeaseState::Grace, "finish", LeaseState::Ended, "finish, abandon"),
    Transition::new(LeaseState::Grace, "settle", LeaseState::Grace, "settle"),
    Transition::new(LeaseState::Grace, "stop", LeaseState::Ended, "stop"),
    Transition::new(LeaseState::Grace, "top up", LeaseState::Running, "top_up"),
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
            _ => Err(RuleError::WrongState),
        }
    }

    /// Is the lease over?
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed)
    }
}

/// The moving parts of a lease. `paid + fee + refunded + held = reserved` at all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// State.
    pub state: LeaseState,
    /// Why it ended, or [`EndReason::None`].
    pub reason: EndReason,
    /// The winning price.
    pub price: PricePerHour,
    /// Milliseconds that one slot is billed at most.
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
    /// Start of the running segment.
    pub segment: Now,
    /// Last moment for `ready`.
    pub start_deadline: UnixTs,
    /// When it became ready; zero before.
    pub ready_ts: UnixTs,
    /// When the reservation is used up; zero before ready.
    pub runway_end: UnixTs,
    /// When the grace period ends; zero outside of it.
    pub grace_end: UnixTs,
    /// When it ended; zero before.
    pub ended_ts: UnixTs,
    /// Earnings since the last checkpoint are held back.
    pub durable: bool,
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
        let gone = self.paid.add(self.fee)?.add(self.refunded)?;
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
                let ms = billable_ms(self.segment, now, self.runway_end, self.slot_ms);
                self.base.add(accrued(self.price, ms, funds)?)
            }
            _ => Ok(self.base),
        }
    }

    /// What of that can be paid at `now`: nothing in the first ninety seconds, in which the buyer may reject the start; while
    /// a challenge is open no more than at its start; in a durable lease no more than the last checkpoint confirmed.
    fn releasable(&self, now: Now) -> RuleResult<Atoms> {
        let gross = self.gross(now)?;
        if self.state == LeaseState::Ended {
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
        if self.durable {
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
    /// [`RuleError::WrongState`], [`RuleError::StillOwed`].
    pub fn check_close(&self) -> RuleResult<()> {
        self.check_release()?;
        if !self.held()?.is_zero() {
            return Err(RuleError::StillOwed);
        }
        Ok(())
    }

    /// The lease is over and its stake can go free: no challenge is open and no credit is to be taken from it. What is owed
    /// to the provider may still wait, so that a frozen account of the buyer never holds a provider's stake.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::StillOwed`].
    pub fn check_release(&self) -> RuleResult<()> {
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
            LeaseState::Running if !self.challenge_end.is_zero() => self.challenge_end.min(self.runway_end),
            LeaseState::Running => self.runway_end,
            LeaseState::Paused => UnixTs(self.down_since.0.saturating_add(MAX_DOWNTIME.0)),
            LeaseState::Grace => self.grace_end,
            LeaseState::Ended | LeaseState::Failed => self.ended_ts,
        }
    }

    /// Time alone moves a lease on: a challenge that was not answered pauses it from the moment of the challenge; a runway
    /// that ended begins the grace period, counted from the runway's end, whoever notices it and when.
    fn roll(&mut self, now: Now) -> RuleResult<()> {
        if self.state != LeaseState::Running {
            return Ok(());
        }
        // A challenge whose time runs past the runway's end asks for nothing: a node may stop when the funds are used up.
        let unanswered = !self.challenge_end.is_zero() && self.challenge_end < self.runway_end;
        if unanswered && now.ts > self.challenge_end {
            self.base = self.challenge_gross;
            self.confirmed = self.confirmed.min(self.base);
            self.down_since = UnixTs(self.challenge_end.0.saturating_sub(CHALLENGE_TIME.0));
            self.state = LeaseState::Paused;
        } else if now.ts >= self.runway_end {
            self.base = self.gross(now)?;
            self.grace_end = self.runway_end.after(GRACE)?;
            self.state = LeaseState::Grace;
        }
        Ok(())
    }

    fn funds_of_segment(&self) -> RuleResult<Atoms> {
        let gone = self.base.add(self.refunded)?;
        self.reserved.sub(gone).map_err(|_| RuleError::InvariantBroken)
    }

    fn expect(&self, states: &[LeaseState]) -> RuleResult<()> {
        if states.contains(&self.state) { Ok(()) } else { Err(RuleError::WrongState) }
    }
}
