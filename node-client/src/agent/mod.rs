//! The node at work: keeps its offer alive, bids, and runs the leases that it wins.

pub mod chain;
mod claims;
pub mod config;
pub mod control;
mod cranks;
pub mod explain;
mod following;
mod health;
pub mod lease;
pub mod leaving;
mod machine;
pub mod market;
mod networks;
mod offer;
mod winning;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gridlease_sdk::account::Offer;
use gridlease_sdk::address;
use gridlease_sdk::machine::{MachineNumber, ProviderMachine};
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
use crate::lease::reconcile::{ChainLease, ChainState};
use crate::lease::{WorkError, Worker, WorkerConfig};
use crate::lease_board::LeaseBoard;
use crate::logs::{LogHub, LogLimits};
use crate::market::{OfferError, OfferPolicy};
use crate::net::Networks;
use crate::secrets::{self, Keyring};
use crate::state_dir::{StateDir, StateDirError};
use crate::stats::{Sampler, Stats};
use crate::store::{LeaseRecord, Store, StoreError};
use crate::tls::{Identity, TlsError};

use chain::Chain;
pub use config::NodeConfig;
use following::Following;
use health::Health;
use lease::LeaseTask;
use leaving::LeavingFile;
pub use machine::Named;
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
    /// The machine names another node key.
    #[error(
        "{machine} names node key {recorded}, this node signs with {own}; run `{} --node-key {own}` with the authority's key, or use the right --keypair", machine.update()
    )]
    OtherNodeKey {
        /// The machine.
        machine: Named,
        /// What it names.
        recorded: Pubkey,
        /// This node's.
        own: Pubkey,
    },
    /// No machine names this node's key.
    #[error(
        "no machine of the provider names node key {own} ({machines}); run `gridlease provider machine add --node-key {own} …` or `gridlease provider machine update NUMBER --node-key {own}` with the authority's key, or use the right --keypair"
    )]
    NoMachine {
        /// This node's.
        own: Pubkey,
        /// The machines with their keys.
        machines: String,
    },
    /// More than one machine names this node's key.
    #[error(
        "several machines of the provider name node key {own} ({machines}); say which one this is with --machine, and better give each a key of its own"
    )]
    SeveralMachines {
        /// This node's.
        own: Pubkey,
        /// The machines with their keys.
        machines: String,
    },
    /// There is no machine of the number that was stated.
    #[error(
        "the provider has no machine {number} ({machines}); `gridlease provider machine add --number {number}` with the authority's key registers it"
    )]
    NoSuchMachine {
        /// What was stated.
        number: MachineNumber,
        /// The machines with their keys.
        machines: String,
    },
    /// The machine is retired, and nothing of it is left to be done.
    #[error(
        "{0} is retired and has nothing left to do; run `gridlease provider machine add` with the authority's key for a new one, and start the node with that"
    )]
    Retired(Named),
    /// The offer's number is another machine's.
    #[error("offer {number} is that of another machine of the provider ({machine}); choose a free number with --offer")]
    OtherOffer {
        /// The offer's number.
        number: u32,
        /// Whose it is.
        machine: Pubkey,
    },
    /// The machine names another certificate.
    #[error(
        "{machine} names certificate {recorded}, this node's is {own}; buyers would refuse it: run `{} --fingerprint {own}` with the authority's key", machine.update()
    )]
    OtherCertificate {
        /// The machine.
        machine: Named,
        /// What it names.
        recorded: String,
        /// This node's.
        own: String,
    },
    /// The machine sends buyers elsewhere.
    #[error(
        "{machine} says {recorded}, this node listens on port {port}: buyers would not find it; run `{} --endpoint …` with the authority's key, or pass --public-url {recorded} where that address is forwarded to this port", machine.update()
    )]
    OtherEndpoint {
        /// The machine.
        machine: Named,
        /// What it says.
        recorded: String,
        /// Where the node listens.
        port: u16,
    },
    /// The machine names another address than the operator.
    #[error(
        "{machine} says {recorded}, not {url}: buyers would look in the wrong place; run `{} --endpoint {url}` with the authority's key", machine.update()
    )]
    OtherUrl {
        /// The machine.
        machine: Named,
        /// What it says.
        recorded: String,
        /// What the operator says.
        url: String,
    },
    /// The names of public ports take the node's own.
    #[error(
        "{machine} says {recorded}, which is a name below {domain}: every one of those would lead to a job's port, and none to this node; give --public-domain a domain that the node's own name is not below"
    )]
    OwnNameIsPublic {
        /// The machine.
        machine: Named,
        /// What it says.
        recorded: String,
        /// The domain of public ports.
        domain: String,
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
    /// Which of its machines this is.
    pub machine: MachineNumber,
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
    secrets::check_init(&state)?;
    let store = Store::open(&state.database())?.with_clock(clock.clone());
    let identity = Identity::load_or_create(&state)?.with_public(config.public.clone());
    let docker = DockerDriver::connect(config.docker_socket.clone()).await?;
    let docker = docker.with_registries(config.registries.clone());
    let driver: Arc<dyn Driver> = Arc::new(docker.clone());
    let engine = driver.check(config.gpu != GpuSource::Cpu).await?;
    let machine = inventory(&config.gpu, &config.state_dir)?;
    config.offer.unit(&machine)?; // what cannot be offered is said before anything else is done
    tracing::info!(engine = engine.name, gpus = machine.gpus.len(), cores = machine.host.cpu_cores, "machine");

    let chain = Chain::new(config.client.clone(), Arc::clone(&config.node_key), clock.clone());
    // Before anything is decided or any signature is checked by the node's clock.
    chain.now().await?;
    let provider = address::provider(&config.authority);
    let own = machine::find(&config, &provider).await?;
    machine::check(&config, &identity, &own)?;
    let number = config.offer.number_for(own.number);
    check_retired(&config, &own, &store).await?;
    check_offer(&config, &own, number).await?;

    let networks = networks::open(docker, &engine, own.address, &config).await;
    let policy = OfferPolicy { egress: networks.offered, ..config.offer.clone() };
    let unit = policy.unit(&machine)?;

    let logs = LogHub::new(state.clone(), LogLimits::default());
    let fetching = FetchPolicy {
        allow_private: config.allow_private_inputs,
        hub: config.hub.clone(),
        gateways: config.gateways.clone(),
        ..FetchPolicy::default()
    };
    let worker_config = WorkerConfig { max_image_bytes: config.max_image_bytes, ..WorkerConfig::new(own.address) };
    let dangling = Dangling::new(Arc::clone(&driver), store.clone(), own.address, GRACE);
    let stats = Stats::default();
    let mut worker = Worker::new(
        worker_config,
        Arc::clone(&driver),
        store.clone(),
        state.clone(),
        logs.clone(),
        Fetcher::new(fetching)?,
        clock.clone(),
    )
    .with_disk(DiskKeeper::detect(&state))
    .with_stats(stats.clone());
    if let Some(networks) = networks.usable.clone() {
        worker = worker.with_networks(networks);
        worker.recover_networks().await?;
    }
    worker.tidy_disks().await?;
    worker.resume_pushes().await?;
    let arrivals = Arc::new(Notify::new());
    let keyring = Keyring::new(Arc::clone(&config.node_key) as _);
    let board = LeaseBoard::new(state.clone(), logs, worker.clone(), Arc::clone(&arrivals), keyring);
    let board = Arc::new(board.with_stats(stats.clone()));
    for record in store.all()? {
        board.show_doors(&record.lease).await;
    }
    let sampler = Sampler::new(stats, Arc::clone(&board), Arc::clone(&driver), config.gpu.clone(), clock.clone());
    let api = ApiServer::start(
        config.listen,
        &state,
        &identity,
        own.address,
        Arc::clone(&board) as Arc<dyn crate::api::LeaseDirectory>,
        ApiLimits::within(files),
        clock.clone(),
    )?;

    let following = Following::start(&chain, &config.authority, number).map_err(ReadError::Rpc)?;
    let task = LeaseTask {
        chain: chain.clone(),
        following: following.clone(),
        worker: worker.clone(),
        store: store.clone(),
        board,
        arrivals,
        clock: clock.clone(),
        shutdown: shutdown.clone(),
    };
    let mut leases = Leases { task, running: HashMap::new(), tasks: JoinSet::new() };
    for record in store.all()? {
        leases.show_or_resume(record).await;
    }
    let orphans = dangling.orphans();
    let dangling = tokio::spawn(dangling.run(shutdown.clone()));
    let sampler = tokio::spawn(sampler.run(shutdown.clone()));
    let guard = networks.usable.clone().map(|networks| tokio::spawn(networks.guard(shutdown.clone())));
    started(&Started {
        provider,
        machine: own.number,
        offer: address::offer(&provider, number),
        api: api.address(),
        resumed: leases.running.len(),
    });
    let health = Health::new(config.gpu.clone(), config.state_dir.clone(), machine, driver);
    let leaving = LeavingFile::of(&state);
    if let Err(error) = leaving.try_read() {
        tracing::error!(%error, "what `gridlease node drain` left cannot be read: the machine stays off the market, and `gridlease node undrain` ends that");
    }
    let market = Arc::new(MarketTask {
        chain,
        following,
        health,
        provider,
        machine: own,
        number,
        unit,
        policy,
        orphans,
        leaving,
        gathered: Mutex::default(),
        patience: config.patience,
        shutdown: shutdown.clone(),
    });
    let control = control::serve(state.root().to_owned(), Arc::clone(&market), shutdown.clone());
    let control = tokio::spawn(control);
    market.run(&mut leases, &worker).await;

    leases.stop().await;
    // It ends with the shutdown, too; at worst it is cut off in a step that the next start repeats.
    dangling.abort();
    sampler.abort();
    control.abort();
    guard.iter().for_each(tokio::task::JoinHandle::abort);
    if let Some(Err(error)) =
        futures_util::future::OptionFuture::from(networks.usable.as_ref().map(Networks::dismantle)).await
    {
        tracing::warn!(%error, "the firewall table stays");
    }
    api.shutdown(API_GRACE).await;
    Ok(())
}

