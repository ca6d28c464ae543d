//! `gridlease node`

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use gridlease_core::gpu::{REGIONS, region_id};
use gridlease_node::agent::{self, NodeConfig};
use gridlease_node::api::Names;
use gridlease_node::driver::{AllowedRegistry, RegistryPolicy};
use gridlease_node::gpu::GpuSource;
use gridlease_node::market::OfferPolicy;
use gridlease_node::public_certificate::PublicCertificate;
use gridlease_node::state_dir::StateDir;
use gridlease_node::tls::Identity;
use gridlease_sdk::machine::MachineNumber;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use url::Url;

use super::explain::{self, Explain};
use super::keeper::shutdown_on_signal;
use super::leaving::{self, Drain};
use super::report::NodeIdentity;
use super::{Context, address as parse_address};
use crate::amount::Usdc;
use crate::error::CliError;
use crate::logging::LogFormat;

/// The node.
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Create the node's certificate if it does not exist, and print what to register. --keypair is the node's hot
    /// key.
    #[command(after_help = "Example:\n  gridlease node init --keypair node.json --state-dir /var/lib/gridlease")]
    Init,
    /// Run this machine's node until Ctrl-C: keeps its offer alive, bids, runs jobs in containers. --keypair is the node's
    /// hot key. Containers keep running while the node is down; its next start resumes them.
    #[command(
        after_help = "Examples:\n  gridlease node run --keypair node.json --authority 9qR… --ask 1.80 --floor 1.20\n  gridlease node run --keypair node.json --authority 9qR… --cpu --ask 0.10 --units 2 --cpu-cores 1 --memory 1GiB"
    )]
    Run(Box<Run>),
    /// Say why the node of this machine would bid, or would not bid, for a job: everything that stands against it, with what is asked
    /// and what there is, or the price and how it comes about. The node that runs is asked; where none does, it is found out here by
    /// the same rules, and nothing is sent. --keypair is the node's hot key.
    #[command(
        after_help = "Examples:\n  gridlease node explain 3Jk… --state-dir /var/lib/gridlease\n  gridlease node explain 3Jk… --keypair node.json --cpu --json\n\nEnds with 0 whatever the answer is; `bids` of --json says which."
    )]
    Explain(Box<Explain>),
    /// Take this machine off the market in an orderly way: no new bids, bids that stand are honoured, the offer is withdrawn, and each
    /// lease for which a notice was agreed is given it. --keypair is the node's hot key. It holds until `undrain`, also over a restart.
    #[command(
        after_help = "Examples:\n  gridlease node drain --keypair node.json --state-dir node\n  gridlease node drain --keypair node.json --state-dir node --notice 2h\n  gridlease node drain --keypair node.json --state-dir node --keep-leases\n\nHow much notice a lease gets was agreed when its job was posted (120 s for a spot offer). One for which none was agreed is never abandoned by this: it goes on to its end."
    )]
    Drain(Drain),
    /// Bring a drained machine back to the market. A notice that was given cannot be taken back.
    #[command(after_help = "Example:\n  gridlease node undrain --keypair node.json --state-dir node")]
    Undrain,
}

