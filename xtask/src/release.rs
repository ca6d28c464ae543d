//! `release`: what a stranger gets, and the means to check it. Programs and binary are built from the commit alone, twice, in
//! two folders, and must be the same bytes; beside them lie hashes, an SBOM, and the commands that compare.

mod build;
mod sbom;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::run;
use crate::workspace::Workspace;
use build::Tree;

/// Where a release lies, relative to the root.
const DIST: &str = "dist";
/// The folders of the two builds. Their names differ in length, too: a path that got into an artefact moves what is behind it.
const FOLDERS: [&str; 2] = ["one", "and-another-one"];

/// What is released, and how it is built.
#[derive(Args)]
pub struct Options {
    /// Leave the binary out: only the programs can be compared with what is on a chain
    #[arg(long)]
    programs_only: bool,
    /// Build the programs in this container image instead of with the `cargo build-sbf` on PATH, such as the one that
    /// solana-verify uses: solanafoundation/solana-verifiable-build:VERSION
    #[arg(long, value_name = "IMAGE")]
    container: Option<String>,
}

/// What a release is and how it came about: `release.json`.
#[derive(Debug, Serialize)]
struct About {
    version: String,
    commit: String,
    /// Unix seconds of the commit.
    committed_at: u64,
    /// What compiled the programs.
    program_compiler: String,
    /// The container that it ran in.
    container: Option<String>,
    /// What compiled the binary.
    rustc: String,
    /// The machine that the binary is for.
    target: String,
    /// SHA-256 of each artefact. Two builds in two folders gave the same.
    sha256: BTreeMap<String, String>,
    /// The hash by which each program is known on a chain: SHA-256 without the zeros at the end.
    program_hash: BTreeMap<String, String>,
    /// Whether the programs are those of `programs/prebuilt` at that commit.
    prebuilt_are_these: bool,
}

/// Builds twice, compares, and writes `dist/`. `false` where the two builds differ.
///
/// # Errors
/// The working tree has changes, a build fails, or nothing can be written.
pub fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let git = |arguments: &[&str]| run::capture(Command::new("git").current_dir(&workspace.root).args(arguments));
    let changes = git(&["status", "--porcelain"])?;
    ensure!(changes.is_empty(), "a release is made from a commit, and these files differ from it:\n{changes}");
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let committed_at = git(&["show", "-s", "--format=%ct", "HEAD"])?.trim().parse().context("git names no time")?;

    let mut trees = Vec::new();
    for folder in FOLDERS {
        let root = workspace.target.join("release-builds").join(folder);
        let tree = Tree::extract(workspace, &commit, &root, committed_at)?;
        eprintln!("\n== building in {}", root.display());
        let mut made = tree.programs(options.container.as_deref())?;
        if !options.programs_only {
            made.extend(tree.binary()?);
        }
        trees.push((tree, made));
    }
    let [(tree, made), (_, again)] = trees.as_slice() else { bail!("there are two folders") };
    let differ = different(made, again);
    if !differ.is_empty() {
        println!("not reproducible: {} differ between {} and {}", differ.join(", "), FOLDERS[0], FOLDERS[1]);
        println!("both are kept in {}", workspace.target.join("release-builds").display());
        return Ok(false);
    }
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit,
        committed_at,
        program_compiler: tree.compiler(options.container.as_deref())?,
        container: options.container.clone(),
        rustc: run::capture(Command::new("rustc").current_dir(&workspace.root).arg("-V"))?.trim().to_owned(),
        target: crate::render::host()?,
        sha256: made.iter().map(|(name, bytes)| (name.clone(), hash(bytes))).collect(),
        program_hash: program_hashes(made),
        prebuilt_are_these: is_prebuilt(&tree.workspace().root, made)?,
    };
    let dist = workspace.root.join(DIST);
    let boms = sbom::make(workspace, tree, committed_at, options.programs_only)?;
    write(&dist, &about, made, &boms)?;
    println!("{}", words::summary(&about, &dist));
    Ok(true)
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The programs' hashes as `solana-verify` prints them.
fn program_hashes(made: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, String> {
    let programs = made.iter().filter(|(name, _)| name.ends_with(".so"));
    let trimmed = |so: &[u8]| hash(so.get(..=so.iter().rposition(|byte| *byte != 0).unwrap_or(0)).unwrap_or_default());
    programs.map(|(name, so)| (name.clone(), trimmed(so))).collect()
}

/// The artefacts that are not the same in both, by name.
fn different(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut names: Vec<_> = one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).collect();
    names.sort();
    names.dedup();
    names.into_iter().cloned().collect()
}

