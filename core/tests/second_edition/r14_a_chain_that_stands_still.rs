//! R14: the chain stands still for two hours, and its clock goes on. At the first slot after it, every deadline is past.

use gridlease_core::deadline::{Deadline, passed, reached, stands};
use gridlease_core::eligibility::Refusal;
use gridlease_core::job::{EndReason, Mode, Terms};
use gridlease_core::lease::{Challenge, Lease, LeaseState, Ran};
use gridlease_core::limits::{DEFAULT_WAIT, HALT_TIME, RECENT};
use gridlease_core::sealed::{Fate, fate};
use gridlease_core::{Now, RuleError, Seconds, UnixTs};
use proptest::prelude::*;

use crate::books::{DURATION, PRICE, T, at, lease, running};

/// Two hours in which not a slot is made, from `ts` on; then slots of 400 ms again, `after` seconds of them.
fn after_the_halt(ts: u64, after: u64) -> Now {
    Now { slot: at(ts).slot + after * 5 / 2, ts: UnixTs(ts + 7_200 + after) }
}

/// The first edition's rule for each of these: the clock is past it.
fn late_in_the_first_edition(deadline: UnixTs, now: Now) -> bool {
    now.ts > deadline
}

#[test]
fn r14_a_start_and_a_challenge_keep_the_time_that_the_chain_stood() {
    let start = lease();
    let now = after_the_halt(T + 30, 1);
    assert!(late_in_the_first_edition(start.start_deadline, now), "a hundredth of the stake, a third of the standing");
    assert_eq!({ start }.fail_start(false, now), Err(RuleError::TooEarly));
    assert_eq!({ start }.ready(now), Ok(()));
    assert!(
        { start }.fail_start(false, after_the_halt(T + 30, 100)).is_ok(),
        "a start that never comes ends all the same"
    );

    let mut asked = running();
    asked.challenge(at(T + 1_000)).unwrap();
    let now = after_the_halt(T + 1_005, 1);
    assert!(
        late_in_the_first_edition(asked.challenge_end, now),
        "downtime since the challenge, two hours credited twice"
    );
    assert_eq!({ asked }.resolve_challenge(now), Ok(None));
    assert_eq!({ asked }.answer(now), Ok(()));
    let silent = after_the_halt(T + 1_005, 60);
    assert_eq!(asked.resolve_challenge(silent), Ok(Some(Challenge::Missed)));
    // Ten minutes of downtime are ten minutes in which slots were made, too.
    assert_eq!(asked.unreachable(silent), Err(RuleError::TooEarly));
    assert!(asked.unreachable(after_the_halt(T + 1_005, 300)).is_ok());
}

#[test]
fn r14_a_buyer_keeps_its_time_to_top_up_and_to_reopen() {
    let mut lease = running();
    let first = after_the_halt(T + 7_100, 1);
    assert!(late_in_the_first_edition(UnixTs(T + 7_200 + 600), first), "ended: nobody noticed the grace period");
    lease.expire(first).unwrap();
    assert_eq!(lease.state, LeaseState::Grace);
    assert_eq!({ lease }.expire(after_the_halt(T + 7_100, 60)), Ok(None));
    assert!({ lease }.expire(after_the_halt(T + 7_100, 62)).unwrap().is_some());

    let mut done = running();
    done.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(T + 300)).unwrap();
    let now = after_the_halt(T + 310, 1);
    assert!(late_in_the_first_edition(done.review_end, now));
    assert_eq!({ done }.expire(now), Ok(None));
    assert!(done.reopen(now).is_ok());
}

#[test]
fn r14_a_review_of_hours_ends_a_minute_after_it_was_first_seen_over() {
    let mut done = running();
    done.finish(EndReason::Completed, Ran::WHOLE, Seconds(36_000), at(T + 300)).unwrap();
    let seen = at(T + 300 + 36_001);
    assert!(done.expire(seen).unwrap().is_some(), "the moment is recorded");
    assert_eq!(done.state, LeaseState::Finished);
    assert!({ done }.reopen(at(seen.ts.0 + 59)).is_ok());
    done.expire(at(seen.ts.0 + 60)).unwrap();
    assert_eq!(done.state, LeaseState::Ended);
}

