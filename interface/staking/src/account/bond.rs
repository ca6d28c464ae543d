//! A bond: the stake of one provider, its operator's and its delegators'.

use anchor_lang::prelude::*;
use gridlease_core::limits::MAX_DELEGATORS;

use super::{Header, MARK_BYTES};

/// Places for marks of delegators.
const PLACES: usize = MAX_DELEGATORS as usize;

/// Bond, at seeds `["bond", authority]`; its token accounts are at `["vault", bond]` and `["revenue", bond]`.
///
/// Foreign programs may read fields straight from the account's data:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | discriminator |
/// | 8 | 16 | header |
/// | 24 | 32 | authority |
/// | 56 | 32 | vault |
/// | 88 | 8 | amount, little endian |
/// | 96 | 8 | reserved, little endian |
/// | 104 | 8 | unbonding, little endian |
/// | 112 | 8 | slashed_total |
/// | 120 | 8 | added_total |
/// | 128 | 4 | leases |
/// | 132 | 1 | vault_bump |
/// | 133 | 1 | delegators_len |
/// | 134 | 1 | requests |
/// | 135 | 1 | revenue_bump |
/// | 136 | 256 | marks: 32 × the first 8 bytes of a delegator's address; zero for none that makes kin |
/// | 392 | 8 | own |
/// | 400 | 16 | exit_assets, exit_shares |
/// | 416 | 24 | delegated_assets, delegated_shares, leaving_shares |
/// | 440 | 32 | operator_owed, delegators_owed, per_share (16 bytes, little endian, 2⁻⁶⁴ atoms) |
/// | 472 | 8 | insurance_owed |
/// | 480 | 8 | withdrawn_total |
/// | 488 | 8 | min_delegation |
/// | 496 | 12 | commission_from (8), commission (2), next_commission (2) |
/// | 508 | 4 | next_number |
/// | 512 | 32 | revenue |
/// | 544 | 32 | payout |
/// | 576 | 16 | claims_assets, claims_shares |
/// | 592 | 8 | pending_shares |
/// | 600 | 16 | fresh, fresh_from |
/// | 616 | 8 | fell |
/// | 624 | 8 | kin_least |
/// | 632 | 8 | claimed_total |
/// | 640 | 4 | places: bit n for the n-th mark |
/// | 644 | 4 | delegations |
/// | 648 | 64 | reserved space |
///
/// `reserved + unbonding ≤ amount` and `amount + insurance_owed ≤ tokens in the vault`, always. The amounts are written
/// only from checked values of `gridlease_core::delegation`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Bond {
    /// Common header.
    pub header: Header,
    /// The operator: who opened the bond and may add stake; the provider's cold key.
    pub authority: Pubkey,
    /// The token account that holds the stake.
    pub vault: Pubkey,
    /// All stake in the vault, unbonding included, in atoms.
    pub amount: u64,
    /// Σ of what is left of the open reservations, in atoms.
    pub reserved: u64,
    /// Stake that can be reserved no more, in atoms: on its way out, or beyond five times the operator's; still slashable.
    pub unbonding: u64,
    /// Ever slashed, in atoms.
    pub slashed_total: u64,
    /// Ever added, in atoms, by operator and delegators.
    pub added_total: u64,
    /// Open reservations.
    pub leases: u32,
    /// Bump of the vault's address.
    pub vault_bump: u8,
    /// Delegators that have a place: with stake in the bond, on its way out or not.
    pub delegators_len: u8,
    /// The operator's open requests to unbond.
    pub requests: u8,
    /// Bump of the revenue vault's address; zero where there is none.
    pub revenue_bump: u8,
    /// First bytes of each delegator's address, at its place; zero where the place is free, or the delegation is too small to
    /// make kin.
    pub marks: [[u8; MARK_BYTES]; PLACES],
    /// The operator's stake that is not on its way out, in atoms.
    pub own: u64,
    /// The operator's stake on its way out, in atoms.
    pub exit_assets: u64,
    /// Shares of it, in open requests.
    pub exit_shares: u64,
    /// The delegators' stake, in atoms.
    pub delegated_assets: u64,
    /// Shares of it.
    pub delegated_shares: u64,
    /// Those of the delegators' shares that are in open requests.
    pub leaving_shares: u64,
    /// Tokens in the revenue vault that are the operator's, in atoms.
    pub operator_owed: u64,
    /// Tokens in the revenue vault that are the delegators', in atoms.
    pub delegators_owed: u64,
    /// What one share earned since the pool was opened, in 2⁻⁶⁴ atoms; 16 bytes, little endian.
    pub per_share: [u8; 16],
    /// Slashed for the insurance fund and still in the vault, because its account could not take it, in atoms.
    pub insurance_owed: u64,
    /// Ever withdrawn, in atoms.
    pub withdrawn_total: u64,
    /// The least that a delegator can add, in atoms.
    pub min_delegation: u64,
    /// From when on `next_commission` holds; zero where no change is announced.
    pub commission_from: u64,
    /// What the operator keeps of the delegators' revenue, in basis points.
    pub commission: u16,
    /// What it will keep.
    pub next_commission: u16,
    /// Number of the operator's next request to unbond.
    pub next_number: u32,
    /// Token account that revenue arrives in; zero where the operator has opened no pool.
    pub revenue: Pubkey,
    /// Token account that the operator's part of the revenue goes to.
    pub payout: Pubkey,
    /// What is claimed out of the bond, by buyers and those who proved faults, in atoms; reservations say by whom.
    pub claims_assets: u64,
    /// Shares of it.
    pub claims_shares: u64,
    /// Those of the delegators' shares that were not activated: they neither earn nor stand behind leases.
    pub pending_shares: u64,
    /// Of `own`, what was not activated: it does not earn, in atoms.
    pub fresh: u64,
    /// From when on that may be activated; zero where nothing waits.
    pub fresh_from: u64,
    /// When the operator last made stake leave: its own, or a delegator that it sent off; zero for never.
    pub fell: u64,
    /// The least delegation that makes this bond kin to others of the same delegator, in atoms; the operator sets it.
    pub kin_least: u64,
    /// Ever paid to buyers out of the bond, in atoms.
    pub claimed_total: u64,
    /// Places that are taken: bit n for the n-th mark.
    pub places: u32,
    /// Open delegation accounts, those without a place included.
    pub delegations: u32,
    /// Zero.
    pub reserved_space: [u8; 64],
}

impl Bond {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();
}
