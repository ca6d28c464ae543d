//! The chain as the node sees it: a few reads, and one way to submit.

use std::sync::Arc;
use std::time::Duration;

use gridlease_core::Now;
use gridlease_sdk::account::{Job, Lease};
use gridlease_sdk::market::ReadError;
use gridlease_sdk::rpc::{Client, SendError, SendOptions};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::clock::{Clock, HostClock};
use crate::sold::Sold;

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
}

impl Chain {
    /// The chain behind `client`, signed for by `node_key`. Every reading of its clock sets `clock`.
    #[must_use]
    pub fn new(client: Client, node_key: Arc<Keypair>, clock: Clock) -> Self {
        Self { client, node_key, clock }
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

    /// The lease, or `None` once it is closed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn lease(&self, lease: &Pubkey) -> Result<Option<Lease>, ReadError> {
        self.client.find(lease).await
    }

    /// The chain's clock. Sets the node's by it, and tells the operator where this machine's is off.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn now(&self) -> Result<Now, ReadError> {
        let now = self.client.now().await?;
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
        Ok(now)
    }

    /// The lease, or `None` once it is closed, and the chain's clock as it was read before.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn lease_and_now(&self, lease: &Pubkey) -> Result<(Option<Lease>, Now), ReadError> {
        let now = self.now().await?;
        Ok((self.client.find(lease).await?, now))
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
