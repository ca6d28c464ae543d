//! What is chosen for bonds, their pools and their delegators.

use crate::command::Command;
use crate::command::pools::{PoolStep, PoolTerms, To};
use crate::model::Model;
use crate::model::claims::Claim;
use crate::model::pools::{Holdings, Stake};
use crate::random::Random;
use crate::scene::{BUYERS, PROVIDERS};
use gridlease_core::delegation::Delegation;

use super::{by, is_small, person, somebody};

/// Who can delegate.
const HOLDERS: usize = BUYERS + PROVIDERS;

/// The account that it should be, most of the time.
fn to(random: &mut Random) -> To {
    if random.once_in(12) { random.small(HOLDERS as u8 + 3) } else { 0 }
}

fn off(random: &mut Random) -> i8 {
    if random.once_in(25) { random.pick(&[-2, -1, 1]) } else { 0 }
}

fn terms(random: &mut Random) -> PoolTerms {
    let strange = random.once_in(15);
    PoolTerms {
        commission: if strange { random.pick(&[3_000, 3_001, u16::MAX]) } else { random.below(3_001) as u16 },
        least: if strange { random.amount(45) } else { 1_000_000 + random.below(9_000_000) },
        to: to(random),
    }
}

/// What can be delegated beside the operator's own stake.
fn backed(bond: &Stake) -> u64 {
    bond.totals.own.0.saturating_mul(4).saturating_sub(bond.totals.delegated.assets.0)
}

/// What is delegated: often all that the operator's own stake backs.
fn stake(random: &mut Random, bond: &Stake) -> u64 {
    let backed = backed(bond);
    if random.once_in(3) && backed > 0 {
        return backed;
    }
    match random.below(12) {
        0 => random.amount(40),
        1..=6 => 1_000_000 + random.below(30_000_000),
        _ => random.below(400_000_000),
    }
}

/// A step for some bond, rather one with a pool.
pub fn choose(random: &mut Random, model: &Model) -> Command {
    let mut provider = random.index(PROVIDERS);
    for _ in 0..2 {
        if model.providers[provider].bond.is_some_and(|stake| stake.pool.is_some()) {
            break;
        }
        provider = random.index(PROVIDERS);
    }
    let owner = &model.providers[provider];
    let Some(bond) = &owner.bond else { return Command::OpenBond { provider } };
    let step = if bond.pool.is_none() && !random.once_in(3) {
        PoolStep::Open { by: by(random), terms: terms(random) }
    } else {
        of_bond(random, model, provider, bond, &owner.holdings)
    };
    Command::Pool { provider, step }
}

/// A holder who has a delegation, most of the time.
fn delegator(random: &mut Random, holdings: &Holdings) -> usize {
    let own: Vec<_> = holdings.delegations.keys().copied().collect();
    if own.is_empty() || random.once_in(12) { random.index(HOLDERS) } else { random.pick(&own) }
}

