//! A lease's network: a bridge of its own, labelled as containers are.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{Ipam, NetworkCreateRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{InspectContainerOptions, InspectNetworkOptions, ListNetworksOptionsBuilder};
use ipnet::Ipv4Net;
use solana_pubkey::Pubkey;

use super::{DockerDriver, engine, is_conflict, is_missing};
use crate::driver::{DriverError, LABEL_LEASE, LABEL_NODE, container_name};

/// The bridge's name.
const BRIDGE: &str = "com.docker.network.bridge.name";
/// The node's own table masquerades, where Docker's firewall is on and where it is off.
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";

/// The addresses of a lease's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// All of them.
    pub(crate) range: Ipv4Net,
    /// The host's.
    pub(crate) gateway: Ipv4Addr,
}

impl DockerDriver {
    /// Makes a lease's network with the bridge of that name, if it is not there.
    pub(crate) async fn make_network(
        &self,
        node: &Pubkey,
        lease: &Pubkey,
        bridge: &str,
    ) -> Result<Subnet, DriverError> {
        if let Some(found) = self.find_network(node, lease).await? {
            return Ok(found);
        }
        let labels = [(LABEL_NODE, node.to_string()), (LABEL_LEASE, lease.to_string())];
        let options = [(BRIDGE, bridge), (MASQUERADE, "false")];
        let request = NetworkCreateRequest {
            name: container_name(lease),
            driver: Some("bridge".to_owned()),
            enable_ipv6: Some(false),
            labels: Some(labels.map(|(label, value)| (label.to_owned(), value)).into()),
            options: Some(options.map(|(option, value)| (option.to_owned(), value.to_owned())).into()),
            ..NetworkCreateRequest::default()
        };
        match self.docker.create_network(request).await {
            Ok(_) => {}
            Err(e) if is_conflict(&e) => {}
            Err(e) => return Err(engine("make a network", &e)),
        }
        let missing =
            || DriverError::Engine { what: "make a network", reason: "it is not there afterwards".to_owned() };
        self.find_network(node, lease).await?.ok_or_else(missing)
    }

    /// A lease's network, if it is there.
    pub(crate) async fn find_network(&self, node: &Pubkey, lease: &Pubkey) -> Result<Option<Subnet>, DriverError> {
        let name = container_name(lease);
        let found = match self.docker.inspect_network(&name, None::<InspectNetworkOptions>).await {
            Ok(found) => found,
            Err(e) if is_missing(&e) => return Ok(None),
            Err(e) => return Err(engine("look at a network", &e)),
        };
        let labels = found.labels.unwrap_or_default();
        let is = |label: &str, value: &Pubkey| labels.get(label) == Some(&value.to_string());
        if !is(LABEL_NODE, node) || !is(LABEL_LEASE, lease) {
            return Err(DriverError::NameTaken { name });
        }
        let odd = || DriverError::Engine { what: "look at a network", reason: "it has no IPv4 addresses".to_owned() };
        subnet(found.ipam.unwrap_or_default()).map(Some).ok_or_else(odd)
    }

    /// Removes a lease's network, from under whatever else than its own container is connected to it. One that its container uses
    /// stays, with an error.
    pub(crate) async fn remove_network(&self, node: &Pubkey, lease: &Pubkey) -> Result<(), DriverError> {
        if self.find_network(node, lease).await?.is_none() {
            return Ok(());
        }
        let name = container_name(lease);
        let removed = match self.docker.remove_network(&name).await {
            Err(e) if !is_missing(&e) => {
                // "has active endpoints": of a container that is gone, as an engine that was killed leaves them, or of one that
                // somebody connected by hand.
                self.clear_network(&name).await?;
                self.docker.remove_network(&name).await
            }
            removed => removed,
        };
        match removed {
            Err(e) if !is_missing(&e) => Err(engine("remove a network", &e)),
            _ => Ok(()),
        }
    }

    /// Disconnects everything from a lease's network but the lease's own container.
    async fn clear_network(&self, name: &str) -> Result<(), DriverError> {
        let found = self.docker.inspect_network(name, None::<InspectNetworkOptions>).await;
        let ends = match found {
            Ok(found) => found.containers.unwrap_or_default(),
            Err(e) if is_missing(&e) => return Ok(()),
            Err(e) => return Err(engine("look at a network", &e)),
        };
        for (id, end) in ends {
            let of = end.name.filter(|name| !name.is_empty()).unwrap_or(id);
            if of == name && self.is_there(name).await? {
                continue;
            }
            let request = NetworkDisconnectRequest { container: of.clone(), force: Some(true) };
            match self.docker.disconnect_network(name, request).await {
                Ok(()) => tracing::warn!(network = name, container = of, "disconnected from a network that is over"),
                Err(e) if is_missing(&e) => {}
                Err(e) => return Err(engine("disconnect from a network", &e)),
            }
        }
        Ok(())
    }

    async fn is_there(&self, container: &str) -> Result<bool, DriverError> {
        match self.docker.inspect_container(container, None::<InspectContainerOptions>).await {
            Ok(_) => Ok(true),
            Err(e) if is_missing(&e) => Ok(false),
            Err(e) => Err(engine("look at a container", &e)),
        }
    }

    /// The leases that have a network of this node's.
    pub(crate) async fn networked(&self, node: &Pubkey) -> Result<Vec<Pubkey>, DriverError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{LABEL_NODE}={node}")])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let found = self.docker.list_networks(Some(options)).await.map_err(|e| engine("list networks", &e))?;
        Ok(found.into_iter().filter_map(|network| network.labels?.get(LABEL_LEASE)?.parse().ok()).collect())
    }
}

fn subnet(ipam: Ipam) -> Option<Subnet> {
    ipam.config
        .unwrap_or_default()
        .into_iter()
        .find_map(|config| Some(Subnet { range: config.subnet?.parse().ok()?, gateway: config.gateway?.parse().ok()? }))
}
