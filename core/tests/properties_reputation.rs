//! Reputation stays inside its bounds, rises with paid work and falls with faults; no buyer makes up more than a tenth of it.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::any_u64;
use gridlease_core::job::EndReason;
use gridlease_core::limits::{NEUTRAL, RECENT_BUYERS};
use gridlease_core::reputation::{Closed, FULL_FEE, LEAST_FEE, Mark, RecentBuyers, Reputation, ended_well};
use gridlease_core::{Atoms, Bps, Seconds};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Closed(Closed),
    Challenge(bool),
    Fault,
}

fn fee() -> impl Strategy<Value = Atoms> {
    prop_oneof![
        3 => 0..=FULL_FEE.0 + 1,
        1 => prop_oneof![Just(LEAST_FEE.0 - 1), Just(LEAST_FEE.0), Just(FULL_FEE.0 - 1), Just(FULL_FEE.0)],
        1 => any_u64(),
    ]
    .prop_map(Atoms)
}

fn closed() -> impl Strategy<Value = Closed> {
    let buyer = prop_oneof![1 => Just(None), 12 => (1u64..20).prop_map(|number| Some(number.to_le_bytes()))];
    let reason = prop_oneof![4 => Just(EndReason::Completed), 1 => (1usize..12).prop_map(|at| EndReason::ALL[at])];
    let start = prop_oneof![3 => 0u64..1_000, 1 => any_u64()].prop_map(Seconds);
    (reason, fee(), start, buyer, any::<bool>()).prop_map(|(reason, fee, start, buyer, went_silent)| Closed {
        reason,
        fee,
        start,
        buyer,
        went_silent,
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => closed().prop_map(Event::Closed),
        1 => any::<bool>().prop_map(Event::Challenge),
        1 => Just(Event::Fault),
    ]
}

/// A full sample of buyer `number`.
fn full(number: u64, start: u64) -> Closed {
    let buyer = Some((number + 1).to_le_bytes());
    Closed { reason: EndReason::Completed, fee: FULL_FEE, start: Seconds(start), buyer, went_silent: false }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_record_stays_inside_its_bounds_and_moves_in_the_right_direction(events in prop::collection::vec(event(), 0..200)) {
        let (mut record, mut recent) = (Reputation::default(), RecentBuyers::default());
        for event in events {
            let (before, known) = (record, recent);
            match event {
                Event::Closed(lease) => {
                    let counted = record.on_closed(&mut recent, &lease);
                    let fresh = lease.buyer.is_some_and(|buyer| !known.holds(&buyer));
                    prop_assert_eq!(counted, ended_well(lease.reason) && lease.fee >= LEAST_FEE && fresh);
                    prop_assert!(record.standing >= before.standing && record.uptime >= before.uptime);
                    prop_assert_eq!(record.started, before.started + 1);
                    prop_assert_eq!(record.completed, before.completed + u32::from(ended_well(lease.reason)));
                    if counted {
                        prop_assert!(recent.holds(&lease.buyer.unwrap()));
                        prop_assert!(!lease.went_silent || record.uptime == before.uptime);
                        let sample = u32::try_from(lease.start.0.max(1)).unwrap_or(u32::MAX);
                        let (low, high) = (before.start_s.min(sample), before.start_s.max(sample));
                        prop_assert!(record.start_s > 0 && (before.start_s == 0 || (low..=high).contains(&record.start_s)));
                        let whole = lease.fee >= FULL_FEE && before.standing < Bps::WHOLE;
                        prop_assert!(!whole || record.standing > before.standing);
                    } else {
                        prop_assert_eq!((record.standing, record.uptime), (before.standing, before.uptime));
                        prop_assert_eq!((record.start_s, recent), (before.start_s, known));
                    }
                }
                Event::Challenge(answered) => {
                    record.on_challenge(answered);
                    let less = if answered { 0 } else { before.uptime.0.div_ceil(8) };
                    prop_assert_eq!(record, Reputation { uptime: Bps(before.uptime.0 - less), ..before });
                }
                Event::Fault => {
                    record.on_fault();
                    prop_assert_eq!(u32::from(record.standing.0), u32::from(before.standing.0) * 2 / 3);
                    prop_assert_eq!(record.faulted, before.faulted + 1);
                }
            }
            prop_assert!(record.standing <= Bps::WHOLE && record.uptime <= Bps::WHOLE && record.speed() <= Bps::WHOLE);
        }
    }

    #[test]
    fn one_buyer_is_at_most_a_tenth_of_the_samples_in_any_sequence(leases in prop::collection::vec(closed(), 0..400)) {
        let (mut record, mut recent) = (Reputation::default(), RecentBuyers::default());
        let mut counted: Vec<Mark> = Vec::new();
        for lease in leases {
            if record.on_closed(&mut recent, &lease) {
                counted.push(lease.buyer.unwrap());
            }
        }
        for ten in counted.windows(RECENT_BUYERS + 1) {
            let last = ten.last().unwrap();
            prop_assert!(!ten[..RECENT_BUYERS].contains(last), "a buyer counted twice among ten");
        }
        for buyer in &counted {
            let own = counted.iter().filter(|other| *other == buyer).count();
            prop_assert!(own <= counted.len().div_ceil(10), "{own} of {}", counted.len());
        }
    }

    #[test]
    fn standing_cannot_be_had_for_less_than_its_fees_however_they_are_split(leases in prop::collection::vec(closed(), 0..200)) {
        let (mut record, mut recent) = (Reputation::default(), RecentBuyers::default());
        let (mut fees, mut full) = (0u128, 0u128);
        for lease in leases {
            if record.on_closed(&mut recent, &lease) {
                fees += u128::from(lease.fee.0.min(FULL_FEE.0));
                full += u128::from(lease.fee >= FULL_FEE);
            }
        }
        // An eighth of the first gap for each full fee, and the rounding of full samples.
        let gap = u128::from(Bps::WHOLE.0 - NEUTRAL.0);
        let most = gap * fees / (8 * u128::from(FULL_FEE.0)) + full;
        prop_assert!(u128::from(record.standing.0 - NEUTRAL.0) <= most);
    }

    #[test]
    fn a_larger_fee_never_counts_less(small in fee(), large in fee(), standing in 0u16..=10_000) {
        let after = |fee| {
            let mut record = Reputation { standing: Bps(standing), ..Reputation::default() };
            record.on_closed(&mut RecentBuyers::default(), &Closed { fee, ..full(1, 30) });
            record.standing
        };
        prop_assert!(after(small.max(large)) >= after(small.min(large)));
    }

    #[test]
    fn a_faster_start_never_scores_less_speed(a in 1u32.., b in 1u32..) {
        let (fast, slow) = (a.min(b), a.max(b));
        let of = |start_s| Reputation { start_s, ..Reputation::default() }.speed();
        prop_assert!(of(fast) >= of(slow));
    }

    #[test]
    fn repeated_equal_starts_reach_that_start(first in 1u64..100_000, then in 1u64..100_000) {
        let (mut record, mut recent) = (Reputation::default(), RecentBuyers::default());
        record.on_closed(&mut recent, &full(0, first));
        for number in 1..200 {
            record.on_closed(&mut recent, &full(number, then));
        }
        prop_assert_eq!(u64::from(record.start_s), then);
    }
}

#[test]
fn a_newcomer_is_neutral() {
    let record = Reputation::default();
    assert_eq!((record.standing, record.uptime, record.speed()), (NEUTRAL, NEUTRAL, NEUTRAL));
}

#[test]
fn a_small_fee_counts_in_proportion_and_a_tiny_one_not_at_all() {
    for (fee, standing) in [
        (0, 5_000),
        (9_999, 5_000),
        (10_000, 5_062),
        (50_000, 5_312),
        (99_999, 5_624),
        (100_000, 5_625),
        (u64::MAX, 5_625),
    ] {
        let mut record = Reputation::default();
        let lease = Closed { fee: Atoms(fee), ..full(1, 30) };
        assert_eq!(record.on_closed(&mut RecentBuyers::default(), &lease), fee >= 10_000);
        assert_eq!(record.standing, Bps(standing), "fee {fee}");
    }
}

#[test]
fn thirteen_full_samples_by_ten_buyers_lead_from_neutral_to_nine_thousand() {
    let (mut record, mut recent) = (Reputation::default(), RecentBuyers::default());
    let mut samples = 0;
    while record.standing < Bps(9_000) {
        assert!(record.on_closed(&mut recent, &full(samples % 10, 30)));
        samples += 1;
    }
    assert_eq!(samples, 13);
}

#[test]
fn a_provider_that_rents_from_itself_and_one_buyer_alone_gain_nothing() {
    let (mut record, mut recent) = (Reputation::default(), RecentBuyers::default());
    for _ in 0..100 {
        assert!(!record.on_closed(&mut recent, &Closed { buyer: None, ..full(0, 1) }));
    }
    assert_eq!((record.standing, record.uptime, record.start_s, record.completed), (NEUTRAL, NEUTRAL, 0, 100));
    for _ in 0..100 {
        record.on_closed(&mut recent, &full(7, 1));
    }
    assert_eq!((record.standing, record.completed), (Bps(5_625), 200), "one sample");
}

#[test]
fn answers_are_free_and_prove_nothing_until_a_lease_closes() {
    let mut record = Reputation::default();
    for _ in 0..1_000 {
        record.on_challenge(true);
    }
    assert_eq!(record.uptime, NEUTRAL);
    record.on_challenge(false);
    assert_eq!(record.uptime, Bps(4_375));
    record.on_closed(&mut RecentBuyers::default(), &full(1, 30));
    assert_eq!(record.uptime, Bps(5_079));
    for _ in 0..100 {
        record.on_challenge(false);
    }
    assert_eq!(record.uptime, Bps(0));
}

#[test]
fn counters_stop_at_their_end() {
    let top = Reputation { started: u32::MAX, completed: u32::MAX, faulted: u32::MAX, ..Reputation::default() };
    let mut record = top;
    record.on_closed(&mut RecentBuyers::default(), &full(1, 30));
    record.on_fault();
    assert_eq!((record.started, record.completed, record.faulted), (u32::MAX, u32::MAX, u32::MAX));
}

#[test]
fn a_start_in_the_reference_time_scores_full_marks() {
    for (start_s, speed) in
        [(1, 10_000), (30, 10_000), (31, 9_677), (60, 5_000), (300, 1_000), (300_001, 0), (u32::MAX, 0)]
    {
        assert_eq!(Reputation { start_s, ..Reputation::default() }.speed(), Bps(speed), "{start_s} s");
    }
}
