//! The secrets: brought by the buyer, sealed to the lease; given to the container's user when that is known.

use futures_util::future::BoxFuture;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::ContainerSpec;
use crate::lease::reconcile::Need;
use crate::lease::{WorkError, Worker, blocking};
use crate::secrets::{self, INIT};
use crate::state_dir::{give_all, write_atomically};
use crate::store::LeaseRecord;

/// See [`StageName::Secrets`].
pub(super) struct Secrets;

impl Stage for Secrets {
    fn name(&self) -> StageName {
        StageName::Secrets
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        match facts.local.secrets {
            Need::Here => Stands::Done,
            // There is nowhere to fetch them from.
            Need::Await | Need::Fetch => Stands::Lacks("the secrets were not pushed"),
        }
    }

    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            let dir = worker.state.lease(&record.lease);
            let removed = blocking(move || Ok(secrets::remove(&dir)?)).await;
            worker.unless_last(&record.lease, "removing the secrets", removed).map(|_| ())
        })
    }
}

/// Gives the secrets to the container's user, and puts the node's own program there.
pub(super) async fn give_own(spec: &ContainerSpec) -> Result<(), WorkError> {
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
