//! The steps themselves: intent, effect, record.

use tokio::sync::watch;

use super::{WorkError, Worker, blocking, container_id, container_spec};
use crate::driver::{ContainerSpec, ContainerState, DriverError};
use crate::outputs::{self, OutputsError};
use crate::reconcile::Note;
use crate::store::{LeaseRecord, Phase, Step, StopReason};
use crate::wipe::wipe_work;
use gridlease_sdk::node_api::PullProgress;

impl Worker {
    pub(super) async fn note(&self, record: &LeaseRecord, note: Note) -> Result<LeaseRecord, WorkError> {
        self.update(record, move |r| match note {
            Note::Started(at_ms) => {
                r.started_at_ms = Some(at_ms);
                r.reach(Phase::Started);
            }
            Note::Ready => r.reach(Phase::ReadyPosted),
            Note::Ended(ended) => {
                if ended.oom_killed {
                    r.message = "the container was killed because it used more memory than the job has".to_owned();
                }
                r.ended = Some(ended);
                r.reach(Phase::Exited);
            }
            Note::Failed(reason) => {
                r.message.clone_from(&reason);
                r.reach(Phase::Failed { reason });
            }
        })
        .await
    }

    pub(super) async fn fetch_inputs(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.spec(record).await?; // nothing is fetched for a job that will not run
        self.intend(record, Step::FetchInputs).await?;
        let dir = self.state.lease(&record.lease);
        for input in self.missing_inputs(&record.lease).await? {
            self.fetcher.fetch(&dir, &input).await?;
        }
        let complete = self.missing_inputs(&record.lease).await?.is_empty();
        self.update(record, move |r| {
            if complete {
                r.reach(Phase::InputsReady);
            }
        })
        .await
    }

    async fn spec(&self, record: &LeaseRecord) -> Result<ContainerSpec, WorkError> {
        let dir = self.state.lease(&record.lease);
        let path = dir.manifest();
        let unusable = |reason: String| WorkError::Manifest { path: path.clone(), reason };
        let manifest = self.manifest(&record.lease).await?.ok_or_else(|| unusable("it is gone".to_owned()))?;
        let sold = record.sold.as_ref().ok_or(WorkError::SoldUnknown)?;
        crate::sold::check(&manifest, sold).map_err(|e| unusable(e.to_string()))?;
        container_spec(&self.config.node, record, &manifest, &dir, self.run_as).map_err(|e| unusable(e.to_string()))
    }

    pub(super) async fn pull(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let spec = self.spec(record).await?;
        self.intend(record, Step::Pull).await?;
        self.change(record, |r| {
            r.reach(Phase::InputsReady);
            r.reach(Phase::Pulling);
        })
        .await?;
        self.have_image(record, &spec).await?;
        self.update(record, |r| r.reach(Phase::Pulled)).await
    }

    async fn have_image(&self, record: &LeaseRecord, spec: &ContainerSpec) -> Result<(), WorkError> {
        let (progress, receiver) = watch::channel(PullProgress::default());
        self.pulls().insert(record.lease, receiver);
        let pulled = self.driver.pull(&spec.image, self.config.max_image_bytes, &progress).await;
        self.pulls().remove(&record.lease);
        pulled?;
        Ok(())
    }

    pub(super) async fn create(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let spec = self.spec(record).await?;
        let (dir, run_as) = (self.state.lease(&record.lease), self.run_as);
        let outputs = spec.mounts.iter().filter(|m| !m.read_only).count();
        blocking(move || Ok(dir.create(outputs, run_as)?)).await?;
        self.intend(record, Step::Create).await?;
        let created = match self.driver.create(&spec).await {
            // The image was removed since it was pulled.
            Err(DriverError::ImageNotFound { .. }) => {
                self.have_image(record, &spec).await?;
                self.driver.create(&spec).await
            }
            created => created,
        };
        let id = created?;
        self.update(record, move |r| {
            r.container = Some(id);
            r.reach(Phase::Created);
        })
        .await
    }

    pub(super) async fn start(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Start).await?;
        let id = container_id(record);
        self.driver.start(&id).await?;
        let started_at_ms = match self.driver.inspect(&id).await? {
            ContainerState::Running { started_at_ms } => started_at_ms,
            ContainerState::Exited(exit) => exit.started_at_ms,
            // As the engine's own times: by this machine's clock.
            ContainerState::Created | ContainerState::Missing => self.clock.host_ms(),
        };
        self.update(record, move |r| {
            r.container.get_or_insert(id);
            r.started_at_ms = Some(started_at_ms);
            r.reach(Phase::Started);
        })
        .await
    }

    pub(super) async fn stop(&self, record: &LeaseRecord, why: StopReason) -> Result<LeaseRecord, WorkError> {
        // The reason is on disk before the container feels it: whoever finds it dead has to know why.
        self.change(record, move |r| {
            r.intent = Some(Step::Stop);
            r.stop.get_or_insert(why);
        })
        .await?;
        self.driver.stop(&container_id(record), self.config.stop_grace).await?;
        self.update(record, |_| ()).await
    }

    pub(super) async fn collect(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Collect).await?;
        // Whatever followed the log before, after this it is complete and closed.
        self.follow_log(record).await?;
        let head = self.log(&record.lease).await?.head();
        let count = self.manifest(&record.lease).await?.map_or(0, |m| m.outputs.len());
        let (dir, limits) = (self.state.lease(&record.lease), self.config.outputs);
        let collected = blocking(move || {
            // A container that was lost before it was made left no directories.
            let existing = (0..count).take_while(|&i| dir.output(i).exists()).count();
            Ok(outputs::collect(&dir, existing, &limits)?)
        })
        .await?;
        let mut root = [0; 32];
        hex::decode_to_slice(&collected.listing.root, &mut root).map_err(|e| OutputsError::Damaged {
            path: self.state.lease(&record.lease).root().to_owned(),
            reason: e.to_string(),
        })?;
        self.update(record, move |r| {
            r.output_root = Some(root);
            r.log_lines = head.lines;
            r.log_hash = head.hash;
            if !collected.message.is_empty() {
                r.message = collected.message;
            }
            r.reach(Phase::OutputsCollected);
        })
        .await
    }

    pub(super) async fn wipe(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Wipe).await?;
        self.driver.remove(&container_id(record)).await?;
        let (state, lease, now_ms) = (self.state.clone(), record.lease, self.clock.now_ms());
        blocking(move || Ok(wipe_work(&state, &lease)?)).await?;
        if let Some(log) = self.logs.get(&record.lease) {
            blocking(move || Ok(log.close().map(|_| ())?)).await?;
        }
        self.update(record, move |r| r.clear(now_ms)).await
    }

    async fn intend(&self, record: &LeaseRecord, step: Step) -> Result<(), WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        blocking(move || Ok(store.intend(&lease, step).map(|_| ())?)).await
    }

    /// Changes the record and leaves the intent as it is.
    async fn change(
        &self,
        record: &LeaseRecord,
        change: impl FnOnce(&mut LeaseRecord) + Send + 'static,
    ) -> Result<LeaseRecord, WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        blocking(move || {
            Ok(store.update(&lease, |r| {
                change(r);
                Ok(())
            })?)
        })
        .await
    }

    /// Changes the record at the end of a step.
    async fn update(
        &self,
        record: &LeaseRecord,
        change: impl FnOnce(&mut LeaseRecord) + Send + 'static,
    ) -> Result<LeaseRecord, WorkError> {
        self.change(record, |r| {
            change(r);
            r.intent = None;
        })
        .await
    }
}
