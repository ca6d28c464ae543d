//! The wall clock, read in this one place of the crate.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch; zero for a clock before it.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
