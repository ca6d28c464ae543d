//! What always holds. One declaration, used by the programs, the tests, the fuzzer and the keeper's live audit.

use crate::array::{Array, ArrayState};
use crate::bond::Bond;
use crate::error::{RuleError, RuleResult};
use crate::lease::{Lease, LeaseState};
use crate::purse::Purse;
use crate::quantity::Atoms;

fn holds(condition: bool) -> RuleResult<()> {
    if condition { Ok(()) } else { Err(RuleError::InvariantBroken) }
}

/// A purse: the vault covers the recorded balance, and the balance covers what is bound.
///
/// # Errors
/// [`RuleError::InvariantBroken`].
pub fn purse(purse: &Purse, vault: Atoms) -> RuleResult<()> {
    purse.free()?;
    holds(vault >= purse.balance)
}

/// The conservation of a purse over everything it is bound to: `reserved = Σ held` of its jobs and leases.
///
/// # Errors
/// [`RuleError::InvariantBroken`].
pub fn purse_holds(purse: &Purse, held: impl IntoIterator<Item = Atoms>) -> RuleResult<()> {
    let mut sum = Atoms::ZERO;
    for part in held {
        sum = sum.add(part)?;
    }
    holds(sum == purse.reserved)
}

/// A lease: `paid + fee + refunded + forfeited + held = reserved`; what is settled never exceeds the reservation; a lease that is
/// over or finished holds exactly what it owes.
///
/// # Errors
/// [`RuleError::InvariantBroken`].
pub fn lease(lease: &Lease) -> RuleResult<()> {
    let held = lease.held()?;
    let settled = lease.paid.add(lease.fee)?;
    holds(settled.add(lease.refunded)?.add(lease.forfeited)?.add(held)? == lease.reserved)?;
    // Only a start that was rejected or given no chance costs the buyer anything but what it is charged.
    holds(lease.state == LeaseState::Failed || lease.forfeited.is_zero())?;
    match lease.state {
        LeaseState::Ended | LeaseState::Finished => holds(settled.add(held)? == lease.base),
        LeaseState::Failed => holds(held.is_zero() && settled.is_zero()),
        LeaseState::Starting => holds(settled.is_zero() && lease.refunded.is_zero()),
        LeaseState::Running | LeaseState::Paused | LeaseState::Grace => holds(lease.refunded.is_zero()),
    }
}

/// A bond: the vault covers the stake, and the stake covers reservations and unbonding.
///
/// # Errors
/// [`RuleError::InvariantBroken`].
pub fn bond(bond: &Bond, vault: Atoms) -> RuleResult<()> {
    bond.free()?;
    holds(vault >= bond.amount)
}

/// The last line of the account: a deposit is paid out, kept as fee, refunded or still held; not an atom is elsewhere.
///
/// # Errors
/// [`RuleError::InvariantBroken`].
pub fn conservation(deposit: Atoms, paid: Atoms, fee: Atoms, refunded: Atoms, held: Atoms) -> RuleResult<()> {
    holds(paid.add(fee)?.add(refunded)?.add(held)? == deposit)
}

/// An array: what it holds, what its open jobs can cost and what the closed ones spent is never more than its budget; its
/// counters are those of its tasks; once over it holds nothing.
///
/// # Errors
/// [`RuleError::InvariantBroken`].
pub fn array(array: &Array) -> RuleResult<()> {
    let shape = &array.shape;
    let in_jobs = array.cap.0.checked_mul(array.jobs.into()).map(Atoms).ok_or(RuleError::Overflow)?;
    holds(array.reserved.add(in_jobs)?.add(array.spent)? <= shape.budget)?;
    holds(array.next <= shape.count && array.open <= u16::from(shape.parallel))?;
    holds(array.jobs >= array.open && array.jobs <= array.open * u16::from(shape.replicas))?;
    holds(u32::from(array.completed) + u32::from(array.failed) <= u32::from(array.next))?;
    match array.state {
        ArrayState::Open => holds(array.completed < shape.quorum),
        ArrayState::Over => holds(array.reserved.is_zero()),
    }
}
