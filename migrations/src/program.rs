//! Built programs: found, and checked against their record.

use std::{
    collections::HashMap,
    env, fs, io,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Names the folder with `market.so`, `staking.so` and `record.json`.
pub const PROGRAMS_DIR_VAR: &str = "GRIDLEASE_PROGRAMS_DIR";

const PREBUILT: &str = "programs/prebuilt";
const RECORD: &str = "record.json";
/// The loader's own bound on a program (10 MiB).
const MAX_PROGRAM_BYTES: u64 = 10 * 1024 * 1024;
const MAX_RECORD_BYTES: u64 = 1024 * 1024;

/// Why a built program cannot be used.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// No folder with built programs was found.
    #[error(
        "no built programs found: set {var} to the folder with market.so, staking.so and record.json, or run in the repository (looked for programs/prebuilt from {from} upwards); `cargo xtask build-programs` makes them"
    )]
    NoFolder {
        /// The environment variable that names the folder.
        var: &'static str,
        /// Where the search began.
        from: PathBuf,
    },
    /// A file of the built programs could not be read.
    #[error("cannot read {path}: {source}; `cargo xtask build-programs` makes the built programs", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `record.json` cannot be trusted.
    #[error("{path} is no usable record of the built programs: {reason}; run `cargo xtask build-programs`", path = path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A built program is not what its record says.
    #[error(
        "{path} does not match its record: its sha256 is {actual}, record.json says {expected}; run `cargo xtask build-programs`",
        path = path.display()
    )]
    Mismatch {
        /// The program file.
        path: PathBuf,
        /// The hash in the record.
        expected: String,
        /// The hash of the file.
        actual: String,
    },
}

/// A built program whose bytes match its record.
#[derive(Clone, Debug)]
pub struct Program {
    /// `market` or `staking`.
    pub name: String,
    /// Where it was found.
    pub path: PathBuf,
    /// The ELF file.
    pub so: Vec<u8>,
    /// SHA-256 of the file, in lower-case hex.
    pub sha256: String,
}

/// What is read of an entry of `record.json`; it holds more.
#[derive(Deserialize)]
struct RecordEntry {
    so_sha256: String,
}

/// Loads the built program `name` (`market`, `staking`) from the folder in [`PROGRAMS_DIR_VAR`], else from the
/// repository's `programs/prebuilt` (that of the working directory or of the nearest folder above it, else that of
/// the source tree this was built in).
///
/// # Errors
/// The folder, file or record is missing or unreadable, or the file is not the one that the record describes; then
/// nothing is loaded.
pub fn find_program(name: &str) -> Result<Program, ProgramError> {
    if let Some(dir) = env::var_os(PROGRAMS_DIR_VAR) {
        return find_program_in(Path::new(&dir), name);
    }
    let from = env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let source_tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = from
        .ancestors()
        .chain([source_tree.as_path()])
        .map(|folder| folder.join(PREBUILT))
        .find(|folder| folder.join(RECORD).is_file());
    match dir {
        Some(dir) => find_program_in(&dir, name),
        None => Err(ProgramError::NoFolder { var: PROGRAMS_DIR_VAR, from }),
    }
}

/// Loads the built program `name` from `dir`, as [`find_program`] does.
///
/// # Errors
/// As of [`find_program`].
pub fn find_program_in(dir: &Path, name: &str) -> Result<Program, ProgramError> {
    let record_path = dir.join(RECORD);
    let record = read_bounded(&record_path, MAX_RECORD_BYTES)?;
    let unusable = |reason: String| ProgramError::Record { path: record_path.clone(), reason };
    let entries: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&record).map_err(|error| unusable(error.to_string()))?;
    let entry = entries.get(name).ok_or_else(|| unusable(format!("it has no entry \"{name}\"")))?;
    let RecordEntry { so_sha256: expected } =
        RecordEntry::deserialize(entry).map_err(|error| unusable(format!("entry \"{name}\": {error}")))?;
    let path = dir.join(format!("{name}.so"));
    let so = read_bounded(&path, MAX_PROGRAM_BYTES)?;
    let actual = hex::encode(Sha256::digest(&so));
    if !actual.eq_ignore_ascii_case(&expected) {
        return Err(ProgramError::Mismatch { path, expected, actual });
    }
    Ok(Program { name: name.to_owned(), path, so, sha256: actual })
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ProgramError> {
    let failed = |source: io::Error| ProgramError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes"))));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SO: &[u8] = b"\x7fELF and so on";

    fn folder(record: Option<&str>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("market.so"), SO).unwrap();
        if let Some(record) = record {
            fs::write(dir.path().join(RECORD), record).unwrap();
        }
        dir
    }

    fn record_of(bytes: &[u8]) -> String {
        format!(
            r#"{{"market": {{"so_sha256": "{}", "sources": {{}}}}, "compiler": "any"}}"#,
            hex::encode(Sha256::digest(bytes))
        )
    }

    #[test]
    fn a_program_that_matches_its_record_is_loaded() {
        let dir = folder(Some(&record_of(SO)));
        let program = find_program_in(dir.path(), "market").unwrap();
        assert_eq!(program.so, SO);
        assert_eq!(program.sha256, hex::encode(Sha256::digest(SO)));
        assert_eq!(program.path, dir.path().join("market.so"));
    }

    #[test]
    fn a_program_that_differs_from_its_record_is_refused_with_both_hashes() {
        let dir = folder(Some(&record_of(b"something else")));
        let error = find_program_in(dir.path(), "market").unwrap_err();
        assert!(matches!(error, ProgramError::Mismatch { .. }));
        let text = error.to_string();
        assert!(text.contains(&hex::encode(Sha256::digest(SO))), "{text}");
        assert!(text.contains("market.so") && text.contains("build-programs"), "{text}");
    }

    #[test]
    fn a_missing_or_broken_record_is_refused() {
        let missing = folder(None);
        assert!(matches!(find_program_in(missing.path(), "market"), Err(ProgramError::File { .. })));
        for record in ["{", "{}", r#"{"market": {}}"#, r#"{"market": 1}"#] {
            let dir = folder(Some(record));
            assert!(matches!(find_program_in(dir.path(), "market"), Err(ProgramError::Record { .. })), "{record}");
        }
    }

    #[test]
    fn a_missing_program_file_is_named() {
        let dir = folder(Some(r#"{"staking": {"so_sha256": "00"}}"#));
        let error = find_program_in(dir.path(), "staking").unwrap_err();
        assert!(error.to_string().contains("staking.so"), "{error}");
    }
}
