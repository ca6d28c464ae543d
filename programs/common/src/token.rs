//! Moves tokens.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use anchor_spl::token;

/// SPL Token's number of the instruction that moves tokens.
const TRANSFER: u8 = 3;

/// Has SPL Token move `amount` atoms from the first account to the second, by word of the third.
///
/// No caller holds a borrow of any of them, so the check of that, which compares each with each, is left out.
///
/// # Errors
/// SPL Token's.
#[inline(never)]
pub fn transfer(accounts: [&AccountInfo; 3], amount: u64, seeds: &[&[&[u8]]]) -> Result<()> {
    let mut data = Vec::with_capacity(9);
    data.push(TRANSFER);
    data.extend_from_slice(&amount.to_le_bytes());
    let [from, to, by] = accounts;
    let metas = vec![
        AccountMeta::new(*from.key, false),
        AccountMeta::new(*to.key, false),
        AccountMeta::new_readonly(*by.key, true),
    ];
    let instruction = Instruction { program_id: token::ID, accounts: metas, data };
    let infos = accounts.map(Clone::clone);
    let moved = invoke_signed_unchecked(&instruction, &infos, seeds);
    // Nothing is ever freed in a program; counting references down would only cost.
    core::mem::forget(infos);
    Ok(moved?)
}
