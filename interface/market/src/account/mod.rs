//! The accounts of the market: plain old data, each with the common header, a version byte and reserved space.

mod array;
mod commitment;
mod config;
mod gpu_claim;
mod header;
mod job;
mod lease;
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
pub use offer::*;
pub use price_index::*;
pub use provider::*;
pub use purse::*;
pub use spec::*;

/// Version byte of every account that the program writes.
pub const ACCOUNT_VERSION: u8 = 1;

#[cfg(test)]
mod layout_tests;
