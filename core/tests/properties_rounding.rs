//! Divisions against exact 128-bit arithmetic: the short cut for small products changes no result.

mod common;

use common::any_u64;
use gridlease_core::rounding::{
    accrued_down, cost_down, cost_up, mul_div_down, mul_div_up, runway_down, share_down, share_up,
};
use gridlease_core::{Atoms, Bps, PricePerHour, RuleError, RuleResult, Seconds};
use proptest::prelude::*;

fn exact(a: u64, b: u64, divisor: u64, up: bool) -> RuleResult<u64> {
    if divisor == 0 {
        return Err(RuleError::Overflow);
    }
    let (product, divisor) = (u128::from(a) * u128::from(b), u128::from(divisor));
    let rest = u128::from(up && !product.is_multiple_of(divisor));
    u64::try_from(product / divisor + rest).map_err(|_| RuleError::Overflow)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn products_are_divided_exactly_for_numbers_of_any_size(a in any_u64(), b in any_u64(), divisor in any_u64()) {
        prop_assert_eq!(mul_div_down(a, b, divisor), exact(a, b, divisor, false));
        prop_assert_eq!(mul_div_up(a, b, divisor), exact(a, b, divisor, true));
    }

    #[test]
    fn every_named_rounding_divides_by_its_own_unit(a in any_u64(), b in any_u64(), part in any::<u16>()) {
        prop_assert_eq!(accrued_down(PricePerHour(a), b).map(Atoms::get), exact(a, b, 3_600_000, false));
        prop_assert_eq!(cost_down(PricePerHour(a), Seconds(b)).map(Atoms::get), exact(a, b, 3_600, false));
        prop_assert_eq!(cost_up(PricePerHour(a), Seconds(b)).map(Atoms::get), exact(a, b, 3_600, true));
        prop_assert_eq!(runway_down(Atoms(a), PricePerHour(b)).map(Seconds::get), exact(a, 3_600, b, false));
        prop_assert_eq!(share_down(Atoms(a), Bps(part)).map(Atoms::get), exact(a, u64::from(part), 10_000, false));
        prop_assert_eq!(share_up(Atoms(a), Bps(part)).map(Atoms::get), exact(a, u64::from(part), 10_000, true));
    }

    #[test]
    fn a_reservation_for_a_length_always_lasts_that_length(price in common::price(), seconds in 1u64..=2_592_000) {
        let funds = cost_up(price, Seconds(seconds)).unwrap();
        prop_assert!(runway_down(funds, price).unwrap() >= Seconds(seconds));
    }

    #[test]
    fn a_runway_never_costs_more_than_its_funds(price in common::price(), funds in common::amount()) {
        let runway = runway_down(funds, price).unwrap();
        prop_assert!(cost_up(price, runway).unwrap() <= funds);
    }
}
