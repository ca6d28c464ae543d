//! The node at work: keeps its offer alive, bids, and runs the leases that it wins.

pub mod chain;
mod claims;
pub mod config;
mod health;
pub mod lease;
pub mod market;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gridlease_sdk::account::Provider;
use gridlease_sdk::address;
use gridlease_sdk::market::ReadError;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{ApiLimits, ApiServer, ServeError};
use crate::clock::Clock;
use crate::dangling::{Dangling, GRACE};
use crate::descriptors;
use crate::disk::DiskKeeper;
use crate::driver::docker::DockerDriver;
use crate::driver::{ContainerState, Driver, DriverError};
use crate::gpu::{GpuError, GpuSource, inventory};
use crate::inputs::{FetchPolicy, Fetcher, InputError};
use crate::lease_board::LeaseBoard;
use crate::logs::{LogHub, LogLimits};
use crate::reconcile::{ChainLease, ChainState};
use crate::state_dir::{StateDir, StateDirError};
use crate::store::{LeaseRecord, Store, StoreError};
use crate::tls::{Identity, TlsError};
use crate::worker::{WorkError, Worker, WorkerConfig};

use chain::Chain;
pub use config::{NodeConfig, OfferError, OfferPolicy, Unit};
use health::Health;
use lease::LeaseTask;
use market::MarketTask;

/// How long open requests are given when the node shuts down.
const API_GRACE: Duration = Duration::from_secs(3);

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its files.
    #[error(transparent)]
    Files(#[from] StateDirError),
    /// Its memory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The machine.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The container engine.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The API.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Fetching inputs.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ReadError),
    /// The offer does not fit the machine.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// Local work.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The provider is not registered.
    #[error("there is no provider record of authority {0}; register it with `gridlease provider register`")]
    NotRegistered(Pubkey),
    /// The record names another node key.
    #[error(
        "the provider record names node key {recorded}, this node signs with {own}; run `gridlease provider update` with the authority's key, or use the right --keypair"
    )]
    OtherNodeKey {
        /// In the record.
        recorded: Pubkey,
        /// This node's.
        own: Pubkey,
    },
    /// The record names another certificate.
    #[error(
        "the provider record names certificate {recorded}, this node's is {own}; buyers would refuse it: run `gridlease provider update --fingerprint {own}` with the authority's key"
    )]
    OtherCertificate {
        /// In the record.
        recorded: String,
        /// This node's.
        own: String,
    },
    /// The record sends buyers elsewhere.
    #[error(
        "the provider record says {recorded}, this node listens on port {port}: buyers would not find it; run `gridlease provider update --endpoint …` with the authority's key, or pass --public-url {recorded} where that address is forwarded to this port"
    )]
    OtherEndpoint {
        /// In the record.
        recorded: String,
        /// Where the node listens.
        port: u16,
    },
    /// The node key has nothing to pay with.
    #[error(
        "node key {key} has {lamports} lamports; transactions and the offer's rent need about {needed}: send it some SOL"
    )]
    NoSol {
        /// The key.
        key: Pubkey,
        /// What it has.
        lamports: u64,
        /// What it needs.
        needed: u64,
    },
}

/// What a started node tells.
#[derive(Clone, Debug)]
pub struct Started {
    /// The provider record.
    pub provider: Pubkey,
    /// The offer.
    pub offer: Pubkey,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Leases taken up again from an earlier run.
    pub resumed: usize,
}

/// Runs a node until `shutdown`. Containers of open leases run on then, and are taken up again by the next start.
/// `started` is called once everything stands.
///
/// # Errors
/// [`NodeError`] where it cannot start; once started it goes on whatever fails.
pub async fn run(
    config: NodeConfig,
    shutdown: CancellationToken,
    started: impl FnOnce(&Started),
) -> Result<(), NodeError> {
    let files = descriptors::raise();
    let clock = Clock::system();
    let state = StateDir::open(&config.state_dir)?;
    let store = Store::open(&state.database())?;
    let identity = Identity::load_or_create(&state)?;
    let docker = DockerDriver::connect(config.docker_socket.clone()).await?;
    let driver: Arc<dyn Driver> = Arc::new(docker.with_registries(config.registries.clone()));
    let engine = driver.check(config.gpu != GpuSource::Cpu).await?;
    let machine = inventory(&config.gpu, &config.state_dir)?;
    let unit = config.offer.unit(&machine)?;
    tracing::info!(engine = engine.name, gpus = machine.gpus.len(), cores = machine.host.cpu_cores, "machine");

    let chain = Chain::new(config.client.clone(), Arc::clone(&config.node_key), clock.clone());
    // Before anything is decided or any signature is checked by the node's clock.
    chain.now().await?;
    let provider = address::provider(&config.authority);
    check_record(&config, &identity, &provider).await?;
    check_sol(&config, &chain).await?;

    let logs = LogHub::new(state.clone(), LogLimits::default());
    let policy = FetchPolicy { allow_private: config.allow_private_inputs, ..FetchPolicy::default() };
    let worker_config = WorkerConfig { max_image_bytes: config.max_image_bytes, ..WorkerConfig::new(provider) };
    let dangling = Dangling::new(Arc::clone(&driver), store.clone(), provider, GRACE);
    let worker = Worker::new(
        worker_config,
        driver,
        store.clone(),
        state.clone(),
        logs.clone(),
        Fetcher::new(policy)?,
        clock.clone(),
    )
    .with_disk(DiskKeeper::detect(&state));
    worker.tidy_disks().await?;
    let arrivals = Arc::new(Notify::new());
    let board = Arc::new(LeaseBoard::new(state.clone(), logs, worker.clone(), Arc::clone(&arrivals)));
    let api = ApiServer::start(
        config.listen,
        &state,
        &identity,
        provider,
        Arc::clone(&board) as Arc<dyn crate::api::LeaseDirectory>,
        ApiLimits::within(files),
        clock.clone(),
    )?;

    let task = LeaseTask {
        chain: chain.clone(),
        worker: worker.clone(),
        store: store.clone(),
        board,
        arrivals,
        clock: clock.clone(),
        patience: config.patience,
        shutdown: shutdown.clone(),
    };
    let mut leases = Leases { task, running: HashMap::new(), tasks: JoinSet::new() };
    for record in store.all()? {
        leases.show_or_resume(record).await;
    }
    let orphans = dangling.orphans();
    let dangling = tokio::spawn(dangling.run(shutdown.clone()));
    started(&Started {
        provider,
        offer: address::offer(&provider, config.offer.number),
        api: api.address(),
        resumed: leases.running.len(),
    });
    let health = Health::new(config.gpu.clone(), config.state_dir.clone(), machine);
    let market = MarketTask {
        chain,
        health,
        provider,
        unit,
        policy: config.offer.clone(),
        orphans,
        patience: config.patience,
        shutdown: shutdown.clone(),
    };
    market.run(&mut leases, &worker).await;

    leases.stop().await;
    // It ends with the shutdown, too; at worst it is cut off in a step that the next start repeats.
    dangling.abort();
    api.shutdown(API_GRACE).await;
    Ok(())
}

