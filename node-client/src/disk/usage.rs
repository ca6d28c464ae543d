//! Measuring what is on the disk.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::state_dir::LeaseDir;

/// Most entries that a measurement looks at; more count as too much.
const MAX_ENTRIES: u64 = 1_000_000;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the disk: of a sparse file, what it takes up.
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

impl Usage {
    fn add(&mut self, metadata: &std::fs::Metadata) {
        self.bytes = self.bytes.saturating_add(metadata.blocks().saturating_mul(512));
        self.files = self.files.saturating_add(1);
    }
}

/// What a lease's outputs take up, as far as it can be read while a container writes to them; of files that were deleted,
/// those that `containers` (their full ids) still have open. What it only has mapped into memory is not seen.
#[must_use]
pub fn measure(lease: &LeaseDir, containers: &[String]) -> Usage {
    let mut used = below(&lease.outputs());
    if let Ok(outputs) = std::fs::symlink_metadata(lease.outputs()) {
        let deleted = deleted_but_open(containers, outputs.dev());
        used.bytes = used.bytes.saturating_add(deleted.bytes);
        used.files = used.files.saturating_add(deleted.files);
    }
    used
}

/// Everything below `dir` on the same file system, itself not counted. More than a million entries are [`u64::MAX`] bytes.
#[must_use]
pub fn below(dir: &Path) -> Usage {
    let mut used = Usage::default();
    let Ok(device) = std::fs::symlink_metadata(dir).map(|found| found.dev()) else { return used };
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            // Of the entry itself, never of what a link points to.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.dev() != device {
                continue;
            }
            used.add(&metadata);
            if used.files > MAX_ENTRIES {
                return Usage { bytes: u64::MAX, ..used };
            }
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    used
}

/// Bytes that this process may still write at `path`; none where that cannot be told.
#[must_use]
pub fn free(path: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    Some(found.blocks_available().saturating_mul(found.fragment_size()))
}

/// Files on `device` that no folder names any more and that a process of the containers has open, each once. Every
/// container that the node runs has the node's user, or the node is root, so it may look.
fn deleted_but_open(containers: &[String], device: u64) -> Usage {
    let mut used = Usage::default();
    let mut seen = BTreeSet::new();
    let containers: Vec<&String> = containers.iter().filter(|id| id.len() >= 12).collect();
    if containers.is_empty() {
        return used;
    }
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        let is_process = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let is_ours = |text: String| containers.iter().any(|id| text.contains(id.as_str()));
        if !is_process || !std::fs::read_to_string(path.join("cgroup")).is_ok_and(is_ours) {
            continue;
        }
        for open in std::fs::read_dir(path.join("fd")).into_iter().flatten().flatten() {
            // Follows the link to the open file itself.
            let Ok(metadata) = std::fs::metadata(open.path()) else { continue };
            let is_deleted = metadata.nlink() == 0 && metadata.dev() == device;
            if is_deleted && seen.len() < 100_000 && seen.insert(metadata.ino()) {
                used.add(&metadata);
            }
        }
    }
    used
}