/// Roughly what one unit's rent and a day of transactions cost.
const SOL_FLOOR: u64 = 12_000_000;

/// A retired machine is taken up again as long as it has offers or leases, or keeps results for buyers.
async fn check_retired(config: &NodeConfig, own: &ProviderMachine, store: &Store) -> Result<(), NodeError> {
    if !own.rules.retired {
        return Ok(());
    }
    if own.rules.offers == 0 && store.all()?.is_empty() {
        return Err(NodeError::Retired(Named(own.number)));
    }
    tracing::warn!(machine = %own.number, authority = %config.authority, "the machine is retired: it takes no lease any more");
    Ok(())
}

/// The offer's number is free or this machine's, and the key can pay for the offer.
async fn check_offer(config: &NodeConfig, own: &ProviderMachine, number: u32) -> Result<(), NodeError> {
    let key = config.node_key.pubkey();
    let offer: Option<Offer> = config.client.find(&address::offer(&own.provider, number)).await?;
    if let Some(offer) = offer.as_ref().filter(|offer| !own.has(offer)) {
        return Err(NodeError::OtherOffer { number, machine: offer.machine });
    }
    let lamports = config.client.lamports(&key).await.map_err(ReadError::Rpc)?;
    let needed = if offer.is_some() || own.rules.retired { SOL_FLOOR / 100 } else { SOL_FLOOR };
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
