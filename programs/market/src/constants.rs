//! The market's fixed numbers, and the addresses that it trusts.

use anchor_lang::prelude::*;

/// The sysvar of the recent slots' hashes.
pub const SLOT_HASHES: Pubkey = pubkey!("SysvarS1otHashes111111111111111111111111111");

/// Most offers of one provider.
pub const MAX_OFFERS: u32 = 256;
/// Most open jobs of one purse.
pub const MAX_OPEN_JOBS: u32 = 4_096;
