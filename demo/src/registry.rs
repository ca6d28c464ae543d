//! An OCI registry on loopback: Debian's `docker-registry`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{Process, free_port, program};

/// The port that everybody uses, and that a manifest for a local registry names.
pub const USUAL: u16 = 5_000;

/// A running registry.
pub struct Registry {
    process: Process,
    port: u16,
}

impl Registry {
    /// Starts a registry with its data below `dir`, on `port` where that is free, else on any free port.
    ///
    /// # Errors
    /// The program is not installed, or does not answer within ten seconds.
    pub async fn start(dir: &Path, port: Option<u16>) -> Result<Self> {
        let port = match port {
            Some(port) if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() => port,
            _ => free_port()?,
        };
        let root = dir.join("registry");
        std::fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
        let config = dir.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: warn, accesslog: {{ disabled: true }} }}\nstorage: {{ filesystem: {{ rootdirectory: {:?} }} }}\nhttp: {{ addr: \"127.0.0.1:{port}\" }}\n",
            root.display().to_string(),
        );
        std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let program = program("docker-registry")
            .context("docker-registry is not installed; `cargo xtask setup` installs it on Debian and Ubuntu")?;
        let args = ["serve".as_ref(), config.as_os_str()];
        let process = Process::start("the registry", &program, args, &[], &dir.join("registry.log"))?;
        let mut registry = Self { process, port };
        let url = format!("http://127.0.0.1:{port}/v2/");
        for _ in 0..100 {
            registry.process.check()?;
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                // Somebody else's registry on the same port answers as well; then ours has ended.
                tokio::time::sleep(Duration::from_millis(200)).await;
                registry.process.check()?;
                return Ok(registry);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the registry does not answer on port {port}; the end of its log:\n{}", registry.process.tail())
    }

    /// Host and port as an image reference names them.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Stops it.
    pub async fn stop(self) {
        self.process.stop(Duration::from_secs(3)).await;
    }
}
