//! A reservation: the part of a bond that stands behind one lease.

use anchor_lang::prelude::*;

use super::Header;

/// Reservation, at seeds `["reservation", lease]`. It exists exactly as long as stake may be slashed for the lease.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | discriminator |
/// | 8 | 16 | header |
/// | 24 | 32 | bond |
/// | 56 | 32 | lease |
/// | 88 | 32 | slasher |
/// | 120 | 32 | rent_to |
/// | 152 | 8 | amount, little endian |
/// | 160 | 8 | lent |
/// | 168 | 24 | reserved space |
#[account(zero_copy)]
#[derive(Debug)]
pub struct Reservation {
    /// Common header.
    pub header: Header,
    /// The bond whose stake is reserved.
    pub bond: Pubkey,
    /// The lease that it is reserved for.
    pub lease: Pubkey,
    /// The PDA that reserved it, and alone may release or slash it.
    pub slasher: Pubkey,
    /// Where the account's lamports go on release.
    pub rent_to: Pubkey,
    /// What is left of the reservation, in atoms.
    pub amount: u64,
    /// Lamports that the bond lent it, and gets back on release.
    pub lent: u64,
    /// Zero.
    pub reserved_space: [u8; 24],
}

impl Reservation {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();
}
