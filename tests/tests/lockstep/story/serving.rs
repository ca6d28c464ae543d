//! A job that is seen through from its posting to the end of its lease: a guardian looks after it, or it is verified, or it runs
//! on a machine that is retired.

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;

use super::{
    OWN_JOBS, an_offer, funds, governance, guarding, is_live, is_small, offer_terms, plain_terms, retiring, supply,
    verifying,
};
use crate::command::governance::GovernanceStep;
use crate::command::{Command, JobTerms};
use crate::model::{Model, OFFERS, Offer, Posted};
use crate::random::Random;
use crate::scene::{BUYERS, PROVIDERS};

/// What is told of the job.
#[derive(Clone, Copy)]
pub enum What {
    Guarded,
    Verified,
    /// It runs on this machine of this provider.
    Below(usize, usize),
}

/// A job, and what is told of it.
#[derive(Clone, Copy)]
pub struct Served {
    job: usize,
    what: What,
}

/// A place for such a job.
pub fn some(random: &mut Random, model: &Model) -> Option<Served> {
    let job = random.index(OWN_JOBS);
    let what = match random.below(8) {
        0..=2 => What::Guarded,
        3..=5 => What::Verified,
        _ => {
            let able = |provider: &usize| !is_small(*provider) && model.providers[*provider].record.is_some();
            let able: Vec<_> = (0..PROVIDERS).filter(able).collect();
            What::Below(if able.is_empty() { return None } else { random.pick(&able) }, random.index(2))
        }
    };
    model.is_free(job).then_some(Served { job, what })
}

/// Time passes.
pub fn wait(seconds: u64) -> Command {
    Command::Clock { slots: seconds * 2, seconds: seconds as i64 }
}

/// The next step; `None` where there is none.
pub fn next(random: &mut Random, model: &Model, Served { job, what }: Served) -> Option<Command> {
    if model.market.paused && random.once_in(2) {
        return Some(Command::Governance(GovernanceStep::SetPaused { by: 0, paused: false }));
    }
    if !model.staking.names_market() && random.once_in(2) {
        return Some(governance::choose(random, model));
    }
    let before = match what {
        What::Guarded => guarding::before(random, model, job % BUYERS),
        What::Verified => verifying::before(random, model),
        What::Below(provider, machine) => retiring::before(random, model, job, (provider, machine)),
    };
    if before.is_some() {
        return before;
    }
    let Some(posted) = model.jobs[job].as_ref().filter(|_| !model.is_free(job)) else {
        return Some(post(random, model, job, what));
    };
    if let Some((lease, one)) = posted.leases.iter().rev().enumerate().find(|(_, one)| one.open) {
        let own = match what {
            What::Guarded => guarding::of_lease(random, model, (job, lease), one),
            What::Verified => verifying::of_lease(random, model, (job, lease), one),
            What::Below(provider, machine) => retiring::of_lease(random, model, (job, lease), one, (provider, machine)),
        };
        if own.is_some() {
            return own;
        }
        match one.rules.state {
            LeaseState::Starting if model.now.ts > one.rules.start_deadline => {
                return Some(Command::FailStart { job, lease, by: 0 });
            }
            LeaseState::Starting => return Some(Command::Ready { job, lease, by: 0, image: true }),
            LeaseState::Ended | LeaseState::Failed if random.once_in(2) => return Some(Command::Settle { job, lease }),
            LeaseState::Ended | LeaseState::Failed => return Some(Command::CloseLease { job, lease }),
            _ if !random.once_in(4) => return Some(Command::Stop { job, lease, by: 0 }),
            _ => {}
        }
    }
    match posted.rules.state {
        JobState::Waiting if model.now.ts >= posted.rules.expires_at => Some(Command::ExpireJob { job }),
        JobState::Waiting => Some(bid(random, model, job, posted, what)),
        JobState::Open => Some(match posted.rules.award_ts().0.saturating_sub(model.now.ts.0) {
            0 => Command::Award { job, given: 5 },
            seconds => wait(seconds),
        }),
        JobState::Ended => Some(Command::CloseJob { job }),
        JobState::Leased | JobState::Review => None,
    }
}

fn post(random: &mut Random, model: &Model, job: usize, what: What) -> Command {
    if let Some(command) = funds(model, job % BUYERS, 200_000_000) {
        return command;
    }
    let terms = JobTerms {
        max_price: 1_000_000 + random.below(8_000_000),
        max_duration_s: 600 + random.below(6_000) as u32,
        notice_s: if random.once_in(2) { 30 + random.below(300) as u32 } else { 0 },
        verify: if matches!(what, What::Verified) { 1 + random.small(5) } else { 0 },
        ..plain_terms(random)
    };
    Command::PostJob { job, by: 0, terms }
}

/// Can this offer take a job that pays so much?
pub fn takes(of: &Offer, most: u64) -> bool {
    of.claimed >= of.units && of.free > 0 && of.floor <= most && of.limit.room().0 > 5_000_000
}

/// An offer that could take a job that pays so much, but for its time, comes back; `None` where there is none.
pub fn refresh(random: &mut Random, model: &Model, most: u64) -> Option<Command> {
    let places = (0..PROVIDERS).flat_map(|provider| (0..OFFERS).map(move |offer| (provider, offer)));
    let stale = places.filter(|(provider, offer)| {
        let of = model.providers[*provider].offers[*offer];
        !is_live(model, *provider, *offer) && of.is_some_and(|of| of.live && takes(&of, most))
    });
    let stale: Vec<_> = stale.collect();
    let (provider, offer) = (!stale.is_empty()).then(|| random.pick(&stale))?;
    Some(Command::RefreshOffer { provider, by: 0, offer, terms: offer_terms(random) })
}

/// A bid of whoever can stand behind it, or another one puts something on the market.
fn bid(random: &mut Random, model: &Model, job: usize, posted: &Posted, what: What) -> Command {
    let most = posted.rules.terms.max_price.0;
    let able = |provider: usize, offer: usize| {
        let of = model.providers[provider].offers[offer];
        let below = match what {
            What::Below(owner, machine) => owner == provider && of.is_some_and(|of| of.machine == Some(machine)),
            _ => !is_small(provider),
        };
        below && is_live(model, provider, offer) && of.is_some_and(|of| takes(&of, most)) && !posted.excludes(provider)
    };
    let own = match what {
        What::Below(provider, machine) => {
            let places = model.offers_of(provider, Some(machine));
            places.into_iter().find(|place| able(provider, *place)).map(|place| (provider, place))
        }
        _ => None,
    };
    let (provider, offer) = own.unwrap_or_else(|| an_offer(random, able));
    let Some(of) = model.providers[provider].offers[offer].filter(|_| able(provider, offer)) else {
        return refresh(random, model, most).unwrap_or_else(|| supply(random, model));
    };
    let price = of.floor.max(most / 4).min(most);
    Command::PlaceBid { job, provider, by: 0, offer, price: price + random.below(most - price + 1) }
}
