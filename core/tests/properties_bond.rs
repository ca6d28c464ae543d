//! Bonds and slashes: reservations never exceed the stake, a slash never exceeds its lease's reservation.

mod common;

use common::{amount, any_u64, price};
use gridlease_core::bond::{Bond, extension, lease_reservation, sealed_bond};
use gridlease_core::limits::{MIN_STAKE_RESERVATION, STAKE_HORIZON};
use gridlease_core::slash::{Case, Fault, SlashSplit, slash_for};
use gridlease_core::verdict::Verdict;
use gridlease_core::{Atoms, PricePerHour, RuleError, Seconds, invariant};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Add(Atoms),
    Reserve(Atoms),
    /// Release what is left of the lease at this place.
    Release(prop::sample::Index),
    /// Slash this much of the lease at this place.
    Slash(prop::sample::Index, Atoms),
    /// Put this much of the free stake on its way out.
    Unbond(Atoms),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => amount().prop_map(Step::Add),
        3 => amount().prop_map(Step::Reserve),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        3 => (any::<prop::sample::Index>(), amount()).prop_map(|(at, atoms)| Step::Slash(at, atoms)),
        1 => amount().prop_map(Step::Unbond),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn reservations_never_exceed_the_stake_and_slashed_tokens_really_leave(steps in prop::collection::vec(step(), 1..80)) {
        let mut bond = Bond::default();
        let (mut vault, mut leases) = (Atoms::ZERO, Vec::<Atoms>::new());
        for step in steps {
            let before = bond;
            let result = match step {
                Step::Add(amount) => bond.add(amount).map(|()| vault = vault.add(amount).unwrap()),
                Step::Reserve(amount) => bond.reserve(amount).map(|()| leases.push(amount)),
                Step::Release(at) if !leases.is_empty() => {
                    let left = leases.remove(at.index(leases.len()));
                    bond.release(left)
                }
                Step::Slash(at, amount) if !leases.is_empty() => {
                    let at = at.index(leases.len());
                    let reservation = leases[at];
                    let result = bond.slash(reservation, amount);
                    prop_assert_eq!(result.is_err(), amount > reservation);
                    result.map(|left| {
                        prop_assert_eq_unit(left.add(amount), reservation);
                        leases[at] = left;
                        vault = vault.sub(amount).unwrap();
                    })
                }
                Step::Unbond(amount) => {
                    let part = amount.min(bond.free().unwrap());
                    bond.unbonding = bond.unbonding.add(part).unwrap();
                    Ok(())
                }
                Step::Release(_) | Step::Slash(..) => Ok(()),
            };
            if result.is_err() {
                prop_assert_eq!(bond, before);
            }
            let sum = leases.iter().fold(Atoms::ZERO, |sum, part| sum.add(*part).unwrap());
            prop_assert_eq!(sum, bond.reserved);
            prop_assert_eq!(vault, bond.amount);
            prop_assert_eq!(invariant::bond(&bond, vault), Ok(()));
        }
    }

    #[test]
    fn a_slash_is_part_of_its_reservation_and_the_victim_comes_first_up_to_what_it_was_charged(
        reservation in amount(), price in price(), charged in amount(), sealed_bond in amount(),
    ) {
        for fault in [Fault::NoStart, Fault::Abandoned, Fault::Unreachable] {
            let parts = slash_for(&Case { fault, reservation, price, charged, sealed_bond }).unwrap();
            let total = parts.total().unwrap();
            prop_assert!(total <= reservation);
            let most = Atoms(price.0 * 3).min(charged);
            prop_assert!(parts.victim <= most);
            prop_assert!(parts.insurance.is_zero() || parts.victim == most);
        }
        let total = |fault, sealed_bond| {
            slash_for(&Case { fault, reservation, price, charged, sealed_bond }).unwrap().total().unwrap()
        };
        prop_assert!(total(Fault::NoStart, Atoms::ZERO) <= total(Fault::Abandoned, Atoms::ZERO));
        prop_assert_eq!(total(Fault::Abandoned, sealed_bond), total(Fault::Abandoned, Atoms::ZERO));
        let forfeit = total(Fault::NoStart, sealed_bond).sub(total(Fault::NoStart, Atoms::ZERO)).unwrap();
        prop_assert!(forfeit <= sealed_bond);
    }

    #[test]
    fn a_lease_reserves_twice_the_revenue_of_a_day_and_five_usdc_at_least(price in price(), seconds in 60u64..=2_592_000) {
        let stake = lease_reservation(price, price, Seconds(seconds)).unwrap();
        let hours = u128::from(seconds.min(STAKE_HORIZON.0));
        let revenue = (u128::from(price.0) * hours).div_ceil(3_600);
        prop_assert_eq!(u128::from(stake.0), (2 * revenue).max(u128::from(MIN_STAKE_RESERVATION.0)));
    }

    #[test]
    fn r12_a_reservation_is_a_tenth_of_the_job_s_at_least_and_ten_times_the_bid_s_own_at_most(
        price in price(), most in price(), seconds in 60u64..=2_592_000,
    ) {
        let duration = Seconds(seconds);
        let own = lease_reservation(price, price, duration).unwrap().0;
        let top = lease_reservation(most, most, duration).unwrap().0;
        let stake = lease_reservation(price, most, duration).unwrap().0;
        prop_assert!(stake >= own && stake <= own.max(10 * own));
        prop_assert!(stake >= top.div_ceil(10).min(10 * own));
        prop_assert!(stake == own || stake == top.div_ceil(10) || stake == 10 * own, "nothing else decides");
        // The slash of a failed start is part of it, so it has the same floor.
        let slash = |reservation| {
            let fault = Fault::NoStart;
            let case = Case { fault, reservation: Atoms(reservation), price, charged: Atoms::ZERO, sealed_bond: Atoms::ZERO };
            slash_for(&case).unwrap().total().unwrap().0
        };
        prop_assert!(slash(stake) >= (slash(top) / 10).min(10 * slash(own)));
    }

    #[test]
    fn r28_an_extension_reserves_what_the_longer_lease_would_have_reserved_at_once(
        price in price(), most in price(), from in 60u64..2_592_000, by in 0u64..2_592_000,
    ) {
        let (from, to) = (Seconds(from), Seconds(from + by));
        let whole = |duration| lease_reservation(price, most, duration).unwrap();
        match extension(price, most, from, to) {
            Ok(more) => prop_assert_eq!(whole(from).add(more), Ok(whole(to))),
            Err(error) => {
                prop_assert_eq!(error, RuleError::DurationOutOfBounds);
                prop_assert_eq!(by, 0);
            }
        }
    }

    #[test]
    fn r34_a_verdict_is_divided_without_loss_and_nobody_but_the_insurance_fund_gets_delegators_stake(
        slash in amount(), reservation in amount(), part in amount(), charged in amount(),
    ) {
        let verdict = Verdict { slash, reservation, operators_part: part.min(reservation), charged };
        match verdict.split() {
            Ok(split) => {
                let all = split.prover.add(split.victim).unwrap().add(split.insurance).unwrap();
                prop_assert_eq!(all, slash);
                prop_assert!(split.prover.add(split.victim).unwrap() <= verdict.operators_part);
                prop_assert!(split.victim <= charged && split.prover.0 <= slash.0.saturating_sub(split.victim.0) / 10 * 3 + 2);
            }
            Err(error) => {
                prop_assert_eq!(error, RuleError::SlashAboveReservation);
                prop_assert!(slash > reservation);
            }
        }
    }

    #[test]
    fn amounts_of_any_size_never_panic(numbers in (any_u64(), any_u64(), any_u64(), any_u64(), any_u64())) {
        let (a, b, c, d, e) = numbers;
        let mut bond = Bond { amount: Atoms(a), reserved: Atoms(b), unbonding: Atoms(c) };
        let before = bond;
        if bond.slash(Atoms(d), Atoms(e)).is_err() {
            prop_assert_eq!(bond, before);
        }
        let before = bond;
        for result in [bond.add(Atoms(d)), bond.reserve(Atoms(d)), bond.release(Atoms(d))] {
            let _ = result;
        }
        if bond.free().is_err() && before.free().is_ok() {
            prop_assert!(false, "{:?} became {:?}", before, bond);
        }
        let _ = lease_reservation(PricePerHour(a), PricePerHour(c), Seconds(b));
        let _ = extension(PricePerHour(a), PricePerHour(c), Seconds(b), Seconds(d));
        let _ = sealed_bond(Atoms(a), PricePerHour(c), Seconds(b));
        for fault in [Fault::NoStart, Fault::Abandoned, Fault::Unreachable] {
            let (price, charged, sealed_bond) = (PricePerHour(b), Atoms(c), Atoms(d));
            if let Ok(parts) = slash_for(&Case { fault, reservation: Atoms(a), price, charged, sealed_bond }) {
                prop_assert!(parts.total().unwrap() <= Atoms(a));
            }
        }
    }
}

