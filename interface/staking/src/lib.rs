//! The staking program on chain, described once: its address, its seeds, its accounts, how their bytes become values of the rules,
//! and how another program calls it. The program writes these accounts; the market and everything off chain read them through
//! this crate.

#![allow(missing_docs, reason = "the macros of Anchor generate items without documentation")]

use anchor_lang::prelude::*;

pub mod account;
pub mod address;
pub mod call;
mod convert;
pub mod seed;

declare_id!("9qRtEGwZdmjZvB1JrfdFKgQvK1cUYFmeuEmqHKU2rfRR");

#[cfg(test)]
mod tests;
