//! Ends jobs that waited for a bid until their wait was over.

use crate::account::Job;
use gridlease_core::Now;
use solana_pubkey::Pubkey;

use super::{Action, Step};

/// The step where the job has waited long enough. A task of an array waits as every job does.
pub(super) fn action(address: &Pubkey, job: &Job, now: Now) -> Option<Action> {
    let mut next = job.rules().ok()?;
    let due = next.expires_at;
    next.expire(now.ts).ok()?;
    Some(Action::single(Step::ExpireJob { job: *address, purse: job.purse }, due))
}
