//! The container: made as its image wants it, with the folders that it writes to, and never started here.

mod fit;
mod making;
mod plan;

use futures_util::future::BoxFuture;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::{ContainerSpec, DriverError};
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker, blocking, container_id};
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
    /// The container as the manifest and what was sold want it.
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

    async fn create(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
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
}