/// Whether the bytecode of the commit, whose files are in `root`, is what was built.
fn is_prebuilt(root: &Path, made: &BTreeMap<String, Vec<u8>>) -> Result<bool> {
    for program in crate::programs::PROGRAMS {
        let name = format!("{program}.so");
        let path = root.join("programs/prebuilt").join(&name);
        let committed = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if made.get(&name) != Some(&committed) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the release. An older one is removed first: what lies there is of one commit.
fn write(dist: &Path, about: &About, made: &BTreeMap<String, Vec<u8>>, boms: &[(String, Vec<u8>)]) -> Result<()> {
    if dist.exists() {
        fs::remove_dir_all(dist).with_context(|| format!("cannot remove the old {}", dist.display()))?;
    }
    fs::create_dir_all(dist).with_context(|| format!("cannot create {}", dist.display()))?;
    let mut files: BTreeMap<String, Vec<u8>> = made.clone();
    files.extend(boms.iter().cloned());
    let mut json = serde_json::to_vec_pretty(about).context("cannot write release.json")?;
    json.push(b'\n');
    files.insert("release.json".to_owned(), json);
    files.insert("record.json".to_owned(), record(made)?);
    files.insert("VERIFY.md".to_owned(), words::verify(about).into_bytes());
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", hash(bytes))).collect();
    files.insert("SHA256SUMS".to_owned(), sums.into_bytes());
    for (name, bytes) in &files {
        let path = dist.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        if *name == "gridlease" {
            make_executable(&path)?;
        }
    }
    Ok(())
}

/// The record by which `gridlease admin migrate --programs dist` knows the programs.
fn record(made: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let programs = crate::programs::PROGRAMS.iter().filter_map(|name| Some((name, made.get(&format!("{name}.so"))?)));
    let entries: BTreeMap<_, _> =
        programs.map(|(name, so)| (name, serde_json::json!({ "so_sha256": hash(so), "size": so.len() }))).collect();
    serde_json::to_vec_pretty(&entries).context("cannot write record.json")
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot mark {}", path.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}

/// A folder that is there and empty.
fn emptied(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(parts: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        parts.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec())).collect()
    }

    fn about(made: &BTreeMap<String, Vec<u8>>) -> About {
        About {
            version: "1.2.3".to_owned(),
            commit: "c0ffee".to_owned(),
            committed_at: 7,
            program_compiler: "a compiler".to_owned(),
            container: None,
            rustc: "rustc 1".to_owned(),
            target: "some-machine".to_owned(),
            sha256: made.iter().map(|(name, bytes)| (name.clone(), hash(bytes))).collect(),
            program_hash: program_hashes(made),
            prebuilt_are_these: true,
        }
    }

    #[test]
    fn a_byte_more_or_a_file_less_makes_two_builds_different() {
        let one = made(&[("market.so", "a"), ("gridlease", "b")]);
        assert!(different(&one, &one.clone()).is_empty());
        assert_eq!(different(&one, &made(&[("market.so", "a"), ("gridlease", "c")])), ["gridlease"]);
        assert_eq!(different(&one, &made(&[("market.so", "a")])), ["gridlease"]);
        assert_eq!(different(&made(&[]), &one), ["gridlease", "market.so"]);
    }

    #[test]
    fn a_release_says_of_every_file_what_its_hash_is_and_an_older_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path().join("dist");
        fs::create_dir(&dist).unwrap();
        fs::write(dist.join("old"), "").unwrap();
        let made = made(&[("market.so", "m"), ("staking.so", "s"), ("gridlease", "g")]);
        write(&dist, &about(&made), &made, &[("gridlease.cdx.json".to_owned(), b"{}".to_vec())]).unwrap();
        assert!(!dist.join("old").exists());
        let sums = fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
        let mut named: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
        named.sort_by_key(|(_, name)| *name);
        let names: Vec<_> = named.iter().map(|(_, name)| *name).collect();
        let expected =
            ["VERIFY.md", "gridlease", "gridlease.cdx.json", "market.so", "record.json", "release.json", "staking.so"];
        assert_eq!(names, expected);
        for (sum, name) in named {
            assert_eq!(sum, hash(&fs::read(dist.join(name)).unwrap()), "{name}");
        }
        let record: serde_json::Value = serde_json::from_slice(&fs::read(dist.join("record.json")).unwrap()).unwrap();
        assert_eq!(record["market"]["so_sha256"], hash(b"m"));
    }

    #[test]
    fn the_words_name_commit_hashes_and_the_commands_that_compare() {
        let made = made(&[("market.so", "m"), ("staking.so", "s")]);
        let text = words::verify(&about(&made));
        for part in
            ["c0ffee", &hash(b"m"), &hash(b"s"), "sha256sum -c SHA256SUMS", "cargo xtask release", "solana-verify"]
        {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}
