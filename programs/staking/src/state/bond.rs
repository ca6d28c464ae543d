//! A bond: the stake of one provider.

use anchor_lang::prelude::*;

use super::Header;

/// Bond, at seeds `["bond", authority]`; its token account is at `["vault", bond]`.
///
/// Other programs read the first fields straight from the account's data, so these offsets never change:
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
/// | 133 | 3 | padding |
/// | 136 | 128 | reserved space, for delegations |
///
/// `reserved + unbonding ≤ amount ≤ tokens in the vault`, always. The amounts are written only from checked values of
/// `gridlease_core::bond` (see [`Bond::set_totals`]).
#[account(zero_copy)]
#[derive(Debug)]
pub struct Bond {
    /// Common header.
    pub header: Header,
    /// Who opened the bond and may add stake: the provider's cold key.
    pub authority: Pubkey,
    /// The token account that holds the stake.
    pub vault: Pubkey,
    /// All stake in the vault, unbonding included, in atoms.
    pub(crate) amount: u64,
    /// Σ of what is left of the open reservations, in atoms.
    pub(crate) reserved: u64,
    /// Stake on its way out, in atoms: still slashable, no longer reservable.
    pub(crate) unbonding: u64,
    /// Ever slashed, in atoms.
    pub(crate) slashed_total: u64,
    /// Ever added, in atoms.
    pub(crate) added_total: u64,
    /// Open reservations.
    pub(crate) leases: u32,
    /// Bump of the vault's address.
    pub vault_bump: u8,
    /// Zero.
    pub padding: [u8; 3],
    /// Zero; kept for delegations.
    pub reserved_space: [u8; 128],
}

impl Bond {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();

    /// Open reservations.
    pub fn leases(&self) -> u32 {
        self.leases
    }

    /// Ever slashed, in atoms.
    pub fn slashed_total(&self) -> u64 {
        self.slashed_total
    }

    /// Ever added, in atoms. `added_total = amount + slashed_total` as long as nothing was withdrawn.
    pub fn added_total(&self) -> u64 {
        self.added_total
    }
}
