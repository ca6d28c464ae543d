//! Every step in every situation of a job and of a lease, against tables written out by hand.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

use gridlease_core::job::{EndReason, Job, JobState, Mode, Terms};
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::limits::DEFAULT_WAIT;
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
use LeaseState::{Ended, Failed, Finished, Grace, Paused, Running, Starting};
use RuleError::{
    ChallengeOpen, ChallengeWindow, NoChallenge, NoNotice, NotDurable, ReasonNotAllowed, StillOwed, TooEarly, TooLate,
    WaitOver, WindowClosed, WindowOpen, WrongState,
};

const NO: Does<LeaseState> = Refuses(WrongState);

fn starting() -> Lease {
    let opened = Lease::open(PRICE, Atoms(1_000), 400, Bps(200), at(T0), UnixTs(START_DEADLINE));
    Lease { duration: Seconds(24 * 3_600), ..opened }
}

fn running() -> Lease {
    let mut lease = starting();
    lease.ready(at(READY)).unwrap();
    lease
}

fn paused() -> Lease {
    Lease { state: Paused, down_since: UnixTs(READY), mark: at(READY), ..running() }
}

/// Durable, with a notice of 100 seconds agreed.
fn lasting() -> Lease {
    Lease { checkpoint_every: Seconds(240), notice: Seconds(100), ..running() }
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

fn finished() -> Lease {
    let mut lease = running();
    lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(FINISHED)).unwrap();
    lease
}

/// It ran for a minute and a half, so it can be reopened for that long.
const FINISHED: u64 = READY + 90;

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

const LEASE_STEPS: [LeaseStep; 18] = [
    ("ready", Lease::ready),
    ("settle", |lease, now| lease.settle(now).map(drop)),
    ("top-up", |lease, now| lease.top_up(Atoms(60), now).map(drop)),
    ("stop", |lease, now| lease.stop(now).map(drop)),
    ("finish, completed", |lease, now| lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, now).map(drop)),
    ("finish, out of funds", |lease, now| {
        lease.finish(EndReason::OutOfFunds, Ran::WHOLE, Seconds::ZERO, now).map(drop)
    }),
    ("finish, abandoned", |lease, now| lease.finish(EndReason::Abandoned, Ran::WHOLE, Seconds::ZERO, now).map(drop)),
    ("fail to start, said by anybody", |lease, now| lease.fail_start(false, now).map(drop)),
    ("fail to start, given up", |lease, now| lease.fail_start(true, now).map(drop)),
    ("expire", |lease, now| lease.expire(now).map(drop)),
    ("close", |lease, now| lease.check_close(now)),
    ("accept", Lease::accept),
    ("reopen", |lease, now| lease.reopen(now).map(drop)),
    ("decline", |lease, now| lease.decline(true, Atoms(60), now).map(drop)),
    ("not given", |lease, now| lease.not_given(Atoms(60), now).map(drop)),
    ("buyer error", |lease, now| lease.buyer_error(127, Atoms(60), now).map(drop)),
    ("extend", |lease, now| lease.extend(Seconds(60), now).map(drop)),
    ("verdict", |lease, now| lease.judge(Atoms(5), Atoms(10), Atoms(10), now).map(drop)),
];

const JUDGED: Does<LeaseState> = Refuses(ChallengeWindow);

