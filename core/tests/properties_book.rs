//! The book against a plain list that is sorted after every bid.

mod common;

use gridlease_core::book::{Book, Entry};
use gridlease_core::limits::BOOK_SIZE;
use gridlease_core::{PricePerHour, RuleError};
use proptest::prelude::*;

fn entry(provider: u8, score: u32, price: u64) -> Entry {
    Entry { provider: [provider; 32], offer: u32::from(provider), score, price: PricePerHour(price), automatic: false }
}

/// Few, so that draws happen that only the address decides.
fn tie(provider: &[u8; 32]) -> u64 {
    u64::from(provider[0] % 3)
}

/// Few scores, so that draws happen.
fn bid(providers: u8) -> impl Strategy<Value = Entry> {
    (0..providers, 0u32..6, 1u64..20).prop_map(|(provider, score, price)| entry(provider, score, price))
}

fn order(list: &mut [Entry]) {
    list.sort_by_key(|entry| (core::cmp::Reverse(entry.score), tie(&entry.provider), entry.provider));
}

/// The same rule, written plainly.
fn plain_insert(list: &mut Vec<Entry>, bid: Entry) -> Result<Option<Entry>, RuleError> {
    let mut next = list.clone();
    if let Some(old) = list.iter().find(|entry| entry.provider == bid.provider) {
        if bid.price >= old.price {
            return Err(RuleError::BidNotImproved);
        }
        next.retain(|entry| entry.provider != bid.provider);
    }
    next.push(bid);
    order(&mut next);
    let displaced = if next.len() > BOOK_SIZE { next.pop() } else { None };
    if displaced == Some(bid) {
        return Err(RuleError::BookFull);
    }
    *list = next;
    Ok(displaced)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_book_is_the_sorted_list_of_all_accepted_bids(bids in prop::collection::vec(bid(14), 1..80)) {
        let (mut book, mut list) = (Book::new(), Vec::new());
        for bid in bids {
            let before = book;
            let expected = plain_insert(&mut list, bid);
            match book.insert(bid, tie) {
                Ok(inserted) => {
                    prop_assert_eq!(Ok(inserted.displaced), expected);
                    prop_assert_eq!(book.entries()[inserted.rank], bid);
                    prop_assert_eq!(inserted.leads, book.best() == Some(&bid));
                    if let Some(worst) = inserted.displaced {
                        prop_assert_eq!(before.entries().last(), Some(&worst));
                    }
                }
                Err(error) => {
                    prop_assert_eq!(Err(error), expected);
                    prop_assert_eq!(book, before);
                }
            }
            prop_assert_eq!(book.entries(), list.as_slice());
            prop_assert_eq!(Book::from_sorted(book.entries()), Ok(book), "bytes behind the end are clean");
        }
    }

    #[test]
    fn a_provider_stands_in_the_book_once(bids in prop::collection::vec(bid(6), 1..60)) {
        let mut book = Book::new();
        for bid in bids {
            let _ = book.insert(bid, tie);
            let mut providers: Vec<_> = book.entries().iter().map(|entry| entry.provider).collect();
            providers.sort_unstable();
            providers.dedup();
            prop_assert_eq!(providers.len(), book.entries().len());
        }
    }

    #[test]
    fn a_bid_can_only_be_improved(first in bid(3), price in 1u64..30, others in prop::collection::vec(bid(14), 0..6)) {
        let mut book = Book::new();
        for other in others.into_iter().filter(|other| other.provider != first.provider) {
            let _ = book.insert(other, tie);
        }
        book.insert(first, tie).unwrap();
        let second = Entry { price: PricePerHour(price), ..first };
        let result = book.insert(second, tie);
        if price >= first.price.0 {
            prop_assert_eq!(result, Err(RuleError::BidNotImproved));
        } else {
            prop_assert!(result.is_ok());
            prop_assert!(book.entries().contains(&second));
        }
    }

    #[test]
    fn the_order_of_arrival_decides_nothing(
        (bids, shuffled) in prop::collection::vec((0u32..6, 1u64..20), 1..30).prop_flat_map(|specs| {
            let bids: Vec<Entry> = (0u8..).zip(specs).map(|(at, (score, price))| entry(at, score, price)).collect();
            (Just(bids.clone()), Just(bids).prop_shuffle())
        }),
    ) {
        let (mut one, mut other) = (Book::new(), Book::new());
        for bid in &bids {
            let _ = one.insert(*bid, tie);
        }
        for bid in &shuffled {
            let _ = other.insert(*bid, tie);
        }
        prop_assert_eq!(one, other);
        let mut all = bids;
        order(&mut all);
        all.truncate(BOOK_SIZE);
        prop_assert_eq!(one.entries(), all.as_slice());
    }

    #[test]
    fn popping_yields_the_bids_best_first(bids in prop::collection::vec(bid(14), 0..30)) {
        let mut book = Book::new();
        for bid in bids {
            let _ = book.insert(bid, tie);
        }
        let expected = book.entries().to_vec();
        let best_other = expected.get(1).copied();
        if let Some(best) = book.best().copied() {
            prop_assert_eq!(book.best_other(&best.provider).copied(), best_other);
        }
        let popped: Vec<Entry> = core::iter::from_fn(|| book.pop_best()).collect();
        prop_assert_eq!(popped, expected);
        prop_assert_eq!(book, Book::new());
    }
}

#[test]
fn a_list_that_is_out_of_order_or_too_long_is_no_book() {
    let (better, worse) = (entry(1, 9, 1), entry(2, 8, 1));
    assert!(Book::from_sorted(&[better, worse]).is_ok());
    assert_eq!(Book::from_sorted(&[worse, better]), Err(RuleError::InvariantBroken));
    assert_eq!(Book::from_sorted(&[better, better]), Err(RuleError::InvariantBroken));
    let nine: Vec<Entry> = (0..9).map(|at| entry(at, 100 - u32::from(at), 1)).collect();
    assert_eq!(Book::from_sorted(&nine), Err(RuleError::InvariantBroken));
    assert!(Book::from_sorted(&nine[..8]).is_ok());
}