fn of_bond(random: &mut Random, model: &Model, provider: usize, bond: &Stake, holdings: &Holdings) -> PoolStep {
    let (who, now) = (by(random), model.now.ts);
    let matured: Vec<_> = holdings.requests.iter().filter(|request| request.matures <= now).collect();
    if !matured.is_empty() && !random.once_in(3) {
        let request = random.pick(&matured);
        let own = holdings.requests.iter().filter(|other| other.owner == request.owner);
        let at = own.take_while(|other| other.number != request.number).count() as u8;
        let (signed, to) = (random.once_in(3), to(random));
        return match request.owner {
            Some(holder) => PoolStep::WithdrawDelegation { holder, at, signed, to },
            None => PoolStep::WithdrawStake { at, signed, to },
        };
    }
    let due = |claim: &&Claim| claim.is_open() && claim.due <= now;
    if let Some(place) = holdings.claims.iter().position(|claim| due(&claim)).filter(|_| random.once_in(2)) {
        let to_prover = holdings.claims[place].shares == 0 || random.once_in(3);
        return PoolStep::PayClaim { at: place as u8, to_prover, signed: random.once_in(3), to: to(random) };
    }
    let waits = |rules: &Delegation| rules.pending > 0 && rules.active_from <= now;
    let ripe = holdings.delegations.iter().find(|(_, holding)| waits(&holding.rules)).map(|(holder, _)| *holder);
    if ripe.is_some() && random.once_in(2) {
        return PoolStep::Activate { holder: ripe };
    }
    if random.once_in(25) {
        let holder = random.once_in(2).then(|| delegator(random, holdings));
        return match holdings.claims.is_empty() || random.once_in(2) {
            true => PoolStep::Activate { holder },
            false => {
                let (at, to_prover, signed) = (random.small(8), random.once_in(2), random.once_in(2));
                PoolStep::PayClaim { at, to_prover, signed, to: to(random) }
            }
        };
    }
    if bond.insurance_owed > 0 && random.once_in(3) {
        return PoolStep::PayInsurance { fund: if random.once_in(4) { random.small(6) } else { 0 } };
    }
    // Where little stake is the operator's own, others bring what it backs.
    let backed = backed(bond);
    if is_small(provider) && bond.pool.is_some() && backed >= 1_000_000 && random.once_in(3) {
        let holder = random.index(HOLDERS);
        return match holdings.delegations.contains_key(&holder) {
            true => PoolStep::Delegate { holder, by: 0, amount: backed },
            false => PoolStep::Join { holder, by: 0, amount: backed, to: 0 },
        };
    }
    match random.below(40) {
        0..=6 => PoolStep::Join { holder: random.index(HOLDERS), by: who, amount: stake(random, bond), to: to(random) },
        7..=9 => PoolStep::Delegate { holder: delegator(random, holdings), by: who, amount: stake(random, bond) },
        10..=14 => {
            let holder = delegator(random, holdings);
            let shares = holdings.delegations.get(&holder).map_or(0, |holding| holding.rules.shares);
            let part = shares.saturating_sub(random.below(shares.max(1)));
            let amount = match random.below(6) {
                0 => random.amount(40),
                1..=3 => u64::MAX,
                _ => part,
            };
            // The operator sends off, too, and whole.
            let operator = random.once_in(5);
            let who = if operator { person(BUYERS + provider) } else { who };
            let amount = if operator && !random.once_in(4) { u64::MAX } else { amount };
            PoolStep::Undelegate { holder, by: who, amount, to: to(random), number_off: off(random) }
        }
        15..=18 => {
            let own = bond.totals.own.0;
            let amount = match random.below(6) {
                0 => random.amount(40),
                1 => own,
                2 => own.saturating_sub(bond.totals.delegated.assets.0 / 4),
                _ => random.below(own.max(2)),
            };
            PoolStep::Unbond { by: who, amount, to: to(random), number_off: off(random) }
        }
        19 | 20 => PoolStep::Earn { amount: random.amount(36) },
        21 => PoolStep::Endow { amount: random.below(1_000_000) },
        22 | 23 => PoolStep::Distribute,
        24 | 25 => {
            let (holder, signed) = (delegator(random, holdings), random.once_in(3));
            PoolStep::ClaimRevenue { holder, signed, to: to(random) }
        }
        26 => PoolStep::ClaimCommission { to: to(random) },
        27..=29 => {
            // One that has nothing left, rather than one that has.
            let empty = |holder: &usize| {
                let holding = holdings.delegations.get(holder);
                holding.is_some_and(|holding| holding.rules.shares == 0 && holding.rules.requests == 0)
            };
            let gone: Vec<_> = holdings.delegations.keys().copied().filter(empty).collect();
            let holder = if gone.is_empty() { delegator(random, holdings) } else { random.pick(&gone) };
            let owed = holdings.delegations.get(&holder).is_some_and(|holding| holding.owed > 0);
            if owed && !random.once_in(4) {
                return PoolStep::ClaimRevenue { holder, signed: false, to: 0 };
            }
            PoolStep::CloseDelegation { holder }
        }
        30 | 31 => PoolStep::Change { by: who, terms: terms(random) },
        32 => PoolStep::Sweep { by: who, to: to(random) },
        33 => PoolStep::PayInsurance { fund: random.small(6) },
        34 => PoolStep::WithdrawStake { at: random.small(8), signed: random.once_in(2), to: to(random) },
        35 => {
            let (holder, at) = (delegator(random, holdings), random.small(8));
            PoolStep::WithdrawDelegation { holder, at, signed: random.once_in(2), to: to(random) }
        }
        36 if !random.once_in(4) => PoolStep::Open { by: who, terms: terms(random) },
        37 => PoolStep::Earn { amount: random.below(50_000_000) },
        _ => PoolStep::Close { by: who, to: to(random), with_revenue: !random.once_in(10) },
    }
}

/// Any step, whether it makes sense or not.
pub fn anything(random: &mut Random, model: &Model) -> Command {
    let provider = random.index(PROVIDERS);
    let owner = &model.providers[provider];
    let none = Stake::default();
    let mut step = of_bond(random, model, provider, owner.bond.as_ref().unwrap_or(&none), &owner.holdings);
    if let PoolStep::Unbond { by, .. } | PoolStep::Close { by, .. } | PoolStep::Sweep { by, .. } = &mut step {
        *by = somebody(random);
    }
    Command::Pool { provider, step }
}
