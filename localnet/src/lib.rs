//! An embedded local Solana network for the demo, the tests and the CLI.
//!
//! [`Localnet::start`] brings up a real JSON-RPC and websocket endpoint on loopback inside this process
//! (surfpool as a library, offline: it never asks another network for anything), and offers what a market
//! needs to come alive: programs, SOL, a USDC-like mint with 6 decimals, and a clock that tests can steer.
//!
//! ```no_run
//! # async fn demo() -> Result<(), gridlease_localnet::LocalnetError> {
//! use gridlease_localnet::{Localnet, LocalnetConfig};
//! use solana_pubkey::Pubkey;
//!
//! let net = Localnet::start(LocalnetConfig::default()).await?;
//! let owner = Pubkey::new_unique();
//! net.airdrop(&owner, 1_000_000_000).await?;
//! println!("{} {}", net.rpc_url(), net.ws_url());
//! net.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What differs from a real cluster
//!
//! * A slot is produced every `slot_ms` and never skipped; `confirmed` trails `processed` by one slot and
//!   `finalized` by 31. There is one validator: no votes, no roots, no forks.
//! * A transaction is executed when it arrives, and `sendTransaction` answers after that. Its status shows only from
//!   the next slot on, when it is confirmed.
//! * Sending a transaction again is refused with "This transaction has already been processed".
//! * `accountSubscribe` and `programSubscribe` notify at execution whatever the commitment asked for, and their
//!   context carries the slot at which the subscription began, not that of the change: order updates by what is in
//!   the account. A subscription is answered some milliseconds before it is in force.
//! * `getRecentPrioritizationFees` is always empty.
//! * The chain's clock follows the wall clock (behind it by up to a slot) until a test pauses it or sends it ahead.
//!   Sending it ahead moves the slot but not the block height, so blockhashes do not expire by it.
//! * Each network that has ended leaves one sleeping thread behind (surfpool's own clock, which cannot be ended).

mod config;
mod engine;
mod error;
mod network;
mod ports;
mod program;
mod send;
mod ticker;
mod usdc;

pub use config::LocalnetConfig;
pub use error::LocalnetError;
pub use network::Localnet;
pub use usdc::USDC_DECIMALS;
