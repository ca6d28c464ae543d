//! What a lease's container is made of. There is no field for a privilege: none can be asked for.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};

use gridlease_sdk::manifest::is_reserved_variable;
use solana_pubkey::Pubkey;

use super::{ContainerId, DriverError, ImageRef};

/// Label with the machine whose node made the container: the provider record for a provider's first one.
pub const LABEL_NODE: &str = "gridlease.node";
/// Label with the lease for which it was made.
pub const LABEL_LEASE: &str = "gridlease.lease";
/// Label with the job of that lease.
pub const LABEL_JOB: &str = "gridlease.job";

/// Most mounts of one container: more than a manifest can name, with the home and the volumes of an image.
const MAX_MOUNTS: usize = 192;
/// Most environment variables, and most bytes of all of them together.
const MAX_ENV: usize = 512;
const MAX_ENV_BYTES: usize = 256 * 1024;

/// The name of a lease's container: `gridlease-` and the start of the lease's address.
#[must_use]
pub fn container_name(lease: &Pubkey) -> String {
    let address = lease.to_string();
    format!("gridlease-{}", address.get(..16).unwrap_or(&address))
}

/// Which of its lease's containers one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The job's own.
    #[default]
    Own,
    /// The service of this name.
    Service(String),
    /// The one that holds the network which all of them share; it runs nothing of the job's.
    Pod {
        /// Names under which they find each other.
        names: Vec<String>,
    },
}

/// The name of a container in this role.
#[must_use]
pub fn role_name(lease: &Pubkey, role: &Role) -> String {
    let own = container_name(lease);
    match role {
        Role::Own => own,
        Role::Service(name) => format!("{own}-{name}"),
        // No service has a name like it.
        Role::Pod { .. } => format!("{own}_pod"),
    }
}

/// What a container may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes; there is no swap beyond it.
    pub memory_bytes: u64,
    /// Processor time in billionths of a core.
    pub nano_cpus: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Size of `/dev/shm` in bytes (counts as memory).
    pub shm_bytes: u64,
    /// Size of `/tmp`, the only writable place beside the outputs, in bytes (counts as memory).
    pub tmp_bytes: u64,
    /// Bytes of output that the engine itself keeps.
    pub log_bytes: u64,
}

impl Limits {
    /// Limits for so much memory (bytes) and so many thousandths of a core; the rest in proportion.
    #[must_use]
    pub fn new(memory_bytes: u64, cpu_milli: u32) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            memory_bytes,
            nano_cpus: u64::from(cpu_milli).saturating_mul(1_000_000),
            pids: 512,
            shm_bytes: (memory_bytes / 2).max(64 * MIB).min(memory_bytes),
            tmp_bytes: (memory_bytes / 2).clamp(16 * MIB, 1024 * MIB),
            log_bytes: 64 * MIB,
        }
    }
}

/// A file or directory of the lease that the container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host; below the lease's directory.
    pub source: PathBuf,
    /// Where it appears in the container; absolute.
    pub target: String,
    /// Inputs are read-only, outputs are not.
    pub read_only: bool,
}

/// The unprivileged user a container runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// User id, not 0.
    pub uid: u32,
    /// Group id, not 0.
    pub gid: u32,
}

impl RunAs {
    /// `nobody` where the node is root and so can give it the output directories; else the node's own user, so
    /// that the node can read and remove what the container wrote.
    #[must_use]
    pub fn for_this_process() -> Self {
        let uid = nix::unistd::geteuid();
        if uid.is_root() {
            Self { uid: 65_534, gid: 65_534 }
        } else {
            Self { uid: uid.as_raw(), gid: nix::unistd::getegid().as_raw() }
        }
    }
}

/// Where a container's secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFiles {
    /// The folder with a file for each, in the host's memory; appears as `/run/secrets`, read-only.
    pub dir: PathBuf,
    /// Those that are to be in the environment of the container's program as well, which takes [`ContainerSpec::init`].
    pub variables: Vec<String>,
}

/// Where the container sees its secrets.
const SECRETS: &str = "/run/secrets";
/// Where it sees the node's own program.
pub const INIT: &str = "/.gridlease/init";

/// The container's network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Net {
    /// None but loopback.
    #[default]
    None,
    /// A network of the lease's own, which [`crate::net::Networks`] made and fences.
    Bridge {
        /// Its name on the engine.
        name: String,
        /// The host's address on it, where the node's resolver answers.
        gateway: Ipv4Addr,
    },
    /// That of the container with this identifier.
    Of(ContainerId),
}

