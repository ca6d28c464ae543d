//! The SDK's connection to a network, against the real local network and through proxies that misbehave on request.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod faults;
mod fetch;
mod send;
mod watch;

use std::time::Duration;

use gridlease_localnet::{Localnet, LocalnetConfig};
use gridlease_sdk::rpc::{Client, ClientConfig, ClusterUrl};
use solana_keypair::Keypair;
use solana_signer::Signer as _;

/// A balance that is enough for everything here.
const SOL: u64 = 1_000_000_000;

/// A network with short slots, so that an expiry or a confirmation takes little time.
async fn network() -> Localnet {
    Localnet::start(LocalnetConfig { slot_ms: 100, ..LocalnetConfig::default() }).await.unwrap()
}

/// A client that goes straight to `net`.
fn client(net: &Localnet) -> Client {
    client_at(net.rpc_url(), net.ws_url(), ClientConfig::default())
}

fn client_at(rpc_url: &str, ws_url: &str, config: ClientConfig) -> Client {
    let url = ClusterUrl::parse(rpc_url).unwrap().with_ws(ws_url).unwrap();
    Client::with_config(url, config).unwrap()
}

/// Settings with which trouble shows soon.
fn impatient() -> ClientConfig {
    ClientConfig {
        request_timeout: Duration::from_secs(2),
        scan_timeout: Duration::from_secs(2),
        retries: 1,
        ..ClientConfig::default()
    }
}

/// A key with a SOL.
async fn funded(net: &Localnet) -> Keypair {
    let key = Keypair::new();
    net.airdrop(&key.pubkey(), SOL).await.unwrap();
    key
}