/// How the node runs.
#[derive(Debug, Args)]
pub struct Run {
    /// Address of the provider's cold key, one of whose machines this is.
    #[arg(long, visible_alias = "provider", value_name = "ADDRESS", value_parser = parse_address)]
    authority: Pubkey,
    /// Which of the provider's machines this is: its number, or first [default: the one that names the node's hot key].
    #[arg(long, value_name = "MACHINE")]
    machine: Option<MachineNumber>,
    /// Address on which to answer buyers.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// URL at which buyers reach this node; where given, its machine must be registered with the same.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// A domain of which every name below leads to this node, as in jobs.example.com: each public port of a job then has a name of
    /// its own there instead of a path. With :PORT where visitors come by another port than 443.
    #[arg(long, value_name = "DOMAIN", requires_all = ["public_cert", "public_key"], value_parser = Names::new)]
    public_domain: Option<Names>,
    /// The certificate for *.DOMAIN with its chain, PEM; read again when it is renewed.
    #[arg(long, value_name = "FILE", requires = "public_domain")]
    public_cert: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(long, value_name = "FILE", requires = "public_domain")]
    public_key: Option<PathBuf>,

    /// Offer this machine without a GPU, as such.
    #[arg(long, conflicts_with_all = ["gpu", "nvml"])]
    cpu: bool,
    /// Offer this machine's NVIDIA GPUs (the default).
    #[arg(long)]
    gpu: bool,
    /// NVIDIA's management library [default: where the system looks].
    #[arg(long, value_name = "FILE")]
    nvml: Option<PathBuf>,

    /// Price per hour at which the offer stands, in USDC for one unit.
    #[arg(long, value_name = "USDC")]
    ask: Usdc,
    /// Lowest price per hour of a bid, in USDC [default: the ask].
    #[arg(long, value_name = "USDC")]
    floor: Option<Usdc>,
    /// Let anyone enter the offer into auctions (the default).
    #[arg(long, conflicts_with = "bid")]
    auto_bid: bool,
    /// Let this node place its bids itself.
    #[arg(long)]
    bid: bool,
    /// Number of the offer among all of the provider's [default: the machine's number, 0 for the first].
    #[arg(long, value_name = "N")]
    offer: Option<u32>,
    /// Jobs at the same time; GPUs, CPU, memory and disk are divided among them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    units: u16,
    /// CPU cores of one unit, such as 1.5 [default: the machine's, divided].
    #[arg(long, value_name = "CORES", value_parser = cores)]
    cpu_cores: Option<u32>,
    /// Memory of one unit, such as 16GiB [default: nine tenths of the machine's, divided].
    #[arg(long, value_name = "SIZE", value_parser = size_mib)]
    memory: Option<u32>,
    /// Disk of one unit, such as 100GiB [default: eight tenths of what is free, divided].
    #[arg(long, value_name = "SIZE", value_parser = size_mib)]
    disk: Option<u32>,
    /// Region of the machine.
    #[arg(long, value_name = "REGION", default_value = "any", value_parser = region)]
    region: u8,
    /// Downstream bandwidth in Mbit/s; 0 if unknown.
    #[arg(long, value_name = "MBIT", default_value_t = 0)]
    down: u32,
    /// Upstream bandwidth in Mbit/s; 0 if unknown.
    #[arg(long, value_name = "MBIT", default_value_t = 0)]
    up: u32,

    /// Give leases no network. Otherwise those that ask for it reach the public internet, fenced off from this machine and its network,
    /// where that can be done: as root, with nftables and Docker.
    #[arg(long)]
    no_egress: bool,
    /// Resolver of which leases' names are asked, as IP or IP:PORT. Can be given several times [default: /etc/resolv.conf].
    #[arg(long, value_name = "IP", value_parser = resolver)]
    egress_dns: Vec<SocketAddr>,
    /// The container engine's socket, as a path or unix:// [default: DOCKER_HOST, else /var/run/docker.sock].
    #[arg(long, value_name = "SOCKET", value_parser = socket)]
    docker_host: Option<PathBuf>,
    /// Largest image that is pulled, unpacked, such as 40GiB.
    #[arg(long, value_name = "SIZE", default_value = "64GiB")]
    max_image_size: ByteSize,
    /// Pull images from this registry although it is not on the public internet: HOST, HOST:PORT or ADDRESS/BITS. Can be
    /// given several times.
    #[arg(long, value_name = "REGISTRY")]
    allow_registry: Vec<AllowedRegistry>,
    /// Fetch inputs from private addresses too. Only for a market on one machine.
    #[arg(long)]
    allow_private_inputs: bool,
    /// Load hf:// inputs from this hub instead of the public one, such as a mirror in this machine's network.
    #[arg(long, value_name = "URL", env = "HF_ENDPOINT")]
    hub: Option<Url>,
    /// Load ipfs:// inputs that name no gateway from this one, such as http://127.0.0.1:8080. Can be given several times.
    #[arg(long, value_name = "URL")]
    ipfs_gateway: Vec<Url>,
    /// Seconds to wait for others to take a step that anyone can take, before this node takes it.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    patience: u64,
    /// Format of the log.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

fn cores(text: &str) -> Result<u32, String> {
    let wrong = || "write a number of cores such as 1 or 0.5".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("write at most three decimals, such as 1.5".to_owned());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
    let milli = whole.checked_mul(1_000).and_then(|milli| milli.checked_add(part)).ok_or_else(wrong)?;
    if milli == 0 { Err("a unit needs some CPU".to_owned()) } else { Ok(milli) }
}

fn size_mib(text: &str) -> Result<u32, String> {
    let size: ByteSize = text.parse().map_err(|_| "write a size with a unit, such as 16GiB".to_owned())?;
    match u32::try_from(size.as_u64() / (1 << 20)) {
        Ok(0) => Err("it is below 1MiB; write a size with a unit, such as 16GiB".to_owned()),
        Ok(mib) => Ok(mib),
        Err(_) => Err("it is more than any machine has".to_owned()),
    }
}

fn region(text: &str) -> Result<u8, String> {
    region_id(text).ok_or_else(|| format!("known regions: {}", REGIONS.join(", ")))
}

fn resolver(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or_else(|_| text.parse::<SocketAddr>());
    address.map_err(|_| "write an address such as 9.9.9.9 or 127.0.0.1:5353".to_owned())
}

pub(super) fn socket(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if !path.starts_with('/') {
        return Err("the engine must run on this machine: name its socket, such as /var/run/docker.sock".to_owned());
    }
    Ok(PathBuf::from(path))
}

