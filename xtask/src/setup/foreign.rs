//! The foreign client of `tests/foreign`: node, npm, and the packages that its lock pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::{Host, packages};
use crate::run;

/// Where the client is, relative to the root.
const CLIENT: &str = "tests/foreign";
/// What decides which packages it has.
const DECIDING: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
/// The oldest node that the client runs on.
const OLDEST: u64 = 18;
/// How long npm may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Makes sure that node and npm are installed and that the client's packages are in the target folder; returns the folder.
///
/// # Errors
/// Something cannot be installed here, npm fails or takes too long, or node is too old.
pub fn ensure_client(host: &Host, root: &Path, target: &Path) -> Result<PathBuf> {
    ensure_node(host)?;
    let client = root.join(CLIENT);
    let mut hash = Sha256::new();
    for name in DECIDING {
        let path = client.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hash.update(bytes);
    }
    // One folder for each set of packages: a changed lock is never mixed with what an older one left.
    let name = format!("foreign-client-{}", hex::encode(&hash.finalize()[..8]));
    let ready = target.join(&name);
    if ready.is_dir() {
        eprintln!("foreign client: {name} is there");
        return Ok(ready);
    }
    // Made under another name, so that what is cut off is not taken for the whole.
    let partial = target.join(format!("{name}.partial"));
    if partial.is_dir() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    for name in DECIDING {
        fs::copy(client.join(name), partial.join(name)).with_context(|| format!("cannot copy {CLIENT}/{name}"))?;
    }
    let npm = host.program("npm").context("npm was there a moment ago")?;
    // The packages' own scripts are not run (see .npmrc): none of them is needed.
    let mut install = Command::new(npm);
    install.current_dir(&partial).args(["ci", "--no-audit", "--no-fund", "--fetch-timeout=60000"]);
    run::run_within(&mut install, PATIENCE).with_context(|| {
        format!(
            "the packages of {CLIENT} cannot be installed; npm must reach a registry (see `npm config get registry`) or have them \
             in its cache"
        )
    })?;
    fs::rename(&partial, &ready).with_context(|| format!("cannot rename {}", partial.display()))?;
    Ok(ready)
}

/// Makes sure that node and npm are installed, and node is new enough.
fn ensure_node(host: &Host) -> Result<()> {
    let missing = |host: &Host| ["node", "npm"].into_iter().find(|name| host.program(name).is_none());
    if let Some(name) = missing(host) {
        if !packages::is_debian(&host.os_release) {
            bail!(
                "there is no `{name}` on PATH; install Node.js {OLDEST} or newer with npm, which a test decodes with"
            );
        }
        packages::install(host, &["nodejs", "npm"])?;
        if let Some(name) = missing(host) {
            bail!("there is no `{name}` on PATH, though the package that has it is installed");
        }
    }
    let node = host.program("node").context("node was there a moment ago")?;
    let version = run::capture(Command::new(&node).arg("--version"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u64>().ok());
    let major = major.with_context(|| format!("`node --version` said \"{}\"", version.trim()))?;
    ensure!(major >= OLDEST, "{} is version {major}, and the test needs {OLDEST} or newer", node.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{install as script, machine};
    use super::*;

    /// A machine with node and an `npm` that does this, and a project with a client.
    fn with_npm(npm: &str) -> (tempfile::TempDir, Host) {
        let (directory, mut host) = machine();
        host.path.push("/usr/bin".into());
        host.path.push("/bin".into());
        script(&host, "node", "echo v20.1.0");
        script(&host, "npm", npm);
        let client = directory.path().join(CLIENT);
        fs::create_dir_all(&client).unwrap();
        for name in DECIDING {
            fs::write(client.join(name), name).unwrap();
        }
        (directory, host)
    }

    fn ensure_in(directory: &tempfile::TempDir, host: &Host) -> Result<PathBuf> {
        ensure_client(host, directory.path(), &directory.path().join("target"))
    }

    #[test]
    fn the_packages_are_installed_once_for_each_lock() {
        let (directory, host) = with_npm("echo \"$1\" >> ../calls; mkdir -p node_modules");
        let first = ensure_in(&directory, &host).unwrap();
        assert!(first.join("node_modules").is_dir() && first.join("package.json").is_file());
        assert_eq!(ensure_in(&directory, &host).unwrap(), first);
        let calls = || fs::read_to_string(directory.path().join("target/calls")).unwrap();
        assert_eq!(calls(), "ci\n");
        fs::write(directory.path().join(CLIENT).join("package-lock.json"), "another").unwrap();
        assert_ne!(ensure_in(&directory, &host).unwrap(), first);
        assert_eq!(calls(), "ci\nci\n");
    }

    #[test]
    fn an_installation_that_fails_says_so_and_is_not_taken_for_done() {
        let (directory, host) = with_npm("mkdir node_modules; exit 1");
        for _ in 0..2 {
            let error = format!("{:#}", ensure_in(&directory, &host).unwrap_err());
            assert!(error.contains("packages of tests/foreign cannot be installed"), "{error}");
        }
    }

    #[test]
    fn a_missing_node_is_installed_on_debian_and_asked_for_elsewhere() {
        let (directory, mut host) = machine();
        let log = directory.path().join("apt.log");
        script(&host, "apt-get", &format!("echo \"$*\" >> {}", log.display()));
        // The made-up package brings no node, which is an error of its own.
        let error = ensure_node(&host).unwrap_err().to_string();
        assert!(error.contains("there is no `node` on PATH, though"), "{error}");
        assert!(fs::read_to_string(&log).unwrap().ends_with("nodejs npm\n"));
        host.os_release = "ID=fedora\n".to_owned();
        let error = ensure_node(&host).unwrap_err().to_string();
        assert!(error.contains("install Node.js 18 or newer"), "{error}");
    }

    #[test]
    fn a_node_that_is_too_old_is_refused_with_its_version() {
        let (_directory, host) = machine();
        script(&host, "node", "echo v12.22.0");
        script(&host, "npm", "exit 0");
        let error = ensure_node(&host).unwrap_err().to_string();
        assert!(error.contains("is version 12") && error.contains("18 or newer"), "{error}");
    }
}
