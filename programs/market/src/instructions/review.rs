//! The buyer accepts what a node finished, or reopens the job.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use gridlease_core::lease::LeaseState;
use gridlease_core::purse_key::PurseStep;
use program_common::clock::now;
use program_common::names;

use super::end_lease::Ending;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::instructions::purse_keys::authorise;
use crate::state::{Job, Lease, Purse};

/// Accounts of `accept` and `reopen`.
#[event_cpi]
#[derive(Accounts)]
pub struct Review<'info> {
    /// The purse's owner or its guardian; to accept also its spender, whose client does so as soon as the outputs verify.
    pub signer: Signer<'info>,
    /// Gets back what the job held, where that ends.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Ends, or goes on.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = job))]
    #[account(mut, constraint = names!(lease: Lease, purse) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

impl Review<'_> {
    fn ending<R>(&self, write: impl FnOnce(Ending) -> Result<R>) -> Result<R> {
        write(Ending {
            lease_key: self.lease.key(),
            lease: &mut *self.lease.load_mut()?,
            job_key: self.job.key(),
            job: &mut *self.job.load_mut()?,
            purse: &mut *self.purse.load_mut()?,
        })
    }
}

/// The buyer, its guardian or its spender shall be able to accept what the node finished: the lease and the job are over, what was held
/// back is payable, and the rest returns to the purse. On a lease that is over, nothing changes.
pub fn accept(ctx: Context<Review>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Accept)?;
    let now = now()?;
    let mut next = ctx.accounts.lease.load()?.rules().or_rule()?;
    if next.state == LeaseState::Ended {
        return Ok(()); // stale: it was accepted, or its time was over
    }
    next.accept(now).or_rule()?;
    let event = ctx.accounts.ending(|ending| ending.write(&next, Atoms::ZERO, None, now))?;
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// The buyer shall be able to reopen a job that it does not take for done, for as long as the lease ran (at least a minute, at most
/// ten) or as the job posted: the provider is paid to its last checkpoint before the finish where the job asked for checkpoints, is
/// excluded and gains no merit, and the job goes on as after a notice.
pub fn reopen(ctx: Context<Review>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Reopen)?;
    let now = now()?;
    let mut next = ctx.accounts.lease.load()?.rules().or_rule()?;
    let back = next.reopen(now).or_rule()?;
    let event = ctx.accounts.ending(|ending| ending.write(&next, back, None, now))?;
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}
