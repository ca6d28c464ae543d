//! What a lease owes, slot by slot.
//!
//! ```text
//! clock       = elapsed_seconds × 1000
//! billable_ms = min(clamp(elapsed_slots × slot_ms, clock, clock + 999), elapsed_slots × 1000)
//! accrued     = floor(price_per_hour × billable_ms / 3_600_000)
//! ```
//!
//! The wall clock is the meter. It tells whole seconds, so inside a second the slots tell how far it is: money moves with every
//! slot, and slots that are slower or faster than they should be change the price of an hour by less than a second of it. A
//! clock that jumps is held back by the slots: none is billed for more than a second. Accrual is always computed from the start
//! of the segment, never incrementally, so how often anyone settles changes nothing.
//!
//! From the end of the runway on, the wall clock alone counts. The chain does not remember at which slot the runway
//! ended, so a count of slots taken later would pay more the later somebody looks; paying the whole runway is the one
//! amount that is never below what was payable before it and never depends on who comes when.

use crate::error::RuleResult;
use crate::limits::MAX_SLOT_MS;
use crate::quantity::{Atoms, Bps, Now, PricePerHour, UnixTs};
use crate::rounding::{accrued_down, runway_down, share_up};

/// Billable milliseconds from `start` to `now`: by the wall clock, and inside a second by slots of `slot_ms`, but no more than a
/// second for each slot, before `until`; the whole time up to `until` from then on.
pub fn billable_ms(start: Now, now: Now, until: UnixTs, slot_ms: u32) -> u64 {
    if now.ts >= until {
        return until.since(start.ts).0.saturating_mul(1_000);
    }
    let slots = now.slot.saturating_sub(start.slot);
    let by_slots = slots.saturating_mul(u64::from(slot_ms));
    let by_clock = now.ts.since(start.ts).0.saturating_mul(1_000);
    by_slots.clamp(by_clock, by_clock.saturating_add(999)).min(slots.saturating_mul(MAX_SLOT_MS))
}

/// Gross accrual of one segment, not above `funds`.
///
/// # Errors
/// [`crate::RuleError::Overflow`] where the amount does not fit.
pub fn accrued(price: PricePerHour, ms: u64, funds: Atoms) -> RuleResult<Atoms> {
    // What does not fit in 64 bits is certainly above the funds.
    Ok(accrued_down(price, ms).map_or(funds, |gross| gross.min(funds)))
}

/// The second at which `funds` are used up for a segment that starts at `start`: whole seconds, rounded down.
///
/// # Errors
/// [`crate::RuleError::Overflow`] where the price is zero or time overflows.
pub fn runway_end(start: UnixTs, funds: Atoms, price: PricePerHour) -> RuleResult<UnixTs> {
    start.after(runway_down(funds, price)?)
}

/// The two parts of a gross amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What the provider gets.
    pub net: Atoms,
    /// What the market keeps, rounded up.
    pub fee: Atoms,
}

/// Splits a gross amount into net and fee.
///
/// # Errors
/// [`crate::RuleError::Overflow`] where `fee_bps` is above the whole.
pub fn split(gross: Atoms, fee_bps: Bps) -> RuleResult<Split> {
    let fee = share_up(gross, fee_bps)?;
    Ok(Split { net: gross.sub(fee)?, fee })
}
