//! Finds addresses of this program at a third of the price of the runtime's own search (1,500 CU a bump): one hash and one
//! question whether it is a point of the curve. It goes through the bumps in the same order and asks the same, so what it
//! finds is the canonical address and no other; a caller's word for the bump could not be trusted with that.

use anchor_lang::prelude::*;
use solana_curve25519::edwards::{PodEdwardsPoint, validate_edwards};

/// The canonical address for `seeds` and its bump.
///
/// # Panics
/// Never in practice, where `Pubkey::find_program_address` panics as well: if none of 256 hashes lay off the curve.
pub fn find<const N: usize>(seeds: [&[u8]; N]) -> (Pubkey, u8) {
    find_of(&crate::ID, seeds)
}

/// The canonical address of `program` for `seeds` and its bump.
///
/// # Panics
/// As [`find`].
pub fn find_of<const N: usize>(program: &Pubkey, seeds: [&[u8]; N]) -> (Pubkey, u8) {
    for bump in (0..=u8::MAX).rev() {
        let hash = hash(program, &seeds, bump);
        if !validate_edwards(&PodEdwardsPoint(hash)) {
            return (Pubkey::new_from_array(hash), bump);
        }
    }
    Pubkey::find_program_address(&seeds, program)
}

fn hash(program: &Pubkey, seeds: &[&[u8]], bump: u8) -> [u8; 32] {
    // No address has more than five seeds; behind them come the bump, the program and the marker.
    let mut parts: [&[u8]; 8] = [&[]; 8];
    let bump = [bump];
    let behind: [&[u8]; 3] = [&bump, program.as_ref(), b"ProgramDerivedAddress"];
    let all = seeds.iter().copied().chain(behind);
    let mut used = 0;
    for (to, from) in parts.iter_mut().zip(all) {
        *to = from;
        used += 1;
    }
    solana_sha256_hasher::hashv(parts.get(..used).unwrap_or_default()).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_the_runtime_finds() {
        for number in 0u64..2_000 {
            let lease = Pubkey::new_from_array(solana_sha256_hasher::hash(&number.to_le_bytes()).to_bytes());
            let seeds: [&[u8]; 2] = [b"reservation", lease.as_ref()];
            assert_eq!(find(seeds), Pubkey::find_program_address(&seeds, &crate::ID));
        }
    }
}
