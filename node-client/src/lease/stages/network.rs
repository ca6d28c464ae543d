//! The lease's network, behind its fence.

use futures_util::future::BoxFuture;
use gridlease_sdk::manifest::Manifest;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::Net;
use crate::lease::reconcile::Action;
use crate::lease::{WorkError, Worker};
use crate::net::{NetError, Networks};
use crate::store::{LeaseRecord, Step};

/// See [`StageName::Network`].
pub(super) struct Network;

impl Stage for Network {
    fn name(&self) -> StageName {
        StageName::Network
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        // A container was made with it, and its start looks after it once more.
        if facts.created || facts.local.network { Stands::Done } else { Stands::Due(Action::Do(self.name())) }
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(async move {
            worker.intend(record, Step::Connect).await?;
            worker.connect(record).await?;
            worker.update(record, |_| ()).await
        })
    }

    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            worker.disconnect(record).await;
            Ok(())
        })
    }
}

impl Worker {
    /// The same worker, which can give leases a network. Without it, it refuses those that want one.
    #[must_use]
    pub fn with_networks(mut self, net: Networks) -> Self {
        self.net = Some(net);
        self
    }

    /// Takes up the networks of leases that are open, and removes those of leases that are over. To be called once, at the start.
    ///
    /// # Errors
    /// [`WorkError::Store`]. What of the networks could not be taken up is said in the log, and tried again by the guard.
    pub async fn recover_networks(&self) -> Result<(), WorkError> {
        let Some(net) = &self.net else { return Ok(()) };
        let mut wanted = Vec::new();
        for record in self.store.all()?.into_iter().filter(|record| !record.is_cleared()) {
            // One whose manifest is damaged keeps its network, with no way out of it, until it is wiped.
            if let Ok(Some(manifest)) = self.manifest(&record.lease).await {
                wanted.push((record.lease, manifest.network, manifest.resources.network));
            }
        }
        if let Err(error) = net.recover(&wanted).await {
            // The leases without a network are served all the same.
            tracing::error!(%error, "leases' networks are not all as they should be; the node tries again");
        }
        Ok(())
    }

    /// The lease's network, made and fenced if it wants one.
    pub(in crate::lease) async fn connect(&self, record: &LeaseRecord) -> Result<Net, WorkError> {
        let manifest = self.manifest(&record.lease).await?.filter(|manifest| manifest.network.is_some());
        match (&self.net, manifest) {
            (_, None) => Ok(Net::None),
            (Some(net), Some(job)) => Ok(net.connect(&record.lease, &job.network, job.resources.network).await?),
            (None, Some(_)) => Err(NetError::NotOffered.into()),
        }
    }

    /// Whether the lease has the network that its job asks for, as far as this process made it.
    pub(in crate::lease) async fn is_connected(&self, record: &LeaseRecord, manifest: &Manifest) -> bool {
        match &self.net {
            Some(net) if manifest.network.is_some() => net.has(&record.lease).await,
            // The next step refuses it.
            None | Some(_) => true,
        }
    }

    /// Refuses a job that wants a network where there is none to give.
    pub(super) fn can_connect(&self, manifest: &Manifest) -> Result<(), NetError> {
        if manifest.network.is_some() && self.net.is_none() { Err(NetError::NotOffered) } else { Ok(()) }
    }

    /// Removes the lease's network. One that cannot be removed keeps no lease from its end: it stays behind its fence, with no way
    /// out, until the node starts again.
    async fn disconnect(&self, record: &LeaseRecord) {
        let lease = record.lease;
        match &self.net {
            Some(net) => {
                if let Err(error) = net.disconnect(&lease).await {
                    tracing::warn!(%lease, %error, "the lease's network stays for now; the next start of the node removes it");
                }
            }
            None if matches!(self.manifest(&lease).await, Ok(Some(manifest)) if manifest.network.is_some()) => {
                tracing::warn!(%lease, "the lease's network, if it has one, stays: this node gives none and removes none");
            }
            None => {}
        }
    }

    /// Whether the job's container has a network whose fence is gone and cannot be put back. That nobody here can look at it does
    /// not say so: the table stays in the kernel when a node ends.
    pub(in crate::lease) fn is_open(&self, manifest: &Manifest) -> bool {
        manifest.network.is_some() && self.net.as_ref().is_some_and(Networks::is_open)
    }
}
