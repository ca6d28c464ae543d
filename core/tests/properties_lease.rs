//! Leases under any sequence of steps and any clock: not an atom is lost or created, refusals change nothing, and the
//! end is always reachable.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Tick, erratic, fee, forward, price};
use gridlease_core::invariant;
use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease, LeaseState, Ran, Undone};
use gridlease_core::limits::{GRACE, HALT_TIME, MAX_DOWNTIME, MAX_DURATION, SLOT_MS, START_MAX};
use gridlease_core::rounding::{cost_down, cost_up};
use gridlease_core::{Atoms, Now, RuleError, RuleResult, Seconds, UnixTs};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Ready,
    Settle,
    TopUp(Atoms),
    Stop,
    Finish(EndReason, Ran),
    FailStart(bool),
    Expire,
    Reject,
    Challenge,
    Answer,
    Resolve,
    Resume,
    Unreachable,
    Checkpoint,
    Notice,
    CollectCredit(Atoms),
    Accept,
    Reopen,
    Decline(bool),
    NotGiven,
    BuyerError,
    Extend(Seconds),
}

/// What a node may say of its container: sense and nonsense.
fn ran() -> impl Strategy<Value = Ran> {
    let until =
        prop_oneof![Just(0u64), any::<u64>(), (0u64..100_000).prop_map(|seconds| common::START.ts.0 + seconds),];
    let stood = prop_oneof![Just(0u64), 0u64..5_000, any::<u64>()];
    (until, stood).prop_map(|(until, stood)| Ran { until: UnixTs(until), stood: Seconds(stood) })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Ready),
        6 => Just(Step::Settle),
        4 => (0u64..10_000_000).prop_map(|atoms| Step::TopUp(Atoms(atoms))),
        1 => any::<u64>().prop_map(|atoms| Step::TopUp(Atoms(atoms))),
        1 => Just(Step::Stop),
        2 => (prop::sample::select(EndReason::ALL.to_vec()), ran()).prop_map(|(reason, ran)| Step::Finish(reason, ran)),
        1 => any::<bool>().prop_map(Step::FailStart),
        3 => Just(Step::Expire),
        1 => Just(Step::Reject),
        4 => Just(Step::Challenge),
        2 => Just(Step::Answer),
        3 => Just(Step::Resolve),
        3 => Just(Step::Resume),
        1 => Just(Step::Unreachable),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Notice),
        1 => Just(Step::Accept),
        1 => Just(Step::Reopen),
        1 => any::<bool>().prop_map(Step::Decline),
        1 => Just(Step::NotGiven),
        1 => Just(Step::BuyerError),
        1 => (0u64..10_000_000).prop_map(|stake| Step::CollectCredit(Atoms(stake))),
        2 => prop_oneof![0u64..5_000, any::<u64>()].prop_map(|by| Step::Extend(Seconds(by))),
    ]
}

/// What a start without a fault costs each side here.
const MINUTE: Atoms = Atoms(1_000);

fn apply(lease: &mut Lease, step: Step, now: Now) -> RuleResult<()> {
    match step {
        Step::Ready => lease.ready(now),
        Step::Settle => lease.settle(now).map(drop),
        Step::TopUp(amount) => lease.top_up(amount, now).map(drop),
        Step::Stop => lease.stop(now).map(drop),
        Step::Finish(reason, ran) => lease.finish(reason, ran, Seconds::ZERO, now).map(drop),
        Step::FailStart(given_up) => lease.fail_start(given_up, now).map(drop),
        Step::Expire => lease.expire(now).map(drop),
        Step::Reject => lease.reject(MINUTE, now).map(drop),
        Step::Accept => lease.accept(now),
        Step::Reopen => lease.reopen(now).map(drop),
        Step::Decline(own) => lease.decline(own, MINUTE, now).map(drop),
        Step::NotGiven => lease.not_given(MINUTE, now).map(drop),
        Step::BuyerError => lease.buyer_error(125, MINUTE, now).map(drop),
        Step::Challenge => lease.challenge(now),
        Step::Answer => lease.answer(now),
        Step::Resolve => lease.resolve_challenge(now).map(drop),
        Step::Resume => lease.resume(now),
        Step::Unreachable => lease.unreachable(now).map(drop),
        Step::Checkpoint => lease.checkpoint(1, 0, now),
        Step::Notice => lease.give_notice(now),
        Step::CollectCredit(stake) => lease.collect_credit(stake).map(drop),
        Step::Extend(by) => lease.extend(by, now).map(drop),
    }
}

