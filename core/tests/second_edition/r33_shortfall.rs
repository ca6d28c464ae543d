//! R33. The insurance fund collects, and what pays out of it by rule for a fault that can be staged is R6 out of everybody's
//! money. So what a victim was owed and could not get is only told.

use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, PricePerHour};

use super::money::{Book, U};

#[test]
fn r33_nobody_gains_by_a_staged_fault_whatever_the_insurance_fund_holds() {
    // Operator and buyer are one. The lease cost 90 USDC, of which the operator has all but the fee; its part of the
    // reservation is nothing, because the stake is delegators'.
    let case = Case {
        fault: Fault::Abandoned,
        reservation: Atoms(480 * U),
        price: PricePerHour(30 * U),
        charged: Atoms(90 * U),
        sealed_bond: Atoms::ZERO,
    };
    let owed = case.owed().unwrap();
    let split = slash_for(&case).unwrap().out_of(Atoms::ZERO).unwrap();
    let short = owed.sub(split.victim).unwrap();
    assert_eq!((owed, split.victim, split.insurance, short), (Atoms(90 * U), Atoms(0), Atoms(48 * U), Atoms(90 * U)));
    let fee = Atoms(1_800_000);
    let mut attacker = Book(0);
    attacker.gives(fee);
    let mut paid_by_rule = attacker;
    paid_by_rule.gets(short);
    assert_eq!(paid_by_rule.0, 88_200_000, "what a fund that pays by rule would lose to each such lease");
    assert!(attacker.0 < 0, "told by an event, it costs the attacker its fee");
}
