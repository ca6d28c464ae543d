//! `setup`: what the market needs on a machine besides Rust: a Docker engine that answers, what fences leases, a registry, and OpenSSL to link;
//! and what its tests need beyond that.

mod docker;
mod engine;
mod foreign;
mod packages;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::run;
use crate::workspace::{self, Workspace};

/// How long a Docker engine that we start may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// What matters about this machine, gathered once, so that tests can make up others.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where programs are looked for.
    pub path: Vec<PathBuf>,
    /// The contents of /etc/os-release; empty where there is none.
    pub os_release: String,
    /// Whether this is Linux.
    pub linux: bool,
    /// Whether we may do everything here.
    pub root: bool,
    /// Whether systemd runs the services of this machine.
    pub systemd: bool,
    /// The value of `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// Where a Docker engine listens unless told otherwise.
    pub docker_socket: PathBuf,
    /// Where a Docker engine that runs notes its process id.
    pub docker_pid: PathBuf,
    /// Where logs are kept.
    pub cache: PathBuf,
    /// How long a Docker engine may take until it answers.
    pub patience: Duration,
}

impl Host {
    /// This machine.
    fn this() -> Result<Self> {
        let mut path: Vec<PathBuf> =
            env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        // Daemons live where the paths of ordinary users do not lead.
        for directory in ["/usr/local/sbin", "/usr/sbin", "/sbin"] {
            let directory = PathBuf::from(directory);
            if !path.contains(&directory) {
                path.push(directory);
            }
        }
        Ok(Self {
            path,
            os_release: std::fs::read_to_string("/etc/os-release").unwrap_or_default(),
            linux: cfg!(target_os = "linux"),
            root: run::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0"),
            systemd: PathBuf::from("/run/systemd/system").is_dir(),
            docker_host: env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()),
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            docker_pid: PathBuf::from("/var/run/docker.pid"),
            cache: workspace::cache_dir()?,
            patience: PATIENCE,
        })
    }

    /// The full path of a program, if it is installed.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.path.iter().map(|directory| directory.join(name)).find(|program| program.is_file())
    }
}

/// Sets up what is missing.
///
/// # Errors
/// Something is missing that cannot be installed or started here; the message says what to do.
pub fn run() -> Result<()> {
    let host = Host::this()?;
    engine::ensure(&host)?;
    if std::env::var_os("OPENSSL_NO_VENDOR").is_none_or(|value| value != "0") {
        packages::ensure_openssl(&host)?;
    }
    packages::ensure_network(&host)?;
    packages::ensure_registry(&host)
}

/// The path of a program of the system's, installed with its Debian package where it is missing. `elsewhere` says what to do on
/// another system.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn program(name: &str, package: &str, elsewhere: &str) -> Result<PathBuf> {
    packages::ensure_program(&Host::this()?, name, package, elsewhere)
}

/// A command that runs as root, through `sudo` where we are not.
///
/// # Errors
/// We are not root and `sudo` asks for a password.
pub fn as_root(program: &std::path::Path) -> Result<Command> {
    let host = Host::this()?;
    anyhow::ensure!(host.root || packages::sudo_works(&host), "{} has to run as root here", program.display());
    Ok(packages::privileged(&host, &program.to_string_lossy(), &[]))
}

/// Sets up what is missing for the tests: all that the market needs, a shell for their images, a clock that is off, and a
/// client from elsewhere that reads the programs by their IDLs. Returns the folder with that client's packages.
///
/// # Errors
/// Those of [`run`], and a part that is missing and cannot be installed here.
pub fn for_tests(workspace: &Workspace) -> Result<PathBuf> {
    run()?;
    let host = Host::this()?;
    packages::ensure_shell(&host)?;
    packages::ensure_program(&host, "faketime", "faketime", "the tests run a node with it whose clock is off")?;
    foreign::ensure_client(&host, &workspace.root, &workspace.target)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A bare Debian machine in a temporary directory, which is to be kept while it is used.
    pub fn machine() -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("bin")).unwrap();
        let host = Host {
            path: vec![at("bin")],
            os_release: "ID=debian\nVERSION_ID=\"12\"\n".to_owned(),
            linux: true,
            root: true,
            systemd: false,
            docker_host: None,
            docker_socket: at("docker.sock"),
            docker_pid: at("docker.pid"),
            cache: at("cache"),
            patience: Duration::from_secs(5),
        };
        (directory, host)
    }

    /// Puts a shell script on the machine's path.
    pub fn install(host: &Host, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = host.path[0].join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn programs_are_found_on_the_path_only() {
        let (_directory, host) = machine();
        assert_eq!(host.program("docker-registry"), None);
        install(&host, "docker-registry", "exit 0");
        assert!(host.program("docker-registry").is_some());
    }
}
