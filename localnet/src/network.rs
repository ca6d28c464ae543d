//! The network as its users see it: start, fund, deploy, steer the clock, stop.

use std::{
    sync::{Mutex, atomic::AtomicU64},
    time::Duration,
};

use serde_json::json;
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::request::RpcRequest;
use solana_signer::Signer;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    LocalnetConfig, LocalnetError,
    engine::{Engine, EngineConfig},
    ports::PortLease,
    ticker::Ticker,
    usdc::Usdc,
};

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a stop may take, per step (run loop, ports).
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long one JSON-RPC call may take.
const RPC_LIMIT: Duration = Duration::from_secs(30);
/// How often free ports are tried, in case another program takes one just before the servers bind it.
const PORT_ATTEMPTS: usize = 5;
/// Pause between two looks at something that takes milliseconds.
const POLL: Duration = Duration::from_millis(10);
/// What the fee payer of the network's own transactions starts with.
const FAUCET_LAMPORTS: u64 = 10_000_000_000_000;
/// Longest way the clock is sent at once, in seconds: a year.
const MAX_ADVANCE_SECONDS: u64 = 366 * 24 * 3_600;
/// Most slots produced at once on request.
const MAX_ADVANCE_SLOTS: u64 = 10_000;
/// How often an airdrop is repeated when the same one was made in the same slot.
const AIRDROP_ATTEMPTS: u32 = 10;

/// A running local network. End it with [`Localnet::shutdown`]; dropping it stops it too, but waits for nothing.
pub struct Localnet {
    rpc_url: String,
    ws_url: String,
    slot: Duration,
    pub(crate) rpc: RpcClient,
    pub(crate) faucet: Keypair,
    /// Makes each of the network's own transactions different from the others in the same slot.
    pub(crate) sent: AtomicU64,
    pub(crate) usdc: Mutex<Option<Usdc>>,
    parts: Option<Parts>,
}

/// What is taken apart at the end.
struct Parts {
    ticker: Ticker,
    engine: Engine,
    ports: [PortLease; 2],
}

impl std::fmt::Debug for Localnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Localnet").field("rpc_url", &self.rpc_url).field("ws_url", &self.ws_url).finish_non_exhaustive()
    }
}

