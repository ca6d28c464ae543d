//! R3: a bidder that lost stays bound for as long as the winner runs, and is faulted when the winner leaves.

use gridlease_core::book::{Book, Entry};
use gridlease_core::job::{EndReason, JobState};
use gridlease_core::reputation::Reputation;
use gridlease_core::{Atoms, PricePerHour, UnixTs};

use crate::books::{PRICE, T, at, job};

fn bid(provider: u8, score: u32) -> Entry {
    Entry { provider: [provider; 32], offer: 0, score, price: PRICE, automatic: false }
}

#[test]
fn r03_a_bidder_that_lost_is_not_faulted_days_later() {
    let days_later = T + 5 * 86_400;
    let mut book = Book::new();
    book.insert(bid(1, 900), |_| 0).unwrap();
    book.insert(bid(2, 800), |_| 0).unwrap();
    book.pop_best(); // the winner

    // The first edition: the book stayed. The winner leaves after five days, the victim has long sold its machine and withdrawn
    // that offer, and its bid is dropped as its own doing.
    let mut victim = Reputation::default();
    if book.best().is_some() {
        victim.on_fault();
    }
    assert_eq!((victim.standing.0, victim.faulted), (3_333, 1), "a third of its standing, for a bid it lost");

    let mut job = job();
    job.on_bid(true, 2, at(T)).unwrap();
    job.award(PRICE, at(T + 12)).unwrap();
    job.on_ready().unwrap();
    assert_eq!(job.bids, 0, "who lost is free");
    book.clear();
    job.on_lease_end(EndReason::Abandoned, Atoms(3_600_000), PRICE, false, UnixTs(days_later)).unwrap();
    assert_eq!((job.state, book.best()), (JobState::Waiting, None), "the job asks for new bids instead");
    assert_eq!(job.check_bid(PricePerHour(1), UnixTs(days_later)), Ok(()));
}
