//! The memory of an instruction.

use solana_pubkey::Pubkey;

use super::scene::Given;

/// What the runtime leaves behind each account's data for it to grow into.
const ROOM: usize = 10_240;

/// As the runtime hands accounts and data to a program. Room for eight-byte words keeps everything aligned.
pub fn serialize(program: &Pubkey, accounts: &[Given], data: &[u8]) -> Vec<u64> {
    let mut out = Vec::with_capacity(accounts.len() * (ROOM + 1_200) + data.len() + 64);
    out.extend_from_slice(&(accounts.len() as u64).to_le_bytes());
    for (at, account) in accounts.iter().enumerate() {
        // The same account again is told by its place, and is the same bytes.
        if let Some(first) = accounts[..at].iter().position(|one| one.key == account.key) {
            out.extend_from_slice(&(first as u64).to_le_bytes());
            continue;
        }
        out.extend_from_slice(&[0xff, account.signer.into(), account.writable.into(), account.executable.into()]);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(account.key.as_ref());
        out.extend_from_slice(account.owner.as_ref());
        out.extend_from_slice(&account.lamports.to_le_bytes());
        out.extend_from_slice(&(account.data.len() as u64).to_le_bytes());
        out.extend_from_slice(&account.data);
        let end = (out.len() + ROOM).next_multiple_of(8);
        out.resize(end, 0);
        out.extend_from_slice(&u64::MAX.to_le_bytes());
    }
    out.extend_from_slice(&(data.len() as u64).to_le_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(program.as_ref());
    out.resize(out.len().next_multiple_of(8), 0);
    out.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}
