//! What the operator decides about a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gridlease_sdk::machine::MachineNumber;
use gridlease_sdk::rpc::Client;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use url::Url;

use crate::driver::RegistryPolicy;
use crate::gpu::GpuSource;
use crate::market::OfferPolicy;
use crate::public_certificate::PublicCertificate;

/// A node's configuration.
#[derive(Clone)]
pub struct NodeConfig {
    /// The cluster.
    pub client: Client,
    /// The hot key: bids, ready, finish. Pays the transactions and the rent of the offer.
    pub node_key: Arc<Keypair>,
    /// The provider's cold key, of which only the address is known here.
    pub authority: Pubkey,
    /// Where the node keeps its state.
    pub state_dir: PathBuf,
    /// Where the API listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Which machine of the provider the node is; `None`: the one that names its hot key.
    pub machine: Option<MachineNumber>,
    /// Where buyers reach the node, which its machine must say, although it may name another port than `listen`; `None`: what the
    /// machine says, on the port of `listen`.
    pub public_url: Option<String>,
    /// The names of public ports and their certificate; `None`: ports are visited by paths of the node's endpoint.
    pub public: Option<Arc<PublicCertificate>>,
    /// Where the GPU part of the inventory comes from.
    pub gpu: GpuSource,
    /// The container engine's socket; `None` for the usual one.
    pub docker_socket: Option<PathBuf>,
    /// The offer.
    pub offer: OfferPolicy,
    /// Largest image in bytes, unpacked.
    pub max_image_bytes: u64,
    /// The registries that images are pulled from.
    pub registries: RegistryPolicy,
    /// May inputs be fetched from private addresses? Only for a market on one machine.
    pub allow_private_inputs: bool,
    /// The model hub that `hf://` inputs are loaded from, where it is not the public one. It may be at a private address.
    pub hub: Option<Url>,
    /// Gateways to IPFS, for inputs that name none. They may be at private addresses.
    pub gateways: Vec<Url>,
    /// The resolvers that leases' names are asked of; empty: the host's own.
    pub egress_dns: Vec<SocketAddr>,
    /// How long others (keepers, buyers) are given to do what anybody may do before the node does it itself.
    pub patience: Duration,
}
