//! What the node shows of its leases: the main loop writes it, the interface reads it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gridlease_sdk::manifest::{Manifest, Public, Resources};
use gridlease_sdk::node_api::secrets::LeaseKey;
use gridlease_sdk::node_api::{LeaseStatus, SignedLogHead};
use solana_pubkey::Pubkey;
use tokio::sync::Notify;

use crate::api::{Arrival, JobAccess, LeaseDirectory, LogAccess, OutputsAccess, Owners, ReachAccess, Reachable};
use crate::disk::{DiskError, Reading};
use crate::doors::{Door, DoorError, Doors};
use crate::driver::{ContainerId, ContainerState, Role, role_name};
use crate::for_buyer::plain;
use crate::lease::reconcile::ChainLease;
use crate::lease::{Worker, log_bytes};
use crate::lease_events;
use crate::logs::LogHub;
use crate::outputs;
use crate::secrets::{self, Keyring, NotTaken};
use crate::state_dir::{LeaseDir, StateDir};
use crate::stats::{Feed, Stats};
use crate::store::{LeaseRecord, Phase};

/// Most characters of a message.
const MAX_MESSAGE: usize = 2_048;

#[derive(Clone, Debug)]
struct Entry {
    record: LeaseRecord,
    container: ContainerState,
    chain: ChainLease,
    manifest: Option<Arc<Named>>,
}

/// What a manifest names.
#[derive(Debug)]
struct Named {
    manifest: Manifest,
    inputs: Vec<[u8; 32]>,
}

impl From<Manifest> for Named {
    fn from(manifest: Manifest) -> Self {
        let hash = |text: &String| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
        };
        let inputs = manifest.inputs.iter().filter_map(|i| i.sha256.as_ref().and_then(hash)).collect();
        Self { manifest, inputs }
    }
}

/// The leases of this node as they are at the moment.
#[derive(Debug)]
pub struct LeaseBoard {
    state: StateDir,
    logs: LogHub,
    worker: Worker,
    entries: RwLock<HashMap<Pubkey, Entry>>,
    arrivals: Arc<Notify>,
    keyring: Keyring,
    stats: Stats,
    doors: Doors,
}

/// A container that runs, or is to run again, to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub lease: Pubkey,
    /// Which of its runs it is, from 0; `None` while it is down.
    pub run: Option<usize>,
    pub container: ContainerId,
    pub gpus: Vec<String>,
    pub dir: LeaseDir,
    /// `None` where the manifest cannot be read.
    pub resources: Option<Resources>,
    /// The containers beside it.
    pub services: Vec<(String, ContainerId)>,
}

impl LeaseBoard {
    /// An empty board. `arrivals` is woken whenever a buyer brought something, so that the main loop looks again. `keyring` has
    /// the keys to which buyers seal secrets.
    #[must_use]
    pub fn new(state: StateDir, logs: LogHub, worker: Worker, arrivals: Arc<Notify>, keyring: Keyring) -> Self {
        Self {
            state,
            logs,
            worker,
            entries: RwLock::default(),
            arrivals,
            keyring,
            stats: Stats::default(),
            doors: Doors::default(),
        }
    }

    /// The same board, which shows these measurements.
    #[must_use]
    pub fn with_stats(mut self, stats: Stats) -> Self {
        self.stats = stats;
        self
    }

    /// The containers that run, and those that are down between two runs.
    pub(crate) fn measured(&self) -> Vec<Measured> {
        let entries = self.entries();
        let runs = |entry: &Entry| matches!(entry.container, ContainerState::Running { .. });
        entries
            .values()
            .filter(|entry| runs(entry) || entry.goes_on())
            .filter(|entry| entry.record.ended.is_none() && !entry.record.is_cleared())
            .map(|entry| (entry, runs(entry)))
            .map(|(Entry { record, manifest, .. }, runs)| Measured {
                lease: record.lease,
                run: runs.then_some(record.falls.len()),
                container: self.worker.container(record),
                gpus: record.gpus.clone(),
                dir: self.state.lease(&record.lease),
                resources: manifest.as_ref().map(|named| named.manifest.resources.clone()),
                services: manifest.iter().flat_map(|named| service_ids(&record.lease, &named.manifest)).collect(),
            })
            .collect()
    }

