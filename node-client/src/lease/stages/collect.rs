//! What the container left: its log, read to the end and closed, and its outputs, listed and hashed. Each step is tried a few times
//! and then done without: what a job left behind, or a disk that fails, must not keep a lease from ending.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gridlease_sdk::artifact::Limits as OutputLimits;
use gridlease_sdk::manifest::Manifest;
use solana_pubkey::Pubkey;

use super::container::log_bytes;
use super::{Facts, Part, Stage, StageName, Stands};
use crate::disk::{DiskKeeper, Quota};
use crate::inputs::present_bytes;
use crate::lease::pushing::has_pushes;
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker, blocking};
use crate::logs::{LeaseLog, LogHead};
use crate::outputs::{self, Collected, OutputsError};
use crate::store::{LeaseRecord, Phase, Step, StopReason};

/// How often a step is tried before the lease goes on without it.
const TRIES: u32 = 4;

/// What is told where the outputs could not be had at all.
const NO_OUTPUTS: &str = "the outputs could not be taken: the node could not read or keep them on its disk";

const COLLECTING: &str = "collecting the outputs";

/// How long the engine may take to hand over the rest of a log after the container's end.
const LOG_PATIENCE: Duration = Duration::from_secs(60);

/// See [`StageName::Collect`].
pub(super) struct Collect;

impl Stage for Collect {
    fn name(&self) -> StageName {
        StageName::Collect
    }

    fn part(&self) -> Part {
        Part::Ending
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        if facts.record.output_root.is_some() { Stands::Done } else { Stands::Due(Action::Do(self.name())) }
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.collect(record))
    }
}

