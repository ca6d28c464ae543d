//! Moves leases on whose runway, grace period, notice or time to reopen has ended.

use crate::instruction::lease::LeaseKeys;
use gridlease_core::lease::LeaseState;
use gridlease_core::{Now, job as job_rules, lease as rules};

use super::Step;

/// The step where time has moved the lease on; `lease` and `job` are moved on as the market would.
pub(super) fn step(
    keys: &LeaseKeys,
    lease: &mut rules::Lease,
    job: Option<&mut job_rules::Job>,
    now: Now,
) -> Option<Step> {
    let mut next = *lease;
    let back = next.expire(now).ok()??;
    if next.state == LeaseState::Paused {
        return None; // the market's `expire` leaves a missed challenge to `resolve_challenge`
    }
    *lease = next;
    if let Some(job) = job.filter(|_| lease.state == LeaseState::Ended) {
        // Where the view's job is not the lease's any more, the chain knows better; nothing else is planned from it.
        job.on_lease_end(lease.reason, back, lease.price, false, now.ts).ok();
    }
    Some(Step::Expire(*keys))
}
