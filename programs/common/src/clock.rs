//! The present.

use anchor_lang::prelude::*;
use gridlease_core::{Now, UnixTs};

/// The present, as the chain's Clock tells it. One before 1970 counts as zero.
///
/// # Errors
/// The system call's.
pub fn now() -> Result<Now> {
    let clock = Clock::get()?;
    Ok(Now { slot: clock.slot, ts: UnixTs(u64::try_from(clock.unix_timestamp).unwrap_or(0)) })
}
