//! The claim of a GPU.

use anchor_lang::prelude::*;

use super::Header;

/// Claim of one GPU for one offer, at seeds `["gpu", SHA-256 of the UUID]`: there can be one only, across all providers.
#[account(zero_copy)]
#[derive(Debug)]
pub struct GpuClaim {
    /// Common header.
    pub header: Header,
    /// SHA-256 of the GPU's UUID.
    pub hash: [u8; 32],
    /// The provider record.
    pub provider: Pubkey,
    /// The offer.
    pub offer: Pubkey,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// Zero.
    pub reserved: [u8; 16],
}
