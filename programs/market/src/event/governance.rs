//! Governance, purses, providers and GPU claims.

use anchor_lang::prelude::*;

/// The market was configured.
#[event]
pub struct MarketConfigured {
    /// Who may change the configuration.
    pub admin: Pubkey,
    /// The only mint that the market takes.
    pub usdc_mint: Pubkey,
    /// Token account that gets the fees less the insurance part.
    pub treasury: Pubkey,
    /// Fee in basis points.
    pub fee_bps: u16,
    /// Milliseconds that one slot is billed at most.
    pub slot_ms: u32,
    /// The most that a purse may hold, in atoms.
    pub purse_cap: u64,
    /// The most that a job or an array may reserve, in atoms.
    pub job_cap: u64,
}

/// A change of the configuration was proposed.
#[event]
pub struct ChangeProposed {
    /// Number of the proposal.
    pub number: u64,
    /// Treasury after it.
    pub treasury: Pubkey,
    /// Verifier after it.
    pub verifier: Pubkey,
    /// Fee in basis points after it.
    pub fee_bps: u16,
    /// Slot length in milliseconds after it.
    pub slot_ms: u32,
    /// The most that a purse may hold after it, in atoms.
    pub purse_cap: u64,
    /// The most that a job or an array may reserve after it, in atoms.
    pub job_cap: u64,
    /// When it may be executed.
    pub execute_ts: u64,
}

/// A change of the configuration took effect.
#[event]
pub struct ChangeExecuted {
    /// Number of the proposal.
    pub number: u64,
    /// Treasury.
    pub treasury: Pubkey,
    /// Verifier.
    pub verifier: Pubkey,
    /// Fee in basis points.
    pub fee_bps: u16,
    /// Slot length in milliseconds.
    pub slot_ms: u32,
    /// The most that a purse may hold, in atoms.
    pub purse_cap: u64,
    /// The most that a job or an array may reserve, in atoms.
    pub job_cap: u64,
}

/// Caps were lowered, which holds at once.
#[event]
pub struct CapsLowered {
    /// The most that a purse may hold, in atoms.
    pub purse_cap: u64,
    /// The most that a job or an array may reserve, in atoms.
    pub job_cap: u64,
}

/// A proposed change was taken back.
#[event]
pub struct ChangeCancelled {
    /// Number of the proposal.
    pub number: u64,
}

/// Somebody was named to become the admin.
#[event]
pub struct AdminNamed {
    /// Who may accept; zero: nobody.
    pub pending_admin: Pubkey,
}

/// The admin changed.
#[event]
pub struct AdminChanged {
    /// The admin before.
    pub from: Pubkey,
    /// The admin now.
    pub to: Pubkey,
}

/// Intake was paused or opened again.
#[event]
pub struct PauseSet {
    /// Whether it is paused.
    pub paused: bool,
}

/// A purse got a spender, or lost it.
#[event]
pub struct SpenderSet {
    /// The purse.
    pub purse: Pubkey,
    /// The spender; zero: none.
    pub spender: Pubkey,
    /// The most that it reserves in one period, in atoms.
    pub cap: u64,
    /// Length of a period in seconds.
    pub period_s: u32,
}

/// An account was brought to the present layout.
#[event]
pub struct Migrated {
    /// The account.
    pub account: Pubkey,
    /// The layout version that it has now.
    pub version: u8,
}

/// A purse got a guardian, or lost it.
#[event]
pub struct GuardianSet {
    /// The purse.
    pub purse: Pubkey,
    /// The guardian; zero: none.
    pub guardian: Pubkey,
    /// The most that it adds to leases in one period, in atoms.
    pub cap: u64,
    /// Length of a period in seconds.
    pub period_s: u32,
}

/// Tokens that were in a vault without being recorded went to the purse's owner.
#[event]
pub struct DonationSwept {
    /// The purse.
    pub purse: Pubkey,
    /// Atoms.
    pub amount: u64,
}

/// An empty purse was closed.
#[event]
pub struct PurseClosed {
    /// The purse.
    pub purse: Pubkey,
    /// Its owner, who got the rent.
    pub owner: Pubkey,
    /// Unrecorded atoms that went to the owner.
    pub donated: u64,
}

/// A provider proposed another payout account.
#[event]
pub struct PayoutProposed {
    /// The provider record.
    pub provider: Pubkey,
    /// The payout account proposed; zero: the proposal was taken back.
    pub payout: Pubkey,
    /// When it may take effect; zero where it was taken back.
    pub apply_ts: u64,
}

/// A provider's payout account changed. Leases that are open keep theirs.
#[event]
pub struct PayoutChanged {
    /// The provider record.
    pub provider: Pubkey,
    /// The payout account.
    pub payout: Pubkey,
}

/// A provider record was closed.
#[event]
pub struct ProviderClosed {
    /// The provider record.
    pub provider: Pubkey,
}

/// GPUs were claimed for an offer.
#[event]
pub struct GpusClaimed {
    /// The offer.
    pub offer: Pubkey,
    /// SHA-256 of each UUID.
    pub hashes: Vec<[u8; 32]>,
    /// GPUs claimed for the offer now.
    pub claimed: u16,
}

/// Claims of GPUs were given up.
#[event]
pub struct GpusReleased {
    /// The offer.
    pub offer: Pubkey,
    /// SHA-256 of each UUID.
    pub hashes: Vec<[u8; 32]>,
    /// GPUs claimed for the offer now.
    pub claimed: u16,
}

/// A benchmark of an offer was recorded.
#[event]
pub struct BenchmarkRecorded {
    /// The offer.
    pub offer: Pubkey,
    /// Result.
    pub value: u64,
    /// Hash of the record.
    pub hash: [u8; 32],
    /// Slot in which it was recorded.
    pub slot: u64,
}
