//! The manifest, typed. The fields, with their names and units, are those of the canonical form; serialising goes
//! through [`Manifest::canonical`] only, which checks everything first.

use super::RegistryAuth;
use super::network::Network;
use super::ready::Ready;
use super::restart::Restart;
use crate::source::s3::S3Access;
use gridlease_core::limits::DEFAULT_WAIT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub version: u32,
    /// Name for people: up to 64 of `a-z 0-9 . _ -`.
    pub name: String,
    /// Image reference; in the canonical form always `registry/repository@sha256:…`.
    pub image: String,
    /// Login with which the image is pinned and pulled where its registry does not show it to everybody. Left out of the canonical
    /// form where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_auth: Option<RegistryAuth>,
    /// Program, and arguments that are always its, in place of the image's entry point and command, at most 64 (Kubernetes'
    /// meaning); empty for the image's own.
    pub command: Vec<String>,
    /// Arguments, at most 64: of `command`, or else of the image's entry point, in place of the image's command. Left out of the
    /// canonical form where it is empty, which it was for every manifest before there was the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment, at most 64 entries.
    pub env: BTreeMap<String, String>,
    /// Secrets by the name under which the container sees them, at most 16.
    pub secrets: BTreeMap<String, Secret>,
    /// Files that are there before the container starts, read-only, at most [`MAX_INPUTS`](crate::source::MAX_INPUTS).
    pub inputs: Vec<Input>,
    /// Folders whose content is the result, at most 8.
    pub outputs: Vec<Output>,
    /// Folders that are writable while the job runs and thrown away after it, at most 16. Left out of the canonical form where
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scratch: Vec<Scratch>,
    /// What the container gets.
    pub resources: Resources,
    /// Where it may run.
    pub placement: Placement,
    /// What it may cost.
    pub price: Price,
    /// How long it may run.
    pub duration: Duration,
    /// How often a failed lease is replaced, 1 to 8 leases in all.
    pub attempts: u32,
    /// Ports that the buyer can reach, at most 16.
    pub ports: Vec<Port>,
    /// Whether its program has a standard input, which is whoever is attached to it. Left out of the canonical form where it has not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
    /// Whether it has a terminal. Left out of the canonical form where it has not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// How to see that it is ready. Left out of the canonical form where nothing is said.
    #[serde(default, skip_serializing_if = "Ready::is_default")]
    pub ready: Ready,
    /// Whether it is started again where it fails. Left out of the canonical form where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// Many tasks in one job.
    pub array: Option<Array>,
    /// How the result is verified.
    pub verify: Verify,
    /// What the container may reach.
    pub network: Network,
    /// Containers that run beside the job's own, by name, at most 8; see [`Service`]. Left out of the canonical form where there are
    /// none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Service>,
}

/// A container beside the job's own: a database, a cache, a server that the job asks. All containers of a job share one network, in
/// which each is found by its name; services start before the job's own container and end with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Image reference; in the canonical form always `registry/repository@sha256:…`.
    pub image: String,
    /// As the job's `command`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// As the job's `args`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment, at most 64 entries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of the job's secrets that it gets, in the form that is said there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// As the job's `scratch`: its own folders, of the job's disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scratch: Vec<Scratch>,
    /// CPU of the job's, thousandths of a core.
    pub cpu_milli: u32,
    /// Memory of the job's, MiB.
    pub memory_mib: u64,
    /// It is up when something listens on this TCP port; none: when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// It does something once: it is up when it has ended with 0. Left out of the canonical form where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Services that have to be up before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Whether it gets the job's GPUs, which the job's own container then does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gpu: bool,
}

/// A secret value that the winning node gets, sealed to its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Where the buyer's program takes the value from; never the value itself.
    pub from: SecretSource,
    /// How the container is given it. The canonical form leaves the default out.
    #[serde(default, rename = "as", skip_serializing_if = "SecretForm::is_file")]
    pub form: SecretForm,
}

/// How a container is given a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretForm {
    /// The file `/run/secrets/NAME`, in memory, for the container's user only.
    #[default]
    File,
    /// That file, and the variable `NAME` in the environment of the container's program.
    Env,
}

impl SecretForm {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
    fn is_file(&self) -> bool {
        *self == Self::File
    }
}

/// Where a secret's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// The environment variable of the same name, on the buyer's machine.
    Env,
}

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of the file in the container.
    pub mount: String,
    /// `https://` address of the gateway for an `ipfs://` address; the node's own where it is none, and then left out of the canonical
    /// form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// How the store of an `s3://` address is reached. Left out of the canonical form where nothing is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Access>,
    /// SHA-256 of its content, lower-case hex. None only for a file that is not pinned yet.
    pub sha256: Option<String>,
    /// Where the node gets it.
    pub uri: InputSource,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum InputSource {
    /// The node loads it from this `https://` address.
    Https(String),
    /// The node loads it from a model hub, by this `hf://` address; see [`crate::source::hub`].
    Hub(String),
    /// The node loads it from a store, by this `s3://` address; see [`crate::source::s3`].
    S3(String),
    /// The node loads it from a gateway, by this `ipfs://` address; see [`crate::source::ipfs`].
    Ipfs(String),
    /// The buyer pushes it to the winning node.
    Push,
    /// A file on the buyer's machine, as written in the manifest; pinning it makes it [`InputSource::Push`].
    Local(String),
}

/// One output folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Absolute path of the folder in the container; it is empty and writable at the start, but for what is restored.
    pub path: String,
    /// `s3://BUCKET[/PREFIX]` below which the node writes what is in it; see [`PushedIndex`](crate::artifact::PushedIndex). Left out of
    /// the canonical form where there is none, as the others below are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// How that store is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Access>,
    /// How often it is pushed while the job runs, seconds; none: at the end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u32>,
    /// Whether it begins with what was last pushed there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restore: bool,
}

