//! Containers of this node that no lease needs: left by a store that was lost, or by a cleared lease whose removal the
//! engine undid (a restored machine). They are ended after a grace; what does not carry this node's label is never touched.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use solana_pubkey::Pubkey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::driver::{ContainerId, Driver, DriverError, Listed};
use crate::store::{Store, StoreError};

/// How long a container that no lease needs is left alone after it was first seen.
pub const GRACE: Duration = Duration::from_secs(300);
/// How often they are looked for.
const LOOK: Duration = Duration::from_secs(15);
/// Between asking such a container to end and killing it.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Most leases remembered.
const MAX_ORPHANS: usize = 4_096;

/// Why they could not be looked for, or one could not be removed. The next look tries again.
#[derive(Debug, thiserror::Error)]
pub enum DanglingError {
    /// The container engine.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The leases whose containers were ended because the store did not know them. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Orphans(Arc<Mutex<HashSet<Pubkey>>>);

impl Orphans {
    /// Whether the lease's container was ended without it.
    #[must_use]
    pub fn contains(&self, lease: &Pubkey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(lease)
    }

    fn add(&self, lease: Pubkey) {
        let mut orphans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if orphans.len() < MAX_ORPHANS {
            orphans.insert(lease);
        }
    }
}

/// Finds and ends them.
#[derive(Debug)]
pub struct Dangling {
    driver: Arc<dyn Driver>,
    store: Store,
    node: Pubkey,
    grace: Duration,
    first_seen: HashMap<ContainerId, Instant>,
    orphans: Orphans,
}

impl Dangling {
    /// For the containers with the label of `node`. Several nodes can share an engine: others' are theirs.
    #[must_use]
    pub fn new(driver: Arc<dyn Driver>, store: Store, node: Pubkey, grace: Duration) -> Self {
        Self { driver, store, node, grace, first_seen: HashMap::new(), orphans: Orphans::default() }
    }

    /// The leases whose containers it ends.
    #[must_use]
    pub fn orphans(&self) -> Orphans {
        self.orphans.clone()
    }

    /// Looks for them until the node shuts down.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                looked = self.look(Instant::now()) => if let Err(error) = looked {
                    tracing::warn!(%error, "containers without a lease cannot be looked for");
                },
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Ends and removes those that were first seen a grace before `now`, and returns them.
    ///
    /// # Errors
    /// [`DanglingError`].
    pub async fn look(&mut self, now: Instant) -> Result<Vec<Listed>, DanglingError> {
        let mut found = Vec::new();
        for listed in self.driver.list_labelled(&self.node).await? {
            if !self.is_needed(&listed)? {
                found.push(listed);
            }
        }
        self.first_seen.retain(|id, _| found.iter().any(|listed| listed.id == *id));
        let mut ended = Vec::new();
        for listed in found {
            let since = *self.first_seen.entry(listed.id.clone()).or_insert_with(|| {
                tracing::warn!(container = listed.name, grace = ?self.grace, "no lease needs this container of ours; it is removed after the grace");
                now
            });
            if now.saturating_duration_since(since) < self.grace {
                continue;
            }
            self.driver.stop(&listed.id, STOP_GRACE).await?;
            self.driver.remove(&listed.id).await?;
            self.first_seen.remove(&listed.id);
            listed.lease.iter().for_each(|lease| self.orphans.add(*lease));
            tracing::warn!(container = listed.name, "removed: no lease needs it");
            ended.push(listed);
        }
        Ok(ended)
    }

    /// A lease needs its container until it is cleared up.
    fn is_needed(&self, listed: &Listed) -> Result<bool, StoreError> {
        let Some(lease) = &listed.lease else { return Ok(false) };
        Ok(self.store.get(lease)?.is_some_and(|record| !record.is_cleared()))
    }
}
