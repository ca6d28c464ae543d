//! Enters offers that take automatic bids into the books of open jobs.

use std::collections::BTreeMap;

use crate::account::{Job, tie};
use gridlease_core::book::{Book, Entry};
use gridlease_core::limits::BOOK_SIZE;
use gridlease_core::score::{Weights, auto_bid_price, score};
use gridlease_core::{Now, PricePerHour, job as rules};
use solana_pubkey::Pubkey;

use super::auto_offer::AutoOffer;
use super::{Action, Step};
use crate::view::View;

/// One bid for each provider whose offer would change the book of `job`, at most as many as a book holds, the best score
/// first. Each is an action of its own, so that one that fails holds up no other.
pub(super) fn actions(view: &View, address: &Pubkey, job: &Job, bidders: &[AutoOffer<'_>], now: Now) -> Vec<Action> {
    let paused = view.config().is_none_or(|config| config.paused != 0);
    let parts = (job.rules(), job.book(), job.score_weights());
    let (Ok(open), Ok(book), Ok(weights)) = parts else { return Vec::new() };
    // Asked once for all: where not even the job's own price could be bid, the window is over.
    if paused || open.check_bid(PricePerHour(1), now.ts).is_err() {
        return Vec::new();
    }
    let mut best: BTreeMap<Pubkey, (Entry, &AutoOffer<'_>)> = BTreeMap::new();
    for bidder in bidders {
        let Some(entry) = entry((address, job), &open, &book, &weights, bidder, now) else { continue };
        // A provider stands in a book once: of several offers, the one that stands best.
        match best.get(&bidder.provider_key) {
            Some((other, _)) if !entry.beats(other, |_| 0) => {}
            _ => {
                best.insert(bidder.provider_key, (entry, bidder));
            }
        }
    }
    // A job that waits is not late; one whose window is open is urgent.
    let due = if open.close_ts.is_zero() { now.ts } else { open.close_ts };
    let mut best: Vec<_> = best.into_values().collect();
    best.sort_by_key(|(entry, bidder)| (std::cmp::Reverse(entry.score), bidder.provider_key));
    best.into_iter()
        .take(BOOK_SIZE)
        .map(|(_, bidder)| Action::single(Step::EnterOffer { job: *address, bidder: bidder.keys() }, due))
        .collect()
}

/// The entry that the market would make, `None` where it would refuse or nothing would change.
fn entry(
    (address, job): (&Pubkey, &Job),
    open: &rules::Job,
    book: &Book,
    weights: &Weights,
    bidder: &AutoOffer<'_>,
    now: Now,
) -> Option<Entry> {
    let provider = bidder.provider_key.to_bytes();
    let standing = book.entries().iter().find(|entry| entry.provider == provider);
    if standing.is_some() && book.best() == standing {
        return None; // it leads already
    }
    let merit = bidder.provider.merit();
    let max = open.terms.max_price;
    let (ask, floor) = (PricePerHour(bidder.offer.ask), PricePerHour(bidder.offer.floor));
    let best_other = book.best_other(&provider).map(|entry| entry.score);
    let price = auto_bid_price(weights, &merit, ask, floor, max, best_other).ok()?;
    if standing.is_some_and(|entry| entry.price <= price) {
        return None; // it cannot go lower
    }
    open.check_bid(price, now.ts).ok()?;
    bidder.check(job, price, now.ts).ok()?;
    let score = score(weights, &merit, price, max).ok()?;
    let entry = Entry { provider, offer: bidder.offer.number, score, price, automatic: true };
    let mut trial = *book;
    trial.insert(entry, |provider| tie(address, provider)).ok()?;
    Some(entry)
}
