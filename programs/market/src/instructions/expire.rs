//! Time moves a lease on.

use anchor_lang::prelude::*;
use gridlease_core::lease::LeaseState;
use program_common::clock::now;
use program_common::names;

use super::end_lease::Ending;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::GraceBegan;
use crate::lamports::pay_tip;
use crate::state::{Job, Lease, Purse};

/// Accounts of `expire`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct Expire<'info> {
    /// Ends with the lease.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Gets the rest of the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = job))]
    #[account(mut, constraint = names!(lease: Lease, purse) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// A lease whose runway has ended shall enter its grace period, and end "out of funds" when that is over without a top-up; one whose
/// notice is over shall end; one that its node finished shall be over when its buyer's time to reopen is. Before its time, nothing
/// changes. Where the time to reopen was long, the first call after it records the present, and a later one ends the lease: the
/// chain may have stood still.
pub fn expire(ctx: Context<Expire>) -> Result<()> {
    let now = now()?;
    let lease_key = ctx.accounts.lease.key();
    let (due, ended) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let before = lease.rules().or_rule()?;
        let mut next = before;
        let due = next.due();
        let Some(back) = next.expire(now).or_rule()? else { return Ok(()) };
        let ended = match next.state {
            LeaseState::Ended => {
                let ending = Ending {
                    lease_key,
                    lease: &mut lease,
                    job_key: ctx.accounts.job.key(),
                    job: &mut *ctx.accounts.job.load_mut()?,
                    purse: &mut *ctx.accounts.purse.load_mut()?,
                };
                Some(ending.write(&next, back, None, now)?)
            }
            LeaseState::Grace if before.state == LeaseState::Running => {
                lease.set_rules(&next).or_rule()?;
                None
            }
            // Down: that is told by `resolve_challenge`, which also returns the bond.
            LeaseState::Paused => return Ok(()),
            _ => return lease.set_rules(&next).or_rule(),
        };
        (due, ended)
    };
    match ended {
        Some(ended) => tell(&ctx.accounts.event_authority, &ended)?,
        None => {
            let grace_end = ctx.accounts.lease.load()?.grace_end;
            tell(&ctx.accounts.event_authority, &GraceBegan { lease: lease_key, grace_end })?;
        }
    }
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)
}
