//! Every deadline one second before, at, and one second after.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use gridlease_core::job::{EndReason, Job, Mode, Terms, check_care, notice_of, start_deadline};
use gridlease_core::lease::{Lease, LeaseState, Ran, Undone};
use gridlease_core::limits::{
    CHECKPOINT_BOUNDS, DEFAULT_WAIT, DEFAULT_WINDOW, MAX_DOWNTIME, MAX_EXTENSIONS, MAX_NOTICE, SPOT_NOTICE,
};
use gridlease_core::requirement::flags;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};

const T: u64 = 1_800_000_000;

fn at(ts: u64) -> Now {
    Now { slot: ts * 3, ts: UnixTs(ts) }
}

/// One atom a second, 1,000 seconds, to start by `T`.
fn lease() -> Lease {
    Lease::open(PricePerHour(3_600), Atoms(1_000), 400, Bps(0), at(T - 120), UnixTs(T))
}

/// The same, ready so that its runway ends at `T`.
fn ending() -> Lease {
    let mut lease = lease();
    lease.ready(at(T - 1_000)).unwrap();
    assert_eq!(lease.runway_end, UnixTs(T));
    lease
}

#[test]
fn ready_is_taken_up_to_the_start_deadline_and_not_after() {
    let results = [T - 1, T, T + 1].map(|ts| lease().ready(at(ts)));
    assert_eq!(results, [Ok(()), Ok(()), Err(RuleError::TooLate)]);
}

#[test]
fn anybody_can_fail_a_lease_only_after_the_start_deadline() {
    let results = [T - 1, T, T + 1].map(|ts| lease().fail_start(false, at(ts)));
    assert_eq!(results, [Err(RuleError::TooEarly), Err(RuleError::TooEarly), Ok(Atoms(1_000))]);
    let given_up = [T - 1, T, T + 1].map(|ts| lease().fail_start(true, at(ts)));
    assert_eq!(given_up, [Ok(Atoms(1_000)); 3]);
}

#[test]
fn at_every_second_a_starting_lease_can_become_ready_or_be_failed_but_not_both() {
    for ts in T - 3..T + 3 {
        assert_ne!(lease().ready(at(ts)).is_ok(), lease().fail_start(false, at(ts)).is_ok(), "{ts}");
    }
}

#[test]
fn the_grace_period_begins_at_the_end_of_the_runway() {
    let mut seen = Vec::new();
    for ts in [T - 1, T, T + 1] {
        let mut lease = ending();
        let payment = lease.settle(at(ts)).unwrap();
        seen.push((payment.net.0, lease.state, lease.grace_end.0));
    }
    let grace = (1_000, LeaseState::Grace, T + 600);
    assert_eq!(seen, [(999, LeaseState::Running, 0), grace, grace]);
}

#[test]
fn a_node_may_say_out_of_funds_from_the_end_of_the_runway_on() {
    let results = [T - 1, T, T + 1].map(|ts| ending().finish(EndReason::OutOfFunds, Ran::WHOLE, Seconds::ZERO, at(ts)));
    assert_eq!(results, [Err(RuleError::TooEarly), Ok(Atoms::ZERO), Ok(Atoms::ZERO)]);
}

/// The same, and somebody has seen that its funds are used up.
fn in_grace() -> Lease {
    let mut lease = ending();
    lease.expire(at(T)).unwrap();
    lease
}

#[test]
fn a_top_up_resumes_up_to_the_end_of_grace_and_not_after() {
    let end = T + 600;
    let results = [end - 1, end, end + 1].map(|ts| in_grace().top_up(Atoms(60), at(ts)));
    assert_eq!(results, [Ok(false), Ok(false), Err(RuleError::TooLate)]);
    let mut resumed = ending();
    resumed.top_up(Atoms(60), at(end)).unwrap();
    assert_eq!(
        (resumed.state, resumed.runway_end, resumed.grace_end),
        (LeaseState::Running, UnixTs(end + 60), UnixTs(0))
    );
    assert_eq!(resumed.gross(at(end)), Ok(Atoms(1_000)), "the grace period is not billed");
    assert_eq!(resumed.gross(at(end + 60)), Ok(Atoms(1_060)));
}

