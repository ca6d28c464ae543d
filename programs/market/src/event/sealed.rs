//! Sealed bids, and bids that an award drops.

use anchor_lang::prelude::*;

/// A sealed bid was committed; its bond is the staking program's reservation for it.
#[event]
pub struct BidCommitted {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The sealed bid.
    pub commitment: Pubkey,
    /// Stake bound.
    pub bond: u64,
    /// End of the revealing.
    pub reveal_end: u64,
}

/// A sealed bid was revealed, and its bond set free. A `BidEntered` follows where it entered the book.
#[event]
pub struct BidRevealed {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The offer.
    pub offer: Pubkey,
    /// Price per hour.
    pub price: u64,
    /// Number of the error for which it did not enter the book; zero where it did.
    pub refused: u32,
}

/// A sealed bid was not revealed in time; its bond was slashed.
#[event]
pub struct BidForfeited {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The sealed bid.
    pub commitment: Pubkey,
    /// Atoms to the insurance fund: the whole bond.
    pub insurance: u64,
}

/// A sealed bid was let go, because its job ended before it could be revealed.
#[event]
pub struct BidReleased {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The sealed bid.
    pub commitment: Pubkey,
}

/// A bid that an award dropped.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct DroppedBid {
    /// The provider.
    pub provider: Pubkey,
    /// Number of the error for which it cannot take the job.
    pub refused: u32,
    /// It is its own doing, and was counted as a fault.
    pub faulted: bool,
}

/// An award dropped bids whose bidders cannot take the job any more.
#[event]
pub struct BidsDropped {
    /// The job.
    pub job: Pubkey,
    /// The bids, in the book's order.
    pub bids: Vec<DroppedBid>,
}
