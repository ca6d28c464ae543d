//! What is due: a pure function of the view and the time.
//!
//! Every question whether a step is allowed, and what it would do, is put to `gridlease_core`; here is only which step is
//! tried on which account, and the operator's [`Policy`] of when a step is worth its fee. The steps of one lease are planned
//! as a chain: each is asked of the state that the one before leaves behind, so what can follow at once is bundled.

mod action;
mod auto_offer;
mod award;
mod close_job;
mod close_lease;
mod enter_offer;
mod expire;
mod expire_job;
mod fail_start;
mod policy;
mod settle;
mod sweep_fees;

use std::collections::BTreeSet;

use crate::account::{Job, Lease};
use crate::instruction::lease::LeaseKeys;
use gridlease_core::{Now, UnixTs};
use solana_pubkey::Pubkey;

pub use self::action::{Action, Step, StepKey, Verb};
pub use self::policy::{Policy, Shard, ShardError};
use crate::view::View;

/// Everything that is due at `now`, the most urgent first, in an order that depends on nothing but the arguments.
pub fn plan(view: &View, now: Now, policy: &Policy) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut closed_with_lease = BTreeSet::new();
    for (address, lease) in view.leases().filter(|(_, lease)| policy.shard.owns(lease.header.shard)) {
        if let Some(action) = of_lease(view, address, lease, now, policy) {
            closed_with_lease.extend(action.steps.iter().filter_map(|step| match step {
                Step::CloseJob { job, .. } => Some(*job),
                _ => None,
            }));
            actions.push(action);
        }
    }
    let bidders = auto_offer::live(view, now.ts);
    for (address, job) in view.jobs().filter(|(_, job)| policy.shard.owns(job.header.shard)) {
        actions.extend(enter_offer::actions(view, address, job, &bidders, now));
        actions.extend(award::action(view, address, job, now));
        actions.extend(expire_job::action(address, job, now));
        if !closed_with_lease.contains(address) {
            let rules = job.rules().ok();
            let step = rules.and_then(|rules| close_job::step(address, job, &rules));
            actions.extend(step.map(|step| Action::single(step, UnixTs(job.ended_ts))));
        }
    }
    for (address, purse) in view.purses().filter(|(_, purse)| policy.shard.owns(purse.header.shard)) {
        actions.extend(sweep_fees::action(view, address, purse, now, policy));
    }
    actions.sort_by_cached_key(Action::rank);
    actions
}

/// What is due for one lease, as far as it can go at once.
pub fn of_lease(view: &View, address: &Pubkey, lease: &Lease, now: Now, policy: &Policy) -> Option<Action> {
    let keys = LeaseKeys::new(*address, lease);
    let mut next = lease.rules().ok()?;
    let due = next.due();
    let job = view.job(&lease.job);
    let mut next_job = job.and_then(|job| job.rules().ok());

    let mut steps = Vec::new();
    steps.extend(fail_start::step(&keys, &mut next, next_job.as_mut(), view.insurance(), now));
    steps.extend(expire::step(&keys, &mut next, next_job.as_mut(), now));
    steps.extend(settle::step(&keys, &mut next, now, policy));
    let over = close_lease::step(&keys, &next, now);
    // A job of another shard is closed by the keeper of that one; two of them would only get into each other's way.
    let mine = job.zip(next_job).filter(|(job, _)| over.is_some() && policy.shard.owns(job.header.shard));
    steps.extend(over);
    steps.extend(mine.and_then(|(job, rules)| close_job::step(&keys.job, job, &rules)));
    (!steps.is_empty()).then_some(Action { steps, due: due.min(now.ts) })
}

/// The award of one job, where it is due, with as many of its best bidders as the view knows.
pub fn award_of(view: &View, address: &Pubkey, job: &Job, now: Now) -> Option<Action> {
    award::action(view, address, job, now)
}

#[cfg(test)]
mod tests;
