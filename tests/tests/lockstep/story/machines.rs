//! What is chosen for the machines below a provider, and for the limits of stake of its offers.

use gridlease_core::machine::Machine as Rules;
use gridlease_tests::terms::STAKE_LIMIT;

use super::{by, offer_terms, somebody};
use crate::command::Command;
use crate::command::machines::{Allotment, MachineStep, MachineTerms};
use crate::model::{MACHINES, Model};
use crate::random::Random;
use crate::scene;

/// A step of one of the provider's machines besides its first one.
pub fn choose(random: &mut Random, model: &Model, provider: usize) -> Command {
    let machine = random.index(MACHINES);
    let (who, terms) = (by(random), terms(random));
    let missing = random.once_in(5);
    let step = match model.providers[provider].machines[machine] {
        None => MachineStep::Register { by: who, terms },
        Some(there) if there.rules.retired => match random.below(6) {
            0 => MachineStep::Retire { by: who, missing },
            1 => MachineStep::Update { by: who, terms, missing },
            _ => MachineStep::Close,
        },
        Some(_) => match random.below(12) {
            0 => MachineStep::Retire { by: who, missing },
            1 => MachineStep::Close,
            2 => MachineStep::Register { by: who, terms },
            _ => MachineStep::Update { by: who, terms, missing },
        },
    };
    Command::Machine { provider, machine, step }
}

/// Any step of any machine.
pub fn anything(random: &mut Random, provider: usize) -> Command {
    let (by, terms, missing) = (somebody(random), terms(random), random.once_in(2));
    let step = match random.below(4) {
        0 => MachineStep::Register { by, terms },
        1 => MachineStep::Update { by, terms, missing },
        2 => MachineStep::Retire { by, missing },
        _ => MachineStep::Close,
    };
    Command::Machine { provider, machine: random.index(MACHINES), step }
}

/// A key and a limit that a few leases reach.
pub fn terms(random: &mut Random) -> MachineTerms {
    let limit = match random.below(10) {
        0 => random.amount(40),
        1 => u64::MAX,
        _ => 20_000_000 + random.below(300_000_000),
    };
    MachineTerms { node: somebody(random), limit }
}

/// The first machine gets another key or another limit; most of the time it allots whatever is asked for.
pub fn first(random: &mut Random, model: &Model, provider: usize, who: u8) -> Command {
    let node = model.providers[provider].record.map(|record| record.node);
    let same = model.people.iter().position(|key| Some(*key) == node).filter(|_| random.once_in(2));
    let node = same.map_or_else(|| somebody(random), |at| u8::try_from(at).unwrap());
    let limit = if random.once_in(4) { random.below(200_000_000) } else { u64::MAX };
    Command::UpdateNode { provider, by: who, terms: MachineTerms { node, limit }, missing: random.once_in(8) }
}

fn left(rules: &Rules) -> u64 {
    rules.limit.saturating_sub(rules.allotted).0
}

/// An offer is posted: in the last place rather below a machine, in the others rather below the record.
pub fn post(random: &mut Random, model: &Model, provider: usize, offer: usize) -> Command {
    let owner = &model.providers[provider];
    let last = offer + 1 == owner.offers.len();
    let any = random.once_in(8);
    let takes = |at: &usize| owner.machines[*at].is_some_and(|of| any || !of.rules.retired);
    let machine = (0..2).map(|_| random.index(MACHINES)).find(takes);
    let of = match machine.filter(|_| random.once_in(if last { 1 } else { 6 })) {
        _ if random.once_in(60) => random.small(MACHINES as u8 + 2),
        Some(at) => at as u8 + 1,
        None if last && random.once_in(2) => return choose(random, model, provider),
        None => 0,
    };
    let rules = match usize::from(of).checked_sub(1) {
        None => owner.record.map_or_else(scene::first_machine, |record| record.own),
        Some(at) => owner.machines.get(at).copied().flatten().map(|machine| machine.rules).unwrap_or_default(),
    };
    let who = by(random);
    if of == 0 && left(&rules) < STAKE_LIMIT && random.once_in(2) {
        return first(random, model, provider, who);
    }
    if of > 0 && left(&rules) < 5_000_000 && random.once_in(2) {
        return choose(random, model, provider);
    }
    let terms = offer_terms(random);
    Command::PostOffer { provider, by: who, offer, allotment: Allotment { of, limit: limit(random, &rules) }, terms }
}

/// What an offer may bind: all that its machine has left, a part of it, now and then too much or nothing.
pub fn limit(random: &mut Random, rules: &Rules) -> u64 {
    let left = left(rules);
    match random.below(20) {
        0 => left.saturating_add(1),
        1 => 0,
        // One lease, and not two.
        2..=4 => 5_000_000 + random.below(5_000_000),
        5 => 5_000_000 + random.below(60_000_000),
        6..=9 => 1 + random.below(left.min(STAKE_LIMIT)),
        _ => left.min(STAKE_LIMIT),
    }
}
