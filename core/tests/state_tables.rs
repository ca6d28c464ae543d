//! Every step in every situation of a job and of a lease, against tables written out by hand.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

use gridlease_core::job::{EndReason, Job, JobState, Mode, Terms, Unawarded};
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, RuleResult, Seconds, UnixTs};

/// One atom a second.
const PRICE: PricePerHour = PricePerHour(3_600);
const T0: u64 = 1_000_000;
const START_DEADLINE: u64 = T0 + 120;
const READY: u64 = T0 + 60;
/// 1,000 atoms last 1,000 seconds.
const RUNWAY_END: u64 = READY + 1_000;
const GRACE_END: u64 = RUNWAY_END + 600;

const fn at(ts: u64) -> Now {
    Now { slot: ts * 5 / 2, ts: UnixTs(ts) }
}

/// What a step does: it leads to a state, or is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does<S> {
    To(S),
    Refuses(RuleError),
}

use Does::{Refuses, To};
use LeaseState::{Ended, Failed, Grace, Paused, Running, Starting};
use RuleError::{
    ChallengeOpen, NoChallenge, NoNotice, NotDurable, ReasonNotAllowed, StillOwed, TooEarly, TooLate, WindowClosed,
    WindowOpen, WrongState,
};

const NO: Does<LeaseState> = Refuses(WrongState);

fn starting() -> Lease {
    Lease::open(PRICE, Atoms(1_000), 400, Bps(200), UnixTs(START_DEADLINE))
}

fn running() -> Lease {
    let mut lease = starting();
    lease.ready(at(READY)).unwrap();
    lease
}

fn paused() -> Lease {
    Lease { state: Paused, down_since: UnixTs(READY), ..running() }
}

/// Durable, with a notice of 100 seconds agreed.
fn lasting() -> Lease {
    Lease { durable: true, notice: Seconds(100), ..running() }
}

const CHALLENGED: u64 = READY + 200;

fn challenged() -> Lease {
    let mut lease = lasting();
    lease.challenge(at(CHALLENGED)).unwrap();
    lease
}

/// Challenged so late that the funds end before the time to answer does.
fn challenged_at_the_end() -> Lease {
    let mut lease = lasting();
    lease.challenge(at(RUNWAY_END - 60)).unwrap();
    lease
}

fn down() -> Lease {
    let mut lease = challenged();
    lease.resolve_challenge(at(CHALLENGED + 61)).unwrap();
    lease
}

fn on_notice() -> Lease {
    let mut lease = lasting();
    lease.give_notice(at(CHALLENGED)).unwrap();
    lease
}

fn grace() -> Lease {
    let mut lease = running();
    lease.settle(at(RUNWAY_END)).unwrap();
    lease
}

fn ended_owing() -> Lease {
    let mut lease = running();
    lease.stop(at(READY + 100)).unwrap();
    lease
}

fn ended_settled() -> Lease {
    let mut lease = ended_owing();
    lease.settle(at(READY + 100)).unwrap();
    lease
}

fn failed() -> Lease {
    let mut lease = starting();
    lease.fail_start(true, at(T0)).unwrap();
    lease
}

