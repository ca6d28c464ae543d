//! Talking to a Solana network: reads that survive a bad connection, transactions with a typed outcome,
//! and subscriptions that miss nothing.
//!
//! Everything hangs on [`Client`], which is cheap to clone:
//!
//! * [`fetch`]: accounts, balances and the chain's clock, with bounded retries;
//! * [`send`]: from instructions to [`Landed`] or a [`SendError`] that says what may be done next;
//! * [`watch`]: the state of an account or of a program as a stream that reconnects by itself.
//!
//! Every request has a time limit, and no error or log line shows more of an address than scheme, host and port:
//! the rest of an RPC address is often a key.

mod client;
mod error;
pub mod fetch;
mod query;
pub mod send;
mod url;
pub mod watch;

pub use self::{
    client::{Client, ClientConfig},
    error::RpcError,
    query::ProgramQuery,
    send::{ErrorNamer, Fresh, Landed, Prepared, ProgramFailure, SendError, SendOptions},
    url::{ClusterUrl, UrlError},
    watch::{AccountUpdate, Watch, WatchConfig, WatchEvent},
};
