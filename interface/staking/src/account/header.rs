//! The 16 bytes that follow the discriminator of every account, so that a keeper reads 24 bytes and knows what is due.

use anchor_lang::prelude::*;

use super::{ACCOUNT_VERSION, ACTIVE};

/// Common header.
#[zero_copy]
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// Layout version, from 1 on.
    pub version: u8,
    /// State; 1 in every account of this version.
    pub state: u8,
    /// Shard 0..=255: the first byte of the account's address, by which several keepers share the work.
    pub shard: u8,
    /// Bump of the account's address.
    pub bump: u8,
    /// Zero.
    pub reserved0: [u8; 4],
    /// Unix time at which somebody has something to do; zero where nothing is due.
    pub due_ts: u64,
}

impl Header {
    /// Header of a new account at `address`. Nothing is due.
    pub fn new(address: &Pubkey, bump: u8) -> Self {
        let [shard, ..] = address.to_bytes();
        Self { version: ACCOUNT_VERSION, state: ACTIVE, shard, bump, reserved0: [0; 4], due_ts: 0 }
    }

    /// Is the layout one that this version reads? One that has grown since is shorter as well, and can only be migrated.
    pub fn is_read(&self) -> bool {
        (1..=ACCOUNT_VERSION).contains(&self.version)
    }
}
