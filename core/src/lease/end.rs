//! The ends of a lease: what is owed is fixed, the rest is returned.

use super::{Lease, LeaseState};
use crate::deadline;
use crate::error::{RuleError, RuleResult};
use crate::exclusion::BUYER_ERRORS;
use crate::job::{EndReason, review_time};
use crate::limits::{DECLINE_TIME, MAX_DOWNTIME, MIN_CHARGE_TIME};
use crate::quantity::{Atoms, Now, Seconds, UnixTs};
use crate::rounding::{cost_down, cost_up};

/// For how much of a lease its container ran, as the node says when it ends the lease. It can only make the bill smaller: a
/// message that arrives late, or a container that somebody paused, costs the buyer nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// When the container ended, by the chain's clock; zero for "it ran until now". Later than now counts as now, earlier than
    /// the present segment of the meter as the beginning of that segment.
    pub until: UnixTs,
    /// For how long it stood still since ready, all in all.
    pub stood: Seconds,
}

impl Ran {
    /// It ran until this moment and never stood still.
    pub const WHOLE: Ran = Ran { until: UnixTs::ZERO, stood: Seconds::ZERO };
}

/// What a start that ended without a fault moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Back to the job.
    pub back: Atoms,
    /// From the buyer's reservation to the insurance fund ([`Lease::forfeited`]).
    pub buyer: Atoms,
    /// Out of the stake that the lease has reserved, to the insurance fund.
    pub provider: Atoms,
}

impl Lease {
    /// The buyer ends the lease: what is owed is fixed, the rest is returned (not yet moved). It owes a minute at least once
    /// a provider was bound: from ready on, and before ready until the start deadline, after which the start has failed.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is over or finished already.
    pub fn stop(&mut self, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Starting, LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        let mut next = *self;
        next.roll(now)?;
        let back = next.end(EndReason::Stopped, Ran::WHOLE, now)?;
        *self = next;
        Ok(back)
    }

    /// The node ends the lease; returns what goes back. Time for which its container did not run is not billed, but what was
    /// paid is never taken back.
    ///
    /// Where the node says that the work is done, or that the job filled its disk, the buyer may look first: the lease is
    /// finished, and over only when the buyer accepts or the time to reopen has passed (as long as the job `posted`, see
    /// [`review_time`]). A node that is down or asked to show itself cannot say so, else it were a way around both.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not running; [`RuleError::ChallengeOpen`] while it must answer a challenge, for any
    /// reason but "abandoned"; [`RuleError::ReasonNotAllowed`] for a reason that a node may not give; [`RuleError::TooEarly`] for
    /// "out of funds" before the runway's end and for "notice" before that is over; [`RuleError::NoNotice`];
    /// [`RuleError::TooLate`] for any reason but "notice" where that is over.
    pub fn finish(&mut self, reason: EndReason, ran: Ran, posted: Seconds, now: Now) -> RuleResult<Atoms> {
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        if reason != EndReason::Notice {
            next.not_left(now)?;
        }
        match reason {
            EndReason::Abandoned => {}
            EndReason::Notice if next.notice_end.is_zero() => return Err(RuleError::NoNotice),
            EndReason::Notice if next.has_left(now) => {}
            EndReason::Notice => return Err(RuleError::TooEarly),
            EndReason::Completed | EndReason::DiskFull | EndReason::OutOfFunds => {
                next.expect(&[LeaseState::Running, LeaseState::Grace])?;
                if next.state == LeaseState::Running && !next.challenge_end.is_zero() {
                    return Err(RuleError::ChallengeOpen);
                }
                if reason == EndReason::OutOfFunds && next.state != LeaseState::Grace {
                    return Err(RuleError::TooEarly);
                }
            }
            _ => return Err(RuleError::ReasonNotAllowed),
        }
        let back = next.end(reason, ran, now)?;
        if matches!(reason, EndReason::Completed | EndReason::DiskFull) {
            next.state = LeaseState::Finished;
            next.mark = now;
            next.review_end = now.ts.after(review_time(now.ts.since(next.ready_ts), posted))?;
        }
        *self = next;
        Ok(back)
    }

    /// The buyer accepts what the node finished: the lease is over.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where the node did not finish it, or it is over.
    pub fn accept(&mut self, now: Now) -> RuleResult<()> {
        self.expect(&[LeaseState::Finished])?;
        self.state = LeaseState::Ended;
        self.review_end = now.ts;
        Ok(())
    }

