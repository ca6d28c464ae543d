//! Steps in the life of a lease: opening, ready, settlement, top-up, checkpoint, notice, and what time does by itself.

use super::{Lease, LeaseState, Ran, Settlement};
use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{MAX_DURATION, MIN_CHARGE_TIME};
use crate::quantity::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
use crate::stream::runway_end;

impl Lease {
    /// A lease of `price` with `reserved` behind it, neither durable nor with notice, and as long as a lease may be; all three
    /// may be set before ready.
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
            durable: false,
            confirmed: Atoms::ZERO,
            challenge_end: UnixTs::ZERO,
            challenge_gross: Atoms::ZERO,
            down_since: UnixTs::ZERO,
            credited: Seconds::ZERO,
            credit: Atoms::ZERO,
            collected: Atoms::ZERO,
            notice: Seconds::ZERO,
            notice_end: UnixTs::ZERO,
            duration: MAX_DURATION,
        }
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
    /// [`RuleError::ZeroAmount`], [`RuleError::WrongState`], [`RuleError::TooLate`] after the grace period,
    /// [`RuleError::TopUpTooSmall`] where a lease in its grace period would not run for a minute;
    /// [`RuleError::BeyondDuration`] where it would be paid for longer than it may run for: see [`Lease::extend`].
    pub fn top_up(&mut self, amount: Atoms, now: Now) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        let mut next = *self;
        next.roll(now)?;
        let resumes = next.state == LeaseState::Grace;
        if resumes {
            if now.ts > next.grace_end {
                return Err(RuleError::TooLate);
            }
            next.state = LeaseState::Running;
            next.grace_end = UnixTs::ZERO;
            next.segment = now;
        }
        next.reserved = next.reserved.add(amount)?;
        next.check_duration()?;
        if next.state == LeaseState::Running {
            next.runway_end = runway_end(next.segment.ts, next.funds_of_segment()?, next.price)?;
        }
        // Otherwise an atom at a time could keep a node waiting in grace for ever, unpaid.
        if resumes && next.runway_end.since(now.ts) < MIN_CHARGE_TIME {
            return Err(RuleError::TopUpTooSmall);
        }
        *self = next;
        Ok(())
    }

    /// The node has written a checkpoint: what was accrued until now is confirmed.
    ///
    /// # Errors
    /// [`RuleError::WrongState`]; [`RuleError::NotDurable`] for a job that did not ask for checkpoints.
    pub fn checkpoint(&mut self, now: Now) -> RuleResult<()> {
        if !self.durable {
            return Err(RuleError::NotDurable);
        }
        self.expect(&[LeaseState::Running, LeaseState::Grace])?;
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Running, LeaseState::Grace])?;
        next.confirmed = next.gross(now)?.max(next.confirmed);
        *self = next;
        Ok(())
    }

    /// The provider gives notice; it may leave without fault when that is over. A second notice changes nothing.
    ///
    /// # Errors
    /// [`RuleError::WrongState`]; [`RuleError::NoNotice`] where no notice was agreed.
    pub fn give_notice(&mut self, now: Now) -> RuleResult<()> {
        if self.notice.is_zero() {
            return Err(RuleError::NoNotice);
        }
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        if self.notice_end.is_zero() {
            self.notice_end = now.ts.after(self.notice)?;
        }
        Ok(())
    }

    /// Time alone moves the lease on: a runway that ended begins the grace period, a challenge that was not answered begins
    /// the downtime, a grace period that ended ends the lease. Returns what goes back; `None` where there is nothing to do
    /// yet.
    ///
    /// # Errors
    /// [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn expire(&mut self, now: Now) -> RuleResult<Option<Atoms>> {
        let mut next = *self;
        next.roll(now)?;
        if next.state == LeaseState::Grace && now.ts > next.grace_end {
            let back = next.end(EndReason::OutOfFunds, Ran::WHOLE, now)?;
            *self = next;
            return Ok(Some(back));
        }
        let moved = next.state != self.state;
        *self = next;
        Ok(moved.then_some(Atoms::ZERO))
    }
}
