//! Moves USDC. Called last, after every check and every change of state.

use anchor_lang::prelude::*;
use gridlease_core::{Atoms, invariant};
use program_common::require_keys_eq;

use crate::error::{MarketError, OrRule};
use crate::state::Purse;
use market_interface::seed::PURSE_SEED;
use program_common::raw_token::TokenAccount;
use program_common::token::transfer;

/// Moves `amount` out of a signer's token account.
pub fn pay_in<'info>(
    from: &Account<'info, TokenAccount>,
    to: &Account<'info, TokenAccount>,
    signer: &Signer<'info>,
    amount: Atoms,
) -> Result<()> {
    transfer([from.as_ref(), to.as_ref(), signer.as_ref()], amount.0, &[])
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
    transfer([vault.as_ref(), to.as_ref(), purse.as_ref()], amount.0, &[seeds])
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
