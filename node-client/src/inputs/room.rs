//! The room that inputs have together, drawn from by transfers that go on at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are left for inputs.
#[derive(Debug)]
pub struct Room(AtomicU64);

impl Room {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
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

    /// Gives bytes back.
    pub(super) fn give_back(&self, bytes: u64) {
        let added = |left: u64| Some(left.saturating_add(bytes));
        // The closure never says no.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}
