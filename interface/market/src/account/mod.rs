//! The accounts of the market: plain old data, each with the common header, a version byte and reserved space.

mod array;
mod commitment;
mod config;
mod gpu_claim;
mod header;
mod job;
mod lease;
mod machine;
mod offer;
mod price_index;
mod provider;
mod purse;
mod spec;

pub use array::*;
pub use commitment::*;
pub use config::*;
pub use gpu_claim::*;
pub use header::*;
pub use job::*;
pub use lease::*;
pub use machine::*;
pub use offer::*;
pub use price_index::*;
pub use provider::*;
pub use purse::*;
pub use spec::*;

/// Version byte of every account that the program writes. It reads this one and every older one; see [`first`].
pub const ACCOUNT_VERSION: u8 = 2;

/// Version 1: the bytes, without discriminator and tail, of the accounts that have grown since, and where what they held stands now.
/// Instructions take those only after they were migrated, which anyone may do in the same transaction; all others are as they were.
pub mod first;

#[cfg(test)]
mod layout_tests;
