//! Reputation stays inside its bounds, rises with work and falls with faults.

mod common;

use common::any_u64;
use gridlease_core::limits::NEUTRAL;
use gridlease_core::reputation::Reputation;
use gridlease_core::{Bps, Seconds};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Ready(Seconds),
    Completed(bool),
    Fault,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u64..1_000).prop_map(|taken| Event::Ready(Seconds(taken))),
        1 => any_u64().prop_map(|taken| Event::Ready(Seconds(taken))),
        4 => any::<bool>().prop_map(Event::Completed),
        1 => Just(Event::Fault),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_record_stays_inside_its_bounds_and_moves_in_the_right_direction(events in prop::collection::vec(event(), 0..200)) {
        let mut record = Reputation::default();
        for event in events {
            let before = record;
            match event {
                Event::Ready(taken) => {
                    record.on_ready(taken);
                    let sample = u32::try_from(taken.0.max(1)).unwrap_or(u32::MAX);
                    let (low, high) = (before.start_s.min(sample), before.start_s.max(sample));
                    prop_assert!(before.start_s == 0 || (low..=high).contains(&record.start_s));
                    prop_assert!(record.start_s > 0);
                }
                Event::Completed(fee_paid) => {
                    record.on_completed(fee_paid);
                    if fee_paid && before.standing < Bps::WHOLE {
                        prop_assert!(record.standing > before.standing);
                    } else {
                        prop_assert_eq!(record.standing, before.standing);
                    }
                }
                Event::Fault => {
                    record.on_fault();
                    prop_assert_eq!(u32::from(record.standing.0), u32::from(before.standing.0) * 2 / 3);
                }
            }
            prop_assert!(record.standing <= Bps::WHOLE && record.uptime <= Bps::WHOLE && record.speed() <= Bps::WHOLE);
            prop_assert!(record.started >= before.started && record.completed >= before.completed);
            prop_assert!(record.faulted >= before.faulted);
        }
    }

    #[test]
    fn a_faster_start_never_scores_less_speed(a in 1u32.., b in 1u32..) {
        let (fast, slow) = (a.min(b), a.max(b));
        let of = |start_s| Reputation { start_s, ..Reputation::default() }.speed();
        prop_assert!(of(fast) >= of(slow));
    }

    #[test]
    fn repeated_equal_starts_reach_that_start(first in 1u64..100_000, then in 1u64..100_000) {
        let mut record = Reputation::default();
        record.on_ready(Seconds(first));
        for _ in 0..200 {
            record.on_ready(Seconds(then));
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
fn counters_stop_at_their_end() {
    let full = Reputation { started: u32::MAX, completed: u32::MAX, faulted: u32::MAX, ..Reputation::default() };
    let mut record = full;
    record.on_ready(Seconds(30));
    record.on_completed(false);
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
