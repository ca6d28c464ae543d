//! The steps after a container's end. Each is tried a few times and then done without: what a job left behind, or a disk
//! that fails, must not keep a lease from ending.

use gridlease_sdk::artifact::Limits as OutputLimits;
use gridlease_sdk::manifest::Manifest;
use solana_pubkey::Pubkey;

use super::{WorkError, Worker, blocking};
use crate::disk::{DiskKeeper, Quota};
use crate::inputs::present_bytes;
use crate::logs::LogHead;
use crate::outputs::{self, Collected};
use crate::store::LeaseRecord;
use crate::wipe::wipe_work;

/// How often a step is tried before the lease goes on without it.
const TRIES: u32 = 4;

/// What is told where the outputs could not be had at all.
const NO_OUTPUTS: &str = "the outputs could not be taken: the node could not read or keep them on its disk";

impl Worker {
    /// Passes on what came of a step after the end. A failure counts; after the last try it is only told, and `None`.
    pub(super) fn unless_last<T>(
        &self,
        lease: &Pubkey,
        what: &str,
        outcome: Result<T, WorkError>,
    ) -> Result<Option<T>, WorkError> {
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        if self.is_last_try(lease) {
            tracing::error!(%lease, %error, "{what} failed {TRIES} times; the lease goes on without it");
            return Ok(None);
        }
        *self.failures().entry(*lease).or_default() += 1;
        Err(error)
    }

    fn is_last_try(&self, lease: &Pubkey) -> bool {
        self.failures().get(lease).is_some_and(|count| count + 1 >= TRIES)
    }

    /// A step after the end is through; the next has its own tries.
    pub(super) fn passed(&self, lease: &Pubkey) {
        self.failures().remove(lease);
        self.last_answers().remove(lease);
    }

    /// Reads the log to its end and closes it, or says how far it is.
    pub(super) async fn last_log(&self, record: &LeaseRecord) -> Result<LogHead, WorkError> {
        let read = self.unless_last(&record.lease, "reading the log", self.complete_log(record).await)?;
        let log = self.log(&record.lease).await;
        let Some(log) = self.unless_last(&record.lease, "opening the log", log)? else {
            return Ok(LogHead { lines: 0, hash: [0; 32], bytes: 0, closed: true });
        };
        if read.is_none() {
            let closing = std::sync::Arc::clone(&log);
            let closed = blocking(move || Ok(closing.close().map(|_| ())?)).await;
            self.unless_last(&record.lease, "closing the log", closed)?;
        }
        Ok(log.head())
    }

    /// Lists and hashes the outputs, or gives them up; and says whether the job failed on a disk that was full. The message is
    /// for the buyer.
    pub(super) async fn last_outputs(&self, record: &LeaseRecord) -> Result<(Collected, bool), WorkError> {
        let collect = if self.is_last_try(&record.lease) { outputs::collect_readable } else { outputs::collect };
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
        if let Some(collected) = self.unless_last(&record.lease, "collecting the outputs", taken)? {
            return Ok(collected);
        }
        self.no_outputs(record).await
    }

    async fn no_outputs(&self, record: &LeaseRecord) -> Result<(Collected, bool), WorkError> {
        let dir = self.state.lease(&record.lease);
        blocking(move || Ok((outputs::give_up(&dir, NO_OUTPUTS)?, false))).await
    }

    /// Removes the inputs, gives back what the outputs set aside and do not need, and closes the log.
    pub(super) async fn last_files(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let (state, lease, disk) = (self.state.clone(), record.lease, self.disk.clone());
        let log = self.logs.get(&record.lease);
        let cleared = blocking(move || {
            let dir = state.lease(&lease);
            // What it wrote lies in it.
            disk.attach(&dir)?;
            wipe_work(&state, &lease)?;
            if let Some(log) = log {
                log.close()?;
            }
            Ok(disk.release(&dir)?)
        })
        .await;
        self.unless_last(&record.lease, "clearing up", cleared).map(|_| ())
    }
}

/// Outputs are never larger than the disk that the job has: a sparse file that says it is would take for ever to read.
fn limits(most: OutputLimits, manifest: Option<&Manifest>) -> OutputLimits {
    let files = manifest.map_or(u64::MAX, |manifest| manifest.resources.disk_parts().files);
    OutputLimits { bytes: most.bytes.min(files), ..most }
}

fn was_full(dir: &crate::state_dir::LeaseDir, disk: &DiskKeeper, manifest: &Manifest) -> bool {
    Quota::of(&manifest.resources, present_bytes(dir)).is_none_or(|quota| disk.is_full(dir, quota, None))
}
