//! Handing over secrets.

use super::{NodeApi, NodeError, SMALL_ANSWER};
use crate::node_api::paths;
use crate::node_api::secrets::{LeaseKey, Secrets};
use bytes::Bytes;
use solana_pubkey::Pubkey;

impl NodeApi {
    /// Seals `secrets` to the lease's key and hands them over. `node` is the node key that stands in the account of the lease's
    /// offer: nothing is sent to whoever does not have it. A node that has them already says so.
    ///
    /// # Errors
    /// [`NodeError::Secrets`] where the key is not that node's, or the call's.
    pub async fn push_secrets(&self, lease: &Pubkey, node: &Pubkey, secrets: &Secrets) -> Result<(), NodeError> {
        let key: LeaseKey = self.get(&paths::key(lease), SMALL_ANSWER).await?;
        let sealed = Bytes::from(key.seal(lease, node, secrets)?);
        let path = paths::secrets(lease);
        self.put(&path, "application/octet-stream", sealed, async |_| Ok(())).await
    }
}
