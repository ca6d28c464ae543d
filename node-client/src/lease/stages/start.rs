//! The container's start.

use futures_util::future::BoxFuture;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::ContainerState;
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker, blocking, container_id};
use crate::secrets;
use crate::store::{LeaseRecord, Phase, Step};

/// See [`StageName::Start`].
pub(super) struct Start;

impl Stage for Start {
    fn name(&self) -> StageName {
        StageName::Start
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, _: &Facts<'_>) -> Stands {
        Stands::Due(Action::Do(self.name())) // it is looked at only while the container has not run
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.start(record))
    }
}

impl Worker {
    async fn start(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.intend(record, Step::Start).await?;
        self.prepare_start(record).await?;
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

    /// What the container needs to start, once more: the machine may have been started again since it was created.
    pub(super) async fn prepare_start(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let (dir, disk) = (self.state.lease(&record.lease), self.disk.clone());
        blocking(move || {
            disk.attach(&dir)?;
            // All containers are made: nothing is pulled any more.
            Ok(secrets::forget_login(&dir)?)
        })
        .await?;
        self.connect(record).await?;
        self.give_again(record).await
    }
}