    /// The buyer does not take what the node finished for done, and reopens the job; returns what goes back to it. The provider
    /// is paid as one that left with notice: in a job with checkpoints to the last one before it finished.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where the node did not finish it, [`RuleError::TooLate`] after the time to do so.
    pub fn reopen(&mut self, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Finished])?;
        if deadline::passed(self.review_end, self.mark, now) {
            return Err(RuleError::TooLate);
        }
        let mut next = *self;
        let most = if next.is_durable() { next.base.min(next.confirmed) } else { next.base };
        let gross = most.max(next.paid.add(next.fee)?);
        let back = next.base.sub(gross).map_err(|_| RuleError::InvariantBroken)?;
        next.base = gross;
        next.confirmed = next.confirmed.min(gross);
        next.refunded = next.refunded.add(back)?;
        next.reason = EndReason::Reopened;
        next.state = LeaseState::Ended;
        next.review_end = now.ts;
        *self = next;
        Ok(back)
    }

    /// Anyone may say that a node is gone that has been down for ten minutes; returns what goes back.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not down, [`RuleError::TooEarly`], [`RuleError::TooLate`] where it left with notice
    /// before that.
    pub fn unreachable(&mut self, now: Now) -> RuleResult<Atoms> {
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Paused])?;
        next.not_left(now)?;
        let since = UnixTs(next.down_since.0.saturating_add(MAX_DOWNTIME.0));
        if !deadline::reached(since, next.mark, now) {
            return Err(RuleError::TooEarly);
        }
        let back = next.end(EndReason::Unreachable, Ran::WHOLE, now)?;
        *self = next;
        Ok(back)
    }

    /// The lease never started: everything goes back to the job. Anyone may say so after the start deadline, the node
    /// itself (`given_up`) at any time before ready.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooEarly`].
    pub fn fail_start(&mut self, given_up: bool, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Starting])?;
        if !given_up && !deadline::passed(self.start_deadline, self.mark, now) {
            return Err(RuleError::TooEarly);
        }
        self.fail(EndReason::NoStart, Atoms::ZERO, now)
    }

    /// The node declines, at once after the award: no fault. For a bid of its own it costs it `minute`
    /// ([`crate::job::minute`]), else a few providers of one owner could hold a job up for nothing; an automatic or instant award
    /// (`own_bid` false) was no decision of its, and costs nothing.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooLate`] from half a minute after the award on.
    pub fn decline(&mut self, own_bid: bool, minute: Atoms, now: Now) -> RuleResult<Undone> {
        self.expect(&[LeaseState::Starting])?;
        if !self.can_be_declined(now.ts) {
            return Err(RuleError::TooLate);
        }
        let provider = if own_bid { minute } else { Atoms::ZERO };
        let back = self.fail(EndReason::Declined, Atoms::ZERO, now)?;
        Ok(Undone { back, buyer: Atoms::ZERO, provider })
    }

    /// Is it awarded for so short a time that its node may still decline it?
    pub fn can_be_declined(&self, now: UnixTs) -> bool {
        self.state == LeaseState::Starting && now.since(self.awarded) < DECLINE_TIME
    }

    /// The node says that it was not given what it needs (the manifest, an input, an image as small as stated). The programs
    /// cannot tell whether that is so; so it ends the start without a fault, and costs each side `minute`. It has to say so while
    /// the buyer could still have mended it and another node can still start: later, the start deadline is its fault.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooLate`] once half of the time to start is over.
    pub fn not_given(&mut self, minute: Atoms, now: Now) -> RuleResult<Undone> {
        self.expect(&[LeaseState::Starting])?;
        if now.ts > self.want_deadline() {
            return Err(RuleError::TooLate);
        }
        self.end_start(EndReason::NotGiven, minute, now)
    }

    /// Last moment for [`Lease::not_given`].
    pub fn want_deadline(&self) -> UnixTs {
        UnixTs(self.awarded.0.saturating_add(self.start_deadline.since(self.awarded).0 / 2))
    }

    /// The node says that its container engine refused the container for what the buyer asked of it (a mount, a path, a permission,
    /// no such program, another platform: exit codes 125, 126 and 127). It costs each side `minute`; whether it is so, a second
    /// provider will tell.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::ReasonNotAllowed`] for another exit code than [`BUYER_ERRORS`],
    /// [`RuleError::TooLate`] after the start deadline.
    pub fn buyer_error(&mut self, exit_code: i32, minute: Atoms, now: Now) -> RuleResult<Undone> {
        self.expect(&[LeaseState::Starting])?;
        if !BUYER_ERRORS.contains(&exit_code) {
            return Err(RuleError::ReasonNotAllowed);
        }
        if deadline::passed(self.start_deadline, self.mark, now) {
            return Err(RuleError::TooLate);
        }
        self.end_start(EndReason::BuyerError, minute, now)
    }

    /// The buyer rejects the start: the meter's start is undone and the provider gets nothing; nothing was paid yet, because in
    /// this time nothing is payable. The buyer owes the insurance fund the time that ran, at least `minute`, so that rejecting is
    /// neither a way to compute for nothing nor one to keep a machine busy; and the node owes it the minute, so that saying
    /// "ready" for a dud is not free either.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooLate`] from ninety seconds after ready on.
    pub fn reject(&mut self, minute: Atoms, now: Now) -> RuleResult<Undone> {
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        if !self.can_be_rejected(now) {
            return Err(RuleError::TooLate);
        }
        // Only a clock that went backward can have let something be paid.
        if !self.paid.add(self.fee)?.is_zero() {
            return Err(RuleError::TooLate);
        }
        let mut next = *self;
        next.roll(now)?;
        let buyer = next.gross(now)?.max(minute).min(next.reserved);
        let back = next.fail(EndReason::Rejected, buyer, now)?;
        *self = next;
        Ok(Undone { back, buyer, provider: minute })
    }

    /// Ends a start for which each side owes `minute`.
    fn end_start(&mut self, reason: EndReason, minute: Atoms, now: Now) -> RuleResult<Undone> {
        let buyer = minute.min(self.reserved);
        let back = self.fail(reason, buyer, now)?;
        Ok(Undone { back, buyer, provider: minute })
    }

    /// Nothing was delivered: all goes back but `forfeited`, what the buyer owes the insurance fund.
    fn fail(&mut self, reason: EndReason, forfeited: Atoms, now: Now) -> RuleResult<Atoms> {
        let mut next = *self;
        next.forfeited = next.forfeited.add(forfeited)?;
        let back = next.held()?;
        next.refunded = next.refunded.add(back)?;
        next.base = Atoms::ZERO;
        next.confirmed = Atoms::ZERO;
        next.credit = Atoms::ZERO;
        next.close_meter(LeaseState::Failed, reason, now);
        *self = next;
        Ok(back)
    }

    fn close_meter(&mut self, state: LeaseState, reason: EndReason, now: Now) {
        self.state = state;
        self.reason = reason;
        self.ended_ts = now.ts;
        self.grace_end = UnixTs::ZERO;
        self.down_since = UnixTs::ZERO;
    }

    /// The cost of the time that the meter ran and the container did not, rounded up: what a provider earns rounds down.
    ///
    /// Counted by the wall clock, as the meter is.
    fn idle(&self, ran: Ran, now: Now) -> Atoms {
        let meter_end = match self.state {
            LeaseState::Paused => self.down_since,
            LeaseState::Grace => self.runway_end,
            _ => now.ts.min(self.meter_end()),
        };
        let until = if ran.until.is_zero() { meter_end } else { ran.until.max(self.segment.ts) };
        let idle = meter_end.since(until).0.saturating_add(ran.stood.0);
        // What does not fit in 64 bits is certainly above the bill.
        cost_up(self.price, Seconds(idle)).unwrap_or(Atoms(u64::MAX))
    }

    /// Fixes what is owed. Time was let do its part before.
    pub(super) fn end(&mut self, reason: EndReason, ran: Ran, now: Now) -> RuleResult<Atoms> {
        let mut gross = self.gross(now)?;
        let idle = self.idle(ran, now);
        match (self.state, reason) {
            // A provider that was down is owed no minute, and the downtime is credited up to this moment.
            (LeaseState::Paused, _) => {
                self.credit_downtime(now)?;
                gross = self.base;
            }
            // The start has failed: nothing was delivered.
            (LeaseState::Starting, _) if deadline::passed(self.start_deadline, self.mark, now) => {}
            (_, EndReason::Stopped) => gross = gross.max(cost_down(self.price, MIN_CHARGE_TIME)?.min(self.reserved)),
            _ => {}
        }
        // A challenge that could still be answered was not missed, however long ago its minute was.
        if self.state != LeaseState::Paused && !self.challenge_end.is_zero() {
            self.challenge_end = self.challenge_end.max(now.ts);
        }
        gross = gross.saturating_sub(idle);
        // Who leaves before the work is done is paid to its last checkpoint, where the job asked for checkpoints.
        if self.is_durable() && reason.left_early() {
            gross = gross.min(self.confirmed);
        }
        // What was paid is never taken back, whatever the clock says.
        let gross = gross.max(self.paid.add(self.fee)?);
        let gone = self.refunded.add(self.forfeited)?;
        let back = self.reserved.sub(gone)?.sub(gross).map_err(|_| RuleError::InvariantBroken)?;
        self.base = gross;
        self.confirmed = self.confirmed.min(gross);
        self.refunded = self.refunded.add(back)?;
        self.close_meter(LeaseState::Ended, reason, now);
        Ok(back)
    }
}