/// Everything about a lease's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Provider record of this node.
    pub node: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Its job.
    pub job: Pubkey,
    /// The image, by digest.
    pub image: ImageRef,
    /// Program and arguments, in place of the image's entry point and command; empty keeps those.
    pub command: Vec<String>,
    /// Arguments of `command` or, where that is empty, of the image's entry point, in place of the image's command; empty keeps that.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Directory of the lease, below which every mount's source lies.
    pub lease_dir: PathBuf,
    /// Inputs and outputs.
    pub mounts: Vec<Mount>,
    /// Its secrets.
    pub secrets: Option<SecretFiles>,
    /// The node's own program, below the lease's directory, that becomes the container's: it says in words where that cannot be
    /// run, and gives it its secrets. None: the engine runs the container's itself.
    pub init: Option<PathBuf>,
    /// What it may use.
    pub limits: Limits,
    /// UUIDs of the GPUs it gets; none: no GPU.
    pub gpus: Vec<String>,
    /// Who it runs as.
    pub run_as: RunAs,
    /// What it is connected to.
    pub net: Net,
    /// Which of its lease's containers it is.
    pub role: Role,
    /// Whether its program has a standard input, which stays open for whoever is attached to it.
    pub stdin: bool,
    /// Whether it has a terminal.
    pub tty: bool,
}

impl ContainerSpec {
    /// The container's name.
    #[must_use]
    pub fn name(&self) -> String {
        role_name(&self.lease, &self.role)
    }

    /// What the node itself puts into the container. Nothing of it is the buyer's to say, so it is not checked as
    /// [`ContainerSpec::mounts`] are.
    #[must_use]
    pub fn own_mounts(&self) -> Vec<Mount> {
        let mount = |source: &Path, target: &str| Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only: true,
        };
        let secrets = self.secrets.iter().map(|secrets| mount(&secrets.dir, SECRETS));
        secrets.chain(self.init.iter().map(|init| mount(init, INIT))).collect()
    }

    /// Checks everything that does not need the engine. Looks at the mounts' sources, which have to exist.
    ///
    /// # Errors
    /// [`DriverError::BadSpec`] with the first thing that is wrong.
    pub fn validate(&self) -> Result<(), DriverError> {
        let bad = |reason: String| Err(DriverError::BadSpec { reason });
        if self.run_as.uid == 0 || self.run_as.gid == 0 {
            return bad("it would run as root; a lease's container never does".to_owned());
        }
        if self.limits.memory_bytes < 8 * 1024 * 1024 || self.limits.nano_cpus == 0 || self.limits.pids == 0 {
            return bad("memory has to be at least 8 MiB, and processor and process limits above zero".to_owned());
        }
        let env_bytes: usize = self.env.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        if self.env.len() > MAX_ENV || env_bytes > MAX_ENV_BYTES {
            return bad(format!(
                "{} environment variables with {env_bytes} bytes; {MAX_ENV} and {MAX_ENV_BYTES} are allowed",
                self.env.len()
            ));
        }
        if let Some((key, _)) =
            self.env.iter().find(|(k, v)| k.is_empty() || k.contains(['=', '\0']) || v.contains('\0'))
        {
            return bad(format!("environment variable `{key}` has an empty name, an `=` in its name or a zero byte"));
        }
        if let Some((key, _)) = self.env.iter().find(|(key, _)| is_reserved_variable(key)) {
            return bad(format!("environment variable `{key}` is the node's to set"));
        }
        if self.mounts.len() > MAX_MOUNTS {
            return bad(format!("{} mounts; {MAX_MOUNTS} are allowed", self.mounts.len()));
        }
        if self.init.is_none() && self.secrets.as_ref().is_some_and(|secrets| !secrets.variables.is_empty()) {
            return bad("secrets that are variables take the node's own program".to_owned());
        }
        let mut targets: BTreeSet<String> = self.own_mounts().into_iter().map(|mount| mount.target).collect();
        for mount in &self.mounts {
            validate_target(&mount.target)?;
            if !targets.insert(mount.target.trim_end_matches('/').to_owned()) {
                return bad(format!("two mounts at `{}`", mount.target));
            }
            validate_source(&self.lease_dir, &mount.source)?;
        }
        Ok(())
    }
}

/// A mount may go anywhere but over the places by which a container is a container.
fn validate_target(target: &str) -> Result<(), DriverError> {
    let path = Path::new(target);
    let plain = path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    let first = path.components().nth(1).map(|c| c.as_os_str().to_owned());
    let reserved = first.as_deref().is_none_or(|f| f == "proc" || f == "sys" || f == "dev");
    if !path.is_absolute() || !plain || reserved || target.contains('\0') {
        return Err(DriverError::BadSpec {
            reason: format!(
                "mount target `{target}` has to be an absolute path without `..`, and not in /proc, /sys or /dev"
            ),
        });
    }
    Ok(())
}

/// No path of the host outside the lease's directory ever enters a container, through a link neither.
fn validate_source(lease_dir: &Path, source: &Path) -> Result<(), DriverError> {
    let resolve = |path: &Path| {
        path.canonicalize()
            .map_err(|e| DriverError::BadSpec { reason: format!("mount source {}: {e}", path.display()) })
    };
    if resolve(source)?.starts_with(resolve(lease_dir)?) {
        return Ok(());
    }
    Err(DriverError::BadSpec { reason: format!("mount source {} is outside the lease's directory", source.display()) })
}