#[test]
fn a_lease_expires_after_the_end_of_grace_and_not_at_it() {
    let end = T + 600;
    let results = [T - 1, T, end - 1, end, end + 1].map(|ts| {
        let mut lease = in_grace();
        (lease.expire(at(ts)), lease.state)
    });
    let nothing = (Ok(None), LeaseState::Grace);
    let over = (Ok(Some(Atoms::ZERO)), LeaseState::Ended);
    assert_eq!(results, [nothing, nothing, nothing, nothing, over]);
}

#[test]
fn r14_a_grace_period_that_nobody_saw_begin_ends_a_minute_after_it_was_first_seen_over() {
    let seen = T + 601;
    let mut lease = ending();
    assert_eq!((lease.expire(at(seen)), lease.state), (Ok(Some(Atoms::ZERO)), LeaseState::Grace));
    for (ts, state) in [(seen + 60, LeaseState::Grace), (seen + 61, LeaseState::Ended)] {
        let (mut waited, mut topped_up) = (lease, lease);
        waited.expire(at(ts)).unwrap();
        assert_eq!(
            (waited.state, topped_up.top_up(Atoms(60), at(ts)).is_ok()),
            (state, state == LeaseState::Grace),
            "{ts}"
        );
    }
}

#[test]
fn at_every_second_of_grace_a_lease_can_be_topped_up_or_expires_but_not_both() {
    for ts in T + 597..T + 604 {
        let mut expiring = in_grace();
        expiring.expire(at(ts)).unwrap();
        assert_ne!(in_grace().top_up(Atoms(60), at(ts)).is_ok(), expiring.state == LeaseState::Ended, "{ts}");
    }
}

#[test]
fn a_top_up_in_grace_pays_for_a_minute_at_least() {
    let results = [59, 60].map(|atoms| ending().top_up(Atoms(atoms), at(T + 100)));
    assert_eq!(results, [Err(RuleError::TopUpTooSmall), Ok(false)]);
    assert_eq!(ending().top_up(Atoms(1), at(T - 1)), Ok(false), "before the grace period every atom is welcome");
}

#[test]
fn a_buyer_that_stops_is_charged_a_minute_and_not_a_second_more() {
    let charged = [0, 1, 59, 60, 61].map(|seconds| {
        let mut lease = lease();
        lease.ready(at(T)).unwrap();
        lease.stop(at(T + seconds)).unwrap();
        lease.base.0
    });
    assert_eq!(charged, [60, 60, 60, 60, 61]);
    for reason in [EndReason::Completed, EndReason::Abandoned] {
        let mut ended = lease();
        ended.ready(at(T)).unwrap();
        assert_eq!(
            ended.finish(reason, Ran::WHOLE, Seconds::ZERO, at(T + 59)),
            Ok(Atoms(941)),
            "a node is paid for what ran"
        );
    }
}

/// Issue 9, row 11: the message that a container has ended came 47 seconds late, and those seconds were billed.
#[test]
fn issue9_11_a_finish_that_comes_late_is_billed_to_the_containers_end() {
    let back_of = |ran: Ran, ts: u64| {
        let mut lease = lease();
        lease.ready(at(T)).unwrap();
        let back = lease.finish(EndReason::Completed, ran, Seconds::ZERO, at(ts)).unwrap();
        (lease.base.0, back.0)
    };
    let ended = |ts: u64| Ran { until: UnixTs(ts), ..Ran::WHOLE };
    assert_eq!(back_of(Ran::WHOLE, T + 67), (67, 933), "what a node does not say is billed");
    assert_eq!(back_of(ended(T + 20), T + 67), (20, 980));
    assert_eq!(back_of(ended(T + 67), T + 67), (67, 933));
    assert_eq!(back_of(ended(T + 68), T + 67), (67, 933), "nobody runs in the future");
    assert_eq!(back_of(ended(T - 1), T + 67), (0, 1_000), "nor before ready");
    let paused = Ran { until: UnixTs(T + 80), stood: Seconds(60) };
    assert_eq!(back_of(paused, T + 85), (20, 980), "sixty seconds paused from outside are not sold");
    assert_eq!(back_of(Ran { until: UnixTs::ZERO, stood: Seconds(60) }, T + 80), (20, 980));
}

/// The message can even come after the end of the money: the meter ran to there, the container had not.
#[test]
fn issue9_11_a_finish_in_grace_is_billed_to_the_containers_end() {
    for noticed in [false, true] {
        let mut lease = ending();
        if noticed {
            lease.expire(at(T + 30)).unwrap();
        }
        let ran = Ran { until: UnixTs(T - 100), ..Ran::WHOLE };
        assert_eq!(
            lease.finish(EndReason::Completed, ran, Seconds::ZERO, at(T + 40)),
            Ok(Atoms(100)),
            "noticed: {noticed}"
        );
        assert_eq!(lease.base, Atoms(900));
    }
}

