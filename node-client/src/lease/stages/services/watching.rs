//! The services while they run: their logs are followed from their start on, and what happens to them is told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use gridlease_sdk::manifest::Manifest;

use super::super::container::log_bytes;
use super::{how, pod_role, service_id};
use crate::driver::{ContainerId, ContainerState, role_name};
use crate::lease::{WorkError, Worker, blocking};
use crate::logs::{LeaseLog, Runs, collect};
use crate::store::{LeaseRecord, Phase};

/// Between two looks at a service.
const LOOK: Duration = Duration::from_secs(1);
/// Before an engine that could not be asked is asked again.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the engine may take to hand over the rest of a service's log after its end.
const LOG_PATIENCE: Duration = Duration::from_secs(20);

impl Worker {
    /// Follows the services' logs, and says when one ends while the job runs. To be run beside the main loop from their start on; ends
    /// when all have ended, or the lease has.
    ///
    /// # Errors
    /// [`WorkError`] where the manifest cannot be read; to be called again then.
    pub async fn watch_services(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let Some(job) = self.manifest(&record.lease).await?.filter(|job| !job.services.is_empty()) else {
            return Ok(());
        };
        let job = &job;
        let services = join_all(job.services.keys().map(|name| async move {
            while let Err(error) = self.watch_service(record, job, name).await {
                tracing::warn!(lease = %record.lease, service = name, %error, "it cannot be looked at; it is looked at again");
                tokio::time::sleep(PAUSE).await;
            }
        }));
        let pod = async {
            while let Err(error) = self.watch_pod(record, job).await {
                tracing::warn!(lease = %record.lease, %error, "the job's network cannot be looked at; it is looked at again");
                tokio::time::sleep(PAUSE).await;
            }
        };
        join(services, pod).await;
        Ok(())
    }

    /// The record as it now is; `None` where nothing is to be watched any more.
    async fn open_record(&self, record: &LeaseRecord) -> Result<Option<LeaseRecord>, WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        let record = blocking(move || Ok(store.get(&lease)?)).await?;
        Ok(record.filter(|of| of.ended.is_none() && !of.is_cleared() && !matches!(of.phase, Phase::Failed { .. })))
    }

    async fn watch_service(&self, record: &LeaseRecord, job: &Manifest, name: &str) -> Result<(), WorkError> {
        let id = service_id(record, name);
        while let Some(record) = self.open_record(record).await? {
            let begun = record.started_at_ms.is_some();
            let end = match self.driver.inspect(&id).await? {
                ContainerState::Running { .. } => {
                    self.read_service_log(&record, job, name, false).await?;
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                ContainerState::Exited(exit) if begun => {
                    self.read_service_log(&record, job, name, true).await?;
                    let done = exit.code == 0 && job.services.get(name).is_some_and(|service| service.once);
                    (!done).then(|| format!("service {name} {}; the job goes on without it", how(&exit)))
                }
                ContainerState::Missing if begun => {
                    Some(format!("service {name} was lost; the job goes on without it"))
                }
                _ => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
            };
            return self.tell_end(&record, name, end).await;
        }
        Ok(())
    }

    /// The network's container has no part in the job but its network, so only its end is to be seen.
    async fn watch_pod(&self, record: &LeaseRecord, job: &Manifest) -> Result<(), WorkError> {
        while let Some(record) = self.open_record(record).await? {
            if record.started_at_ms.is_some() && self.is_network_lost(&record, job).await? {
                let words =
                    "the container that held the network of the job's containers ended; they still reach each other";
                return self.tell_end(&record, "", Some(words.to_owned())).await;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whether the container that holds the job's network is gone.
    pub(in crate::lease) async fn is_network_lost(
        &self,
        record: &LeaseRecord,
        job: &Manifest,
    ) -> Result<bool, WorkError> {
        if job.services.is_empty() {
            return Ok(false);
        }
        let pod = ContainerId(role_name(&record.lease, &pod_role(job)));
        Ok(matches!(self.driver.inspect(&pod).await?, ContainerState::Exited(_) | ContainerState::Missing))
    }

    /// Whether somebody made a service stand still. One that cannot be asked does not say so.
    pub(in crate::lease::stages) async fn is_service_paused(&self, record: &LeaseRecord, job: &Manifest) -> bool {
        let looked = join_all(job.services.keys().map(|name| async move {
            let state = self.driver.inspect(&service_id(record, name)).await;
            matches!(state, Ok(ContainerState::Running { paused: true, .. }))
        }));
        looked.await.contains(&true)
    }

    /// Tells of an end, unless that was told, or the lease has ended itself.
    async fn tell_end(&self, record: &LeaseRecord, name: &str, end: Option<String>) -> Result<(), WorkError> {
        let Some(words) = end else { return Ok(()) };
        tracing::warn!(lease = %record.lease, "{words}");
        let name = name.to_owned();
        let told = self.change(record, move |record| {
            let over = record.ended.is_some() || matches!(record.phase, Phase::Failed { .. });
            let known = record.services.entry(name).or_default();
            if !over && !std::mem::replace(&mut known.end_told, true) {
                record.message = words;
            }
        });
        told.await.map(|_| ())
    }

    /// Reads a service's output into its log until it has ended. `last`: it does not run again, so the log is closed then.
    pub(super) async fn read_service_log(
        &self,
        record: &LeaseRecord,
        job: &Manifest,
        name: &str,
        last: bool,
    ) -> Result<(), WorkError> {
        let log = self.service_log(record, job, name).await?;
        let runs = Runs { last, anew_ms: record.services.get(name).and_then(|of| of.anew_ms), ..Runs::default() };
        collect(self.driver.as_ref(), &service_id(record, name), &log, &runs).await?;
        Ok(())
    }

    async fn service_log(&self, record: &LeaseRecord, job: &Manifest, name: &str) -> Result<Arc<LeaseLog>, WorkError> {
        let most = log_bytes(job);
        let (logs, lease, service) = (self.logs.clone(), record.lease, name.to_owned());
        blocking(move || Ok(logs.open_service(&lease, &service, most)?)).await
    }

    /// Ends the services, and reads their logs to the end.
    ///
    /// # Errors
    /// [`WorkError::Driver`].
    pub(in crate::lease) async fn stop_services(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let Some(job) = self.manifest(&record.lease).await.ok().flatten() else { return Ok(()) };
        let stopped = join_all(job.services.keys().map(|name| async move {
            let id = service_id(record, name);
            if matches!(self.driver.inspect(&id).await?, ContainerState::Running { .. }) {
                self.driver.stop(&id, self.config.stop_grace).await?;
            }
            Ok::<_, WorkError>(())
        }));
        stopped.await.into_iter().collect::<Result<Vec<()>, _>>()?;
        for name in job.services.keys() {
            if !matches!(self.driver.inspect(&service_id(record, name)).await?, ContainerState::Exited(_)) {
                continue;
            }
            let read = tokio::time::timeout(LOG_PATIENCE, self.read_service_log(record, &job, name, true)).await;
            let cut_short = match read {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it was not read to the end in time".to_owned(),
            };
            tracing::warn!(lease = %record.lease, service = name, "its log is closed as it is: {cut_short}");
            let log = self.service_log(record, &job, name).await;
            let closed = match log {
                Ok(log) => blocking(move || Ok(log.cut_short().map(|_| ())?)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = closed {
                tracing::warn!(lease = %record.lease, service = name, %error, "its log stays open");
            }
        }
        Ok(())
    }
}
