//! Direct moves of lamports, and accounts that a program opens without a payer.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use anchor_lang::system_program;
use gridlease_core::RuleError;

use crate::error::rule;

/// Moves lamports between two accounts; `from` belongs to the calling program.
///
/// # Errors
/// [`RuleError::Overflow`] where `from` has fewer.
#[inline(never)]
pub fn shift(from: &AccountInfo, to: &AccountInfo, lamports: u64) -> Result<()> {
    if lamports == 0 {
        return Ok(());
    }
    let less = from.lamports().checked_sub(lamports).ok_or_else(|| rule(RuleError::Overflow))?;
    let more = to.lamports().checked_add(lamports).ok_or_else(|| rule(RuleError::Overflow))?;
    **from.try_borrow_mut_lamports()? = less;
    **to.try_borrow_mut_lamports()? = more;
    Ok(())
}

/// Closes an account of the calling program: all its lamports go to `to`, its data is emptied, the system program owns it.
///
/// # Errors
/// Those of [`shift`].
#[inline(never)]
pub fn close(account: &AccountInfo, to: &AccountInfo) -> Result<()> {
    shift(account, to, account.lamports())?;
    account.assign(&system_program::ID);
    account.resize(0)?;
    Ok(())
}

/// The system program's number of the instruction that hands an account to another program, as it stands in the call.
const ASSIGN: [u8; 4] = 1u32.to_le_bytes();

/// Makes `account` one of `program`, which calls this, with `space` bytes of zeros, without funding it: works whether or not
/// somebody sent lamports to the address before. Nobody holds a borrow of it.
///
/// # Errors
/// Those of the call.
#[inline(never)]
pub fn open_unfunded(program: &Pubkey, account: &AccountInfo, space: usize, seeds: &[&[u8]]) -> Result<()> {
    // An account of a program can be resized by it directly: one call less than allocating by the system program.
    let mut data = Vec::with_capacity(ASSIGN.len() + program.as_ref().len());
    data.extend_from_slice(&ASSIGN);
    data.extend_from_slice(program.as_ref());
    let accounts = vec![AccountMeta::new(*account.key, true)];
    let assign = Instruction { program_id: system_program::ID, accounts, data };
    invoke_signed_unchecked(&assign, core::slice::from_ref(account), &[seeds])?;
    account.resize(space)?;
    Ok(())
}
