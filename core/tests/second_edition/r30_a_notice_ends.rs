//! R30: a notice was a way out that stood open for ever, and where the node's key was lost nobody could take it.

use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::{RuleError, Seconds};

use crate::books::{T, Won, at, running, won};

fn on_notice() -> Lease {
    let mut lease = Lease { notice: Seconds(120), ..running() };
    lease.give_notice(at(T + 1)).unwrap();
    lease
}

/// The first edition's meter ran to the end of the funds, whatever notice was given.
fn billed_in_the_first_edition(lease: &Lease) -> Won {
    won(lease.reserved)
}

#[test]
fn r30_nothing_is_billed_after_a_notice_is_over_and_anyone_can_close_the_lease() {
    let mut lease = on_notice();
    assert_eq!(billed_in_the_first_edition(&lease), 7_200_000, "two hours for a machine that left after two minutes");
    for ts in [T + 121, T + 7_200, T + 100_000] {
        assert_eq!(won(lease.gross(at(ts)).unwrap()), 121_000, "whenever it is looked at");
    }
    assert_eq!(lease.expire(at(T + 120)), Ok(None));
    assert!(lease.expire(at(T + 5_000)).unwrap().is_some(), "who calls needs no key");
    assert_eq!((lease.state, lease.reason), (LeaseState::Ended, EndReason::Notice));
    assert_eq!(won(lease.base), 121_000);
}

#[test]
fn r30_a_notice_is_no_exit_that_stands_open() {
    // In the first edition a node gave notice in its first second, ran on for a day, and left without a fault when it liked.
    let finish = |reason, ts| on_notice().finish(reason, Ran::WHOLE, Seconds::ZERO, at(ts));
    assert_eq!(finish(EndReason::Notice, T + 120), Err(RuleError::TooEarly));
    assert!(finish(EndReason::Notice, T + 121).is_ok());
    assert_eq!(finish(EndReason::Completed, T + 121), Err(RuleError::TooLate));
    let over = at(T + 121);
    assert_eq!(on_notice().top_up(gridlease_core::Atoms(1), over), Err(RuleError::TooLate));
    assert_eq!(on_notice().challenge(over), Err(RuleError::TooLate));
    assert_eq!(on_notice().due().0, T + 121);
}

#[test]
fn r30_a_node_that_is_down_cannot_leave_by_a_notice() {
    let mut down = Lease { notice: Seconds(120), ..running() };
    down.challenge(at(T + 1_000)).unwrap();
    down.resolve_challenge(at(T + 1_061)).unwrap();
    assert_eq!(down.give_notice(at(T + 1_100)), Err(RuleError::WrongState));
    // One that gave notice before is down until it is over, and that is credited; but ten minutes come first.
    let mut lease = Lease { notice: Seconds(3_600), ..running() };
    lease.give_notice(at(T + 10)).unwrap();
    lease.challenge(at(T + 1_000)).unwrap();
    lease.resolve_challenge(at(T + 1_061)).unwrap();
    assert!({ lease }.unreachable(at(T + 1_600)).is_ok());
    assert!(lease.unreachable(at(T + 50_000)).is_ok(), "however late somebody looks");
}
