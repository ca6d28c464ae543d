//! R34. A verdict's slash must not be a way out for an operator that proves its own fault to itself.

use gridlease_core::delegation::Stake;
use gridlease_core::verdict::{Verdict, Window};
use gridlease_core::{Atoms, RuleError, Seconds};

use super::money::{Book, DAY, T, U, after};

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
    assert_eq!((split.prover, split.victim, split.insurance), (Atoms(50 * U), Atoms(50 * U), Atoms(400 * U)));
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

#[test]
fn r34_stake_is_never_locked_by_a_verifier_that_is_silent_or_gone() {
    let window = Window::open(T, Seconds(3 * DAY)).unwrap();
    assert_eq!(window.check_release(after(3 * DAY - 1)), Err(RuleError::ChallengeWindow));
    assert_eq!(window.check_release(after(3 * DAY)), Ok(()));
}
