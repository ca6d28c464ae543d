//! Rounding, accrual, fees and slashes over whole small domains and around every power of two, against exact fractions.
//!
//! Why small domains say something about all amounts: a rounding depends on the product of two numbers and on the divisor
//! only through the rest of the division, and `a × (b + d)` leaves the same rest by `d` as `a × b` and a result larger by `a`.
//! So what holds for every factor below the divisor holds for every factor, as long as the result fits; that it does, or is
//! refused, is tried at the boundaries. Where a whole period of both factors is too much, one is whole and the other small,
//! and `core/proofs` shows the same for all integers.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests are tests

use gridlease_core::rounding::{
    MS_PER_HOUR, accrued_down, cost_down, cost_up, mul_div_down, mul_div_up, runway_down, share_down, share_up,
};
use gridlease_core::slash::{Case, Fault, SlashSplit, slash_for};
use gridlease_core::stream::{accrued, billable_ms, split};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, RuleResult, Seconds, UnixTs};

/// Is `got` the fraction `a × b / d` rounded down, or refused because it does not fit?
fn is_down(got: RuleResult<u64>, a: u64, b: u64, d: u64) -> bool {
    let product = u128::from(a) * u128::from(b);
    let d = u128::from(d);
    match got {
        Ok(q) => {
            let below = u128::from(q) * d;
            below <= product && product - below < d
        }
        Err(error) => error == RuleError::Overflow && (d == 0 || product / d > u128::from(u64::MAX)),
    }
}

/// Is `got` the fraction `a × b / d` rounded up, or refused because it does not fit?
fn is_up(got: RuleResult<u64>, a: u64, b: u64, d: u64) -> bool {
    let product = u128::from(a) * u128::from(b);
    let d = u128::from(d);
    match got {
        // Multiplied out, the fraction above may leave 128 bits by less than the divisor.
        Ok(q) => (u128::from(q) * d).checked_sub(product).is_some_and(|above| above < d),
        Err(error) => error == RuleError::Overflow && (d == 0 || product > u128::from(u64::MAX) * d),
    }
}

