//! The HTTPS interface between a buyer and the node that runs the buyer's lease.
//!
//! The server lives in the node client; this module holds what both sides must agree on (the wire
//! types, the request signature, the log hash chain) and the buyer's client.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/health` (unsigned) | [`Health`] |
//! | `PUT /v1/jobs/{job}/manifest` | the canonical manifest, whose hash must be the job's |
//! | `PUT /v1/jobs/{job}/inputs/{sha256}` | raw bytes of an input that the manifest names |
//! | `GET /v1/leases/{lease}/key` | [`LeaseKey`](secrets::LeaseKey), to which the lease's secrets are sealed |
//! | `PUT /v1/leases/{lease}/secrets` | all of the manifest's secrets, sealed |
//! | `GET /v1/leases/{lease}/status` | [`LeaseStatus`] |
//! | `GET /v1/leases/{lease}/logs?follow=&from=&service=` | one [`LogLine`] per line of text, hash-chained |
//! | `GET /v1/leases/{lease}/logs/head` | [`SignedLogHead`]: how far the log is, signed by the node |
//! | `GET /v1/leases/{lease}/stats?since=&follow=` | one [`LeaseStats`] per line of text |
//! | `GET /v1/leases/{lease}/events?from=&follow=` | one [`LeaseEvent`] per line of text |
//! | `GET /v1/leases/{lease}/outputs` | [`OutputListing`]; with `?from=&most=` an [`OutputPage`] of it |
//! | `GET /v1/leases/{lease}/outputs/file?path=` | one file of that listing, or a range of it |
//! | `GET /v1/leases/{lease}/outputs.tar` | the files of that listing, in its order |
//! | `GET /v1/leases/{lease}/ports/{port}` | a websocket: one TCP connection to a port of the container ([`reach`]) |
//! | `PUT /v1/leases/{lease}/ports/{port}/public` | opens a port to the public or closes it ([`public`]) |
//! | `GET /v1/leases/{lease}/exec` | a websocket: one program in the container ([`reach`]) |
//!
//! Anything that is refused is answered with an [`ErrorBody`].

pub mod auth;
pub mod client;
pub mod events;
mod log_chain;
mod log_head;
mod nonces;
pub mod paths;
pub mod public;
pub mod pump;
pub mod reach;
pub mod secrets;
pub mod stats;
pub mod tls;
mod types;

pub use crate::artifact::{OutputFile, OutputListing};
pub use events::LeaseEvent;
pub use log_chain::{LogChain, LogChainError};
pub use log_head::{LogHeadError, SignedLogHead};
pub use nonces::UsedNonce;
pub use stats::LeaseStats;
pub use types::{
    ErrorBody, ErrorDetail, Health, LeaseStatus, LogLine, LogStream, MAX_OUTPUT_PAGE, OutputPage, PullProgress, codes,
};

/// Largest canonical manifest that a node accepts, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;
/// Largest input file that a node accepts unless its operator says otherwise, in bytes.
pub const MAX_INPUT_BYTES: u64 = 1 << 30;
/// Largest log line that a node emits, in bytes; a longer one is split by the node.
pub const MAX_LOG_LINE_BYTES: usize = 16 * 1024;
