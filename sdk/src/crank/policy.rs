//! What a keeper's operator chooses. None of it changes an outcome: it says when this keeper thinks a step worth its fee,
//! and which part of the work it takes.

use gridlease_core::{Atoms, Seconds};

/// A part of the work: the accounts whose shard byte leaves `index` when divided by `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u8,
    count: u8,
}

/// A shard that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no shard {index} of {count}; shards count from 0, and there are 1 to 255 of them")]
pub struct ShardError {
    /// The shard asked for.
    pub index: u8,
    /// The number of shards.
    pub count: u8,
}

impl Shard {
    /// All of the work.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Shard `index` (from 0) of `count`.
    ///
    /// # Errors
    /// [`ShardError`] where there is no such shard.
    pub const fn new(index: u8, count: u8) -> Result<Self, ShardError> {
        if index < count { Ok(Self { index, count }) } else { Err(ShardError { index, count }) }
    }

    /// Does an account with this shard byte belong to it?
    pub const fn owns(&self, shard_byte: u8) -> bool {
        match shard_byte.checked_rem(self.count) {
            Some(rest) => rest == self.index,
            None => false, // a shard of none cannot be made
        }
    }
}

/// When a step is worth its fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A running lease is settled once it owes this much. Default 5 USDC.
    pub settle_above: Atoms,
    /// A running lease is also settled once it owes what it earns in this time. Default one hour.
    pub settle_every: Seconds,
    /// A running lease that owes less than this is left alone. Default 0.01 USDC.
    pub settle_least: Atoms,
    /// The fees of a purse are swept once they are this much. Default 1 USDC.
    pub sweep_above: Atoms,
    /// Which part of the work is taken. Default all.
    pub shard: Shard,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            settle_above: Atoms(5_000_000),
            settle_every: Seconds(3_600),
            settle_least: Atoms(10_000),
            sweep_above: Atoms(1_000_000),
            shard: Shard::WHOLE,
        }
    }
}