    fn entries(&self) -> RwLockReadGuard<'_, HashMap<Pubkey, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a lease as it now is. To be called after every step, and for every lease in the store at the start.
    pub async fn show(&self, record: &LeaseRecord, container: &ContainerState, chain: &ChainLease) {
        let known = self.entries().get(&record.lease).and_then(|e| e.manifest.clone());
        let manifest = match known {
            Some(known) => Some(known),
            // A damaged manifest is the worker's to report; here it is simply not there.
            None => self.worker.manifest(&record.lease).await.ok().flatten().map(|manifest| Arc::new(manifest.into())),
        };
        let entry = Entry { record: record.clone(), container: container.clone(), chain: *chain, manifest };
        if let Some(named) = &entry.manifest {
            self.doors.show(&record.lease, &named.manifest.ports, &self.state.lease(&record.lease));
        }
        if !entry.is_open() {
            self.keyring.forget(&record.lease);
        }
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(record.lease, entry);
    }

    /// Shows who may visit a lease's ports, of which nothing else is known yet: after a start its visitors hear that it does not run
    /// at this moment, not that there is nothing.
    pub async fn show_doors(&self, lease: &Pubkey) {
        // A damaged manifest is the worker's to report.
        if let Some(manifest) = self.worker.manifest(lease).await.ok().flatten() {
            self.doors.show(lease, &manifest.ports, &self.state.lease(lease));
        }
    }

    /// Takes a lease that was pruned off the board.
    pub fn remove(&self, lease: &Pubkey) {
        self.doors.remove(lease);
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(lease);
    }

    fn missing(&self, entry: &Entry) -> Vec<[u8; 32]> {
        let dir = self.state.lease(&entry.record.lease);
        let inputs = entry.manifest.iter().flat_map(|named| &named.inputs);
        inputs.filter(|sha256| entry.is_open() && !dir.input(sha256).exists()).copied().collect()
    }

    fn missing_secrets(&self, entry: &Entry) -> Vec<String> {
        let dir = self.state.lease(&entry.record.lease);
        let named = entry.manifest.as_ref().filter(|_| entry.is_open());
        named.map_or_else(Vec::new, |named| secrets::missing(&named.manifest, &dir))
    }

    fn open_entry(&self, lease: &Pubkey) -> Result<Entry, NotTaken> {
        let entry = self.entries().get(lease).filter(|entry| entry.is_open()).cloned();
        entry.ok_or(NotTaken::WrongState("the lease has started or is over; nothing can be brought any more"))
    }
}

/// A job's services, by the names under which the engine has their containers.
fn service_ids(lease: &Pubkey, job: &Manifest) -> Vec<(String, ContainerId)> {
    let id = |name: &String| ContainerId(role_name(lease, &Role::Service(name.clone())));
    job.services.keys().map(|name| (name.clone(), id(name))).collect()
}

impl Entry {
    /// Whether the buyer can still bring something.
    fn is_open(&self) -> bool {
        let record = &self.record;
        record.started_at_ms.is_none()
            && record.ended.is_none()
            && !record.is_cleared()
            && !matches!(record.phase, Phase::Failed { .. })
            && !self.chain.state.is_over()
    }

    /// Whether its container has ended and is to be started again.
    fn goes_on(&self) -> bool {
        Worker::goes_on(&self.record, &self.container, self.manifest.as_ref().map(|named| &named.manifest))
    }

    fn owners(&self) -> Owners {
        Owners { buyer: self.record.buyer, poster: self.record.poster, guardian: self.record.guardian }
    }

    /// The step at which the node is, as a buyer sees it.
    fn step(&self, missing_inputs: bool, missing_secrets: bool) -> &'static str {
        match (&self.record.phase, &self.container) {
            (Phase::Won | Phase::InputsReady, _) if self.manifest.is_none() => "awaiting_manifest",
            (Phase::Won | Phase::InputsReady, _) if missing_inputs => "awaiting_inputs",
            (Phase::Won | Phase::InputsReady, _) if missing_secrets => "awaiting_secrets",
            (Phase::Started | Phase::ReadyPosted, ContainerState::Running { .. }) => "running",
            (Phase::Started | Phase::ReadyPosted, _) if self.goes_on() => "restarting",
            (phase, _) => phase.name(),
        }
    }
}

