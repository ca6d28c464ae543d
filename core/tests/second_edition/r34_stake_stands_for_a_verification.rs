//! R34: stake that is free at the end of a lease cannot be slashed by a verdict that comes an hour later.

use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease, Ran};
use gridlease_core::limits::MAX_VERIFICATION;
use gridlease_core::{RuleError, Seconds, UnixTs};

use crate::books::{T, at, running};

#[test]
fn r34_acceptance_does_not_shorten_the_time_for_which_stake_stands() {
    for (verification, until) in [(0, 0), (3_600, 3_600), (10 * 86_400, MAX_VERIFICATION.0)] {
        let mut lease = Lease { verification: Seconds(verification), ..running() };
        lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(T + 100)).unwrap();
        lease.accept(at(T + 100)).unwrap();
        lease.settle(at(T + 100)).unwrap();
        // The first edition released it here.
        assert_eq!(lease.check_paid(), Ok(()));
        let free_from = T + 100 + until;
        if until > 0 {
            assert_eq!(lease.check_release(at(free_from - 1)), Err(RuleError::ChallengeWindow));
        }
        assert_eq!(lease.check_release(at(free_from)), Ok(()), "verifier or none");
        assert_eq!(lease.due(), UnixTs(free_from));
    }
}

#[test]
fn r34_a_start_that_failed_has_nothing_to_verify() {
    let mut lease = Lease { verification: Seconds(3_600), ..running() };
    lease.reject(gridlease_core::Atoms(1), at(T + 10)).unwrap();
    assert_eq!(lease.check_release(at(T + 10)), Ok(()));
}
