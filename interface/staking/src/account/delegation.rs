//! A delegation: what one delegator has in one bond.

use anchor_lang::prelude::*;

use super::Header;

/// Delegation, at seeds `["delegation", bond, delegator]`.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | discriminator |
/// | 8 | 16 | header |
/// | 24 | 32 | bond |
/// | 56 | 32 | delegator |
/// | 88 | 32 | destination |
/// | 120 | 8 | shares |
/// | 128 | 8 | owed |
/// | 136 | 16 | entry |
/// | 152 | 4 | next_number |
/// | 156 | 1 | requests |
/// | 157 | 1 | place |
/// | 158 | 2 | padding |
/// | 160 | 8 | pending |
/// | 168 | 8 | active_from |
/// | 176 | 64 | reserved space |
#[account(zero_copy)]
#[derive(Debug)]
pub struct Delegation {
    /// Common header.
    pub header: Header,
    /// The bond.
    pub bond: Pubkey,
    /// Whose it is; paid the rent and gets it back.
    pub delegator: Pubkey,
    /// Token account that anybody may have its revenue paid to, and its stake where the operator sends it off.
    pub destination: Pubkey,
    /// Its shares of the delegators' stake that are not on their way out.
    pub shares: u64,
    /// Revenue that it earned until its shares last changed and has not claimed, in atoms.
    pub owed: u64,
    /// What one share had earned then, in 2⁻⁶⁴ atoms; 16 bytes, little endian.
    pub entry: [u8; 16],
    /// Number of its next request to unbond.
    pub next_number: u32,
    /// Its open requests to unbond.
    pub requests: u8,
    /// Its place among the bond's marks, counted from one; zero once all of its stake is out.
    pub place: u8,
    /// Zero.
    pub padding: [u8; 2],
    /// Of `shares`, those that were not activated: they neither earn nor stand behind leases.
    pub pending: u64,
    /// From when on those may be activated; zero where none wait.
    pub active_from: u64,
    /// Zero.
    pub reserved_space: [u8; 64],
}

impl Delegation {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();
}
