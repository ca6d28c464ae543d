//! The price index.

use anchor_lang::prelude::*;

/// A price index was opened.
#[event]
pub struct IndexOpened {
    /// The index.
    pub index: Pubkey,
    /// Who paid its rent.
    pub payer: Pubkey,
    /// GPU model number.
    pub gpu_model: u8,
    /// Region number.
    pub region: u8,
}

/// A lease was counted in a price index.
#[event]
pub struct TradeRecorded {
    /// The index.
    pub index: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Its buyer.
    pub buyer: Pubkey,
    /// Price of one GPU for an hour, in atoms.
    pub price: u64,
    /// The same as it entered: at most five per cent from where the index stood.
    pub entered: u64,
    /// When the lease ended.
    pub ended_ts: u64,
    /// Place in the ring that it took.
    pub place: u8,
    /// Trades in the ring after it.
    pub len: u8,
    /// The index after it, in atoms per GPU and hour.
    pub index_price: u64,
}