fn prop_assert_eq_unit(left: Result<Atoms, RuleError>, right: Atoms) {
    assert_eq!(left, Ok(right));
}

#[test]
fn a_slash_above_the_reservation_is_refused_even_where_the_bond_has_more() {
    let mut bond = Bond { amount: Atoms(100), reserved: Atoms(50), unbonding: Atoms(0) };
    assert_eq!(bond.slash(Atoms(10), Atoms(11)), Err(RuleError::SlashAboveReservation));
    assert_eq!(bond.slash(Atoms(10), Atoms(10)), Ok(Atoms::ZERO));
    assert_eq!(bond, Bond { amount: Atoms(90), reserved: Atoms(40), unbonding: Atoms(0) });
}

#[test]
fn unbonding_stake_stays_slashable_and_is_not_reservable() {
    let mut bond = Bond { amount: Atoms(100), reserved: Atoms(60), unbonding: Atoms(40) };
    assert_eq!(bond.reserve(Atoms(1)), Err(RuleError::InsufficientStake));
    assert_eq!(bond.slash(Atoms(60), Atoms(60)), Ok(Atoms::ZERO));
    assert_eq!(bond.free(), Ok(Atoms::ZERO));
}

proptest! {
    #[test]
    fn a_slash_takes_no_more_than_is_left_of_the_reservation_and_the_victim_comes_first(
        victim in 0u64..1_000, insurance in 0u64..1_000, left in 0u64..2_500,
    ) {
        let whole = SlashSplit { victim: Atoms(victim), insurance: Atoms(insurance) };
        let cut = whole.at_most(Atoms(left));
        prop_assert_eq!(cut.total().unwrap(), Atoms(left.min(victim + insurance)));
        prop_assert_eq!(cut.victim, Atoms(victim.min(left)));
        prop_assert!(cut.insurance <= whole.insurance);
    }

    #[test]
    fn a_victim_gets_no_more_than_the_operator_loses_and_no_atom_of_a_slash_is_lost_by_that(
        victim in any_u64(), insurance in any_u64(), operator in any_u64(),
    ) {
        let whole = SlashSplit { victim: Atoms(victim), insurance: Atoms(insurance) };
        let wide = |split: &SlashSplit| u128::from(split.victim.0) + u128::from(split.insurance.0);
        match whole.out_of(Atoms(operator)) {
            Ok(parts) => {
                prop_assert_eq!(wide(&parts), wide(&whole));
                prop_assert_eq!(parts.victim.0, victim.min(operator));
            }
            Err(error) => {
                prop_assert!(whole.total().is_err());
                prop_assert_eq!(error, RuleError::Overflow);
            }
        }
    }
}

