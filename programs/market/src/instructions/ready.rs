//! The node reports that the container runs.

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::LeaseReady;
use crate::state::{Job, Lease, Offer, Purse};
use anchor_lang::prelude::*;
use program_common::clock::now;
use program_common::names;
use program_common::require;

/// Accounts of `ready`.
#[event_cpi]
#[derive(Accounts)]
pub struct Ready<'info> {
    /// The offer's node key.
    pub node_key: Signer<'info>,
    /// Names the node key.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key))]
    #[account(constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
    /// Gives back what it held beside the lease.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Gets that back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = offer, has_one = job, has_one = purse))]
    #[account(
        mut,
        constraint = names!(lease: Lease, offer) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated,
        constraint = names!(lease: Lease, purse) @ MarketError::Unrelated,
    )]
    pub lease: AccountLoader<'info, Lease>,
}

/// Until the start deadline, the node shall report the digest of the image that it runs, which must be the job's; the
/// meter starts at this moment. What the job held beside the lease goes back to the purse, and
/// whoever else bid is free.
pub fn ready(ctx: Context<Ready>, image_digest: [u8; 32], gpu_hash: [u8; 32]) -> Result<()> {
    let now = now()?;
    let (runway_end, released) = {
        let mut job = ctx.accounts.job.load_mut()?;
        require!(job.image_digest == image_digest, MarketError::WrongImage);
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next_lease = lease.rules().or_rule()?;
        next_lease.ready(now).or_rule()?;
        let mut next_job = job.rules().or_rule()?;
        let released = next_job.on_ready().or_rule()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut amounts = purse.amounts();
        amounts.release(released).or_rule()?;

        lease.set_rules(&next_lease).or_rule()?;
        lease.gpu_hash = gpu_hash;
        job.set_rules(&next_job, now);
        purse.set_amounts(amounts).or_rule()?;
        (next_lease.runway_end.0, released.0)
    };
    tell(
        &ctx.accounts.event_authority,
        &LeaseReady { lease: ctx.accounts.lease.key(), job: ctx.accounts.job.key(), runway_end, released },
    )?;
    Ok(())
}
