//! What happened, told by self-CPI so that no log limit can swallow it. All amounts are in atoms of USDC; totals are
//! those after the step.

use anchor_lang::prelude::*;

/// A bond was opened, empty.
#[event]
pub struct BondOpened {
    /// The bond.
    pub bond: Pubkey,
    /// Who opened it and may add stake.
    pub authority: Pubkey,
    /// Its token account.
    pub vault: Pubkey,
}

/// Stake was added to a bond.
#[event]
pub struct StakeAdded {
    /// The bond.
    pub bond: Pubkey,
    /// Token account that it came from.
    pub from: Pubkey,
    /// How much.
    pub added: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Ever added.
    pub added_total: u64,
}

/// Stake was reserved for a lease.
#[event]
pub struct Reserved {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who reserved it, and alone may release or slash it.
    pub slasher: Pubkey,
    /// How much.
    pub reservation: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Open reservations.
    pub leases: u32,
}

/// What was left of a reservation is free again.
#[event]
pub struct Released {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who released it.
    pub slasher: Pubkey,
    /// How much was left and became free.
    pub released: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Open reservations.
    pub leases: u32,
}

/// A part of a reservation was slashed and paid out.
#[event]
pub struct Slashed {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who slashed.
    pub slasher: Pubkey,
    /// Token account of the victim.
    pub victim_account: Pubkey,
    /// Paid to it.
    pub victim: u64,
    /// Paid to the configured insurance account.
    pub insurance: u64,
    /// Left of the reservation.
    pub reservation: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Ever slashed.
    pub slashed_total: u64,
}
