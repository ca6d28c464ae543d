//! The node ends a lease.

use anchor_lang::prelude::*;
use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::{RuleError, Seconds};
use program_common::clock::now;
use program_common::names;

use super::end_lease::{Ending, Outcome};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::state::{Job, Lease, Offer, Purse};

/// Accounts of `finish`.
#[event_cpi]
#[derive(Accounts)]
pub struct Finish<'info> {
    /// The offer's node key.
    pub node_key: Signer<'info>,
    /// Names the node key, and gets its unit back.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key))]
    #[account(mut, constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
    /// Ends with the lease.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Gets the rest of the reservation back.
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

/// The node shall end its lease when the container has ended ("completed", whatever the exit code), when it wrote more than
/// its disk ("disk full"), when the reservation is used up ("out of funds") or when its notice is over ("notice"), with what
/// the container left behind. Billed is what it ran, by the node's own word. After the first two the buyer may still reopen the job
/// (`reopen`), so the lease is finished and not yet over; its unit is free at once. Leaving a running container is `abandon`.
pub fn finish(ctx: Context<Finish>, reason: u8, outcome: Outcome) -> Result<()> {
    let now = now()?;
    let reason = EndReason::from_byte(reason).or_rule()?;
    if reason == EndReason::Abandoned {
        return Err(rule(RuleError::ReasonNotAllowed));
    }
    let (finished, ended) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut job = ctx.accounts.job.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let posted = Seconds(job.review_s.into());
        let back = next.finish(reason, outcome.ran(), posted, now).or_rule()?;
        let ending = Ending {
            lease_key: ctx.accounts.lease.key(),
            lease: &mut lease,
            job_key: ctx.accounts.job.key(),
            job: &mut job,
            purse: &mut *ctx.accounts.purse.load_mut()?,
        };
        if next.state == LeaseState::Finished {
            let finished = ending.write_finished(&next, back, &outcome, now)?;
            free_unit(&mut *ctx.accounts.offer.load_mut()?)?;
            (Some(finished), None)
        } else {
            (None, Some(ending.write(&next, back, Some(&outcome), now)?))
        }
    };
    if let Some(finished) = finished {
        tell(&ctx.accounts.event_authority, &finished)?;
    }
    if let Some(ended) = ended {
        tell(&ctx.accounts.event_authority, &ended)?;
    }
    Ok(())
}

/// Sets the unit of a lease free before its account is closed: its rent is then still away from the offer.
pub fn free_unit(offer: &mut Offer) -> Result<()> {
    require!(offer.units_free < offer.units, MarketError::BadUnits);
    offer.units_free += 1;
    offer.unpaid = offer.unpaid.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
    Ok(())
}