async fn check_record(config: &NodeConfig, identity: &Identity, provider: &Pubkey) -> Result<(), NodeError> {
    let record: Provider = config.client.find(provider).await?.ok_or(NodeError::NotRegistered(config.authority))?;
    let own = config.node_key.pubkey();
    if record.node_key != own {
        return Err(NodeError::OtherNodeKey { recorded: record.node_key, own });
    }
    if record.cert_fingerprint != identity.fingerprint() {
        let (recorded, own) = (hex::encode(record.cert_fingerprint), hex::encode(identity.fingerprint()));
        return Err(NodeError::OtherCertificate { recorded, own });
    }
    let recorded = gridlease_sdk::account::endpoint_url(provider, &record).map_err(ReadError::Decode)?.to_owned();
    let recorded_port = url::Url::parse(&recorded).ok().and_then(|url| url.port_or_known_default());
    let port = config.listen.port();
    if !config.forwarded && recorded_port != Some(port) {
        return Err(NodeError::OtherEndpoint { recorded, port });
    }
    Ok(())
}

/// Roughly what one unit's rent and a day of transactions cost.
const SOL_FLOOR: u64 = 12_000_000;

async fn check_sol(config: &NodeConfig, chain: &Chain) -> Result<(), NodeError> {
    let key = config.node_key.pubkey();
    let lamports = chain.client().lamports(&key).await.map_err(ReadError::Rpc)?;
    let offer = address::offer(&address::provider(&config.authority), config.offer.number);
    let posted = chain.client().account(&offer).await.map_err(ReadError::Rpc)?.is_some();
    let needed = if posted { SOL_FLOOR / 100 } else { SOL_FLOOR };
    if lamports < needed {
        return Err(NodeError::NoSol { key, lamports, needed });
    }
    Ok(())
}

/// The leases that this node runs.
pub(crate) struct Leases {
    task: LeaseTask,
    running: HashMap<Pubkey, LeaseRecord>,
    tasks: JoinSet<Pubkey>,
}

impl Leases {
    /// A lease of which nothing is left to do is only shown; any other is taken up again.
    async fn show_or_resume(&mut self, record: LeaseRecord) {
        if record.is_cleared() {
            let chain = ChainLease {
                state: ChainState::Closed,
                start_deadline: 0,
                want_deadline: 0,
                runway_end: 0,
                seen_at: 0,
            };
            self.task.board.show(&record, &ContainerState::Missing, &chain).await;
        } else {
            tracing::info!(lease = %record.lease, phase = record.phase.name(), "taken up again");
            self.start(record);
        }
    }

    /// Starts a lease's task, once.
    fn start(&mut self, record: LeaseRecord) {
        let lease = record.lease;
        if self.running.contains_key(&lease) {
            return;
        }
        self.running.insert(lease, record.clone());
        let task = self.task.clone();
        self.tasks.spawn(async move {
            // A task of its own, so that a panic in it ends it and nothing else: the next look takes the lease up again.
            if let Err(error) = tokio::spawn(task.run(record)).await {
                tracing::error!(%lease, %error, "a lease's task broke off");
            }
            lease
        });
    }

    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(lease) = ended {
                self.running.remove(&lease);
            }
        }
    }

    /// GPUs that are set aside for running leases.
    fn gpus_in_use(&self) -> Vec<&String> {
        self.running.values().flat_map(|record| &record.gpus).collect()
    }

    async fn stop(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