#[test]
fn a_slash_just_below_at_and_above_what_is_left() {
    let slash = SlashSplit { victim: Atoms(10), insurance: Atoms(5) };
    let cut = |left| {
        let cut = slash.at_most(Atoms(left));
        (cut.victim.0, cut.insurance.0)
    };
    assert_eq!([cut(16), cut(15), cut(14)], [(10, 5), (10, 5), (10, 4)]);
    assert_eq!([cut(11), cut(10), cut(9), cut(0)], [(10, 1), (10, 0), (9, 0), (0, 0)]);
}

#[test]
fn a_verdict_pays_the_buyer_then_the_prover_out_of_the_operator_s_part() {
    let verdict = |slash, part, charged| {
        let [slash, operators_part, charged] = [slash, part, charged].map(Atoms);
        let split = Verdict { slash, reservation: Atoms(1_000), operators_part, charged }.split().unwrap();
        (split.victim.0, split.prover.0, split.insurance.0)
    };
    assert_eq!(verdict(1_000, 1_000, 500), (500, 150, 350));
    assert_eq!(verdict(1_000, 200, 500), (200, 0, 800), "the rest of the stake is delegators'");
    assert_eq!(verdict(1_000, 600, 500), (500, 100, 400));
    assert_eq!(verdict(509, 1_000, 500), (500, 2, 7), "three tenths of the rest, rounded down");
    assert_eq!(verdict(1_000, 0, 500), (0, 0, 1_000));
    assert_eq!(verdict(0, 1_000, 500), (0, 0, 0), "cleared");
}
