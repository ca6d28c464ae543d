//! R13. A market taken off the slasher list can end none of its leases by a fault; an insurance account that two programs name
//! differently blocks the same paths; and a change that was proposed lies in wait until it is forgotten.

use gridlease_core::governance::{check_execute, stands};
use gridlease_core::timelock::{Act, check_due, executable_from, may, slasher_from};
use gridlease_core::{RuleError, UnixTs};

use super::money::{DAY, T, after};

/// The first edition: only a program that is named slashes; what is named no more can only release.
fn first_check(act: Act, listed: bool, own: bool) -> bool {
    match act {
        Act::Slash | Act::Claim => listed && own,
        Act::Release => own,
        Act::Reserve | Act::Extend => listed,
    }
}

#[test]
fn r13_the_leases_of_a_program_that_is_named_no_more_all_come_to_an_end() {
    let blocked = [Act::Slash, Act::Claim, Act::Release].map(|act| !first_check(act, false, true));
    assert_eq!(blocked, [true, true, false], "faults and credits, and with those the end of their leases");
    for act in [Act::Slash, Act::Claim, Act::Release] {
        assert!(may(act, false, true), "{act:?}");
    }
    // It binds nothing new, and nobody finishes what another bound.
    assert!(!may(Act::Reserve, false, true) && !may(Act::Slash, true, false));
}

#[test]
fn r13_a_proposal_that_nobody_executed_in_two_weeks_has_lapsed() {
    for (proposed, wait) in [(executable_from(T).unwrap(), 2 * DAY), (slasher_from(T).unwrap(), 9 * DAY)] {
        assert_eq!(proposed, after(wait));
        let year = after(365 * DAY);
        assert_eq!(check_due(proposed, year), Ok(()), "the first edition's: executed a year later");
        assert_eq!(check_execute(proposed, year), Err(RuleError::TooLate));
        let last = UnixTs(proposed.0 + 14 * DAY - 1);
        assert_eq!((check_execute(proposed, last), stands(proposed, last)), (Ok(()), true));
        assert_eq!(check_execute(proposed, UnixTs(last.0 + 1)), Err(RuleError::TooLate));
        assert_eq!(check_execute(proposed, UnixTs(proposed.0 - 1)), Err(RuleError::TooEarly));
    }
}