type LeaseStep = (&'static str, fn(&mut Lease, Now) -> RuleResult<()>);

const LEASE_STEPS: [LeaseStep; 11] = [
    ("ready", Lease::ready),
    ("settle", |lease, now| lease.settle(now).map(drop)),
    ("top-up", |lease, now| lease.top_up(Atoms(60), now)),
    ("stop", |lease, now| lease.stop(now).map(drop)),
    ("finish, completed", |lease, now| lease.finish(EndReason::Completed, Ran::WHOLE, now).map(drop)),
    ("finish, out of funds", |lease, now| lease.finish(EndReason::OutOfFunds, Ran::WHOLE, now).map(drop)),
    ("finish, abandoned", |lease, now| lease.finish(EndReason::Abandoned, Ran::WHOLE, now).map(drop)),
    ("fail to start, said by anybody", |lease, now| lease.fail_start(false, now).map(drop)),
    ("fail to start, given up", |lease, now| lease.fail_start(true, now).map(drop)),
    ("expire", |lease, now| lease.expire(now).map(drop)),
    ("close", |lease, _| lease.check_close()),
];

type LeaseRow = (&'static str, fn() -> Lease, u64, [Does<LeaseState>; 11]);

/// Columns as in [`LEASE_STEPS`].
#[rustfmt::skip]
const LEASE_TABLE: [LeaseRow; 14] = [
    ("starting, in time", starting, START_DEADLINE,
        [To(Running), NO, NO, To(Ended), NO, NO, NO, Refuses(TooEarly), To(Failed), To(Starting), NO]),
    ("starting, too late", starting, START_DEADLINE + 1,
        [Refuses(TooLate), NO, NO, To(Ended), NO, NO, NO, To(Failed), To(Failed), To(Starting), NO]),
    ("running", running, RUNWAY_END - 1,
        [NO, To(Running), To(Running), To(Ended), To(Ended), Refuses(TooEarly), To(Ended), NO, NO, To(Running), NO]),
    ("running, runway over", running, RUNWAY_END,
        [NO, To(Grace), To(Running), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Grace), NO]),
    ("running, last second of grace", running, GRACE_END,
        [NO, To(Grace), To(Running), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Grace), NO]),
    ("running, grace over", running, GRACE_END + 1,
        [NO, To(Grace), Refuses(TooLate), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Ended), NO]),
    ("paused", paused, RUNWAY_END - 1,
        [NO, To(Paused), To(Paused), To(Ended), To(Ended), Refuses(TooEarly), To(Ended), NO, NO, To(Paused), NO]),
    ("paused, runway over", paused, RUNWAY_END,
        [NO, To(Paused), To(Paused), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Paused), NO]),
    ("grace", grace, GRACE_END,
        [NO, To(Grace), To(Running), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Grace), NO]),
    ("grace over", grace, GRACE_END + 1,
        [NO, To(Grace), Refuses(TooLate), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Ended), NO]),
    ("grace, clock before the runway's end", grace, RUNWAY_END - 1,
        [NO, To(Grace), To(Running), To(Ended), To(Ended), To(Ended), To(Ended), NO, NO, To(Grace), NO]),
    ("ended, owing", ended_owing, RUNWAY_END,
        [NO, To(Ended), NO, NO, NO, NO, NO, NO, NO, To(Ended), Refuses(StillOwed)]),
    ("ended, settled", ended_settled, RUNWAY_END,
        [NO, To(Ended), NO, NO, NO, NO, NO, NO, NO, To(Ended), To(Ended)]),
    ("failed", failed, RUNWAY_END,
        [NO, NO, NO, NO, NO, NO, NO, NO, NO, To(Failed), To(Failed)]),
];

const CARE_STEPS: [LeaseStep; 10] = [
    ("reject", |lease, now| lease.reject(now).map(drop)),
    ("challenge", Lease::challenge),
    ("answer", Lease::answer),
    ("resolve", |lease, now| lease.resolve_challenge(now).map(drop)),
    ("resume", Lease::resume),
    ("unreachable", |lease, now| lease.unreachable(now).map(drop)),
    ("checkpoint", Lease::checkpoint),
    ("notice", Lease::give_notice),
    ("finish, notice", |lease, now| lease.finish(EndReason::Notice, Ran::WHOLE, now).map(drop)),
    ("settle", |lease, now| lease.settle(now).map(drop)),
];

