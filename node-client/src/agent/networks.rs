//! Whether this node gives leases a network, and what the operator is told of it.

use solana_pubkey::Pubkey;

use super::NodeConfig;
use crate::driver::EngineInfo;
use crate::driver::docker::DockerDriver;
use crate::net::{NetError, Networks, Upstream};

/// What came of it.
pub(super) struct Given {
    /// For leases that have a network, also where no new ones are taken; `None` with an engine that never gave one.
    pub usable: Option<Networks>,
    /// Whether the offer says so.
    pub offered: bool,
}

/// Tries what leases' networks need, and says in one line whether they are offered. Where they are not, those of leases that are
/// there are looked after all the same: their fence may well stand.
pub(super) async fn open(docker: DockerDriver, engine: &EngineInfo, node: Pubkey, config: &NodeConfig) -> Given {
    if engine.podman {
        tracing::warn!("egress is not offered: {}", NetError::NotDocker);
        return Given { usable: None, offered: false };
    }
    let (upstream, named) = match Upstream::new(&config.egress_dns) {
        Ok(upstream) => (upstream, Ok(())),
        Err(error) => (Upstream::nobody(), Err(error)),
    };
    let networks = Networks::new(docker, node, upstream);
    let probed = match named {
        Ok(()) => networks.probe().await,
        none => none,
    };
    let offered = probed.is_ok() && config.offer.egress;
    match probed {
        Ok(()) if offered => tracing::info!(
            "egress is offered: leases that ask for it reach the public internet, and nothing of this network"
        ),
        Ok(()) => tracing::info!("egress is not offered: the operator does not give it"),
        Err(error) => tracing::warn!("egress is not offered: {error}"),
    }
    Given { usable: Some(networks), offered }
}
