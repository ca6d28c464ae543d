//! The image: pulled by digest and verified.

use futures_util::future::BoxFuture;
use gridlease_sdk::node_api::PullProgress;
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::{ImageRef, Pull};
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker, blocking};
use crate::secrets;
use crate::store::{LeaseRecord, Phase, Step};

/// See [`StageName::Image`]. It stays when the lease is over: the next one may want it.
pub(super) struct Image;

impl Stage for Image {
    fn name(&self) -> StageName {
        StageName::Image
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        match facts.record.phase {
            Phase::Won | Phase::InputsReady | Phase::Pulling if !facts.created => Stands::Due(Action::Do(self.name())),
            _ => Stands::Done,
        }
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.pull(record))
    }
}

impl Worker {
    async fn pull(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let (spec, _) = self.spec(record).await?;
        let services = self.service_images(record).await?;
        self.intend(record, Step::Pull).await?;
        self.change(record, |r| {
            r.reach(Phase::InputsReady);
            r.reach(Phase::Pulling);
        })
        .await?;
        // What the owner allows is for all of a job's images together; one that several containers have counts once.
        let (mut bytes, mut here) = (0u64, Vec::new());
        for image in std::iter::once(&spec.image).chain(&services) {
            if !here.contains(&image) {
                let left = self.config.max_image_bytes.saturating_sub(bytes);
                bytes = bytes.saturating_add(self.have_image(record, image, left).await?);
                here.push(image);
            }
        }
        self.update(record, move |r| {
            r.image_bytes = Some(bytes);
            r.reach(Phase::Pulled);
        })
        .await
    }

    /// Has the image here, with the job's login where it has one. Images for which a login was given are remembered before they are
    /// pulled: from then on no job is run from the copy here unless the registry shows it to that job. Its unpacked size, at most
    /// `max_bytes`.
    pub(super) async fn have_image(
        &self,
        record: &LeaseRecord,
        image: &ImageRef,
        max_bytes: u64,
    ) -> Result<u64, WorkError> {
        let manifest = self.manifest(&record.lease).await?;
        let (store, dir, of) = (self.store.clone(), self.state.lease(&record.lease), image.clone());
        let (login, guarded) = blocking(move || {
            let login = manifest.and_then(|manifest| secrets::login(&manifest, &dir, &of).transpose()).transpose()?;
            if login.is_some() {
                store.guard_image(of.digest())?;
            }
            Ok((login, store.is_image_guarded(of.digest())?))
        })
        .await?;
        let pull = Pull { max_bytes, login: login.as_ref(), guarded };
        let (progress, receiver) = watch::channel(PullProgress::default());
        self.pulls().insert(record.lease, receiver);
        let pulled = self.driver.pull(image, pull, &progress).await;
        self.pulls().remove(&record.lease);
        Ok(pulled?)
    }

    /// How far the lease's image pull is, while there is one.
    #[must_use]
    pub fn pull_progress(&self, lease: &Pubkey) -> Option<PullProgress> {
        self.pulls().get(lease).map(|progress| *progress.borrow())
    }
}
