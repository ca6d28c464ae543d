//! The run: watched for as long as there is money, its log followed, and stopped where it has to be. A container that is made to
//! stand still from outside the node is seen: that time is not billed.

use std::time::Duration;

use gridlease_sdk::manifest::Manifest;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::disk::{DiskKeeper, KEEP_FREE, Quota, usage};
use crate::driver::ContainerState;
use crate::inputs::present_bytes;
use crate::lease::reconcile::{Action, ChainState};
use crate::lease::{WorkError, Worker, blocking, container_id};
use crate::logs::{Runs, collect};
use crate::store::{LeaseRecord, Step, StopReason};

/// How often it is looked at whether the container stands still.
const LOOK: Duration = Duration::from_millis(500);

/// See [`StageName::Run`].
pub(super) struct Run;

impl Stage for Run {
    fn name(&self) -> StageName {
        StageName::Run
    }

    fn part(&self) -> Part {
        Part::Running
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        let (chain, now) = (facts.chain, facts.now);
        Stands::Due(match chain.state {
            ChainState::Grace => Action::Stop(StopReason::OutOfFunds),
            ChainState::Running | ChainState::Paused if now < chain.runway_end => {
                Action::Watch { until: Some(chain.runway_end) }
            }
            // The money's end has come; a top-up may have, too. Only a look after that end can tell.
            ChainState::Running if chain.seen_at < chain.runway_end => Action::RefreshChain,
            ChainState::Running => Action::Stop(StopReason::OutOfFunds),
            _ => Action::Watch { until: None },
        })
    }
}

impl Worker {
    pub(in crate::lease) async fn stop(&self, record: &LeaseRecord, why: StopReason) -> Result<LeaseRecord, WorkError> {
        let now_ms = self.clock.now_ms();
        // The reason is on disk before the container feels it: whoever finds it dead has to know why.
        self.change(record, move |r| {
            r.intent = Some(Step::Stop);
            r.stop.get_or_insert(why);
            if let Some(fall) = r.falls.last_mut().filter(|fall| !fall.again) {
                fall.stop_ms.get_or_insert(now_ms);
            }
        })
        .await?;
        self.driver.stop(&container_id(record), self.config.stop_grace).await?;
        self.update(record, |_| ()).await
    }

    /// Whether the container has to be stopped because it wrote more than it may, or wanted to where the kernel held it back.
    pub(in crate::lease) async fn is_disk_full(
        &self,
        record: &LeaseRecord,
        manifest: &Manifest,
    ) -> Result<bool, WorkError> {
        let (dir, resources, disk) = (self.state.lease(&record.lease), manifest.resources.clone(), self.disk.clone());
        let mut containers: Vec<String> = record.container.iter().map(|id| id.0.clone()).collect();
        // What the kernel does not count, each container that has it open is asked for.
        if !manifest.services.is_empty() && !DiskKeeper::is_held(&dir) {
            containers.extend(self.others(record).await?.into_iter().map(|of| of.id.0));
        }
        blocking(move || {
            let Some(quota) = Quota::of(&resources, present_bytes(&dir)) else { return Ok(true) };
            // An image has its room already.
            let no_room = || usage::free(dir.root()).is_some_and(|free| free < KEEP_FREE);
            Ok((!DiskKeeper::is_held(&dir) && no_room()) || disk.is_full(&dir, quota, &containers))
        })
        .await
    }

    /// Follows the container's output into its log until it has ended. To be run beside the main loop from the start on,
    /// and again after a restart, of the node or of the container.
    ///
    /// # Errors
    /// [`WorkError::Log`].
    pub async fn follow_log(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let job = self.manifest(&record.lease).await.ok().flatten();
        self.read_log(record, job.is_none_or(|job| job.restart.is_none())).await
    }

    /// Reads the container's output into its log until it has ended. `last`: no other run follows, so the log is closed then.
    pub(super) async fn read_log(&self, record: &LeaseRecord, last: bool) -> Result<(), WorkError> {
        let log = self.log(&record.lease).await?;
        let runs = Runs { later_ms: record.later_runs_ms(), last, ..Runs::default() };
        collect(self.driver.as_ref(), &container_id(record), &log, &runs).await?;
        Ok(())
    }

    /// Waits until the container has ended.
    ///
    /// # Errors
    /// [`WorkError::Driver`].
    pub async fn wait(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        self.driver.wait(&container_id(record)).await?;
        Ok(())
    }

    /// Writes down when the container stands still and when it goes on, until it has ended; where the job has services, theirs between two runs, too. To be run beside the main loop,
    /// which may wait long for the chain.
    ///
    /// # Errors
    /// [`WorkError::Driver`] or [`WorkError::Store`]; to be called again then.
    pub async fn watch_pauses(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let (mut known, mut ran) = (None, true);
        let job = self.manifest(&record.lease).await.ok().flatten().filter(|job| !job.services.is_empty());
        loop {
            // Between two runs its services run on, and are paid for.
            let (runs, paused) = match self.driver.inspect(&container_id(record)).await? {
                ContainerState::Running { paused, .. } => (true, paused),
                _ if job.is_some() && self.is_down(record).await? => (false, false),
                _ => return Ok(()),
            };
            if std::mem::replace(&mut ran, runs) != runs {
                known = None;
            }
            // A job without one of its services is not what is paid for.
            let paused = paused || matches!(&job, Some(job) if self.is_service_paused(record, job).await);
            if runs {
                self.seen_running().insert(record.lease, self.clock.now_ms());
            }
            if known != Some(paused) {
                let (store, lease, now_ms) = (self.store.clone(), record.lease, self.clock.now_ms());
                let news = blocking(move || {
                    let mut news = false;
                    store.update(&lease, |record| {
                        news = record.seen_paused(paused, now_ms);
                        Ok(())
                    })?;
                    Ok(news)
                })
                .await?;
                known = Some(paused);
                if news && paused {
                    tracing::warn!(lease = %record.lease, "a container of the job is paused from outside the node: the time is not billed; `docker unpause` resumes it");
                } else if news {
                    tracing::info!(lease = %record.lease, "the container goes on after a pause");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the job is between two runs.
    async fn is_down(&self, record: &LeaseRecord) -> Result<bool, WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        blocking(move || Ok(store.get(&lease)?.is_some_and(|record| record.down().is_some()))).await
    }
}
