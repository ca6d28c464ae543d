//! Which ports of a lease are open to the public. The manifest says how it begins; what the buyer changes later is kept beside it, so
//! that it is the same after a restart.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use gridlease_sdk::manifest::Port;
use gridlease_sdk::node_api::public::{Public, label};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use tokio_util::sync::CancellationToken;

use crate::state_dir::{LeaseDir, StateDirError, write_atomically};

/// Largest file of changes that is read, in bytes. One of sixteen ports has less than 2 KiB.
const MAX_FILE: u64 = 64 * 1024;

/// A port that a manifest names, as the public finds it.
#[derive(Clone, Debug)]
pub struct Door {
    /// Its number in the container.
    pub port: u16,
    /// Its name in addresses.
    pub name: String,
    /// Who may visit it.
    pub public: Public,
    /// SHA-256 of the token that opens it; `None`: none does.
    pub token: Option<[u8; 32]>,
    /// Ends when anything of this changes, and every visit with it.
    pub changed: CancellationToken,
}

/// Why a door was not changed.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The manifest does not name it, or is not here.
    #[error("the manifest names no such port")]
    NotNamed,
    /// The lease is over.
    #[error("the lease is over")]
    Over,
    /// It cannot be kept.
    #[error(transparent)]
    Files(#[from] StateDirError),
}

/// What the buyer changed of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    public: Public,
    #[serde(default, with = "crate::store::hex32::option", skip_serializing_if = "Option::is_none")]
    token: Option<[u8; 32]>,
}

/// The doors of all leases.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    shown: RwLock<Shown>,
    /// One change at a time, so that what is on disk is what is shown.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Shown {
    leases: HashMap<Pubkey, Arc<[Door]>>,
    labels: HashMap<String, Pubkey>,
}

impl Doors {
    /// Shows the doors of a lease whose manifest is here, as they were left. Those that are shown already stay as they are.
    pub fn show(&self, lease: &Pubkey, ports: &[Port], dir: &LeaseDir) {
        if ports.is_empty() || self.of(lease).is_some() {
            return;
        }
        let changes = read(&dir.doors()).unwrap_or_else(|reason| {
            // A door that nobody knows to be open is shut.
            tracing::warn!(%lease, reason, "who may visit its ports cannot be read; they are closed");
            ports.iter().map(|port| (port.container, Change { public: Public::Off, token: None })).collect()
        });
        let doors: Arc<[Door]> = ports.iter().map(|port| door(port, changes.get(&port.container))).collect();
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        shown.labels.insert(label(lease), *lease);
        shown.leases.entry(*lease).or_insert(doors);
    }

    /// Closes the doors of a lease that is forgotten.
    pub fn remove(&self, lease: &Pubkey) {
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        for door in shown.leases.remove(lease).iter().flat_map(|doors| doors.iter()) {
            door.changed.cancel();
        }
        if shown.labels.get(&label(lease)) == Some(lease) {
            shown.labels.remove(&label(lease));
        }
    }

    /// The doors of a lease.
    pub fn of(&self, lease: &Pubkey) -> Option<Arc<[Door]>> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).leases.get(lease).cloned()
    }

    /// The lease that a host's name means.
    pub fn labelled(&self, label: &str) -> Option<Pubkey> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).labels.get(label).copied()
    }

    /// Changes who may visit a port; visits of before end. Blocks on the file system.
    pub fn change(
        &self,
        lease: &Pubkey,
        port: u16,
        public: Public,
        token: Option<[u8; 32]>,
        dir: &LeaseDir,
    ) -> Result<Door, DoorError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.of(lease).ok_or(DoorError::NotNamed)?;
        let mut after: Vec<Door> = before.to_vec();
        let door = after.iter_mut().find(|door| door.port == port).ok_or(DoorError::NotNamed)?;
        let changed = std::mem::take(&mut door.changed);
        (door.public, door.token) = (public, token);
        let door = door.clone();
        let kept: BTreeMap<u16, Change> =
            after.iter().map(|door| (door.port, Change { public: door.public, token: door.token })).collect();
        // Maps with numbers for keys are always written.
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        write_atomically(&dir.doors(), &bytes, 0o600)?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(doors) = shown.leases.get_mut(lease) {
            *doors = after.into();
        }
        drop(shown);
        changed.cancel();
        Ok(door)
    }
}

fn door(port: &Port, change: Option<&Change>) -> Door {
    let (public, token) = change.map_or((port.public, None), |change| (change.public, change.token));
    Door { port: port.container, name: port.label(), public, token, changed: CancellationToken::new() }
}

fn read(path: &Path) -> Result<BTreeMap<u16, Change>, String> {
    let size = match std::fs::metadata(path) {
        Ok(found) => found.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(e.to_string()),
    };
    if size > MAX_FILE {
        return Err(format!("it has {size} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_dir::StateDir;

    fn lease(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    fn ports() -> [Port; 2] {
        let port = |container, name: Option<&str>, public| Port {
            container,
            name: name.map(str::to_owned),
            public,
            probe: None,
        };
        [port(80, Some("web"), Public::Open), port(81, None, Public::Off)]
    }

    fn place() -> (tempfile::TempDir, LeaseDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = StateDir::open(root.path()).unwrap().lease(&lease(1));
        std::fs::create_dir_all(dir.root()).unwrap();
        (root, dir)
    }

    #[test]
    fn a_manifest_says_how_doors_begin_and_a_change_outlives_the_process() {
        let (_root, dir) = place();
        let doors = Doors::default();
        doors.show(&lease(1), &ports(), &dir);
        let seen = |doors: &Doors| -> Vec<_> {
            doors.of(&lease(1)).unwrap().iter().map(|door| (door.name.clone(), door.public, door.token)).collect()
        };
        let named = |web, other| vec![("web".to_owned(), web, None), ("81".to_owned(), other, Some([7; 32]))];
        assert_eq!(seen(&doors)[0], ("web".to_owned(), Public::Open, None));
        assert_eq!(seen(&doors)[1], ("81".to_owned(), Public::Off, None));
        let before = doors.of(&lease(1)).unwrap();
        doors.change(&lease(1), 81, Public::Token, Some([7; 32]), &dir).unwrap();
        doors.change(&lease(1), 80, Public::Off, None, &dir).unwrap();
        assert!(before.iter().all(|door| door.changed.is_cancelled()), "visits of before end");
        assert_eq!(seen(&doors), named(Public::Off, Public::Token));
        let anew = Doors::default();
        anew.show(&lease(1), &ports(), &dir);
        assert_eq!(seen(&anew), named(Public::Off, Public::Token));
        assert_eq!(anew.labelled(&label(&lease(1))), Some(lease(1)));
        anew.remove(&lease(1));
        assert_eq!((anew.of(&lease(1)).is_none(), anew.labelled(&label(&lease(1)))), (true, None));
    }

    #[test]
    fn a_port_that_no_manifest_names_has_no_door_and_a_damaged_file_opens_none() {
        let (_root, dir) = place();
        let doors = Doors::default();
        let change = |port| doors.change(&lease(1), port, Public::Open, None, &dir);
        assert!(matches!(change(80), Err(DoorError::NotNamed)), "the manifest is not here");
        std::fs::write(dir.doors(), "junk").unwrap();
        doors.show(&lease(1), &ports(), &dir);
        assert!(doors.of(&lease(1)).unwrap().iter().all(|door| door.public == Public::Off));
        let change = |port| doors.change(&lease(1), port, Public::Open, None, &dir);
        assert!(matches!(change(82), Err(DoorError::NotNamed)));
        assert_eq!(change(80).unwrap().public, Public::Open);
    }
}
