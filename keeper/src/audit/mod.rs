//! The live audit: do the books of the market balance, to the atom, right now?
//!
//! What must hold is declared once, in `gridlease_core::invariant`. Here are the pure checks of what was read
//! ([`check_purse`], [`check_vault`], ...) and, in [`live`], the reading: at one slot, and at a second one before an alarm,
//! so that it is never a matter of timing or of an answer that is short.

pub mod live;

use gridlease_core::{Atoms, RuleResult, bond, invariant, job, lease, purse};
use solana_pubkey::Pubkey;

/// An invariant that does not hold, with the numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A purse's reserved part is not what its jobs and leases hold.
    #[error(
        "purse {purse} has {reserved} atoms reserved, but its {jobs} jobs and arrays and {leases} leases hold {held}"
    )]
    Reserved {
        /// The purse.
        purse: Pubkey,
        /// What it records as reserved, in atoms.
        reserved: u64,
        /// What its jobs and leases hold, in atoms; the highest number there is where the sum does not fit.
        held: u64,
        /// Its jobs and arrays.
        jobs: usize,
        /// Its leases.
        leases: usize,
    },
    /// The vault of a purse holds less than the purse records, or more is bound than there is.
    #[error(
        "purse {purse} records {balance} atoms ({reserved} reserved, {fees_owed} owed as fees), its vault has {vault}"
    )]
    Purse {
        /// The purse.
        purse: Pubkey,
        /// Recorded holdings, in atoms.
        balance: u64,
        /// Reserved part, in atoms.
        reserved: u64,
        /// Fees owed, in atoms.
        fees_owed: u64,
        /// Tokens in the vault.
        vault: u64,
    },
    /// The vault of a bond holds less than the bond records, or more is bound than there is.
    #[error("bond {bond} records {amount} atoms ({reserved} reserved, {unbonding} unbonding), its vault has {vault}")]
    Bond {
        /// The bond.
        bond: Pubkey,
        /// Recorded stake, in atoms.
        amount: u64,
        /// Reserved part, in atoms.
        reserved: u64,
        /// Stake on its way out, in atoms.
        unbonding: u64,
        /// Tokens in the vault.
        vault: u64,
    },
    /// The amounts of a lease do not add up.
    #[error(
        "lease {lease} was handed {reserved} atoms; {paid} paid, {fee} fee, {refunded} refunded and {base} accrued do not add up"
    )]
    Lease {
        /// The lease.
        lease: Pubkey,
        /// Handed to it, in atoms.
        reserved: u64,
        /// Paid, in atoms.
        paid: u64,
        /// Recorded as fee, in atoms.
        fee: u64,
        /// Gone back, in atoms.
        refunded: u64,
        /// Accrued in closed segments, in atoms.
        base: u64,
    },
}

/// A purse, and the jobs, leases and arrays that it pays for.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// The purse's amounts.
    pub purse: purse::Purse,
    /// Its jobs.
    pub jobs: Vec<job::Job>,
    /// Its leases.
    pub leases: Vec<(Pubkey, lease::Lease)>,
    /// What each of its arrays holds itself.
    pub arrays: Vec<Atoms>,
}

impl Holdings {
    /// A purse that pays for nothing yet.
    pub fn of(purse: purse::Purse) -> Self {
        Self { purse, jobs: Vec::new(), leases: Vec::new(), arrays: Vec::new() }
    }
}

/// Is what a purse has reserved what its jobs, leases and arrays hold, and does each lease add up?
pub fn check_purse(address: &Pubkey, holdings: &Holdings) -> Vec<Violation> {
    let mut violations: Vec<Violation> =
        holdings.leases.iter().filter_map(|(address, lease)| check_lease(address, lease)).collect();
    let held: RuleResult<Vec<Atoms>> = holdings.leases.iter().map(|(_, lease)| lease.held()).collect();
    let by_jobs = holdings.jobs.iter().map(|job| job.reserved).chain(holdings.arrays.iter().copied());
    // A lease that does not even tell what it holds is reported already, and the purse with it.
    let parts: Vec<Atoms> = by_jobs.chain(held.iter().flatten().copied()).collect();
    if held.is_err() || invariant::purse_holds(&holdings.purse, parts.iter().copied()).is_err() {
        let sum = parts.iter().try_fold(Atoms::ZERO, |sum, part| sum.add(*part));
        violations.push(Violation::Reserved {
            purse: *address,
            reserved: holdings.purse.reserved.0,
            held: sum.unwrap_or(Atoms::MAX).0,
            jobs: holdings.jobs.len() + holdings.arrays.len(),
            leases: holdings.leases.len(),
        });
    }
    violations
}

/// Does a lease add up?
pub fn check_lease(address: &Pubkey, lease: &lease::Lease) -> Option<Violation> {
    invariant::lease(lease).err().map(|_| Violation::Lease {
        lease: *address,
        reserved: lease.reserved.0,
        paid: lease.paid.0,
        fee: lease.fee.0,
        refunded: lease.refunded.0,
        base: lease.base.0,
    })
}

/// Does the vault of a purse, with `vault` atoms, cover what the purse records, and that what is bound?
pub fn check_vault(address: &Pubkey, purse: &purse::Purse, vault: Atoms) -> Option<Violation> {
    invariant::purse(purse, vault).err().map(|_| Violation::Purse {
        purse: *address,
        balance: purse.balance.0,
        reserved: purse.reserved.0,
        fees_owed: purse.fees_owed.0,
        vault: vault.0,
    })
}

/// Does the vault of a bond, with `vault` atoms, cover the stake, and the stake what is bound?
pub fn check_bond(address: &Pubkey, bond: &bond::Bond, vault: Atoms) -> Option<Violation> {
    invariant::bond(bond, vault).err().map(|_| Violation::Bond {
        bond: *address,
        amount: bond.amount.0,
        reserved: bond.reserved.0,
        unbonding: bond.unbonding.0,
        vault: vault.0,
    })
}

#[cfg(test)]
mod tests;