impl Localnet {
    /// Starts a network and waits until JSON-RPC and websocket answer.
    ///
    /// # Errors
    /// A setting out of bounds, a port in use ([`LocalnetError::PortInUse`] names it), or no answer within 30 s.
    /// Nothing is left running then.
    pub async fn start(config: LocalnetConfig) -> Result<Self, LocalnetError> {
        config.validate()?;
        let deadline = Instant::now() + START_LIMIT;
        let mut attempt = 1;
        loop {
            match Self::start_once(&config, deadline).await {
                // Only a free port can be exchanged for another.
                Err(LocalnetError::Start { reason })
                    if attempt < PORT_ATTEMPTS
                        && reason.contains("in use")
                        && (config.rpc_port.is_none() || config.ws_port.is_none()) =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(config: &LocalnetConfig, deadline: Instant) -> Result<Self, LocalnetError> {
        let ports = [PortLease::take(config.rpc_port, "JSON-RPC")?, PortLease::take(config.ws_port, "websocket")?];
        let [rpc_port, ws_port] = [ports[0].port(), ports[1].port()];
        let faucet = Keypair::new();
        let mut genesis_airdrops = config.genesis_airdrops.clone();
        genesis_airdrops.push((faucet.pubkey(), FAUCET_LAMPORTS));
        let mut engine =
            Engine::start(EngineConfig { rpc_port, ws_port, slot_ms: config.slot_ms, genesis_airdrops }).await?;
        let slot = Duration::from_millis(config.slot_ms);
        let rpc_url = format!("http://127.0.0.1:{rpc_port}");
        let rpc = RpcClient::new_with_timeout_and_commitment(rpc_url.clone(), RPC_LIMIT, CommitmentConfig::processed());
        if let Err(error) = wait_until_ready(&rpc, &mut engine, &rpc_url, ws_port, deadline).await {
            // The first error is the one that tells something.
            let _ = engine.stop(STOP_LIMIT).await;
            return Err(error);
        }
        let begun = begin(&engine, slot).await;
        let ticker = match begun {
            Ok(ticker) => ticker,
            Err(error) => {
                let _ = engine.stop(STOP_LIMIT).await;
                return Err(error);
            }
        };
        Ok(Self {
            rpc_url,
            ws_url: format!("ws://127.0.0.1:{ws_port}"),
            slot,
            rpc,
            faucet,
            sent: AtomicU64::new(0),
            usdc: Mutex::new(None),
            parts: Some(Parts { ticker, engine, ports }),
        })
    }

    /// The JSON-RPC endpoint, `http://127.0.0.1:PORT`.
    pub fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    /// The websocket endpoint, `ws://127.0.0.1:PORT`.
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// Length of a slot.
    pub fn slot_length(&self) -> Duration {
        self.slot
    }

    /// Gives `lamports` to `to`, at once. Below the rent-exempt minimum of an empty account (890,880) the network
    /// refuses.
    ///
    /// # Errors
    /// The JSON-RPC call failed or was refused.
    pub async fn airdrop(&self, to: &Pubkey, lamports: u64) -> Result<(), LocalnetError> {
        let mut attempt = 1;
        loop {
            match self.rpc.request_airdrop(to, lamports).await {
                Ok(_) => return Ok(()),
                // The same amount to the same account in the same slot is the same transaction.
                Err(error) if attempt < AIRDROP_ATTEMPTS && error.to_string().contains("AlreadyProcessed") => {
                    attempt += 1;
                    tokio::time::sleep(self.slot / 2).await;
                }
                Err(error) => {
                    return Err(LocalnetError::rpc(format!("airdrop of {lamports} lamports to {to}"), error));
                }
            }
        }
    }

    /// The chain's clock as programs read it: Unix seconds.
    ///
    /// # Errors
    /// The network has stopped.
    pub async fn unix_timestamp(&self) -> Result<i64, LocalnetError> {
        Ok(i64::try_from(self.chain_ms().await? / 1_000).unwrap_or(i64::MAX))
    }

    /// The newest (processed) slot.
    ///
    /// # Errors
    /// The JSON-RPC call failed.
    pub async fn slot(&self) -> Result<u64, LocalnetError> {
        self.rpc.get_slot().await.map_err(|error| LocalnetError::rpc("asking for the slot", error))
    }

    /// Stops the slots and the chain's clock. Transactions are still executed, but none is confirmed. When this
    /// returns, the slot stands still.
    ///
    /// # Errors
    /// The network has stopped.
    pub async fn pause(&self) -> Result<(), LocalnetError> {
        const DOING: &str = "pausing the clock";
        let parts = self.parts(DOING)?;
        let done = parts.ticker.pause().ok_or(LocalnetError::Stopped { doing: DOING })?;
        tokio::task::spawn_blocking(move || done.recv())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(LocalnetError::Stopped { doing: DOING })?;
        // A slot that was asked for before is still on its way.
        parts.engine.produce(0).await
    }

    /// Lets slots and clock go on from where they stand; the time of the pause is not made up for.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn resume(&self) -> Result<(), LocalnetError> {
        self.parts("resuming the clock")?.ticker.resume();
        Ok(())
    }

    /// Produces `slots` blocks at once (at most 10,000), also while paused. The clock moves by as many slot lengths.
    ///
    /// # Errors
    /// Too many slots, or the network has stopped.
    pub async fn advance_slots(&self, slots: u64) -> Result<(), LocalnetError> {
        if slots > MAX_ADVANCE_SLOTS {
            return Err(LocalnetError::Clock {
                reason: format!("{slots} slots at once, at most {MAX_ADVANCE_SLOTS} are allowed"),
            });
        }
        self.parts("producing slots")?.engine.produce(slots).await
    }

    /// Sends clock and slot ahead by at least `by` (rounded up to a whole second on the chain's clock), at most 366
    /// days. The slot moves with the time, one for each slot length. Returns the chain's clock afterwards.
    ///
    /// # Errors
    /// Too far, or the network refused or has stopped.
    pub async fn advance_time(&self, by: Duration) -> Result<i64, LocalnetError> {
        if by.as_secs() > MAX_ADVANCE_SECONDS {
            return Err(LocalnetError::Clock {
                reason: format!("{} s at once, at most {MAX_ADVANCE_SECONDS} are allowed", by.as_secs()),
            });
        }
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        // Programs see whole seconds, so "at least" counts from the second that they see.
        let seconds = (self.chain_ms().await?.saturating_add(by_ms)).div_ceil(1_000);
        self.time_travel(i64::try_from(seconds).unwrap_or(i64::MAX)).await
    }

    /// Sends the clock forward to `unix_timestamp` (Unix seconds) and the slot with it. Returns the chain's clock
    /// afterwards.
    ///
    /// # Errors
    /// The time has passed already (the clock only moves forward), it is more than 366 days away, or the network
    /// refused or has stopped.
    pub async fn time_travel(&self, unix_timestamp: i64) -> Result<i64, LocalnetError> {
        let refused = |reason: String| LocalnetError::Clock { reason };
        let target = u64::try_from(unix_timestamp)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000))
            .ok_or_else(|| refused(format!("{unix_timestamp} is no time after 1970")))?;
        let now = self.chain_ms().await?;
        if target < now {
            return Err(refused(format!(
                "{unix_timestamp} has passed, the chain is at {}; it only moves forward",
                now / 1_000
            )));
        }
        if target - now > MAX_ADVANCE_SECONDS * 1_000 {
            return Err(refused(format!(
                "{unix_timestamp} is more than {MAX_ADVANCE_SECONDS} s after the chain's {}",
                now / 1_000
            )));
        }
        let _: serde_json::Value = self
            .rpc
            .send(RpcRequest::Custom { method: "surfnet_timeTravel" }, json!([{ "absoluteTimestamp": target }]))
            .await
            .map_err(|error| LocalnetError::rpc(format!("time travel to {unix_timestamp}"), error))?;
        self.unix_timestamp().await
    }

