//! Pinning the input files that are on the buyer's machine.

use super::types::{InputSource, Manifest};
use crate::artifact::{ArtifactError, hash_file};
use crate::node_api::MAX_INPUT_BYTES;
use std::path::{Path, PathBuf};

/// A file that the buyer pushes to the winning node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalInput {
    /// Index in `inputs`.
    pub index: usize,
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Its size, bytes.
    pub size: u64,
}

/// Why a local file cannot be an input.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// It is not there or cannot be read.
    #[error("inputs[{index}]: cannot read {}: {source}", path.display())]
    Unreadable {
        /// Index in `inputs`.
        index: usize,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is a folder, a device or larger than a node takes.
    #[error("inputs[{index}]: {} is not a file of at most {MAX_INPUT_BYTES} bytes: {source}", path.display())]
    Unsuitable {
        /// Index in `inputs`.
        index: usize,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ArtifactError,
    },
    /// It is not the file that the manifest names.
    #[error("inputs[{index}]: {} hashes to {found}, but the manifest says {expected}; correct the file or the sha256", path.display())]
    Mismatch {
        /// Index in `inputs`.
        index: usize,
        /// The file.
        path: PathBuf,
        /// As in the manifest, hex.
        expected: String,
        /// As it is, hex.
        found: String,
    },
}

impl Manifest {
    /// Hashes the input files that are on this machine, checks the hashes that the manifest states, and turns these
    /// inputs into ones that are pushed. `base` is the folder of the manifest, from which relative paths count. Returns
    /// the files to push once a node has won. Blocks on the file system. On an error the manifest is as it was.
    ///
    /// # Errors
    /// [`PinError`], for the first file that is at fault.
    pub fn pin_local_inputs(&mut self, base: &Path) -> Result<Vec<LocalInput>, PinError> {
        let mut files = Vec::new();
        for (index, input) in self.inputs.iter().enumerate() {
            let InputSource::Local(written) = &input.uri else {
                continue;
            };
            let path = base.join(written);
            // A link is followed here, on the buyer's own machine, and nowhere else.
            let path = path.canonicalize().map_err(|source| PinError::Unreadable { index, path, source })?;
            let (size, sha256) = hash_file(&path, MAX_INPUT_BYTES).map_err(|error| match error {
                ArtifactError::Io { path, source, .. } => PinError::Unreadable { index, path, source },
                source => PinError::Unsuitable { index, path: path.clone(), source },
            })?;
            let found = hex::encode(sha256);
            if let Some(expected) = input.sha256.as_ref().filter(|stated| **stated != found) {
                return Err(PinError::Mismatch { index, path, expected: expected.clone(), found });
            }
            files.push(LocalInput { index, path, sha256, size });
        }
        for file in &files {
            let input = &mut self.inputs[file.index];
            input.sha256 = Some(hex::encode(file.sha256));
            input.uri = InputSource::Push;
        }
        Ok(files)
    }
}
