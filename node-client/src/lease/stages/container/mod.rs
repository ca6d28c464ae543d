//! The container: made as its image wants it, with the folders that it writes to, and never started here.

mod fit;
mod making;
mod plan;

use futures_util::future::BoxFuture;

use super::{Facts, Part, Stage, StageName, Stands};
use gridlease_sdk::manifest::Manifest;

use crate::driver::{ContainerId, ContainerSpec, DriverError, Net};
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker, blocking, container_id};
use crate::state_dir::LeaseDir;
use crate::store::{LeaseRecord, Phase, Step};
use crate::wipe;

pub use plan::{PlanError, container_spec};

/// See [`StageName::Container`].
pub(super) struct Container;

impl Stage for Container {
    fn name(&self) -> StageName {
        StageName::Container
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        if facts.created { Stands::Done } else { Stands::Due(Action::Do(self.name())) }
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.create(record))
    }

    /// Removes the container and the folders that it wrote to and nobody keeps. What it wrote for the buyer stays.
    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            worker.driver.remove(&container_id(record)).await?;
            let (dir, disk) = (worker.state.lease(&record.lease), worker.disk.clone());
            let removed = blocking(move || {
                disk.attach(&dir)?; // they lie in it
                Ok(wipe::remove_unpacked(&dir.scratch())?)
            })
            .await;
            worker.unless_last(&record.lease, "removing what the job wrote and nobody keeps", removed).map(|_| ())
        })
    }
}

impl Worker {
    /// The job's own container as the manifest and what was sold want it, with its part of the manifest.
    pub(super) async fn spec(&self, record: &LeaseRecord) -> Result<(ContainerSpec, Manifest), WorkError> {
        let dir = self.state.lease(&record.lease);
        let path = dir.manifest();
        let unusable = |reason: String| WorkError::Manifest { path: path.clone(), reason };
        let manifest = self.manifest(&record.lease).await?.ok_or_else(|| unusable("it is gone".to_owned()))?;
        let sold = record.sold.as_ref().ok_or(WorkError::SoldUnknown)?;
        crate::sold::check(&manifest, sold).map_err(|e| unusable(e.to_string()))?;
        self.can_connect(&manifest)?;
        crate::runnable::check(&manifest).map_err(|e| unusable(e.to_string()))?;
        let own = manifest.own_part();
        let mut spec =
            container_spec(&self.config.node, record, &own, &dir, self.run_as).map_err(|e| unusable(e.to_string()))?;
        share_log(&mut spec, &manifest);
        Ok((spec, own))
    }

    pub(super) async fn create(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let (mut spec, manifest) = self.spec(record).await?;
        self.intend(record, Step::Create).await?;
        spec.net = match self.pod(record).await? {
            Some(pod) => Net::Of(pod),
            None => self.connect(record).await?,
        };
        let id = self.make_anyway(record, &self.state.lease(&record.lease), &manifest, &spec).await?;
        self.update(record, move |r| {
            r.container = Some(id);
            r.reach(Phase::Created);
        })
        .await
    }

    /// Makes a container, with its image pulled once more where that was removed since.
    pub(super) async fn make_anyway(
        &self,
        record: &LeaseRecord,
        dir: &LeaseDir,
        manifest: &Manifest,
        spec: &ContainerSpec,
    ) -> Result<ContainerId, WorkError> {
        match self.make(dir, manifest, spec).await {
            Err(WorkError::Driver(DriverError::ImageNotFound { .. })) => {
                self.have_image(record, &spec.image, self.config.max_image_bytes).await?;
                self.make(dir, manifest, spec).await
            }
            made => made,
        }
    }
}

/// Each of the job's containers has its part of what the engine keeps of their output.
pub(super) fn share_log(spec: &mut ContainerSpec, job: &Manifest) {
    spec.limits.log_bytes /= containers(job);
}

/// The part of the job's disk that the log of each of its containers has, bytes.
pub(crate) fn log_bytes(job: &Manifest) -> u64 {
    job.resources.disk_parts().log / containers(job)
}

fn containers(job: &Manifest) -> u64 {
    u64::try_from(job.services.len()).unwrap_or(u64::MAX).saturating_add(1)
}
