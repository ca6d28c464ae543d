//! A sealed bid.

use anchor_lang::prelude::*;

use super::Header;

/// Sealed bid, at seeds `["commit", job, provider]`: one for each provider and job at a time. It names everything by which
/// it can be resolved when the job is gone. `header.due_ts` is the end of the revealing, which also names the round.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Commitment {
    /// Common header; the state is 1.
    pub header: Header,
    /// The job.
    pub job: Pubkey,
    /// The provider record.
    pub provider: Pubkey,
    /// The buyer's purse.
    pub purse: Pubkey,
    /// The bond whose stake is bound, by the reservation of this account.
    pub bond: Pubkey,
    /// Who paid the rent of this account and of the reservation, and gets both back.
    pub rent_to: Pubkey,
    /// SHA-256 of the bid, see `gridlease_core::sealed::Bid`.
    pub hash: [u8; 32],
    /// Stake bound, in atoms.
    pub amount: u64,
    /// The offer whose limit of stake counts it; zero in one of the first edition.
    pub offer: Pubkey,
}
