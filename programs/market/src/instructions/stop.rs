//! The buyer ends a lease.

use anchor_lang::prelude::*;
use gridlease_core::purse_key::PurseStep;
use program_common::clock::now;
use program_common::names;

use super::end_lease::Ending;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::instructions::purse_keys::authorise;
use crate::state::{Job, Lease, Purse};

/// Accounts of `stop`.
#[event_cpi]
#[derive(Accounts)]
pub struct Stop<'info> {
    /// The purse's owner or its guardian.
    pub signer: Signer<'info>,
    /// Gets the rest of the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Ends with the lease.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = job))]
    #[account(mut, constraint = names!(lease: Lease, purse) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// The buyer shall be able to end its lease at any time: what is owed is fixed, at least a minute (before ready too, until the
/// start deadline), and the rest returned to the purse. No token moves, so no account of the provider can hold this up.
pub fn stop(ctx: Context<Stop>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Stop)?;
    let now = now()?;
    let event = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
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
    Ok(())
}