impl Worker {
    async fn collect(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Collect).await?;
        // They end with the job.
        let stopped = self.stop_services(record).await;
        self.unless_last(&record.lease, "stopping its services", stopped)?;
        // Whatever followed the log before, after this it is complete and closed.
        let head = self.last_log(record).await?;
        let (collected, full) = self.last_outputs(record).await?;
        let mut root = [0; 32];
        hex::decode_to_slice(&collected.listing.root, &mut root).map_err(|e| OutputsError::Damaged {
            path: self.state.lease(&record.lease).root().to_owned(),
            reason: e.to_string(),
        })?;
        self.passed(&record.lease);
        let pushes = matches!(self.manifest(&record.lease).await, Ok(Some(manifest)) if has_pushes(&manifest));
        let done = self.update(record, move |r| {
            r.push_due = pushes;
            r.output_root = Some(root);
            r.log_lines = head.lines;
            r.log_hash = head.hash;
            if full {
                r.stop.get_or_insert(StopReason::DiskFull);
            }
            // Of trouble on the way nothing needs to be said any more.
            r.message = collected.message;
            r.reach(Phase::OutputsCollected);
        });
        let record = done.await?;
        self.push_at_the_end(&record).await?;
        Ok(record)
    }

    /// The lease's log, opened on first use. It has its share of the job's disk.
    ///
    /// # Errors
    /// [`WorkError::Log`].
    pub async fn log(&self, lease: &Pubkey) -> Result<Arc<LeaseLog>, WorkError> {
        // A damaged manifest is told of where it is needed more.
        let manifest = self.manifest(lease).await.ok().flatten();
        let most = manifest.map_or(u64::MAX, |manifest| log_bytes(&manifest));
        let (logs, lease) = (self.logs.clone(), *lease);
        blocking(move || Ok(logs.open_at_most(&lease, most)?)).await
    }

    /// Reads the container's output to its end after it has ended, in bounded time: where the engine does not hand over the rest, the log says so and
    /// is closed. Whoever follows it is waited for.
    ///
    /// # Errors
    /// [`WorkError::Log`].
    pub async fn complete_log(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        if let Ok(done) = tokio::time::timeout(LOG_PATIENCE, self.read_log(record, true)).await {
            return done;
        }
        tracing::warn!(lease = %record.lease, "the log is not complete {LOG_PATIENCE:?} after the end; it is closed");
        let log = self.log(&record.lease).await?;
        blocking(move || Ok(log.cut_short().map(|_| ())?)).await
    }

    /// Passes on what came of a step after the end. A failure counts; after the last try it is only told, and `None`.
    pub(super) fn unless_last<T>(
        &self,
        lease: &Pubkey,
        what: &'static str,
        outcome: Result<T, WorkError>,
    ) -> Result<Option<T>, WorkError> {
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        if self.is_last_try(lease, what) {
            tracing::error!(%lease, %error, "{what} failed {TRIES} times; the lease goes on without it");
            return Ok(None);
        }
        *self.failures().entry((*lease, what)).or_default() += 1;
        Err(error)
    }

    fn is_last_try(&self, lease: &Pubkey, what: &'static str) -> bool {
        self.failures().get(&(*lease, what)).is_some_and(|count| count + 1 >= TRIES)
    }

    /// A step after the end is through; the next has its own tries.
    pub(super) fn passed(&self, lease: &Pubkey) {
        self.failures().retain(|(of, _), _| of != lease);
        self.probers().remove(lease);
    }

    /// Reads the log to its end and closes it, or says how far it is.
    async fn last_log(&self, record: &LeaseRecord) -> Result<LogHead, WorkError> {
        let read = self.unless_last(&record.lease, "reading the log", self.complete_log(record).await)?;
        let log = self.log(&record.lease).await;
        let Some(log) = self.unless_last(&record.lease, "opening the log", log)? else {
            return Ok(LogHead { lines: 0, hash: [0; 32], bytes: 0, closed: true });
        };
        if read.is_none() {
            let closing = Arc::clone(&log);
            let closed = blocking(move || Ok(closing.close().map(|_| ())?)).await;
            self.unless_last(&record.lease, "closing the log", closed)?;
        }
        Ok(log.head())
    }

    /// Lists and hashes the outputs, or gives them up; and says whether the job failed on a disk that was full. The message is
    /// for the buyer.
    async fn last_outputs(&self, record: &LeaseRecord) -> Result<(Collected, bool), WorkError> {
        let collect =
            if self.is_last_try(&record.lease, COLLECTING) { outputs::collect_readable } else { outputs::collect };
        let manifest = self.manifest(&record.lease).await;
        let Some(manifest) = self.unless_last(&record.lease, "reading the manifest", manifest)? else {
            return self.no_outputs(record).await;
        };
        let (dir, disk, most) = (self.state.lease(&record.lease), self.disk.clone(), self.config.outputs);
        let failed = record.ended.as_ref().is_some_and(|ended| ended.code != 0);
        let taken = blocking(move || {
            disk.attach(&dir)?;
            let count = manifest.as_ref().map_or(0, |manifest| manifest.outputs.len());
            // A container that was lost before it was made left no directories.
            let existing = (0..count).take_while(|&i| dir.output(i).exists()).count();
            let collected = collect(&dir, existing, &limits(most, manifest.as_ref()))?;
            let full = failed && manifest.as_ref().is_some_and(|manifest| was_full(&dir, &disk, manifest));
            Ok((collected, full))
        })
        .await;
        if let Some(collected) = self.unless_last(&record.lease, COLLECTING, taken)? {
            return Ok(collected);
        }
        self.no_outputs(record).await
    }

    async fn no_outputs(&self, record: &LeaseRecord) -> Result<(Collected, bool), WorkError> {
        let dir = self.state.lease(&record.lease);
        blocking(move || Ok((outputs::give_up(&dir, NO_OUTPUTS)?, false))).await
    }
}

/// Outputs are never larger than the disk that the job has: a sparse file that says it is would take for ever to read.
pub(in crate::lease) fn limits(most: OutputLimits, manifest: Option<&Manifest>) -> OutputLimits {
    let files = manifest.map_or(u64::MAX, |manifest| manifest.resources.disk_parts().files);
    OutputLimits { bytes: most.bytes.min(files), ..most }
}

fn was_full(dir: &crate::state_dir::LeaseDir, disk: &DiskKeeper, manifest: &Manifest) -> bool {
    Quota::of(&manifest.resources, present_bytes(dir)).is_none_or(|quota| disk.is_full(dir, quota, &[]))
}
