//! Finds addresses of a program at a third of the price of the runtime's own search (1,500 CU a bump): one hash and one
//! question whether it is a point of the curve. It goes through the bumps in the same order and asks the same, so what it
//! finds is the canonical address and no other; a caller's word for the bump could not be trusted with that.

use anchor_lang::prelude::*;
use solana_curve25519::edwards::{PodEdwardsPoint, validate_edwards};

/// Every bump, in the order in which they are tried.
static BUMPS: [u8; 256] = {
    let mut bumps = [0; 256];
    let mut at = 0;
    while at < 256 {
        bumps[at] = 255 - at as u8;
        at += 1;
    }
    bumps
};

/// The canonical address of `program` for `seeds`, of which there are five at most, and its bump.
///
/// # Panics
/// Never in practice, where `Pubkey::find_program_address` panics as well: if none of 256 hashes lay off the curve.
#[inline(never)]
pub fn find(program: &Pubkey, seeds: &[&[u8]]) -> (Pubkey, u8) {
    // Behind the seeds come the bump, the program and the marker. All but the bump is put down once for all tries.
    let mut parts: [&[u8]; 8] = [&[]; 8];
    let used = seeds.len() + 3;
    if let Some(all) = parts.get_mut(..used)
        && let [first @ .., _, owner, marker] = all
    {
        first.copy_from_slice(seeds);
        (*owner, *marker) = (program.as_ref(), b"ProgramDerivedAddress");
        for bump in BUMPS.chunks_exact(1) {
            if let Some(place) = parts.get_mut(seeds.len()) {
                *place = bump;
            }
            let hash = solana_sha256_hasher::hashv(parts.get(..used).unwrap_or_default()).to_bytes();
            if !validate_edwards(&PodEdwardsPoint(hash)) {
                return (Pubkey::new_from_array(hash), bump.first().copied().unwrap_or_default());
            }
        }
    }
    Pubkey::find_program_address(seeds, program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_the_runtime_finds() {
        let program = Pubkey::new_from_array(solana_sha256_hasher::hash(b"program").to_bytes());
        for number in 0u64..2_000 {
            let key = Pubkey::new_from_array(solana_sha256_hasher::hash(&number.to_le_bytes()).to_bytes());
            let seeds: [&[u8]; 3] = [b"lease", key.as_ref(), &[number as u8]];
            for seeds in [&seeds[..], &seeds[..2]] {
                assert_eq!(find(&program, seeds), Pubkey::find_program_address(seeds, &program));
            }
        }
    }
}
