//! Every order of arrival: whoever bids first, and whoever carries whose bid to the chain first, the book is the same. So
//! nobody who orders transactions chooses the winner of an auction.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use gridlease_core::PricePerHour;
use gridlease_core::book::{Book, Entry};

fn bid(provider: u8, score: u32) -> Entry {
    Entry { provider: [provider; 32], offer: 1, score, price: PricePerHour(1_000 - u64::from(score)), automatic: false }
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

/// The ties of providers 1 to 9; those of the third and the fourth are the same.
const TIES: [u64; 9] = [5, 1, 9, 9, 3, 7, 7, 2, 4];

fn tie(provider: &[u8; 32]) -> u64 {
    TIES[usize::from(provider[0]) - 1]
}

/// The book after these bids, of which some may be refused.
fn book(bids: &[Entry]) -> Book {
    let mut book = Book::new();
    for bid in bids {
        let _ = book.insert(*bid, tie);
    }
    book
}

#[test]
fn every_order_of_nine_bids_gives_one_book_of_the_best_eight() {
    // Two meet in their score, and two of those in their tie as well.
    let bids = [(1, 10), (2, 20), (3, 20), (4, 20), (5, 50), (6, 5), (7, 70), (8, 6), (9, 90)];
    let mut bids = bids.map(|(provider, score)| bid(provider, score));
    let mut best = bids;
    best.sort_by(|a, b| if a.beats(b, tie) { core::cmp::Ordering::Less } else { core::cmp::Ordering::Greater });
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
    let mut bids = [(1, 10), (1, 30), (2, 20), (2, 25), (3, 15), (3, 40)].map(|(who, score)| bid(who, score));
    let expected = Book::from_sorted(&[bids[5], bids[1], bids[3]]).unwrap();
    orders(&mut bids, 0, &mut |order| assert_eq!(book(order), expected, "{order:?}"));
}
