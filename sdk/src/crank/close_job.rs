//! Closes jobs that are over.

use crate::account::Job;
use gridlease_core::job as rules;
use solana_pubkey::Pubkey;

use super::Step;

/// The step where the job, in the state `next`, is over.
pub(super) fn step(address: &Pubkey, job: &Job, next: &rules::Job) -> Option<Step> {
    next.check_close().ok()?;
    if job.array != Pubkey::default() {
        return None; // a task: its array closes it
    }
    Some(Step::CloseJob { job: *address, purse: job.purse, payer: job.payer })
}
