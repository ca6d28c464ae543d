//! How many questions a lease may ask.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Questions in a second.
const RATE: f64 = 100.0;
/// Questions at once after a pause.
const BURST: f64 = 200.0;

/// A bucket that fills with time.
#[derive(Debug)]
pub(super) struct Budget(Mutex<(f64, Instant)>);

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new((BURST, now)))
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.1).as_secs_f64();
        let filled = (bucket.0 + passed * RATE).min(BURST);
        let taken = filled >= 1.0;
        *bucket = (if taken { filled - 1.0 } else { filled }, now);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_let_through_and_then_so_many_a_second() {
        let start = Instant::now();
        let budget = Budget::new(start);
        assert_eq!((0..1_000).filter(|_| budget.take(start)).count(), 200);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..1_000).filter(|_| budget.take(later)).count(), 50);
    }
}
