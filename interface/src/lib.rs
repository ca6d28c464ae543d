//! What the chain looks like to everything that is not a program: accounts and addresses (of `market_interface` and
//! `staking_interface`, which the programs write them by), instruction builders, events, errors. No I/O.

pub mod account;
pub mod address;
pub mod error;
pub mod event;
pub mod instruction;
pub mod program;
pub mod program_log;
