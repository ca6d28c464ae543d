//! The accounts of the market: zero-copy, each with the common header, a version byte and reserved space.

mod array;
mod config;
mod header;
mod job;
mod lease;
mod offer;
mod provider;
mod purse;
mod spec;

pub use array::*;
pub use config::*;
pub use header::*;
pub use job::*;
pub use lease::*;
pub use offer::*;
pub use provider::*;
pub use purse::*;
pub use spec::*;

#[cfg(test)]
mod tests;
