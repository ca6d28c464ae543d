//! The outputs of a lease: listing them, hashing them, carrying them.
//!
//! What a job leaves behind is named by one hash, the output root, which the node posts on chain as the
//! lease's result. It is the SHA-256 over one line `"{sha256} {size} {path}\n"` for each regular file, in
//! the order of the paths' bytes; no files at all give the SHA-256 of nothing. Paths are relative to the
//! output folder; where a job has several outputs, each is a folder named by its index: `0/`, `1/`.
//! What cannot be part of them is left out by name and reason ([`LeftOut`]); the root does not cover that list.
//!
//! All functions here block on the file system: call them from a blocking thread.

mod left_out;
mod listing;
mod pack;
mod pushed;
mod unpack;
mod walk;

pub use left_out::{LeftOut, LeftOutEntry, LeftOutReason, MAX_LEFT_OUT_NAMES, unlistable};
pub use listing::{OutputFile, OutputListing, output_root};
pub use pack::{open_listed, pack};
pub use pushed::{MAX_OBJECT_BYTES, MAX_PUSHED_INDEX_BYTES, PUSHED_INDEX, PushedFile, PushedIndex};
pub use unpack::unpack;
pub use walk::{OnFailure, Walked, hash_file, walk, walk_with};

use std::path::{Path, PathBuf};

/// What is accepted at most, when reading a folder as well as when unpacking an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most regular files.
    pub files: usize,
    /// Most bytes in all files together.
    pub bytes: u64,
    /// Deepest nesting of folders.
    pub depth: usize,
}

impl Default for Limits {
    /// 10,000 files, 1 TiB, 32 folders deep.
    fn default() -> Self {
        Self { files: 10_000, bytes: 1 << 40, depth: 32 }
    }
}

/// Why outputs cannot be listed, packed, unpacked or accepted.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A path that cannot be listed or must not be written.
    #[error("output path {path:?} {reason}")]
    BadPath {
        /// The path, with anything unreadable replaced.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A listing whose hash is not 64 lower-case hex digits.
    #[error("output {path:?} is listed with a hash that is not 64 lower-case hex digits")]
    BadHash {
        /// The path.
        path: String,
    },
    /// A listing out of order or with a path twice.
    #[error("outputs are not listed in order: {path:?} comes too late or twice")]
    Unsorted {
        /// The first path that is out of order.
        path: String,
    },
    /// More files than allowed.
    #[error("more than {0} output files")]
    TooManyFiles(usize),
    /// More bytes than allowed.
    #[error("outputs of more than {0} bytes")]
    TooManyBytes(u64),
    /// Folders nested deeper than allowed.
    #[error("output folders are nested more than {0} deep")]
    TooDeep(usize),
    /// Something in an archive that is neither a file nor a folder.
    #[error("the archive holds {kind} at {path:?}; only files and folders are accepted")]
    BadEntry {
        /// Its path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// The archive cannot be read.
    #[error("the archive is damaged: {0}")]
    BadArchive(String),
    /// A file is not any more what the listing says.
    #[error("output {path:?} changed after it was listed")]
    Changed {
        /// Its path.
        path: String,
    },
    /// A file's content is not the one that the listing names.
    #[error("output {path:?} hashes to {found}, but the listing says {expected}: it was altered, do not use it")]
    WrongContent {
        /// Its path.
        path: String,
        /// As listed, hex.
        expected: String,
        /// As it came, hex.
        found: String,
    },
    /// The files are not the ones that were committed to.
    #[error("the outputs hash to {found}, but {expected} was expected: they were altered, do not use them")]
    RootMismatch {
        /// Hash that was committed to, hex.
        expected: String,
        /// Hash of what is there, hex.
        found: String,
    },
}

impl ArtifactError {
    fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> ArtifactError + 'a {
        move |source| ArtifactError::Io { action, path: path.to_owned(), source }
    }
}

#[cfg(test)]
mod tests;
