//! Takes free USDC out of a purse.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::Atoms;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::Withdrawn;
use crate::state::Purse;
use crate::token;
use program_common::raw_token::TokenAccount;

/// Accounts of `withdraw`.
#[event_cpi]
#[derive(Accounts)]
pub struct Withdraw<'info> {
    /// The purse's owner.
    pub owner: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = owner, has_one = vault))]
    #[account(mut, constraint = names!(purse: Purse, owner) @ MarketError::NotBuyer, constraint = names!(purse: Purse, vault) @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor's search for duplicates costs 1,000; the one that could be is refused below.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the owner wants it; SPL Token checks the mint.
    #[account(mut, dup, constraint = to.key() != vault.key() @ ErrorCode::ConstraintDuplicateMutableAccount)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// The owner shall get free balance at any time, paused or not; never what is reserved or owed.
pub fn withdraw(ctx: Context<Withdraw>, amount: u64) -> Result<()> {
    let balance = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut next = purse.amounts();
        next.withdraw(Atoms(amount)).or_rule()?;
        purse.withdrawn = purse.withdrawn.saturating_add(amount);
        purse.set_amounts(next).or_rule()?;
        purse.balance
    };
    tell(&ctx.accounts.event_authority, &Withdrawn { purse: ctx.accounts.purse.key(), amount, balance })?;
    let accounts = ctx.accounts;
    token::pay_out(&accounts.purse, &accounts.vault, &accounts.to, Atoms(amount))?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}
