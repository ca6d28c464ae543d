//! Another run of the job's own container, after one that failed: the same container, on the same lease.

use std::time::Duration;

use gridlease_sdk::manifest::Manifest;

use crate::driver::ContainerState;
use crate::for_buyer::ForBuyer as _;
use crate::lease::reconcile::{Note, Probes};
use crate::lease::{WorkError, Worker, container_id};
use crate::probes::is_said;
use crate::store::{LeaseRecord, Step};

/// How long the engine may take to hand over the rest of a run's log before the next run begins.
const LOG_PATIENCE: Duration = Duration::from_secs(20);
/// For how long it is tried where only the engine or the machine's network is in the way, milliseconds.
const PATIENCE_MS: i64 = 5 * 60_000;
const STARTING: &str = "starting the container again";

impl Worker {
    /// Starts the container once more. Where that does not succeed in a few tries, or in a few minutes where it is the engine that does
    /// not answer, the run that failed was the last: the lease is not paid on for a container that is never there.
    pub(in crate::lease) async fn again(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let error = match self.start_again(record).await {
            Ok(record) => {
                self.failures().remove(&(record.lease, STARTING));
                return Ok(record);
            }
            Err(error) => error,
        };
        let Some(fall) = record.down() else { return Err(error) };
        let words = format!("the container could not be started again: {}", error.for_buyer());
        let tried_ms = fall.next_ms.map_or(0, |since| self.clock.host_ms().saturating_sub(since));
        match &error {
            // That is nobody's failure, or cannot be written down either.
            WorkError::Shutdown | WorkError::Store(_) => return Err(error),
            WorkError::SecretsGone => {}
            WorkError::Driver(_) | WorkError::Net(_) if !error.is_permanent() && tried_ms < PATIENCE_MS => {
                return Err(error);
            }
            // A node that comes back after that time has its tries, too.
            _ => _ = self.unless_last::<()>(&record.lease, STARTING, Err(error))?,
        }
        self.failures().remove(&(record.lease, STARTING));
        tracing::error!(lease = %record.lease, "{words}");
        let ended = fall.ended.clone();
        let record = self.change(record, |r| r.not_again = Some(words)).await?;
        self.note(&record, Note::Ended(ended)).await
    }

    async fn start_again(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Restart).await?;
        let job = self.manifest(&record.lease).await?;
        // They are kept in memory alone, and the machine may have been started again.
        if job.is_some_and(|job| !job.own_part().secrets.is_empty())
            && !self.state.lease(&record.lease).secrets().is_dir()
        {
            return Err(WorkError::SecretsGone);
        }
        // What the engine keeps of the log is bounded, and the next run may write much.
        match tokio::time::timeout(LOG_PATIENCE, self.read_log(record, false)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = %record.lease, %error, "the log of a run that failed is not complete");
            }
            Err(_) => {
                tracing::warn!(lease = %record.lease, "the log of a run that failed was not read to its end in time")
            }
        }
        let next_ms = self.clock.host_ms();
        let record = self.change(record, move |r| {
            if let Some(fall) = r.falls.last_mut() {
                fall.next_ms.get_or_insert(next_ms);
            }
        });
        let record = record.await?;
        self.prepare_start(&record).await?;
        tracing::info!(lease = %record.lease, restart = record.falls.len(), "the job's container is started again");
        self.driver.start(&container_id(&record)).await?;
        self.begun_again(&record, self.clock.now_ms()).await
    }

    /// Writes down that the next run has begun. Its probes and its measurements begin anew.
    pub(in crate::lease) async fn begun_again(
        &self,
        record: &LeaseRecord,
        began_ms: i64,
    ) -> Result<LeaseRecord, WorkError> {
        self.probers().remove(&record.lease);
        self.stats.next_run(&record.lease);
        self.update(record, move |r| r.begun_again(began_ms)).await
    }

    /// What is known of the probes of a job whose container is down.
    pub(in crate::lease) fn probes_while_down(&self, record: &LeaseRecord, manifest: &Manifest) -> Probes {
        let was_right = self.probers().get(&record.lease).is_some_and(|prober| prober.health().was_right);
        match self.is_overdue(record, manifest) {
            _ if !record.ready_missing() || was_right || !is_said(manifest) => Probes::Right,
            true => Probes::Overdue,
            false => Probes::Wrong,
        }
    }

    /// Whether the container has ended and is to be started again.
    pub(crate) fn goes_on(record: &LeaseRecord, state: &ContainerState, manifest: Option<&Manifest>) -> bool {
        let ContainerState::Exited(exit) = state else { return false };
        record.goes_on(exit, manifest.and_then(|job| job.restart.as_ref()))
    }
}
