//! A buyer's escrow.

use anchor_lang::prelude::*;

use super::Header;

/// Purse, at seeds `["purse", owner]`. `balance = free + reserved + fees_owed + forfeits_owed`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Purse {
    /// Common header.
    pub header: Header,
    /// The buyer.
    pub owner: Pubkey,
    /// The token account that holds the money, owned by the purse.
    pub vault: Pubkey,
    /// Hot key that may post jobs, and accept what it posted; zero for none.
    pub spender: Pubkey,
    /// Recorded holdings in atoms.
    pub balance: u64,
    /// Σ held for open jobs and leases, in atoms.
    pub reserved: u64,
    /// Fees recorded and not swept, in atoms.
    pub fees_owed: u64,
    /// The most that the spender reserves in one period, in atoms.
    pub spender_cap: u64,
    /// What it reserved in the running period, in atoms.
    pub spender_spent: u64,
    /// Start of the running period.
    pub spender_period_start: u64,
    /// Ever deposited, in atoms.
    pub deposited: u64,
    /// Ever withdrawn, in atoms.
    pub withdrawn: u64,
    /// Ever paid to providers, in atoms.
    pub paid: u64,
    /// Ever recorded as fees, in atoms.
    pub fees: u64,
    /// Number of the job posted last; the next one's is higher.
    pub last_job: u64,
    /// Length of the spender's period in seconds.
    pub spender_period_s: u32,
    /// Jobs that are not closed.
    pub open_jobs: u32,
    /// Bump of the vault.
    pub vault_bump: u8,
    /// Zero.
    pub pad: [u8; 7],
    /// Key that stops, rejects, reopens, accepts, cancels, tops up, extends and speaks to nodes, and nothing else; zero for none.
    pub guardian: Pubkey,
    /// The most that the guardian adds to leases in one period, in atoms.
    pub guardian_cap: u64,
    /// What it added in the running period, in atoms.
    pub guardian_spent: u64,
    /// Start of the running period.
    pub guardian_period_start: u64,
    /// Length of the guardian's period in seconds.
    pub guardian_period_s: u32,
    /// Zero.
    pub pad2: [u8; 4],
    /// Owed to the insurance fund for starts that came to nothing and not swept, in atoms.
    pub forfeits_owed: u64,
    /// Ever owed to it so, in atoms.
    pub forfeits: u64,
    /// Zero.
    pub reserved_space: [u8; 64],
}
