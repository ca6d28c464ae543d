//! Closes a task's job that is over, and counts it in its array.

use anchor_lang::prelude::*;
use gridlease_core::array::{Ended, Task};
use gridlease_core::{Atoms, RuleError, UnixTs};
use program_common::clock::now;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{ArrayEnded, TaskClosed};
use crate::lamports::{self, pay_tip};
use crate::state::{Array, Job, Purse, TaskGroup};

/// Accounts of `close_task`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseTask<'info> {
    /// Counts its jobs; what the array's budget still allows is reserved again.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Counts its tasks; gets the rent back.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(array: Array, purse) @ MarketError::Unrelated)]
    pub array: AccountLoader<'info, Array>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = array))]
    #[account(mut, constraint = names!(job: Job, array) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
    /// For a replica the group of its task, closed with the last job of the task; for other jobs none.
    #[account(mut, has_one = array @ MarketError::Unrelated)]
    pub group: Option<AccountLoader<'info, TaskGroup>>,
}

/// A task's job that is over shall be closed by anybody, its rent returned to the array, and counted: completed where its
/// container ended with exit code 0, else failed. The array shall reserve again what its budget allows and the purse has;
/// or end, where enough tasks completed or none is left, and return its reservation.
pub fn close_task(ctx: Context<CloseTask>) -> Result<()> {
    let now = now()?;
    let (due, task_number, replica, ended) = {
        let job = ctx.accounts.job.load()?;
        let rules = job.rules().or_rule()?;
        rules.check_close().or_rule()?;
        let exit_code = (job.has_exit == 1).then_some(job.exit_code);
        check_group(&job, ctx.accounts.group.as_ref())?;
        let ended = Ended { reason: rules.reason, exit_code, spent: Atoms(job.spent) };
        (UnixTs(job.header.due_ts), job.task, job.replica.saturating_sub(1), ended)
    };
    let at = Array::space(usize::try_from(task_number).unwrap_or(usize::MAX), 0);
    let info = ctx.accounts.array.to_account_info();
    let before = info.try_borrow_data()?.get(at).copied().ok_or_else(|| rule(RuleError::InvariantBroken))?;

    let (closed, next) = {
        let mut array = ctx.accounts.array.load_mut()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut amounts = purse.amounts();
        let mut next = array.rules().or_rule()?;
        let closed = next.close_job(Task(before), replica, &ended, amounts.free().or_rule()?).or_rule()?;
        if !closed.added.is_zero() {
            amounts.reserve(closed.added).or_rule()?;
        }
        amounts.release(closed.released).or_rule()?;
        array.set_rules(&next, now).or_rule()?;
        purse.set_amounts(amounts).or_rule()?;
        purse.open_jobs = purse.open_jobs.saturating_sub(1);
        (closed, next)
    };
    *info.try_borrow_mut_data()?.get_mut(at).ok_or_else(|| rule(RuleError::InvariantBroken))? = closed.task.0;
    let (array_key, purse_key) = (ctx.accounts.array.key(), ctx.accounts.purse.key());
    tell(
        &ctx.accounts.event_authority,
        &TaskClosed {
            array: array_key,
            purse: purse_key,
            job: ctx.accounts.job.key(),
            task: task_number as u16, // an array has at most 1,024 tasks
            replica,
            completed: ended.completed(),
            spent: closed.spent.0,
            added: closed.added.0,
            tasks_completed: next.completed,
            tasks_failed: next.failed,
        },
    )?;
    if closed.ended {
        tell(
            &ctx.accounts.event_authority,
            &ArrayEnded {
                array: array_key,
                purse: purse_key,
                reason: next.reason as u8,
                refunded: closed.released.0,
                jobs: next.jobs,
            },
        )?;
    }
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)?;
    lamports::close(&ctx.accounts.job.to_account_info(), &info)?;
    match &ctx.accounts.group {
        Some(group) if closed.task_over => lamports::close(group.as_ref(), &info),
        _ => Ok(()),
    }
}

/// A replica comes with the group of its task, any other job with none.
fn check_group(job: &Job, group: Option<&AccountLoader<TaskGroup>>) -> Result<()> {
    match group {
        None => require!(job.replica == 0, MarketError::GroupMissing),
        Some(group) => require!(job.replica != 0 && group.load()?.task == job.task, MarketError::Unrelated),
    }
    Ok(())
}
