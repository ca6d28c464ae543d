//! What a container left in its output directories: listed once, hashed, and kept as it is for the buyer.

use std::path::{Path, PathBuf};

use gridlease_sdk::artifact::{ArtifactError, Limits, OnFailure, OutputListing, walk_with};

use crate::state_dir::{LeaseDir, StateDirError, at, open_up, write_atomically};

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
/// What cannot be listed is left out of it, by name and reason: what a container leaves behind must not be able to keep its
/// lease from ending, nor cost the buyer the rest.
///
/// # Errors
/// [`OutputsError`] of the disk or the node's own files.
pub fn collect(lease: &LeaseDir, count: usize, limits: &Limits) -> Result<Collected, OutputsError> {
    take(lease, count, limits, OnFailure::Stop)
}

/// [`collect`] for a disk that fails again and again: leaves out what it concerns.
///
/// # Errors
/// [`OutputsError`] of the node's own files.
pub fn collect_readable(lease: &LeaseDir, count: usize, limits: &Limits) -> Result<Collected, OutputsError> {
    take(lease, count, limits, OnFailure::LeaveOut)
}

fn take(lease: &LeaseDir, count: usize, limits: &Limits, on_failure: OnFailure) -> Result<Collected, OutputsError> {
    if let Some(known) = load(lease)? {
        return Ok(known);
    }
    let dirs = dirs(lease, count);
    // A node that is not root has its containers' user, and so can take back what they locked it out of.
    dirs.iter().for_each(|dir| open_up(dir));
    let paths: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
    let listing = match walk_with(&paths, limits, on_failure) {
        Ok(found) => OutputListing::with_left_out(found.files, found.left_out).map_err(|e| damaged(lease, &e))?,
        // The disk's fault is not the job's: it may be gone at the next try.
        Err(ArtifactError::Io { action, path, source }) => return Err(at(action, &path)(source).into()),
        Err(e) => return Err(damaged(lease, &e)),
    };
    let message = listing.left_out.summary();
    keep(lease, Collected { listing, message })
}

/// Gives the outputs up: nothing is listed, and `message` says why. Goes on also where that cannot be kept on disk.
///
/// # Errors
/// None but a listing of nothing that could not be made.
pub fn give_up(lease: &LeaseDir, message: &str) -> Result<Collected, OutputsError> {
    let listing = OutputListing::new(Vec::new()).map_err(|e| damaged(lease, &e))?;
    let nothing = Collected { listing, message: message.to_owned() };
    match keep(lease, nothing.clone()) {
        Err(error) => tracing::warn!(%error, "that outputs were given up is not kept on disk"),
        Ok(kept) => return Ok(kept),
    }
    Ok(nothing)
}

fn keep(lease: &LeaseDir, collected: Collected) -> Result<Collected, OutputsError> {
    let bytes = serde_json::to_vec(&(&collected.listing, &collected.message)).map_err(|e| damaged(lease, &e))?;
    write_atomically(&listing_path(lease), &bytes, 0o600)?;
    Ok(collected)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::RunAs;
    use crate::state_dir::StateDir;
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

        let collected = collect(&lease, 2, &Limits::default()).unwrap();
        let paths: Vec<_> = collected.listing.files.iter().map(|f| (f.path.as_str(), f.size)).collect();
        assert_eq!(paths, [("0/a.txt", 2), ("1/b.txt", 1)]);
        assert!(collected.message.contains("0/secret"), "{}", collected.message);

        std::fs::write(lease.output(0).join("later"), "x").unwrap();
        assert_eq!(collect(&lease, 2, &Limits::default()).unwrap(), collected, "what was collected stays");
        assert_eq!(load(&lease).unwrap(), Some(collected));
    }

    #[test]
    fn issue9_09_outputs_that_cannot_be_listed_cost_neither_the_rest_nor_the_leases_end() {
        let dir = tempfile::tempdir().unwrap();
        let lease = lease(&dir, 1);
        std::fs::write(lease.output(0).join("bad\nname"), "x").unwrap();
        std::fs::write(lease.output(0).join("good"), "x").unwrap();
        let collected = collect(&lease, 1, &Limits::default()).unwrap();
        assert_eq!(collected.listing.files.len(), 1);
        assert_eq!(collected.listing.left_out.count, 1);
        assert!(collected.message.contains("bad\\nname"), "{}", collected.message);
        assert_eq!(load(&lease).unwrap(), Some(collected));
    }

    /// Runs `task` with the rights of `nobody`, for whom permissions hold.
    fn without_roots_rights<T: Send>(dir: &Path, task: impl FnOnce() -> T + Send) -> T {
        use nix::unistd::{Gid, Uid, chown, geteuid, setfsgid, setfsuid};
        if !geteuid().is_root() {
            return task();
        }
        let (uid, gid) = (Uid::from_raw(65_534), Gid::from_raw(65_534));
        let mut open = vec![dir.to_owned()];
        while let Some(path) = open.pop() {
            chown(&path, Some(uid), Some(gid)).unwrap();
            open.extend(std::fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
        std::thread::scope(|scope| {
            // File-system rights are a thread's own.
            let as_nobody = scope.spawn(|| {
                setfsgid(gid);
                setfsuid(uid);
                task()
            });
            as_nobody.join().unwrap()
        })
    }

    #[test]
    fn issue9_06_a_folder_that_the_job_locked_is_opened_collected_and_wiped_by_a_node_that_is_not_root() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let key = Pubkey::new_from_array([3; 32]);
        let lease = state.lease(&key);
        lease.create(1, RunAs::for_this_process()).unwrap();
        let locked = lease.output(0).join("d");
        std::fs::create_dir_all(locked.join("e")).unwrap();
        std::fs::write(locked.join("e/inside"), "x").unwrap();
        std::fs::write(lease.output(0).join("good"), "x").unwrap();
        let lock = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
        without_roots_rights(dir.path(), || {
            for path in [locked.join("e/inside"), locked.join("e"), locked.clone()] {
                lock(&path);
            }
            assert!(std::fs::read_dir(&locked).is_err(), "the test must be able to fail");
            let collected = collect(&lease, 1, &Limits::default()).unwrap();
            let paths: Vec<_> = collected.listing.files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!((paths, collected.listing.left_out.count), (vec!["d/e/inside", "good"], 0));
            lock(&locked);
            crate::wipe::wipe_lease(&state, &key).unwrap();
        });
        assert!(!lease.root().exists());
    }

    #[test]
    fn issue9_06_outputs_that_are_given_up_are_nothing_with_a_reason_also_where_that_cannot_be_kept() {
        let dir = tempfile::tempdir().unwrap();
        let lease = lease(&dir, 1);
        let nothing = give_up(&lease, "the disk failed").unwrap();
        assert_eq!((nothing.listing.files.len(), nothing.message.as_str()), (0, "the disk failed"));
        assert_eq!(load(&lease).unwrap(), Some(nothing.clone()));
        std::fs::remove_dir_all(lease.root()).unwrap();
        assert_eq!(give_up(&lease, "the disk failed").unwrap(), nothing);
    }

    #[test]
    fn a_job_without_outputs_has_the_root_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let collected = collect(&lease(&dir, 0), 0, &Limits::default()).unwrap();
        assert_eq!(collected.listing.root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
