//! Pays the provider what has accrued.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use gridlease_core::lease::LeaseState;

use crate::convert::now;
use crate::error::{MarketError, OrRule};
use crate::event::Settled;
use crate::state::{Lease, Purse};
use crate::token;

/// Accounts of `settle`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct Settle<'info> {
    /// Written.
    #[account(
        mut,
        has_one = purse @ MarketError::Unrelated, has_one = payout @ MarketError::WrongTokenAccount,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// Written.
    #[account(mut, has_one = vault @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    #[account(mut)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The payout account that the lease records.
    // A provider may have recorded the buyer's vault itself (`dup`); its lease must still come to an end.
    #[account(mut, dup)]
    pub payout: Box<Account<'info, TokenAccount>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// Everything that is payable now shall move from the vault to the lease's payout account, and the fee be recorded.
/// How often it is called changes nothing in the sum; with nothing payable, nothing changes.
pub fn settle(ctx: Context<Settle>) -> Result<()> {
    let now = now()?;
    let (payment, paid, fees, state) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let before = lease.rules()?;
        if matches!(before.state, LeaseState::Starting | LeaseState::Failed) {
            return Ok(()); // nothing can be owed
        }
        let mut next = before;
        let payment = next.settle(now).or_rule()?;
        if next == before {
            return Ok(());
        }
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut amounts = purse.amounts();
        amounts.pay(payment.net, payment.fee).or_rule()?;
        lease.set_rules(&next)?;
        purse.set_amounts(amounts)?;
        purse.paid = purse.paid.saturating_add(payment.net.0);
        purse.fees = purse.fees.saturating_add(payment.fee.0);
        (payment, next.paid.0, next.fee.0, next.state as u8)
    };
    emit_cpi!(Settled {
        lease: ctx.accounts.lease.key(),
        purse: ctx.accounts.purse.key(),
        net: payment.net.0,
        fee: payment.fee.0,
        paid,
        fees,
        state,
    });
    let accounts = ctx.accounts;
    token::pay_out(&accounts.token_program, &accounts.purse, &accounts.vault, &accounts.payout, payment.net)?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}
