//! The arrows of the state diagrams are exactly the steps that the rules take: every state machine is walked from its
//! beginning, with every step at every time that matters, until nothing new is found.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::BTreeSet;
use std::fmt::Debug;

use gridlease_core::RuleError::WrongState;
use gridlease_core::job::{self, EndReason, Job, JobState, Mode, Terms};
use gridlease_core::lease::{self, Lease, LeaseState, Ran};
use gridlease_core::limits::DEFAULT_WAIT;
use gridlease_core::transition::Transition;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleResult, Seconds, UnixTs};

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

/// How many stories [`wander`] tells, and how many steps each has.
const STORIES: (u32, u32) = (60_000, 12);

/// As [`walk`], for a machine with too many situations to visit them all: many stories with a clock that runs forward, the
/// same ones in every run.
fn wander<M: Copy + PartialEq + Debug, S: Copy + Ord>(
    first: M,
    state: fn(&M) -> S,
    steps: &[Step<M>],
    close: fn(&M) -> bool,
) -> (BTreeSet<(S, &'static str, S)>, BTreeSet<S>) {
    let (mut arrows, mut closes) = (BTreeSet::new(), BTreeSet::new());
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
    };
    for _ in 0..STORIES.0 {
        let (mut now, mut at) = (T0, first);
        for _ in 0..STORIES.1 {
            now += [0, 1, 61, 120, 601, 4_000][random(6)];
            let (name, step) = steps[random(steps.len())];
            let mut after = at;
            if step(&mut after, now).is_ok() && after != at {
                arrows.insert((state(&at), name, state(&after)));
                at = after;
            }
            if close(&at) {
                closes.insert(state(&at));
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
/// What pays for an hour.
const FUNDS: Atoms = Atoms(3_600);
/// One atom a second.
const PRICE: PricePerHour = PricePerHour(3_600);

#[test]
fn the_arrows_of_a_job_are_the_steps_that_its_rules_take() {
    const STEPS: &[Step<Job>] = &[
        ("bid", |job, now| {
            job.check_bid(PRICE, UnixTs(now))?;
            job.on_bid(true, usize::from(job.bids).min(1) + 1, at(now))
        }),
        ("award", |job, now| job.award(PRICE, at(now)).map(drop)),
        ("nobody left", |job, now| job.unawarded(at(now))),
        ("expire", |job, now| job.expire(UnixTs(now)).map(drop)),
        ("cancel", |job, _| job.cancel().map(drop)),
        ("lease ready", |job, _| job.on_ready().map(drop)),
        (
            "start failed",
            |job, now| if job.bids > 0 { lease_end(job, EndReason::NoStart, now) } else { Err(WrongState) },
        ),
        (
            "lease failed",
            |job, now| if job.bids == 0 { lease_end(job, EndReason::Reopened, now) } else { Err(WrongState) },
        ),
        ("lease finished", |job, _| job.on_finished(Atoms(1))),
        ("lease ended", |job, now| lease_end(job, EndReason::Completed, now)),
    ];
    // A maximum above the winning price, so that the job holds something beside its lease.
    let max_price = PricePerHour(2 * PRICE.0);
    let terms = Terms {
        max_price,
        max_duration: Seconds(3_600),
        window: Seconds(12),
        attempts: 3,
        mode: Mode::Open,
        reveal: Seconds(0),
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    let first = Job::post(terms, at(T0)).unwrap();
    let times = [T0, T0 + 11, T0 + 12, T0 + 24, T0 + 86_400 * 2];
    let found = walk(first, |job| job.state as u8, STEPS, &times, |job| job.check_close().is_ok());
    let declared: Vec<_> = job::TRANSITIONS.iter().map(|arrow| bytes(arrow, |state| state as u8)).collect();
    compare(&declared, found, JobState::Waiting as u8);
}

const fn at(now: u64) -> Now {
    Now { slot: now * 5 / 2, ts: UnixTs(now) }
}

fn lease_end(job: &mut Job, reason: EndReason, now: u64) -> RuleResult<()> {
    job.on_lease_end(reason, Atoms(3_600), PRICE, false, UnixTs(now)).map(drop)
}

#[test]
fn the_arrows_of_a_lease_are_the_steps_that_its_rules_take() {
    const STEPS: &[Step<Lease>] = &[
        ("ready", |lease, now| lease.ready(at(now))),
        ("fail to start", |lease, now| lease.fail_start(false, at(now)).map(drop)),
        ("stop", |lease, now| lease.stop(at(now)).map(drop)),
        ("finish", |lease, now| lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(now)).map(drop)),
        ("abandon", |lease, now| lease.finish(EndReason::Abandoned, Ran::WHOLE, Seconds::ZERO, at(now)).map(drop)),
        ("accept", |lease, now| lease.accept(at(now))),
        ("reopen", |lease, now| lease.reopen(at(now)).map(drop)),
        ("decline", |lease, now| lease.decline(true, Atoms(60), at(now)).map(drop)),
        ("not given", |lease, now| lease.not_given(Atoms(60), at(now)).map(drop)),
        ("buyer error", |lease, now| lease.buyer_error(127, Atoms(60), at(now)).map(drop)),
        ("notice", |lease, now| lease.give_notice(at(now))),
        ("reject", |lease, now| lease.reject(Atoms(60), at(now)).map(drop)),
        ("settle", |lease, now| lease.settle(at(now)).map(drop)),
        ("top up", |lease, now| lease.top_up(FUNDS, at(now)).map(drop)),
        ("expire", |lease, now| lease.expire(at(now)).map(drop)),
        ("challenge", |lease, now| lease.challenge(at(now))),
        ("answer", |lease, now| lease.answer(at(now))),
        ("resolve", |lease, now| lease.resolve_challenge(at(now)).map(drop)),
        ("resume", |lease, now| lease.resume(at(now))),
        ("unreachable", |lease, now| lease.unreachable(at(now)).map(drop)),
    ];
    let first = Lease { notice: Seconds(300), ..Lease::open(PRICE, FUNDS, 400, Bps(200), at(T0), UnixTs(T0 + 120)) };
    // Some arrows lie so deep that random stories hardly come there: they also begin on the way.
    let step = |mut lease: Lease, step: fn(&mut Lease)| {
        step(&mut lease);
        lease
    };
    let ready = step(first, |lease| lease.ready(at(T0)).unwrap());
    let challenged = step(ready, |lease| lease.challenge(at(T0)).unwrap());
    let leaving = step(challenged, |lease| lease.give_notice(at(T0)).unwrap());
    let ending = step(ready, |lease| lease.challenge(at(T0 + 3_590)).unwrap());
    let mut found = (BTreeSet::new(), BTreeSet::new());
    for first in [first, ready, challenged, leaving, ending] {
        let closes = |lease: &Lease| lease.check_release(at(T0)).is_ok();
        let (arrows, ends) = wander(first, |lease| lease.state as u8, STEPS, closes);
        found.0.extend(arrows);
        found.1.extend(ends);
    }
    let declared: Vec<_> = lease::TRANSITIONS.iter().map(|arrow| bytes(arrow, |state| state as u8)).collect();
    compare(&declared, found, LeaseState::Starting as u8);
}

/// The same arrow with states as bytes, which have an order.
fn bytes<S: Copy>(arrow: &Transition<S>, byte: fn(S) -> u8) -> Transition<u8> {
    Transition { from: arrow.from.map(byte), step: arrow.step, to: arrow.to.map(byte), label: arrow.label }
}
