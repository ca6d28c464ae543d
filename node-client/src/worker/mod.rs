//! Carries out the actions that concern this machine: fetching, pulling, creating, starting, stopping, collecting,
//! wiping. Each is written down before and after ([`Store::intend`], [`Store::done`]), and each can be taken again.
//!
//! The main loop asks [`crate::reconcile::next`] what to do, hands local actions to [`Worker::take`] and deals with the
//! chain itself. A failure that would come again is recorded as [`crate::store::Phase::Failed`]; others are returned, to be tried again.

mod fit;
mod last;
mod making;
mod network;
mod pauses;
mod plan;
mod probe;
mod steps;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gridlease_sdk::artifact::Limits as OutputLimits;
use gridlease_sdk::manifest::Manifest;
use gridlease_sdk::node_api::PullProgress;
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::disk::{DiskError, DiskKeeper, KEEP_FREE, Quota, usage};
use crate::driver::{ContainerId, ContainerState, Driver, DriverError, RunAs, container_name};
use crate::for_buyer::{ForBuyer as _, plain};
use crate::inputs::{Fetcher, InputError, Missing, missing, present_bytes};
use crate::logs::{LeaseLog, LogError, LogHub, collect};
use crate::net::{NetError, Networks};
use crate::outputs::OutputsError;
use crate::reconcile::{Action, Local, Need, Note};
use crate::state_dir::{StateDir, StateDirError};
use crate::store::{Blame, LeaseRecord, NewLease, Store, StoreError};
use crate::wipe::wipe_lease;
use crate::{secrets, sold};

pub use plan::{PlanError, container_spec};

/// How long the engine may take to hand over the rest of a log after the container's end.
const LOG_PATIENCE: Duration = Duration::from_secs(60);

/// What the operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The machine whose node this is (the provider record for a first one); labels its containers.
    pub node: Pubkey,
    /// Largest image in bytes, unpacked.
    pub max_image_bytes: u64,
    /// Time between asking a container to end and killing it, at most 60 s.
    pub stop_grace: Duration,
    /// Bounds of the outputs.
    pub outputs: OutputLimits,
}

impl WorkerConfig {
    /// The usual bounds: images of 64 GiB, 10 s grace.
    #[must_use]
    pub fn new(node: Pubkey) -> Self {
        Self { node, max_image_bytes: 64 << 30, stop_grace: Duration::from_secs(10), outputs: OutputLimits::default() }
    }
}

