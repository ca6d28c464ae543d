//! The life of a lease and the money that streams through it.
//!
//! | from | step | to |
//! |---|---|---|
//! | `Starting` | ready, not after the start deadline | `Running` |
//! | `Starting` | failed to start (after the deadline, or the node gives up) | `Failed` |
//! | `Starting` | stop | `Ended` |
//! | `Running` | settle or expire at or after `runway_end` | `Grace` |
//! | `Running` | top-up | `Running` |
//! | `Running`, `Paused` | stop, finish | `Ended` |
//! | `Running` | expire after a grace period that nobody noticed | `Ended` |
//! | `Grace` | top-up, not after `grace_end` | `Running` |
//! | `Grace` | stop, finish, expire after `grace_end` | `Ended` |
//! | `Paused`, `Grace`, `Ended` | settle | unchanged |
//! | `Ended`, `Failed` | close, once nothing is owed | account gone |

use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{GRACE, MIN_CHARGE_TIME};
use crate::quantity::{Atoms, Bps, Now, PricePerHour, UnixTs};
use crate::rounding::cost_down;
use crate::stream::{Split, accrued, billable_ms, runway_end, split};

/// States of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LeaseState {
    /// Awarded; the node pulls and starts.
    Starting = 1,
    /// The meter runs.
    Running = 2,
    /// Down; the meter stands (liveness, later).
    Paused = 3,
    /// The reservation is used up; waits for a top-up.
    Grace = 4,
    /// Over; what is owed is fixed.
    Ended = 5,
    /// Never started.
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
}

/// What one settlement moves.
pub type Settlement = Split;

impl Lease {
    /// A lease of `price` with `reserved` behind it.
    pub fn open(price: PricePerHour, reserved: Atoms, slot_ms: u32, fee_bps: Bps, start_deadline: UnixTs) -> Self {
        Self {
            state: LeaseState::Starting,
            reason: EndReason::None,
            price,
            slot_ms,
            fee_bps,
            reserved,
            base: Atoms::ZERO,
            paid: Atoms::ZERO,
            fee: Atoms::ZERO,
            refunded: Atoms::ZERO,
            segment: Now::default(),
            start_deadline,
            ready_ts: UnixTs::ZERO,
            runway_end: UnixTs::ZERO,
            grace_end: UnixTs::ZERO,
            ended_ts: UnixTs::ZERO,
        }
    }

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

    /// What a settlement at `now` would move.
    ///
    /// # Errors
    /// Those of [`Lease::gross`].
    pub fn payable(&self, now: Now) -> RuleResult<Settlement> {
        // The fee is taken of the whole life's gross, so that splitting a payment into thousands changes neither part.
        let due = split(self.gross(now)?, self.fee_bps)?;
        Ok(Split { net: due.net.saturating_sub(self.paid), fee: due.fee.saturating_sub(self.fee) })
    }

    /// The node reports ready: the meter starts here.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TooLate`] after the start deadline.
    pub fn ready(&mut self, now: Now) -> RuleResult<()> {
        self.expect(&[LeaseState::Starting])?;
        if now.ts > self.start_deadline {
            return Err(RuleError::TooLate);
        }
        let end = runway_end(now.ts, self.funds_of_segment()?, self.price)?;
        self.state = LeaseState::Running;
        self.ready_ts = now.ts;
        self.segment = now;
        self.runway_end = end;
        Ok(())
    }