    /// Stops everything, waits for its threads, and returns when both ports are free again.
    ///
    /// # Errors
    /// Something was still alive after 10 s; it ends with the process.
    pub async fn shutdown(mut self) -> Result<(), LocalnetError> {
        let Some(Parts { mut ticker, engine, ports }) = self.parts.take() else {
            return Ok(());
        };
        ticker.stop();
        engine.stop(STOP_LIMIT).await?;
        let deadline = Instant::now() + STOP_LIMIT;
        for port in &ports {
            while !port.is_unused() {
                if Instant::now() >= deadline {
                    return Err(LocalnetError::Stop {
                        reason: format!("its server still listens on port {}", port.port()),
                    });
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    pub(crate) fn engine(&self, doing: &'static str) -> Result<&Engine, LocalnetError> {
        Ok(&self.parts(doing)?.engine)
    }

    fn parts(&self, doing: &'static str) -> Result<&Parts, LocalnetError> {
        self.parts.as_ref().ok_or(LocalnetError::Stopped { doing })
    }

    async fn chain_ms(&self) -> Result<u64, LocalnetError> {
        const DOING: &str = "reading the clock";
        self.engine(DOING)?.with_svm(DOING, |svm| async move { svm.with_svm_reader(|svm| svm.updated_at) }).await
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // The ticker stops in its own drop.
            parts.engine.terminate();
        }
    }
}

/// Produces the first slot and starts the others.
async fn begin(engine: &Engine, slot: Duration) -> Result<Ticker, LocalnetError> {
    // Before its first block surfpool gives the height as 31, and from then on counts from 1. A blockhash fetched
    // before would seem to live 31 blocks longer than it does.
    engine.produce(1).await?;
    Ticker::start(engine.origin() + slot, slot, engine.commands().clone())
        .map_err(|error| LocalnetError::Start { reason: format!("cannot start a thread: {error}") })
}

async fn wait_until_ready(
    rpc: &RpcClient,
    engine: &mut Engine,
    rpc_url: &str,
    ws_port: u16,
    deadline: Instant,
) -> Result<(), LocalnetError> {
    loop {
        let last = match rpc.get_health().await {
            Err(error) => error.to_string(),
            Ok(()) => match TcpStream::connect(("127.0.0.1", ws_port)).await {
                Ok(_) => return Ok(()),
                Err(error) => format!("websocket: {error}"),
            },
        };
        if let Some(reason) = engine.end_reason() {
            return Err(LocalnetError::Start { reason });
        }
        if Instant::now() >= deadline {
            return Err(LocalnetError::NotReady { url: rpc_url.to_owned(), seconds: START_LIMIT.as_secs(), last });
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_lost_at_the_last_moment_ends_the_start_with_a_reason_and_the_engine_too() {
        let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
        let rpc_port = occupied.local_addr().unwrap().port();
        let ws = PortLease::take(None, "websocket").unwrap();
        let mut engine =
            Engine::start(EngineConfig { rpc_port, ws_port: ws.port(), slot_ms: 400, genesis_airdrops: Vec::new() })
                .await
                .unwrap();
        let url = format!("http://127.0.0.1:{rpc_port}");
        let rpc = RpcClient::new_with_timeout(url.clone(), Duration::from_millis(200));
        let deadline = Instant::now() + Duration::from_secs(20);
        let error = wait_until_ready(&rpc, &mut engine, &url, ws.port(), deadline).await.unwrap_err();
        assert!(matches!(&error, LocalnetError::Start { reason } if reason.contains("in use")), "{error}");
        engine.stop(STOP_LIMIT).await.unwrap();
    }

    #[test]
    fn a_network_can_be_shared_between_tasks_and_its_errors_are_small() {
        fn shared<T: Send + Sync + 'static>() {}
        fn sent<T: Send>(_: T) {}
        shared::<Localnet>();
        shared::<LocalnetError>();
        sent(Localnet::start(LocalnetConfig::default()));
        assert!(size_of::<LocalnetError>() <= 128);
    }
}
