//! What the node shows of its leases: the main loop writes it, the interface reads it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gridlease_sdk::node_api::LeaseStatus;
use solana_pubkey::Pubkey;
use tokio::sync::Notify;

use crate::api::{Arrival, JobAccess, LeaseDirectory, LogAccess, OutputsAccess, Owners, ReachAccess, Reachable};
use crate::disk::{DiskError, Reading};
use crate::driver::ContainerState;
use crate::for_buyer::plain;
use crate::logs::LogHub;
use crate::outputs;
use crate::reconcile::ChainLease;
use crate::state_dir::StateDir;
use crate::store::{LeaseRecord, Phase};
use crate::worker::Worker;

/// Most characters of a message.
const MAX_MESSAGE: usize = 2_048;

#[derive(Clone, Debug)]
struct Entry {
    record: LeaseRecord,
    container: ContainerState,
    chain: ChainLease,
    inputs: Option<Vec<[u8; 32]>>,
    outputs: usize,
    ports: Vec<u16>,
}

/// What of a manifest is shown.
#[derive(Clone, Debug)]
struct FromManifest {
    inputs: Vec<[u8; 32]>,
    outputs: usize,
    ports: Vec<u16>,
}

/// The leases of this node as they are at the moment.
#[derive(Debug)]
pub struct LeaseBoard {
    state: StateDir,
    logs: LogHub,
    worker: Worker,
    entries: RwLock<HashMap<Pubkey, Entry>>,
    arrivals: Arc<Notify>,
}

impl LeaseBoard {
    /// An empty board. `arrivals` is woken whenever a buyer brought something, so that the main loop looks again.
    #[must_use]
    pub fn new(state: StateDir, logs: LogHub, worker: Worker, arrivals: Arc<Notify>) -> Self {
        Self { state, logs, worker, entries: RwLock::default(), arrivals }
    }

    fn entries(&self) -> RwLockReadGuard<'_, HashMap<Pubkey, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a lease as it now is. To be called after every step, and for every lease in the store at the start.
    pub async fn show(&self, record: &LeaseRecord, container: &ContainerState, chain: &ChainLease) {
        let known = self.entries().get(&record.lease).and_then(Entry::shown);
        let from_manifest = match known {
            Some(known) => Some(known),
            // A damaged manifest is the worker's to report; here it is simply not there.
            None => self.worker.manifest(&record.lease).await.ok().flatten().map(|manifest| {
                let hash = |text: &String| {
                    let mut hash = [0; 32];
                    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
                };
                FromManifest {
                    inputs: manifest.inputs.iter().filter_map(|i| i.sha256.as_ref().and_then(hash)).collect(),
                    outputs: manifest.outputs.len(),
                    ports: manifest.ports.iter().map(|port| port.container).collect(),
                }
            }),
        };
        let (inputs, outputs, ports) =
            from_manifest.map_or((None, 0, Vec::new()), |shown| (Some(shown.inputs), shown.outputs, shown.ports));
        let entry =
            Entry { record: record.clone(), container: container.clone(), chain: *chain, inputs, outputs, ports };
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(record.lease, entry);
    }

    /// Takes a lease that was pruned off the board.
    pub fn remove(&self, lease: &Pubkey) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(lease);
    }

    fn missing(&self, entry: &Entry) -> Vec<[u8; 32]> {
        let dir = self.state.lease(&entry.record.lease);
        let inputs = entry.inputs.iter().flatten();
        inputs.filter(|sha256| entry.is_open() && !dir.input(sha256).exists()).copied().collect()
    }
}

impl Entry {
    /// What was read of its manifest; `None` before that is here.
    fn shown(&self) -> Option<FromManifest> {
        let (outputs, ports) = (self.outputs, self.ports.clone());
        self.inputs.clone().map(|inputs| FromManifest { inputs, outputs, ports })
    }

    /// Whether the buyer can still bring something.
    fn is_open(&self) -> bool {
        let record = &self.record;
        record.started_at_ms.is_none()
            && record.ended.is_none()
            && !record.is_cleared()
            && !matches!(record.phase, Phase::Failed { .. })
            && !self.chain.state.is_over()
    }