type CareRow = (&'static str, fn() -> Lease, u64, [Does<LeaseState>; 10]);

const NONE_OPEN: Does<LeaseState> = Refuses(NoChallenge);
const OPEN: Does<LeaseState> = Refuses(ChallengeOpen);
const LATE: Does<LeaseState> = Refuses(TooLate);
const UNNOTICED: Does<LeaseState> = Refuses(NoNotice);

/// Columns as in [`CARE_STEPS`].
#[rustfmt::skip]
const CARE_TABLE: [CareRow; 16] = [
    ("starting", || Lease { durable: true, notice: Seconds(100), ..starting() }, START_DEADLINE,
        [NO, NO, NONE_OPEN, NONE_OPEN, NO, NO, NO, NO, NO, NO]),
    ("ready for 89 seconds", lasting, READY + 89,
        [To(Failed), To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), UNNOTICED, To(Running)]),
    ("ready for 90 seconds", lasting, READY + 90,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), UNNOTICED, To(Running)]),
    ("neither durable nor with notice", running, READY + 90,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, Refuses(NotDurable), UNNOTICED, UNNOTICED, To(Running)]),
    ("challenged, last second to answer", challenged, CHALLENGED + 60,
        [LATE, OPEN, To(Running), To(Running), NO, NO, To(Running), To(Running), UNNOTICED, To(Running)]),
    ("challenged, too late", challenged, CHALLENGED + 61,
        [LATE, NO, LATE, To(Paused), OPEN, Refuses(TooEarly), NO, To(Running), UNNOTICED, To(Paused)]),
    ("challenged, unanswered for nearly ten minutes", challenged, CHALLENGED + 599,
        [LATE, NO, LATE, To(Paused), OPEN, Refuses(TooEarly), NO, To(Running), UNNOTICED, To(Paused)]),
    ("challenged, unanswered for ten minutes", challenged, CHALLENGED + 600,
        [LATE, NO, LATE, To(Paused), OPEN, To(Ended), NO, To(Running), UNNOTICED, To(Paused)]),
    ("challenged, funds over before the time to answer", challenged_at_the_end, RUNWAY_END + 1,
        [LATE, NO, LATE, To(Grace), NO, NO, To(Grace), To(Running), UNNOTICED, To(Grace)]),
    ("down", down, CHALLENGED + 599,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), Refuses(TooEarly), NO, To(Paused), UNNOTICED, To(Paused)]),
    ("down for ten minutes", down, CHALLENGED + 600,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), To(Ended), NO, To(Paused), UNNOTICED, To(Paused)]),
    ("down past the end of the runway", down, RUNWAY_END + 10_000,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), To(Ended), NO, To(Paused), UNNOTICED, To(Paused)]),
    ("on notice, a second to go", on_notice, CHALLENGED + 99,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), Refuses(TooEarly), To(Running)]),
    ("on notice that is over", on_notice, CHALLENGED + 100,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), To(Ended), To(Running)]),
    ("grace", grace, GRACE_END,
        [LATE, NO, NONE_OPEN, NONE_OPEN, NO, NO, Refuses(NotDurable), UNNOTICED, UNNOTICED, To(Grace)]),
    ("ended", ended_settled, RUNWAY_END,
        [NO, NO, NONE_OPEN, NONE_OPEN, NO, NO, Refuses(NotDurable), UNNOTICED, NO, To(Ended)]),
];

#[test]
fn every_step_of_care_does_in_every_situation_what_the_table_says() {
    for (situation, make, ts, row) in CARE_TABLE {
        for ((name, step), expected) in CARE_STEPS.iter().zip(row) {
            assert_eq!(does(situation, name, make(), *step, ts), expected, "{situation}: {name}");
        }
    }
}

fn does(
    situation: &str,
    name: &str,
    before: Lease,
    step: fn(&mut Lease, Now) -> RuleResult<()>,
    ts: u64,
) -> Does<LeaseState> {
    let mut lease = before;
    let does = match step(&mut lease, at(ts)) {
        Ok(()) => To(lease.state),
        Err(error) => {
            assert_eq!(lease, before, "{situation}: a refused {name} changed the lease");
            Refuses(error)
        }
    };
    gridlease_core::invariant::lease(&lease).unwrap_or_else(|error| panic!("{situation}: {name}: {error}"));
    does
}

#[test]
fn every_step_of_a_lease_does_in_every_situation_what_the_table_says() {
    for (situation, make, ts, row) in LEASE_TABLE {
        for ((name, step), expected) in LEASE_STEPS.iter().zip(row) {
            assert_eq!(does(situation, name, make(), *step, ts), expected, "{situation}: {name}");
        }
    }
}

#[test]
fn a_node_can_give_only_the_reasons_that_are_its_own() {
    for reason in EndReason::ALL {
        let allowed =
            matches!(reason, EndReason::Completed | EndReason::Abandoned | EndReason::OutOfFunds | EndReason::DiskFull);
        for make in [running, paused, grace] {
            let mut lease = make();
            let result = lease.finish(reason, Ran::WHOLE, at(RUNWAY_END));
            if reason == EndReason::Notice {
                assert_eq!(result, Err(NoNotice), "none was given");
            } else if allowed {
                assert!(result.is_ok(), "{reason:?}");
                assert_eq!((lease.state, lease.reason), (Ended, reason));
            } else {
                assert_eq!(result, Err(ReasonNotAllowed), "{reason:?}");
            }
        }
    }
}

