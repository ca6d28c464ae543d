//! Scores lie on their scale, fall with the price, and an automatic bid is the dearest one that still wins.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::price;
use gridlease_core::limits::AUTO_BID_STEP;
use gridlease_core::score::{Merit, Weights, auto_bid_price, score};
use gridlease_core::{Bps, PricePerHour, RuleError};
use proptest::prelude::*;

fn weights() -> impl Strategy<Value = Weights> {
    prop_oneof![
        1 => prop::sample::select(vec![[4_000, 3_000, 2_000, 1_000], [0, 10_000, 0, 0], [10_000, 0, 0, 0], [0, 1, 9_999, 0]]),
        3 => (0u16..=10_000, 0u16..=10_000, 0u16..=10_000).prop_map(|(a, b, c)| {
            let mut cuts = [a, b, c];
            cuts.sort_unstable();
            [cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], 10_000 - cuts[2]]
        }),
    ]
    .prop_map(|parts| Weights::new(parts).unwrap())
}

fn merit() -> impl Strategy<Value = Merit> {
    (0u16..=10_000, 0u16..=10_000, 0u16..=10_000).prop_map(|(reputation, uptime, speed)| Merit {
        reputation: Bps(reputation),
        uptime: Bps(uptime),
        speed: Bps(speed),
    })
}