/// Why an action was not carried out. All of these can be tried again, after a pause.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The container engine.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// An input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The lease's files.
    #[error(transparent)]
    Files(#[from] StateDirError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The outputs.
    #[error(transparent)]
    Outputs(#[from] OutputsError),
    /// The room that is set aside for a lease's outputs.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The lease's network.
    #[error("the lease's network: {0}")]
    Net(#[from] NetError),
    /// The manifest on disk cannot be used.
    #[error("the manifest in {} cannot be used: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The record does not say what was sold; the main loop asks the chain.
    #[error("what was sold is not known yet")]
    SoldUnknown,
    /// The action is the main loop's: it needs the chain, or is no work at all.
    #[error("{0} is not done by the worker")]
    NotLocal(String),
    /// A blocking task was cancelled, which only happens when the node shuts down.
    #[error("the node is shutting down")]
    Shutdown,
}

impl WorkError {
    /// By whose doing a start fails for good.
    fn blame(&self) -> Blame {
        match self {
            Self::Manifest { .. } => Blame::Buyer,
            Self::Input(e) if !e.is_transient() => Blame::Buyer,
            Self::Driver(DriverError::StartFailed { reason }) => {
                engine_exit_code(reason).map_or(Blame::Provider, |exit_code| Blame::Engine { exit_code })
            }
            // What the buyer names is not there, or is not what it said.
            Self::Driver(DriverError::ImageNotFound { .. } | DriverError::ImageTooLarge { .. }) => Blame::Buyer,
            Self::Driver(DriverError::ImageUnfit { .. } | DriverError::BadSpec { .. }) => Blame::Buyer,
            _ => Blame::Provider,
        }
    }

    /// Whether trying again can help without anybody changing the job.
    fn is_permanent(&self) -> bool {
        match self {
            Self::Driver(e) => !e.is_transient(),
            Self::Input(e) => !e.is_transient(),
            Self::Net(e) => !e.is_transient(),
            Self::Manifest { .. } => true,
            _ => false,
        }
    }
}

/// The exit code by which an engine's words are known where they speak of what the buyer asked for: 127 no such program, 126 one that
/// cannot be executed, 125 a mount or a path. `None` where this machine may be to blame.
fn engine_exit_code(reason: &str) -> Option<i32> {
    let says = |words: &str| reason.contains(words);
    // The engine's own parts, and devices, are the operator's.
    if says("docker-init") || says(crate::driver::INIT) || says("nvidia") || says("device") || says("no space left") {
        return None;
    }
    if says("executable file not found") || says("no such file or directory") {
        return Some(127);
    }
    if says("exec format error") || says("permission denied") {
        return Some(126);
    }
    (says("mount") || says("not a directory")).then_some(125)
}

/// Carries out local actions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Worker {
    config: Arc<WorkerConfig>,
    driver: Arc<dyn Driver>,
    store: Store,
    state: StateDir,
    logs: LogHub,
    fetcher: Fetcher,
    clock: Clock,
    run_as: RunAs,
    disk: DiskKeeper,
    net: Option<Networks>,
    pulls: Arc<Mutex<HashMap<Pubkey, watch::Receiver<PullProgress>>>>,
    // How often a step after a container's end has failed.
    failures: Arc<Mutex<HashMap<Pubkey, u32>>>,
    /// What the probes of each lease that is about to start answered last.
    answers: Arc<Mutex<HashMap<Pubkey, String>>>,
    /// When each container was last seen running, in milliseconds of chain time.
    seen_running: Arc<Mutex<HashMap<Pubkey, i64>>>,
}

impl Worker {
    /// A worker on these parts. Outputs are measured; see [`Worker::with_disk`].
    #[must_use]
    pub fn new(
        config: WorkerConfig,
        driver: Arc<dyn Driver>,
        store: Store,
        state: StateDir,
        logs: LogHub,
        fetcher: Fetcher,
        clock: Clock,
    ) -> Self {
        Self {
            config: Arc::new(config),
            driver,
            store,
            state,
            logs,
            fetcher,
            clock,
            run_as: RunAs::for_this_process(),
            disk: DiskKeeper::measuring(),
            net: None,
            pulls: Arc::default(),
            failures: Arc::default(),
            answers: Arc::default(),
            seen_running: Arc::default(),
        }
    }

    /// The node's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The container engine.
    pub(crate) fn driver(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.driver)
    }

    /// The container of a lease, as the engine is asked for it.
    pub(crate) fn container(&self, record: &LeaseRecord) -> ContainerId {
        container_id(record)
    }

    /// The same worker with this keeper of the leases' disks.
    #[must_use]
    pub fn with_disk(mut self, disk: DiskKeeper) -> Self {
        self.disk = disk;
        self
    }

    /// Who makes the leases' outputs readable.
    #[must_use]
    pub fn disk(&self) -> &DiskKeeper {
        &self.disk
    }

    /// Takes a won lease on: its record and its directory. Safe to call again.
    ///
    /// # Errors
    /// [`WorkError::Store`] or [`WorkError::Files`].
    pub async fn adopt(&self, lease: NewLease) -> Result<LeaseRecord, WorkError> {
        let (this, now_ms) = (self.clone(), self.clock.now_ms());
        blocking(move || {
            this.state.lease(&lease.lease).create(0, this.run_as)?;
            Ok(this.store.insert(lease, now_ms)?)
        })
        .await
    }

    /// The lease's manifest, if it is here.
    ///
    /// # Errors
    /// [`WorkError::Manifest`] where it is damaged.
    pub async fn manifest(&self, lease: &Pubkey) -> Result<Option<Manifest>, WorkError> {
        let path = self.state.lease(lease).manifest();
        blocking(move || match std::fs::read(&path) {
            Ok(bytes) => match Manifest::from_canonical(&bytes) {
                Ok(manifest) => Ok(Some(manifest)),
                Err(e) => Err(WorkError::Manifest { path, reason: e.to_string() }),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(crate::state_dir::at("read", &path)(e).into()),
        })
        .await
    }

    /// Digest of the image that the lease's container was made from.
    ///
    /// # Errors
    /// [`WorkError::Manifest`] where the manifest is gone or damaged.
    pub async fn image_digest(&self, lease: &Pubkey) -> Result<[u8; 32], WorkError> {
        let manifest = self.manifest(lease).await?;
        manifest.as_ref().and_then(sold::image_digest).ok_or_else(|| WorkError::Manifest {
            path: self.state.lease(lease).manifest(),
            reason: "it names no image by digest, or is gone".to_owned(),
        })
    }

    /// Puts a manifest that came with the job in place (inline on the chain, or fetched). Its hash has to be the lease's.
    ///
    /// # Errors
    /// [`WorkError::Input`] where the hash is another, [`WorkError::Files`].
    pub async fn put_manifest(&self, record: &LeaseRecord, bytes: Vec<u8>) -> Result<(), WorkError> {
        use sha2::Digest as _;
        let found: [u8; 32] = sha2::Sha256::digest(&bytes).into();
        if found != record.manifest_hash {
            let (expected, found) = (hex::encode(record.manifest_hash), hex::encode(found));
            return Err(InputError::HashMismatch { name: "manifest".to_owned(), expected, found }.into());
        }
        let path = self.state.lease(&record.lease).manifest();
        blocking(move || Ok(crate::state_dir::write_atomically(&path, &bytes, 0o600)?)).await
    }

    /// Fetches the manifest from an https address and puts it in place.
    ///
    /// # Errors
    /// [`WorkError::Input`] or [`WorkError::Files`].
    pub async fn fetch_manifest(&self, record: &LeaseRecord, uri: &str) -> Result<(), WorkError> {
        let limit = gridlease_sdk::node_api::MAX_MANIFEST_BYTES as u64;
        let dir = self.state.lease(&record.lease);
        let wanted = Missing { sha256: record.manifest_hash, uri: Some(uri.to_owned()) };
        self.fetcher.fetch_at_most(&dir, &wanted, limit).await?;
        let file = dir.input(&record.manifest_hash);
        let bytes = blocking(move || Ok(std::fs::read(&file).map_err(crate::state_dir::at("read", &file))?)).await?;
        self.put_manifest(record, bytes).await
    }

    /// The inputs that are not here yet; empty without a manifest.
    ///
    /// # Errors
    /// [`WorkError::Manifest`] or [`WorkError::Input`].
    pub async fn missing_inputs(&self, lease: &Pubkey) -> Result<Vec<Missing>, WorkError> {
        let Some(manifest) = self.manifest(lease).await? else { return Ok(Vec::new()) };
        let dir = self.state.lease(lease);
        blocking(move || Ok(missing(&manifest, &dir)?)).await
    }

    /// What [`crate::reconcile::next`] wants to know of this machine. `manifest_fetchable`: the job says where its manifest is.
    ///
    /// # Errors
    /// As [`Worker::missing_inputs`].
    pub async fn local(
        &self,
        record: &LeaseRecord,
        manifest_fetchable: bool,
        operator_stop: bool,
    ) -> Result<Local, WorkError> {
        let mut here = Local {
            manifest: Need::Here,
            inputs: Need::Here,
            secrets: Need::Here,
            operator_stop,
            disk_full: false,
            silent: false,
        };
        if record.started_at_ms.is_some() || record.ended.is_some() {
            // Nothing is fetched any more, and a manifest that cannot be read must not keep the lease from ending.
            let Ok(Some(manifest)) = self.manifest(&record.lease).await else { return Ok(here) };
            if record.ended.is_some() {
                return Ok(here);
            }
            here.operator_stop |= self.is_open(&manifest);
            let disk_full = self.is_disk_full(record, &manifest).await?;
            let silent = record.ready_missing() && !self.answers(record, &manifest).await?;
            return Ok(Local { disk_full, silent, ..here });
        }
        let manifest = match self.manifest(&record.lease).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                let manifest = if manifest_fetchable { Need::Fetch } else { Need::Await };
                return Ok(Local { manifest, ..here });
            }
            // No input helps this one; the next step refuses it for good.
            Err(WorkError::Manifest { .. }) => return Ok(here),
            Err(e) => return Err(e),
        };
        if record.sold.as_ref().is_some_and(|sold| sold::check(&manifest, sold).is_err()) {
            return Ok(here); // likewise
        }
        let missing = self.missing_inputs(&record.lease).await?;
        let inputs = match (missing.is_empty(), missing.iter().any(|m| m.uri.is_some())) {
            (true, _) => Need::Here,
            (false, true) => Need::Fetch,
            (false, false) => Need::Await,
        };
        let dir = self.state.lease(&record.lease);
        let lacks = blocking(move || Ok(!secrets::missing(&manifest, &dir).is_empty())).await?;
        Ok(Local { inputs, secrets: if lacks { Need::Await } else { Need::Here }, ..here })
    }

    /// Whether the container has to be stopped because it wrote more than it may, or wanted to where the kernel held it back.
    async fn is_disk_full(&self, record: &LeaseRecord, manifest: &Manifest) -> Result<bool, WorkError> {
        let (dir, resources, disk) = (self.state.lease(&record.lease), manifest.resources.clone(), self.disk.clone());
        let container = record.container.clone();
        blocking(move || {
            let Some(quota) = Quota::of(&resources, present_bytes(&dir)) else { return Ok(true) };
            // An image has its room already.
            let no_room = || usage::free(dir.root()).is_some_and(|free| free < KEEP_FREE);
            Ok((!DiskKeeper::is_held(&dir) && no_room())
                || disk.is_full(&dir, quota, container.as_ref().map(|id| id.0.as_str())))
        })
        .await
    }

    /// Bytes of the disk that all leases together may have: what is free, and what the `open` ones have already. What is
    /// kept of finished ones is not among it, nor what the node needs itself.
    ///
    /// # Errors
    /// [`WorkError::Shutdown`].
    pub async fn disk_room(&self, open: Vec<Pubkey>) -> Result<Option<u64>, WorkError> {
        let state = self.state.clone();
        blocking(move || {
            let Some(free) = usage::free(state.root()) else { return Ok(None) };
            let used = open.iter().map(|lease| usage::below(state.lease(lease).root()).bytes);
            let all = used.fold(free, u64::saturating_add);
            Ok(Some(all.saturating_sub(KEEP_FREE)))
        })
        .await
    }

    /// Unmounts what a node that was killed left mounted although its lease is over, and removes the secrets of such leases.
    ///
    /// # Errors
    /// [`WorkError::Store`].
    pub async fn tidy_disks(&self) -> Result<(), WorkError> {
        let this = self.clone();
        blocking(move || {
            let records = this.store.all()?;
            secrets::tidy(&this.state, |lease| records.iter().any(|of| of.lease == *lease && !of.is_cleared()))?;
            for record in records.iter().filter(|record| record.is_cleared()) {
                if let Err(error) = this.disk.release(&this.state.lease(&record.lease)) {
                    tracing::warn!(lease = %record.lease, %error, "outputs stay mounted");
                }
            }
            Ok(())
        })
        .await
    }

    /// The container as the engine shows it.
    ///
    /// # Errors
    /// [`WorkError::Driver`]; nothing may be concluded from that.
    pub async fn observe(&self, record: &LeaseRecord) -> Result<ContainerState, WorkError> {
        Ok(self.driver.inspect(&container_id(record)).await?)
    }

    /// Whether a lease that the store does not know can go on: its container and its manifest are here.
    ///
    /// # Errors
    /// [`WorkError::Driver`].
    pub async fn can_go_on(&self, lease: &Pubkey) -> Result<bool, WorkError> {
        if !self.state.lease(lease).manifest().exists() {
            return Ok(false);
        }
        let listed = self.driver.list_labelled(&self.config.node).await?;
        Ok(listed.iter().any(|listed| listed.lease == Some(*lease)))
    }

    /// How far the lease's image pull is, while there is one.
    #[must_use]
    pub fn pull_progress(&self, lease: &Pubkey) -> Option<PullProgress> {
        self.pulls().get(lease).map(|progress| *progress.borrow())
    }

    fn seen_running(&self) -> std::sync::MutexGuard<'_, HashMap<Pubkey, i64>> {
        self.seen_running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<Pubkey, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulls(&self) -> std::sync::MutexGuard<'_, HashMap<Pubkey, watch::Receiver<PullProgress>>> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease's log, opened on first use. It has its share of the job's disk.
    ///
    /// # Errors
    /// [`WorkError::Log`].
    pub async fn log(&self, lease: &Pubkey) -> Result<Arc<LeaseLog>, WorkError> {
        // A damaged manifest is told of where it is needed more.
        let manifest = self.manifest(lease).await.ok().flatten();
        let most = manifest.map_or(u64::MAX, |manifest| manifest.resources.disk_parts().log);
        let (logs, lease) = (self.logs.clone(), *lease);
        blocking(move || Ok(logs.open_at_most(&lease, most)?)).await
    }

    /// Follows the container's output into its log until it has ended. To be run beside the main loop from the start on,
    /// and again after a restart.
    ///
    /// # Errors
    /// [`WorkError::Log`].
    pub async fn follow_log(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let log = self.log(&record.lease).await?;
        collect(self.driver.as_ref(), &container_id(record), &log).await?;
        Ok(())
    }

    /// The same after the container's end, in bounded time: where the engine does not hand over the rest, the log says so and
    /// is closed. Whoever follows it is waited for.
    ///
    /// # Errors
    /// [`WorkError::Log`].
    pub async fn complete_log(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        if let Ok(done) = tokio::time::timeout(LOG_PATIENCE, self.follow_log(record)).await {
            return done;
        }
        tracing::warn!(lease = %record.lease, "the log is not complete {LOG_PATIENCE:?} after the end; it is closed");
        let log = self.log(&record.lease).await?;
        blocking(move || Ok(log.cut_short().map(|_| ())?)).await
    }

    /// Waits until the container has ended.
    ///
    /// # Errors
    /// [`WorkError::Driver`].
    pub async fn wait(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        self.driver.wait(&container_id(record)).await?;
        Ok(())
    }

    /// Carries out a local action and returns the record as it then is.
    ///
    /// # Errors
    /// [`WorkError`], to be tried again after a pause. What no trying helps is recorded as [`crate::store::Phase::Failed`] and is `Ok`.
    pub async fn take(&self, record: &LeaseRecord, action: &Action) -> Result<LeaseRecord, WorkError> {
        let outcome = match action {
            Action::Record(note) => return self.note(record, note.clone()).await,
            Action::AwaitProbe => return Ok(self.await_probe(record).await),
            Action::FetchInputs => self.fetch_inputs(record).await,
            Action::Pull => self.pull(record).await,
            Action::Create => self.create(record).await,
            Action::Start => self.start(record).await,
            Action::Stop(why) => return self.stop(record, *why).await,
            Action::Collect => return self.collect(record).await,
            Action::Wipe => return self.wipe(record).await,
            other => return Err(WorkError::NotLocal(format!("{other:?}"))),
        };
        match outcome {
            // Everything that can fail for good here comes before the container has run.
            Err(e) if e.is_permanent() => {
                tracing::warn!(lease = %record.lease, error = plain(&e.to_string(), 1_024), "the start is given up");
                self.note(record, Note::Failed(e.for_buyer(), e.blame())).await
            }
            outcome => outcome,
        }
    }

    /// Forgets leases that were finished more than seven days ago, with their logs and outputs. One that cannot be removed
    /// is left for the next time and holds up no other.
    ///
    /// # Errors
    /// [`WorkError::Store`].
    pub async fn prune(&self) -> Result<Vec<Pubkey>, WorkError> {
        let (this, now_ms) = (self.clone(), self.clock.now_ms());
        blocking(move || {
            let mut expired = this.store.expired(now_ms)?;
            expired.retain(|lease| match wipe_lease(&this.state, lease) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%lease, %error, "an old lease's files cannot be removed");
                    false
                }
            });
            for lease in &expired {
                this.logs.forget(lease);
                this.store.forget(lease)?;
            }
            Ok(expired)
        })
        .await
    }
}

/// The container's identifier, or its name (which the engine takes as well) before that is on record.
fn container_id(record: &LeaseRecord) -> ContainerId {
    record.container.clone().unwrap_or_else(|| ContainerId(container_name(&record.lease)))
}

async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, WorkError> + Send + 'static,
) -> Result<T, WorkError> {
    tokio::task::spawn_blocking(task).await.map_err(|_| WorkError::Shutdown)?
}
