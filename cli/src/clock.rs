//! The only place of the command line that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix milliseconds. A clock set before 1970 reads as 0.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Now, in Unix seconds.
pub fn now_s() -> u64 {
    now_ms() / 1_000
}
