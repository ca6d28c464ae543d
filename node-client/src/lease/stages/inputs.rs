//! The inputs: pushed by the buyer, or fetched; each has its hash.

use futures_util::future::BoxFuture;
use futures_util::{TryStreamExt as _, stream};
use solana_pubkey::Pubkey;

use super::{Facts, Part, Stage, StageName, Stands, by_need};
use crate::inputs::{Missing, Room, missing};
use crate::lease::{WorkError, Worker, blocking};
use crate::store::{LeaseRecord, Phase, Step};
use crate::wipe;

/// Most inputs of a lease that are loaded at the same time.
const AT_ONCE: usize = 4;

/// See [`StageName::Inputs`].
pub(super) struct Inputs;

impl Stage for Inputs {
    fn name(&self) -> StageName {
        StageName::Inputs
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        by_need(
            facts,
            facts.local.inputs,
            self.name(),
            "an input was not pushed",
            "an input could not be loaded from where the manifest says",
        )
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.fetch_inputs(record))
    }

    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            let dir = worker.state.lease(&record.lease);
            let removed = blocking(move || Ok(wipe::remove_inputs(&dir)?)).await;
            worker.unless_last(&record.lease, "removing the inputs", removed).map(|_| ())
        })
    }
}

impl Worker {
    /// The inputs that are not here yet; empty without a manifest.
    ///
    /// # Errors
    /// [`WorkError::Manifest`] or [`WorkError::Input`].
    pub async fn missing_inputs(&self, lease: &Pubkey) -> Result<Vec<Missing>, WorkError> {
        let Some(manifest) = self.manifest(lease).await? else { return Ok(Vec::new()) };
        let dir = self.state.lease(lease);
        blocking(move || Ok(missing(&manifest, &dir)?)).await
    }

    async fn fetch_inputs(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        self.spec(record).await?; // nothing is fetched for a job that will not run
        self.intend(record, Step::FetchInputs).await?;
        let dir = self.state.lease(&record.lease);
        let (fetchable, room) = {
            let (dir, missing) = (dir.clone(), self.missing_inputs(&record.lease).await?);
            blocking(move || {
                let fetchable: Vec<Missing> = missing.into_iter().filter(|input| input.is_fetchable(&dir)).collect();
                Ok((fetchable, Room::of(&dir)))
            })
            .await?
        };
        let (dir, room) = (&dir, &*room);
        stream::iter(fetchable.into_iter().map(Ok::<_, WorkError>))
            .try_for_each_concurrent(
                AT_ONCE,
                |input| async move { Ok(self.fetcher.fetch_within(dir, &input, room).await?) },
            )
            .await?;
        let complete = self.missing_inputs(&record.lease).await?.is_empty();
        self.update(record, move |r| {
            if complete {
                r.reach(Phase::InputsReady);
            }
        })
        .await
    }
}
