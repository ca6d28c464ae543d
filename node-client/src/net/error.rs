//! Why a lease has no network.

use std::net::SocketAddr;

use crate::driver::DriverError;

/// Why a lease's network cannot be made, kept or removed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// `nft` is not installed.
    #[error("there is no `nft` on PATH; install nftables")]
    NoNft,
    /// The firewall does not do what it is told.
    #[error("the firewall does not {what}: {reason}")]
    Firewall {
        /// What was asked of it.
        what: &'static str,
        /// Its own words.
        reason: String,
    },
    /// Nobody heard what the firewall says: its program could not be run, or did not end. It says nothing about the rules.
    #[error("nft cannot be asked to {what}: {reason}")]
    NoAnswer {
        /// What was asked of it.
        what: &'static str,
        /// Why there is no answer.
        reason: String,
    },
    /// The container engine.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The resolver cannot listen.
    #[error(
        "the resolver cannot listen at {address}: {source}; does another program listen on port 53 of every address?"
    )]
    Resolver {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The host names no resolver that the node could ask.
    #[error("no resolver is named in {path}; name one with --egress-dns")]
    NoUpstream {
        /// Where one was looked for.
        path: String,
    },
    /// Not root.
    #[error("the node does not run as root")]
    NotRoot,
    /// The kernel does not forward.
    #[error("the kernel does not forward packets; run `sysctl -w net.ipv4.ip_forward=1`")]
    NoForwarding,
    /// Another engine than Docker.
    #[error("the engine is not Docker")]
    NotDocker,
    /// This node gives no network to leases.
    #[error("this node gives no network to leases")]
    NotOffered,
}
