//! Extends a lease's runway.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use gridlease_core::purse_key::PurseStep;

use crate::clock::now;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::ToppedUp;
use crate::instructions::purse_keys::authorise_spending;
use crate::state::{Lease, Purse};

/// Accounts of `top_up`.
#[event_cpi]
#[derive(Accounts)]
pub struct TopUp<'info> {
    /// The purse's owner or its guardian.
    pub signer: Signer<'info>,
    /// Gives free balance.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[account(mut, has_one = purse @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// The buyer, or its guardian within its cap, shall be able to move free balance into the reservation of a running lease, and to resume one in its grace
/// period; nothing accrues for the time between.
pub fn top_up(ctx: Context<TopUp>, amount: u64) -> Result<()> {
    let now = now()?;
    let runway_end = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        authorise_spending(&mut purse, ctx.accounts.signer.key, PurseStep::TopUp, Atoms(amount), now.ts)?;
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        next.top_up(Atoms(amount), now).or_rule()?;
        let mut amounts = purse.amounts();
        amounts.reserve(Atoms(amount)).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        purse.set_amounts(amounts).or_rule()?;
        next.runway_end.0
    };
    tell(&ctx.accounts.event_authority, &ToppedUp { lease: ctx.accounts.lease.key(), amount, runway_end })?;
    Ok(())
}
