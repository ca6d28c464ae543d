//! Somebody leaves the market: a buyer ends all its jobs and closes its purse, a provider all its offers and its record.

use gridlease_core::UnixTs;
use gridlease_core::array::ArrayState;
use gridlease_core::job::JobState;
use gridlease_core::job_number;
use gridlease_core::lease::LeaseState;
use gridlease_core::sealed::{Fate, fate};

use super::{by, serving, verifying};
use crate::command::Command;
use crate::command::arrays::{ArrayStep, TaskStep};
use crate::command::machines::MachineStep;
use crate::command::parties::{BuyerStep, SupplierStep};
use crate::command::sealed::SealedStep;
use crate::command::supervision::SupervisionStep;
use crate::model::arrays::ARRAYS;
use crate::model::{JOBS, Let, Model, Posted};
use crate::random::Random;
use crate::scene::{BUYERS, PROVIDERS};

/// Who leaves.
#[derive(Clone, Copy, Debug)]
pub enum Leaver {
    Buyer(usize),
    Provider(usize),
}

/// One of them: a buyer that has paid for a lease that runs, or a provider that bid, rather than another.
pub fn somebody(random: &mut Random, model: &Model) -> Leaver {
    if random.once_in(2) {
        let paid = |one: &Let| one.rules.state == LeaseState::Running && !one.rules.paid.is_zero();
        let paying = model.jobs.iter().flatten().filter(|posted| posted.leases.last().is_some_and(paid));
        let buyers: Vec<_> = paying.map(|posted| posted.buyer).collect();
        return Leaver::Buyer(if buyers.is_empty() { random.index(BUYERS) } else { random.pick(&buyers) });
    }
    let bidding = model.jobs.iter().flatten().filter(|posted| posted.open).flat_map(|posted| posted.book.entries());
    let bidders: Vec<_> = bidding.map(|entry| model.bidder(entry).0).collect();
    match bidders.is_empty() {
        true => Leaver::Provider(random.index(PROVIDERS)),
        false => Leaver::Provider(random.pick(&bidders)),
    }
}

/// The next step on the way out; `None` where there is none.
pub fn next(random: &mut Random, model: &Model, who: Leaver) -> Option<Command> {
    match who {
        Leaver::Buyer(buyer) => of_buyer(random, model, buyer),
        Leaver::Provider(provider) => of_provider(random, model, provider),
    }
}

fn of_buyer(random: &mut Random, model: &Model, buyer: usize) -> Option<Command> {
    let one = &model.buyers[buyer];
    let jobs = (0..JOBS).filter(|job| job % BUYERS == buyer);
    let Some(purse) = one.purse else {
        // What it is credited it claims all the same.
        return jobs.flat_map(|job| leases_of(model, job)).find_map(|(job, lease, over)| {
            (!over.rules.credit.is_zero()).then_some(Command::Supervision {
                job,
                lease,
                step: SupervisionStep::Collect,
            })
        });
    };
    // An empty vault may be frozen; anything else must be able to move.
    let empty = purse.open_jobs == 0 && purse.amounts.balance.is_zero() && model.tokens[&one.vault] == 0;
    let moves = [one.vault, one.wallet, model.treasury, model.staking.insurance];
    let held = model.freezable.iter().position(|key| moves.contains(key) && model.frozen.contains(key));
    if let Some(place) = held.filter(|_| !empty) {
        return Some(Command::Freeze { place, frozen: false });
    }
    for array in (buyer..ARRAYS).step_by(BUYERS) {
        if model.series(array).is_some_and(|series| series.rules.state == ArrayState::Open) {
            return Some(Command::Array { array, step: ArrayStep::Cancel { by: by(random) } });
        }
    }
    for job in jobs {
        let Some(posted) = model.jobs[job].as_ref().filter(|_| !model.is_free(job)) else { continue };
        if let Some(command) = end(random, model, job, posted) {
            return Some(command);
        }
    }
    for array in (buyer..ARRAYS).step_by(BUYERS) {
        if model.series(array).is_some() {
            return Some(Command::Array { array, step: ArrayStep::Close });
        }
    }
    if !purse.amounts.fees_owed.is_zero() {
        return Some(Command::SweepFees { buyer });
    }
    let free = purse.amounts.free().map_or(0, |free| free.0);
    if free > 0 {
        return Some(Command::Withdraw { buyer, by: by(random), amount: free });
    }
    if job_number::check_close(purse.last_job, model.now.slot).is_err() && !random.once_in(4) {
        return Some(Command::Clock { slots: 1, seconds: 0 });
    }
    match random.below(6) {
        0 => Some(Command::Donate { buyer, amount: random.below(1_000) }),
        1 => model
            .freezable
            .iter()
            .position(|key| *key == one.vault)
            .map(|place| Command::Freeze { place, frozen: true }),
        _ => None,
    }
    .or(Some(Command::Buyer { buyer, by: by(random), step: BuyerStep::Close }))
}

/// The leases of a job whose accounts are there, as commands count them.
fn leases_of(model: &Model, job: usize) -> impl Iterator<Item = (usize, usize, &Let)> {
    let leases = model.jobs[job].iter().flat_map(|posted| posted.leases.iter().rev().enumerate());
    leases.filter(|(_, one)| one.open).map(move |(lease, one)| (job, lease, one))
}