type LeaseRow = (&'static str, fn() -> Lease, u64, [Does<LeaseState>; 18]);

/// Columns as in [`LEASE_STEPS`].
#[rustfmt::skip]
const LEASE_TABLE: [LeaseRow; 20] = [
    ("starting, just awarded", starting, T0 + 29,
        [To(Running), NO, NO, To(Ended), NO, NO, NO, Refuses(TooEarly), To(Failed), To(Starting), NO, NO, NO, To(Failed), To(Failed), To(Failed), NO, NO]),
    ("starting, half of the time", starting, T0 + 60,
        [To(Running), NO, NO, To(Ended), NO, NO, NO, Refuses(TooEarly), To(Failed), To(Starting), NO, NO, NO, LATE, To(Failed), To(Failed), NO, NO]),
    ("starting, in time", starting, START_DEADLINE,
        [To(Running), NO, NO, To(Ended), NO, NO, NO, Refuses(TooEarly), To(Failed), To(Starting), NO, NO, NO, LATE, LATE, To(Failed), NO, NO]),
    ("starting, too late", starting, START_DEADLINE + 1,
        [LATE, NO, NO, To(Ended), NO, NO, NO, To(Failed), To(Failed), To(Starting), NO, NO, NO, LATE, LATE, LATE, NO, NO]),
    ("running", running, RUNWAY_END - 1,
        [NO, To(Running), To(Running), To(Ended), To(Finished), Refuses(TooEarly), To(Ended), NO, NO, To(Running), NO, NO, NO, NO, NO, NO, To(Running), NO]),
    ("running, runway over", running, RUNWAY_END,
        [NO, To(Grace), To(Running), To(Ended), To(Finished), To(Ended), To(Ended), NO, NO, To(Grace), NO, NO, NO, NO, NO, NO, To(Grace), NO]),
    ("running, last second of grace", running, GRACE_END,
        [NO, To(Grace), To(Running), To(Ended), To(Finished), To(Ended), To(Ended), NO, NO, To(Grace), NO, NO, NO, NO, NO, NO, To(Grace), NO]),
    ("running, grace over and never seen", running, GRACE_END + 1,
        [NO, To(Grace), To(Running), To(Ended), To(Finished), To(Ended), To(Ended), NO, NO, To(Grace), NO, NO, NO, NO, NO, NO, To(Grace), NO]),
    ("paused", paused, RUNWAY_END - 1,
        [NO, To(Paused), To(Paused), To(Ended), NO, NO, To(Ended), NO, NO, To(Paused), NO, NO, NO, NO, NO, NO, To(Paused), NO]),
    ("paused, runway over", paused, RUNWAY_END,
        [NO, To(Paused), To(Paused), To(Ended), NO, NO, To(Ended), NO, NO, To(Paused), NO, NO, NO, NO, NO, NO, To(Paused), NO]),
    ("grace", grace, GRACE_END,
        [NO, To(Grace), To(Running), To(Ended), To(Finished), To(Ended), To(Ended), NO, NO, To(Grace), NO, NO, NO, NO, NO, NO, To(Grace), NO]),
    ("grace over", grace, GRACE_END + 1,
        [NO, To(Grace), LATE, To(Ended), To(Finished), To(Ended), To(Ended), NO, NO, To(Ended), NO, NO, NO, NO, NO, NO, LATE, NO]),
    ("grace, clock before the runway's end", grace, RUNWAY_END - 1,
        [NO, To(Grace), To(Running), To(Ended), To(Finished), To(Ended), To(Ended), NO, NO, To(Grace), NO, NO, NO, NO, NO, NO, To(Grace), NO]),
    ("finished", finished, FINISHED + 90,
        [NO, To(Finished), NO, NO, NO, NO, NO, NO, NO, To(Finished), NO, To(Ended), To(Ended), NO, NO, NO, NO, NO]),
    ("finished, review over", finished, FINISHED + 91,
        [NO, To(Finished), NO, NO, NO, NO, NO, NO, NO, To(Ended), NO, To(Ended), LATE, NO, NO, NO, NO, NO]),
    ("ended, owing", ended_owing, RUNWAY_END,
        [NO, To(Ended), NO, NO, NO, NO, NO, NO, NO, To(Ended), Refuses(StillOwed), NO, NO, NO, NO, NO, NO, JUDGED]),
    ("ended, settled", ended_settled, RUNWAY_END,
        [NO, To(Ended), NO, NO, NO, NO, NO, NO, NO, To(Ended), To(Ended), NO, NO, NO, NO, NO, NO, JUDGED]),
    ("ended, settled, its stake stands for a verification", || Lease { verification: Seconds(500), ..ended_settled() }, READY + 599,
        [NO, To(Ended), NO, NO, NO, NO, NO, NO, NO, To(Ended), Refuses(ChallengeWindow), NO, NO, NO, NO, NO, NO, To(Ended)]),
    ("ended, settled, the verification is over", || Lease { verification: Seconds(500), ..ended_settled() }, READY + 600,
        [NO, To(Ended), NO, NO, NO, NO, NO, NO, NO, To(Ended), To(Ended), NO, NO, NO, NO, NO, NO, JUDGED]),
    ("failed", failed, RUNWAY_END,
        [NO, NO, NO, NO, NO, NO, NO, NO, NO, To(Failed), To(Failed), NO, NO, NO, NO, NO, NO, JUDGED]),
];

const CARE_STEPS: [LeaseStep; 10] = [
    ("reject", |lease, now| lease.reject(Atoms(60), now).map(drop)),
    ("challenge", Lease::challenge),
    ("answer", Lease::answer),
    ("resolve", |lease, now| lease.resolve_challenge(now).map(drop)),
    ("resume", Lease::resume),
    ("unreachable", |lease, now| lease.unreachable(now).map(drop)),
    ("checkpoint", |lease, now| lease.checkpoint(1, 0, now)),
    ("notice", Lease::give_notice),
    ("finish, notice", |lease, now| lease.finish(EndReason::Notice, Ran::WHOLE, Seconds::ZERO, now).map(drop)),
    ("settle", |lease, now| lease.settle(now).map(drop)),
];

type CareRow = (&'static str, fn() -> Lease, u64, [Does<LeaseState>; 10]);

const NONE_OPEN: Does<LeaseState> = Refuses(NoChallenge);
const OPEN: Does<LeaseState> = Refuses(ChallengeOpen);
const LATE: Does<LeaseState> = Refuses(TooLate);
const UNNOTICED: Does<LeaseState> = Refuses(NoNotice);

/// Columns as in [`CARE_STEPS`].
#[rustfmt::skip]
const CARE_TABLE: [CareRow; 19] = [
    ("starting", || Lease { checkpoint_every: Seconds(240), notice: Seconds(100), ..starting() }, START_DEADLINE,
        [NO, NO, NONE_OPEN, NONE_OPEN, NO, NO, NO, NO, NO, NO]),
    ("ready for 59 seconds", lasting, READY + 59,
        [To(Failed), To(Running), NONE_OPEN, NONE_OPEN, NO, NO, Refuses(TooEarly), To(Running), UNNOTICED, To(Running)]),
    ("ready for 89 seconds", lasting, READY + 89,
        [To(Failed), To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), UNNOTICED, To(Running)]),
    ("ready for 90 seconds", lasting, READY + 90,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), UNNOTICED, To(Running)]),
    ("neither durable nor with notice", running, READY + 90,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, Refuses(NotDurable), UNNOTICED, UNNOTICED, To(Running)]),
    ("challenged, last second to answer", challenged, CHALLENGED + 60,
        [LATE, OPEN, To(Running), To(Running), NO, NO, To(Running), To(Running), UNNOTICED, To(Running)]),
    ("challenged, too late", challenged, CHALLENGED + 61,
        [LATE, NO, LATE, To(Paused), OPEN, Refuses(TooEarly), NO, NO, UNNOTICED, To(Paused)]),
    ("challenged, unanswered for nearly ten minutes", challenged, CHALLENGED + 599,
        [LATE, NO, LATE, To(Paused), OPEN, Refuses(TooEarly), NO, NO, UNNOTICED, To(Paused)]),
    ("challenged, unanswered for ten minutes", challenged, CHALLENGED + 600,
        [LATE, NO, LATE, To(Paused), OPEN, To(Ended), NO, NO, UNNOTICED, To(Paused)]),
    ("challenged, funds over before the time to answer", challenged_at_the_end, RUNWAY_END + 1,
        [LATE, NO, LATE, To(Grace), NO, NO, To(Grace), To(Grace), UNNOTICED, To(Grace)]),
    ("down", down, CHALLENGED + 599,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), Refuses(TooEarly), NO, NO, UNNOTICED, To(Paused)]),
    ("down for ten minutes", down, CHALLENGED + 600,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), To(Ended), NO, NO, UNNOTICED, To(Paused)]),
    ("down past the end of the runway", down, RUNWAY_END + 10_000,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), To(Ended), NO, NO, UNNOTICED, To(Paused)]),
    ("on notice, a second to go", on_notice, CHALLENGED + 99,
        [LATE, To(Running), NONE_OPEN, NONE_OPEN, NO, NO, To(Running), To(Running), Refuses(TooEarly), To(Running)]),
    ("on notice that is over", on_notice, CHALLENGED + 100,
        [LATE, LATE, NONE_OPEN, NONE_OPEN, NO, NO, LATE, To(Running), To(Ended), To(Running)]),
    ("down, on notice that is over", || Lease { notice_end: UnixTs(CHALLENGED + 100), ..down() }, CHALLENGED + 600,
        [LATE, NO, NONE_OPEN, NONE_OPEN, LATE, LATE, NO, To(Paused), To(Ended), To(Paused)]),
    ("down for ten minutes when its notice was over", || Lease { notice_end: UnixTs(CHALLENGED + 600), ..down() }, CHALLENGED + 600,
        [LATE, NO, NONE_OPEN, NONE_OPEN, To(Running), To(Ended), NO, To(Paused), Refuses(TooEarly), To(Paused)]),
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
        for make in [running, paused, grace] {
            let mut lease = make();
            let down = lease.state == Paused;
            let result = lease.finish(reason, Ran::WHOLE, Seconds::ZERO, at(RUNWAY_END));
            match reason {
                EndReason::Notice => assert_eq!(result, Err(NoNotice), "none was given"),
                EndReason::Abandoned => assert_eq!((result.is_ok(), lease.state), (true, Ended)),
                EndReason::Completed | EndReason::DiskFull | EndReason::OutOfFunds if down => {
                    assert_eq!(result, Err(WrongState), "r02: a node that is down says {reason:?}");
                }
                EndReason::Completed | EndReason::DiskFull => {
                    assert_eq!((lease.state, lease.reason), (Finished, reason))
                }
                EndReason::OutOfFunds => assert_eq!((lease.state, lease.reason), (Ended, reason)),
                _ => assert_eq!(result, Err(ReasonNotAllowed), "{reason:?}"),
            }
        }
    }
}