    /// Moves what is payable at `now` out of the reservation; enters the grace period where the runway has ended.
    /// Settling twice in a slot pays once.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] before ready.
    pub fn settle(&mut self, now: Now) -> RuleResult<Settlement> {
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace, LeaseState::Ended])?;
        let mut next = *self;
        next.roll(now)?;
        let payment = next.payable(now)?;
        next.paid = next.paid.add(payment.net)?;
        next.fee = next.fee.add(payment.fee)?;
        next.held()?;
        *self = next;
        Ok(payment)
    }

    /// Adds `amount` to the reservation; resumes a lease in its grace period.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::WrongState`], [`RuleError::TooLate`] after the grace period.
    pub fn top_up(&mut self, amount: Atoms, now: Now) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        self.expect(&[LeaseState::Running, LeaseState::Grace])?;
        let mut next = *self;
        next.roll(now)?;
        if next.state == LeaseState::Grace {
            if now.ts > next.grace_end {
                return Err(RuleError::TooLate);
            }
            next.state = LeaseState::Running;
            next.grace_end = UnixTs::ZERO;
            next.segment = now;
        }
        next.reserved = next.reserved.add(amount)?;
        next.runway_end = runway_end(next.segment.ts, next.funds_of_segment()?, next.price)?;
        *self = next;
        Ok(())
    }

    /// The buyer ends the lease: what is owed is fixed, the rest is returned (not yet moved).
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is over already.
    pub fn stop(&mut self, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Starting, LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        self.end(EndReason::Stopped, now)
    }

    /// The node ends the lease; returns what goes back to the purse.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not running; [`RuleError::ReasonNotAllowed`] for a reason that a node may
    /// not give; [`RuleError::TooEarly`] for "out of funds" before the runway's end.
    pub fn finish(&mut self, reason: EndReason, now: Now) -> RuleResult<Atoms> {
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        match reason {
            EndReason::Completed | EndReason::Abandoned => {}
            EndReason::OutOfFunds if self.state == LeaseState::Grace || now.ts >= self.runway_end => {}
            EndReason::OutOfFunds => return Err(RuleError::TooEarly),
            _ => return Err(RuleError::ReasonNotAllowed),
        }
        self.end(reason, now)
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
        let back = self.held()?;
        self.refunded = self.refunded.add(back)?;
        self.state = LeaseState::Failed;
        self.reason = EndReason::NoStart;
        self.ended_ts = now.ts;
        Ok(back)
    }

    /// Time alone moves the lease on: a runway that ended begins the grace period, a grace period that ended ends the
    /// lease. Returns what goes back to the purse; `None` where there is nothing to do yet.
    ///
    /// # Errors
    /// [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn expire(&mut self, now: Now) -> RuleResult<Option<Atoms>> {
        let mut next = *self;
        next.roll(now)?;
        if next.state == LeaseState::Grace && now.ts > next.grace_end {
            let back = next.end(EndReason::OutOfFunds, now)?;
            *self = next;
            return Ok(Some(back));
        }
        let moved = next.state != self.state;
        *self = next;
        Ok(moved.then_some(Atoms::ZERO))
    }

    /// The lease is over and nothing is owed.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::StillOwed`].
    pub fn check_close(&self) -> RuleResult<()> {
        if !self.state.is_over() {
            return Err(RuleError::WrongState);
        }
        if !self.held()?.is_zero() {
            return Err(RuleError::StillOwed);
        }
        Ok(())
    }

    /// The next time at which somebody has something to do; zero where only money is owed.
    pub fn due(&self) -> UnixTs {
        match self.state {
            LeaseState::Starting => self.start_deadline,
            LeaseState::Running | LeaseState::Paused => self.runway_end,
            LeaseState::Grace => self.grace_end,
            LeaseState::Ended | LeaseState::Failed => self.ended_ts,
        }
    }

    /// A runway that ended by `now` begins the grace period: the segment is closed and nothing accrues. The grace
    /// period is counted from the runway's end, whoever notices it and when.
    fn roll(&mut self, now: Now) -> RuleResult<()> {
        if self.state == LeaseState::Running && now.ts >= self.runway_end {
            self.base = self.gross(now)?;
            self.grace_end = self.runway_end.after(GRACE)?;
            self.state = LeaseState::Grace;
        }
        Ok(())
    }

    fn end(&mut self, reason: EndReason, now: Now) -> RuleResult<Atoms> {
        let mut gross = self.gross(now)?;
        if self.state != LeaseState::Starting && reason != EndReason::Abandoned {
            let least = cost_down(self.price, MIN_CHARGE_TIME)?;
            gross = gross.max(least.min(self.reserved));
        }
        // A clock that went backward cannot take back what was paid.
        let gross = gross.max(self.paid.add(self.fee)?);
        let back = self.reserved.sub(self.refunded)?.sub(gross).map_err(|_| RuleError::InvariantBroken)?;
        self.base = gross;
        self.refunded = self.refunded.add(back)?;
        self.state = LeaseState::Ended;
        self.reason = reason;
        self.ended_ts = now.ts;
        self.grace_end = UnixTs::ZERO;
        Ok(back)
    }

    fn funds_of_segment(&self) -> RuleResult<Atoms> {
        let gone = self.base.add(self.refunded)?;
        self.reserved.sub(gone).map_err(|_| RuleError::InvariantBroken)
    }

    fn expect(&self, states: &[LeaseState]) -> RuleResult<()> {
        if states.contains(&self.state) { Ok(()) } else { Err(RuleError::WrongState) }
    }
}
