//! R15. Who delegates a moment before a month's settlement takes half of what others earned, and so does an operator that adds
//! to its own; and a provider's pay can be sent elsewhere in two days, where its delegators need seven to leave.

use gridlease_core::delegation::{Delegation, Stake};
use gridlease_core::limits::MIN_DELEGATION;
use gridlease_core::payout::check_apply;
use gridlease_core::revenue::Revenue;
use gridlease_core::{Atoms, Bps, RuleError};

use super::money::{Book, DAY, T, U, after};

/// A delegator with its book of revenue.
#[derive(Clone, Copy, Default)]
struct Delegator {
    delegation: Delegation,
    entry: u128,
    book: Book,
}

impl Delegator {
    fn settle(&mut self, revenue: &Revenue) {
        self.book.gets(revenue.earned_down(self.delegation.earning(), self.entry).unwrap());
        self.entry = revenue.per_share;
    }
}

/// 100 USDC of the operator's and 100 of a delegator's, both active since long ago.
fn pool() -> (Stake, Revenue, Delegator) {
    let (mut stake, mut old) = (Stake::default(), Delegator::default());
    stake.add(Atoms(100 * U), T).unwrap();
    old.delegation.add(&mut stake, Atoms(100 * U), MIN_DELEGATION, T).unwrap();
    stake.activate(after(DAY)).unwrap();
    old.delegation.activate(&mut stake, after(DAY)).unwrap();
    (stake, Revenue::default(), old)
}

/// The first edition: all stake that stays earns, from the moment on at which it came.
fn first_distribute(revenue: &mut Revenue, arrived: Atoms, stake: &Stake) {
    let all_earn = Stake { pending: 0, fresh: Atoms::ZERO, ..*stake };
    revenue.distribute(arrived, &all_earn, Bps(0)).unwrap();
}

#[test]
fn r15_who_joins_a_moment_before_a_settlement_has_nothing_of_it() {
    let month = after(30 * DAY);
    let arrived = Atoms(60 * U);
    for (first_edition, expected) in [(true, [15, 30]), (false, [30, 0])] {
        let (mut stake, mut revenue, mut old) = pool();
        let mut late = Delegator::default();
        late.delegation.add(&mut stake, Atoms(200 * U), MIN_DELEGATION, month).unwrap();
        if first_edition {
            first_distribute(&mut revenue, arrived, &stake);
            late.book.gets(revenue.earned_down(late.delegation.shares, 0).unwrap());
        } else {
            revenue.distribute(arrived, &stake, Bps(0)).unwrap();
            late.settle(&revenue);
        }
        old.settle(&revenue);
        let got = [old.book.0, late.book.0].map(|atoms| (atoms + 1) / i128::from(U));
        assert_eq!(got, expected, "first edition: {first_edition}");
    }
}

#[test]
fn r15_an_operator_that_doubles_its_stake_before_a_settlement_takes_nothing_of_its_delegators() {
    let arrived = Atoms(60 * U);
    for (first_edition, delegators) in [(true, 15), (false, 30)] {
        let (mut stake, mut revenue, _) = pool();
        stake.add(Atoms(200 * U), after(30 * DAY)).unwrap();
        if first_edition {
            first_distribute(&mut revenue, arrived, &stake);
        } else {
            revenue.distribute(arrived, &stake, Bps(0)).unwrap();
        }
        assert_eq!(revenue.delegators_owed, Atoms(delegators * U), "first edition: {first_edition}");
    }
}

#[test]
fn r15_new_stake_earns_from_its_activation_by_anyone_a_day_later() {
    let (mut stake, mut revenue, _) = pool();
    let mut late = Delegator::default();
    late.delegation.add(&mut stake, Atoms(200 * U), MIN_DELEGATION, after(30 * DAY)).unwrap();
    let early = late.delegation.activate(&mut stake, after(31 * DAY - 1));
    assert_eq!(early, Err(RuleError::TooEarly));
    revenue.distribute(Atoms(60 * U), &stake, Bps(0)).unwrap();
    late.settle(&revenue);
    assert_eq!(late.delegation.activate(&mut stake, after(31 * DAY)), Ok(200 * U));
    assert_eq!(late.delegation.activate(&mut stake, after(31 * DAY)), Ok(0), "a second time changes nothing");
    revenue.distribute(Atoms(120 * U), &stake, Bps(0)).unwrap();
    late.settle(&revenue);
    assert!((29_999_999..=30_000_000).contains(&late.book.0), "half of what arrived since: {:?}", late.book);
    // The operator's comes in and is activated likewise; more that comes in meanwhile waits for its own day.
    stake.add(Atoms(10 * U), after(40 * DAY)).unwrap();
    stake.add(Atoms(5 * U), after(40 * DAY + 10)).unwrap();
    assert_eq!((stake.own_active(), stake.activate(after(41 * DAY + 9))), (Atoms(100 * U), Err(RuleError::TooEarly)));
    assert_eq!(stake.activate(after(41 * DAY + 10)), Ok(Atoms(15 * U)));
    stake.add(Atoms(U), after(50 * DAY)).unwrap();
    stake.add(Atoms(U), after(52 * DAY)).unwrap();
    assert_eq!(stake.fresh, Atoms(U), "what had waited its day was activated by the next that came");
}

#[test]
fn r15_pay_is_sent_elsewhere_no_sooner_than_delegators_can_be_out() {
    // The first edition's 48 hours: seven days of leases are paid elsewhere while the delegators wait.
    assert_eq!(check_apply(T, false, after(2 * DAY)), Ok(()));
    assert_eq!(check_apply(T, true, after(9 * DAY - 1)), Err(RuleError::TooEarly));
    let left = after(2 * DAY + 7 * DAY);
    assert_eq!(check_apply(T, true, left), Ok(()), "two days to see it, seven to leave");
}