/// The next step to the end of a job. What its leases are credited is not collected.
fn end(random: &mut Random, model: &Model, job: usize, posted: &Posted) -> Option<Command> {
    for (job, lease, one) in leases_of(model, job) {
        let rules = &one.rules;
        if !rules.state.is_over() {
            return Some(stop(random, model, (job, lease), one));
        }
        if !rules.challenge_end.is_zero() {
            return Some(Command::Supervision { job, lease, step: SupervisionStep::Resolve { to: 0 } });
        }
        let payable = !model.frozen.contains(&one.keys.payout);
        if rules.held().is_ok_and(|held| !held.is_zero()) && payable {
            return Some(Command::Settle { job, lease });
        }
        // Its stake stands for a verification.
        if rules.stake_until() > model.now.ts && random.once_in(2) {
            return Some(match random.below(3) {
                0 => serving::wait(rules.stake_until().since(model.now.ts).0),
                _ => Command::Supervision { job, lease, step: verifying::verdict(random, one) },
            });
        }
        if rules.check_close(model.now).is_ok() && random.once_in(2) {
            return Some(Command::CloseLease { job, lease });
        }
    }
    if let Some(bid) = posted.sealed.first() {
        let there = posted.open.then_some((&posted.rules, UnixTs(posted.ended_ts)));
        let step = match fate(bid.round, there, model.now) {
            Fate::Forfeit => Some(SealedStep::Forfeit),
            Fate::Release if random.once_in(2) => Some(SealedStep::Release),
            _ => None,
        };
        if let Some(step) = step {
            return Some(Command::Sealed { job, provider: bid.provider, step });
        }
    }
    match posted.rules.state {
        JobState::Open | JobState::Waiting if posted.open => Some(Command::CancelJob { job, by: by(random) }),
        JobState::Ended if posted.open && posted.task.is_some() => Some(Command::Task { job, step: TaskStep::Close }),
        JobState::Ended if posted.open => Some(Command::CloseJob { job }),
        _ => None,
    }
}

/// The lease is stopped; some fall silent before, so that their buyer is credited.
fn stop(random: &mut Random, model: &Model, (job, lease): (usize, usize), one: &Let) -> Command {
    let (rules, now) = (&one.rules, model.now);
    let supervision = |step| Command::Supervision { job, lease, step };
    match rules.state {
        LeaseState::Running if !rules.challenge_end.is_zero() && random.once_in(2) => {
            let seconds = (rules.challenge_end.0 + 1).saturating_sub(now.ts.0);
            match seconds {
                0 => supervision(SupervisionStep::Resolve { to: 0 }),
                _ => Command::Clock { slots: seconds * 2, seconds: seconds as i64 },
            }
        }
        LeaseState::Running if !rules.can_be_rejected(now) && rules.paid.is_zero() && random.once_in(2) => {
            Command::Settle { job, lease }
        }
        LeaseState::Running
            if !rules.can_be_rejected(now)
                && rules.payable(now).is_ok_and(|payment| !payment.net.is_zero())
                && random.once_in(2) =>
        {
            Command::Settle { job, lease }
        }
        LeaseState::Paused if random.once_in(3) => Command::Clock { slots: 100, seconds: 150 },
        LeaseState::Running if !rules.paid.is_zero() && !random.once_in(4) => {
            supervision(SupervisionStep::Challenge { by: 0 })
        }
        _ => Command::Stop { job, lease, by: 0 },
    }
}

fn of_provider(random: &mut Random, model: &Model, provider: usize) -> Option<Command> {
    let one = &model.providers[provider];
    one.record?;
    for (offer, place) in one.offers.iter().enumerate() {
        let Some(place) = place else { continue };
        if place.live {
            return Some(Command::WithdrawOffer { provider, by: 0, offer, wrong: false });
        }
        if place.free == place.units && place.claimed > 0 {
            let count = u8::try_from(place.claimed.min(8)).unwrap();
            return Some(Command::ReleaseGpus { provider, by: 0, offer, count });
        }
        if place.free == place.units && place.unpaid == 0 {
            return Some(Command::WithdrawOffer { provider, by: 0, offer, wrong: false });
        }
    }
    let mut all = (0..JOBS).flat_map(|job| leases_of(model, job));
    if let Some((job, lease, own)) = all.find(|(_, _, own)| own.provider == provider) {
        let rules = &own.rules;
        if !rules.state.is_over() {
            return Some(match rules.state {
                LeaseState::Starting => Command::FailStart { job, lease, by: 0 },
                LeaseState::Paused => Command::Supervision { job, lease, step: SupervisionStep::Resume { by: 0 } },
                _ => Command::Finish { job, lease, by: 0, reason: 1, exit: 0 },
            });
        }
        if rules.stake_until() > model.now.ts && random.once_in(2) {
            return Some(Command::Supervision { job, lease, step: verifying::verdict(random, own) });
        }
        return Some(match random.below(4) {
            0 => Command::Settle { job, lease },
            1 => Command::Supervision { job, lease, step: SupervisionStep::Collect },
            2 => Command::Supervision { job, lease, step: SupervisionStep::Resolve { to: 0 } },
            _ => Command::CloseLease { job, lease },
        });
    }
    for (machine, there) in one.machines.iter().enumerate() {
        let Some(there) = there else { continue };
        let step = if there.rules.retired { MachineStep::Close } else { MachineStep::Retire { by: 0, missing: false } };
        if !random.once_in(10) {
            return Some(Command::Machine { provider, machine, step });
        }
    }
    Some(Command::Supplier { provider, by: by(random), step: SupplierStep::Close })
}