#[test]
fn the_end_of_a_lease_carries_its_reason() {
    let mut stopped = running();
    stopped.stop(at(READY + 100)).unwrap();
    let mut expired = running();
    expired.expire(at(RUNWAY_END)).unwrap();
    expired.expire(at(GRACE_END + 1)).unwrap();
    let reasons = [stopped.reason, expired.reason, failed().reason, running().reason, grace().reason];
    let expected = [EndReason::Stopped, EndReason::OutOfFunds, EndReason::NoStart, EndReason::None, EndReason::None];
    assert_eq!(reasons, expected);
}

#[test]
fn every_state_and_reason_keeps_its_byte_and_unknown_bytes_are_refused() {
    for (byte, state) in (1u8..).zip([Starting, Running, Paused, Grace, Ended, Failed, Finished]) {
        assert_eq!((LeaseState::from_byte(byte), state as u8), (Ok(state), byte));
        assert_eq!(state.is_over(), matches!(state, Ended | Failed));
    }
    for (byte, state) in (1u8..).zip([S::Open, S::Leased, S::Ended, S::Waiting, S::Review]) {
        assert_eq!((JobState::from_byte(byte), state as u8), (Ok(state), byte));
    }
    for (byte, reason) in (0u8..).zip(EndReason::ALL) {
        assert_eq!((EndReason::from_byte(byte), reason as u8), (Ok(reason), byte));
    }
    for byte in [0, 8, 255] {
        assert_eq!(LeaseState::from_byte(byte), Err(WrongState));
    }
    for byte in [0, 6, 255] {
        assert_eq!(JobState::from_byte(byte), Err(WrongState));
    }
    assert_eq!((EndReason::from_byte(17), EndReason::from_byte(255)), (Err(WrongState), Err(WrongState)));
}

