//! The 16 bytes that follow the discriminator of every account, so that a keeper reads 24 bytes and knows what is due.

use anchor_lang::prelude::*;

/// Common header.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Layout version, 1.
    pub version: u8,
    /// State; its meaning is the account's own.
    pub state: u8,
    /// Shard 0..=255, from the account's address, by which several keepers share the work.
    pub shard: u8,
    /// Bump of the account's address.
    pub bump: u8,
    /// Zero.
    pub reserved0: [u8; 4],
    /// Unix time at which somebody has something to do; zero where nothing is due.
    pub due_ts: u64,
}

/// The shard of an account: the first byte of its address.
pub fn shard_of(address: &Pubkey) -> u8 {
    let [first, ..] = address.to_bytes();
    first
}
