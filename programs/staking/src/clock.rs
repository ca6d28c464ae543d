//! The present.

use anchor_lang::prelude::*;
use gridlease_core::UnixTs;

/// The present, as the chain's Clock tells it.
///
/// # Errors
/// The system call's.
pub fn now() -> Result<UnixTs> {
    // A clock before 1970 is none of ours.
    Ok(UnixTs(u64::try_from(Clock::get()?.unix_timestamp).unwrap_or(0)))
}
