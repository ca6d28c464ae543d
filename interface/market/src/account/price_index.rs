//! What an hour of one kind of GPU costs in one region.

use anchor_lang::prelude::*;
use gridlease_core::price_index::TRADES;

use super::Header;

/// One trade in a price index.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TradeData {
    /// Price of one GPU for an hour, in atoms, as it was clamped.
    pub price: u64,
    /// When its lease ended.
    pub ts: u64,
    /// First eight bytes of the buyer's address.
    pub buyer: [u8; 8],
}

/// Price index, at seeds `["index", gpu_model (1 byte), region (1 byte)]`. It belongs to nobody and is never closed; the
/// market itself does not read it.
#[account(zero_copy)]
#[derive(Debug)]
pub struct PriceIndex {
    /// Common header.
    pub header: Header,
    /// The mean of the trades, in atoms per GPU and hour; zero while there are none.
    pub price: u64,
    /// Trades ever taken in.
    pub recorded: u64,
    /// When the last one was taken in.
    pub recorded_ts: u64,
    /// GPU model number.
    pub gpu_model: u8,
    /// Region number.
    pub region: u8,
    /// Trades in the ring.
    pub len: u8,
    /// Where the next trade is written once the ring is full.
    pub next: u8,
    /// Zero.
    pub pad: [u8; 4],
    /// The ring.
    pub trades: [TradeData; TRADES],
    /// Zero.
    pub reserved_space: [u8; 32],
}
