//! R8: a challenge whose minute runs past the end of the funds asks for nothing; a top-up then made it one that was missed.

use gridlease_core::Atoms;
use gridlease_core::RuleError;
use gridlease_core::lease::LeaseState;

use crate::books::{T, at, running};

#[test]
fn r08_a_node_that_let_a_moot_challenge_be_is_not_down_because_money_came() {
    let end = T + 7_200;
    for topped_up in [end - 1, end, end + 49, end + 100] {
        let mut lease = running();
        lease.challenge(at(end - 59)).unwrap();
        let challenge_end = lease.challenge_end.0;

        // The first edition: the top-up moved the end of the funds behind the challenge's, which was then missed; at the latest
        // a second after it, and where the money came later than its end, at once.
        let left = (challenge_end + 1).saturating_sub(topped_up);
        assert!(left <= 60 && (topped_up < end + 2 || left == 0), "{left} s to answer");

        assert_eq!(lease.top_up(Atoms(3_600_000), at(topped_up)), Ok(true), "it is resolved, and the bond goes back");
        assert_eq!((lease.state, lease.challenge_end.0), (LeaseState::Running, 0));
        lease.settle(at(topped_up + 500)).unwrap();
        assert_eq!(lease.state, LeaseState::Running);
        assert_eq!(lease.answer(at(topped_up)), Err(RuleError::NoChallenge));
    }
    // One that must be answered stays.
    let mut lease = running();
    lease.challenge(at(T + 100)).unwrap();
    assert_eq!(lease.top_up(Atoms(1), at(T + 110)), Ok(false));
    assert_eq!(lease.challenge_end.0, T + 160);
}
