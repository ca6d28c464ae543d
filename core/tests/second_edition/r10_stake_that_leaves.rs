//! R10. A delegator leaves between bid and award, and its operator loses a third of its standing; and a speck of stake,
//! delegated to every pool, makes all of them kin, so that no replica finds a second provider.

use gridlease_core::array::kin;
use gridlease_core::delegation::{Delegation, Stake};
use gridlease_core::eligibility::{Bidder, Refusal, Wanted};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::limits::MIN_DELEGATION;
use gridlease_core::requirement::{OfferSpec, Requirement};
use gridlease_core::{Atoms, Bps, PricePerHour, Seconds};

use super::money::{DAY, T, U, after};

const PRICE: PricePerHour = PricePerHour(U);

fn wanted() -> Wanted {
    Wanted { need: Requirement::default(), max_duration: Seconds(DAY), max_price: PRICE, funds: Atoms::MAX }
}

fn check(stake: &Stake) -> Result<Atoms, Refusal> {
    let bidder = Bidder {
        live_until: after(10 * DAY),
        units_free: 1,
        excluded: false,
        claims: Claims::default(),
        unit: OfferSpec::default(),
        reputation: Bps(5_000),
        bond: stake.bond().unwrap(),
    };
    bidder.check(&wanted(), PRICE, after(2 * DAY))
}

/// 20 USDC of the operator's; the delegator that the bid counts on has 40.
fn pool() -> (Stake, Delegation) {
    let (mut stake, mut delegator) = (Stake::default(), Delegation::default());
    stake.add(Atoms(20 * U), T).unwrap();
    delegator.add(&mut stake, Atoms(40 * U), MIN_DELEGATION, T).unwrap();
    (stake, delegator)
}

/// The first edition's: too little stake that is not bound elsewhere is always the bidder's own doing.
fn first_own_doing(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Stake { needed, unbound, .. } if unbound < needed)
}

#[test]
fn r10_a_delegator_that_leaves_between_bid_and_award_costs_its_operator_no_standing() {
    let (mut stake, mut delegator) = pool();
    delegator.activate(&mut stake, after(DAY)).unwrap();
    let book_began = after(2 * DAY);
    assert_eq!(check(&stake), Ok(Atoms(48 * U)), "it bids");
    delegator.request(&mut stake, Atoms::MAX, false, after(2 * DAY + 1)).unwrap();
    let refusal = check(&stake).unwrap_err();
    assert!(first_own_doing(refusal), "its standing fell by a third for what somebody else did");
    assert!(!refusal.own_doing(Stake::fell_since(stake.fell, book_began)));
}

#[test]
fn r10_a_delegator_that_has_just_come_can_neither_make_a_bid_good_nor_bad() {
    let (stake, mut delegator) = pool();
    let refusal = check(&stake).unwrap_err();
    assert!(matches!(refusal, Refusal::Stake { .. }), "its stake does not count before its day is over");
    let mut left = stake;
    delegator.request(&mut left, Atoms::MAX, false, after(1)).unwrap();
    assert_eq!(left.bond().unwrap().free(), stake.bond().unwrap().free());
}

#[test]
fn r10_an_operator_that_takes_its_stake_out_or_sends_a_delegator_off_empties_its_place_itself() {
    for sends_off in [false, true] {
        let (mut stake, mut delegator) = pool();
        delegator.activate(&mut stake, after(DAY)).unwrap();
        let book_began = after(2 * DAY);
        assert!(check(&stake).is_ok());
        if sends_off {
            delegator.request(&mut stake, Atoms::MAX, true, after(2 * DAY)).unwrap();
        } else {
            stake.unbond(Atoms(10 * U), after(2 * DAY)).unwrap();
            stake.undelegate(10 * U, 0).unwrap();
        }
        let refusal = check(&stake).unwrap_err();
        assert!(refusal.own_doing(Stake::fell_since(stake.fell, book_began)));
        assert!(!refusal.own_doing(Stake::fell_since(stake.fell, after(2 * DAY + 1))), "before this book began");
    }
}

#[test]
fn r10_dust_in_every_pool_makes_nobody_kin_where_the_operator_says_how_much_does() {
    let dust = Delegation { shares: MIN_DELEGATION.0, ..Delegation::default() };
    let stranger = [7; 8];
    let mark = |least: Atoms| if dust.makes_kin(least) { stranger } else { [0; 8] };
    // The first edition marked every delegator: two providers that know nothing of each other were kin.
    assert!(kin(&[[1; 8], mark(MIN_DELEGATION)], &[[2; 8], mark(MIN_DELEGATION)]));
    // It is enough that one of the two asks for more.
    assert!(!kin(&[[1; 8], mark(Atoms(100 * U))], &[[2; 8], mark(MIN_DELEGATION)]));
    let real = Delegation { shares: 100 * U, ..Delegation::default() };
    assert!(real.makes_kin(Atoms(100 * U)) && !real.makes_kin(Atoms(100 * U + 1)));
    assert!(!Delegation::default().makes_kin(Atoms(0)), "who has left is nobody's kin");
}
