//! What is written beside outputs that are pushed to a store: the list of a whole generation, which is written last.

use super::listing::{check_hash, check_path};
use super::{ArtifactError, LeftOut, Limits};
use serde::{Deserialize, Serialize};

/// Name of the list, below the prefix.
pub const PUSHED_INDEX: &str = "index.json";
/// Largest list, bytes.
pub const MAX_PUSHED_INDEX_BYTES: u64 = 32 << 20;
/// Bytes in one object; a larger file is in several, in their order.
pub const MAX_OBJECT_BYTES: u64 = 4 << 30;

/// One file of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedFile {
    /// Path relative to the output folder.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
    /// When it was changed last, Unix milliseconds.
    pub modified_ms: i64,
    /// Keys of the objects that hold its bytes, each but the last [`MAX_OBJECT_BYTES`] of them; none for an empty file.
    pub objects: Vec<String>,
}

/// All files of an output folder as they stood at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedIndex {
    /// Version of this format: 1.
    pub version: u32,
    /// Address of the job, base58.
    pub job: String,
    /// Address of the lease that pushed it, base58.
    pub lease: String,
    /// Which attempt at the job that is, from 1.
    pub attempt: u8,
    /// The folder's path in the container.
    pub output: String,
    /// Its number among the lease's, from 1.
    pub generation: u64,
    /// When it was complete, Unix milliseconds of the chain's clock.
    pub at_ms: u64,
    /// Whether the job had ended: nothing comes after it.
    pub last: bool,
    /// The files, ordered by the bytes of their paths.
    pub files: Vec<PushedFile>,
    /// What the job wrote and is not among them.
    #[serde(default)]
    pub left_out: LeftOut,
}

impl PushedIndex {
    /// Sum of the sizes, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, one| sum.saturating_add(one.size))
    }

    /// Checks a list that came from a store: paths that stay in their folder, each once and in order, hashes, sizes within `limits`, and
    /// objects that lie below `prefix`, as many as each size takes.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub fn check(&self, prefix: &str, limits: &Limits) -> Result<(), ArtifactError> {
        if self.version != 1 {
            return Err(ArtifactError::BadArchive(format!("its list has version {}, known is 1", self.version)));
        }
        if self.files.len() > limits.files {
            return Err(ArtifactError::TooManyFiles(limits.files));
        }
        if self.total_bytes() > limits.bytes {
            return Err(ArtifactError::TooManyBytes(limits.bytes));
        }
        let mut previous: Option<&str> = None;
        for file in &self.files {
            check_path(&file.path)?;
            check_hash(&file.path, &file.sha256)?;
            if file.path.split('/').count() > limits.depth {
                return Err(ArtifactError::TooDeep(limits.depth));
            }
            if previous.is_some_and(|before| before.as_bytes() >= file.path.as_bytes()) {
                return Err(ArtifactError::Unsorted { path: file.path.clone() });
            }
            previous = Some(&file.path);
            let wanted = usize::try_from(file.size.div_ceil(MAX_OBJECT_BYTES)).unwrap_or(usize::MAX);
            let below = |key: &String| {
                key.starts_with(prefix)
                    && !key.chars().any(char::is_control)
                    && key.split('/').all(|part| !matches!(part, "." | ".."))
            };
            if file.objects.len() != wanted || !file.objects.iter().all(below) {
                let reason = "lies in objects that are not its own";
                return Err(ArtifactError::BadPath { path: file.path.clone(), reason });
            }
        }
        Ok(())
    }
}
