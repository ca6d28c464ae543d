//! The node ends a lease.

use anchor_lang::prelude::*;
use gridlease_core::RuleError;
use gridlease_core::job::EndReason;

use super::end_lease::{Ending, Outcome};
use crate::clock::now;
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::state::{Job, Lease, Offer, Purse};

/// Accounts of `finish`.
#[event_cpi]
#[derive(Accounts)]
pub struct Finish<'info> {
    /// The offer's node key.
    pub node_key: Signer<'info>,
    /// Names the node key.
    #[account(has_one = node_key @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
    /// Ends with the lease.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Gets the rest of the reservation back.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[account(
        mut,
        has_one = offer @ MarketError::Unrelated, has_one = job @ MarketError::Unrelated,
        has_one = purse @ MarketError::Unrelated,
    )]
    pub lease: AccountLoader<'info, Lease>,
}

/// The node shall end its lease when the container has ended ("completed", whatever the exit code), when it wrote more than
/// its disk ("disk full"), when the reservation is used up ("out of funds") or when its notice is over ("notice"), with what
/// the container left behind. Billed is what it ran, by the node's own word. Leaving a running container is `abandon`.
pub fn finish(ctx: Context<Finish>, reason: u8, outcome: Outcome) -> Result<()> {
    let now = now()?;
    let reason = EndReason::from_byte(reason).or_rule()?;
    if reason == EndReason::Abandoned {
        return Err(rule(RuleError::ReasonNotAllowed));
    }
    let event = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let back = next.finish(reason, outcome.ran(), now).or_rule()?;
        Ending {
            lease_key: ctx.accounts.lease.key(),
            lease: &mut lease,
            job_key: ctx.accounts.job.key(),
            job: &mut *ctx.accounts.job.load_mut()?,
            purse: &mut *ctx.accounts.purse.load_mut()?,
        }
        .write(&next, back, &outcome, now)?
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}