/// The node's own folder, beside the buyer's jobs where nobody named one.
pub(super) fn state_dir(context: &Context) -> PathBuf {
    let dir = &context.settings.state_dir;
    match dir.source {
        crate::settings::Source::Default => dir.value.join("node"),
        _ => dir.value.clone(),
    }
}

pub(super) async fn run(context: &Context, command: Node) -> Result<(), CliError> {
    match command {
        Node::Init => init(context),
        Node::Run(run) => serve(context, *run).await,
        Node::Explain(args) => explain::run(context, *args).await,
        Node::Drain(args) => leaving::drain(context, args).await,
        Node::Undrain => leaving::undrain(context).await,
    }
}

fn init(context: &Context) -> Result<(), CliError> {
    let local = |error: &dyn std::fmt::Display| CliError::Local(error.to_string());
    let key = context.key()?;
    let state = StateDir::open(&state_dir(context)).map_err(|error| local(&error))?;
    let identity = Identity::load_or_create(&state).map_err(|error| local(&error))?;
    context.out.report(&NodeIdentity {
        node_key: key.pubkey().to_string(),
        fingerprint: hex::encode(identity.fingerprint()),
        certificate: state.certificate().display().to_string(),
    })
}

async fn serve(context: &Context, run: Run) -> Result<(), CliError> {
    let client = context.client()?;
    let floor = run.floor.unwrap_or(run.ask);
    if floor > run.ask {
        return Err(CliError::Usage(format!(
            "--floor {floor} is above --ask {}; the floor is the lowest bid",
            run.ask
        )));
    }
    let config = NodeConfig {
        client,
        node_key: context.key()?,
        authority: run.authority,
        state_dir: state_dir(context),
        listen: run.listen,
        machine: run.machine,
        public_url: run.public_url.clone(),
        public: public(&run)?,
        gpu: if run.cpu { GpuSource::Cpu } else { GpuSource::Nvml { lib_path: run.nvml.clone() } },
        docker_socket: run.docker_host.clone(),
        offer: OfferPolicy {
            number: run.offer,
            ask: run.ask.0,
            floor: floor.0,
            auto_bid: !run.bid,
            units: run.units,
            cpu_milli: run.cpu_cores,
            memory_mib: run.memory,
            disk_mib: run.disk,
            region: run.region,
            down_mbit: run.down,
            up_mbit: run.up,
            egress: !run.no_egress,
            ..OfferPolicy::default()
        },
        max_image_bytes: run.max_image_size.as_u64(),
        registries: RegistryPolicy::new(run.allow_registry.clone()),
        allow_private_inputs: run.allow_private_inputs,
        hub: run.hub.clone(),
        gateways: run.ipfs_gateway.clone(),
        egress_dns: run.egress_dns,
        patience: Duration::from_secs(run.patience),
    };
    let out = context.out;
    let started = move |started: &agent::Started| {
        out.note(&format!(
            "node of provider {}, machine {}, with offer {}: answering at {}, {} leases resumed",
            started.provider, started.machine, started.offer, started.api, started.resumed
        ));
    };
    Ok(agent::run(config, shutdown_on_signal(), started).await?)
}

/// The names of public ports, where the owner has such.
fn public(run: &Run) -> Result<Option<Arc<PublicCertificate>>, CliError> {
    let (Some(names), Some(certificate), Some(key)) = (&run.public_domain, &run.public_cert, &run.public_key) else {
        return Ok(None);
    };
    let loaded = PublicCertificate::load(names.clone(), certificate, key);
    loaded.map(|public| Some(Arc::new(public))).map_err(|error| CliError::Local(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_sizes_regions_and_sockets_are_read_or_refused_with_an_example() {
        assert_eq!((cores("2"), cores("0.5"), cores("1.125")), (Ok(2_000), Ok(500), Ok(1_125)));
        assert!(cores("0").is_err() && cores("1.0001").is_err() && cores("-1").is_err() && cores("").is_err());
        assert_eq!((size_mib("16GiB"), size_mib("512MiB")), (Ok(16_384), Ok(512)));
        assert!(size_mib("1KiB").is_err() && size_mib("lots").is_err());
        assert_eq!(region("eu"), Ok(1));
        assert!(region("moon").unwrap_err().contains("asia"));
        assert_eq!(socket("unix:///run/d.sock"), Ok(PathBuf::from("/run/d.sock")));
        assert!(socket("tcp://1.2.3.4:2375").is_err());
        assert_eq!(resolver("9.9.9.9"), Ok("9.9.9.9:53".parse().unwrap()));
        assert_eq!(resolver("[::1]:5353"), Ok("[::1]:5353".parse().unwrap()));
        assert!(resolver("dns.example").is_err());
    }
}