/// A clock that runs as it should: two slots or more a second.
fn steady() -> impl Strategy<Value = Tick> {
    (0i64..2_000, 200u64..=500)
        .prop_map(|(seconds, ms)| Tick { slots: (seconds.unsigned_abs() * 1_000).div_ceil(ms), seconds })
}

/// A second after `due` at least, and as many slots.
fn long_after(due: UnixTs, now: Now) -> Now {
    let ts = due.max(now.ts).after(Seconds(1_000)).unwrap();
    Now { slot: now.slot + ts.since(now.ts).0, ts }
}

fn fresh() -> impl Strategy<Value = Lease> {
    let slot_ms = prop::sample::select(vec![200u32, 400, 800]);
    (
        price(),
        1u64..20_000,
        fee(),
        slot_ms,
        prop::sample::select(vec![0u64, 60, 400]),
        prop_oneof![Just(0u64), 1u64..5_000],
    )
        .prop_map(|(price, seconds, fee, slot_ms, durable, notice)| {
            let funds = cost_up(price, Seconds(seconds)).unwrap();
            let deadline = common::START.ts.after(START_MAX).unwrap();
            Lease {
                checkpoint_every: Seconds(durable),
                notice: Seconds(notice),
                ..Lease::open(price, funds, slot_ms, fee, common::START, deadline)
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_step_keeps_the_invariant_and_every_refusal_changes_nothing(
        lease in fresh(), steps in prop::collection::vec((erratic(), step()), 1..60),
    ) {
        let (mut lease, mut now) = (lease, common::START);
        for (tick, step) in steps {
            now = tick.from(now);
            let before = lease;
            match apply(&mut lease, step, now) {
                Err(_) => prop_assert_eq!(lease, before),
                Ok(()) => {
                    let added = if let Step::TopUp(amount) = step { amount } else { Atoms::ZERO };
                    prop_assert_eq!(lease.reserved, before.reserved.add(added).unwrap());
                    prop_assert!(lease.paid >= before.paid && lease.fee >= before.fee && lease.refunded >= before.refunded);
                    prop_assert!(!before.state.is_over() || lease.state == before.state, "it came back from its end");
                }
            }
            prop_assert_eq!(invariant::lease(&lease), Ok(()), "after {:?} at {:?}", step, now);
            // R28: money alone never lengthens a lease, and nothing lengthens it beyond thirty days.
            prop_assert!(lease.reserved <= cost_up(lease.price, lease.duration).unwrap() && lease.duration <= MAX_DURATION);
            prop_assert!(lease.duration == before.duration || matches!(step, Step::Extend(_)));
        }
    }

    #[test]
    fn what_steps_return_is_exactly_what_leaves_the_reservation(
        lease in fresh(), steps in prop::collection::vec((erratic(), step()), 1..60),
    ) {
        let (mut lease, mut now) = (lease, common::START);
        let mut inside = lease.reserved;
        let gone = |undone: Undone| undone.back.add(undone.buyer).unwrap();
        for (tick, step) in steps {
            now = tick.from(now);
            let moved = match step {
                Step::Settle => lease.settle(now).map(|payment| payment.net.add(payment.fee).unwrap()),
                Step::Stop => lease.stop(now),
                Step::Finish(reason, ran) => lease.finish(reason, ran, Seconds::ZERO, now),
                Step::FailStart(given_up) => lease.fail_start(given_up, now),
                Step::Expire => lease.expire(now).map(Option::unwrap_or_default),
                Step::Ready => lease.ready(now).map(|()| Atoms::ZERO),
                Step::TopUp(amount) => lease.top_up(amount, now).map(|_| {
                    inside = inside.add(amount).unwrap();
                    Atoms::ZERO
                }),
                Step::Reject => lease.reject(MINUTE, now).map(gone),
                Step::Decline(own) => lease.decline(own, MINUTE, now).map(gone),
                Step::NotGiven => lease.not_given(MINUTE, now).map(gone),
                Step::BuyerError => lease.buyer_error(126, MINUTE, now).map(gone),
                Step::Reopen => lease.reopen(now),
                Step::Unreachable => lease.unreachable(now),
                other => apply(&mut lease, other, now).map(|()| Atoms::ZERO),
            };
            inside = inside.sub(moved.unwrap_or_default()).unwrap();
            prop_assert_eq!(lease.held().unwrap(), inside);
        }
    }

    #[test]
    fn every_lease_can_be_closed_within_its_bound_by_anybody(
        lease in fresh(), steps in prop::collection::vec((erratic(), step()), 0..40),
    ) {
        let (mut lease, mut now) = (lease, common::START);
        for (tick, step) in steps {
            now = tick.from(now);
            let _ = apply(&mut lease, step, now);
        }
        if lease.state == LeaseState::Starting {
            let late = long_after(lease.start_deadline.max(lease.mark.ts), now);
            lease.fail_start(false, late).unwrap();
        }
        if !lease.state.is_over() {
            // A challenge that is open may turn out to have been missed: then the node is unreachable after ten minutes.
            let bound = lease.runway_end.after(GRACE).unwrap().max(lease.down_since.after(MAX_DOWNTIME).unwrap());
            // Whoever comes first may only be able to record that a deadline is over, and a minute later it ends.
            let first = long_after(bound.max(lease.review_end).max(lease.notice_end).max(lease.mark.ts), now);
            let _ = lease.expire(first);
            let second = long_after(first.ts, first);
            let _ = lease.expire(second);
            if lease.state == LeaseState::Paused {
                lease.unreachable(second).unwrap();
            }
            now = second;
            prop_assert!(lease.state.is_over());
        }
        if !lease.challenge_end.is_zero() {
            prop_assert!(lease.resolve_challenge(now).unwrap().is_some());
        }
        let _ = lease.collect_credit(Atoms::ZERO);
        if lease.state == LeaseState::Ended {
            // Settling needs no clock any more: what is owed was fixed at the end.
            lease.settle(Now::default()).unwrap();
        }
        prop_assert_eq!(lease.check_close(now), Ok(()));
        let gone = lease.paid.add(lease.fee).unwrap().add(lease.refunded).unwrap().add(lease.forfeited).unwrap();
        prop_assert_eq!(gone, lease.reserved);
    }

    #[test]
    fn settlements_in_between_change_nothing_about_the_outcome(
        lease in fresh(), steps in prop::collection::vec((steady(), step(), any::<bool>()), 1..60),
    ) {
        let (mut plain, mut settled, mut now) = (lease, lease, common::START);
        for (tick, step, settles) in steps {
            // What was paid cannot be kept back any more: downtime is then credited out of the stake, to the same sum. What
            // hangs on that sum (the funds and how long they last, a rejection) can differ after it, so the stories part there,
            // at that very moment. Nor is it taken back where a node says that its container ran for less.
            let parts = matches!(step, Step::Reject | Step::CollectCredit(_))
                || matches!(step, Step::Finish(_, ran) if ran != Ran::WHOLE);
            if !plain.credited.is_zero() || parts {
                break;
            }
            now = tick.from(now);
            // A grace period that nobody saw before its last minute lasts longer than one that a settlement saw.
            if now.ts.after(HALT_TIME).unwrap() > plain.runway_end.after(GRACE).unwrap() && !plain.state.is_over() && !plain.ready_ts.is_zero() {
                break;
            }
            if settles {
                let _ = settled.settle(now);
            }
            prop_assert_eq!(apply(&mut plain, step, now), apply(&mut settled, step, now));
        }
        let _ = plain.settle(now);
        let _ = settled.settle(now);
        let credit = |lease: &Lease| lease.credit.add(lease.reserved).unwrap().sub(lease.base).unwrap();
        if plain.credited.is_zero() {
            prop_assert_eq!(Lease { mark: settled.mark, grace_end: settled.grace_end, ..plain }, settled);
        } else {
            prop_assert_eq!(credit(&plain), credit(&settled));
        }
    }

    #[test]
    fn a_buyer_is_credited_for_downtime_and_never_more_than_it_was_charged(
        lease in fresh(), steps in prop::collection::vec((forward(), step()), 1..60),
    ) {
        let (mut lease, mut now) = (lease, common::START);
        for (tick, step) in steps {
            now = tick.from(now);
            let _ = apply(&mut lease, step, now);
            let from_stake = lease.credit.add(lease.collected).unwrap();
            prop_assert!(from_stake <= lease.paid.add(lease.fee).unwrap(), "however often it was down and collected");
            prop_assert!(from_stake.add(lease.compensable()).unwrap() <= lease.base, "and a fault's slash adds no more");
            prop_assert!(lease.credited <= Seconds(24 * 3_600));
            prop_assert!(lease.confirmed <= lease.base.max(lease.gross(now).unwrap()));
            prop_assert_eq!(lease.state == LeaseState::Paused, !lease.down_since.is_zero());
            prop_assert!(!lease.challenge_end.is_zero() || lease.challenge_gross.is_zero());
        }
    }

    #[test]
    fn the_order_of_steps_within_one_moment_decides_nothing(
        lease in fresh(), ticks in prop::collection::vec(forward(), 1..20), amount in 1u64..10_000_000,
    ) {
        let mut lease = lease;
        lease.ready(common::START).unwrap();
        let now = ticks.iter().fold(common::START, |now, tick| tick.from(now));
        let orders: [&[Step]; 4] = [
            &[Step::Settle, Step::Expire, Step::TopUp(Atoms(amount)), Step::Settle],
            &[Step::Expire, Step::TopUp(Atoms(amount)), Step::Settle],
            &[Step::TopUp(Atoms(amount)), Step::Settle, Step::Expire, Step::Settle],
            &[Step::TopUp(Atoms(amount)), Step::Expire, Step::Settle],
        ];
        let mut outcomes = orders.iter().map(|order| {
            let mut lease = lease;
            for step in *order {
                let _ = apply(&mut lease, *step, now);
            }
            lease
        });
        let first = outcomes.next().unwrap();
        prop_assert!(outcomes.all(|outcome| outcome == first));
    }

    #[test]
    fn stopping_costs_what_ran_but_a_minute_at_least(
        price in price(), fee in fee(), seconds in 0u64..5_000,
    ) {
        let funds = cost_up(price, Seconds(3_600)).unwrap();
        let mut lease = Lease::open(price, funds, SLOT_MS, fee, common::START, common::START.ts);
        lease.ready(common::START).unwrap();
        let now = Tick { slots: seconds * 5 / 2, seconds: seconds as i64 }.from(common::START);
        let ran = lease.gross(now).unwrap();
        let minute = gridlease_core::rounding::cost_down(price, Seconds(60)).unwrap();
        let back = lease.stop(now).unwrap();
        prop_assert_eq!(lease.base, ran.max(minute));
        prop_assert_eq!(back.add(lease.base).unwrap(), funds);
    }

    #[test]
    fn what_was_paid_is_never_taken_back_by_a_clock_that_goes_backward(
        lease in fresh(), forth in 0i64..10_000, back in 0i64..20_000,
    ) {
        let mut lease = Lease { duration: MAX_DURATION, ..lease };
        lease.ready(common::START).unwrap();
        let later = Tick { slots: forth.unsigned_abs() * 3, seconds: forth }.from(common::START);
        let payment = lease.settle(later).unwrap();
        let earlier = Tick { slots: 0, seconds: -back }.from(later);
        prop_assert_eq!(lease.settle(earlier).unwrap().net, Atoms::ZERO);
        if lease.state == LeaseState::Running {
            lease.top_up(Atoms(1), earlier).unwrap();
        }
        lease.stop(earlier).unwrap();
        prop_assert!(lease.base >= payment.net.add(payment.fee).unwrap());
        lease.settle(earlier).unwrap();
        prop_assert_eq!(lease.check_close(earlier), Ok(()));
        prop_assert!(lease.ended_ts == UnixTs(earlier.ts.0));
    }

    #[test]
    fn what_a_node_says_of_its_container_never_makes_the_bill_larger_nor_takes_back_what_was_paid(
        lease in fresh(), steps in prop::collection::vec((erratic(), step()), 1..40), (tick, ran) in (erratic(), ran()),
    ) {
        let (mut lease, mut now) = (lease, common::START);
        for (tick, step) in steps {
            now = tick.from(now);
            let _ = apply(&mut lease, step, now);
        }
        now = tick.from(now);
        let (mut whole, mut said) = (lease, lease);
        match (whole.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, now), said.finish(EndReason::Completed, ran, Seconds::ZERO, now)) {
            (Ok(least), Ok(back)) => {
                prop_assert!(back >= least, "{:?} gave back {:?} instead of {:?}", ran, back, least);
                prop_assert!(said.base >= lease.paid.add(lease.fee).unwrap());
                prop_assert_eq!(said.base.add(back).unwrap(), whole.base.add(least).unwrap());
                prop_assert_eq!(invariant::lease(&said), Ok(()));
            }
            (whole, said) => prop_assert_eq!(whole, said, "a word more or less never changes whether a lease can end"),
        }
    }

    #[test]
    fn a_lease_that_nobody_settled_is_billed_for_the_seconds_that_its_container_ran(
        lease in fresh(), ran_s in 0u64..4_000, late in 0u64..4_000, stood in 0u64..4_000,
    ) {
        let mut lease = Lease { slot_ms: 1_000, ..lease };
        let at = |seconds: u64| Now { slot: common::START.slot + seconds, ts: common::START.ts.after(Seconds(seconds)).unwrap() };
        lease.ready(at(0)).unwrap();
        let runway = lease.runway_end.since(at(0).ts).0;
        let end = at(ran_s + late);
        let ran = Ran { until: at(ran_s).ts, stood: Seconds(stood.min(ran_s)) };
        lease.finish(EndReason::Completed, ran, Seconds::ZERO, end).unwrap();
        let exact = cost_down(lease.price, Seconds(ran_s.min(runway).saturating_sub(stood.min(ran_s)))).unwrap();
        prop_assert!(lease.base <= exact && exact.sub(lease.base).unwrap() <= Atoms(1), "{:?} for {:?}", lease.base, exact);
    }
}

/// R28: what may be paid for is what was posted for, and an extension moves that and nothing else.
#[test]
fn r28_a_top_up_is_taken_up_to_the_duration_and_an_extension_up_to_thirty_days() {
    let at = |seconds: u64| Now { slot: seconds * 5 / 2, ts: UnixTs(1_000_000 + seconds) };
    let minute = Lease {
        duration: Seconds(60),
        ..Lease::open(gridlease_core::PricePerHour(3_600), Atoms(50), SLOT_MS, gridlease_core::Bps(0), at(0), at(10).ts)
    };
    let mut lease = minute;
    assert_eq!(lease.extend(Seconds(1), at(0)), Err(RuleError::WrongState), "before ready");
    lease.ready(at(0)).unwrap();
    assert_eq!(lease.top_up(Atoms(11), at(1)), Err(RuleError::BeyondDuration));
    assert_eq!(lease.top_up(Atoms(10), at(1)), Ok(false));
    assert_eq!(lease.top_up(Atoms(1), at(1)), Err(RuleError::BeyondDuration));
    assert_eq!(lease.extend(Seconds(0), at(1)), Err(RuleError::DurationOutOfBounds));
    assert_eq!(lease.extend(Seconds(MAX_DURATION.0 - 59), at(1)), Err(RuleError::DurationOutOfBounds));
    assert_eq!(lease.extend(Seconds(MAX_DURATION.0 - 60), at(1)), Ok(Seconds(60)));
    assert_eq!(lease.top_up(Atoms(100), at(1)), Ok(false));
    // In its grace period it can be extended as long as it can be topped up.
    let mut late = Lease { reserved: Atoms(60), ..minute };
    late.ready(at(0)).unwrap();
    let (last, over) = (at(60 + GRACE.0), at(61 + GRACE.0));
    // Nobody saw its funds end, so it has a minute from the first call that does (R14).
    assert_eq!({ late }.extend(Seconds(60), over), Ok(Seconds(60)));
    assert_eq!(late.extend(Seconds(60), last), Ok(Seconds(60)));
    assert_eq!(late.top_up(Atoms(60), last), Ok(false));
    // Where the chain stood still after they were seen to end, seconds alone end neither.
    let mut seen = Lease { reserved: Atoms(60), ..minute };
    seen.ready(at(0)).unwrap();
    seen.expire(at(60)).unwrap();
    for (slots, taken) in [(GRACE.0 - 1, true), (GRACE.0, false)] {
        let now = Now { slot: at(60).slot + slots, ..over };
        let longer = if taken { Ok(Seconds(60)) } else { Err(RuleError::TooLate) };
        assert_eq!({ seen }.extend(Seconds(60), now), longer, "{slots} slots");
        let topped = if taken { Ok(false) } else { Err(RuleError::TooLate) };
        assert_eq!(Lease { duration: Seconds(120), ..seen }.top_up(Atoms(60), now), topped, "{slots} slots");
    }
    late.stop(last).unwrap();
    assert_eq!(late.extend(Seconds(60), last), Err(RuleError::WrongState), "after its end");
}
