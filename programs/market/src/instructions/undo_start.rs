//! Starts that come to nothing without a fault: the node declines or was not given what it needs, the container can never start, the
//! buyer rejects. What each side owes for it goes to the insurance fund.

use anchor_lang::prelude::*;
use gridlease_core::exclusion::Reporter;
use gridlease_core::job::minute;
use gridlease_core::lease::{self as rules, LeaseState, Undone};
use gridlease_core::limits::MAX_REJECTS;
use gridlease_core::purse_key::PurseStep;
use gridlease_core::{Atoms, Now, PricePerHour, RuleError};
use program_common::clock::now;

use super::end_lease::{Ending, Outcome};
use super::fail_start::{FaultedLease, take};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::StartUndone;
use crate::instructions::purse_keys::authorise;
use crate::replicas::first_eight;
use crate::staking_cpi::{self, Taken};
use crate::state::{Job, Lease, Offer};

/// Within half a minute of its award a node shall be able to decline: the next bidder follows at once and no attempt is used. A bid of
/// its own costs it the minute; an automatic or instant award costs nothing, but its offer takes no more leases until its node
/// refreshes it. On a lease that is not starting, nothing changes.
pub fn decline(ctx: Context<FaultedLease>) -> Result<()> {
    let Some((mut next, now)) = starting(&ctx)? else { return Ok(()) };
    let own_bid = ctx.accounts.lease.load()?.own_bid == 1;
    let undone = next.decline(own_bid, the_minute(&ctx)?, now).or_rule()?;
    if !own_bid {
        suspend(&mut *ctx.accounts.offer.load_mut()?, now);
    }
    undo(ctx.accounts, &next, undone, None, false, now)
}

/// Until half of the time to start is over, a node shall be able to say that it was not given what it needs: each side pays the minute,
/// nothing is slashed, and the next bidder follows. On a lease that is not starting, nothing changes.
pub fn want(ctx: Context<FaultedLease>) -> Result<()> {
    let Some((mut next, now)) = starting(&ctx)? else { return Ok(()) };
    let undone = next.not_given(the_minute(&ctx)?, now).or_rule()?;
    undo(ctx.accounts, &next, undone, None, false, now)
}

/// A node whose container engine refuses what the buyer asks for shall say so with its exit code (125, 126 or 127): each side pays the
/// minute and the next bidder follows; a second provider that has nothing to do with the first and says the same ends the job. On a
/// lease that is not starting, nothing changes.
pub fn report_buyer_error(ctx: Context<FaultedLease>, exit_code: i32) -> Result<()> {
    let Some((mut next, now)) = starting(&ctx)? else { return Ok(()) };
    let undone = next.buyer_error(exit_code, the_minute(&ctx)?, now).or_rule()?;
    let certain = {
        let provider = ctx.accounts.provider.load()?;
        let offer = ctx.accounts.offer.load()?;
        let marks = [&provider.authority, &offer.node_key, &provider.payout].map(first_eight);
        let mut job = ctx.accounts.job.load_mut()?;
        let mut reporter = Reporter(job.reporter);
        let certain = reporter.report(marks);
        job.reporter = reporter.0;
        certain
    };
    let outcome = Outcome { exit_code: Some(exit_code), ..Outcome::default() };
    undo(ctx.accounts, &next, undone, Some(&outcome), certain, now)
}

/// For ninety seconds from ready on, and twice in a job, the buyer shall be able to reject a start that is not what it asked
/// for: the provider gets nothing and is excluded, and the job goes on while attempts remain. The buyer owes the insurance fund the
/// time that ran, at least the minute; the provider owes it the minute.
pub fn reject_ready(ctx: Context<FaultedLease>) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.caller.key, PurseStep::Reject)?;
    let now = now()?;
    let mut next = ctx.accounts.lease.load()?.rules().or_rule()?;
    let undone = next.reject(the_minute(&ctx)?, now).or_rule()?;
    {
        let mut job = ctx.accounts.job.load_mut()?;
        if job.rejects >= MAX_REJECTS {
            return Err(rule(RuleError::RejectsUsedUp));
        }
        job.rejects += 1;
    }
    undo(ctx.accounts, &next, undone, None, false, now)
}

/// The lease's moving parts and the present, where the node speaks of a lease that is starting; `None` where it is stale.
fn starting(ctx: &Context<FaultedLease>) -> Result<Option<(rules::Lease, Now)>> {
    require_keys_eq!(ctx.accounts.caller.key(), ctx.accounts.offer.load()?.node_key, MarketError::NotNodeKey);
    let lease = ctx.accounts.lease.load()?.rules().or_rule()?;
    if lease.state != LeaseState::Starting { Ok(None) } else { Ok(Some((lease, now()?))) }
}

fn the_minute(ctx: &Context<FaultedLease>) -> Result<Atoms> {
    let price = PricePerHour(ctx.accounts.lease.load()?.price);
    minute(price, PricePerHour(ctx.accounts.job.load()?.max_price)).or_rule()
}

/// The offer takes no more leases until it is refreshed.
fn suspend(offer: &mut Offer, now: Now) {
    if offer.is_live(now.ts) {
        offer.header.due_ts = now.ts.0;
    }
}

/// Ends the lease; what its provider owes is taken out of the stake that it has reserved.
fn undo(
    accounts: &FaultedLease,
    next: &rules::Lease,
    undone: Undone,
    outcome: Option<&Outcome>,
    certain: bool,
    now: Now,
) -> Result<()> {
    let lease_key = accounts.lease.key();
    staking_cpi::check_reservation(&accounts.reservation, &lease_key)?;
    let (left, _) = staking_cpi::read_reserved(&accounts.reservation, &accounts.bond)?;
    let stake = undone.provider.min(left);
    let ended = {
        let mut lease: core::cell::RefMut<Lease> = accounts.lease.load_mut()?;
        let mut job: core::cell::RefMut<Job> = accounts.job.load_mut()?;
        let ending = Ending {
            lease_key,
            lease: &mut lease,
            job_key: accounts.job.key(),
            job: &mut job,
            purse: &mut *accounts.purse.load_mut()?,
        };
        ending.write_certain(next, undone.back, outcome, certain, now)?
    };
    tell(&accounts.event_authority, &ended)?;
    let provider = accounts.provider.key();
    let (buyer, stake) = (undone.buyer.0, stake.0);
    tell(
        &accounts.event_authority,
        &StartUndone { lease: lease_key, provider, reason: next.reason as u8, buyer, stake },
    )?;
    if stake == 0 {
        return Ok(());
    }
    take(accounts, &Taken { insurance: Atoms(stake), ..Taken::default() })
}
