//! Ends what still runs of an array that is over: tasks without a lease, and, once enough tasks completed, leases too.

use anchor_lang::prelude::*;
use gridlease_core::UnixTs;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use program_common::clock::now;
use program_common::names;

use super::end_lease::Ending;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::JobEnded;
use crate::lamports::pay_tip;
use crate::state::{Array, Job, Lease, Purse};

/// Accounts of `cancel_task`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelTask<'info> {
    /// Tells whether it is over.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(constraint = names!(array: Array, purse) @ MarketError::Unrelated)]
    pub array: AccountLoader<'info, Array>,
    /// Gets the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = array))]
    #[account(mut, constraint = names!(job: Job, array) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// Accounts of `stop_task`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct StopTask<'info> {
    /// Tells whether enough of its tasks completed.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(constraint = names!(array: Array, purse) @ MarketError::Unrelated)]
    pub array: AccountLoader<'info, Array>,
    /// Gets the rest of the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Ends with the lease.
    #[cfg_attr(feature = "idl-build", account(has_one = array))]
    #[account(mut, constraint = names!(job: Job, array) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = job))]
    #[account(mut, constraint = names!(lease: Lease, job) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// Of an array that is over, a task without a lease shall be cancelled by anybody; all that it reserved returns to the
/// purse. On a task that is leased or has ended, nothing changes.
pub fn cancel_task(ctx: Context<CancelTask>) -> Result<()> {
    let now = now()?;
    let due = {
        let array = ctx.accounts.array.load()?;
        array.rules().or_rule()?.check_cancel_task().or_rule()?;
        UnixTs(array.header.due_ts)
    };
    let event = {
        let mut job = ctx.accounts.job.load_mut()?;
        let mut next = job.rules().or_rule()?;
        if !matches!(next.state, JobState::Open | JobState::Waiting) {
            return Ok(()); // stale
        }
        let back = next.cancel().or_rule()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut amounts = purse.amounts();
        amounts.release(back).or_rule()?;
        job.set_rules(&next, now);
        purse.set_amounts(amounts).or_rule()?;
        JobEnded {
            job: ctx.accounts.job.key(),
            purse: ctx.accounts.purse.key(),
            reason: next.reason as u8,
            refunded: back.0,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)
}

/// Of an array of which enough tasks completed, the lease of any other shall be stopped by anybody, as its buyer would:
/// what is owed is fixed, and the rest returned to the purse. On a lease that is over or finished, nothing changes.
pub fn stop_task(ctx: Context<StopTask>) -> Result<()> {
    let now = now()?;
    let due = {
        let array = ctx.accounts.array.load()?;
        array.rules().or_rule()?.check_stop_task().or_rule()?;
        UnixTs(array.header.due_ts)
    };
    let event = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        if next.state.is_over() || next.state == LeaseState::Finished {
            return Ok(()); // stale
        }
        let back = next.stop(now).or_rule()?;
        Ending {
            lease_key: ctx.accounts.lease.key(),
            lease: &mut lease,
            job_key: ctx.accounts.job.key(),
            job: &mut *ctx.accounts.job.load_mut()?,
            purse: &mut *ctx.accounts.purse.load_mut()?,
        }
        .write(&next, back, None, now)?
    };
    tell(&ctx.accounts.event_authority, &event)?;
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)
}
