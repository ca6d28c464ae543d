//! Bytes of accounts ↔ values of the rules: the only place where the two meet.

mod array;
mod config;
mod job;
mod lease;
mod machine;
mod offer;
mod price_index;
mod provider;
mod purse;
mod spec;
