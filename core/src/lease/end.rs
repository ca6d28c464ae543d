//! The ends of a lease: what is owed is fixed, the rest is returned.

use super::{Lease, LeaseState};
use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{MAX_DOWNTIME, MIN_CHARGE_TIME};
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

impl Lease {
    /// The buyer ends the lease: what is owed is fixed, the rest is returned (not yet moved). It owes a minute at least once
    /// a provider was bound: from ready on, and before ready until the start deadline, after which the start has failed.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is over already.
    pub fn stop(&mut self, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Starting, LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        self.ended_with(EndReason::Stopped, Ran::WHOLE, now)
    }

    /// The node ends the lease; returns what goes back. Time for which its container did not run is not billed, but what was
    /// paid is never taken back.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not running; [`RuleError::ReasonNotAllowed`] for a reason that a node may
    /// not give; [`RuleError::TooEarly`] for "out of funds" before the runway's end and for "notice" before that is over;
    /// [`RuleError::NoNotice`].
    pub fn finish(&mut self, reason: EndReason, ran: Ran, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        match reason {
            EndReason::Completed | EndReason::Abandoned | EndReason::DiskFull => {}
            EndReason::OutOfFunds if self.state == LeaseState::Grace || now.ts >= self.runway_end => {}
            EndReason::Notice if self.notice_end.is_zero() => return Err(RuleError::NoNotice),
            EndReason::Notice if now.ts >= self.notice_end => {}
            EndReason::OutOfFunds | EndReason::Notice => return Err(RuleError::TooEarly),
            _ => return Err(RuleError::ReasonNotAllowed),
        }
        self.ended_with(reason, ran, now)
    }

    /// Anybody may say that a node is gone that has been down for ten minutes; returns what goes back.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not down, [`RuleError::TooEarly`].
    pub fn unreachable(&mut self, now: Now) -> RuleResult<Atoms> {
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Paused])?;
        if now.ts.since(next.down_since) < MAX_DOWNTIME {
            return Err(RuleError::TooEarly);
        }
        let back = next.end(EndReason::Unreachable, Ran::WHOLE, now)?;
        *self = next;
        Ok(back)
    }

    /// The lease never started: everything goes back to the job. Anybody may say so after the start deadline, the node
    /// itself (`given_up`) at any time before ready.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooEarly`].
    pub fn fail_start(&mut self, given_up: bool, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Starting])?;
        if !given_up && now.ts <= self.start_deadline {
            return Err(RuleError::TooEarly);
        }
        self.fail(EndReason::NoStart, now)
    }

    /// The buyer rejects the start: the meter's start is undone, everything goes back. Nothing was paid yet: in this time
    /// nothing is payable.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooLate`] from ninety seconds after ready on.
    pub fn reject(&mut self, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        if !self.can_be_rejected(now) {
            return Err(RuleError::TooLate);
        }
        // Only a clock that went backward can have let something be paid.
        if !self.paid.add(self.fee)?.is_zero() {
            return Err(RuleError::TooLate);
        }
        self.fail(EndReason::Rejected, now)
    }

    fn fail(&mut self, reason: EndReason, now: Now) -> RuleResult<Atoms> {
        let back = self.held()?;
        self.refunded = self.refunded.add(back)?;
        self.base = Atoms::ZERO;
        self.confirmed = Atoms::ZERO;
        self.credit = Atoms::ZERO;
        self.state = LeaseState::Failed;
        self.reason = reason;
        self.ended_ts = now.ts;
        self.grace_end = UnixTs::ZERO;
        self.down_since = UnixTs::ZERO;
        Ok(back)
    }

    fn ended_with(&mut self, reason: EndReason, ran: Ran, now: Now) -> RuleResult<Atoms> {
        let mut next = *self;
        next.roll(now)?;
        let back = next.end(reason, ran, now)?;
        *self = next;
        Ok(back)
    }

    /// The cost of the time that the meter ran and the container did not, rounded up: what a provider earns rounds down.
    ///
    /// Counted by the wall clock. Where slots are slower than they are billed, the meter ran by slots and this takes the
    /// difference of the idle time too much, never too little.
    fn idle(&self, ran: Ran, now: Now) -> Atoms {
        let meter_end = match self.state {
            LeaseState::Paused => self.down_since,
            LeaseState::Grace => self.runway_end,
            _ => now.ts,
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
            (LeaseState::Starting, _) if now.ts > self.start_deadline => {}
            (_, EndReason::Stopped) => gross = gross.max(cost_down(self.price, MIN_CHARGE_TIME)?.min(self.reserved)),
            _ => {}
        }
        gross = gross.saturating_sub(idle);
        // Who leaves before the work is done is paid to its last checkpoint, where the job asked for checkpoints.
        if self.durable && matches!(reason, EndReason::Abandoned | EndReason::Unreachable | EndReason::Notice) {
            gross = gross.min(self.confirmed);
        }
        // What was paid is never taken back, whatever the clock says.
        let gross = gross.max(self.paid.add(self.fee)?);
        let back = self.reserved.sub(self.refunded)?.sub(gross).map_err(|_| RuleError::InvariantBroken)?;
        self.base = gross;
        self.confirmed = self.confirmed.min(gross);
        self.refunded = self.refunded.add(back)?;
        self.state = LeaseState::Ended;
        self.reason = reason;
        self.ended_ts = now.ts;
        self.grace_end = UnixTs::ZERO;
        self.down_since = UnixTs::ZERO;
        Ok(back)
    }
}
