//! What of an output is in its store, on disk: so that a file that did not change is not pushed twice, also after a restart, and what no
//! list names any more is removed.

use std::collections::BTreeMap;

use gridlease_sdk::artifact::PushedFile;
use serde::{Deserialize, Serialize};

use super::tree::Stamp;
use crate::state_dir::{LeaseDir, StateDirError, write_atomically};

/// A file that is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KnownFile {
    pub stamp: Stamp,
    pub pushed: PushedFile,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Number of the last list that was written; 0 before the first.
    pub generation: u64,
    /// Whether that is the last one.
    pub last: bool,
    /// What that list names, or what was pushed for the next.
    pub files: BTreeMap<String, KnownFile>,
    /// Whether the list names just these.
    pub listed: bool,
    /// Objects that the last list does not name and the one before did: who reads that still needs them.
    pub fading: Vec<String>,
    /// Objects that no list names that anybody reads.
    pub dead: Vec<String>,
}

impl Known {
    /// As it was kept. One that cannot be read is as none: all is pushed again.
    pub(super) fn load(lease: &LeaseDir, index: usize) -> Self {
        let bytes = std::fs::read(lease.pushed(index)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Keeps it. Blocks on the file system.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub(super) fn keep(&self, lease: &LeaseDir, index: usize) -> Result<(), StateDirError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        write_atomically(&lease.pushed(index), &bytes, 0o600)
    }

    /// A file is in the store, in place of what was there of it.
    pub(super) fn came(&mut self, file: KnownFile) {
        if let Some(old) = self.files.insert(file.pushed.path.clone(), file) {
            self.fading.extend(old.pushed.objects);
        }
        self.listed = false;
    }

    /// Forgets what is not there any more.
    pub(super) fn retain(&mut self, here: &BTreeMap<String, Stamp>) {
        let fading = &mut self.fading;
        let before = self.files.len();
        self.files.retain(|path, file| {
            let stays = here.contains_key(path);
            if !stays {
                fading.append(&mut file.pushed.objects);
            }
            stays
        });
        self.listed &= self.files.len() == before;
    }
}
