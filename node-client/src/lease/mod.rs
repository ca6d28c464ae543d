//! A lease on this machine: what to do next ([`reconcile`]), and the [`stages`] that do it: fetching, pulling, creating, starting,
//! stopping, collecting, wiping. Each is written down before and after ([`Store::intend`], [`Store::done`]), and each can be gone
//! through again.
//!
//! The lease's task asks [`reconcile::next`] what to do, hands local actions to [`Worker::take`] and deals with the chain itself. A
//! failure that would come again is recorded as [`crate::store::Phase::Failed`]; others are returned, to be tried again.

mod error;
mod journal;
mod local;
mod note;
mod pushing;
pub mod reconcile;
pub mod stages;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gridlease_sdk::artifact::Limits as OutputLimits;
use gridlease_sdk::node_api::PullProgress;
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::disk::DiskKeeper;
use crate::driver::{ContainerId, ContainerState, Driver, RunAs, container_name};
use crate::for_buyer::{ForBuyer as _, plain};
use crate::inputs::Fetcher;
use crate::logs::LogHub;
use crate::net::Networks;
use crate::probes::Prober;
use crate::secrets;
use crate::state_dir::StateDir;
use crate::stats::Stats;
use crate::store::{Blame, LeaseRecord, Store};
use crate::wipe::wipe_lease;
use reconcile::{Action, Note};
use stages::{Part, stage};

pub use error::WorkError;
pub use stages::StageName;
pub(crate) use stages::container::log_bytes;
pub use stages::container::{PlanError, container_spec};

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
    stats: Stats,
    pulls: Arc<Mutex<HashMap<Pubkey, watch::Receiver<PullProgress>>>>,
    // How often each step after a container's end has failed, by its words.
    failures: Arc<Mutex<HashMap<(Pubkey, &'static str), u32>>>,
    /// Who asks each lease's job whether its service is up.
    probers: Arc<Mutex<HashMap<Pubkey, Prober>>>,
    /// Held while an output of a lease is pushed, by its number.
    pushing: Arc<Mutex<HashMap<(Pubkey, usize), Turn>>>,
    places_at_the_end: Arc<tokio::sync::Semaphore>,
    /// When each container was last seen running, in milliseconds of chain time.
    seen_running: Arc<Mutex<HashMap<Pubkey, i64>>>,
}

/// Whoever holds it is the only one.
type Turn = Arc<tokio::sync::Mutex<()>>;

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
            stats: Stats::default(),
            pulls: Arc::default(),
            failures: Arc::default(),
            probers: Arc::default(),
            pushing: Arc::default(),
            places_at_the_end: Arc::new(tokio::sync::Semaphore::new(pushing::MOST_AT_THE_END)),
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

    /// The node's memory.
    pub(crate) fn store(&self) -> &Store {
        &self.store
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

    /// The same worker with these measurements.
    #[must_use]
    pub fn with_stats(mut self, stats: Stats) -> Self {
        self.stats = stats;
        self
    }

    /// Who makes the leases' outputs readable.
    #[must_use]
    pub fn disk(&self) -> &DiskKeeper {
        &self.disk
    }

    /// Unmounts what a node that was killed left mounted although its lease is over, and removes the secrets of such leases, and what was
    /// being written of inputs. To be called once, at the start, before the interface is.
    ///
    /// # Errors
    /// [`WorkError::Store`].
    pub async fn tidy_disks(&self) -> Result<(), WorkError> {
        let this = self.clone();
        blocking(move || {
            let records = this.store.all()?;
            secrets::tidy(&this.state, |lease| records.iter().any(|of| of.lease == *lease && !of.is_cleared()))?;
            let open = records.iter().filter(|record| !record.is_cleared());
            open.for_each(|record| crate::inputs::clear_unfinished(&this.state.lease(&record.lease)));
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
        let seen = self.driver.inspect(&container_id(record)).await;
        let unseen = match &seen {
            // What it was before does not matter to one that outlived it.
            Ok(ContainerState::Running { .. }) => false,
            Ok(_) => record.unseen,
            Err(_) => true,
        };
        if unseen != record.unseen && record.ended.is_none() {
            self.change(record, move |r| r.unseen = unseen).await?;
        }
        Ok(seen?)
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

    fn seen_running(&self) -> MutexGuard<'_, HashMap<Pubkey, i64>> {
        self.seen_running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<(Pubkey, &'static str), u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulls(&self) -> MutexGuard<'_, HashMap<Pubkey, watch::Receiver<PullProgress>>> {
        self.pulls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a local action and returns the record as it then is.
    ///
    /// # Errors
    /// [`WorkError`], to be tried again after a pause. What no trying helps is recorded as [`crate::store::Phase::Failed`] and is `Ok`.
    pub async fn take(&self, record: &LeaseRecord, action: &Action) -> Result<LeaseRecord, WorkError> {
        let name = match action {
            Action::Do(name) => *name,
            Action::Record(note) => return self.note(record, note.clone()).await,
            Action::AwaitProbe => return Ok(self.await_probe(record).await),
            Action::Stop(why) => return self.stop(record, *why).await,
            Action::Restart => return self.again(record).await,
            other => return Err(WorkError::NotLocal(format!("{other:?}"))),
        };
        let stage = stage(name).ok_or_else(|| WorkError::NotLocal(format!("{name:?}")))?;
        match stage.run(self, record).await {
            // Once the container has run, nothing fails for good.
            Err(e) if e.is_permanent() && stage.part() == Part::Making => {
                tracing::warn!(lease = %record.lease, error = plain(&e.to_string(), 1_024), "the start is given up");
                self.note(record, Note::Failed(e.for_buyer(), self.blame(record, &e, name).await)).await
            }
            outcome => outcome,
        }
    }

    /// By whose doing a start fails for good. Services choose when the containers are made, so that what the buyer asks for and cannot be
    /// run is told in the word that is never too late.
    async fn blame(&self, record: &LeaseRecord, error: &WorkError, stage: StageName) -> Blame {
        let late = matches!(stage, StageName::Services | StageName::Container);
        match error.blame() {
            Blame::Buyer
                if late && matches!(self.manifest(&record.lease).await, Ok(Some(job)) if !job.services.is_empty()) =>
            {
                Blame::Engine { exit_code: reconcile::SERVICES_EXIT_CODE }
            }
            blame => blame,
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
                this.stats.forget(lease);
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
