//! Removing what a lease left behind, and nothing else.

use std::io::ErrorKind;
use std::path::Path;

use solana_pubkey::Pubkey;

use crate::disk::{DiskError, DiskKeeper};
use crate::secrets;
use crate::state_dir::{LeaseDir, StateDir, StateDirError, at, open_up};

/// Removes a lease's inputs. Blocks on the file system. Succeeds where they are gone already.
///
/// # Errors
/// [`StateDirError`] with the path that could not be removed.
pub(crate) fn remove_inputs(dir: &LeaseDir) -> Result<(), StateDirError> {
    remove_dir(&dir.inputs())
}

/// Removes a folder with content of an image's, which may have locked it for its own user.
///
/// # Errors
/// [`StateDirError`] with the path that could not be removed.
pub(crate) fn remove_unpacked(path: &Path) -> Result<(), StateDirError> {
    if remove_dir(path).is_ok() {
        return Ok(());
    }
    open_up(path);
    remove_dir(path)
}

/// Removes everything of the lease from the disk. Links are removed, never followed, so that nothing that a
/// container put into its outputs leads out of them. Blocks on the file system. Succeeds where it is gone already.
///
/// # Errors
/// [`DiskError`] with the path that could not be removed.
pub fn wipe_lease(state: &StateDir, lease: &Pubkey) -> Result<(), DiskError> {
    let dir = state.lease(lease);
    secrets::remove(&dir)?;
    DiskKeeper::detach(&dir)?;
    if remove_dir(dir.root()).is_ok() {
        return Ok(());
    }
    open_up(&dir.outputs());
    Ok(remove_dir(dir.root())?)
}

/// Directories below `leases/` that belong to no lease in `known`: left-overs of a store that was lost. They are
/// only listed: whether to remove them is the operator's decision.
///
/// # Errors
/// [`StateDirError`] where the directory cannot be read.
pub fn strays(state: &StateDir, known: &[Pubkey]) -> Result<Vec<Pubkey>, StateDirError> {
    let dir = state.leases();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(at("read", &dir))? {
        let name = entry.map_err(at("read", &dir))?.file_name();
        let lease = name.to_str().and_then(|n| n.parse::<Pubkey>().ok());
        found.extend(lease.filter(|l| !known.contains(l)));
    }
    Ok(found)
}

/// Unmounts the outputs of all leases, whoever uses them: the whole state directory is about to be removed. Blocks.
///
/// # Errors
/// [`DiskError`] with the first that could not be.
pub fn detach_all(state: &StateDir) -> Result<(), DiskError> {
    strays(state, &[])?.iter().try_for_each(|lease| DiskKeeper::detach(&state.lease(lease)))
}

fn remove_dir(path: &Path) -> Result<(), StateDirError> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(at("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::RunAs;

    #[test]
    fn wiping_removes_the_lease_and_never_what_a_link_points_to() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("precious");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("file"), "keep").unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let (lease, other) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        for key in [&lease, &other] {
            state.lease(key).create(1, RunAs::for_this_process()).unwrap();
        }
        std::os::unix::fs::symlink(&outside, state.lease(&lease).output(0).join("link")).unwrap();
        std::fs::write(state.lease(&lease).input(&[7; 32]), "input").unwrap();

        remove_inputs(&state.lease(&lease)).unwrap();
        assert!(!state.lease(&lease).inputs().exists() && state.lease(&lease).outputs().exists());
        wipe_lease(&state, &lease).unwrap();
        wipe_lease(&state, &lease).unwrap();
        remove_inputs(&state.lease(&lease)).unwrap();
        assert!(!state.lease(&lease).root().exists());
        assert!(state.lease(&other).root().exists() && outside.join("file").exists());
        assert_eq!(strays(&state, &[]).unwrap(), vec![other]);
        assert_eq!(strays(&state, &[other]).unwrap(), vec![]);
    }
}
