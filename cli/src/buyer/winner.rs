//! The node that has a lease: that of the machine behind its offer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gridlease_sdk::account::{Lease, Offer};
use gridlease_sdk::machine::ProviderMachine;
use gridlease_sdk::node_api::client::NodeApi;
use solana_pubkey::Pubkey;

use super::Buyer;
use crate::error::CliError;

/// How long a node is given to say whether it knows a lease.
const PATIENCE: Duration = Duration::from_secs(10);

impl Buyer {
    /// The client for the node that has `lease`, which `provider` won, with the certificate that its machine registered.
    ///
    /// As long as the lease has an account, that names its offer, and that its machine. Later only the nodes of the provider know
    /// which of them it was, and are asked: each request is signed for the machine that gets it, and serves at no other.
    ///
    /// # Errors
    /// [`CliError::Missing`], [`CliError::State`] where no node knows the lease, [`CliError::Node`].
    pub async fn node_of(&self, provider: &Pubkey, lease: &Pubkey) -> Result<NodeApi, CliError> {
        self.node_at(&self.machine_with(provider, lease).await?)
    }

    /// The machine that has `lease`; as [`Buyer::node_of`].
    ///
    /// # Errors
    /// As [`Buyer::node_of`].
    pub async fn machine_with(&self, provider: &Pubkey, lease: &Pubkey) -> Result<ProviderMachine, CliError> {
        let client = self.chain().client();
        if let Some(account) = client.find::<Lease>(lease).await?
            && let Some(offer) = client.find::<Offer>(&account.offer).await?
        {
            return Ok(client.machine_of(&offer).await?);
        }
        let _: gridlease_sdk::account::Provider = self.chain().get(provider, "its provider is gone").await?;
        let machines = client.machines_of(provider).await?;
        if let [only] = machines.as_slice() {
            return Ok(only.clone());
        }
        // All at once: one that is off, or says nothing, holds up no other.
        let asked = machines.iter().map(|machine| async {
            let node = self.node_at(machine).ok()?;
            let answer = tokio::time::timeout(PATIENCE, node.status(lease)).await;
            answer.is_ok_and(|status| status.is_ok()).then(|| machine.clone())
        });
        if let Some(machine) = join_all(asked).await.into_iter().flatten().next() {
            return Ok(machine);
        }
        Err(CliError::State(format!(
            "none of the {} nodes of provider {provider} answers for lease {lease}: its machine may be closed or not reachable now; try again",
            machines.len()
        )))
    }

    /// The client for a machine's node.
    pub(crate) fn node_at(&self, machine: &ProviderMachine) -> Result<NodeApi, CliError> {
        Ok(NodeApi::new(&machine.endpoint, machine.cert_fingerprint, machine.address, Arc::clone(&self.key) as _)?)
    }
}
