//! The room that inputs have together, drawn from by transfers that go on at the same time, whoever brings them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::InputError;
use crate::state_dir::LeaseDir;

/// The rooms that are drawn from now, by their lease's directory.
static ROOMS: Mutex<BTreeMap<PathBuf, Weak<Room>>> = Mutex::new(BTreeMap::new());

/// Bytes that are left for inputs.
#[derive(Debug)]
pub struct Room(AtomicU64);

impl Room {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// What a job's disk has room for besides what is here of its inputs: one and the same for all that draw from it at a time. Blocks
    /// on the file system.
    #[must_use]
    pub fn of(lease: &LeaseDir) -> Arc<Self> {
        let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|_, room| room.strong_count() > 0);
        if let Some(room) = rooms.get(lease.root()).and_then(Weak::upgrade) {
            return room;
        }
        let room = Arc::new(Self::new(super::room(lease)));
        rooms.insert(lease.root().to_owned(), Arc::downgrade(&room));
        room
    }

    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes bytes, all or none.
    pub(super) fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// What is said where so many bytes did not fit any more.
    pub(super) fn none_for(&self, bytes: u64) -> InputError {
        let left = self.left();
        InputError::NoRoom { bytes: bytes.max(left.saturating_add(1)), room: left }
    }

    /// Gives bytes back.
    pub(super) fn give_back(&self, bytes: u64) {
        let added = |left: u64| Some(left.saturating_add(bytes));
        // The closure never says no.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}