#[test]
fn the_end_of_a_lease_carries_its_reason() {
    let mut stopped = running();
    stopped.stop(at(READY + 100)).unwrap();
    let mut expired = running();
    expired.expire(at(GRACE_END + 1)).unwrap();
    let reasons = [stopped.reason, expired.reason, failed().reason, running().reason, grace().reason];
    let expected = [EndReason::Stopped, EndReason::OutOfFunds, EndReason::NoStart, EndReason::None, EndReason::None];
    assert_eq!(reasons, expected);
}

#[test]
fn every_state_and_reason_keeps_its_byte_and_unknown_bytes_are_refused() {
    for (byte, state) in (1u8..).zip([Starting, Running, Paused, Grace, Ended, Failed]) {
        assert_eq!((LeaseState::from_byte(byte), state as u8), (Ok(state), byte));
        assert_eq!(state.is_over(), matches!(state, Ended | Failed));
    }
    for (byte, state) in (1u8..).zip([JobState::Open, JobState::Leased, JobState::Ended]) {
        assert_eq!((JobState::from_byte(byte), state as u8), (Ok(state), byte));
    }
    for (byte, reason) in (0u8..).zip(EndReason::ALL) {
        assert_eq!((EndReason::from_byte(byte), reason as u8), (Ok(reason), byte));
    }
    for byte in [0, 7, 255] {
        assert_eq!(LeaseState::from_byte(byte), Err(WrongState));
    }
    for byte in [0, 4, 255] {
        assert_eq!(JobState::from_byte(byte), Err(WrongState));
    }
    assert_eq!((EndReason::from_byte(13), EndReason::from_byte(255)), (Err(WrongState), Err(WrongState)));
}

// Jobs.

const CLOSE: u64 = T0 + 12;
const J: Does<JobState> = Refuses(WrongState);

fn open(attempts: u8) -> Job {
    let terms = Terms {
        max_price: PRICE,
        max_duration: Seconds(3_600),
        window: Seconds(12),
        attempts,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
    };
    Job::post(terms, UnixTs(T0)).unwrap()
}

fn leased(attempts: u8) -> Job {
    let mut job = open(attempts);
    job.award(PRICE, UnixTs(CLOSE)).unwrap();
    job
}

fn ended() -> Job {
    let mut job = open(1);
    job.cancel().unwrap();
    job
}

fn lease_end(job: &mut Job, reason: EndReason, bidders: usize, now: UnixTs) -> RuleResult<()> {
    job.on_lease_end(reason, Atoms(1_000), PRICE, bidders, now).map(drop)
}

