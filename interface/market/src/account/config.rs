//! The market's configuration.

use anchor_lang::prelude::*;

use super::Header;

/// Configuration, at seeds `["config"]`. There is only this one: an account of this type is the market's, so instructions
/// need not search for its address again.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Config {
    /// Common header.
    pub header: Header,
    /// Who may change the configuration.
    pub admin: Pubkey,
    /// Who was named to become the admin; zero for nobody.
    pub pending_admin: Pubkey,
    /// The only mint that the market takes.
    pub usdc_mint: Pubkey,
    /// Token account that gets the fees less the insurance part.
    pub treasury: Pubkey,
    /// The insurance account of the first edition, which nothing reads: only the staking program names it.
    pub retired_insurance: Pubkey,
    /// Milliseconds that one slot is billed at most.
    pub slot_ms: u32,
    /// Fee on what is paid, in basis points.
    pub fee_bps: u16,
    /// 1 while intake is paused: no deposit, offer, job or bid; every exit stays open.
    pub paused: u8,
    /// Bump of the PDA that signs for stake.
    pub authority_bump: u8,
    /// Authority of the verification program; zero for none.
    pub verifier: Pubkey,
    /// Proposed treasury.
    pub next_treasury: Pubkey,
    /// The insurance account that was proposed in the first edition; nothing reads it.
    pub retired_next: Pubkey,
    /// Proposed verifier.
    pub next_verifier: Pubkey,
    /// When the proposal may be executed; zero while there is none. The header's `due_ts` says the same.
    pub next_ts: u64,
    /// Proposals made so far; the last one's number.
    pub proposals: u64,
    /// Proposed slot length.
    pub next_slot_ms: u32,
    /// Proposed fee.
    pub next_fee_bps: u16,
    /// Zero.
    pub pad: [u8; 2],
    /// The most that a purse may hold, in atoms; zero: the genesis value.
    pub purse_cap: u64,
    /// The most that a job or an array may reserve, in atoms; zero: the genesis value.
    pub job_cap: u64,
    /// Proposed cap of a purse.
    pub next_purse_cap: u64,
    /// Proposed cap of a job.
    pub next_job_cap: u64,
    /// Zero.
    pub reserved: [u8; 64],
}
