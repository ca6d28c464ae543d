//! What every end of a lease does alike: fixes what is owed, hands the rest to the job, and lets the job go on or end. No
//! token moves.

use anchor_lang::prelude::*;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::{Atoms, Now, Seconds, UnixTs, lease as rules};

use crate::error::OrRule;
use crate::event::{LeaseEnded, LeaseFinished};
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
    /// When the container ended, Unix seconds by the chain's clock; zero for "it ran until now".
    pub ended_ts: u64,
    /// For how many seconds since ready the container stood still (paused from outside, say).
    pub stood_s: u32,
}

impl Outcome {
    /// What of the lease's time is billed.
    pub fn ran(&self) -> rules::Ran {
        rules::Ran { until: UnixTs(self.ended_ts), stood: Seconds(self.stood_s.into()) }
    }
}

/// The accounts that an end writes.
pub struct Ending<'a> {
    /// Address of the lease.
    pub lease_key: Pubkey,
    /// The lease.
    pub lease: &'a mut Lease,
    /// Address of the job.
    pub job_key: Pubkey,
    /// The job.
    pub job: &'a mut Job,
    /// The purse.
    pub purse: &'a mut Purse,
}

impl Ending<'_> {
    /// Writes the end of a lease: `next` is over and returns `back` to the job, which goes on or returns it to the purse. What the
    /// container left behind is `outcome`; where it is left out, what the lease says already.
    pub fn write(self, next: &rules::Lease, back: Atoms, outcome: Option<&Outcome>, now: Now) -> Result<LeaseEnded> {
        self.write_certain(next, back, outcome, false, now)
    }

    /// As [`Ending::write`]; `certain`: two providers that have nothing to do with each other reported the same error of the buyer's.
    pub fn write_certain(
        self,
        next: &rules::Lease,
        back: Atoms,
        outcome: Option<&Outcome>,
        certain: bool,
        now: Now,
    ) -> Result<LeaseEnded> {
        let Self { lease_key, lease, job_key, job, purse } = self;
        let mut next_job = job.rules().or_rule()?;
        let released = next_job.on_lease_end(next.reason, back, next.price, certain, now.ts).or_rule()?;
        let forfeited = next.forfeited.sub(Atoms(lease.forfeited)).or_rule()?;
        let mut amounts = purse.amounts();
        amounts.release(released).or_rule()?;
        amounts.forfeit(forfeited).or_rule()?;

        // A lease that was finished before was counted then.
        let counted = if lease.state() == Some(LeaseState::Finished) { lease.base } else { 0 };
        job.spent = job.spent.saturating_add(next.base.0).saturating_sub(counted);
        lease.set_rules(next).or_rule()?;
        if let Some(outcome) = outcome {
            record(lease, outcome);
        }
        let goes_on = next.reason.is_retried();
        job.exit_code = lease.exit_code;
        // What a lease left behind that another one does anew says nothing about the job.
        job.has_exit = if goes_on && !certain { 0 } else { lease.has_exit };
        if goes_on {
            job.exclude(&lease.provider);
        }
        job.set_rules(&next_job, now);
        purse.set_amounts(amounts).or_rule()?;
        purse.forfeits = purse.forfeits.saturating_add(forfeited.0);
        Ok(LeaseEnded {
            lease: lease_key,
            job: job_key,
            reason: next.reason as u8,
            exit_code: lease.exit(),
            gross: next.base.0,
            refunded: back.0,
            released: released.0,
            forfeited: forfeited.0,
            job_state: next_job.state as u8,
            close_ts: if next_job.state == JobState::Open { next_job.close_ts.0 } else { 0 },
            result_hash: lease.result_hash,
            log_hash: lease.log_hash,
        })
    }

    /// Writes that the node finished the lease: `next` is finished and returns `back` to the job, which holds it until the buyer
    /// has spoken.
    pub fn write_finished(
        self,
        next: &rules::Lease,
        back: Atoms,
        outcome: &Outcome,
        now: Now,
    ) -> Result<LeaseFinished> {
        let Self { lease_key, lease, job_key, job, .. } = self;
        let mut next_job = job.rules().or_rule()?;
        next_job.on_finished(back).or_rule()?;
        lease.set_rules(next).or_rule()?;
        record(lease, outcome);
        lease.unit_free = 1;
        job.exit_code = lease.exit_code;
        job.has_exit = lease.has_exit;
        job.spent = job.spent.saturating_add(next.base.0);
        job.set_rules(&next_job, now);
        Ok(LeaseFinished {
            lease: lease_key,
            job: job_key,
            reason: next.reason as u8,
            exit_code: outcome.exit_code,
            gross: next.base.0,
            refunded: back.0,
            review_end: next.review_end.0,
            result_hash: outcome.result_hash,
            log_hash: outcome.log_hash,
        })
    }
}

fn record(lease: &mut Lease, outcome: &Outcome) {
    lease.result_hash = outcome.result_hash;
    lease.log_hash = outcome.log_hash;
    lease.exit_code = outcome.exit_code.unwrap_or(0);
    lease.has_exit = outcome.exit_code.is_some().into();
}
