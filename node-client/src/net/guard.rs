//! Looks after the fence while the node runs.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Networks;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(2);

impl Networks {
    /// Looks until the node shuts down. The table stays then, as the containers do.
    pub async fn guard(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(error) = self.check().await {
                tracing::error!(%error, open = self.is_open(), "leases' networks are not as they should be");
            }
        }
    }
}
