//! Moves what a purse owes in fees and forfeits to the treasury and the insurance fund.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::limits::INSURANCE_SHARE_OF_FEE;
use gridlease_core::rounding::share_down;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::FeesSwept;
use crate::staking_cpi;
use crate::state::{Config, Purse};
use crate::token;
use program_common::raw_token::TokenAccount;

/// Accounts of `sweep_fees`.
#[event_cpi]
#[derive(Accounts)]
pub struct SweepFees<'info> {
    /// Names the treasury.
    #[cfg_attr(feature = "idl-build", account(has_one = treasury))]
    #[account(constraint = names!(config: Config, treasury) @ MarketError::WrongTokenAccount)]
    pub config: AccountLoader<'info, Config>,
    /// The staking program's configuration, which alone names the insurance account.
    /// CHECK: it is looked at as one below.
    pub staking_config: UncheckedAccount<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = vault))]
    #[account(mut, constraint = names!(purse: Purse, vault) @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Gets its half, and the odd atom.
    // May be the insurance account too (`dup`): nothing here is written back, SPL Token moves the money.
    #[account(mut, dup)]
    pub treasury: Box<Account<'info, TokenAccount>>,
    /// Gets its half.
    #[account(mut, dup)]
    pub insurance: Box<Account<'info, TokenAccount>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// Anybody may sweep; half of the fees, rounded down, and all forfeits shall go to the insurance fund, the rest to the
/// treasury. With nothing owed it shall change nothing.
pub fn sweep_fees(ctx: Context<SweepFees>) -> Result<()> {
    staking_cpi::check_insurance(&ctx.accounts.staking_config, &ctx.accounts.insurance.key())?;
    let (treasury, insurance) = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut next = purse.amounts();
        let swept = next.sweep_fees().or_rule()?;
        if swept.fees.is_zero() && swept.forfeits.is_zero() {
            return Ok(());
        }
        let of_fees = share_down(swept.fees, INSURANCE_SHARE_OF_FEE).or_rule()?;
        purse.set_amounts(next).or_rule()?;
        (swept.fees.sub(of_fees).or_rule()?, of_fees.add(swept.forfeits).or_rule()?)
    };
    tell(
        &ctx.accounts.event_authority,
        &FeesSwept { purse: ctx.accounts.purse.key(), treasury: treasury.0, insurance: insurance.0 },
    )?;
    let accounts = ctx.accounts;
    token::pay_out(&accounts.purse, &accounts.vault, &accounts.treasury, treasury)?;
    token::pay_out(&accounts.purse, &accounts.vault, &accounts.insurance, insurance)?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}
