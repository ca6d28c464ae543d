//! Whether this node gives leases a network, and what the operator is told of it.

use solana_pubkey::Pubkey;

use super::NodeConfig;
use crate::driver::EngineInfo;
use crate::driver::docker::DockerDriver;
use crate::net::{NetError, Networks, Upstream};

/// What came of it.
pub(super) struct Given {
    /// For leases that have a network, also where no new ones are taken.
    pub usable: Option<Networks>,
    /// Whether the offer says so.
    pub offered: bool,
}

/// Tries what leases' networks need, and says in one line whether they are offered.
pub(super) async fn open(docker: DockerDriver, engine: &EngineInfo, node: Pubkey, config: &NodeConfig) -> Given {
    let tried = async {
        if engine.podman {
            return Err(NetError::NotDocker);
        }
        let networks = Networks::new(docker, node, Upstream::new(&config.egress_dns)?);
        networks.probe().await?;
        Ok(networks)
    };
    match tried.await {
        Ok(networks) if config.offer.egress => {
            tracing::info!(
                "egress is offered: leases that ask for it reach the public internet, and nothing of this network"
            );
            Given { usable: Some(networks), offered: true }
        }
        Ok(networks) => {
            tracing::info!("egress is not offered: the operator does not give it");
            Given { usable: Some(networks), offered: false }
        }
        Err(error) => {
            tracing::warn!("egress is not offered: {error}");
            Given { usable: None, offered: false }
        }
    }
}
