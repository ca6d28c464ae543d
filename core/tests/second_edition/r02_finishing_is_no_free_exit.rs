//! R2: a node that leaves early, or is down, says that the work is done.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::{Atoms, RuleError, Seconds, UnixTs};

use crate::books::{PRICE, T, Won, at, job, running, won};

/// An hour's work, checkpoints every ten minutes, the last one at 50 minutes.
fn durable() -> Lease {
    let mut lease = Lease { checkpoint_every: Seconds(600), ..running() };
    for number in 1..=5 {
        lease.checkpoint(number, number - 1, at(T + 600 * u64::from(number))).unwrap();
    }
    lease
}

/// The first edition: "completed" ended a lease in any of its states, paid to this moment, and nobody could say otherwise.
fn finished_in_the_first_edition(lease: &Lease, now: u64) -> Won {
    won(lease.gross(at(now)).unwrap())
}

#[test]
fn r02_a_node_that_says_completed_is_paid_to_its_last_checkpoint_where_the_buyer_reopens() {
    let left = T + 3_540; // nine minutes after its last checkpoint, with nothing to show for them
    let before = finished_in_the_first_edition(&durable(), left);
    let (attacker_before, victim_before) = (before - 3_000_000, -(before - 3_000_000));
    assert_eq!((attacker_before, victim_before), (540_000, -540_000), "paid for work that the buyer never got");

    let mut lease = durable();
    let mut job = job();
    job.on_bid(true, 1, at(T)).unwrap();
    let handed = job.award(PRICE, at(T + 12)).unwrap();
    assert_eq!(handed, lease.reserved);
    job.on_ready().unwrap();
    let back = lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(left)).unwrap();
    job.on_finished(back).unwrap();
    assert_eq!(lease.payable(at(left)).unwrap().net, Atoms(3_000_000), "the last minutes wait for the buyer's word");
    let more = lease.reopen(at(left + 600)).unwrap();
    assert_eq!(job.on_lease_end(lease.reason, more, PRICE, false, UnixTs(left + 600)), Ok(Atoms::ZERO));
    assert_eq!(job.state, JobState::Waiting, "it goes on with all the money that is left");
    assert_eq!(job.reserved, Atoms(7_200_000 - 3_000_000));
    let attacker = won(lease.settle(at(left + 600)).unwrap().net) - 3_000_000;
    assert_eq!(attacker, 0);
}

#[test]
fn r02_a_node_that_is_down_or_asked_to_show_itself_cannot_say_completed() {
    let mut asked = running();
    asked.challenge(at(T + 3_000)).unwrap();
    let mut down = asked;
    down.resolve_challenge(at(T + 3_061)).unwrap();
    assert_eq!(down.state, LeaseState::Paused);
    // In the first edition it was paid for 3,000 s, without the abandonment's tenth of its stake.
    assert_eq!(finished_in_the_first_edition(&down, T + 3_100), 3_000_000);
    let finish = |mut lease: Lease, now| lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(now));
    assert_eq!(finish(asked, T + 3_010), Err(RuleError::ChallengeOpen));
    assert_eq!(finish(down, T + 3_100), Err(RuleError::WrongState));
    // Who answers may: a challenge cannot keep an honest node from finishing.
    asked.answer(at(T + 3_010)).unwrap();
    assert!(finish(asked, T + 3_010).is_ok());
}

#[test]
fn r02_a_buyer_that_says_nothing_has_accepted_when_its_time_is_over() {
    for (ran, review) in [(10, 60), (300, 300), (3_600, 600)] {
        let mut lease = running();
        lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(T + ran)).unwrap();
        assert_eq!(lease.review_end, UnixTs(T + ran + review));
        assert_eq!(lease.expire(at(T + ran + review)), Ok(None));
        assert_eq!(lease.reopen(at(T + ran + review + 1)), Err(RuleError::TooLate));
        lease.expire(at(T + ran + review + 1)).unwrap();
        assert_eq!((lease.state, lease.reason), (LeaseState::Ended, EndReason::Completed));
    }
}
