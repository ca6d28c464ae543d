//! The program's configuration.

use anchor_lang::prelude::*;

use super::{Header, MAX_SLASHERS};

/// Configuration, at seeds `["config"]`.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | discriminator |
/// | 8 | 16 | header |
/// | 24 | 32 | admin |
/// | 56 | 32 | pending_admin |
/// | 88 | 32 | usdc_mint |
/// | 120 | 32 | insurance |
/// | 152 | 128 | slashers |
/// | 280 | 32 | pending_insurance |
/// | 312 | 128 | pending_slashers |
/// | 440 | 8 | pending_from |
/// | 448 | 8 | bond_cap, little endian |
/// | 456 | 8 | pending_bond_cap |
/// | 464 | 112 | zero, reserved space |
#[account(zero_copy)]
#[derive(Debug)]
pub struct Config {
    /// Common header.
    pub header: Header,
    /// Who may change the configuration.
    pub admin: Pubkey,
    /// Who was named to become the admin; zero for nobody.
    pub pending_admin: Pubkey,
    /// The only mint that the program takes.
    pub usdc_mint: Pubkey,
    /// Token account that gets the insurance part of every slash.
    pub insurance: Pubkey,
    /// PDAs of other programs that may reserve, release and slash; zero for an unused place.
    pub slashers: [Pubkey; MAX_SLASHERS],
    /// The insurance account that was proposed.
    pub pending_insurance: Pubkey,
    /// The slashers that were proposed.
    pub pending_slashers: [Pubkey; MAX_SLASHERS],
    /// From when on the proposal may be executed; zero where nothing is proposed.
    pub pending_from: u64,
    /// The most stake that a bond may hold, its delegators' included, in atoms; zero: the genesis value.
    pub bond_cap: u64,
    /// The cap that was proposed.
    pub pending_bond_cap: u64,
    /// Zero.
    pub pad: [u8; 16],
    /// Zero.
    pub reserved_space: [u8; 96],
}

impl Config {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();

    /// Is this key one of the slashers? A zero key never is.
    pub fn is_slasher(&self, key: &Pubkey) -> bool {
        *key != Pubkey::default() && self.slashers.contains(key)
    }

    /// Does this list name a slasher that the configuration does not?
    pub fn adds(&self, slashers: &[Pubkey; MAX_SLASHERS]) -> bool {
        slashers.iter().any(|key| *key != Pubkey::default() && !self.is_slasher(key))
    }
}
