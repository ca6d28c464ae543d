//! Extends a lease's runway.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use gridlease_core::purse_key::PurseStep;
use program_common::clock::now;
use program_common::names;

use super::liveness::{challenge_outcome, clear_challenge, return_bond};
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{ChallengeResolved, ToppedUp};
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
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(lease: Lease, purse) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// Where the top-up resolves a challenge that asked for nothing, who made it: gets the bond back.
    /// CHECK: it is the one that the lease records while the challenge is open.
    #[account(mut)]
    pub challenger: Option<UncheckedAccount<'info>>,
}

/// The buyer, or its guardian within its cap, shall be able to move free balance into the reservation of a running lease, and to
/// resume one in its grace period; nothing accrues for the time between. A challenge whose minute ran past the end of the funds asked
/// for nothing, and is resolved so: what came afterwards shall not make it one that was missed.
pub fn top_up(ctx: Context<TopUp>, amount: u64) -> Result<()> {
    let now = now()?;
    let (runway_end, moot) = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        authorise_spending(&mut purse, ctx.accounts.signer.key, PurseStep::TopUp, Atoms(amount), now.ts)?;
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let moot = next.top_up(Atoms(amount), now).or_rule()?;
        let mut amounts = purse.amounts();
        amounts.reserve(Atoms(amount)).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        purse.set_amounts(amounts).or_rule()?;
        let made_by = moot.then(|| clear_challenge(&mut lease));
        (next.runway_end.0, made_by)
    };
    let lease = ctx.accounts.lease.key();
    tell(&ctx.accounts.event_authority, &ToppedUp { lease, amount, runway_end })?;
    let Some(made_by) = moot else { return Ok(()) };
    let challenger = ctx.accounts.challenger.as_ref().filter(|account| account.key() == made_by);
    let challenger = challenger.ok_or(MarketError::Unrelated)?;
    tell(
        &ctx.accounts.event_authority,
        &ChallengeResolved { lease, challenger: made_by, outcome: challenge_outcome::MOOT },
    )?;
    return_bond(ctx.accounts.lease.as_ref(), challenger).map(drop)
}
