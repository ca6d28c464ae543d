//! The on-chain programs: bytecode that provably belongs to its sources, rebuilt where it does not.
//!
//! `programs/prebuilt/` holds the bytecode and `record.json`, which says what it was built from. A program is used only if
//! the hash of its sources, of the dependencies that the lock pins for it, and of the bytecode itself are the recorded ones.

pub mod build;
mod fingerprint;
mod runtime;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::workspace::Workspace;
use fingerprint::Fingerprint;

/// The programs: their folder in `programs/`, which is also the name of their bytecode file.
pub const PROGRAMS: [&str; 2] = ["market", "staking"];

/// The bytecode and the record, relative to the root.
const PREBUILT: &str = "programs/prebuilt";

/// The contents of `record.json`.
type Record = BTreeMap<String, Entry>;

/// What one program's bytecode was built from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 of the bytecode.
    pub so_sha256: String,
    /// Size of the bytecode in bytes.
    pub size: u64,
    /// SHA-256 over the program's and the rules' sources and manifests.
    pub source_sha256: String,
    /// SHA-256 over the dependencies that Cargo.lock pins for it.
    pub lock_sha256: String,
    /// What `cargo build-sbf --version` said.
    pub compiler: String,
}

/// Why a program's bytecode must not be used.
#[derive(Debug, PartialEq)]
pub enum Mismatch {
    /// There is no record of it.
    NoRecord,
    /// Its sources are not the recorded ones.
    Sources,
    /// Its locked dependencies are not the recorded ones.
    Lock,
    /// The bytecode is missing.
    NoBytecode,
    /// The bytecode is not the recorded one.
    Bytecode,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRecord => "programs/prebuilt/record.json does not mention it",
            Self::Sources => "its sources have changed since it was built",
            Self::Lock => "its locked dependencies have changed since it was built",
            Self::NoBytecode => "its bytecode is missing",
            Self::Bytecode => "its bytecode is not the one that was recorded",
        })
    }
}

/// Says for every program whether its bytecode matches. `true` if all do.
///
/// # Errors
/// Sources, lock or record cannot be read.
pub fn check(workspace: &Workspace) -> Result<bool> {
    let record = read_record(&workspace.root)?;
    let mut all = true;
    for program in PROGRAMS {
        let fingerprint = Fingerprint::take(workspace, program)?;
        match compare(&workspace.root, &record, program, &fingerprint)? {
            None => println!("{program}: up to date"),
            Some(mismatch) => {
                println!("{program}: {mismatch}");
                all = false;
            }
        }
    }
    Ok(all)
}

/// Makes sure that every program's bytecode matches its sources, rebuilding where it does not, and returns the absolute
/// directory that holds it.
///
/// # Errors
/// Nothing can be read or written, there is no compiler, it fails, or the sources change while it runs.
pub fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let directory = workspace.root.join(PREBUILT);
    let mut record = read_record(&workspace.root)?;
    for program in PROGRAMS {
        let fingerprint = Fingerprint::take(workspace, program)?;
        match compare(&workspace.root, &record, program, &fingerprint)? {
            None => eprintln!("program {program}: up to date"),
            Some(mismatch) => {
                eprintln!("program {program}: {mismatch}; rebuilding");
                let compiler = build::compiler(workspace).with_context(|| format!("program {program}: {mismatch}"))?;
                let bytecode = build::build(workspace, program)?;
                if build::names_home(&bytecode) {
                    eprintln!(
                        "program {program}: the compiler left a path of this machine's home folder in the bytecode; \
                         it works, but have one without it committed"
                    );
                }
                ensure!(
                    Fingerprint::take(workspace, program)? == fingerprint,
                    "the sources of program {program} changed while it was being built; run this again"
                );
                let entry = Entry {
                    so_sha256: hex::encode(Sha256::digest(&bytecode)),
                    size: bytecode.len() as u64,
                    source_sha256: fingerprint.source,
                    lock_sha256: fingerprint.lock,
                    compiler,
                };
                write_whole(&directory.join(format!("{program}.so")), &bytecode)?;
                record.insert(program.to_owned(), entry);
                write_record(&workspace.root, &record)?;
            }
        }
    }
    // What no longer is a program must not stay in the record.
    if record.keys().any(|name| !PROGRAMS.contains(&name.as_str())) {
        record.retain(|name, _| PROGRAMS.contains(&name.as_str()));
        write_record(&workspace.root, &record)?;
    }
    Ok(directory)
}

