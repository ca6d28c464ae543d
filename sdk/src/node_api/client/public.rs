//! Opening and closing a lease's ports to the public.

use super::{NodeApi, NodeError, SMALL_ANSWER};
use crate::node_api::paths;
use crate::node_api::public::{Expose, Public, PublicPort, Token};
use bytes::Bytes;
use solana_pubkey::Pubkey;

impl NodeApi {
    /// Decides who may visit a port that the lease's manifest names. With [`Public::Token`], `token` is what opens it from now on;
    /// one of before does not any more.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where the port is not named, the lease is over, or the key is neither the buyer's nor its spender's.
    pub async fn expose(
        &self,
        lease: &Pubkey,
        port: u16,
        public: Public,
        token: Option<&Token>,
    ) -> Result<PublicPort, NodeError> {
        let asked = Expose { public, token_sha256: token.map(|token| hex::encode(token.hash())) };
        let path = paths::public(lease, port);
        let bad = |e: serde_json::Error| NodeError::BadAnswer { request: path.clone(), reason: e.to_string() };
        let body = Bytes::from(serde_json::to_vec(&asked).map_err(bad)?);
        let name = format!("PUT {path}");
        self.put(&path, "application/json", body, async |answer| self.json(&name, answer, SMALL_ANSWER).await).await
    }

    /// The node's endpoint, without a slash at its end.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
