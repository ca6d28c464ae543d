//! Who signs in the name of a purse.

use solana_pubkey::Pubkey;

use super::{by, person, somebody};
use crate::command::By;
use crate::command::parties::BuyerStep;
use crate::model::{Model, Pouch};
use crate::random::Random;
use crate::scene::BUYERS;

/// One of the purse's hot keys, as commands name who signs.
fn hot_key(model: &Model, buyer: usize, key: impl Fn(&Pouch) -> Pubkey) -> Option<By> {
    let key = model.buyers[buyer].purse.as_ref().map(key)?;
    model.people.iter().position(|one| *one == key).map(person)
}

/// The purse's spender.
pub fn spender_of(model: &Model, buyer: usize) -> Option<By> {
    hot_key(model, buyer, |purse| purse.spender)
}

/// Who posts: the purse's spender, once in a while; its guardian, which may not, now and then.
pub fn poster(random: &mut Random, model: &Model, job: usize) -> By {
    let buyer = job % BUYERS;
    let (spender, guardian) =
        (hot_key(model, buyer, |purse| purse.spender), hot_key(model, buyer, |purse| purse.guardian));
    match (spender, guardian) {
        (Some(spender), _) if random.once_in(3) => spender,
        (_, Some(guardian)) if random.once_in(30) => guardian,
        _ => by(random),
    }
}

/// Who looks after what was posted: the owner, the guardian, now and then the spender.
pub fn keeper_of(random: &mut Random, model: &Model, buyer: usize) -> By {
    let key = match random.below(12) {
        0..=4 => hot_key(model, buyer, |purse| purse.guardian),
        5 => hot_key(model, buyer, |purse| purse.spender),
        _ => None,
    };
    key.unwrap_or_else(|| by(random))
}

/// Who takes a step that only the owner may: seldom one of the others.
pub fn owner_of(random: &mut Random, model: &Model, buyer: usize) -> By {
    let guardian = hot_key(model, buyer, |purse| purse.guardian).filter(|_| random.once_in(15));
    guardian.unwrap_or_else(|| by(random))
}

/// How much a hot key may reserve, and in how long.
pub fn cap(random: &mut Random) -> (u64, u32) {
    let period_s = match random.below(12) {
        0 => random.pick(&[0, 59, 60, 366 * 24 * 3_600, 366 * 24 * 3_600 + 1]),
        _ => 60 + random.below(4_000) as u32,
    };
    (if random.once_in(10) { random.amount(40) } else { 1_000_000 + random.below(40_000_000) }, period_s)
}

/// A guardian is named; some may add nothing.
pub fn set_guardian(random: &mut Random) -> BuyerStep {
    let (cap, period_s) = cap(random);
    let cap = if random.once_in(8) { 0 } else { cap };
    BuyerStep::SetGuardian { guardian: somebody(random), cap, period_s }
}
