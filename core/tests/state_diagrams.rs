//! The arrows of the state diagrams are exactly the steps that the rules take: every state machine is walked from its
//! beginning, with every step at every time that matters, until nothing new is found.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::BTreeSet;
use std::fmt::Debug;

use gridlease_core::job::{self, EndReason, Job, JobState, Terms};
use gridlease_core::transition::Transition;
use gridlease_core::{Atoms, PricePerHour, RuleResult, Seconds, UnixTs};

/// One step of a machine: its name, and what it does at a time. A step that succeeds and changes something is an arrow.
type Step<M> = (&'static str, fn(&mut M, u64) -> RuleResult<()>);

/// The most situations that a walk may find; a machine with more has something in it that only counts.
const SITUATIONS: usize = 20_000;

/// Every arrow that can be taken from `first`: state, step and state; and the states from which `close` succeeds.
fn walk<M: Copy + PartialEq + Debug, S: Copy + Ord>(
    first: M,
    state: fn(&M) -> S,
    steps: &[Step<M>],
    times: &[u64],
    close: fn(&M) -> bool,
) -> (BTreeSet<(S, &'static str, S)>, BTreeSet<S>) {
    let (mut seen, mut arrows, mut closes) = (vec![first], BTreeSet::new(), BTreeSet::new());
    let mut at = 0;
    while at < seen.len() {
        let before = seen[at];
        at += 1;
        if close(&before) {
            closes.insert(state(&before));
        }
        for (name, step) in steps {
            for ts in times {
                let mut after = before;
                if step(&mut after, *ts).is_ok() && after != before {
                    arrows.insert((state(&before), *name, state(&after)));
                    if !seen.contains(&after) {
                        seen.push(after);
                        assert!(seen.len() < SITUATIONS, "the walk does not end");
                    }
                }
            }
        }
    }
    (arrows, closes)
}

/// Compares what a walk found with what is declared.
fn compare<S: Copy + Ord + Debug>(
    declared: &[Transition<S>],
    (arrows, closes): (BTreeSet<(S, &'static str, S)>, BTreeSet<S>),
    beginning: S,
) {
    let between = declared.iter().filter_map(|arrow| Some((arrow.from?, arrow.step, arrow.to?)));
    let between: BTreeSet<_> = between.collect();
    let missing: Vec<_> = arrows.difference(&between).collect();
    let invented: Vec<_> = between.difference(&arrows).collect();
    assert!(missing.is_empty(), "steps that the rules take and no arrow shows: {missing:?}");
    assert!(invented.is_empty(), "arrows that no step takes: {invented:?}");
    let begins: Vec<_> = declared.iter().filter(|arrow| arrow.from.is_none()).map(|arrow| arrow.to).collect();
    assert_eq!(begins, [Some(beginning)]);
    let ends: BTreeSet<_> = declared.iter().filter(|arrow| arrow.to.is_none()).filter_map(|arrow| arrow.from).collect();
    assert_eq!(ends, closes, "where the account can be closed");
    let labels: BTreeSet<_> = declared.iter().map(|arrow| (arrow.from, arrow.to, arrow.label)).collect();
    assert_eq!(labels.len(), declared.len(), "two arrows look the same");
}

const T0: u64 = 1_000_000;
/// One atom a second.
const PRICE: PricePerHour = PricePerHour(3_600);

#[test]
fn the_arrows_of_a_job_are_the_steps_that_its_rules_take() {
    const STEPS: &[Step<Job>] = &[
        ("award", |job, now| job.award(PRICE, UnixTs(now)).map(drop)),
        ("nobody left", |job, now| job.unawarded(UnixTs(now)).map(drop)),
        ("cancel", |job, _| job.cancel().map(drop)),
        ("lease ready", |job, _| job.on_ready().map(drop)),
        ("lease failed to start", |job, now| job.on_no_start(Atoms(1_000), UnixTs(now)).map(drop)),
        ("lease ended", |job, _| job.on_lease_end(EndReason::Completed).map(drop)),
    ];
    // A maximum above the winning price, so that the job holds something beside its lease.
    let max_price = PricePerHour(2 * PRICE.0);
    let terms = Terms { max_price, max_duration: Seconds(3_600), window: Seconds(12), attempts: 3 };
    let first = Job::post(terms, UnixTs(T0)).unwrap();
    let times = [T0, T0 + 11, T0 + 12, T0 + 24, T0 + 36];
    let found = walk(first, |job| job.state as u8, STEPS, &times, |job| job.check_close().is_ok());
    let declared: Vec<_> = job::TRANSITIONS.iter().map(|arrow| bytes(arrow, |state| state as u8)).collect();
    compare(&declared, found, JobState::Open as u8);
}

/// The same arrow with states as bytes, which have an order.
fn bytes<S: Copy>(arrow: &Transition<S>, byte: fn(S) -> u8) -> Transition<u8> {
    Transition { from: arrow.from.map(byte), step: arrow.step, to: arrow.to.map(byte), label: arrow.label }
}
