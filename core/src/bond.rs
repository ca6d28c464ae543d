//! Stake behind leases: what of a bond is free, reserved and slashable.

use crate::error::{RuleError, RuleResult};
use crate::limits::{MIN_STAKE_RESERVATION, STAKE_HORIZON, STAKE_MULTIPLE};
use crate::quantity::{Atoms, PricePerHour, Seconds};
use crate::rounding::cost_up;

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

/// Stake that a lease of `price` for at most `duration` reserves: max(2 × the next 24 h of its revenue, 5 USDC).
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub fn lease_reservation(price: PricePerHour, duration: Seconds) -> RuleResult<Atoms> {
    let horizon = duration.min(STAKE_HORIZON);
    let revenue = cost_up(price, horizon)?;
    let stake = revenue.0.checked_mul(STAKE_MULTIPLE).ok_or(RuleError::Overflow)?;
    Ok(Atoms(stake).max(MIN_STAKE_RESERVATION))
}
