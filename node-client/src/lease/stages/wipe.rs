//! The lease is over: what its stages made is taken back, the last first.

use futures_util::future::BoxFuture;

use super::{Facts, Part, STAGES, Stage, StageName, Stands};
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker};
use crate::store::{LeaseRecord, Step};

/// See [`StageName::Wipe`].
pub(super) struct Wipe;

impl Stage for Wipe {
    fn name(&self) -> StageName {
        StageName::Wipe
    }

    fn part(&self) -> Part {
        Part::Ending
    }

    fn stands(&self, _: &Facts<'_>) -> Stands {
        Stands::Due(Action::Do(self.name())) // a lease that was cleared up is not looked at any more
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(async move {
            worker.intend(record, Step::Wipe).await?;
            for stage in STAGES.iter().rev() {
                stage.undo(worker, record).await?;
            }
            worker.passed(&record.lease);
            let now_ms = worker.clock.now_ms();
            worker.update(record, move |r| r.clear(now_ms)).await
        })
    }
}