impl LeaseDirectory for LeaseBoard {
    fn job(&self, job: &Pubkey) -> Option<JobAccess> {
        let entries = self.entries();
        // A job can come here more than once; what a buyer brings is for the lease that waits for it.
        let entry =
            entries.values().filter(|e| e.record.job == *job).max_by_key(|e| (e.is_open(), e.record.won_at_ms))?;
        Some(JobAccess {
            owners: entry.owners(),
            manifest_hash: entry.record.manifest_hash,
            sold: entry.record.sold.clone(),
            inputs: entry.manifest.as_ref().map(|named| named.inputs.clone()),
            open: entry.is_open(),
            dir: self.state.lease(&entry.record.lease),
        })
    }

    fn lease(&self, lease: &Pubkey) -> Option<Owners> {
        self.entries().get(lease).map(Entry::owners)
    }

    fn status(&self, lease: &Pubkey) -> Option<LeaseStatus> {
        let entry = self.entries().get(lease)?.clone();
        let (missing, missing_secrets) = (self.missing(&entry), self.missing_secrets(&entry));
        let record = &entry.record;
        Some(LeaseStatus {
            lease: lease.to_string(),
            phase: entry.step(!missing.is_empty(), !missing_secrets.is_empty()).to_owned(),
            container_state: match &entry.container {
                ContainerState::Missing => None,
                ContainerState::Created => Some("created".to_owned()),
                ContainerState::Running { paused: true, .. } => Some("paused".to_owned()),
                ContainerState::Running { paused: false, .. } => Some("running".to_owned()),
                ContainerState::Exited(_) if entry.goes_on() => Some("restarting".to_owned()),
                ContainerState::Exited(_) => Some("exited".to_owned()),
            },
            // The record holds the engine's time, which is this machine's.
            started_at_ms: record
                .started_at_ms
                .and_then(|ms| u64::try_from(self.worker.clock().chain_ms_of_host(ms)).ok()),
            exit_code: record.ended.as_ref().map(|e| e.code),
            runway_end: u64::try_from(entry.chain.runway_end).unwrap_or(0),
            missing_inputs: missing.iter().map(hex::encode).collect(),
            missing_secrets,
            restarts: u32::try_from(record.falls.iter().filter(|fall| fall.again).count()).unwrap_or(u32::MAX),
            message: plain(&record.words(), MAX_MESSAGE),
            log_lines: self.logs.get(lease).map_or(record.log_lines, |log| log.head().lines),
            pull: self.worker.pull_progress(lease),
            // The interface knows under which names it is visited.
            ports: Vec::new(),
        })
    }

    fn log(&self, lease: &Pubkey, service: &str) -> Option<LogAccess> {
        let entry = self.entries().get(lease)?.clone();
        let goes_on = entry.goes_on();
        let Entry { record, container, manifest: named, .. } = entry;
        let dir = self.state.lease(lease);
        let path = match service {
            "" => {
                record.started_at_ms?;
                dir.log()
            }
            name => {
                let path = dir.of_service(named.as_ref()?.manifest.services.get_key_value(name)?.0).log();
                // It begins with the job's own container, and is read to its end when that has ended.
                (record.started_at_ms.is_some() || path.exists()).then_some(path)?
            }
        };
        let ended = record.ended.is_some() || (matches!(container, ContainerState::Exited(_)) && !goes_on);
        // After that no more lines come.
        let complete = record.output_root.is_some() || record.is_cleared();
        if complete && !path.exists() {
            return None;
        }
        let most = named.as_ref().map_or(u64::MAX, |named| log_bytes(&named.manifest));
        // It may not be open: nothing was written since this process began.
        let opened = self
            .logs
            .open_service(lease, service, most)
            .and_then(|log| if complete { log.close().map(|_| log) } else { Ok(log) });
        let log = opened.inspect_err(|e| tracing::warn!(%lease, "{e}")).ok()?;
        Some(LogAccess { log, ending: ended && !complete })
    }

