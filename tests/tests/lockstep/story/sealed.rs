//! What is chosen for sealed auctions.

use gridlease_core::UnixTs;
use gridlease_core::job::{JobState, Mode};
use gridlease_core::requirement::flags;
use gridlease_core::sealed::{Fate, fate};

use super::purse_keys::keeper_of;
use super::{an_offer, by, is_live};
use crate::command::Command;
use crate::command::sealed::SealedStep;
use crate::model::{Model, Posted};
use crate::random::Random;
use crate::scene::{self, PROVIDERS};

/// What a sealed auction makes sensible now; `None` to go on as with any job.
pub fn of_job(random: &mut Random, model: &Model, job: usize) -> Option<Command> {
    let posted = model.jobs[job].as_ref().filter(|posted| posted.rules.terms.mode == Mode::Sealed)?;
    let now = model.now.ts;
    let commits = posted.rules.check_commit(now).is_ok();
    if posted.open && commits && !random.once_in(8) {
        if random.below(posted.sealed.len() as u64 + 2) > 1 {
            let seconds = (posted.rules.close_ts.0 + random.below(3)).saturating_sub(now.0 + 1);
            return Some(Command::Clock { slots: seconds * 2, seconds: seconds as i64 });
        }
        if random.once_in(25) {
            return Some(Command::CancelJob { job, by: keeper_of(random, model, posted.buyer) });
        }
        let max = posted.rules.terms.max_price.0;
        let (provider, offer) = an_offer(random, |provider, offer| {
            let place = model.providers[provider].offers[offer];
            let flags = posted.need.flags | !flags::SPOT;
            let fits = scene::unit_of(provider, offer).flags & !flags == 0
                && place.is_some_and(|of| of.claimed >= of.units && of.free > 0 && of.floor <= max);
            fits && is_live(model, provider, offer) && posted.sealed_of(provider).is_none()
        });
        // Who has less than it would bind: if it forfeits, its delegators bear the rest.
        let weak: Vec<_> = (0..PROVIDERS).filter(|provider| is_weak(model, *provider, posted)).collect();
        let (provider, offer) =
            if weak.is_empty() || random.once_in(3) { (provider, offer) } else { (random.pick(&weak), 0) };
        let floor = model.providers[provider].offers[offer].map_or(1, |offer| offer.floor.clamp(1, max));
        let price = match random.below(15) {
            0 => random.amount(40),
            1 => max.saturating_add(random.below(2)),
            2..=7 => max - random.below(max / 8 + 1),
            _ => floor + random.below(max - floor + 1),
        };
        let step = SealedStep::Commit { by: by(random), offer, price, salt: random.small(200) };
        return Some(Command::Sealed { job, provider, step });
    }
    if posted.sealed.is_empty() {
        return None;
    }
    let bid = posted.sealed[random.index(posted.sealed.len())];
    if posted.rules.state == JobState::Leased && bid.round <= now && !random.once_in(3) {
        // A clock that goes backward opens the revealing again.
        let seconds = now.since(bid.round).0 + 1 + random.below(5);
        return Some(Command::Clock { slots: 1, seconds: -(seconds as i64) });
    }
    let there = posted.open.then_some((&posted.rules, UnixTs(posted.ended_ts)));
    if fate(bid.round, there, model.now) == Fate::Forfeit && random.once_in(12) {
        let vault = model.buyers[posted.buyer].vault;
        let place = model.freezable.iter().position(|key| *key == vault && !model.frozen.contains(key));
        return place.map(|place| Command::Freeze { place, frozen: true });
    }
    let step = match (fate(bid.round, there, model.now), random.below(12)) {
        (_, 0) => anything(random),
        (Fate::Reveal, 1..=9) => SealedStep::Reveal { right: !random.once_in(12) },
        (Fate::Forfeit, 1..=5) => SealedStep::Forfeit,
        (Fate::Release, 1..=5) => SealedStep::Release,
        (Fate::Release, 6..=8) if posted.open => SealedStep::Reveal { right: true },
        _ => return None,
    };
    Some(Command::Sealed { job, provider: bid.provider, step })
}

fn is_weak(model: &Model, provider: usize, posted: &Posted) -> bool {
    let Some(bond) = model.providers[provider].bond.filter(|_| posted.sealed_of(provider).is_none()) else {
        return false;
    };
    let bound = posted.rules.sealed_bond;
    bond.totals.own.0 + bond.totals.exit.assets.0 < bound.0 && bond.free().is_ok_and(|free| free >= bound)
}

/// Any step.
pub fn anything(random: &mut Random) -> SealedStep {
    match random.below(4) {
        0 => SealedStep::Commit { by: by(random), offer: random.index(2), price: random.amount(40), salt: 1 },
        1 => SealedStep::Reveal { right: !random.once_in(4) },
        2 => SealedStep::Forfeit,
        _ => SealedStep::Release,
    }
}
