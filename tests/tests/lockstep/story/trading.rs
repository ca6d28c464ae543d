//! Somebody who buys dear and long enough that the price index counts it, and then again.

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::price_index::{LEAST_TIME, check_trade};

use super::{OWN_JOBS, an_offer, funds, is_live, is_small, plain_terms, supply};
use crate::command::index::IndexStep;
use crate::command::supervision::SupervisionStep;
use crate::command::{Command, JobTerms};
use crate::model::{Model, Posted};
use crate::random::Random;
use crate::scene::{self, BUYERS};

/// The least that is paid an hour: what a fee that counts is taken from is then earned within the hour.
const DEAR: u64 = 8_000_000;

/// A place for such a job.
pub fn some(random: &mut Random, model: &Model) -> Option<usize> {
    let job = random.index(OWN_JOBS);
    model.is_free(job).then_some(job)
}

/// The next step to a trade; `None` where there is none.
pub fn next(random: &mut Random, model: &Model, job: usize) -> Option<Command> {
    let unit = scene::unit();
    if !model.indices.contains_key(&(unit.gpu_model, unit.region)) {
        return Some(Command::Index(IndexStep::Open { by: 0, gpu_model: unit.gpu_model, region: unit.region }));
    }
    let Some(posted) = model.jobs[job].as_ref().filter(|_| !model.is_free(job)) else {
        return Some(post(random, model, job));
    };
    match posted.rules.state {
        JobState::Waiting => Some(bid(random, model, job)),
        JobState::Open => Some(match posted.rules.award_ts().0.saturating_sub(model.now.ts.0) {
            0 => Command::Award { job, given: 5 },
            seconds => wait(seconds),
        }),
        JobState::Review => Some(Command::Supervision { job, lease: 0, step: SupervisionStep::Accept { by: 0 } }),
        JobState::Leased => Some(lease(model, job, posted)?),
        JobState::Ended => after(job, posted),
    }
}

fn wait(seconds: u64) -> Command {
    Command::Clock { slots: seconds * 2, seconds: seconds as i64 }
}

fn post(random: &mut Random, model: &Model, job: usize) -> Command {
    if let Some(command) = funds(model, job % BUYERS, 100_000_000) {
        return command;
    }
    let terms = JobTerms {
        max_price: 4 * DEAR,
        max_duration_s: 3_600,
        review_s: 0,
        notice_s: 0,
        verify: 0,
        ..plain_terms(random)
    };
    Command::PostJob { job, by: 0, terms }
}

/// A bid of whoever can stand behind it, or another one puts something on the market.
fn bid(random: &mut Random, model: &Model, job: usize) -> Command {
    let able = |provider: usize, offer: usize| {
        let free = model.providers[provider].offers[offer].is_some_and(|of| of.claimed >= of.units && of.free > 0);
        free && is_live(model, provider, offer) && !is_small(provider)
    };
    let (provider, offer) = an_offer(random, able);
    if !able(provider, offer) {
        return supply(random, model);
    }
    Command::PlaceBid { job, provider, by: 0, offer, price: DEAR + random.below(3 * DEAR) }
}

fn lease(model: &Model, job: usize, posted: &Posted) -> Option<Command> {
    let rules = posted.leases.last()?.rules;
    Some(match rules.state {
        LeaseState::Starting if model.now.ts > rules.start_deadline => Command::FailStart { job, lease: 0, by: 0 },
        LeaseState::Starting => Command::Ready { job, lease: 0, by: 0, image: true },
        LeaseState::Running if model.now.ts.since(rules.ready_ts) <= LEAST_TIME => wait(2_400),
        LeaseState::Running if !rules.challenge_end.is_zero() => {
            Command::Supervision { job, lease: 0, step: SupervisionStep::Answer { by: 0, right: true } }
        }
        LeaseState::Running => Command::Finish { job, lease: 0, by: 0, reason: 1, exit: 0 },
        _ => Command::Stop { job, lease: 0, by: 0 },
    })
}

/// The trade is recorded, and the place is free again.
fn after(job: usize, posted: &Posted) -> Option<Command> {
    let Some(last) = posted.leases.last().filter(|last| last.open) else { return Some(Command::CloseJob { job }) };
    let unit = scene::unit_of(last.provider, last.offer);
    Some(match last.rules.check_paid() {
        Err(_) => Command::Settle { job, lease: 0 },
        Ok(()) if !last.indexed && check_trade(&last.rules).is_ok() => {
            Command::Index(IndexStep::Record { job, lease: 0, gpu_model: unit.gpu_model, region: unit.region })
        }
        Ok(()) => Command::CloseLease { job, lease: 0 },
    })
}
