//! Addresses of this program.

use anchor_lang::prelude::*;

/// The canonical address for `seeds` and its bump; see [`program_common::derive::find`].
pub fn find<const N: usize>(seeds: [&[u8]; N]) -> (Pubkey, u8) {
    program_common::derive::find(&crate::ID, &seeds)
}
