//! R31: twenty jobs and one machine: nineteen burn their attempts in windows without a bidder, and end.

use gridlease_core::job::{EndReason, Job, JobState};
use gridlease_core::{Atoms, PricePerHour, RuleError, UnixTs};

use crate::books::{PRICE, T, at, job};

/// The first edition: a window without a winner cost an attempt, and a job with none left ended.
fn alive_in_the_first_edition(attempts: u64, window: u64, waited: u64) -> bool {
    waited < attempts * window
}

#[test]
fn r31_twenty_jobs_on_one_machine_are_done_one_after_the_other() {
    let hour = 3_600;
    let served = (0..20u64).filter(|turn| alive_in_the_first_edition(3, 12, turn * hour)).count();
    assert_eq!(served, 1, "nineteen of twenty ended for want of bids, within a minute");

    let mut jobs: Vec<Job> = (0..20).map(|_| job()).collect();
    for (turn, job) in jobs.iter_mut().enumerate() {
        let now = T + turn as u64 * hour;
        assert_eq!(job.state, JobState::Waiting);
        assert_eq!(job.check_bid(PRICE, UnixTs(now)), Ok(()));
        job.on_bid(true, 1, at(now)).unwrap();
        job.award(PRICE, at(now + 12)).unwrap();
        assert_eq!(job.attempts_left, 3);
    }
}

#[test]
fn r31_an_award_that_finds_nobody_uses_no_attempt_and_has_no_clock() {
    let mut job = job();
    for round in 0..100 {
        let now = T + round * 60;
        job.on_bid(true, 8, at(now)).unwrap();
        assert_eq!(job.check_award(at(now + 11)), Err(RuleError::WindowOpen));
        job.unawarded(at(now + 12)).unwrap();
        assert_eq!((job.state, job.attempts_left, job.bids), (JobState::Waiting, 3, 0));
        assert_eq!(job.check_award(at(now + 12)), Err(RuleError::WrongState), "nothing to crank");
    }
}

#[test]
fn r31_no_window_opens_that_would_end_after_the_wait_and_then_anyone_ends_the_job() {
    let mut job = job();
    let end = T + 86_400;
    assert_eq!(job.check_bid(PricePerHour(1), UnixTs(end - 12)), Ok(()));
    assert_eq!(job.check_bid(PricePerHour(1), UnixTs(end - 11)), Err(RuleError::WaitOver));
    let mut bid_late = job;
    bid_late.on_bid(true, 1, at(end - 12)).unwrap();
    bid_late.on_bid(true, 2, at(end - 1)).unwrap();
    assert_eq!(bid_late.close_ts, UnixTs(end), "nothing extends it past that, either");
    assert_eq!(job.expire(UnixTs(end - 1)), Err(RuleError::TooEarly));
    assert_eq!(job.expire(UnixTs(end)), Ok(Atoms(7_200_000)));
    assert_eq!((job.state, job.reason), (JobState::Ended, EndReason::NoBids));
}