#[test]
fn issue9_11_what_was_paid_stays_paid_when_a_container_ended_before() {
    let mut lease = lease();
    lease.ready(at(T)).unwrap();
    let paid = lease.settle(at(T + 200)).unwrap();
    let ran = Ran { until: UnixTs(T + 20), ..Ran::WHOLE };
    assert_eq!(lease.finish(EndReason::Completed, ran, Seconds::ZERO, at(T + 210)), Ok(Atoms(800)));
    assert_eq!(lease.base, paid.net.add(paid.fee).unwrap());
}

/// Issue 9, row 10: a job that outgrew its disk was "completed".
#[test]
fn issue9_10_a_node_may_say_disk_full_and_the_job_ends_with_it() {
    let mut lease = lease();
    lease.ready(at(T)).unwrap();
    assert_eq!(lease.finish(EndReason::DiskFull, Ran::WHOLE, Seconds::ZERO, at(T + 59)), Ok(Atoms(941)));
    assert_eq!((lease.reason, lease.reason.name()), (EndReason::DiskFull, "disk full"));
    assert!(!lease.reason.is_retried(), "another provider's disk is not larger");
}

#[test]
fn a_stop_before_ready_costs_a_minute_until_the_start_deadline_and_nothing_after_it() {
    let deadline = lease().start_deadline.0;
    let backs = [deadline - 1, deadline, deadline + 1].map(|ts| lease().stop(at(ts)).unwrap().0);
    assert_eq!(backs, [940, 940, 1_000]);
}

#[test]
fn a_start_is_rejected_and_nothing_paid_in_the_first_ninety_seconds() {
    let seen = [89, 90, 91].map(|seconds| {
        let mut running = lease();
        running.ready(at(T)).unwrap();
        let (mut rejected, now) = (running, at(T + seconds));
        (rejected.reject(Atoms(60), now), running.settle(now).unwrap().net.0)
    });
    let late = Err(RuleError::TooLate);
    let undone = Undone { back: Atoms(1_000 - 89), buyer: Atoms(89), provider: Atoms(60) };
    assert_eq!(seen, [(Ok(undone), 0), (late, 90), (late, 91)]);
}

#[test]
fn the_least_charge_is_never_above_the_reservation() {
    let mut lease = Lease::open(PricePerHour(3_600), Atoms(30), 400, Bps(0), at(T - 120), UnixTs(T));
    lease.ready(at(T)).unwrap();
    assert_eq!(lease.stop(at(T + 10)), Ok(Atoms::ZERO));
    assert_eq!(lease.settle(at(T + 10)).unwrap().net, Atoms(30));
}

