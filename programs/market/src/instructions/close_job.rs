//! The buyer takes a job without a lease back; anybody ends one that waited long enough, and closes one that is over.

use anchor_lang::prelude::*;
use gridlease_core::job::{self as rules, JobState};
use gridlease_core::purse_key::PurseStep;
use gridlease_core::{Atoms, Now, RuleResult, UnixTs};
use program_common::clock::now;
use program_common::names;
use program_common::require_keys_eq;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{JobClosed, JobEnded};
use crate::instructions::purse_keys::authorise;
use crate::lamports::pay_tip;
use crate::state::{Job, Purse};

/// Accounts of `cancel_job`.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelJob<'info> {
    /// The purse's owner or its guardian.
    pub signer: Signer<'info>,
    /// Gets the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(job: Job, purse) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
}

/// Accounts of `expire_job`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ExpireJob<'info> {
    /// Gets the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Ends.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(job: Job, purse) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// Accounts of `close_job`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseJob<'info> {
    /// Counts its jobs.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = payer))]
    #[account(mut, constraint = names!(job: Job, purse) @ MarketError::Unrelated, constraint = names!(job: Job, payer) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Gets all lamports: who paid the rent.
    /// CHECK: it is the recorded payer.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// The buyer shall be able to take a job back as long as it has no lease; all that it reserved returns to the purse.
pub fn cancel_job(ctx: Context<CancelJob>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Cancel)?;
    let now = now()?;
    let event = end_job(&ctx.accounts.job, &ctx.accounts.purse, now, |job| job.cancel())?;
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// A job that waited for a bid until its wait was over shall be ended by anybody; all that it reserved returns to the purse. On a
/// job that does not wait any more, nothing changes.
pub fn expire_job(ctx: Context<ExpireJob>) -> Result<()> {
    let now = now()?;
    let due = {
        let job = ctx.accounts.job.load()?;
        if job.rules().or_rule()?.state != JobState::Waiting {
            return Ok(()); // stale
        }
        UnixTs(job.header.due_ts)
    };
    let event = end_job(&ctx.accounts.job, &ctx.accounts.purse, now, |job| job.expire(now.ts))?;
    tell(&ctx.accounts.event_authority, &event)?;
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)
}

/// Ends a job without a lease; what it reserved goes back to its purse.
fn end_job(
    job: &AccountLoader<Job>,
    purse: &AccountLoader<Purse>,
    now: Now,
    end: impl FnOnce(&mut rules::Job) -> RuleResult<Atoms>,
) -> Result<JobEnded> {
    let (job_key, purse_key) = (job.key(), purse.key());
    let mut job = job.load_mut()?;
    let mut next = job.rules().or_rule()?;
    let back = end(&mut next).or_rule()?;
    let mut purse = purse.load_mut()?;
    let mut amounts = purse.amounts();
    amounts.release(back).or_rule()?;
    job.set_rules(&next, now);
    purse.set_amounts(amounts).or_rule()?;
    Ok(JobEnded { job: job_key, purse: purse_key, reason: next.reason as u8, refunded: back.0 })
}

/// A job that is over shall be closed by anybody, and its rent returned to who paid it. (A task of an array is closed by
/// `close_task`, so that the array counts it.)
pub fn close_job(ctx: Context<CloseJob>) -> Result<()> {
    let now = now()?;
    let due = {
        let job = ctx.accounts.job.load()?;
        require_keys_eq!(job.array, Pubkey::default(), MarketError::TaskOfArray);
        job.rules().or_rule()?.check_close().or_rule()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        purse.open_jobs = purse.open_jobs.saturating_sub(1);
        UnixTs(job.header.due_ts)
    };
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)?;
    tell(&ctx.accounts.event_authority, &JobClosed { job: ctx.accounts.job.key(), purse: ctx.accounts.purse.key() })?;
    ctx.accounts.job.close(ctx.accounts.payer.to_account_info())
}
