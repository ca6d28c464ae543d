//! A buyer's job from its manifest to its outputs. The command line, the demo and the end-to-end tests all go through
//! here.
//!
//! ```no_run
//! # async fn demo(buyer: gridlease_cli::buyer::Buyer) -> Result<(), gridlease_cli::CliError> {
//! use futures_util::StreamExt as _;
//! use gridlease_cli::buyer::{FollowOptions, PostOptions};
//!
//! let job = buyer.prepare("job.yaml".as_ref()).await?;
//! println!("at most {} USDC", job.quote.cap);
//! let posted = buyer.post(&job, &PostOptions::default()).await?;
//! let mut events = buyer.follow(posted.job, FollowOptions::default());
//! while let Some(event) = events.next().await {
//!     println!("{:?}", event?);
//! }
//! # Ok(())
//! # }
//! ```

mod awaiting;
pub mod event;
pub mod expose;
mod follow;
pub mod forward;
mod node;
pub mod output;
mod pin;
mod post;
mod prepare;
mod results;
mod secrets;
pub mod show;
pub mod store;
pub mod track;
mod winner;

use std::path::Path;
use std::sync::Arc;

use gridlease_sdk::rpc::Client;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::chain::Chain;
pub(crate) use awaiting::is_between_runs;
pub use event::{JobEvent, Money};
pub use follow::{FollowOptions, JobEvents, Until};
pub use post::{PostOptions, PostedJob};
pub use prepare::{EnvVar, PreparedJob, Quote};
pub use results::{LeaseAt, OutputsDone, PushDone};
use store::JobStore;

/// A buyer: its key, its network, and what it remembers.
#[derive(Clone, Debug)]
pub struct Buyer {
    chain: Chain,
    key: Arc<Keypair>,
    store: JobStore,
}

impl Buyer {
    /// A buyer that signs with `key` and remembers its jobs under `state_dir`.
    pub fn new(client: Client, key: Arc<Keypair>, state_dir: &Path) -> Self {
        Self { chain: Chain::new(client), key, store: JobStore::new(state_dir) }
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The key.
    pub fn key(&self) -> &Keypair {
        &self.key
    }

    /// Its address: the owner of the purse.
    pub fn address(&self) -> Pubkey {
        self.key.pubkey()
    }

    /// What this machine remembers.
    pub fn store(&self) -> &JobStore {
        &self.store
    }
}
