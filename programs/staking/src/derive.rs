//! Addresses of this program.

use anchor_lang::prelude::*;

/// The canonical address for `seeds` and its bump; see [`program_common::derive::find`].
pub fn find<const N: usize>(seeds: [&[u8]; N]) -> (Pubkey, u8) {
    find_of(&crate::ID, seeds)
}

/// The canonical address of `program` for `seeds` and its bump.
pub fn find_of<const N: usize>(program: &Pubkey, seeds: [&[u8]; N]) -> (Pubkey, u8) {
    program_common::derive::find(program, &seeds)
}