fn job(window: Seconds) -> Job {
    let terms = Terms {
        max_price: PricePerHour(3_600),
        max_duration: Seconds(3_600),
        window,
        attempts: 1,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    let mut job = Job::post(terms, at(T)).unwrap();
    job.on_bid(true, 1, at(T)).unwrap();
    job
}

#[test]
fn bids_end_and_awards_begin_in_the_same_second() {
    let close = T + DEFAULT_WINDOW.0;
    for (ts, bid, award) in [
        (close - 1, Ok(()), Err(RuleError::WindowOpen)),
        (close, Err(RuleError::WindowClosed), Ok(())),
        (close + 1, Err(RuleError::WindowClosed), Ok(())),
    ] {
        let job = job(DEFAULT_WINDOW);
        assert_eq!(job.check_bid(PricePerHour(1), UnixTs(ts)), bid, "{ts}");
        assert_eq!(job.check_award(at(ts)), award, "{ts}");
    }
}

#[test]
fn a_bid_is_taken_up_to_the_most_that_the_job_pays_and_not_an_atom_above() {
    let job = job(DEFAULT_WINDOW);
    let results = [0, 1, 3_600, 3_601].map(|price| job.check_bid(PricePerHour(price), UnixTs(T)));
    assert_eq!(results, [Err(RuleError::PriceOutOfBounds), Ok(()), Ok(()), Err(RuleError::BidAboveMax)]);
}

#[test]
fn a_lead_in_the_last_three_seconds_extends_the_window_by_three() {
    let close = T + DEFAULT_WINDOW.0;
    let ends = [close - 4, close - 3, close - 2, close - 1].map(|ts| {
        let mut job = job(DEFAULT_WINDOW);
        job.on_bid(true, 2, at(ts)).unwrap();
        job.close_ts.0 - close
    });
    assert_eq!(ends, [0, 3, 3, 3]);
}

#[test]
fn a_window_is_extended_three_times_at_most() {
    let mut job = job(DEFAULT_WINDOW);
    for extension in 1..=5u64 {
        job.on_bid(true, 2, at(job.close_ts.0 - 1)).unwrap();
        assert_eq!(job.close_ts.0, T + DEFAULT_WINDOW.0 + 3 * extension.min(3));
    }
    assert_eq!(job.extensions, MAX_EXTENSIONS);
}

#[test]
fn terms_at_their_bounds_are_taken_and_one_beyond_refused() {
    let good = Terms {
        max_price: PricePerHour(1),
        max_duration: Seconds(60),
        window: Seconds(6),
        attempts: 1,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    let most = Terms {
        max_price: PricePerHour(100_000_000_000),
        max_duration: Seconds(2_592_000),
        window: Seconds(3_600),
        attempts: 8,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    assert_eq!((good.check(), most.check()), (Ok(()), Ok(())));
    let duration = RuleError::DurationOutOfBounds;
    for (terms, error) in [
        (Terms { max_price: PricePerHour(0), ..good }, RuleError::PriceOutOfBounds),
        (Terms { max_price: PricePerHour(100_000_000_001), ..most }, RuleError::PriceOutOfBounds),
        (Terms { max_duration: Seconds(59), ..good }, duration),
        (Terms { max_duration: Seconds(2_592_001), ..most }, duration),
        (Terms { window: Seconds(5), ..good }, duration),
        (Terms { window: Seconds(3_601), ..most }, duration),
        (Terms { attempts: 0, ..good }, RuleError::AttemptsOutOfBounds),
        (Terms { attempts: 9, ..most }, RuleError::AttemptsOutOfBounds),
    ] {
        assert_eq!(terms.check(), Err(error), "{terms:?}");
    }
}

#[test]
fn every_gigabyte_begun_gives_twenty_seconds_up_to_fifteen_minutes() {
    for (image_mb, allowed) in [
        (0, 120),
        (1, 140),
        (999, 140),
        (1_000, 140),
        (1_001, 160),
        (38_000, 880),
        (38_001, 900),
        (39_001, 900),
        (u32::MAX, 900),
    ] {
        assert_eq!(start_deadline(UnixTs(T), image_mb), Ok(UnixTs(T + allowed)), "{image_mb} MB");
    }
    assert_eq!(start_deadline(UnixTs(u64::MAX - 119), 0), Err(RuleError::Overflow));
}

#[test]
fn notice_and_checkpoints_are_taken_to_the_second_of_their_bounds_and_zero_is_none() {
    let (least, most) = CHECKPOINT_BOUNDS;
    let wrong = Err(RuleError::DurationOutOfBounds);
    for (notice, checkpoint, taken) in [
        (0, 0, Ok(())),
        (MAX_NOTICE.0, least.0, Ok(())),
        (MAX_NOTICE.0 + 1, 0, wrong),
        (0, 1, wrong),
        (0, least.0 - 1, wrong),
        (0, most.0, Ok(())),
        (0, most.0 + 1, wrong),
    ] {
        assert_eq!(check_care(Seconds(notice), Seconds(checkpoint)), taken, "{notice} {checkpoint}");
    }
}

#[test]
fn a_spot_offer_leaves_after_two_minutes_whatever_was_agreed() {
    for agreed in [0, 60, 600].map(Seconds) {
        assert_eq!(notice_of(flags::SPOT | flags::EGRESS, agreed), SPOT_NOTICE);
        assert_eq!(notice_of(flags::EGRESS, agreed), agreed);
    }
}

#[test]
fn the_next_to_do_for_a_lease_that_is_down_is_to_end_it_when_it_was_down_too_long() {
    let mut lease = ending();
    lease.state = LeaseState::Paused;
    lease.down_since = UnixTs(T - 500);
    assert_eq!(lease.due(), UnixTs(T - 500 + MAX_DOWNTIME.0));
    lease.down_since = UnixTs(u64::MAX);
    assert_eq!(lease.due(), UnixTs(u64::MAX), "a clock at its end is no reason to fail");
}
