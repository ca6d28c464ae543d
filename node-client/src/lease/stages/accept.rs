//! A won lease is taken on: its record and its folder.

use futures_util::future::BoxFuture;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::lease::{WorkError, Worker, blocking};
use crate::store::{LeaseRecord, NewLease};

/// See [`StageName::Accept`].
pub(super) struct Accept;

impl Stage for Accept {
    fn name(&self) -> StageName {
        StageName::Accept
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, _: &Facts<'_>) -> Stands {
        Stands::Done // without its record nobody would ask
    }

    /// Closes the log and gives back what the outputs set aside and do not need. Record, log and outputs stay for the buyer until
    /// [`Worker::prune`].
    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            let (dir, disk, log) =
                (worker.state.lease(&record.lease), worker.disk.clone(), worker.logs.get(&record.lease));
            let closed = blocking(move || {
                if let Some(log) = log {
                    log.close()?;
                }
                Ok(disk.release(&dir)?)
            })
            .await;
            worker.unless_last(&record.lease, "clearing up", closed).map(|_| ())
        })
    }
}

impl Worker {
    /// Takes a won lease on: its record and its directory. Safe to call again.
    ///
    /// # Errors
    /// [`WorkError::Store`] or [`WorkError::Files`].
    pub async fn adopt(&self, lease: NewLease) -> Result<LeaseRecord, WorkError> {
        let (this, now_ms) = (self.clone(), self.clock.now_ms());
        blocking(move || {
            this.state.lease(&lease.lease).create(0, this.run_as)?;
            Ok(this.store.insert(lease, now_ms)?)
        })
        .await
    }
}