type JobStep = (&'static str, fn(&mut Job, UnixTs) -> RuleResult<()>);

const JOB_STEPS: [JobStep; 10] = [
    ("bid", |job, now| job.check_bid(PRICE, now)),
    ("check award", |job, now| job.check_award(now)),
    ("award", |job, now| job.award(PRICE, now).map(drop)),
    ("nobody left", |job, now| job.unawarded(now).map(drop)),
    ("cancel", |job, _| job.cancel().map(drop)),
    ("lease ready", |job, _| job.on_ready().map(drop)),
    ("lease failed to start, bids left", |job, now| lease_end(job, EndReason::NoStart, 1, now)),
    ("lease failed to start, no bids left", |job, now| lease_end(job, EndReason::NoStart, 0, now)),
    ("lease ended", |job, now| lease_end(job, EndReason::Completed, 1, now)),
    ("close", |job, _| job.check_close()),
];

type JobRow = (&'static str, fn() -> Job, u64, [Does<JobState>; 10]);

use JobState as S;

/// Columns as in [`JOB_STEPS`].
#[rustfmt::skip]
const JOB_TABLE: [JobRow; 7] = [
    ("open, window open", || open(2), CLOSE - 1,
        [To(S::Open), Refuses(WindowOpen), Refuses(WindowOpen), Refuses(WindowOpen), To(S::Ended), J, J, J, J, J]),
    ("open, window over", || open(2), CLOSE,
        [Refuses(WindowClosed), To(S::Open), To(S::Leased), To(S::Open), To(S::Ended), J, J, J, J, J]),
    ("open, window over, last attempt", || open(1), CLOSE,
        [Refuses(WindowClosed), To(S::Open), To(S::Leased), To(S::Ended), To(S::Ended), J, J, J, J, J]),
    ("leased", || leased(2), CLOSE,
        [J, J, J, J, J, To(S::Leased), To(S::Open), To(S::Open), To(S::Ended), J]),
    ("leased, last attempt", || leased(1), CLOSE,
        [J, J, J, J, J, To(S::Leased), To(S::Ended), To(S::Ended), To(S::Ended), J]),
    ("ended", ended, CLOSE,
        [J, J, J, J, J, J, J, J, J, To(S::Ended)]),
    ("ended, clock before the posting", ended, 0,
        [J, J, J, J, J, J, J, J, J, To(S::Ended)]),
];

#[test]
fn every_step_of_a_job_does_in_every_situation_what_the_table_says() {
    for (situation, make, ts, row) in JOB_TABLE {
        for ((name, step), expected) in JOB_STEPS.iter().zip(row) {
            let before = make();
            let mut job = before;
            let does = match step(&mut job, UnixTs(ts)) {
                Ok(()) => To(job.state),
                Err(error) => {
                    assert_eq!(job, before, "{situation}: a refused {name} changed the job");
                    Refuses(error)
                }
            };
            assert_eq!(does, expected, "{situation}: {name}");
        }
    }
}

#[test]
fn the_end_of_a_job_carries_its_reason_and_returns_all_that_it_held() {
    let mut cancelled = open(2);
    let cap = cancelled.reserved;
    assert_eq!((cancelled.cancel(), cancelled.reason), (Ok(cap), EndReason::Cancelled));
    let mut unbid = open(1);
    assert_eq!((unbid.unawarded(UnixTs(CLOSE)), unbid.reason), (Ok(Unawarded::Refunded(cap)), EndReason::NoBids));
    let mut unstarted = open(1);
    let handed = unstarted.award(PRICE, UnixTs(CLOSE)).unwrap();
    let back = unstarted.on_lease_end(EndReason::NoStart, handed, PRICE, 1, UnixTs(CLOSE));
    assert_eq!((back, unstarted.reason), (Ok(cap), EndReason::NoStart));
    let mut done = open(1);
    let handed = done.award(PRICE, UnixTs(CLOSE)).unwrap();
    assert_eq!(done.on_ready(), cap.sub(handed));
    assert_eq!(done.on_ready(), Ok(Atoms::ZERO), "ready twice returns it once");
    let back = done.on_lease_end(EndReason::Completed, Atoms(7), PRICE, 1, UnixTs(CLOSE));
    assert_eq!(
        (back, done.reason),
        (Ok(Atoms(7)), EndReason::Completed),
        "what the lease hands back goes on to the purse"
    );
}

#[test]
fn after_a_failed_start_the_runner_up_is_next_at_once_and_the_window_stays_closed() {
    let mut job = leased(3);
    let later = UnixTs(CLOSE + 500);
    assert_eq!(job.on_lease_end(EndReason::NoStart, Atoms(3_600), PRICE, 1, later), Ok(Atoms::ZERO));
    assert_eq!(job.check_bid(PRICE, later), Err(WindowClosed));
    assert_eq!(job.on_lead(later), Ok(()));
    assert_eq!(job.close_ts, later, "nothing extends a window that is over");
    assert_eq!(job.award(PRICE, later), Ok(Atoms(3_600)));
    assert_eq!((job.leases, job.attempts_left), (2, 2));
}

#[test]
fn after_a_failed_start_without_another_bid_a_new_window_opens_and_costs_one_attempt() {
    let mut job = leased(3);
    let later = UnixTs(CLOSE + 500);
    assert_eq!(job.on_lease_end(EndReason::NoStart, Atoms(3_600), PRICE, 0, later), Ok(Atoms::ZERO));
    assert_eq!((job.check_bid(PRICE, later), job.attempts_left), (Ok(()), 2));
    assert_eq!((job.close_ts, job.extensions), (UnixTs(later.0 + 12), 0));
}

#[test]
fn a_job_goes_on_after_a_provider_s_end_only_with_money_for_ten_more_minutes() {
    for (returned, goes_on) in [(600, true), (599, false)] {
        for reason in EndReason::ALL {
            let mut job = leased(3);
            job.on_ready().unwrap();
            let back = job.on_lease_end(reason, Atoms(returned), PRICE, 0, UnixTs(CLOSE)).unwrap();
            if goes_on && reason.is_retried() {
                assert_eq!((job.state, back, job.reserved), (S::Open, Atoms::ZERO, Atoms(returned)), "{reason:?}");
            } else {
                assert_eq!((job.state, back, job.reason), (S::Ended, Atoms(returned), reason), "{reason:?}");
            }
        }
    }
}