    fn owners(&self) -> Owners {
        Owners { buyer: self.record.buyer, poster: self.record.poster, guardian: self.record.guardian }
    }

    /// The step at which the node is, as a buyer sees it.
    fn step(&self, missing: bool) -> &'static str {
        match (&self.record.phase, &self.container) {
            (Phase::Won | Phase::InputsReady, _) if self.inputs.is_none() => "awaiting_manifest",
            (Phase::Won | Phase::InputsReady, _) if missing => "awaiting_inputs",
            (Phase::Started | Phase::ReadyPosted, ContainerState::Running { .. }) => "running",
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
            inputs: entry.inputs.clone(),
            open: entry.is_open(),
            dir: self.state.lease(&entry.record.lease),
        })
    }

    fn lease(&self, lease: &Pubkey) -> Option<Owners> {
        self.entries().get(lease).map(Entry::owners)
    }

    fn status(&self, lease: &Pubkey) -> Option<LeaseStatus> {
        let entry = self.entries().get(lease)?.clone();
        let missing = self.missing(&entry);
        let record = &entry.record;
        Some(LeaseStatus {
            lease: lease.to_string(),
            phase: entry.step(!missing.is_empty()).to_owned(),
            container_state: match &entry.container {
                ContainerState::Missing => None,
                ContainerState::Created => Some("created".to_owned()),
                ContainerState::Running { paused: true, .. } => Some("paused".to_owned()),
                ContainerState::Running { paused: false, .. } => Some("running".to_owned()),
                ContainerState::Exited(_) => Some("exited".to_owned()),
            },
            // The record holds the engine's time, which is this machine's.
            started_at_ms: record
                .started_at_ms
                .and_then(|ms| u64::try_from(self.worker.clock().chain_ms_of_host(ms)).ok()),
            exit_code: record.ended.as_ref().map(|e| e.code),
            runway_end: u64::try_from(entry.chain.runway_end).unwrap_or(0),
            missing_inputs: missing.iter().map(hex::encode).collect(),
            message: plain(&record.words(), MAX_MESSAGE),
            pull: self.worker.pull_progress(lease),
        })
    }

    fn log(&self, lease: &Pubkey) -> Option<LogAccess> {
        let Entry { record, container, .. } = self.entries().get(lease)?.clone();
        record.started_at_ms?;
        let ended = record.ended.is_some() || matches!(container, ContainerState::Exited(_));
        // After that no more lines come.
        let complete = record.output_root.is_some() || record.is_cleared();
        if complete && !self.state.lease(lease).log().exists() {
            return None;
        }
        // It may not be open: nothing was written since this process began.
        let opened = self.logs.open(lease).and_then(|log| if complete { log.close().map(|_| log) } else { Ok(log) });
        let log = opened.inspect_err(|e| tracing::warn!(%lease, "{e}")).ok()?;
        Some(LogAccess { log, ending: ended && !complete })
    }

    fn outputs(&self, lease: &Pubkey) -> Option<OutputsAccess> {
        let count = self.entries().get(lease).filter(|e| e.record.output_root.is_some())?.outputs;
        let dir = self.state.lease(lease);
        let collected = outputs::load(&dir).inspect_err(|e| tracing::warn!(%lease, "{e}")).ok()??;
        Some(OutputsAccess { listing: collected.listing, dirs: outputs::dirs(&dir, count) })
    }

    fn open_outputs(&self, lease: &Pubkey) -> Result<Reading, DiskError> {
        self.worker.disk().read(&self.state.lease(lease))
    }

    fn reach(&self, lease: &Pubkey) -> Reachable {
        let entries = self.entries();
        let Some(Entry { record, container, ports, .. }) = entries.get(lease) else { return Reachable::NotYet };
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
            ports: ports.clone(),
        })
    }

    fn arrived(&self, job: &Pubkey, what: Arrival) {
        tracing::info!(%job, ?what, "the buyer brought something");
        self.arrivals.notify_waiters(); // every lease that waits looks again
    }
}
