//! The price index moves by at most five per cent of one trade, follows a market that moves, and no buyer is more than a tenth of it.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::price;
use gridlease_core::gpu::MODELS;
use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::limits::MAX_PRICE;
use gridlease_core::price_index::{CLAMP, PriceIndex, TRADES, check_class, check_trade, most_of_one_buyer, per_gpu_up};
use gridlease_core::reputation::Mark;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};
use proptest::prelude::*;

const T: u64 = 1_800_000_000;

fn mark(number: u64) -> Mark {
    (number + 1).to_le_bytes()
}

fn held(index: &PriceIndex, buyer: &Mark) -> usize {
    index.trades[..index.len()].iter().filter(|trade| trade.buyer == *buyer).count()
}

/// An index of `trades` trades at `price`, each by a buyer of its own.
fn steady(trades: u64, price: u64) -> PriceIndex {
    let mut index = PriceIndex::default();
    for number in 0..trades {
        index.record(PricePerHour(price), mark(1_000 + number), UnixTs(T + number)).unwrap();
    }
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_trade_enters_within_the_clamp_and_the_index_is_the_mean_of_the_ring(
        trades in prop::collection::vec((price(), 0u64..30), 1..200),
    ) {
        let mut index = PriceIndex::default();
        for (ts, (price, buyer)) in (T..).zip(trades) {
            let before = index;
            let at = index.record(price, mark(buyer), UnixTs(ts)).unwrap();
            prop_assert_eq!(index.trades[at.at].price, at.price);
            prop_assert!((1..=MAX_PRICE.0).contains(&at.price.0));
            if before.is_empty() {
                prop_assert_eq!(at.price, price);
            } else {
                let room = (before.price.0 * u64::from(CLAMP.0)).div_ceil(10_000);
                prop_assert!(at.price.0.abs_diff(before.price.0) <= room);
                prop_assert!(at.price == price || at.price.0.abs_diff(before.price.0) == room || at.price.0 == 1 || at.price == MAX_PRICE);
            }
            let len = index.len();
            prop_assert!(len == before.len() || len == before.len() + 1);
            let sum: u64 = index.trades[..len].iter().map(|trade| trade.price.0).sum();
            prop_assert_eq!(index.price.0, sum / len as u64);
            prop_assert!(held(&index, &mark(buyer)) <= most_of_one_buyer(len), "{} of {len}", held(&index, &mark(buyer)));
        }
    }

    #[test]
    fn one_buyer_in_a_full_ring_is_at_most_a_tenth_and_moves_it_by_less_than_one_per_cent(
        price in 1_000u64..10_000_000, bids in prop::collection::vec(price(), 1..300),
    ) {
        let mut index = steady(64, price);
        for (ts, bid) in (T + 64..).zip(bids) {
            index.record(bid, mark(1), UnixTs(ts)).unwrap();
            prop_assert!(held(&index, &mark(1)) * 10 <= TRADES);
            prop_assert!(index.price.0.abs_diff(price) * 100 < price, "from {price} to {}", index.price.0);
        }
    }

    #[test]
    fn a_market_that_moved_is_followed(from in 100_000u64..1_000_000, to in 100_000u64..1_000_000) {
        let mut index = steady(64, from);
        for number in 0..5_000 {
            index.record(PricePerHour(to), mark(number), UnixTs(T + 100 + number)).unwrap();
        }
        prop_assert_eq!(index.price.0, to);
    }

    #[test]
    fn the_price_of_one_gpu_times_their_number_is_at_least_the_price(price in price(), gpus in 1u8..) {
        let one = per_gpu_up(price, gpus).unwrap().0;
        prop_assert!(one > 0 && one * u64::from(gpus) >= price.0 && (one - 1) * u64::from(gpus) < price.0);
    }
}

#[test]
fn the_first_trade_is_taken_as_it_is_and_the_next_within_five_per_cent() {
    for (price, enters) in
        [(949_999, 950_000), (950_000, 950_000), (950_001, 950_001), (1_050_000, 1_050_000), (1_050_001, 1_050_000)]
    {
        let mut index = PriceIndex::default();
        assert_eq!(index.record(PricePerHour(1_000_000), mark(1), UnixTs(T)).unwrap().price, PricePerHour(1_000_000));
        assert_eq!(index.record(PricePerHour(price), mark(2), UnixTs(T)).unwrap().price, PricePerHour(enters));
        assert_eq!((index.len(), index.price.0), (2, (1_000_000 + enters) / 2));
    }
}

#[test]
fn an_index_of_one_atom_can_still_rise() {
    let mut index = steady(1, 1);
    assert_eq!(index.record(PricePerHour(100), mark(2), UnixTs(T)).unwrap().price, PricePerHour(2));
    assert_eq!(index.record(PricePerHour(1), mark(3), UnixTs(T)).unwrap().price, PricePerHour(1));
}