/// Both sides of every power of two, and the ends.
fn boundaries() -> Vec<u64> {
    let mut all: Vec<u64> = (0..64).map(|bit| 1u64 << bit).flat_map(|power| [power - 1, power, power + 1]).collect();
    all.extend([u64::MAX - 1, u64::MAX, u64::MAX / 2, u64::MAX / 3, u64::MAX / 3_600, u64::MAX / 10_000]);
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn every_small_product_is_divided_exactly() {
    for a in 0..=80 {
        for b in 0..=80 {
            for d in 0..=120 {
                assert!(is_down(mul_div_down(a, b, d), a, b, d), "{a} × {b} / {d} down");
                assert!(is_up(mul_div_up(a, b, d), a, b, d), "{a} × {b} / {d} up");
            }
        }
    }
}

#[test]
fn every_product_at_the_boundaries_is_divided_exactly_or_refused() {
    let numbers = boundaries();
    for a in &numbers {
        for b in numbers.iter().filter(|b| *b >= a) {
            for d in &numbers {
                let (a, b, d) = (*a, *b, *d);
                assert!(is_down(mul_div_down(a, b, d), a, b, d), "{a} × {b} / {d} down");
                assert!(is_up(mul_div_up(a, b, d), a, b, d), "{a} × {b} / {d} up");
            }
        }
    }
}

#[test]
fn every_named_rounding_goes_the_way_its_name_says_at_the_boundaries() {
    let get = |result: RuleResult<Atoms>| result.map(|atoms| atoms.0);
    for a in boundaries() {
        for b in boundaries() {
            assert!(is_down(get(accrued_down(PricePerHour(a), b)), a, b, MS_PER_HOUR));
            assert!(is_up(get(cost_up(PricePerHour(a), Seconds(b))), a, b, 3_600));
            assert!(is_down(get(cost_down(PricePerHour(a), Seconds(b))), a, b, 3_600));
            assert!(is_down(runway_down(Atoms(a), PricePerHour(b)).map(|seconds| seconds.0), a, 3_600, b));
        }
        for bps in (0..=600).chain([9_999, 10_000, u16::MAX]) {
            assert!(is_up(get(share_up(Atoms(a), Bps(bps))), a, bps.into(), 10_000));
            assert!(is_down(get(share_down(Atoms(a), Bps(bps))), a, bps.into(), 10_000));
        }
    }
}

#[test]
fn every_fee_of_every_small_amount_is_exact_and_grows_with_it_an_atom_at_a_time() {
    for bps in 0..=500 {
        let mut before = split(Atoms::ZERO, Bps(bps)).unwrap();
        for gross in 1..=10_000 {
            let parts = split(Atoms(gross), Bps(bps)).unwrap();
            assert_eq!(parts.net.0 + parts.fee.0, gross);
            assert_eq!(parts.fee.0, (gross * u64::from(bps)).div_ceil(10_000));
            let (more_net, more_fee) = (parts.net.0 - before.net.0, parts.fee.0 - before.fee.0);
            assert_eq!(
                more_net + more_fee,
                1,
                "an atom more of gross is an atom more of one and none less of the other"
            );
            before = parts;
        }
    }
}

#[test]
fn every_millisecond_of_an_hour_accrues_exactly_at_every_small_price() {
    let prices = (1..=12).chain([3_599, 3_600, 3_601, 1_234_567, 3_599_999, 3_600_000]);
    for price in prices {
        let at = |ms| accrued_down(PricePerHour(price), ms).unwrap().0;
        // Followed without a division: the rest grows by the price with every millisecond.
        let (mut whole, mut rest) = (0, 0);
        for ms in 0..MS_PER_HOUR {
            assert_eq!(at(ms), whole, "{ms} ms at {price}");
            rest += price;
            whole += rest / MS_PER_HOUR;
            rest %= MS_PER_HOUR;
        }
        // One period later everything is larger by one price, so an hour stands for all of time.
        for ms in (0..MS_PER_HOUR).step_by(9_973) {
            assert_eq!(at(ms + MS_PER_HOUR), at(ms) + price);
            assert_eq!(at(ms + 719 * MS_PER_HOUR), at(ms) + 719 * price);
        }
    }
}

#[test]
fn every_small_reservation_lasts_for_its_time_and_never_longer_than_its_funds() {
    for price in 1..=600 {
        for seconds in 0..=1_500 {
            let (price, time) = (PricePerHour(price), Seconds(seconds));
            let cap = cost_up(price, time).unwrap();
            let runway = runway_down(cap, price).unwrap();
            assert!(runway >= time, "what is reserved for a time lasts for it");
            assert!(cost_down(price, runway).unwrap() <= cap, "a runway costs no more than its funds");
            assert!(cost_up(price, Seconds(runway.0 + 1)).unwrap() > cap, "and a second more costs more");
            assert!(accrued_down(price, seconds * 1_000).unwrap() <= cap);
        }
    }
}

#[test]
fn every_small_count_of_slots_and_seconds_bills_the_clock_with_a_second_for_each_slot_at_most() {
    let start = Now { slot: 7, ts: UnixTs(100) };
    for slot_ms in [0, 1, 50, 200, 400, 800, 1_000] {
        for slots in 0..=60 {
            for ts in 95..=130 {
                for end in 98..=126 {
                    let now = Now { slot: 5 + slots, ts: UnixTs(ts) };
                    let passed = ts.saturating_sub(100) * 1_000;
                    let made = (5 + slots).saturating_sub(7);
                    let billed = billable_ms(start, now, UnixTs(end), slot_ms);
                    if ts >= end {
                        assert_eq!(billed, end.saturating_sub(100) * 1_000);
                        continue;
                    }
                    assert!(billed <= made * 1_000 && billed < passed + 1_000);
                    assert!(billed >= passed.min(made * 1_000));
                    // Inside a second it is by slots.
                    let by_slots = made * u64::from(slot_ms);
                    if by_slots >= passed && by_slots < passed + 1_000 {
                        assert_eq!(billed, by_slots);
                    }
                }
            }
        }
    }
    for slots in boundaries() {
        for ts in boundaries() {
            let ms = billable_ms(Now::default(), Now { slot: slots, ts: UnixTs(ts) }, UnixTs::MAX, u32::MAX);
            assert!(u128::from(ms) < u128::from(ts) * 1_000 + 1_000, "never a second more than passed");
            let owed = accrued(PricePerHour(u64::MAX), ms, Atoms(17)).unwrap();
            assert!(owed <= Atoms(17), "never more than the funds, whatever overflows on the way");
        }
    }
}

#[test]
fn every_small_slash_is_divided_without_loss_and_inside_its_bounds() {
    for fault in [Fault::NoStart, Fault::Abandoned, Fault::Unreachable] {
        for reservation in (0..=40).chain([99, 100, 101, 999, 1_000, 1_001]) {
            for price in 0..=5 {
                for charged in 0..=12 {
                    for bond in 0..=6 {
                        let [reservation, charged, sealed_bond] = [reservation, charged, bond].map(Atoms);
                        let case = Case { fault, reservation, price: PricePerHour(price), charged, sealed_bond };
                        let parts = slash_for(&case).unwrap();
                        let total = parts.total().unwrap();
                        let part =
                            if fault == Fault::NoStart { reservation.0 / 100 + bond } else { reservation.0 / 10 };
                        assert_eq!(total.0, part.min(reservation.0), "{case:?}");
                        assert_eq!(parts.victim, total.min(Atoms(3 * price)).min(charged), "{case:?}");
                    }
                }
            }
        }
    }
    for victim in 0..=12 {
        for insurance in 0..=12 {
            let whole = SlashSplit { victim: Atoms(victim), insurance: Atoms(insurance) };
            for bound in 0..=26 {
                let left = whole.at_most(Atoms(bound));
                assert_eq!(left.total(), Ok(Atoms(bound.min(victim + insurance))));
                assert_eq!(left.victim, Atoms(victim.min(bound)));
                let parts = whole.out_of(Atoms(bound)).unwrap();
                assert_eq!(parts.total(), whole.total(), "no atom is lost");
                assert_eq!(parts.victim, Atoms(victim.min(bound)));
            }
        }
    }
}