/// A ceiling and two prices below it, the first not above the second.
fn prices() -> impl Strategy<Value = (PricePerHour, PricePerHour, PricePerHour)> {
    (price(), any::<u64>(), any::<u64>()).prop_map(|(max, a, b)| {
        let (a, b) = (a % max.0 + 1, b % max.0 + 1);
        (max, PricePerHour(a.min(b)), PricePerHour(a.max(b)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_score_lies_on_its_scale_and_never_grows_with_the_price(
        weights in weights(), merit in merit(), (max, low, high) in prices(),
    ) {
        let (cheap, dear) = (score(&weights, &merit, low, max).unwrap(), score(&weights, &merit, high, max).unwrap());
        prop_assert!(cheap <= 100_000_000);
        prop_assert!(cheap >= dear);
    }

    #[test]
    fn a_score_is_the_formula_of_the_protocol(weights in weights(), merit in merit(), (max, low, _) in prices()) {
        let part = |weight: Bps, component: Bps| u128::from(weight.0) * u128::from(component.0);
        let by_price = u128::from(weights.price.0) * 10_000 * u128::from(max.0 - low.0) / u128::from(max.0);
        let expected = part(weights.reputation, merit.reputation) + by_price
            + part(weights.uptime, merit.uptime) + part(weights.speed, merit.speed);
        prop_assert_eq!(u128::from(score(&weights, &merit, low, max).unwrap()), expected);
    }

    #[test]
    fn more_merit_never_scores_less(weights in weights(), merit in merit(), more in merit(), (max, low, _) in prices()) {
        let better = Merit {
            reputation: merit.reputation.max(more.reputation),
            uptime: merit.uptime.max(more.uptime),
            speed: merit.speed.max(more.speed),
        };
        prop_assert!(score(&weights, &better, low, max).unwrap() >= score(&weights, &merit, low, max).unwrap());
    }

    #[test]
    fn components_above_the_whole_count_as_the_whole(weights in weights(), (max, low, _) in prices(), over in 10_000u16..) {
        let whole = Merit { reputation: Bps::WHOLE, uptime: Bps::WHOLE, speed: Bps::WHOLE };
        let above = Merit { reputation: Bps(over), uptime: Bps(over), speed: Bps(over) };
        prop_assert_eq!(score(&weights, &above, low, max), score(&weights, &whole, low, max));
    }

    #[test]
    fn an_automatic_bid_beats_the_best_where_it_can_at_the_dearest_price_that_does(
        weights in weights(), merit in merit(), (ceiling, floor, ask) in prices(), max in price(),
        best in prop::option::of(0u32..=100_000_000), close in -1_000_000i64..1_000_000,
    ) {
        let max = if max < floor { ceiling } else { max };
        // Half of the rivals stand close to this bidder's own range.
        let best = best.map(|best| {
            let own = i64::from(score(&weights, &merit, floor, max).unwrap());
            if best % 2 == 0 { best } else { u32::try_from((own + close).clamp(0, 100_000_000)).unwrap() }
        });
        let bid = auto_bid_price(&weights, &merit, ask, floor, max, best).unwrap();
        prop_assert!(bid >= floor && bid <= ask && bid <= max && !bid.is_zero());
        let start = ask.min(max);
        let Some(best) = best else {
            prop_assert_eq!(bid, start);
            return Ok(());
        };
        let of = |price| score(&weights, &merit, price, max).unwrap();
        if of(floor) > best {
            prop_assert!(of(bid) > best, "{bid:?} does not beat {best}");
        } else {
            prop_assert_eq!(bid, start, "it gave money away for the second place");
        }
        if of(floor) >= best + AUTO_BID_STEP && of(start) <= best {
            prop_assert!(of(bid) >= best + AUTO_BID_STEP, "{bid:?} beats {best} by too little");
        }
        if bid < start {
            prop_assert!(of(start) <= best, "it gave money away");
            prop_assert!(of(PricePerHour(bid.0 + 1)) < best + AUTO_BID_STEP, "{bid:?} is not the dearest");
            prop_assert!(of(bid) > best, "it was lowered for nothing");
        }
    }

    #[test]
    fn arguments_of_any_size_never_panic(
        parts in any::<[u16; 4]>(), merit in any::<[u16; 3]>(),
        numbers in (common::any_u64(), common::any_u64(), common::any_u64()), best in prop::option::of(any::<u32>()),
    ) {
        let _ = Weights::new(parts);
        let [reputation, price, uptime, speed] = parts.map(|part| Bps(part % 2_501));
        let weights = Weights { reputation, price, uptime, speed };
        let merit = Merit { reputation: Bps(merit[0]), uptime: Bps(merit[1]), speed: Bps(merit[2]) };
        let (a, b, c) = numbers;
        let (a, b, c) = (PricePerHour(a), PricePerHour(b), PricePerHour(c));
        let _ = score(&weights, &merit, a, b);
        let _ = auto_bid_price(&weights, &merit, a, b, c, best);
    }
}

#[test]
fn weights_that_do_not_add_up_to_the_whole_are_refused() {
    assert!(Weights::new([2_500; 4]).is_ok());
    for parts in [
        [2_500, 2_500, 2_500, 2_499],
        [2_500, 2_500, 2_500, 2_501],
        [0; 4],
        [u16::MAX; 4],
        [10_000, 10_000, 10_000, 45_536],
    ] {
        assert_eq!(Weights::new(parts), Err(RuleError::WeightsNotWhole), "{parts:?}");
    }
}

#[test]
fn a_bid_of_nothing_or_above_the_most_is_refused() {
    let weights = Weights::new([4_000, 3_000, 2_000, 1_000]).unwrap();
    let merit = Merit { reputation: Bps(5_000), uptime: Bps(5_000), speed: Bps(5_000) };
    assert_eq!(score(&weights, &merit, PricePerHour(0), PricePerHour(10)), Err(RuleError::PriceOutOfBounds));
    assert_eq!(score(&weights, &merit, PricePerHour(11), PricePerHour(10)), Err(RuleError::BidAboveMax));
    assert_eq!(score(&weights, &merit, PricePerHour(10), PricePerHour(10)), Ok(35_000_000));
    let floor_above = auto_bid_price(&weights, &merit, PricePerHour(20), PricePerHour(11), PricePerHour(10), None);
    assert_eq!(floor_above, Err(RuleError::BidAboveMax));
}

#[test]
fn price_alone_can_win_for_a_newcomer() {
    let weights = Weights::new([4_000, 3_000, 2_000, 1_000]).unwrap();
    let known = Merit { reputation: Bps(7_000), uptime: Bps(5_000), speed: Bps(5_000) };
    let newcomer = Merit { reputation: Bps(5_000), uptime: Bps(5_000), speed: Bps(5_000) };
    let max = PricePerHour(2_000_000);
    let best = score(&weights, &known, PricePerHour(1_800_000), max).unwrap();
    let bid =
        auto_bid_price(&weights, &newcomer, PricePerHour(1_900_000), PricePerHour(500_000), max, Some(best)).unwrap();
    assert!(score(&weights, &newcomer, bid, max).unwrap() > best);
}
