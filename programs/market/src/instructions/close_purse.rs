//! What was sent to a vault past the market goes to the purse's owner; an empty purse is closed.

use anchor_lang::prelude::*;
use anchor_spl::token::{self as spl, CloseAccount, Token};
use gridlease_core::{Atoms, RuleError, job_number};
use program_common::clock::now;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{DonationSwept, PurseClosed};
use crate::state::Purse;
use crate::token;
use market_interface::seed::PURSE_SEED;
use program_common::raw_token::TokenAccount;

/// Accounts of `sweep_donation` and `close_purse`.
#[event_cpi]
#[derive(Accounts)]
pub struct EmptyPurse<'info> {
    /// The purse's owner; gets the rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// Written or closed.
    #[cfg_attr(feature = "idl-build", account(has_one = owner, has_one = vault))]
    #[account(mut, constraint = names!(purse: Purse, owner) @ MarketError::NotBuyer, constraint = names!(purse: Purse, vault) @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor's search for duplicates costs 1,000; the one that could be is refused below.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the owner wants unrecorded tokens; SPL Token checks the mint.
    #[account(mut, dup, constraint = to.key() != vault.key() @ ErrorCode::ConstraintDuplicateMutableAccount)]
    pub to: Box<Account<'info, TokenAccount>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// Tokens in the vault above the recorded balance shall go to the owner; the balance stays. Without any, nothing changes.
pub fn sweep_donation(ctx: Context<EmptyPurse>) -> Result<()> {
    let amount = donated(&ctx)?;
    if amount.is_zero() {
        return Ok(());
    }
    tell(&ctx.accounts.event_authority, &DonationSwept { purse: ctx.accounts.purse.key(), amount: amount.0 })?;
    let accounts = ctx.accounts;
    token::pay_out(&accounts.purse, &accounts.vault, &accounts.to, amount)?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}

/// A purse without balance, fees or open jobs shall be closed by its owner: tokens that were never recorded and the rent of
/// both accounts go to the owner. Not in the slot of its last job, so that no number is ever used twice.
pub fn close_purse(ctx: Context<EmptyPurse>) -> Result<()> {
    {
        let purse = ctx.accounts.purse.load()?;
        let amounts = purse.amounts();
        let empty = amounts.balance.is_zero() && amounts.reserved.is_zero() && amounts.fees_owed.is_zero();
        let empty = empty && amounts.forfeits_owed.is_zero();
        if !empty || purse.open_jobs != 0 {
            return Err(rule(RuleError::NotEmpty));
        }
        job_number::check_close(purse.last_job, now()?.slot).or_rule()?;
    }
    let (purse, owner) = (ctx.accounts.purse.key(), ctx.accounts.owner.key());
    let amount = donated(&ctx)?;
    tell(&ctx.accounts.event_authority, &PurseClosed { purse, owner, donated: amount.0 })?;
    let accounts = ctx.accounts;
    token::pay_out(&accounts.purse, &accounts.vault, &accounts.to, amount)?;
    let bump = [accounts.purse.load()?.header.bump];
    let close = CloseAccount {
        account: accounts.vault.to_account_info(),
        destination: accounts.owner.to_account_info(),
        authority: accounts.purse.to_account_info(),
    };
    let seeds: &[&[u8]] = &[PURSE_SEED, owner.as_ref(), &bump];
    spl::close_account(CpiContext::new_with_signer(accounts.token_program.key(), close, &[seeds]))?;
    accounts.purse.close(accounts.owner.to_account_info())
}

/// Tokens in the vault that the purse does not record.
fn donated(ctx: &Context<EmptyPurse>) -> Result<Atoms> {
    let balance = Atoms(ctx.accounts.purse.load()?.balance);
    Atoms(ctx.accounts.vault.amount).sub(balance).map_err(|_| rule(RuleError::InvariantBroken))
}
