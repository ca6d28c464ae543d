//! The only place where amounts are divided. Every function says in its name which way it rounds.

use crate::error::{RuleError, RuleResult};
use crate::quantity::{Atoms, Bps, PricePerHour, Seconds};

/// Milliseconds in an hour.
pub const MS_PER_HOUR: u64 = 3_600_000;

const fn narrow(value: u128) -> RuleResult<u64> {
    if value > u64::MAX as u128 { Err(RuleError::Overflow) } else { Ok(value as u64) }
}

/// `a × b / divisor`, rounded down.
///
/// # Errors
/// [`RuleError::Overflow`] where the result does not fit or the divisor is zero.
pub const fn mul_div_down(a: u64, b: u64, divisor: u64) -> RuleResult<u64> {
    if divisor == 0 {
        return Err(RuleError::Overflow);
    }
    // Most products fit in 64 bits; a 128-bit division costs a program about a thousand compute units.
    if let Some(product) = a.checked_mul(b) {
        return Ok(product / divisor);
    }
    narrow(a as u128 * b as u128 / divisor as u128)
}

/// `a × b / divisor`, rounded up.
///
/// # Errors
/// [`RuleError::Overflow`] where the result does not fit or the divisor is zero.
pub const fn mul_div_up(a: u64, b: u64, divisor: u64) -> RuleResult<u64> {
    if divisor == 0 {
        return Err(RuleError::Overflow);
    }
    if let Some(product) = a.checked_mul(b) {
        return Ok(product.div_ceil(divisor));
    }
    narrow((a as u128 * b as u128).div_ceil(divisor as u128))
}

/// What a stream of `price` owes for `ms` milliseconds, rounded down: the provider never gets a part of an atom that was not earned.
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub const fn accrued_down(price: PricePerHour, ms: u64) -> RuleResult<Atoms> {
    match mul_div_down(price.0, ms, MS_PER_HOUR) {
        Ok(atoms) => Ok(Atoms(atoms)),
        Err(error) => Err(error),
    }
}

/// What must be reserved so that a stream of `price` can run for `length`, rounded up.
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub const fn cost_up(price: PricePerHour, length: Seconds) -> RuleResult<Atoms> {
    match mul_div_up(price.0, length.0, 3_600) {
        Ok(atoms) => Ok(Atoms(atoms)),
        Err(error) => Err(error),
    }
}

/// What a stream of `price` costs for `length`, rounded down.
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub const fn cost_down(price: PricePerHour, length: Seconds) -> RuleResult<Atoms> {
    match mul_div_down(price.0, length.0, 3_600) {
        Ok(atoms) => Ok(Atoms(atoms)),
        Err(error) => Err(error),
    }
}

/// Whole seconds that `funds` pay for at `price`, rounded down: a stream never runs past its reservation.
///
/// # Errors
/// [`RuleError::Overflow`] where the price is zero or the time does not fit.
pub const fn runway_down(funds: Atoms, price: PricePerHour) -> RuleResult<Seconds> {
    match mul_div_down(funds.0, 3_600, price.0) {
        Ok(seconds) => Ok(Seconds(seconds)),
        Err(error) => Err(error),
    }
}

/// `part` basis points of `amount`, rounded up (fees).
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub const fn share_up(amount: Atoms, part: Bps) -> RuleResult<Atoms> {
    match mul_div_up(amount.0, part.0 as u64, 10_000) {
        Ok(atoms) => Ok(Atoms(atoms)),
        Err(error) => Err(error),
    }
}

/// `part` basis points of `amount`, rounded down (slashes, splits; the remainder stays where it was).
///
/// # Errors
/// [`RuleError::Overflow`] where the amount does not fit.
pub const fn share_down(amount: Atoms, part: Bps) -> RuleResult<Atoms> {
    match mul_div_down(amount.0, part.0 as u64, 10_000) {
        Ok(atoms) => Ok(Atoms(atoms)),
        Err(error) => Err(error),
    }
}
