//! What is chosen for arrays and their tasks.

use gridlease_core::Atoms;
use gridlease_core::array::{ArrayEnd, ArrayState, Shape};
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;

use crate::command::arrays::{ArrayStep, TaskStep};
use crate::command::{Command, JobTerms};
use crate::model::Model;
use crate::model::arrays::{ARRAYS, terms_of};
use crate::random::Random;
use crate::scene::BUYERS;

use super::purse_keys::keeper_of;
use super::{by, job_terms, running};

fn shape(random: &mut Random, terms: &JobTerms) -> Shape {
    if random.once_in(12) {
        return Shape {
            count: random.pick(&[0, 1, 1_024, 1_025]),
            quorum: random.below(5) as u16,
            replicas: random.small(5),
            parallel: random.pick(&[0, 1, 64, 65]),
            budget: Atoms(random.amount(40)),
        };
    }
    let count = 1 + random.below(5) as u16;
    let replicas = random.pick(&[1, 1, 1, 2, 3]);
    let cap = terms_of(terms).cap().map_or(0, |cap| cap.0);
    // Some budgets are for one task, some for all, some for no whole number of them.
    let (least, tasks) = (cap.saturating_mul(replicas.into()), u64::from(count));
    let most = least.saturating_mul(tasks);
    let budget = match random.below(10) {
        0 => least,
        1 => most.saturating_add(random.below(2)),
        2 => least.saturating_sub(random.below(2)),
        3..=6 => least + random.below(most.saturating_sub(least).max(1)),
        _ => most,
    };
    let quorum = 1 + random.below(tasks) as u16;
    Shape { count, quorum, replicas, parallel: 1 + random.small(3), budget: Atoms(budget) }
}

/// A posting that the purse can pay, most of the time.
fn post(random: &mut Random) -> ArrayStep {
    let mut terms = job_terms(random);
    if !random.once_in(15) {
        terms.max_price = 1 + random.below(4_000_000);
        terms.max_duration_s = 60 + random.below(1_500) as u32;
        terms.window_s = 20 + random.below(80) as u32;
        terms.attempts = 1 + random.small(4);
        terms.image_mb = random.below(10_000) as u32;
        (terms.min_stake, terms.min_reputation, terms.gpu_count) = (0, 0, 1);
    }
    ArrayStep::Post { by: by(random), shape: shape(random, &terms), terms }
}

/// A step of one of the arrays of a buyer.
pub fn choose(random: &mut Random, model: &Model, buyer: usize) -> Command {
    let array = buyer % BUYERS + BUYERS * random.index(ARRAYS / BUYERS);
    let Some(series) = model.series(array) else {
        return Command::Array { array, step: if random.once_in(30) { ArrayStep::Close } else { post(random) } };
    };
    let over = series.rules.state == ArrayState::Over;
    if !over && running::is_short(model, buyer, series) && !random.once_in(4) {
        return running::relieve(random, array);
    }
    let step = match random.below(24) {
        0 if !over => ArrayStep::Cancel { by: keeper_of(random, model, buyer % BUYERS) },
        1 => ArrayStep::Cancel { by: keeper_of(random, model, buyer % BUYERS) },
        2 => ArrayStep::Close,
        3 => ArrayStep::Open { ahead: random.pick(&[-1, 0, 1, 2]) },
        _ if over => ArrayStep::Close,
        _ => ArrayStep::Open { ahead: 0 },
    };
    Command::Array { array, step }
}

/// What only a task can meet; `None` to go on as with any job.
pub fn of_task(random: &mut Random, model: &Model, job: usize) -> Option<Command> {
    let posted = model.jobs[job].as_ref().filter(|posted| posted.open)?;
    let series = model.series(posted.task?.array)?;
    let (over, reached) = (series.rules.state == ArrayState::Over, series.rules.reason == ArrayEnd::Quorum);
    let step = match posted.rules.state {
        JobState::Ended if !random.once_in(3) => TaskStep::Close,
        JobState::Open if random.once_in(if over { 2 } else { 40 }) => TaskStep::Cancel,
        JobState::Leased if random.once_in(if reached { 3 } else { 60 }) => {
            TaskStep::Stop { lease: if random.once_in(10) { random.index(3) } else { 0 } }
        }
        _ if random.once_in(60) => random.pick(&[TaskStep::Close, TaskStep::Cancel, TaskStep::Stop { lease: 0 }]),
        JobState::Leased if random.once_in(2) && posted.leases.last()?.rules.state == LeaseState::Starting => {
            return Some(Command::Ready { job, lease: 0, by: 0, image: true });
        }
        // A task that runs is finished sooner than another job: arrays should come to their end.
        JobState::Leased if random.once_in(4) && posted.leases.last()?.rules.state == LeaseState::Running => {
            return Some(Command::Finish { job, lease: 0, by: 0, reason: 1, exit: u8::from(random.once_in(4)) });
        }
        _ => return None,
    };
    Some(Command::Task { job, step })
}
