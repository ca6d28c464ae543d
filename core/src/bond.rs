//! Stake behind leases: what of a bond is free, reserved and slashable.

use crate::error::{RuleError, RuleResult};
use crate::limits::{
    MIN_STAKE_RESERVATION, SEALED_BOND, SEALED_BOND_LEAST, SEALED_BOND_MOST, STAKE_FLOOR, STAKE_FLOOR_MULTIPLE,
    STAKE_HORIZON, STAKE_MULTIPLE,
};
use crate::quantity::{Atoms, PricePerHour, Seconds};
use crate::rounding::{cost_up, share_down, share_up};

/// The recorded amounts of a bond. `reserved + unbonding ≤ amount` at all times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bond {
    /// All stake in the vault, unbonding included.
    pub amount: Atoms,
    /// Σ of the reservations of open leases.
    pub reserved: Atoms,
    /// Stake on its way out: still slashable, no longer reservable.
    pub unbonding: Atoms,
}

impl Bond {
    /// What a new lease can reserve.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where more is bound than there is.
    pub fn free(&self) -> RuleResult<Atoms> {
        let bound = self.reserved.add(self.unbonding)?;
        self.amount.sub(bound).map_err(|_| RuleError::InvariantBroken)
    }

    /// Adds stake.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::Overflow`].
    pub fn add(&mut self, amount: Atoms) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        self.amount = self.amount.add(amount)?;
        Ok(())
    }

    /// Reserves stake for one lease.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::InsufficientStake`].
    pub fn reserve(&mut self, amount: Atoms) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        if self.free()? < amount {
            return Err(RuleError::InsufficientStake);
        }
        self.reserved = self.reserved.add(amount)?;
        Ok(())
    }

    /// Releases what is left of a lease's reservation.
    ///
    /// # Errors
    /// [`RuleError::InsufficientReserved`].
    pub fn release(&mut self, amount: Atoms) -> RuleResult<()> {
        self.reserved = self.reserved.sub(amount).map_err(|_| RuleError::InsufficientReserved)?;
        Ok(())
    }

    /// Slashes `amount` of the `reservation` of one lease; returns what is left of that reservation.
    ///
    /// # Errors
    /// [`RuleError::SlashAboveReservation`], [`RuleError::InvariantBroken`].
    pub fn slash(&mut self, reservation: Atoms, amount: Atoms) -> RuleResult<Atoms> {
        let left = reservation.sub(amount).map_err(|_| RuleError::SlashAboveReservation)?;
        let reserved = self.reserved.sub(amount).map_err(|_| RuleError::InvariantBroken)?;
        let total = self.amount.sub(amount).map_err(|_| RuleError::InvariantBroken)?;
        self.reserved = reserved;
        self.amount = total;
        Ok(left)
    }
}

/// Stake that a price asks for alone: max(2 × its revenue of the next 24 h, 5 USDC).
fn asked(price: PricePerHour, duration: Seconds) -> RuleResult<Atoms> {
    let horizon = duration.min(STAKE_HORIZON);
    let revenue = cost_up(price, horizon)?;
    let stake = revenue.0.checked_mul(STAKE_MULTIPLE).ok_or(RuleError::Overflow)?;
    Ok(Atoms(stake).max(MIN_STAKE_RESERVATION))
}

/// Stake that a lease of `price` for at most `duration` reserves, in a job that pays at most `most`: what its price asks
/// for (max(2 × the next 24 h of its revenue, 5 USDC)), and at least a tenth, rounded up, of what the job's maximum would
/// ask for, but never more than ten times what its own price asks for.
///
/// A bid of an atom would else bind five USDC and hold up, or kill, a job that is worth a hundred times that. The slash of
/// a failed start is a part of the reservation, so it has the same floor. The bound of ten times keeps a buyer from
/// binding a low bidder's whole stake by a maximum that nobody will ever pay.
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub fn lease_reservation(price: PricePerHour, most: PricePerHour, duration: Seconds) -> RuleResult<Atoms> {
    let own = asked(price, duration)?;
    let floor = share_up(asked(most, duration)?, STAKE_FLOOR)?;
    let bound = Atoms(own.0.saturating_mul(STAKE_FLOOR_MULTIPLE));
    Ok(own.max(floor.min(bound)))
}

/// Stake that an extension of a lease from `from` to `to` reserves besides what is reserved for it already.
///
/// # Errors
/// [`RuleError::Overflow`] where an amount does not fit; [`RuleError::DurationOutOfBounds`] where it is no extension.
pub fn extension(price: PricePerHour, most: PricePerHour, from: Seconds, to: Seconds) -> RuleResult<Atoms> {
    if to <= from {
        return Err(RuleError::DurationOutOfBounds);
    }
    lease_reservation(price, most, to)?.sub(lease_reservation(price, most, from)?)
}

/// Stake that a sealed bid binds in a job that reserves `cap` and pays at most `most` for at most `duration`: three per cent
/// of the cap, rounded up, at least 0.25 USDC, at most a tenth, rounded down, of what the lease would reserve at the job's
/// maximum. A job without a bound on its duration's worth could else bind, and burn, all of a bidder's stake.
///
/// # Errors
/// [`RuleError::Overflow`] where an amount does not fit.
pub fn sealed_bond(cap: Atoms, most: PricePerHour, duration: Seconds) -> RuleResult<Atoms> {
    let bound = share_down(asked(most, duration)?, SEALED_BOND_MOST)?;
    Ok(share_up(cap, SEALED_BOND)?.max(SEALED_BOND_LEAST).min(bound))
}