/// A folder that the job may write to and that nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scratch {
    /// Absolute path of the folder in the container. It begins with what the image has there, and lies on disk: it counts as
    /// `resources.disk`.
    pub path: String,
}

/// What the container gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// GPUs; none for a job that needs no GPU.
    pub gpu: Option<Gpu>,
    /// CPU, thousandths of a core.
    pub cpu_milli: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Disk for inputs, log, outputs and every other folder that can be written to, MiB; see [`Resources::disk_parts`].
    pub disk_mib: u64,
    /// Size of `/dev/shm`, MiB, of the job's memory; none for half of that. Left out of the canonical form where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_mib: Option<u64>,
    /// Bandwidth, with a network only; none for whatever the machine has. Left out of the canonical form then, so that a manifest from
    /// before there was the key keeps its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Bandwidth>,
}

/// Bandwidth that the machine has to offer, and that the container is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// To the container, Mbit/s (10⁶ bits); 0 for whatever there is.
    pub down_mbit: u32,
    /// From the container, Mbit/s; 0 for whatever there is.
    pub up_mbit: u32,
}

/// GPUs of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Models that will do, any of them; empty for every model.
    pub models: Vec<String>,
    /// How many.
    pub count: u32,
    /// Memory of each, MiB; 0 for any.
    pub vram_mib: u64,
    /// Lowest CUDA version that the driver must support, as `major × 100 + minor`; 0 for any.
    pub cuda_min: u32,
}

/// Where the job may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Regions, any of them; empty for everywhere.
    pub regions: Vec<String>,
    /// Lowest reputation, basis points.
    pub min_reputation_bps: u32,
    /// Provider records that shall not get the job, base58, at most 8.
    pub exclude: Vec<String>,
}

/// What the job may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The most that is paid, atoms (10⁻⁶ USDC) per hour for all GPUs together.
    pub max_atoms_per_hour: u64,
    /// How the provider is found.
    pub mode: PriceMode,
    /// Length of the bidding, seconds; 0 unless the mode is `auction`.
    pub window_s: u32,
    /// For how long the job waits for a first bid before it ends, seconds. The canonical form leaves the default out, so that
    /// a manifest of the first edition, which could not say it, keeps its hash.
    #[serde(default = "default_wait_s", skip_serializing_if = "is_default_wait")]
    pub wait_s: u32,
}

/// [`DEFAULT_WAIT`], seconds.
pub(super) fn default_wait_s() -> u32 {
    u32::try_from(DEFAULT_WAIT.0).unwrap_or(u32::MAX)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
fn is_default_wait(wait_s: &u32) -> bool {
    *wait_s == default_wait_s()
}

/// How the provider is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceMode {
    /// Providers underbid each other in the open.
    Auction,
    /// The best standing offer is taken at once.
    Instant,
    /// Providers bid without seeing each other's price.
    Sealed,
}

/// How long the job may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duration {
    /// Longest running time, seconds.
    pub max_s: u32,
    /// How often the job saves its progress, seconds; none if it does not.
    pub checkpoint_s: Option<u32>,
}

/// A port of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its number in the container.
    pub container: u16,
    /// What it is called in addresses; none for its number. The canonical form leaves what is not said out, as for `public`, so that
    /// manifests from before there were these keys keep their hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may visit it by a public address once the lease runs. The buyer can change it at any time.
    #[serde(default, skip_serializing_if = "Public::is_off")]
    pub public: Public,
    /// How to see that the service is up.
    pub probe: Option<Probe>,
}

impl Port {
    /// Its name, or its number.
    #[must_use]
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.container.to_string())
    }
}

/// Who may visit a port by its public address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Public {
    /// Nobody.
    #[default]
    Off,
    /// Whoever has the service's token.
    Token,
    /// Everybody.
    Open,
}

impl Public {
    /// Whether nobody may.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Token => "token",
            Self::Open => "open",
        }
    }
}

/// How to see that a service is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// A GET of this path is answered with a status of 200 to 399.
    Http(String),
    /// A connection is taken.
    Tcp,
}

/// Many tasks in one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    /// Number of tasks.
    pub count: u32,
    /// File with one row of parameters per task, on the buyer's machine.
    pub parameters: Option<String>,
}

/// How the result is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The method.
    pub class: VerifyClass,
    /// How many providers do the same work, 1 to 8.
    pub replicas: u32,
}

/// Methods of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyClass {
    /// The buyer watches.
    None,
    /// Equal output roots over replicas.
    Hash,
    /// Outputs that are equal within a bound.
    Fingerprint,
    /// A quote of a trusted execution environment, or an attestor's signature.
    Attested,
    /// Probes of a service.
    Service,
}

impl From<InputSource> for String {
    fn from(source: InputSource) -> Self {
        match source {
            InputSource::Https(uri)
            | InputSource::Hub(uri)
            | InputSource::S3(uri)
            | InputSource::Ipfs(uri)
            | InputSource::Local(uri) => uri,
            InputSource::Push => "push".to_owned(),
        }
    }
}

impl From<String> for InputSource {
    fn from(text: String) -> Self {
        match text.as_str() {
            "push" => Self::Push,
            _ if text.starts_with("hf://") => Self::Hub(text),
            _ if text.starts_with("s3://") => Self::S3(text),
            _ if text.starts_with("ipfs://") => Self::Ipfs(text),
            _ if text.contains("://") => Self::Https(text),
            _ => Self::Local(text),
        }
    }
}
