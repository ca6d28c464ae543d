//! Moves USDC. Called last, after every check and every change of state.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use anchor_spl::token;
use gridlease_core::{Atoms, invariant};

use crate::error::{MarketError, OrRule};
use crate::raw_token::TokenAccount;
use crate::state::Purse;
use market_interface::seed::PURSE_SEED;

/// SPL Token's number of the instruction that moves tokens.
const TRANSFER: u8 = 3;

/// Moves `amount` out of a signer's token account.
pub fn pay_in<'info>(
    from: &Account<'info, TokenAccount>,
    to: &Account<'info, TokenAccount>,
    signer: &Signer<'info>,
    amount: Atoms,
) -> Result<()> {
    transfer([from.as_ref(), to.as_ref(), signer.as_ref()], amount, &[])
}

/// Moves `amount` out of a purse's vault. Zero moves nothing.
pub fn pay_out<'info>(
    purse: &AccountLoader<'info, Purse>,
    vault: &Account<'info, TokenAccount>,
    to: &Account<'info, TokenAccount>,
    amount: Atoms,
) -> Result<()> {
    if amount.is_zero() {
        return Ok(());
    }
    let (owner, bump) = {
        let purse = purse.load()?;
        (purse.owner, [purse.header.bump])
    };
    let seeds: &[&[u8]] = &[PURSE_SEED, owner.as_ref(), &bump];
    transfer([vault.as_ref(), to.as_ref(), purse.as_ref()], amount, &[seeds])
}

/// Has SPL Token move `amount` from the first account to the second, by word of the third.
///
/// No caller holds a borrow of any of them, so the check of that, which compares each with each, is left out.
fn transfer(accounts: [&AccountInfo; 3], amount: Atoms, seeds: &[&[&[u8]]]) -> Result<()> {
    let mut data = Vec::with_capacity(9);
    data.push(TRANSFER);
    data.extend_from_slice(&amount.0.to_le_bytes());
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

/// The invariant of a purse after money moved: its vault covers its balance.
pub fn check_vault<'info>(purse: &AccountLoader<'info, Purse>, vault: &mut Account<'info, TokenAccount>) -> Result<()> {
    vault.reload()?;
    invariant::purse(&purse.load()?.amounts(), Atoms(vault.amount)).or_rule()
}

/// The account is the market's: classic SPL Token, of its mint.
pub fn check_mint(account: &TokenAccount, mint: &Pubkey) -> Result<()> {
    require_keys_eq!(account.mint, *mint, MarketError::WrongTokenAccount);
    Ok(())
}