    fn log_head(&self, lease: &Pubkey) -> Option<SignedLogHead> {
        let head = self.log(lease, "")?.log.lasting_head().inspect_err(|e| tracing::warn!(%lease, "{e}")).ok()?;
        let at = u64::try_from(self.worker.clock().now()).unwrap_or(0);
        self.keyring.sign_head(lease, &head, at).inspect_err(|e| tracing::warn!(%lease, "{e}")).ok()
    }

    fn stats(&self, lease: &Pubkey, since_ms: Option<u64>, follow: bool) -> Option<Feed> {
        self.stats.stream(lease, since_ms, follow)
    }

    fn events(&self, lease: &Pubkey, from: u64, follow: bool) -> Option<Feed> {
        Some(lease_events::stream(self.worker.store().clone(), *lease, from, follow))
    }

    fn outputs(&self, lease: &Pubkey) -> Option<OutputsAccess> {
        let entry = self.entries().get(lease).filter(|e| e.record.output_root.is_some())?.clone();
        let count = entry.manifest.map_or(0, |named| named.manifest.outputs.len());
        let dir = self.state.lease(lease);
        let collected = outputs::load(&dir).inspect_err(|e| tracing::warn!(%lease, "{e}")).ok()??;
        Some(OutputsAccess { listing: collected.listing, dirs: outputs::dirs(&dir, count) })
    }

    fn open_outputs(&self, lease: &Pubkey) -> Result<Reading, DiskError> {
        self.worker.disk().read(&self.state.lease(lease))
    }

    fn lease_key(&self, lease: &Pubkey) -> Result<LeaseKey, NotTaken> {
        self.open_entry(lease)?;
        Ok(self.keyring.announce(lease)?)
    }

    fn take_secrets(&self, lease: &Pubkey, sealed: &[u8]) -> Result<(), NotTaken> {
        let entry = self.open_entry(lease)?;
        let Some(named) = &entry.manifest else {
            return Err(NotTaken::WrongState("the manifest is not here yet; send it first"));
        };
        let dir = self.state.lease(lease);
        if secrets::missing(&named.manifest, &dir).is_empty() {
            return Ok(()); // sent a second time, or none are named
        }
        secrets::keep(&named.manifest, &dir, &self.keyring.open(lease, sealed)?)?;
        self.arrived(&entry.record.job, Arrival::Secrets);
        Ok(())
    }

    fn reach(&self, lease: &Pubkey) -> Reachable {
        let entries = self.entries();
        let Some(entry) = entries.get(lease).filter(|entry| !entry.goes_on()) else { return Reachable::NotYet };
        let Entry { record, container, manifest, .. } = entry;
        let given_up = matches!(record.phase, Phase::Failed { .. });
        if record.ended.is_some() || record.is_cleared() || given_up || matches!(container, ContainerState::Exited(_)) {
            return Reachable::Ended;
        }
        // Before the meter runs nothing is paid, and so nothing can be had of the container but its log.
        if record.ready_missing() || !matches!(container, ContainerState::Running { .. }) {
            return Reachable::NotYet;
        }
        Reachable::Now(ReachAccess {
            driver: self.worker.driver(),
            container: self.worker.container(record),
            ports: manifest.iter().flat_map(|named| &named.manifest.ports).map(|port| port.container).collect(),
        })
    }

    fn doors(&self, lease: &Pubkey) -> Option<Arc<[Door]>> {
        self.doors.of(lease)
    }

    fn labelled(&self, label: &str) -> Option<Pubkey> {
        self.doors.labelled(label)
    }

    fn change_door(
        &self,
        lease: &Pubkey,
        port: u16,
        public: Public,
        token: Option<[u8; 32]>,
    ) -> Result<Door, DoorError> {
        // One that is over is never opened again; shut it may be.
        if !public.is_off() && matches!(self.reach(lease), Reachable::Ended) {
            return Err(DoorError::Over);
        }
        self.doors.change(lease, port, public, token, &self.state.lease(lease))
    }

    fn arrived(&self, job: &Pubkey, what: Arrival) {
        tracing::info!(%job, ?what, "the buyer brought something");
        self.arrivals.notify_waiters(); // every lease that waits looks again
    }
}
