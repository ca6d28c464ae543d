//! Whether this machine can give leases a network.

use std::net::Ipv4Addr;

use gridlease_sdk::manifest::Bandwidth;
use solana_pubkey::Pubkey;

use super::dns::bind;
use super::rules::{Lane, Only, ruleset};
use super::{Connected, NetError, Networks, names, nft};

/// Whether the kernel forwards IPv4; Docker sees to it unless it is told not to.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

impl Networks {
    /// Tries everything that a lease's network needs, and leaves nothing behind.
    ///
    /// # Errors
    /// [`NetError`] with the first thing that does not work, in words for the operator.
    pub async fn probe(&self) -> Result<(), NetError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(NetError::NotRoot);
        }
        // The whole of it, so that a kernel without a part of it is found now and not by a buyer.
        let sample = |only| Lane {
            mark: "probe".to_owned(),
            bridge: names::bridge(&self.0.node, &self.0.node),
            subnet: ipnet::Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
            gateway: Ipv4Addr::new(192, 168, 0, 1),
            only,
            bandwidth: Some(Bandwidth { down_mbit: 1, up_mbit: 1 }),
        };
        let place = (Ipv4Addr::new(9, 9, 9, 9), 443);
        for only in [None, Some(Only { always: vec![place], learned: vec![(place, 60)] })] {
            nft::check(&ruleset(&self.0.node, &[sample(only)])).await?;
        }
        if std::fs::read_to_string(FORWARDING).unwrap_or_default().trim() != "1" {
            return Err(NetError::NoForwarding);
        }
        // A network under the node's own address, which no lease has.
        let (docker, node): (_, &Pubkey) = (&self.0.docker, &self.0.node);
        // That networks can be made is seen by those that are there; one more may find no addresses left.
        if let Some(lease) = docker.networked(node).await?.into_iter().find(|lease| lease != node)
            && let Some(subnet) = docker.find_network(node, &lease).await?
        {
            return self.can_listen(subnet.gateway).await;
        }
        let made = docker.make_network(node, node, &names::bridge(node, node)).await;
        let listened = match &made {
            Ok(subnet) => self.can_listen(subnet.gateway).await,
            Err(_) => Ok(()),
        };
        docker.remove_network(node, node).await?;
        made?;
        listened
    }

    /// Whether a resolver can listen there. One of this node's that does already is proof enough.
    async fn can_listen(&self, gateway: Ipv4Addr) -> Result<(), NetError> {
        let listens = |connected: &Connected| connected.lane.gateway == gateway && connected.resolver.is_some();
        if self.0.state.lock().await.leases.values().any(listens) {
            return Ok(());
        }
        bind(gateway).await.map(drop)
    }
}
