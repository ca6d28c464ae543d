//! The steps themselves: intent, effect, record.

use std::path::Path;

use tokio::sync::watch;

use super::fit::{Asked, Fitted, Place, fit};
use super::probe::UNREADY_EXIT_CODE;
use super::{WorkError, Worker, blocking, container_id, container_spec};
use crate::disk::Quota;
use crate::driver::{ContainerId, ContainerSpec, ContainerState, DriverError, RunAs, Unpacked, Wanted};
use crate::inputs::{InputError, present_bytes};
use crate::outputs::OutputsError;
use crate::reconcile::Note;
use crate::secrets::INIT;
use crate::state_dir::{LeaseDir, StateDirError, at, give_all, make_dir, write_atomically};
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

    async fn spec(&self, record: &LeaseRecord) -> Result<ContainerSpec, WorkError> {
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
        let created = match self.prepare(record, &spec).await {
            // The image was removed since it was pulled.
            Err(WorkError::Driver(DriverError::ImageNotFound { .. })) => {
                self.have_image(record, &spec).await?;
                self.prepare(record, &spec).await
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

    /// Makes the container, as its image wants it, with the folders that it writes to.
    async fn prepare(&self, record: &LeaseRecord, spec: &ContainerSpec) -> Result<ContainerId, WorkError> {
        let Some(manifest) = self.manifest(&record.lease).await? else { return Ok(self.driver.create(spec).await?) };
        let facts = self.driver.look(&spec.image).await?;
        let dir = self.state.lease(&record.lease);
        let inputs = {
            let dir = dir.clone();
            blocking(move || Ok(present_bytes(&dir))).await?
        };
        let quota = Quota::of(&manifest.resources, inputs)
            .ok_or_else(|| InputError::NoRoom { bytes: inputs, room: manifest.resources.disk_parts().files })?;
        let scratch: Vec<String> = manifest.scratch.iter().map(|scratch| scratch.path.clone()).collect();
        let free_user = nix::unistd::geteuid().is_root();
        let mut plain_home = false;
        loop {
            let asked = Asked { scratch: &scratch, quota, free_user, plain_home };
            let fitted = fit(spec.clone(), &facts, &dir, asked)?;
            self.make_room(&dir, quota, manifest.outputs.len(), fitted.spec.run_as).await?;
            if self.fill(&dir, &fitted).await? {
                give_own(&fitted.spec).await?;
                return Ok(self.driver.create(&fitted.spec).await?);
            }
            // Without what the image has in its home, which is not asked a second time.
            plain_home = true;
        }
    }

    /// The folders of the outputs, in room that is set aside for all that the container writes.
    async fn make_room(&self, dir: &LeaseDir, quota: Quota, outputs: usize, run_as: RunAs) -> Result<(), WorkError> {
        let (dir, disk) = (dir.clone(), self.disk.clone());
        blocking(move || {
            disk.prepare(&dir, quota)?;
            Ok(dir.create(outputs, run_as)?)
        })
        .await
    }

    /// The folders that the container writes to and nobody keeps, each with what its image has there. False where the home that
    /// the image asks for holds too much, or is no folder.
    async fn fill(&self, dir: &LeaseDir, fitted: &Fitted) -> Result<bool, WorkError> {
        let missing: Vec<_> = fitted.places.iter().filter(|place| !place.wanted.into.exists()).collect();
        let around = dir.scratch();
        blocking(move || Ok(clear_unfinished(&around)?)).await?;
        let unfinished =
            |place: &&Place| Wanted { into: place.wanted.into.with_extension(UNFINISHED), ..place.wanted.clone() };
        let wanted: Vec<_> = missing.iter().map(unfinished).collect();
        let unpacked = self.driver.unpack(&fitted.spec.image, &wanted).await?;
        for (place, unpacked) in missing.into_iter().zip(unpacked) {
            let Wanted { path, into, .. } = &place.wanted;
            let reason = match unpacked {
                Unpacked::Copied | Unpacked::Nothing => {
                    let (into, run_as) = (into.clone(), fitted.spec.run_as);
                    blocking(move || Ok(finish_place(&into, run_as)?)).await?;
                    continue;
                }
                Unpacked::TooMuch | Unpacked::NotAFolder if place.spare => return Ok(false),
                Unpacked::TooMuch => {
                    format!("what it has at {path} does not fit into the job's disk; raise resources.disk")
                }
                Unpacked::NotAFolder => format!("{path} is a file in it, and not a folder"),
            };
            return Err(DriverError::ImageUnfit { image: fitted.spec.image.to_string(), reason }.into());
        }
        if let Some(text) = fitted.passwd.clone() {
            let path = dir.passwd();
            blocking(move || Ok(write_atomically(&path, text.as_bytes(), 0o444)?)).await?;
        }
        Ok(true)
    }

    pub(super) async fn start(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Start).await?;
        // The machine may have been started again since the container was created.
        let (dir, disk) = (self.state.lease(&record.lease), self.disk.clone());
        blocking(move || Ok(disk.attach(&dir)?)).await?;
        self.connect(record).await?;
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

/// Gives the secrets to the container's user, and puts the node's own program there.
async fn give_own(spec: &ContainerSpec) -> Result<(), WorkError> {
    let spec = spec.clone();
    blocking(move || {
        if let Some(secrets) = &spec.secrets {
            give_all(&secrets.dir, spec.run_as)?;
        }
        if let Some(init) = &spec.init {
            write_atomically(init, INIT, 0o555)?;
        }
        Ok(())
    })
    .await
}

/// Ending of the name of a folder that is not filled yet.
const UNFINISHED: &str = "new";

/// Makes the folder of the places, and removes from it what a node that died was filling.
fn clear_unfinished(around: &Path) -> Result<(), StateDirError> {
    make_dir(around)?;
    for entry in std::fs::read_dir(around).map_err(at("read", around))? {
        let entry = entry.map_err(at("read", around))?;
        if entry.file_name().as_encoded_bytes().iter().any(|byte| !byte.is_ascii_digit()) {
            std::fs::remove_dir_all(entry.path()).map_err(at("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Gives a folder that was unpacked, or an empty one, to the container's user. It has its name only when it is complete.
fn finish_place(into: &Path, run_as: RunAs) -> Result<(), StateDirError> {
    let unfinished = into.with_extension(UNFINISHED);
    make_dir(&unfinished)?;
    give_all(&unfinished, run_as)?;
    std::fs::rename(&unfinished, into).map_err(at("rename", &unfinished))
}
