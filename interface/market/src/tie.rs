//! What decides between bids of one score.

use anchor_lang::prelude::Pubkey;

/// First eight bytes of SHA-256(`job` ‖ `provider`), big endian, where `provider` is the address of the provider record. The
/// smaller one stands before the other; see `gridlease_core::book::Entry::beats`.
pub fn tie(job: &Pubkey, provider: &[u8; 32]) -> u64 {
    let hash = solana_sha256_hasher::hashv(&[job.as_ref(), provider]).to_bytes();
    hash.iter().take(8).fold(0, |tie, byte| tie << 8 | u64::from(*byte))
}
