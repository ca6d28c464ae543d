//! Steps in the life of a lease: opening, ready, settlement, top-up, checkpoint, notice, and what time does by itself.

use super::{Lease, LeaseState, Ran, Settlement};
use crate::deadline::{self, Deadline};
use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{CHECKPOINT_PART, MAX_DURATION, MIN_CHARGE_TIME};
use crate::quantity::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
use crate::stream::runway_end;

impl Lease {
    /// A lease of `price` with `reserved` behind it, awarded at `now`; without checkpoints, notice or verification, and as
    /// long as a lease may be; all of these may be set before ready.
    pub fn open(
        price: PricePerHour,
        reserved: Atoms,
        slot_ms: u32,
        fee_bps: Bps,
        now: Now,
        start_deadline: UnixTs,
    ) -> Self {
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
            forfeited: Atoms::ZERO,
            segment: Now::default(),
            mark: now,
            awarded: now.ts,
            start_deadline,
            ready_ts: UnixTs::ZERO,
            runway_end: UnixTs::ZERO,
            grace_end: UnixTs::ZERO,
            ended_ts: UnixTs::ZERO,
            review_end: UnixTs::ZERO,
            verification: Seconds::ZERO,
            checkpoint_every: Seconds::ZERO,
            checkpoint_ts: UnixTs::ZERO,
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
        if deadline::passed(self.start_deadline, self.mark, now) {
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
        self.expect(&[
            LeaseState::Running,
            LeaseState::Paused,
            LeaseState::Grace,
            LeaseState::Finished,
            LeaseState::Ended,
        ])?;
        let mut next = *self;
        next.roll(now)?;
        let payment = next.payable(now)?;
        next.paid = next.paid.add(payment.net)?;
        next.fee = next.fee.add(payment.fee)?;
        next.held()?;
        *self = next;
        Ok(payment)
    }

    /// Adds `amount` to the reservation; resumes a lease in its grace period. Returns whether it resolved an open challenge
    /// ([`super::Challenge::Moot`]).
    ///
    /// A challenge whose minute runs past the end of the funds asks for nothing, and the node that let it be must not be held to it
    /// because money came afterwards, with a second left to answer or none.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::WrongState`], [`RuleError::TooLate`] after the grace period or where the notice is
    /// over, [`RuleError::TopUpTooSmall`] where a lease in its grace period would not run for a minute;
    /// [`RuleError::BeyondDuration`] where it would be paid for longer than it may run for: see [`Lease::extend`].
    pub fn top_up(&mut self, amount: Atoms, now: Now) -> RuleResult<bool> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        let mut next = *self;
        next.roll(now)?;
        next.not_left(now)?;
        let moot = !next.challenge_end.is_zero() && next.state != LeaseState::Paused && !next.must_answer();
        if moot {
            next.close_challenge();
        }
        let resumes = next.state == LeaseState::Grace;
        if resumes {
            if deadline::passed(next.grace_end, next.mark, now) {
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
        Ok(moot)
    }

    /// The node has written checkpoint number `seq`, the next after the job's `last`: what was accrued until now is confirmed.
    ///
    /// Numbers follow each other, so that none can be the last one for ever; and checkpoints keep a quarter of the time that the
    /// job asked for between them, so that what is confirmed is not what a node says just before it leaves.
    ///
    /// # Errors
    /// [`RuleError::WrongState`]; [`RuleError::NotDurable`] for a job that did not ask for checkpoints;
    /// [`RuleError::StaleCheckpoint`]; [`RuleError::TooEarly`]; [`RuleError::TooLate`] where the notice is over.
    pub fn checkpoint(&mut self, seq: u32, last: u32, now: Now) -> RuleResult<()> {
        if !self.is_durable() {
            return Err(RuleError::NotDurable);
        }
        self.expect(&[LeaseState::Running, LeaseState::Grace])?;
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Running, LeaseState::Grace])?;
        next.not_left(now)?;
        if last.checked_add(1) != Some(seq) {
            return Err(RuleError::StaleCheckpoint);
        }
        let apart = Seconds(next.checkpoint_every.0.div_ceil(CHECKPOINT_PART));
        if now.ts.since(next.checkpoint_ts.max(next.ready_ts)) < apart {
            return Err(RuleError::TooEarly);
        }
        next.checkpoint_ts = now.ts;
        next.confirmed = next.gross(now)?.max(next.confirmed);
        *self = next;
        Ok(())
    }

    /// The provider gives notice: when that is over, so is the lease, without fault. A second notice changes nothing. A node that
    /// is down cannot give one; it resumes first.
    ///
    /// # Errors
    /// [`RuleError::WrongState`]; [`RuleError::NoNotice`] where no notice was agreed.
    pub fn give_notice(&mut self, now: Now) -> RuleResult<()> {
        if self.notice.is_zero() {
            return Err(RuleError::NoNotice);
        }
        self.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        if !self.notice_end.is_zero() {
            return Ok(());
        }
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Running, LeaseState::Grace])?;
        next.notice_end = now.ts.after(next.notice)?;
        *self = next;
        Ok(())
    }

    /// Time alone moves the lease on: a runway that ended begins the grace period, a challenge that was not answered begins
    /// the downtime; a notice or a grace period that is over ends the lease, and so does the time to reopen what the node
    /// finished. Returns what goes back; `None` where there is nothing to do yet.
    ///
    /// # Errors
    /// [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn expire(&mut self, now: Now) -> RuleResult<Option<Atoms>> {
        let mut next = *self;
        next.roll(now)?;
        let mut back = Atoms::ZERO;
        if next.has_left(now) {
            back = next.end(EndReason::Notice, Ran::WHOLE, now)?;
        } else if let Some(end) = next.last_deadline() {
            match deadline::stands(end, next.mark, now) {
                Deadline::Open => {}
                Deadline::Seen => next.mark = now,
                Deadline::Passed if next.state == LeaseState::Grace => {
                    back = next.end(EndReason::OutOfFunds, Ran::WHOLE, now)?;
                }
                Deadline::Passed => next.state = LeaseState::Ended,
            }
        }
        let moved = next != *self;
        *self = next;
        Ok(moved.then_some(back))
    }

    /// The deadline at which time alone ends it.
    fn last_deadline(&self) -> Option<UnixTs> {
        match self.state {
            LeaseState::Grace => Some(self.grace_end),
            LeaseState::Finished => Some(self.review_end),
            _ => None,
        }
    }
}
