//! The market on chain, described once: its address, its seeds, its accounts, and how their bytes become values of the rules.
//! The program writes these accounts, and everything off chain reads them, through this crate.

#![allow(missing_docs, reason = "the macros of Anchor generate items without documentation")]

use anchor_lang::prelude::*;

pub mod account;
pub mod address;
mod convert;
pub mod seed;
mod tie;

pub use tie::tie;

declare_id!("qkSjp3wiqiaf6D2CyrBc9vAPtd8eQBhWYLZy3P2jrsx");
