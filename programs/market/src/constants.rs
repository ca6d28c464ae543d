//! The market's fixed numbers, and the addresses that it trusts.

use anchor_lang::prelude::*;

/// The sysvar of the recent slots' hashes.
pub const SLOT_HASHES: Pubkey = pubkey!("SysvarS1otHashes111111111111111111111111111");