/// Compares a program's bytecode and sources with the record; nothing means that it may be used.
fn compare(root: &Path, record: &Record, program: &str, fingerprint: &Fingerprint) -> Result<Option<Mismatch>> {
    let Some(entry) = record.get(program) else {
        return Ok(Some(Mismatch::NoRecord));
    };
    if entry.source_sha256 != fingerprint.source {
        return Ok(Some(Mismatch::Sources));
    }
    if entry.lock_sha256 != fingerprint.lock {
        return Ok(Some(Mismatch::Lock));
    }
    let path = root.join(PREBUILT).join(format!("{program}.so"));
    if !path.exists() {
        return Ok(Some(Mismatch::NoBytecode));
    }
    let bytecode = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let matches = bytecode.len() as u64 == entry.size && hex::encode(Sha256::digest(&bytecode)) == entry.so_sha256;
    Ok((!matches).then_some(Mismatch::Bytecode))
}

/// Reads the record; none yet is an empty one.
fn read_record(root: &Path) -> Result<Record> {
    let path = root.join(PREBUILT).join("record.json");
    if !path.exists() {
        return Ok(Record::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    match serde_json::from_str(&text) {
        Ok(record) => Ok(record),
        Err(error) => bail!(
            "{} is not valid ({error}); restore it from git, or delete it to rebuild the programs",
            path.display()
        ),
    }
}

fn write_record(root: &Path, record: &Record) -> Result<()> {
    let mut text = serde_json::to_string_pretty(record).context("cannot write the record")?;
    text.push('\n');
    write_whole(&root.join(PREBUILT).join("record.json"), text.as_bytes())
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&part, bytes)?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint() -> Fingerprint {
        Fingerprint { source: "source".to_owned(), lock: "lock".to_owned() }
    }

    /// A tree with one program whose bytecode and record match.
    fn tree() -> (tempfile::TempDir, Record) {
        let root = tempfile::tempdir().unwrap();
        let entry = Entry {
            so_sha256: hex::encode(Sha256::digest(b"bytecode")),
            size: 8,
            source_sha256: "source".to_owned(),
            lock_sha256: "lock".to_owned(),
            compiler: "some compiler".to_owned(),
        };
        let record = Record::from([("market".to_owned(), entry)]);
        write_whole(&root.path().join(PREBUILT).join("market.so"), b"bytecode").unwrap();
        write_record(root.path(), &record).unwrap();
        (root, record)
    }

    #[test]
    fn a_program_whose_every_hash_matches_is_used() {
        let (root, record) = tree();
        let read = read_record(root.path()).unwrap();
        assert_eq!(read, record);
        assert_eq!(compare(root.path(), &read, "market", &fingerprint()).unwrap(), None);
    }

    #[test]
    fn every_difference_from_the_record_is_refused_by_its_name() {
        let (root, record) = tree();
        let compare =
            |program: &str, fingerprint: &Fingerprint| compare(root.path(), &record, program, fingerprint).unwrap();
        assert_eq!(compare("staking", &fingerprint()), Some(Mismatch::NoRecord));
        let mut other = fingerprint();
        other.source.push('x');
        assert_eq!(compare("market", &other), Some(Mismatch::Sources));
        let mut other = fingerprint();
        other.lock.push('x');
        assert_eq!(compare("market", &other), Some(Mismatch::Lock));

        let bytecode = root.path().join(PREBUILT).join("market.so");
        fs::write(&bytecode, b"bytec0de").unwrap();
        assert_eq!(compare("market", &fingerprint()), Some(Mismatch::Bytecode));
        fs::write(&bytecode, b"bytecode and more").unwrap();
        assert_eq!(compare("market", &fingerprint()), Some(Mismatch::Bytecode));
        fs::remove_file(&bytecode).unwrap();
        assert_eq!(compare("market", &fingerprint()), Some(Mismatch::NoBytecode));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error_and_not_an_empty_one() {
        let (root, _) = tree();
        fs::write(root.path().join(PREBUILT).join("record.json"), "{ \"market\": 1 }").unwrap();
        let error = read_record(root.path()).unwrap_err().to_string();
        assert!(error.contains("restore it from git"), "{error}");
    }
}
