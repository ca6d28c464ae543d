//! Pays the provider what has accrued.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::lease::LeaseState;
use gridlease_core::{Atoms, Now};
use program_common::clock::now;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{BatchSettled, Settled, SettledLease};
use crate::lamports::pay_tip;
use crate::state::{Lease, Purse};
use crate::token;
use program_common::raw_token::TokenAccount;

/// Accounts of `settle`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct Settle<'info> {
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = payout))]
    #[account(
        mut,
        constraint = names!(lease: Lease, purse) @ MarketError::Unrelated, constraint = names!(lease: Lease, payout) @ MarketError::WrongTokenAccount,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = vault))]
    #[account(mut, constraint = names!(purse: Purse, vault) @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The payout account that the lease records.
    // A provider may have recorded the buyer's vault itself (`dup`); its lease must still come to an end.
    #[account(mut, dup)]
    pub payout: Box<Account<'info, TokenAccount>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
    /// Who gets the tip for the last payment of a lease that is over; nobody where it is left out, or of several leases.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// Everything that is payable now shall move from the vault to the lease's payout account, and the fee be recorded.
/// How often it is called changes nothing in the sum; with nothing payable, nothing changes. Further leases of the same
/// purse with the same payout account (writable) can follow, and are paid with one transfer. Of all settlements of a lease only the
/// one after its end that leaves nothing owed is tipped.
pub fn settle<'info>(ctx: Context<'info, Settle<'info>>) -> Result<()> {
    if ctx.remaining_accounts.is_empty() { settle_one(ctx) } else { settle_many(ctx) }
}

fn settle_one(ctx: Context<Settle>) -> Result<()> {
    let now = now()?;
    let Some(moved) = pay(&ctx.accounts.lease, &ctx.accounts.purse, now)? else { return Ok(()) };
    let (paid, fees) = {
        let lease = ctx.accounts.lease.load()?;
        (lease.paid, lease.fee)
    };
    tell(
        &ctx.accounts.event_authority,
        &Settled {
            lease: moved.lease,
            purse: ctx.accounts.purse.key(),
            net: moved.net,
            fee: moved.fee,
            paid,
            fees,
            state: moved.state,
        },
    )?;
    let last = {
        let lease = ctx.accounts.lease.load()?;
        let rules = lease.rules().or_rule()?;
        (rules.state == LeaseState::Ended && rules.held().or_rule()?.is_zero()).then(|| rules.due())
    };
    let accounts = ctx.accounts;
    transfer(accounts, Atoms(moved.net))?;
    let Some(due) = last else { return Ok(()) };
    pay_tip(&accounts.event_authority, accounts.lease.as_ref(), accounts.tip_to.as_ref(), due, now.ts)
}

fn settle_many<'info>(ctx: Context<'info, Settle<'info>>) -> Result<()> {
    let now = now()?;
    let mut leases = Vec::with_capacity(1 + ctx.remaining_accounts.len());
    leases.extend(pay(&ctx.accounts.lease, &ctx.accounts.purse, now)?);
    let (purse, payout) = (ctx.accounts.purse.key(), ctx.accounts.payout.key());
    for account in ctx.remaining_accounts {
        let further = AccountLoader::<Lease>::try_from(account)?;
        require!(account.is_writable, ErrorCode::ConstraintMut);
        {
            let lease = further.load()?;
            require!(lease.purse == purse && lease.payout == payout, MarketError::MixedBatch);
        }
        leases.extend(pay(&further, &ctx.accounts.purse, now)?);
    }
    let mut sum = Atoms::ZERO;
    for moved in &leases {
        sum = sum.add(Atoms(moved.net)).or_rule()?;
    }
    if leases.is_empty() {
        return Ok(());
    }
    tell(&ctx.accounts.event_authority, &BatchSettled { purse, leases })?;
    transfer(ctx.accounts, sum)
}

/// Books what `lease` owes now; `None` where nothing changes.
fn pay<'info>(
    lease: &AccountLoader<'info, Lease>,
    purse: &AccountLoader<'info, Purse>,
    now: Now,
) -> Result<Option<SettledLease>> {
    let key = lease.key();
    let mut lease = lease.load_mut()?;
    let before = lease.rules().or_rule()?;
    if matches!(before.state, LeaseState::Starting | LeaseState::Failed) {
        return Ok(None); // nothing can be owed
    }
    let mut next = before;
    let payment = next.settle(now).or_rule()?;
    if next == before {
        return Ok(None);
    }
    let mut purse = purse.load_mut()?;
    let mut amounts = purse.amounts();
    amounts.pay(payment.net, payment.fee).or_rule()?;
    lease.set_rules(&next).or_rule()?;
    purse.set_amounts(amounts).or_rule()?;
    purse.paid = purse.paid.saturating_add(payment.net.0);
    purse.fees = purse.fees.saturating_add(payment.fee.0);
    Ok(Some(SettledLease { lease: key, net: payment.net.0, fee: payment.fee.0, state: next.state as u8 }))
}

fn transfer(accounts: &mut Settle, net: Atoms) -> Result<()> {
    token::pay_out(&accounts.purse, &accounts.vault, &accounts.payout, net)?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}
