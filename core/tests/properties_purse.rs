//! Purses under any sequence of steps: balance = free + reserved + fees, and a refusal changes nothing.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{amount, any_u64};
use gridlease_core::purse::{Purse, Swept};
use gridlease_core::{Atoms, RuleError, invariant};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Deposit(Atoms),
    Withdraw(Atoms),
    Reserve(Atoms),
    Release(Atoms),
    Pay(Atoms, Atoms),
    Forfeit(Atoms),
    Sweep,
}

fn step(amount: impl Strategy<Value = Atoms> + Clone) -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => amount.clone().prop_map(Step::Deposit),
        2 => amount.clone().prop_map(Step::Withdraw),
        3 => amount.clone().prop_map(Step::Reserve),
        2 => amount.clone().prop_map(Step::Release),
        3 => (amount.clone(), amount.clone()).prop_map(|(net, fee)| Step::Pay(net, fee)),
        2 => amount.prop_map(Step::Forfeit),
        1 => Just(Step::Sweep),
    ]
}

/// Applies a step; returns what came into the vault and what left it.
fn apply(purse: &mut Purse, step: Step) -> Result<(Atoms, Atoms), RuleError> {
    let none = Atoms::ZERO;
    match step {
        Step::Deposit(amount) => purse.deposit(amount).map(|()| (amount, none)),
        Step::Withdraw(amount) => purse.withdraw(amount).map(|()| (none, amount)),
        Step::Reserve(amount) => purse.reserve(amount).map(|()| (none, none)),
        Step::Release(amount) => purse.release(amount).map(|()| (none, none)),
        Step::Pay(net, fee) => purse.pay(net, fee).map(|()| (none, net)),
        Step::Forfeit(amount) => purse.forfeit(amount).map(|()| (none, none)),
        Step::Sweep => purse.sweep_fees().map(|swept| (none, swept.fees.add(swept.forfeits).unwrap())),
    }
}

fn walk(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut purse, mut vault) = (Purse::default(), Atoms::ZERO);
    for step in steps {
        let before = purse;
        match apply(&mut purse, step) {
            Err(_) => prop_assert_eq!(purse, before),
            Ok((came, left)) => vault = vault.add(came).unwrap().sub(left).unwrap(),
        }
        prop_assert_eq!(vault, purse.balance);
        prop_assert_eq!(invariant::purse(&purse, vault), Ok(()));
        let whole = purse.free().unwrap().add(purse.reserved).unwrap().add(purse.fees_owed).unwrap();
        let whole = whole.add(purse.forfeits_owed).unwrap();
        prop_assert_eq!(whole, purse.balance);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn balance_is_free_and_reserved_and_fees_after_every_step(steps in prop::collection::vec(step(amount().boxed()), 1..80)) {
        walk(steps)?;
    }

    #[test]
    fn amounts_up_to_the_end_of_the_type_never_break_it(
        steps in prop::collection::vec(step(any_u64().prop_map(Atoms).boxed()), 1..80),
    ) {
        walk(steps)?;
    }

    #[test]
    fn nothing_reserved_or_owed_can_be_withdrawn(
        deposit in 3u64..u64::MAX, parts in (any::<u64>(), any::<u64>()), more in 1u64..1_000,
    ) {
        let reserved = parts.0 % deposit;
        let mut purse = Purse::default();
        purse.deposit(Atoms(deposit)).unwrap();
        if reserved > 0 {
            purse.reserve(Atoms(reserved)).unwrap();
            purse.pay(Atoms::ZERO, Atoms(parts.1 % reserved)).unwrap();
        }
        let free = purse.free().unwrap();
        prop_assert_eq!(free, Atoms(deposit - reserved));
        if let Some(over) = free.0.checked_add(more) {
            prop_assert_eq!(purse.withdraw(Atoms(over)), Err(RuleError::InsufficientFree));
            prop_assert_eq!(purse.reserve(Atoms(over)), Err(RuleError::InsufficientFree));
        }
        purse.withdraw(free).unwrap();
        prop_assert_eq!(purse.free(), Ok(Atoms::ZERO));
    }
}

#[test]
fn zero_is_refused_where_it_would_mean_nothing() {
    let mut purse = Purse::default();
    assert_eq!(purse.deposit(Atoms::ZERO), Err(RuleError::ZeroAmount));
    assert_eq!(purse.withdraw(Atoms::ZERO), Err(RuleError::ZeroAmount));
    assert_eq!(purse.reserve(Atoms::ZERO), Err(RuleError::ZeroAmount));
    assert_eq!(purse.release(Atoms::ZERO), Ok(()));
    assert_eq!(purse.sweep_fees(), Ok(Swept::default()));
}

#[test]
fn a_purse_that_holds_less_than_it_says_breaks_the_invariant() {
    let purse = Purse { balance: Atoms(10), reserved: Atoms(6), fees_owed: Atoms(4), ..Purse::default() };
    assert_eq!(invariant::purse(&purse, Atoms(10)), Ok(()));
    assert_eq!(invariant::purse(&purse, Atoms(11)), Ok(()), "a donation is no harm");
    assert_eq!(invariant::purse(&purse, Atoms(9)), Err(RuleError::InvariantBroken));
    let over = Purse { fees_owed: Atoms(5), ..purse };
    assert_eq!(invariant::purse(&over, Atoms(10)), Err(RuleError::InvariantBroken));
    assert_eq!(invariant::purse_holds(&purse, [Atoms(5), Atoms(1)]), Ok(()));
    assert_eq!(invariant::purse_holds(&purse, [Atoms(5)]), Err(RuleError::InvariantBroken));
}
