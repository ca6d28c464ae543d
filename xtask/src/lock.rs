//! What a crate is built from, to the byte: every dependency with its version, features and checksum.
//!
//! The list of crates and features is cargo's own (`cargo tree`) for this one crate, whatever the rest of the workspace
//! uses; the checksums are those of `Cargo.lock`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run;
use crate::workspace::{Workspace, forget_build_variables};

/// The part of `Cargo.lock` that is used.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Absent for the crates of the workspace.
    source: Option<String>,
    checksum: Option<String>,
}

/// Lists the crates that a crate is built from, one line each, sorted. The same on every machine.
///
/// # Errors
/// cargo cannot resolve the crate, or `Cargo.lock` is not valid.
pub fn pinned(workspace: &Workspace, krate: &str) -> Result<Vec<String>> {
    let lock = std::fs::read_to_string(workspace.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let mut cargo = workspace.cargo();
    forget_build_variables(&mut cargo);
    cargo
        .args(["tree", "--locked", "--package", krate])
        // For all systems: the answer must not depend on this one.
        .args(["--edges", "normal,build", "--target", "all"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{f}"]);
    combine(&run::capture(&mut cargo)?, &lock)
}

/// Puts the lines of `cargo tree` (`name vVERSION (…)|features`) and the checksums of the lock together.
fn combine(tree: &str, lock: &str) -> Result<Vec<String>> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock is not valid")?;
    let mut pins: BTreeMap<(&str, &str), Vec<&Package>> = BTreeMap::new();
    for package in &lock.package {
        let key = (package.name.as_str(), package.version.as_str());
        pins.entry(key).or_default().push(package);
    }
    let mut lines = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.trim().is_empty()) {
        let unexpected = || format!("cargo tree said `{line}`, which is not as expected");
        let (krate, features) = line.split_once('|').with_context(unexpected)?;
        let mut words = krate.split(' ');
        let name = words.next().unwrap_or_default();
        let version = words.next().and_then(|word| word.strip_prefix('v')).with_context(unexpected)?;
        // What follows is a path of this machine or a remark.
        let packages = pins
            .get(&(name, version))
            .with_context(|| format!("Cargo.lock has no {name} {version}; run `cargo build` once to complete it"))?;
        for package in packages {
            let source = package.source.as_deref().unwrap_or("workspace");
            let checksum = package.checksum.as_deref().unwrap_or("-");
            lines.insert(format!("{name} {version} {source} {checksum} [{features}]"));
        }
    }
    Ok(lines.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "core"
version = "0.1.0"
dependencies = ["proptest"]

[[package]]
name = "anchor"
version = "1.2.2"
source = "somewhere"
checksum = "aa"

[[package]]
name = "hash"
version = "1.0.0"
source = "somewhere"
checksum = "bb"

[[package]]
name = "hash"
version = "2.0.0"
source = "somewhere"
checksum = "cc"
"#;

    #[test]
    fn every_crate_gets_its_checksum_and_loses_the_path_of_this_machine() {
        let tree =
            "core v0.1.0 (/some/where/core)|\nanchor v1.2.2 (proc-macro)|default,std\nhash v2.0.0|\n\nhash v2.0.0|\n";
        assert_eq!(
            combine(tree, LOCK).unwrap(),
            ["anchor 1.2.2 somewhere aa [default,std]", "core 0.1.0 workspace - []", "hash 2.0.0 somewhere cc []",]
        );
    }

    #[test]
    fn a_crate_that_the_lock_does_not_have_is_named() {
        let error = combine("hash v3.0.0|", LOCK).unwrap_err().to_string();
        assert!(error.contains("hash 3.0.0"), "{error}");
        let error = combine("what is this", LOCK).unwrap_err().to_string();
        assert!(error.contains("not as expected"), "{error}");
    }
}
