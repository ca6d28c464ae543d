//! Fails leases that were not ready at their deadline.

use crate::instruction::lease::LeaseKeys;
use gridlease_core::{Now, job as job_rules, lease as rules};
use solana_pubkey::Pubkey;

use super::Step;

/// The step where the start deadline has passed; `lease` and `job` are moved on as the market would.
pub(super) fn step(
    keys: &LeaseKeys,
    lease: &mut rules::Lease,
    job: Option<&mut job_rules::Job>,
    insurance: Option<Pubkey>,
    now: Now,
) -> Option<Step> {
    let insurance = insurance?;
    let back = lease.fail_start(false, now).ok()?;
    if let Some(job) = job {
        // Where the view's job is not the lease's any more, the chain knows better; nothing else is planned from it.
        job.on_lease_end(lease.reason, back, lease.price, false, now.ts).ok();
    }
    Some(Step::FailStart { keys: *keys, insurance })
}
