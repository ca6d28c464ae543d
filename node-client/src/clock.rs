//! The only place of the node that reads the wall clock.
//!
//! Everything else takes a time or a [`Clock`], so that every deadline can be tested at its edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of wall-clock time. Cheap to clone; clones of a manual clock share its hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `ms` (Unix milliseconds) until it is [`set`](Self::set).
    #[must_use]
    pub fn manual(ms: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(ms))))
    }

    /// Moves a manual clock to `ms` (Unix milliseconds). Does nothing to the system clock.
    pub fn set(&self, ms: i64) {
        if let Some(hand) = &self.0 {
            hand.store(ms, Ordering::SeqCst);
        }
    }

    /// Now, in Unix milliseconds. A machine clock set before 1970 reads as 0.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Some(hand) => hand.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// Now, in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }
}