#[test]
fn the_sixty_fifth_trade_takes_the_place_of_the_first() {
    let mut index = steady(64, 1_000);
    assert_eq!((index.len(), index.next), (64, 0));
    assert_eq!(index.record(PricePerHour(1_000), mark(1), UnixTs(T + 64)).unwrap().at, 0);
    assert_eq!(index.record(PricePerHour(1_000), mark(2), UnixTs(T + 65)).unwrap().at, 1);
    assert_eq!((index.len(), index.next), (64, 2));
    assert_eq!((index.trades[0].buyer, index.trades[2].buyer), (mark(1), mark(1_002)));
}

#[test]
fn a_buyer_at_its_tenth_takes_the_place_of_its_own_oldest_trade() {
    let mut index = steady(9, 1_000);
    let own = |index: &mut PriceIndex, ts| index.record(PricePerHour(1_000), mark(1), UnixTs(ts)).unwrap().at;
    assert_eq!(own(&mut index, T + 10), 9);
    assert_eq!(own(&mut index, T + 11), 9, "one of ten");
    for number in 0..9 {
        index.record(PricePerHour(1_000), mark(2_000 + number), UnixTs(T + 20 + number)).unwrap();
    }
    assert_eq!(index.len(), 19);
    assert_eq!(own(&mut index, T + 30), 19, "two of twenty");
    assert_eq!(own(&mut index, T + 31), 9, "the older of them");
    assert_eq!((most_of_one_buyer(64), most_of_one_buyer(1)), (6, 1));
}

#[test]
fn a_price_that_cannot_be_quoted_is_refused_and_changes_nothing() {
    let mut index = steady(3, 1_000);
    let before = index;
    for price in [0, MAX_PRICE.0 + 1, u64::MAX] {
        assert_eq!(index.record(PricePerHour(price), mark(1), UnixTs(T)), Err(RuleError::PriceOutOfBounds));
    }
    assert_eq!(index, before);
    assert_eq!(per_gpu_up(PricePerHour(1), 0), Err(RuleError::InvalidSpec));
}

#[test]
fn there_is_an_index_for_named_models_in_known_regions_only() {
    let models = u8::try_from(MODELS.len()).unwrap();
    for (model, region, known) in
        [(1, 0, true), (models - 1, 9, true), (0, 1, false), (models, 1, false), (1, 10, false)]
    {
        assert_eq!(check_class(model, region).is_ok(), known, "model {model} region {region}");
    }
}

/// A lease at 30 USDC an hour that ran for `seconds`, ended for `reason` and was settled.
fn ended(seconds: u64, reason: EndReason, fee: Bps) -> Lease {
    let at = |ts| Now { slot: ts * 5 / 2, ts: UnixTs(ts) };
    let mut lease = Lease::open(PricePerHour(30_000_000), Atoms(30_000_000), 400, fee, at(T), UnixTs(T + 60));
    lease.ready(at(T)).unwrap();
    match reason {
        EndReason::Stopped => lease.stop(at(T + seconds)).unwrap(),
        _ => lease.finish(reason, Ran::WHOLE, Seconds::ZERO, at(T + seconds)).unwrap(),
    };
    if lease.state == LeaseState::Finished {
        lease.accept(at(T + seconds)).unwrap();
    }
    lease.settle(at(T + seconds)).unwrap();
    lease
}

#[test]
fn r21_a_trade_counts_from_ten_minutes_and_a_tenth_of_a_usdc_in_fees_on() {
    let two = Bps(200);
    assert_eq!(check_trade(&ended(599, EndReason::Completed, two)), Err(RuleError::NotATrade));
    assert_eq!(check_trade(&ended(600, EndReason::Completed, two)), Ok(()));
    assert_eq!(check_trade(&ended(600, EndReason::Stopped, two)), Ok(()));
    assert_eq!(check_trade(&ended(600, EndReason::Completed, Bps(199))), Err(RuleError::NotATrade), "a fee of 99,500");
    assert_eq!(check_trade(&ended(600, EndReason::Abandoned, two)), Err(RuleError::NotATrade));
    assert_eq!(check_trade(&Lease { reason: EndReason::Notice, ..ended(600, EndReason::Completed, two) }), Ok(()));
    let mut running =
        Lease::open(PricePerHour(30_000_000), Atoms(30_000_000), 400, two, Now { slot: 0, ts: UnixTs(T) }, UnixTs(T));
    assert_eq!(check_trade(&running), Err(RuleError::WrongState));
    running.ready(Now { slot: 0, ts: UnixTs(T) }).unwrap();
    running.stop(Now { slot: 2_000, ts: UnixTs(T + 800) }).unwrap();
    assert_eq!(check_trade(&running), Err(RuleError::StillOwed));
    assert_eq!(Seconds(600), gridlease_core::price_index::LEAST_TIME);
}
