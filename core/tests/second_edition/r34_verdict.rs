//! R34. A verdict's slash must not be a way out for an operator that proves its own fault to itself.

use gridlease_core::delegation::Stake;
use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease, Ran};
use gridlease_core::verdict::{Verdict, takes_class, window_of};
use gridlease_core::{Atoms, RuleError, Seconds};

use super::books::{at, running};
use super::money::{Book, T, U};

#[test]
fn r34_who_runs_a_pool_and_proves_its_own_fault_to_itself_has_nothing_of_its_delegators() {
    let mut stake = Stake::default();
    stake.add(Atoms(100 * U), T).unwrap();
    stake.delegate(Atoms(400 * U)).unwrap();
    stake.pending = 0;
    stake.reserve(Atoms(500 * U)).unwrap();
    // A plain prover's share and compensation of the whole slash, as the first design had them.
    let naive = (500 * U / 10) + 90 * U;
    assert!(naive > 100 * U, "more than its own stake: 40 USDC of its delegators'");

    let operators_part = stake.operators_part_down(Atoms(500 * U), Atoms::ZERO).unwrap();
    let verdict =
        Verdict { slash: Atoms(500 * U), reservation: Atoms(500 * U), operators_part, charged: Atoms(90 * U) };
    let split = verdict.split().unwrap();
    assert_eq!((split.prover, split.victim, split.insurance), (Atoms(10 * U), Atoms(90 * U), Atoms(400 * U)));
    let prover = stake.claim(Atoms(500 * U), Atoms::ZERO, split.prover).unwrap();
    let victim = stake.claim(prover.left, prover.amount, split.victim).unwrap();
    let fault = stake.slash(victim.left, split.insurance).unwrap();
    assert_eq!(fault.left, Atoms::ZERO);
    let mut attacker = Book(0);
    attacker.gives(Atoms(100 * U));
    for shares in [prover.shares, victim.shares] {
        attacker.gets(stake.pay_claim(shares).unwrap());
    }
    assert!(attacker.0 <= 0, "its own stake at the most, a week later: {attacker:?}");
}

/// A verified lease that its node finished after a hundred seconds, and its buyer accepted at once.
fn verified() -> (Lease, u64) {
    let begun = super::books::T;
    let mut lease = Lease { verification: window_of(1), ..running() };
    lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, at(begun + 100)).unwrap();
    lease.accept(at(begun + 100)).unwrap();
    (lease, begun + 100)
}

#[test]
fn r34_stake_is_never_locked_by_a_verifier_that_is_silent_or_gone() {
    let (lease, ended) = verified();
    let window = 72 * 3_600;
    assert_eq!(lease.check_release(at(ended + window - 1)), Err(RuleError::ChallengeWindow));
    assert_eq!(lease.check_release(at(ended + window)), Ok(()), "anyone, verifier or none");
    let mut late = lease;
    let whole = Atoms(5 * U);
    assert_eq!(late.judge(Atoms(U), whole, whole, at(ended + window)), Err(RuleError::ChallengeWindow));
    assert_eq!(late, lease);
}

#[test]
fn r34_there_is_one_verdict_on_a_lease_that_is_over_and_it_frees_what_it_leaves() {
    let (lease, ended) = verified();
    let whole = Atoms(5 * U);
    for slash in [Atoms::ZERO, whole] {
        let mut judged = lease;
        let split = judged.judge(slash, whole, whole, at(ended + 1)).unwrap();
        assert_eq!(split.victim, lease.compensable().min(slash));
        assert_eq!(judged.compensable(), lease.compensable().sub(split.victim).unwrap(), "nothing is given back twice");
        assert_eq!(judged.check_release(at(ended + 1)), Ok(()));
        assert_eq!(judged.judge(whole, whole, whole, at(ended + 1)), Err(RuleError::ChallengeWindow));
    }
    let mut above = lease;
    assert_eq!(above.judge(Atoms(5 * U + 1), whole, whole, at(ended + 1)), Err(RuleError::SlashAboveReservation));
    let mut unverified = Lease { verification: window_of(0), ..lease };
    assert_eq!(unverified.judge(whole, whole, whole, at(ended + 1)), Err(RuleError::ChallengeWindow));
    let mut runs = Lease { verification: window_of(1), ..running() };
    assert_eq!(runs.judge(whole, whole, whole, at(ended)), Err(RuleError::WrongState));
}

#[test]
fn r34_nobody_binds_stake_for_a_verification_that_nobody_gives() {
    assert!(takes_class(0, false) && takes_class(5, true));
    assert!(!takes_class(1, false) && !takes_class(6, true));
}
