//! An array that somebody sees through to its quorum, with what still runs of it then.

use gridlease_core::RuleError;
use gridlease_core::array::{ArrayEnd, ArrayState};
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::requirement::flags;

use super::{an_offer, is_live, serving, supply};
use crate::command::Command;
use crate::command::arrays::{ArrayStep, TaskStep};
use crate::command::supervision::SupervisionStep;
use crate::model::arrays::{ARRAYS, Series};
use crate::model::{JOBS, Model, Posted};
use crate::random::Random;
use crate::scene::{self, BUYERS};

/// An array of which several tasks can be open.
pub fn some(random: &mut Random, model: &Model) -> Option<usize> {
    let several = |array: &usize| {
        let rules = model.series(*array).map(|series| series.rules);
        rules.is_some_and(|rules| rules.state == ArrayState::Open && rules.shape.parallel > 1 && rules.shape.count > 1)
    };
    let arrays: Vec<_> = (0..ARRAYS).filter(several).collect();
    (!arrays.is_empty()).then(|| random.pick(&arrays))
}

/// The next step to the array's end; `None` where there is none.
pub fn next(random: &mut Random, model: &Model, array: usize) -> Option<Command> {
    let series = model.series(array)?;
    let of_array = |posted: &&Posted| posted.open && posted.task.is_some_and(|of| of.array == array);
    let jobs: Vec<_> = (0..JOBS).filter_map(|job| Some((job, model.jobs[job].as_ref().filter(of_array)?))).collect();
    if series.rules.state == ArrayState::Over {
        return Some(after(random, series, &jobs).unwrap_or(Command::Array { array, step: ArrayStep::Close }));
    }
    if let Some((job, _)) = jobs.iter().find(|(_, posted)| posted.rules.state == JobState::Ended) {
        // A purse that is empty just now reserves nothing more; it does later.
        let buyer = array % BUYERS;
        let free = model.buyers[buyer].purse.map_or(0, |purse| purse.amounts.free().map_or(0, |free| free.0));
        return Some(match free {
            1.. if random.once_in(3) => Command::Withdraw { buyer, by: 0, amount: free },
            _ => Command::Task { job: *job, step: TaskStep::Close },
        });
    }
    let shape = series.rules.shape;
    if series.rules.next < shape.count
        && series.rules.open < u16::from(shape.parallel)
        && model.task_places(array).is_some()
    {
        let short = is_short(model, array % BUYERS, series);
        return Some(if short { relieve(random, array) } else { open(random, array) });
    }
    let_all(random, model, &jobs)
}

/// The next task is opened, or the purse gets something.
fn open(random: &mut Random, array: usize) -> Command {
    if random.once_in(4) {
        return Command::Deposit { buyer: array % BUYERS, by: 0, amount: random.below(50_000_000) };
    }
    Command::Array { array, step: ArrayStep::Open { ahead: 0 } }
}

/// Can its next task not be paid out of what is left of its budget and of its purse?
pub fn is_short(model: &Model, buyer: usize, series: &Series) -> bool {
    let free = model.buyers[buyer].purse.and_then(|purse| purse.amounts.free().ok()).unwrap_or_default();
    let mut next = series.rules;
    next.open_task(series.task(0), free) == Err(RuleError::ArrayShort)
}

/// Its purse gets something, or it is cancelled.
pub fn relieve(random: &mut Random, array: usize) -> Command {
    match random.below(4) {
        0 => Command::Array { array, step: ArrayStep::Cancel { by: 0 } },
        _ => Command::Deposit { buyer: array % BUYERS, by: 0, amount: 1 + random.below(100_000_000) },
    }
}

fn wait(seconds: u64) -> Command {
    Command::Clock { slots: seconds * 2, seconds: seconds as i64 }
}

/// All open tasks are leased; then one after the other is finished.
fn let_all(random: &mut Random, model: &Model, jobs: &[(usize, &Posted)]) -> Option<Command> {
    let now = model.now.ts;
    for (job, posted) in jobs {
        let (job, rules) = (*job, &posted.rules);
        match posted.leases.last().map(|current| current.rules.state) {
            _ if rules.state == JobState::Waiting && rules.check_bid(rules.terms.max_price, now).is_ok() => {
                return Some(bid(random, model, job, posted));
            }
            _ if rules.state == JobState::Open && now >= rules.award_ts() => {
                return Some(Command::Award { job, given: 5 });
            }
            Some(LeaseState::Starting) if rules.state == JobState::Leased => {
                return Some(Command::Ready { job, lease: 0, by: 0, image: true });
            }
            _ => {}
        }
    }
    let award = jobs.iter().filter(|(_, posted)| posted.rules.state == JobState::Open).map(|(_, posted)| posted);
    if let Some(due) = award.map(|posted| posted.rules.award_ts()).min() {
        return Some(wait(due.since(now).0));
    }
    if jobs.is_empty() {
        return None;
    }
    let (job, _) = random.pick(jobs);
    if let Some((job, _)) = jobs.iter().find(|(_, posted)| posted.rules.state == JobState::Review) {
        return Some(Command::Supervision { job: *job, lease: 0, step: SupervisionStep::Accept { by: 0 } });
    }
    Some(Command::Finish { job, lease: 0, by: 0, reason: 1, exit: u8::from(random.once_in(8)) })
}

fn bid(random: &mut Random, model: &Model, job: usize, posted: &Posted) -> Command {
    let max = posted.rules.terms.max_price.0;
    let able = |provider: usize, offer: usize| {
        let place = model.providers[provider].offers[offer];
        let flags = posted.need.flags | !flags::SPOT;
        let fits = scene::unit_of(provider, offer).flags & !flags == 0;
        let free = place.is_some_and(|of| of.claimed >= of.units && of.free > 0 && of.floor <= max);
        fits && free && is_live(model, provider, offer) && !posted.excluded.contains(&provider)
    };
    let (provider, offer) = an_offer(random, able);
    if !able(provider, offer) && !random.once_in(8) {
        return serving::refresh(random, model, max).unwrap_or_else(|| supply(random, model));
    }
    Command::PlaceBid { job, provider, by: 0, offer, price: max }
}

/// What is left of an array that is over.
fn after(random: &mut Random, series: &Series, jobs: &[(usize, &Posted)]) -> Option<Command> {
    let reached = series.rules.reason == ArrayEnd::Quorum;
    let (job, posted) = *jobs.first()?;
    let stop = Command::Task { job, step: TaskStep::Stop { lease: 0 } };
    Some(match posted.rules.state {
        JobState::Open | JobState::Waiting => Command::Task { job, step: TaskStep::Cancel },
        JobState::Review => Command::Supervision { job, lease: 0, step: SupervisionStep::Accept { by: 0 } },
        JobState::Leased if random.once_in(6) => Command::Task { job, step: TaskStep::Cancel },
        JobState::Leased if reached => stop,
        JobState::Leased => Command::Stop { job, lease: 0, by: 0 },
        JobState::Ended if reached && posted.leases.last().is_some_and(|last| last.open) && random.once_in(2) => stop,
        JobState::Ended => Command::Task { job, step: TaskStep::Close },
    })
}
