//! What every end of a lease does alike: fixes what is owed, ends the job, returns the rest to the purse. No token moves.

use anchor_lang::prelude::*;
use gridlease_core::{Now, lease as rules};

use crate::error::OrRule;
use crate::event::{JobEnded, LeaseEnded};
use crate::state::{Job, Lease, Purse};

/// What the container left behind.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Exit code, where a container ran.
    pub exit_code: Option<i32>,
    /// Root over the outputs; zero for none.
    pub result_hash: [u8; 32],
    /// Last link of the log's hash chain; zero for none.
    pub log_hash: [u8; 32],
}

/// Writes the end of a lease (keys: lease, job, purse): `next` is over and returns `back`.
#[allow(clippy::too_many_arguments)] // three accounts, three addresses, and what to write into them
pub fn write_end(
    keys: (Pubkey, Pubkey, Pubkey),
    lease: &mut Lease,
    job: &mut Job,
    purse: &mut Purse,
    next: &rules::Lease,
    back: gridlease_core::Atoms,
    outcome: &Outcome,
    now: Now,
) -> Result<(LeaseEnded, JobEnded)> {
    let (lease_key, job_key, purse_key) = keys;
    let mut next_job = job.rules()?;
    let from_job = next_job.on_lease_end(next.reason).or_rule()?;
    let mut amounts = purse.amounts();
    amounts.release(back.add(from_job).or_rule()?).or_rule()?;

    lease.set_rules(next)?;
    lease.result_hash = outcome.result_hash;
    lease.log_hash = outcome.log_hash;
    lease.exit_code = outcome.exit_code.unwrap_or(0);
    lease.has_exit = outcome.exit_code.is_some().into();
    job.exit_code = lease.exit_code;
    job.has_exit = lease.has_exit;
    job.spent = job.spent.saturating_add(next.base.0);
    job.set_rules(&next_job, now);
    purse.set_amounts(amounts)?;
    let reason = next.reason as u8;
    Ok((
        LeaseEnded {
            lease: lease_key,
            job: job_key,
            reason,
            exit_code: outcome.exit_code,
            gross: next.base.0,
            refunded: back.0,
            result_hash: outcome.result_hash,
            log_hash: outcome.log_hash,
        },
        JobEnded { job: job_key, purse: purse_key, reason, refunded: from_job.0 },
    ))
}
