//! The end of an array: the buyer opens no further task, and anybody closes it once its jobs are closed.

use anchor_lang::prelude::*;
use gridlease_core::UnixTs;
use gridlease_core::purse_key::PurseStep;
use program_common::clock::now;
use program_common::names;

use super::array_post::task_rent;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{ArrayClosed, ArrayEnded};
use crate::instructions::purse_keys::authorise;
use crate::lamports::{self, pay_tip_beside};
use crate::state::{Array, Purse};

/// Accounts of `cancel_array`.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelArray<'info> {
    /// The purse's owner or its guardian.
    pub signer: Signer<'info>,
    /// Gets the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(array: Array, purse) @ MarketError::Unrelated)]
    pub array: AccountLoader<'info, Array>,
}

/// Accounts of `close_array`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseArray<'info> {
    /// Counts its jobs.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = payer))]
    #[account(mut, constraint = names!(array: Array, purse) @ MarketError::Unrelated, constraint = names!(array: Array, payer) @ MarketError::Unrelated)]
    pub array: AccountLoader<'info, Array>,
    /// Gets all lamports: who paid the rent.
    /// CHECK: it is the recorded payer.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// The buyer shall be able to end an array at any time: no further task opens, what the array itself reserved returns to
/// the purse, and anybody may cancel its tasks without a lease. Leases run on until they end or the buyer stops them. On
/// an array that is over, nothing changes.
pub fn cancel_array(ctx: Context<CancelArray>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Cancel)?;
    let now = now()?;
    let event = {
        let mut array = ctx.accounts.array.load_mut()?;
        let mut next = array.rules().or_rule()?;
        let Some(back) = next.cancel() else {
            return Ok(()); // stale
        };
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut amounts = purse.amounts();
        amounts.release(back).or_rule()?;
        array.set_rules(&next, now).or_rule()?;
        purse.set_amounts(amounts).or_rule()?;
        ArrayEnded {
            array: ctx.accounts.array.key(),
            purse: ctx.accounts.purse.key(),
            reason: next.reason as u8,
            refunded: back.0,
            jobs: next.jobs,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// An array that is over and has no open job shall be closed by anybody, and all rent returned to who paid it.
pub fn close_array(ctx: Context<CloseArray>) -> Result<()> {
    let now = now()?;
    let (due, besides, event) = {
        let array = ctx.accounts.array.load()?;
        array.rules().or_rule()?.check_close().or_rule()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        purse.open_jobs = purse.open_jobs.saturating_sub(1);
        let closed =
            ArrayClosed { array: ctx.accounts.array.key(), purse: ctx.accounts.purse.key(), spent: array.spent };
        // The rent of all its tasks is back in it, and is no tip.
        let of_tasks = task_rent(&Rent::get()?, array.replicas, array.uri_len)?.saturating_mul(array.parallel.into());
        (UnixTs(array.header.due_ts), of_tasks, closed)
    };
    tell(&ctx.accounts.event_authority, &event)?;
    let (array, tip_to) = (ctx.accounts.array.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip_beside(&ctx.accounts.event_authority, array, tip_to, due, now.ts, besides)?;
    lamports::close(&ctx.accounts.array.to_account_info(), &ctx.accounts.payer.to_account_info())
}