#[test]
fn r14_a_sealed_bid_keeps_its_time_to_be_revealed() {
    let terms = Terms {
        max_price: PRICE,
        max_duration: DURATION,
        window: Seconds(20),
        attempts: 3,
        mode: Mode::Sealed,
        reveal: Seconds(60),
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    let mut job = gridlease_core::job::Job::post(terms, at(T)).unwrap();
    job.on_commit(at(T)).unwrap();
    let now = after_the_halt(T + 15, 1);
    assert!(late_in_the_first_edition(job.reveal_end, now), "the bond of a bid that nobody could reveal");
    let fate_at = |now| fate(job.reveal_end, Some((&job, UnixTs::ZERO)), now);
    assert_eq!((fate_at(now), job.check_award(now)), (Fate::Reveal, Err(RuleError::RevealOpen)));
    let later = after_the_halt(T + 15, 60);
    assert_eq!((fate_at(later), job.check_award(later)), (Fate::Forfeit, Ok(())));
}

#[test]
fn r14_an_offer_that_expired_is_nobody_s_fault() {
    assert!(!Refusal::NotLive.own_doing(true));
    assert!(Refusal::Withdrawn.own_doing(false));
}

#[test]
fn r14_a_long_revealing_is_over_a_minute_after_it_was_first_seen_over() {
    let mut job = crate::books::job();
    job.terms.mode = Mode::Sealed;
    job.terms.window = Seconds(3_600);
    job.terms.reveal = Seconds(3_600);
    job.on_commit(at(T)).unwrap();
    let end = job.reveal_end.0;
    assert!(!job.see_reveal_end(at(end - 1)));
    assert!(job.see_reveal_end(at(end)), "the first call records the moment");
    assert!(!job.see_reveal_end(at(end + 1)));
    assert_eq!(job.check_award(at(end + 59)), Err(RuleError::RevealOpen));
    assert_eq!(job.check_award(at(end + 60)), Ok(()));
}

proptest! {
    #[test]
    fn r14_a_deadline_never_passes_before_its_seconds_and_as_many_slots(
        length in 0u64..2_000, mark in 0u64..1_000, slots in 0u64..3_000, seconds in 0u64..4_000,
    ) {
        let mark = Now { slot: mark, ts: UnixTs(T + mark) };
        let deadline = UnixTs(T + length);
        let now = Now { slot: mark.slot + slots, ts: UnixTs(mark.ts.0 + seconds) };
        let left = deadline.since(mark.ts);
        match stands(deadline, mark, now) {
            Deadline::Open => {}
            Deadline::Seen => prop_assert!(left > RECENT && now.ts > deadline),
            Deadline::Passed => {
                prop_assert!(now.ts > deadline && seconds >= left.0 && slots >= left.0);
                prop_assert!(mark.ts <= deadline || seconds >= HALT_TIME.0 && slots >= HALT_TIME.0);
            }
        }
        prop_assert_eq!(passed(deadline, mark, now), reached(UnixTs(deadline.0 + 1), mark, now));
    }

    #[test]
    fn r14_on_a_chain_that_runs_a_deadline_passes_in_the_second_after_it(length in 60u64..900, ms in 200u64..=900) {
        let mark = Now { slot: 7, ts: UnixTs(T) };
        let at = |seconds: u64| Now { slot: 7 + (seconds * 1_000).div_ceil(ms), ts: UnixTs(T + seconds) };
        let deadline = UnixTs(T + length);
        prop_assert_eq!((passed(deadline, mark, at(length)), passed(deadline, mark, at(length + 1))), (false, true));
    }
}

#[test]
fn r14_a_lease_that_is_stopped_right_after_the_halt_was_not_down() {
    let mut asked: Lease = running();
    asked.challenge(at(T + 1_000)).unwrap();
    let now = after_the_halt(T + 1_005, 1);
    asked.stop(now).unwrap();
    assert_eq!(asked.resolve_challenge(now), Ok(Some(Challenge::Moot)));
}
