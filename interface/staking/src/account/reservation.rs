//! A reservation: the part of a bond that stands behind one lease.

use anchor_lang::prelude::*;

use super::Header;

/// Reservation, at seeds `["reservation", lease]`. It exists as long as stake may be slashed for the lease, and after that until
/// what was claimed out of it is paid. A claim leaves the bond seven days after the last one was made (the header's `due_ts`),
/// whatever else is reserved, and is lost with the operator's stake until then.
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
/// | 168 | 8 | claimed |
/// | 176 | 32 | buyer |
/// | 208 | 8 | buyer_shares |
/// | 216 | 32 | prover |
/// | 248 | 8 | prover_shares |
/// | 256 | 32 | reserved space |
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
    /// Ever claimed out of it, in atoms.
    pub claimed: u64,
    /// The buyer, whose claim it is; zero for none.
    pub buyer: Pubkey,
    /// Its claim, in shares of the bond's claims.
    pub buyer_shares: u64,
    /// Who proved a fault to the verifier; zero for none.
    pub prover: Pubkey,
    /// Its claim.
    pub prover_shares: u64,
    /// Zero.
    pub reserved_space: [u8; 32],
}

impl Reservation {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();

    /// Is something claimed out of it that was not paid?
    pub fn has_claims(&self) -> bool {
        self.buyer_shares > 0 || self.prover_shares > 0
    }
}
