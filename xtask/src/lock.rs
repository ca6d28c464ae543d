//! What `Cargo.lock` pins for one crate: the crates it is built from, directly or not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

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
    #[serde(default)]
    dependencies: Vec<String>,
}

/// Lists the crates that `start` is built from, one line each with version, origin and checksum, sorted.
///
/// The lock does not tell development dependencies from others. `direct` does for the crates of the workspace: it maps
/// each of them to the names that it needs when it is built.
///
/// # Errors
/// The text is no lock file, or a crate is missing in it.
pub fn closure(lock: &str, start: &str, direct: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<String>> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock is not valid")?;
    let mut lines = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(wanted) = open.pop() {
        let (index, package) = find(&lock, &wanted)?;
        if !seen.insert(index) {
            continue;
        }
        lines.insert(format!(
            "{} {} {} {}",
            package.name,
            package.version,
            package.source.as_deref().unwrap_or("workspace"),
            package.checksum.as_deref().unwrap_or("-"),
        ));
        let own = match package.source {
            None => Some(direct.get(&package.name).with_context(|| {
                format!("`{}` is in Cargo.lock but not in the workspace; run `cargo build` once", package.name)
            })?),
            Some(_) => None,
        };
        for dependency in &package.dependencies {
            let name = dependency.split(' ').next().unwrap_or_default();
            if own.is_none_or(|own| own.contains(name)) {
                open.push(dependency.clone());
            }
        }
    }
    Ok(lines.into_iter().collect())
}

/// The crate that a dependency line (`name`, `name version` or `name version (source)`) means.
fn find<'a>(lock: &'a Lock, wanted: &str) -> Result<(usize, &'a Package)> {
    let mut words = wanted.split(' ');
    let name = words.next().unwrap_or_default();
    let version = words.next();
    let source = words.next().map(|word| word.trim_matches(['(', ')']));
    lock.package
        .iter()
        .enumerate()
        .find(|(_, package)| {
            package.name == name
                && version.is_none_or(|version| package.version == version)
                && source.is_none_or(|source| package.source.as_deref() == Some(source))
        })
        .with_context(|| format!("Cargo.lock has no `{wanted}`; run `cargo build` once to complete it"))
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
name = "market"
version = "0.1.0"
dependencies = ["anchor", "core"]

[[package]]
name = "anchor"
version = "1.2.2"
source = "somewhere"
checksum = "aa"
dependencies = ["hash 2.0.0"]

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

[[package]]
name = "proptest"
version = "1.0.0"
source = "somewhere"
checksum = "dd"
dependencies = ["hash 1.0.0"]
"#;

    fn direct() -> BTreeMap<String, BTreeSet<String>> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        BTreeMap::from([("core".to_owned(), BTreeSet::new()), ("market".to_owned(), names(&["anchor", "core"]))])
    }

    #[test]
    fn the_closure_follows_versions_and_leaves_out_what_only_tests_need() {
        let lines = closure(LOCK, "market", &direct()).unwrap();
        assert_eq!(
            lines,
            [
                "anchor 1.2.2 somewhere aa",
                "core 0.1.0 workspace -",
                "hash 2.0.0 somewhere cc",
                "market 0.1.0 workspace -",
            ]
        );
    }

    #[test]
    fn a_crate_that_the_lock_does_not_have_is_named() {
        let error = closure(LOCK, "staking", &direct()).unwrap_err();
        assert!(error.to_string().contains("`staking`"), "{error}");
    }
}
