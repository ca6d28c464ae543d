//! Every order of arrival: whoever bids first, and whoever carries whose bid to the chain first, the book is the same. So
//! nobody who orders transactions chooses the winner of an auction.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use gridlease_core::PricePerHour;
use gridlease_core::book::{Book, Entry};

fn bid(provider: u8, score: u32, tie: u64) -> Entry {
    Entry {
        provider: [provider; 32],
        offer: 1,
        score,
        price: PricePerHour(1_000 - u64::from(score)),
        automatic: false,
        tie,
    }
}

/// All orders of `items`, each given to `visit`.
fn orders<T: Copy>(items: &mut [T], from: usize, visit: &mut impl FnMut(&[T])) {
    if from == items.len() {
        visit(items);
        return;
    }
    for at in from..items.len() {
        items.swap(from, at);
        orders(items, from + 1, visit);
        items.swap(from, at);
    }
}

/// The book after these bids, of which some may be refused.
fn book(bids: &[Entry]) -> Book {
    let mut book = Book::new();
    for bid in bids {
        let _ = book.insert(*bid);
    }
    book
}

#[test]
fn every_order_of_nine_bids_gives_one_book_of_the_best_eight() {
    // Two meet in their score, and two of those in their tie as well.
    let bids =
        [(1, 10, 5), (2, 20, 1), (3, 20, 9), (4, 20, 9), (5, 50, 3), (6, 5, 7), (7, 70, 7), (8, 6, 2), (9, 90, 4)];
    let mut bids = bids.map(|(provider, score, tie)| bid(provider, score, tie));
    let mut best = bids;
    best.sort_by(|a, b| if a.beats(b) { core::cmp::Ordering::Less } else { core::cmp::Ordering::Greater });
    let expected = Book::from_sorted(&best[..8]).unwrap();
    let mut count = 0;
    orders(&mut bids, 0, &mut |order| {
        assert_eq!(book(order), expected, "{order:?}");
        count += 1;
    });
    assert_eq!(count, 362_880);
}

#[test]
fn every_order_of_first_bids_and_improvements_gives_one_book() {
    // Three providers that bid twice each; a second bid that comes first makes the first one come too late.
    let mut bids =
        [(1, 10), (1, 30), (2, 20), (2, 25), (3, 15), (3, 40)].map(|(who, score)| bid(who, score, who.into()));
    let expected = Book::from_sorted(&[bids[5], bids[1], bids[3]]).unwrap();
    orders(&mut bids, 0, &mut |order| assert_eq!(book(order), expected, "{order:?}"));
}
