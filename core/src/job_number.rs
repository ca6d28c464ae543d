//! Numbers of jobs. A job's address is made of its purse and its number, and a lease's of its job: were an address used
//! twice, whoever remembers the first bearer (a node, an index) would take the second for it.
//!
//! Inside the life of a purse numbers only rise. A purse that was closed and opened again knows nothing of its former life,
//! so numbers are tied to the slot: each slot has a range of its own, a number lies at most in the range of the slot in
//! which it is posted, a purse begins with the range of the slot in which it is opened, and it is not closed in the slot
//! of its last job.

use crate::error::{RuleError, RuleResult};

/// Numbers of one slot, as a power of two.
pub const BITS_PER_SLOT: u32 = 16;

/// The first number of a slot: what a purse that is opened in it counts as its last job.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub const fn first(slot: u64) -> RuleResult<u64> {
    match slot.checked_mul(1 << BITS_PER_SLOT) {
        Some(first) => Ok(first),
        None => Err(RuleError::Overflow),
    }
}

/// May a job be posted under `number` in `slot`? That it is higher than the purse's last one is looked at apart.
///
/// # Errors
/// [`RuleError::NumberOutOfBounds`] where it lies in the range of a later slot.
pub const fn check(number: u64, slot: u64) -> RuleResult<()> {
    if number >> BITS_PER_SLOT > slot { Err(RuleError::NumberOutOfBounds) } else { Ok(()) }
}

/// May a purse whose last job had the number `last` be closed in `slot`?
///
/// # Errors
/// [`RuleError::TooEarly`] where the number lies in the range of this slot: a purse opened in the same slot could use it
/// again. The next slot will do.
pub const fn check_close(last: u64, slot: u64) -> RuleResult<()> {
    match first(slot) {
        // A purse without a job has the first number of the slot in which it was opened.
        Ok(first) if last <= first => Ok(()),
        Ok(_) => Err(RuleError::TooEarly),
        Err(error) => Err(error),
    }
}
