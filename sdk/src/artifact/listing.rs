//! The list of outputs and its hash.

use super::{ArtifactError, LeftOut, Limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MAX_PATH_BYTES: usize = 1024;
const MAX_COMPONENT_BYTES: usize = 255;

/// One output file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// Path relative to the output folder, with `/` between its parts.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
}

/// All outputs of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputListing {
    /// Output root, lower-case hex.
    pub root: String,
    /// The files, ordered by the bytes of their paths.
    pub files: Vec<OutputFile>,
    /// What the job wrote and is not among them. The node's word: the root does not cover it.
    #[serde(default)]
    pub left_out: LeftOut,
}

impl OutputListing {
    /// Lists `files`, which must be in order; nothing is left out.
    ///
    /// # Errors
    /// As [`output_root`].
    pub fn new(files: Vec<OutputFile>) -> Result<Self, ArtifactError> {
        Self::with_left_out(files, LeftOut::default())
    }

    /// Lists `files`, which must be in order, and what was left out beside them.
    ///
    /// # Errors
    /// As [`output_root`].
    pub fn with_left_out(files: Vec<OutputFile>, left_out: LeftOut) -> Result<Self, ArtifactError> {
        let root = hex::encode(output_root(&files)?);
        Ok(Self { root, files, left_out })
    }

    /// Sum of the sizes, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// Checks that the listing is within `limits` and hashes to `expected_root`, whatever root it claims.
    ///
    /// # Errors
    /// [`ArtifactError::RootMismatch`], or what is wrong with the listing itself.
    pub fn verify(&self, expected_root: &[u8; 32], limits: &Limits) -> Result<(), ArtifactError> {
        if self.files.len() > limits.files {
            return Err(ArtifactError::TooManyFiles(limits.files));
        }
        if self.total_bytes() > limits.bytes {
            return Err(ArtifactError::TooManyBytes(limits.bytes));
        }
        let found = output_root(&self.files)?;
        if found != *expected_root {
            return Err(ArtifactError::RootMismatch {
                expected: hex::encode(expected_root),
                found: hex::encode(found),
            });
        }
        Ok(())
    }
}

/// The output root of `files`: the lease's result hash.
///
/// # Errors
/// A path or hash that cannot stand in a listing, or files out of order.
pub fn output_root(files: &[OutputFile]) -> Result<[u8; 32], ArtifactError> {
    let mut hasher = Sha256::new();
    let mut previous: Option<&str> = None;
    for file in files {
        check_path(&file.path)?;
        check_hash(&file.path, &file.sha256)?;
        if previous.is_some_and(|before| before.as_bytes() >= file.path.as_bytes()) {
            return Err(ArtifactError::Unsorted { path: file.path.clone() });
        }
        previous = Some(&file.path);
        hasher.update(format!("{} {} {}\n", file.sha256, file.size, file.path));
    }
    Ok(hasher.finalize().into())
}

pub(super) fn check_hash(path: &str, sha256: &str) -> Result<(), ArtifactError> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if sha256.len() == 64 && sha256.bytes().all(is_hex) {
        Ok(())
    } else {
        Err(ArtifactError::BadHash { path: path.to_owned() })
    }
}

/// Refuses every path that could leave the folder, be read in two ways, or break the lines of the listing.
pub(super) fn check_path(path: &str) -> Result<(), ArtifactError> {
    let refuse = |reason| Err(ArtifactError::BadPath { path: path.chars().take(128).collect(), reason });
    if path.is_empty() {
        return refuse("is empty");
    }
    if path.len() > MAX_PATH_BYTES {
        return refuse("is longer than 1024 bytes");
    }
    if path.starts_with('/') {
        return refuse("is absolute; only paths inside the output folder are accepted");
    }
    if path.chars().any(char::is_control) {
        return refuse("contains a control character; rename the file");
    }
    for part in path.split('/') {
        match part {
            "" | "." => return refuse("has an empty part"),
            ".." => return refuse("leaves the output folder"),
            _ if part.len() > MAX_COMPONENT_BYTES => {
                return refuse("has a part longer than 255 bytes");
            }
            _ => {}
        }
    }
    Ok(())
}
