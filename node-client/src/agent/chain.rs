//! The chain as the node sees it: a few reads, and one way to submit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gridlease_core::Now;
use gridlease_sdk::account::Job;
use gridlease_sdk::market::ReadError;
use gridlease_sdk::rpc::{Client, SendError, SendOptions};
use gridlease_sdk::view::MarketTime;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tokio::time::Instant;

use crate::clock::{Clock, HostClock};
use crate::sold::Sold;

/// How long the market's own work waits for one transaction. One that lands later is found by the next look.
const BRIEFLY: Duration = Duration::from_secs(10);

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It landed, with this signature.
    Landed(String),
    /// The program refused; in words.
    Refused {
        /// The program's error number, where it gave one.
        code: Option<u32>,
        /// In words.
        reason: String,
    },
    /// Nobody knows, or not now; look at the chain and try again.
    Later(String),
}

/// The chain. Cheap to clone.
#[derive(Clone)]
pub struct Chain {
    client: Client,
    node_key: Arc<Keypair>,
    clock: Clock,
    started: Instant,
    time: Arc<Mutex<MarketTime>>,
}

impl Chain {
    /// The chain behind `client`, signed for by `node_key`. Every reading of its clock sets `clock`.
    #[must_use]
    pub fn new(client: Client, node_key: Arc<Keypair>, clock: Clock) -> Self {
        Self { client, node_key, clock, started: Instant::now(), time: Arc::default() }
    }

    /// The RPC client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The node key's address.
    #[must_use]
    pub fn node_key(&self) -> Pubkey {
        self.node_key.pubkey()
    }

    /// The chain's clock. Sets the node's by it, and tells the operator where this machine's is off.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn now(&self) -> Result<Now, ReadError> {
        let now = self.client.now().await?;
        self.observe(now);
        Ok(now)
    }

    /// The chain's clock as it was read last, carried on by this machine's for half a minute at most. `None` before the first reading.
    #[must_use]
    pub fn time(&self) -> Option<Now> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).now(self.started.elapsed())
    }

    /// Takes in a reading of the chain's clock.
    pub fn observe(&self, now: Now) {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).set(now, self.started.elapsed());
        match self.clock.observe(now) {
            Some(HostClock::Off { ahead_s }) => tracing::warn!(
                "this machine's clock is {} s {} the chain's; the node goes on by the chain's, but certificates of \
                 https addresses are checked by this machine's: set it right (`timedatectl set-ntp true`)",
                ahead_s.unsigned_abs(),
                if ahead_s > 0 { "ahead of" } else { "behind" },
            ),
            Some(HostClock::Right) => tracing::info!("this machine's clock agrees with the chain's again"),
            None => {}
        }
    }

    /// Where the job's manifest is; `None` where the buyer pushes it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn manifest_uri(&self, job: &Pubkey) -> Result<Option<String>, ReadError> {
        Ok(self.client.job_with_uri(job).await?.1)
    }

    /// What the job was posted as.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn sold(&self, job: &Pubkey) -> Result<Sold, ReadError> {
        Ok(Sold::from(&self.client.get::<Job>(job).await?))
    }

    /// The insurance fund's token account, as it is now: who changes it while a node runs must not keep it from its steps.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn insurance(&self) -> Result<Pubkey, ReadError> {
        Ok(self.client.staking_config().await?.insurance)
    }

    /// Sends instructions in one transaction that the node key pays.
    pub async fn submit(&self, instructions: &[Instruction]) -> Submitted {
        let options = SendOptions::default();
        match self.client.send(instructions, self.node_key.as_ref(), &[], &options).await {
            Ok(landed) => Submitted::Landed(landed.signature.to_string()),
            Err(SendError::Failed(failure)) => Submitted::Refused { code: failure.code, reason: failure.to_string() },
            Err(other) => Submitted::Later(other.to_string()),
        }
    }

    /// As [`Chain::submit`], but after ten seconds without an outcome nobody waits for it any more. It may still land: for steps that can
    /// be looked at and taken again.
    pub async fn submit_briefly(&self, instructions: &[Instruction]) -> Submitted {
        match tokio::time::timeout(BRIEFLY, self.submit(instructions)).await {
            Ok(submitted) => submitted,
            Err(_) => Submitted::Later(format!("no outcome within {} s; it may still land", BRIEFLY.as_secs())),
        }
    }

    /// Says what became of a submission that did not land, and waits a moment so that nobody spins.
    pub async fn note(&self, what: &str, lease: &Pubkey, submitted: &Submitted) {
        match submitted {
            Submitted::Landed(_) => return,
            Submitted::Refused { reason, .. } => tracing::warn!(%lease, "{what} was refused: {reason}"),
            Submitted::Later(reason) => tracing::warn!(%lease, "{what} did not go through: {reason}"),
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}
