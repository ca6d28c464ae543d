//! Time moves a lease on.

use anchor_lang::prelude::*;
use gridlease_core::lease::LeaseState;

use super::end_lease::{Outcome, write_end};
use crate::convert::now;
use crate::error::{MarketError, OrRule};
use crate::event::GraceBegan;
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
    #[account(mut, has_one = purse @ MarketError::Unrelated, has_one = job @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// A lease whose runway has ended shall enter its grace period, and end "out of funds" when that is over without a top-up.
/// Before its time, nothing changes.
pub fn expire(ctx: Context<Expire>) -> Result<()> {
    let now = now()?;
    let keys = (ctx.accounts.lease.key(), ctx.accounts.job.key(), ctx.accounts.purse.key());
    let ended = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules()?;
        let Some(back) = next.expire(now).or_rule()? else { return Ok(()) };
        if next.state == LeaseState::Ended {
            let mut job = ctx.accounts.job.load_mut()?;
            let mut purse = ctx.accounts.purse.load_mut()?;
            Some(write_end(keys, &mut lease, &mut job, &mut purse, &next, back, &Outcome::default(), now)?)
        } else {
            lease.set_rules(&next)?;
            None
        }
    };
    match ended {
        Some((lease_ended, job_ended)) => {
            emit_cpi!(lease_ended);
            emit_cpi!(job_ended);
        }
        None => {
            let grace_end = ctx.accounts.lease.load()?.grace_end;
            emit_cpi!(GraceBegan { lease: ctx.accounts.lease.key(), grace_end });
        }
    }
    Ok(())
}
