//! A machine class that a provider offers.

use anchor_lang::prelude::*;

use super::{Header, SpecData};

/// States of an offer.
pub mod offer_state {
    /// Takes leases until `header.due_ts`.
    pub const LIVE: u8 = 1;
    /// Withdrawn; its open leases run to their end, then it is closed.
    pub const WITHDRAWN: u8 = 2;
}

/// Offer, at seeds `["offer", provider, number]`. `header.due_ts` is its expiry. The account also holds, as lamports
/// above its own rent, the rent of the leases that its units can open; they come back when a lease closes.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Offer {
    /// Common header.
    pub header: Header,
    /// The provider record.
    pub provider: Pubkey,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// SHA-256 over the sorted GPU UUIDs; zero for a machine without one.
    pub gpu_root: [u8; 32],
    /// Hash of the benchmark record; zero for none.
    pub benchmark_hash: [u8; 32],
    /// Price per hour at which the offer stands, in atoms.
    pub ask: u64,
    /// Lowest price per hour of an automatic bid, in atoms.
    pub floor: u64,
    /// Benchmark result; zero for none.
    pub benchmark: u64,
    /// Slot of the benchmark.
    pub benchmark_slot: u64,
    /// What one unit has.
    pub spec: SpecData,
    /// The offer's number.
    pub number: u32,
    /// Leases that fit at the same time.
    pub units: u16,
    /// Leases that fit now.
    pub units_free: u16,
    /// 1 where anybody may enter it into auctions.
    pub auto_bid: u8,
    /// 1 where its machine is retired: anyone may give notice for its leases, or abandon those without.
    pub retired: u8,
    /// GPUs that are claimed for this offer.
    pub claimed: u16,
    /// Leases whose unit is free again but that still wait for money; the account stays until they are closed.
    pub unpaid: u16,
    /// Sealed bids that are not resolved.
    pub sealed: u16,
    /// Zero.
    pub pad: [u8; 4],
    /// Its machine: an account, or the provider record, which is the first one.
    pub machine: Pubkey,
    /// The most of the bond that its leases and sealed bids may bind, in atoms.
    pub stake_limit: u64,
    /// What they bind, and what was slashed of them, in atoms.
    pub bound: u64,
    /// Hot key of its machine: bids, ready, finish.
    pub node_key: Pubkey,
    /// Zero.
    pub reserved: [u8; 64],
}
