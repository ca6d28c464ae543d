//! Who can take a job: each reason on its own, and whose doing it is.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

use gridlease_core::bond::{Bond, lease_reservation};
use gridlease_core::eligibility::{Bidder, Refusal, Wanted};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::requirement::{Field, OfferSpec, Requirement};
use gridlease_core::{Atoms, Bps, PricePerHour, RuleError, Seconds, UnixTs};
use proptest::prelude::*;

const NOW: UnixTs = UnixTs(1_000);
const PRICE: PricePerHour = PricePerHour(1_000_000);

fn good() -> Bidder {
    Bidder {
        live_until: UnixTs(1_001),
        units_free: 1,
        excluded: false,
        claims: Claims::default(),
        unit: OfferSpec { cpu_milli: 4_000, ..OfferSpec::default() },
        reputation: Bps(5_000),
        bond: Bond { amount: Atoms(10_000_000), reserved: Atoms::ZERO, unbonding: Atoms::ZERO },
    }
}

fn wanted() -> Wanted {
    let need = Requirement { cpu_milli: 1_000, ..Requirement::default() };
    Wanted { need, max_duration: Seconds(3_600), max_price: PRICE, funds: Atoms::MAX }
}

proptest! {
    #[test]
    fn a_bidder_passes_exactly_where_its_free_stake_is_what_the_lease_reserves(
        price in 1u64..10_000_000_000, hours in 1u64..720, amount in 0u64..1_000_000_000_000,
        reserved in 0u64..1_000_000_000, unbonding in 0u64..1_000_000_000, times in 1u64..2_000, left in any::<bool>(),
    ) {
        prop_assume!(reserved + unbonding <= amount);
        let bond = Bond { amount: Atoms(amount), reserved: Atoms(reserved), unbonding: Atoms(unbonding) };
        let (duration, most) = (Seconds(hours * 3_600), PricePerHour(price.saturating_mul(times)));
        let needed = lease_reservation(PricePerHour(price), most, duration).unwrap();
        let wanted = Wanted { max_duration: duration, max_price: most, ..wanted() };
        match (Bidder { bond, ..good() }).check(&wanted, PricePerHour(price), NOW) {
            Ok(stake) => {
                prop_assert_eq!(stake, needed);
                prop_assert_eq!({ bond }.reserve(stake), Ok(()), "what was promised can be reserved");
            }
            Err(refusal) => {
                prop_assert!(bond.free().unwrap() < needed);
                prop_assert_eq!(RuleError::from(refusal), RuleError::InsufficientStake);
                prop_assert_eq!(refusal.own_doing(left), left && amount - unbonding < needed.0);
            }
        }
    }
}

#[test]
fn each_reason_is_told_and_only_what_the_bidder_did_itself_is_its_own_doing() {
    let stake = |amount, reserved, unbonding| Bond {
        amount: Atoms(amount),
        reserved: Atoms(reserved),
        unbonding: Atoms(unbonding),
    };
    let refusal = |bidder: Bidder| bidder.check(&wanted(), PRICE, NOW).unwrap_err();
    assert_eq!(good().check(&wanted(), PRICE, NOW), Ok(Atoms(5_000_000)));
    let cases = [
        ("expired", Bidder { live_until: NOW, ..good() }, RuleError::TooLate, false),
        ("withdrawn", Bidder { live_until: UnixTs::ZERO, ..good() }, RuleError::TooLate, true),
        ("full", Bidder { units_free: 0, ..good() }, RuleError::NoFreeUnit, false),
        ("excluded", Bidder { excluded: true, ..good() }, RuleError::Excluded, false),
        ("posted anew as less", Bidder { unit: OfferSpec::default(), ..good() }, RuleError::Unsatisfied, true),
        (
            "bound elsewhere",
            Bidder { bond: stake(9_000_000, 5_000_000, 0), ..good() },
            RuleError::InsufficientStake,
            false,
        ),
        ("taken out", Bidder { bond: stake(9_000_000, 0, 4_000_001), ..good() }, RuleError::InsufficientStake, true),
        ("a broken bond", Bidder { bond: stake(0, 1, 0), ..good() }, RuleError::InvariantBroken, false),
    ];
    for (what, bidder, error, own) in cases {
        let refusal = refusal(bidder);
        assert_eq!((RuleError::from(refusal), refusal.own_doing(true)), (error, own), "{what}");
        let of_stake = error == RuleError::InsufficientStake;
        assert_eq!(refusal.own_doing(false), own && !of_stake, "{what}, and the operator let its stake be");
    }
}

#[test]
fn stake_on_its_way_out_does_not_count_for_what_the_buyer_requires() {
    let mut wanted = wanted();
    wanted.need.min_stake = Atoms(10_000_000);
    assert!(good().check(&wanted, PRICE, NOW).is_ok());
    let mut leaving = good();
    leaving.bond.unbonding = Atoms(1);
    let refusal = leaving.check(&wanted, PRICE, NOW).unwrap_err();
    let Refusal::Unsatisfied(unmet) = refusal else { panic!("{refusal:?}") };
    assert_eq!((unmet.field, unmet.required, unmet.offered), (Field::Stake, 10_000_000, 9_999_999));
    assert!(refusal.own_doing(true));
    assert!(!refusal.own_doing(false), "a delegator left by itself");
}
