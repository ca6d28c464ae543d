//! What a container left in its output directories: listed once, hashed, and kept as it is for the buyer.

use std::path::{Path, PathBuf};

use gridlease_sdk::artifact::{ArtifactError, Limits, OutputListing, walk};

use crate::layout::{LeaseDir, StateDirError, at, write_atomically};

/// Most entries that a measurement looks at; more count as too much.
const MAX_ENTRIES: usize = 1_000_000;

/// Why outputs could not be collected or read back.
#[derive(Debug, thiserror::Error)]
pub enum OutputsError {
    /// The node's own files.
    #[error(transparent)]
    File(#[from] StateDirError),
    /// The listing on disk is damaged.
    #[error("the listing of outputs in {} is damaged: {reason}", path.display())]
    Damaged {
        /// The lease's directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The outputs of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The files and their root.
    pub listing: OutputListing,
    /// What the buyer should know about files that are not in it; empty if there is nothing.
    pub message: String,
}

fn listing_path(lease: &LeaseDir) -> PathBuf {
    lease.root().join("outputs.json")
}

/// The output directories of a lease with `count` outputs, in order.
#[must_use]
pub fn dirs(lease: &LeaseDir, count: usize) -> Vec<PathBuf> {
    (0..count).map(|index| lease.output(index)).collect()
}

/// Lists and hashes the outputs of a container that has ended, and keeps the listing on disk, so that asking again
/// gives the same. Blocks on the file system.
///
/// Outputs that cannot be listed at all (too many files, names that are no text) give an empty listing with a message:
/// what a container leaves behind must not be able to keep its lease from ending.
///
/// # Errors
/// [`OutputsError`] of the node's own files.
pub fn collect(lease: &LeaseDir, count: usize, limits: &Limits) -> Result<Collected, OutputsError> {
    if let Some(known) = load(lease)? {
        return Ok(known);
    }
    let dirs = dirs(lease, count);
    let paths: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
    let listed = if paths.is_empty() {
        OutputListing::new(Vec::new()).map(|listing| (listing, String::new()))
    } else {
        list(&paths, limits)
    };
    let (listing, message) = match listed {
        Ok(found) => found,
        // The disk's fault is not the job's: it may be gone at the next try.
        Err(ArtifactError::Io { action, path, source }) => return Err(at(action, &path)(source).into()),
        Err(e) => {
            let listing = OutputListing::new(Vec::new()).map_err(|e| damaged(lease, &e))?;
            (listing, format!("the outputs were not taken: {e}"))
        }
    };
    let bytes = serde_json::to_vec(&(&listing, &message)).map_err(|e| damaged(lease, &e))?;
    write_atomically(&listing_path(lease), &bytes, 0o600)?;
    Ok(Collected { listing, message })
}

fn list(paths: &[&Path], limits: &Limits) -> Result<(OutputListing, String), ArtifactError> {
    let walked = walk(paths, limits)?;
    let message = match walked.skipped.first() {
        None => String::new(),
        Some(first) => format!(
            "{} entries are not part of the outputs, first {} ({})",
            walked.skipped.len(),
            first.path,
            first.kind
        ),
    };
    Ok((OutputListing::new(walked.files)?, message))
}

/// The outputs as they were collected; `None` before.
///
/// # Errors
/// [`OutputsError`].
pub fn load(lease: &LeaseDir) -> Result<Option<Collected>, OutputsError> {
    let path = listing_path(lease);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at("read", &path)(e).into()),
    };
    let (listing, message) = serde_json::from_slice(&bytes).map_err(|e| damaged(lease, &e))?;
    Ok(Some(Collected { listing, message }))
}

fn damaged(lease: &LeaseDir, reason: &dyn std::fmt::Display) -> OutputsError {
    OutputsError::Damaged { path: lease.root().to_owned(), reason: reason.to_string() }
}

/// Bytes on disk below the output directories, as far as they can be read while a container writes to them;
/// `u64::MAX` for more entries than any job needs. Blocks on the file system.
#[must_use]
pub fn usage(lease: &LeaseDir) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut open = vec![lease.outputs()];
    let (mut bytes, mut entries) = (0u64, 0usize);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return u64::MAX;
            }
            // Of the entry itself, never of what a link points to.
            let Ok(metadata) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512));
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::RunAs;
    use crate::layout::StateDir;
    use solana_pubkey::Pubkey;

    fn lease(dir: &tempfile::TempDir, outputs: usize) -> LeaseDir {
        let lease = StateDir::open(dir.path()).unwrap().lease(&Pubkey::new_from_array([3; 32]));
        lease.create(outputs, RunAs::for_this_process()).unwrap();
        lease
    }

    #[test]
    fn outputs_are_listed_once_and_links_are_left_out_with_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let lease = lease(&dir, 2);
        std::fs::write(lease.output(1).join("b.txt"), "b").unwrap();
        std::fs::write(lease.output(0).join("a.txt"), "aa").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", lease.output(0).join("secret")).unwrap();
        assert_eq!(load(&lease).unwrap(), None);
        assert!(usage(&lease) > 0);

        let collected = collect(&lease, 2, &Limits::default()).unwrap();
        let paths: Vec<_> = collected.listing.files.iter().map(|f| (f.path.as_str(), f.size)).collect();
        assert_eq!(paths, [("0/a.txt", 2), ("1/b.txt", 1)]);
        assert!(collected.message.contains("0/secret"), "{}", collected.message);

        std::fs::write(lease.output(0).join("later"), "x").unwrap();
        assert_eq!(collect(&lease, 2, &Limits::default()).unwrap(), collected, "what was collected stays");
        assert_eq!(load(&lease).unwrap(), Some(collected));
    }

    #[test]
    fn outputs_that_cannot_be_listed_do_not_keep_a_lease_from_ending() {
        let dir = tempfile::tempdir().unwrap();
        let lease = lease(&dir, 1);
        std::fs::write(lease.output(0).join("bad\nname"), "x").unwrap();
        let collected = collect(&lease, 1, &Limits::default()).unwrap();
        assert!(collected.listing.files.is_empty());
        assert!(collected.message.contains("control character"), "{}", collected.message);
    }

    #[test]
    fn a_job_without_outputs_has_the_root_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let collected = collect(&lease(&dir, 0), 0, &Limits::default()).unwrap();
        assert_eq!(collected.listing.root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
