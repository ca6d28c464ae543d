//! Moves USDC. Called last, after every check and every change of state.

use anchor_lang::prelude::*;
use anchor_spl::token::{self, Token, TokenAccount, Transfer};
use gridlease_core::{Atoms, invariant};

use crate::constants::PURSE_SEED;
use crate::error::{MarketError, OrRule};
use crate::state::Purse;

/// Moves `amount` out of a signer's token account.
pub fn pay_in<'info>(
    program: &Program<'info, Token>,
    from: &Account<'info, TokenAccount>,
    to: &Account<'info, TokenAccount>,
    signer: &Signer<'info>,
    amount: Atoms,
) -> Result<()> {
    let accounts =
        Transfer { from: from.to_account_info(), to: to.to_account_info(), authority: signer.to_account_info() };
    token::transfer(CpiContext::new(program.key(), accounts), amount.0)
}

/// Moves `amount` out of a purse's vault. Zero moves nothing.
pub fn pay_out<'info>(
    program: &Program<'info, Token>,
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
    let accounts =
        Transfer { from: vault.to_account_info(), to: to.to_account_info(), authority: purse.to_account_info() };
    let seeds: &[&[u8]] = &[PURSE_SEED, owner.as_ref(), &bump];
    token::transfer(CpiContext::new_with_signer(program.key(), accounts, &[seeds]), amount.0)
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