// Jobs.

const CLOSE: u64 = T0 + 12;
const J: Does<JobState> = Refuses(WrongState);

fn waiting(attempts: u8) -> Job {
    let terms = Terms {
        max_price: PRICE,
        max_duration: Seconds(3_600),
        window: Seconds(12),
        attempts,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    Job::post(terms, at(T0)).unwrap()
}

fn open(attempts: u8) -> Job {
    let mut job = waiting(attempts);
    job.on_bid(true, 2, at(T0)).unwrap();
    job
}

/// With a runner-up in its book.
fn leased(attempts: u8) -> Job {
    let mut job = open(attempts);
    job.award(PRICE, at(CLOSE)).unwrap();
    job
}

fn leased_and_ready(attempts: u8) -> Job {
    let mut job = leased(attempts);
    job.on_ready().unwrap();
    job
}

fn review(attempts: u8) -> Job {
    let mut job = leased_and_ready(attempts);
    job.on_finished(Atoms(600)).unwrap();
    job
}

fn ended() -> Job {
    let mut job = open(1);
    job.cancel().unwrap();
    job
}

fn lease_end(job: &mut Job, reason: EndReason, certain: bool, now: Now) -> RuleResult<()> {
    job.on_lease_end(reason, Atoms(1_000), PRICE, certain, now.ts).map(drop)
}

type JobStep = (&'static str, fn(&mut Job, Now) -> RuleResult<()>);

const JOB_STEPS: [JobStep; 14] = [
    ("bid", |job, now| {
        job.check_bid(PRICE, now.ts)?;
        job.on_bid(true, 1, now)
    }),
    ("check award", |job, now| job.check_award(now)),
    ("award", |job, now| job.award(PRICE, now).map(drop)),
    ("nobody left", Job::unawarded),
    ("expire", |job, now| job.expire(now.ts).map(drop)),
    ("cancel", |job, _| job.cancel().map(drop)),
    ("lease ready", |job, _| job.on_ready().map(drop)),
    ("lease finished", |job, _| job.on_finished(Atoms(1))),
    ("lease failed to start", |job, now| lease_end(job, EndReason::NoStart, false, now)),
    ("lease declined", |job, now| lease_end(job, EndReason::Declined, false, now)),
    ("buyer's error", |job, now| lease_end(job, EndReason::BuyerError, false, now)),
    ("buyer's error, certain", |job, now| lease_end(job, EndReason::BuyerError, true, now)),
    ("lease ended", |job, now| lease_end(job, EndReason::Completed, false, now)),
    ("close", |job, _| job.check_close()),
];

type JobRow = (&'static str, fn() -> Job, u64, [Does<JobState>; 14]);

use JobState as S;

/// A job waits for so long.
const WAITED: u64 = T0 + 86_400;

/// Columns as in [`JOB_STEPS`].
#[rustfmt::skip]
const JOB_TABLE: [JobRow; 14] = [
    ("waiting", || waiting(2), WAITED - 12,
        [To(S::Open), J, J, J, Refuses(TooEarly), To(S::Ended), J, J, J, J, J, J, J, J]),
    ("waiting, too late for a window", || waiting(2), WAITED - 11,
        [Refuses(WaitOver), J, J, J, Refuses(TooEarly), To(S::Ended), J, J, J, J, J, J, J, J]),
    ("waiting, wait over", || waiting(2), WAITED,
        [Refuses(WaitOver), J, J, J, To(S::Ended), To(S::Ended), J, J, J, J, J, J, J, J]),
    ("open, window open", || open(2), CLOSE - 1,
        [To(S::Open), Refuses(WindowOpen), Refuses(WindowOpen), Refuses(WindowOpen), J, To(S::Ended), J, J, J, J, J, J, J, J]),
    ("open, window over", || open(2), CLOSE,
        [Refuses(WindowClosed), To(S::Open), To(S::Leased), To(S::Waiting), J, To(S::Ended), J, J, J, J, J, J, J, J]),
    ("open, window over, last attempt", || open(1), CLOSE,
        [Refuses(WindowClosed), To(S::Open), To(S::Leased), To(S::Waiting), J, To(S::Ended), J, J, J, J, J, J, J, J]),
    ("leased", || leased(2), CLOSE,
        [J, J, J, J, J, J, To(S::Leased), To(S::Review), To(S::Open), To(S::Open), To(S::Open), To(S::Ended), To(S::Ended), J]),
    ("leased, last attempt", || leased(1), CLOSE,
        [J, J, J, J, J, J, To(S::Leased), To(S::Review), To(S::Ended), To(S::Open), To(S::Open), To(S::Ended), To(S::Ended), J]),
    ("leased, ready", || leased_and_ready(2), CLOSE,
        [J, J, J, J, J, J, To(S::Leased), To(S::Review), To(S::Waiting), To(S::Waiting), To(S::Waiting), To(S::Ended), To(S::Ended), J]),
    ("leased, ready, last attempt", || leased_and_ready(1), CLOSE,
        [J, J, J, J, J, J, To(S::Leased), To(S::Review), To(S::Ended), To(S::Waiting), To(S::Waiting), To(S::Ended), To(S::Ended), J]),
    ("review", || review(2), CLOSE,
        [J, J, J, J, J, J, J, J, To(S::Waiting), To(S::Waiting), To(S::Waiting), To(S::Ended), To(S::Ended), J]),
    ("review, last attempt", || review(1), CLOSE,
        [J, J, J, J, J, J, J, J, To(S::Ended), To(S::Waiting), To(S::Waiting), To(S::Ended), To(S::Ended), J]),
    ("ended", ended, CLOSE,
        [J, J, J, J, J, J, J, J, J, J, J, J, J, To(S::Ended)]),
    ("ended, clock before the posting", ended, 0,
        [J, J, J, J, J, J, J, J, J, J, J, J, J, To(S::Ended)]),
];

#[test]
fn every_step_of_a_job_does_in_every_situation_what_the_table_says() {
    for (situation, make, ts, row) in JOB_TABLE {
        for ((name, step), expected) in JOB_STEPS.iter().zip(row) {
            let before = make();
            let mut job = before;
            let does = match step(&mut job, at(ts)) {
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
    let mut unbid = waiting(1);
    assert_eq!((unbid.expire(UnixTs(WAITED)), unbid.reason), (Ok(cap), EndReason::NoBids));
    let mut unstarted = open(1);
    let handed = unstarted.award(PRICE, at(CLOSE)).unwrap();
    let back = unstarted.on_lease_end(EndReason::NoStart, handed, PRICE, false, UnixTs(CLOSE));
    assert_eq!((back, unstarted.reason), (Ok(cap), EndReason::NoStart));
    let mut done = open(1);
    let handed = done.award(PRICE, at(CLOSE)).unwrap();
    assert_eq!(done.on_ready(), cap.sub(handed));
    assert_eq!(done.on_ready(), Ok(Atoms::ZERO), "ready twice returns it once");
    done.on_finished(Atoms(7)).unwrap();
    assert_eq!(done.reserved, Atoms(7), "it is kept while the job can be reopened");
    let back = done.on_lease_end(EndReason::Completed, Atoms::ZERO, PRICE, false, UnixTs(CLOSE));
    assert_eq!((back, done.reason), (Ok(Atoms(7)), EndReason::Completed));
}

#[test]
fn after_a_failed_start_the_runner_up_is_next_at_once_and_the_window_stays_closed() {
    let mut job = leased(3);
    let later = CLOSE + 500;
    assert_eq!(job.on_lease_end(EndReason::NoStart, Atoms(3_600), PRICE, false, UnixTs(later)), Ok(Atoms::ZERO));
    assert_eq!(job.check_bid(PRICE, UnixTs(later)), Err(WindowClosed));
    assert_eq!(job.close_ts, UnixTs(later));
    assert_eq!(job.award(PRICE, at(later)), Ok(Atoms(3_600)));
    assert_eq!((job.leases, job.attempts_left, job.bids), (2, 2, 0));
}

#[test]
fn after_a_failed_start_without_another_bid_the_job_waits_anew_and_has_used_one_attempt() {
    let mut job = leased(3);
    job.drop_bids(1);
    let later = CLOSE + 500;
    assert_eq!(job.on_lease_end(EndReason::NoStart, Atoms(3_600), PRICE, false, UnixTs(later)), Ok(Atoms::ZERO));
    assert_eq!((job.state, job.attempts_left, job.expires_at), (S::Waiting, 2, UnixTs(later + 86_400)));
    job.on_bid(true, 1, at(later + 5)).unwrap();
    assert_eq!((job.close_ts, job.extensions), (UnixTs(later + 17), 0));
}

#[test]
fn a_job_goes_on_after_a_provider_s_end_only_with_money_for_ten_more_minutes() {
    for (returned, goes_on) in [(600, true), (599, false)] {
        for reason in EndReason::ALL {
            let mut job = leased_and_ready(3);
            let back = job.on_lease_end(reason, Atoms(returned), PRICE, false, UnixTs(CLOSE)).unwrap();
            if goes_on && reason.is_retried() {
                assert_eq!((job.state, back, job.reserved), (S::Waiting, Atoms::ZERO, Atoms(returned)), "{reason:?}");
            } else {
                assert_eq!((job.state, back, job.reason), (S::Ended, Atoms(returned), reason), "{reason:?}");
            }
        }
    }
}
