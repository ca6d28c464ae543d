//! Puts USDC into a purse.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::Atoms;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::Deposited;
use crate::intake;
use crate::state::{Config, Purse};
use crate::token;
use program_common::raw_token::TokenAccount;

/// Accounts of `deposit`.
#[event_cpi]
#[derive(Accounts)]
pub struct Deposit<'info> {
    /// Whoever pays; anybody may fill a purse.
    pub depositor: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = vault))]
    #[account(mut, constraint = names!(purse: Purse, vault) @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor's search for duplicates costs 1,000; the one that could be is refused below.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The depositor's token account; SPL Token checks its owner and mint.
    #[account(mut, dup, constraint = from.key() != vault.key() @ ErrorCode::ConstraintDuplicateMutableAccount)]
    pub from: Box<Account<'info, TokenAccount>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// A deposit shall add exactly what was moved to the recorded balance, nothing while intake is paused, and never take the balance
/// above the market's cap.
pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
    let caps = {
        let config = ctx.accounts.config.load()?;
        intake::open(&config)?;
        config.caps()
    };
    let balance = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut next = purse.amounts();
        next.deposit(Atoms(amount)).or_rule()?;
        caps.check_deposit(next.balance).or_rule()?;
        purse.deposited = purse.deposited.saturating_add(amount);
        purse.set_amounts(next).or_rule()?;
        purse.balance
    };
    tell(&ctx.accounts.event_authority, &Deposited { purse: ctx.accounts.purse.key(), amount, balance })?;
    let accounts = ctx.accounts;
    token::pay_in(&accounts.from, &accounts.vault, &accounts.depositor, Atoms(amount))?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}
