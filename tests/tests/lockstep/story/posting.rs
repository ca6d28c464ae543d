//! Jobs of every kind that are posted.

use gridlease_core::job::Mode;

use super::purse_keys::poster;
use super::{an_offer, by, is_live, job_terms};
use crate::command::{By, Command, JobTerms};
use crate::model::{Model, OFFERS};
use crate::random::Random;
use crate::scene::{BUYERS, PROVIDERS};

/// A job of any kind.
pub fn choose(random: &mut Random, model: &Model, job: usize) -> Command {
    let buyer = job % BUYERS;
    let free = model.buyers[buyer].purse.map(|purse| purse.amounts.free().map_or(0, |free| free.0));
    match free {
        None if !random.once_in(10) => return Command::OpenPurse { buyer },
        Some(free) if free < 50_000_000 && !random.once_in(3) => {
            return Command::Deposit { buyer, by: by(random), amount: random.below(500_000_000) };
        }
        _ => {}
    }
    let (who, mut terms) = (poster(random, model, job), job_terms(random));
    // What somebody asks, most of the time.
    let (provider, offer) = an_offer(random, |provider, offer| is_live(model, provider, offer));
    if let Some(offer) = model.providers[provider].offers[offer]
        && !random.once_in(3)
    {
        terms.max_price = terms.max_price.max(offer.floor.saturating_add(random.below(100_000)));
    }
    match random.below(10) {
        0..=2 => {
            terms.mode = Mode::Sealed as u8;
            // Some bind so much that it is more than an operator's own stake.
            match free {
                Some(free) if free < 400_000_000 && random.once_in(6) => {
                    return Command::Deposit { buyer, by: 0, amount: 1_000_000_000 };
                }
                Some(free @ 400_000_000..) if !random.once_in(3) => {
                    (terms.max_duration_s, terms.max_price) = (3_600, free / 2);
                }
                _ => {}
            }
            terms.reveal_s =
                if random.once_in(20) { random.pick(&[0, 59, 3_601]) } else { 60 + random.below(60) as u32 };
            Command::PostJob { job, by: who, terms }
        }
        3 | 4 => instant(random, model, job, who, terms),
        _ => Command::PostJob { job, by: who, terms },
    }
}

/// With offers that fit, most of the time.
fn instant(random: &mut Random, model: &Model, job: usize, who: By, mut terms: JobTerms) -> Command {
    terms.mode = if random.once_in(20) { random.small(4) } else { Mode::Instant as u8 };
    let mut places = [(0, 0); 4];
    for place in &mut places {
        let (provider, offer) = an_offer(random, |provider, offer| is_live(model, provider, offer));
        *place = (u8::try_from(provider).unwrap(), u8::try_from(offer).unwrap());
    }
    let count = if random.once_in(25) { 0 } else { 1 + random.small(4) };
    let (provider, offer) = places[random.index(usize::from(count.max(1)))];
    if let Some(offer) = model.providers[usize::from(provider)].offers[usize::from(offer)]
        && !random.once_in(6)
    {
        terms.max_price = offer.ask.saturating_add(random.below(50_000));
    }
    Command::PostInstant { job, by: who, terms, offers: places, count }
}

/// Any offers.
pub fn anything(random: &mut Random, job: usize) -> Command {
    let mut places = [(0, 0); 4];
    for place in &mut places {
        *place = (random.small(PROVIDERS as u8), random.small(OFFERS as u8));
    }
    let mut terms = job_terms(random);
    terms.mode = random.small(4);
    Command::PostInstant { job, by: by(random), terms, offers: places, count: random.small(5) }
}
