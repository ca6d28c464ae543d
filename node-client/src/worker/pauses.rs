//! Sees when a container is made to stand still from outside the node: that time is not billed.

use std::time::Duration;

use super::{WorkError, Worker, blocking};
use crate::driver::ContainerState;
use crate::store::LeaseRecord;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

impl Worker {
    /// Writes down when the container stands still and when it goes on, until it has ended. To be run beside the main loop,
    /// which may wait long for the chain.
    ///
    /// # Errors
    /// [`WorkError::Driver`] or [`WorkError::Store`]; to be called again then.
    pub async fn watch_pauses(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let mut known = None;
        while let ContainerState::Running { paused, .. } = self.observe(record).await? {
            self.seen_running().insert(record.lease, self.clock.now_ms());
            if known != Some(paused) {
                let (store, lease, now_ms) = (self.store.clone(), record.lease, self.clock.now_ms());
                let news = blocking(move || {
                    let mut news = false;
                    store.update(&lease, |record| {
                        news = record.seen_paused(paused, now_ms);
                        Ok(())
                    })?;
                    Ok(news)
                })
                .await?;
                known = Some(paused);
                if news && paused {
                    tracing::warn!(lease = %record.lease, "the container is paused from outside the node: the time is not billed; `docker unpause` resumes it");
                } else if news {
                    tracing::info!(lease = %record.lease, "the container goes on after a pause");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
