//! R21: who moves the price index trades with itself, and loses the fees alone.

use gridlease_core::price_index::{LEAST_FEE, PriceIndex, TRADES};
use gridlease_core::{Atoms, PricePerHour, UnixTs};

/// The least fee of a trade that counted in the first edition.
const FIRST_EDITION: Atoms = Atoms(1_000);
const HONEST: u64 = 2_000_000;

/// A full ring of honest trades, each by a buyer of its own.
fn honest() -> PriceIndex {
    let mut index = PriceIndex::default();
    for number in 0..TRADES as u64 {
        index.record(PricePerHour(HONEST), (1_000 + number).to_le_bytes(), UnixTs(number)).unwrap();
    }
    index
}

/// How many trades it takes `buyers` sybils to bring the index to half, each trade at the least price; `None` where they cannot.
fn trades_to_halve(buyers: u64) -> Option<u64> {
    let mut index = honest();
    for number in 0..10_000 {
        if index.price.0 <= HONEST / 2 {
            return Some(number);
        }
        index.record(PricePerHour(1), (1 + number % buyers).to_le_bytes(), UnixTs(1_000 + number)).unwrap();
    }
    None
}

#[test]
fn r21_halving_the_index_costs_a_hundred_times_what_it_did() {
    let trades = trades_to_halve(11).unwrap();
    assert_eq!(trades, 454);
    let lost = |least: Atoms| least.0 * trades;
    assert_eq!(lost(FIRST_EDITION), 454_000, "0.45 USDC before");
    assert_eq!(lost(LEAST_FEE), 45_400_000, "45.40 USDC now");
}

#[test]
fn r21_ten_buyers_cannot_halve_it_at_any_cost() {
    assert_eq!(trades_to_halve(10), None);
}
