//! The end of every story: the parties are gone and time passes; whoever likes turns the cranks. Everything must be closed
//! after that, no stake be bound, and every buyer be able to take the rest of its money.

use gridlease_core::job::JobState;

use crate::command::Command;
use crate::command::arrays::{ArrayStep, TaskStep};
use crate::command::sealed::SealedStep;
use crate::command::supervision::SupervisionStep;
use crate::model::arrays::ARRAYS;
use crate::model::{JOBS, Model};
use crate::scene::{BUYERS, PEOPLE};

mod parties;
mod stake;

/// Attempts of a job, and the end of its last lease, with some to spare.
const ROUNDS: usize = 14;

/// Rounds after which the buyers cancel what their purses are too poor to go on with.
const PATIENCE: usize = 26;

/// Tells the end by `step`, which takes one command.
pub fn tell(model: &mut Model, mut step: impl FnMut(&mut Model, &Command) -> Result<(), String>) -> Result<(), String> {
    for place in 0..model.freezable.len() {
        if model.frozen.contains(&model.freezable[place]) {
            step(model, &Command::Freeze { place, frozen: false })?;
        }
    }
    stake::restore(model, &mut step)?;
    for done in 0..PATIENCE + ROUNDS {
        if (0..JOBS).all(|job| model.is_free(job)) && (0..ARRAYS).all(|array| model.series(array).is_none()) {
            break;
        }
        if done == PATIENCE {
            for array in (0..ARRAYS).filter(|array| model.series(*array).is_some()).collect::<Vec<_>>() {
                step(model, &Command::Array { array, step: ArrayStep::Cancel { by: 0 } })?;
            }
        }
        round(model, &mut step)?;
    }
    for buyer in 0..BUYERS {
        if model.buyers[buyer].purse.is_some() {
            step(model, &Command::SweepFees { buyer })?;
        }
        let free = model.buyers[buyer].purse.map_or(0, |purse| purse.amounts.free().map_or(0, |free| free.0));
        if free > 0 {
            step(model, &Command::Withdraw { buyer, by: 0, amount: free })?;
        }
    }
    check(model)?;
    stake::take_out(model, &mut step)?;
    parties::leave(model, &mut step)
}

/// Waits until everything that is open is due, and turns every crank.
fn round(model: &mut Model, step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>) -> Result<(), String> {
    let jobs = || model.jobs.iter().flatten();
    let of_jobs =
        jobs().filter(|posted| posted.open).map(|posted| posted.rules.award_ts().max(posted.rules.expires_at).0);
    let leases = jobs().flat_map(|posted| &posted.leases).filter(|one| one.open).map(|one| one.rules.due().0);
    let due = of_jobs.chain(leases).max().unwrap_or(0).max(model.now.ts.0);
    // Longer than any start deadline, grace period or life of an offer.
    let seconds = i64::try_from(due - model.now.ts.0 + 4_000).map_err(|_| "time is too far off".to_owned())?;
    step(model, &Command::Clock { slots: 20_000, seconds })?;
    let by = u8::try_from(PEOPLE).unwrap_or(u8::MAX);
    for job in 0..JOBS {
        let Some(posted) = &model.jobs[job] else { continue };
        let (state, leases) = (posted.rules.state, posted.leases.len());
        for provider in posted.sealed.iter().map(|bid| bid.provider).collect::<Vec<_>>() {
            step(model, &Command::Sealed { job, provider, step: SealedStep::Forfeit })?;
            step(model, &Command::Sealed { job, provider, step: SealedStep::Release })?;
        }
        match state {
            JobState::Waiting => step(model, &Command::ExpireJob { job })?,
            JobState::Open => step(model, &Command::Award { job, given: 5 })?,
            JobState::Leased | JobState::Review => {
                step(model, &Command::FailStart { job, lease: 0, by })?;
                step(model, &Command::Supervision { job, lease: 0, step: SupervisionStep::Resolve { to: 0 } })?;
                step(model, &Command::Supervision { job, lease: 0, step: SupervisionStep::DeclareUnreachable })?;
                step(model, &Command::Expire { job, lease: 0 })?;
            }
            JobState::Ended => {}
        }
        for lease in 0..leases {
            for supervision in [SupervisionStep::Resolve { to: 0 }, SupervisionStep::Collect] {
                step(model, &Command::Supervision { job, lease, step: supervision })?;
            }
            step(model, &Command::Settle { job, lease })?;
            step(model, &Command::CloseLease { job, lease })?;
        }
        let close = match posted_task(model, job) {
            true => Command::Task { job, step: TaskStep::Close },
            false => Command::CloseJob { job },
        };
        step(model, &close)?;
    }
    for array in 0..ARRAYS {
        step(model, &Command::Array { array, step: ArrayStep::Open { ahead: 0 } })?;
        step(model, &Command::Array { array, step: ArrayStep::Close })?;
    }
    Ok(())
}

fn posted_task(model: &Model, job: usize) -> bool {
    model.jobs[job].as_ref().is_some_and(|posted| posted.task.is_some())
}

fn check(model: &Model) -> Result<(), String> {
    for job in 0..JOBS {
        if !model.is_free(job) {
            return Err(format!("job {job} did not come to its end: {:?}", model.jobs[job]));
        }
    }
    for array in 0..ARRAYS {
        if let Some(series) = model.series(array) {
            return Err(format!("array {array} did not come to its end: {series:?}"));
        }
    }
    for (at, buyer) in model.buyers.iter().enumerate() {
        if buyer.purse.is_some_and(|purse| purse.amounts.balance.0 != 0) {
            return Err(format!("purse {at} kept something: {:?}", buyer.purse));
        }
    }
    for (at, provider) in model.providers.iter().enumerate() {
        if provider.bond.is_some_and(|bond| bond.totals.reserved.0 != 0 || bond.leases != 0) {
            return Err(format!("bond {at} is still bound: {:?}", provider.bond));
        }
        if provider.offers.iter().flatten().any(|offer| offer.free != offer.units) {
            return Err(format!("an offer of provider {at} is still let: {:?}", provider.offers));
        }
    }
    Ok(())
}
