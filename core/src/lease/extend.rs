//! How long a lease may be paid for, and what its buyer does to have more of it.
//!
//! The stake behind a lease is as large as what its job was posted for asks. Money alone must not lengthen it: a lease of a
//! minute, topped up for a month, would stand on the stake of a minute.

use super::{Lease, LeaseState};
use crate::deadline;
use crate::error::{RuleError, RuleResult};
use crate::limits::MAX_DURATION;
use crate::quantity::{Atoms, Now, Seconds};
use crate::rounding::{cost_up, runway_down};

impl Lease {
    /// Nothing was handed to it beyond what it may be paid for.
    pub(super) fn check_duration(&self) -> RuleResult<()> {
        if self.reserved > cost_up(self.price, self.duration)? { Err(RuleError::BeyondDuration) } else { Ok(()) }
    }

    /// The shortest extension after which it takes `amount` more; zero where it takes it now, and where it has no price. What is more
    /// than a lease may last is refused by [`Lease::extend`].
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn extension_for(&self, amount: Atoms) -> RuleResult<Seconds> {
        let Some(below) = self.reserved.add(amount)?.0.checked_sub(1) else { return Ok(Seconds::ZERO) };
        if self.price.0 == 0 {
            return Ok(Seconds::ZERO);
        }
        // The first second whose cost, rounded up, is above `below`.
        let length = runway_down(Atoms(below), self.price)?.add(Seconds(1))?;
        Ok(Seconds(length.0.saturating_sub(self.duration.0)))
    }

    /// The buyer lengthens what the lease may be paid for by `by`, to 720 hours in all at most; returns the length before.
    /// The caller reserves the stake that [`crate::bond::extension`] asks for. Money is added by a top-up, in the grace period
    /// too, so an extension is taken as long as a top-up is.
    ///
    /// # Errors
    /// [`RuleError::WrongState`]; [`RuleError::TooLate`] after the grace period; [`RuleError::DurationOutOfBounds`].
    pub fn extend(&mut self, by: Seconds, now: Now) -> RuleResult<Seconds> {
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Running, LeaseState::Paused, LeaseState::Grace])?;
        if next.state == LeaseState::Grace && deadline::passed(next.grace_end, next.mark, now) {
            return Err(RuleError::TooLate);
        }
        let longer = next.duration.add(by)?;
        if by.is_zero() || longer > MAX_DURATION {
            return Err(RuleError::DurationOutOfBounds);
        }
        let before = core::mem::replace(&mut next.duration, longer);
        *self = next;
        Ok(before)
    }
}
