//! The hashes that tell whether a program would be built from the same things again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, Package};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::lock;
use crate::workspace::Workspace;

/// What a program is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprint {
    /// Over the sources and manifests.
    pub source: String,
    /// Over the pinned dependencies.
    pub lock: String,
}

impl Fingerprint {
    /// Takes the fingerprint of a program. Compiles nothing; at most fetches the sources of dependencies.
    ///
    /// # Errors
    /// A source, a manifest or the lock cannot be read.
    pub fn take(workspace: &Workspace, program: &str) -> Result<Self> {
        let name = format!("gridlease-{program}");
        let crates = crates(&workspace.metadata, &name)?;
        let names: Vec<&str> = crates.iter().map(|package| package.name.as_str()).collect();
        let folders = crates
            .iter()
            .filter_map(|package| package.manifest_path.parent()?.strip_prefix(&workspace.metadata.workspace_root).ok())
            .map(|folder| folder.as_str().to_owned())
            .collect();
        let manifest =
            fs::read_to_string(workspace.root.join("Cargo.toml")).context("cannot read the root manifest")?;
        let inherited = inherited(&workspace.metadata, &names, &manifest)?;
        let pinned = lock::pinned(workspace, &name)?;
        Ok(Self {
            source: sources(&workspace.root, &folders, &inherited)?,
            lock: hex::encode(Sha256::digest(pinned.join("\n"))),
        })
    }
}

/// The crates of the workspace that go into the crate `program`: itself and those that it imports, in the order of their names.
///
/// # Errors
/// The workspace has no such crate.
pub fn crates<'a>(metadata: &'a Metadata, program: &str) -> Result<Vec<&'a Package>> {
    let find = |name: &str| metadata.packages.iter().find(|package| package.name.as_str() == name);
    let mut names = BTreeSet::from([program.to_owned()]);
    let mut next = vec![program.to_owned()];
    while let Some(name) = next.pop() {
        let package = find(&name).with_context(|| format!("the workspace has no crate `{name}`"))?;
        for dependency in built_from(package).filter(|dependency| dependency.path.is_some()) {
            if names.insert(dependency.name.clone()) {
                next.push(dependency.name.clone());
            }
        }
    }
    Ok(names.iter().filter_map(|name| find(name)).collect())
}

/// The hash of the manifests and sources in `folders`, and of what the manifests inherit.
fn sources(root: &Path, folders: &BTreeSet<String>, inherited: &[String]) -> Result<String> {
    let mut hash = Sha256::new();
    let mut feed = |name: &str, bytes: &[u8]| {
        // Lengths keep two different trees from giving one stream of bytes.
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    };
    for folder in folders {
        let mut files = list(root, &format!("{folder}/src"))?;
        files.insert(format!("{folder}/Cargo.toml"));
        for file in files {
            let bytes = fs::read(root.join(&file)).with_context(|| format!("cannot read {file}"))?;
            feed(&file, &bytes);
        }
    }
    for line in inherited {
        feed("inherited", line.as_bytes());
    }
    Ok(hex::encode(hash.finalize()))
}

/// The files below a directory, relative to the root, in a fixed order; not notes or hidden ones.
fn list(root: &Path, directory: &str) -> Result<BTreeSet<String>> {
    let start = root.join(directory);
    ensure!(start.is_dir(), "{} is missing; is this the whole project?", start.display());
    let goes_in = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || name.ends_with(".md"))
    };
    let mut files = BTreeSet::new();
    for entry in WalkDir::new(&start).into_iter().filter_entry(goes_in) {
        let entry = entry.with_context(|| format!("cannot list {directory}"))?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            files.insert(parts.join("/"));
        }
    }
    Ok(files)
}

/// What manifests take from the root one and what thereby goes into a program: version, edition, dependencies as
/// resolved, and the release profile. The rest of the root manifest may change without a rebuild.
fn inherited(metadata: &Metadata, names: &[&str], manifest: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for name in names {
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name.as_str() == *name)
            .with_context(|| format!("the workspace has no crate `{name}`"))?;
        lines.push(format!("{name} {} {}", package.version, package.edition));
        for (feature, parts) in &package.features {
            lines.push(format!("{name} feature {feature} {parts:?}"));
        }
        lines.extend(
            built_from(package)
                .map(|dependency| {
                    format!(
                        "{name} needs {} {} default={} optional={} {:?}",
                        dependency.name,
                        dependency.req,
                        dependency.uses_default_features,
                        dependency.optional,
                        dependency.features,
                    )
                })
                .collect::<BTreeSet<_>>(),
        );
    }
    let manifest: toml::Table = toml::from_str(manifest).context("the root manifest is not valid")?;
    let release = manifest.get("profile").and_then(|profiles| profiles.get("release"));
    lines.push(format!("release {}", release.map(ToString::to_string).unwrap_or_default()));
    Ok(lines)
}

fn built_from(package: &Package) -> impl Iterator<Item = &cargo_metadata::Dependency> {
    let dependencies = package.dependencies.iter();
    dependencies.filter(|dependency| dependency.kind != DependencyKind::Development)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("core/Cargo.toml", "core"),
            ("core/src/lib.rs", "rules"),
            ("programs/market/Cargo.toml", "market"),
            ("programs/market/src/lib.rs", "program"),
            ("programs/market/tests/one.rs", "a test"),
            ("programs/market/README.md", "words"),
            ("programs/staking/Cargo.toml", "staking"),
            ("programs/staking/src/lib.rs", "another program"),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn folders() -> BTreeSet<String> {
        BTreeSet::from(["core".to_owned(), "programs/market".to_owned()])
    }

    fn hash(root: &Path) -> String {
        sources(root, &folders(), &["line".to_owned()]).unwrap()
    }

    #[test]
    fn a_change_to_the_program_or_to_the_rules_changes_the_hash() {
        let root = tree();
        let before = hash(root.path());
        for file in [
            "core/Cargo.toml",
            "core/src/lib.rs",
            "core/src/new.rs",
            "programs/market/Cargo.toml",
            "programs/market/src/state/job.rs",
        ] {
            let path = root.path().join(file);
            let old = fs::read(&path).ok();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "changed").unwrap();
            assert_ne!(hash(root.path()), before, "{file}");
            match old {
                Some(old) => fs::write(&path, old).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
        }
        assert_eq!(hash(root.path()), before);
        assert_ne!(sources(root.path(), &folders(), &[]).unwrap(), before);
    }

    #[test]
    fn tests_notes_and_other_programs_do_not_change_the_hash() {
        let root = tree();
        let before = hash(root.path());
        for file in [
            "programs/market/tests/one.rs",
            "programs/market/README.md",
            "programs/market/.gitignore",
            "programs/staking/src/lib.rs",
        ] {
            fs::write(root.path().join(file), "changed").unwrap();
        }
        assert_eq!(hash(root.path()), before);
    }

    #[test]
    fn moving_text_from_one_file_to_the_next_changes_the_hash() {
        let root = tree();
        let source = root.path().join("core/src");
        fs::write(source.join("a.rs"), "one").unwrap();
        fs::write(source.join("b.rs"), "two").unwrap();
        let before = hash(root.path());
        fs::write(source.join("a.rs"), "onet").unwrap();
        fs::write(source.join("b.rs"), "wo").unwrap();
        assert_ne!(hash(root.path()), before);
    }
}
