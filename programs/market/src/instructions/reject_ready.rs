//! The buyer rejects a start.

use anchor_lang::prelude::*;
use gridlease_core::RuleError;
use gridlease_core::limits::MAX_REJECTS;
use gridlease_core::purse_key::PurseStep;

use super::end_lease::{Ending, Outcome};
use crate::clock::now;
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::instructions::purse_keys::authorise;
use crate::state::{Job, Lease, Purse};

/// Accounts of `reject_ready`.
#[event_cpi]
#[derive(Accounts)]
pub struct RejectReady<'info> {
    /// The purse's owner or its guardian.
    pub signer: Signer<'info>,
    /// Gets the reservation back where the job ends.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Goes on, without this provider.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Written.
    #[account(mut, has_one = purse @ MarketError::Unrelated, has_one = job @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// For ninety seconds from ready on, and twice in a job, the buyer shall be able to reject a start that is not what it asked
/// for: the meter's start is undone, nothing is charged or slashed, the provider is excluded from this job, and the job goes
/// on while attempts remain.
pub fn reject_ready(ctx: Context<RejectReady>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Reject)?;
    let now = now()?;
    let event = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut job = ctx.accounts.job.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let back = next.reject(now).or_rule()?;
        if job.rejects >= MAX_REJECTS {
            return Err(rule(RuleError::RejectsUsedUp));
        }
        job.rejects += 1;
        Ending {
            lease_key: ctx.accounts.lease.key(),
            lease: &mut lease,
            job_key: ctx.accounts.job.key(),
            job: &mut job,
            purse: &mut *ctx.accounts.purse.load_mut()?,
        }
        .write(&next, back, &Outcome::default(), now)?
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}
