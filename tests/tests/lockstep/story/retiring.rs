//! What is told of a lease on a machine below a provider: its key is changed, it is retired, and whoever likes ends its leases.

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;

use super::serving::{takes, wait};
use super::{by, is_live, machines, offer_terms, person, somebody};
use crate::command::Command;
use crate::command::machines::{Allotment, MachineStep, MachineTerms};
use crate::command::supervision::SupervisionStep;
use crate::model::{Let, Model};
use crate::random::Random;
use crate::scene;

/// The machine is there with an offer that takes leases, first; one that is retired and has no lease of this job is closed.
pub fn before(random: &mut Random, model: &Model, job: usize, (provider, machine): (usize, usize)) -> Option<Command> {
    let owner = &model.providers[provider];
    owner.record?;
    let on_it = model.jobs[job].as_ref().filter(|_| !model.is_free(job)).is_some_and(|posted| {
        let below = |one: &Let| owner.offers[one.offer].is_some_and(|of| of.machine == Some(machine));
        posted.leases.iter().any(|one| one.open && one.provider == provider && below(one))
    });
    if on_it {
        return None;
    }
    let step = |step| Some(Command::Machine { provider, machine, step });
    let generous = |random: &mut Random| MachineTerms {
        limit: 200_000_000 + random.below(300_000_000),
        ..machines::terms(random)
    };
    let Some(there) = owner.machines[machine] else {
        return step(MachineStep::Register { by: by(random), terms: generous(random) });
    };
    let offers = model.offers_of(provider, Some(machine));
    if there.rules.retired {
        let Some(offer) = offers.first().copied() else { return step(MachineStep::Close) };
        let of = owner.offers[offer]?;
        if of.free < of.units || of.unpaid > 0 || of.sealed > 0 {
            return None;
        }
        if random.once_in(6) {
            return step(MachineStep::Close);
        }
        return Some(match of.claimed.min(8) {
            0 => Command::WithdrawOffer { provider, by: somebody(random), offer, wrong: random.once_in(8) },
            count => Command::ReleaseGpus { provider, by: 0, offer, count: count as u8 },
        });
    }
    let Some(offer) = offers.into_iter().find(|offer| owner.offers[*offer].is_some_and(|of| of.live)) else {
        let Some(offer) = owner.offers.iter().position(Option::is_none) else {
            // A place is made for it.
            let offer = random.index(owner.offers.len());
            let of = owner.offers[offer]?;
            return Some(match of.claimed.min(8) {
                count @ 1.. if !of.live && of.free == of.units => {
                    Command::ReleaseGpus { provider, by: 0, offer, count: count as u8 }
                }
                _ => Command::WithdrawOffer { provider, by: 0, offer, wrong: false },
            });
        };
        if there.rules.limit.saturating_sub(there.rules.allotted).0 < 50_000_000 {
            return step(MachineStep::Update { by: 0, terms: generous(random), missing: false });
        }
        let (allotment, terms) =
            (Allotment { of: machine as u8 + 1, limit: machines::limit(random, &there.rules) }, offer_terms(random));
        return Some(Command::PostOffer { provider, by: by(random), offer, allotment, terms });
    };
    let of = owner.offers[offer]?;
    let whole = u32::from(of.units) * u32::from(scene::unit().gpu_count);
    if u32::from(of.claimed) < whole {
        let own = owner.bond.map_or(0, |bond| bond.totals.own.0);
        if own < 50_000_000 {
            return Some(match owner.bond {
                None => Command::OpenBond { provider },
                Some(_) => Command::AddStake { provider, by: 0, amount: 100_000_000 },
            });
        }
        let count = (whole - u32::from(of.claimed)).min(8) as u8;
        return Some(Command::ClaimGpus { provider, by: 0, offer, count });
    }
    if !is_live(model, provider, offer) {
        return Some(Command::RefreshOffer { provider, by: by(random), offer, terms: offer_terms(random) });
    }
    // One whose limit is used up is of no use any more.
    let used_up = !takes(&of, u64::MAX) && of.free == of.units;
    used_up.then_some(Command::WithdrawOffer { provider, by: 0, offer, wrong: random.once_in(6) })
}

/// The next step of its lease.
pub fn of_lease(
    random: &mut Random,
    model: &Model,
    (job, lease): (usize, usize),
    one: &Let,
    (provider, machine): (usize, usize),
) -> Option<Command> {
    let of = model.providers[one.provider].offers[one.offer].filter(|of| of.machine == Some(machine))?;
    if one.provider != provider {
        return None;
    }
    let (rules, now) = (&one.rules, model.now.ts);
    let step = |step| Some(Command::Machine { provider, machine, step });
    match rules.state {
        // The key of the provider's first machine says nothing here.
        LeaseState::Starting if random.once_in(8) => {
            Some(Command::Ready { job, lease, by: person(scene::node_of(provider)), image: true })
        }
        LeaseState::Starting if random.once_in(10) => {
            step(MachineStep::Update { by: 0, terms: machines::terms(random), missing: random.once_in(4) })
        }
        LeaseState::Running if !of.retired => match random.below(12) {
            0..=4 => step(MachineStep::Retire { by: by(random), missing: random.once_in(4) }),
            5 => {
                step(MachineStep::Update { by: by(random), terms: machines::terms(random), missing: random.once_in(4) })
            }
            6 if random.once_in(2) => {
                let step = SupervisionStep::GiveNotice { by: somebody(random) };
                Some(Command::Supervision { job, lease, step })
            }
            6 => Some(Command::Abandon { job, lease, by: somebody(random) }),
            7 => Some(Command::Extend { job, lease, by: 0, by_s: 3_600 + random.below(500_000) as u32 }),
            8 => Some(Command::Finish { job, lease, by: 0, reason: 1, exit: 0 }),
            _ => Some(wait(random.below(300))),
        },
        LeaseState::Running if rules.notice.is_zero() || random.once_in(8) => {
            Some(Command::Abandon { job, lease, by: somebody(random) })
        }
        LeaseState::Running if rules.notice_end.is_zero() => {
            let step = SupervisionStep::GiveNotice { by: somebody(random) };
            Some(Command::Supervision { job, lease, step })
        }
        LeaseState::Running => Some(match rules.notice_end.0.saturating_sub(now.0) {
            0 if random.once_in(2) => Command::Expire { job, lease },
            0 => Command::Finish { job, lease, by: 0, reason: EndReason::Notice as u8, exit: 0 },
            seconds => wait(seconds),
        }),
        LeaseState::Finished => Some(Command::Supervision { job, lease, step: SupervisionStep::Accept { by: 0 } }),
        _ => None,
    }
}
