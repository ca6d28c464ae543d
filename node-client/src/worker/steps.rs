//! The steps themselves: intent, effect, record.

use tokio::sync::watch;

use super::probe::UNREADY_EXIT_CODE;
use super::{WorkError, Worker, blocking, container_id, container_spec};
use crate::driver::{ContainerSpec, ContainerState, DriverError};
use crate::outputs::OutputsError;
use crate::reconcile::Note;
use crate::store::{Blame, LeaseRecord, Phase, Step, StopReason};
use gridlease_sdk::node_api::PullProgress;

impl Worker {
    pub(super) async fn note(&self, record: &LeaseRecord, note: Note) -> Result<LeaseRecord, WorkError> {
        if matches!(note, Note::Started(_)) {
            // It runs, and this machine's memory of it was lost: with it, what it may reach.
            self.connect(record).await?;
        }
        let now_ms = self.clock.now_ms();
        let ended_ms = match &note {
            Note::Ended(ended) => {
                let told = if ended.at_ms > 0 { self.clock.chain_ms_of_host(ended.at_ms) } else { now_ms };
                // An engine whose clock is not this machine's tells times that mean little here.
                told.max(self.seen_running().remove(&record.lease).unwrap_or(told))
            }
            _ => now_ms,
        };
        let unready = self.unready_words(&record.lease);
        self.update(record, move |r| match note {
            Note::Started(at_ms) => {
                r.started_at_ms = Some(at_ms);
                r.reach(Phase::Started);
            }
            Note::Ready => r.meter_started(now_ms),
            Note::Ended(ended) => r.container_ended(ended, ended_ms),
            Note::Unready => {
                r.message.clone_from(&unready);
                // As for a program that is not there: what the buyer asks for cannot be run.
                r.blame = Blame::Engine { exit_code: UNREADY_EXIT_CODE };
                r.reach(Phase::Failed { reason: unready });
            }
            Note::Failed(reason, blame) => {
                r.message.clone_from(&reason);
                r.blame = blame;
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
            let room = {
                let dir = dir.clone();
                blocking(move || Ok(crate::inputs::room(&dir))).await?
            };
            self.fetcher.fetch_within(&dir, &input, room).await?;
        }
        let complete = self.missing_inputs(&record.lease).await?.is_empty();
        self.update(record, move |r| {
            if complete {
                r.reach(Phase::InputsReady);
            }
        })
        .await
    }

    pub(super) async fn spec(&self, record: &LeaseRecord) -> Result<ContainerSpec, WorkError> {
        let dir = self.state.lease(&record.lease);
        let path = dir.manifest();
        let unusable = |reason: String| WorkError::Manifest { path: path.clone(), reason };
        let manifest = self.manifest(&record.lease).await?.ok_or_else(|| unusable("it is gone".to_owned()))?;
        let sold = record.sold.as_ref().ok_or(WorkError::SoldUnknown)?;
        crate::sold::check(&manifest, sold).map_err(|e| unusable(e.to_string()))?;
        self.can_connect(&manifest)?;
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
        let mut spec = self.spec(record).await?;
        self.intend(record, Step::Create).await?;
        spec.net = self.connect(record).await?;
        let created = match self.make(record, &spec).await {
            // The image was removed since it was pulled.
            Err(WorkError::Driver(DriverError::ImageNotFound { .. })) => {
                self.have_image(record, &spec).await?;
                self.make(record, &spec).await
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
        // The machine may have been started again since the container was created.
        let (dir, disk) = (self.state.lease(&record.lease), self.disk.clone());
        blocking(move || Ok(disk.attach(&dir)?)).await?;
        self.connect(record).await?;
        self.give_again(record).await?;
        let id = container_id(record);
        self.driver.start(&id).await?;
        let started_at_ms = match self.driver.inspect(&id).await? {
            ContainerState::Running { started_at_ms, .. } => started_at_ms,
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
        let head = self.last_log(record).await?;
        let (collected, full) = self.last_outputs(record).await?;
        let mut root = [0; 32];
        hex::decode_to_slice(&collected.listing.root, &mut root).map_err(|e| OutputsError::Damaged {
            path: self.state.lease(&record.lease).root().to_owned(),
            reason: e.to_string(),
        })?;
        self.passed(&record.lease);
        self.update(record, move |r| {
            r.output_root = Some(root);
            r.log_lines = head.lines;
            r.log_hash = head.hash;
            if full {
                r.stop.get_or_insert(StopReason::DiskFull);
            }
            // Of trouble on the way nothing needs to be said any more.
            r.message = collected.message;
            r.reach(Phase::OutputsCollected);
        })
        .await
    }

    pub(super) async fn wipe(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Wipe).await?;
        self.driver.remove(&container_id(record)).await?;
        self.last_files(record).await?;
        self.disconnect(record).await;
        self.passed(&record.lease);
        let now_ms = self.clock.now_ms();
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
