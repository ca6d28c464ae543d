//! Revenue: what arrives is divided without a leak, whoever claims when, and a commission has its notice.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

mod common;

use common::any_u64;
use gridlease_core::delegation::{Delegation, SharePool, Stake};
use gridlease_core::limits::{ACTIVATION_DELAY, COMMISSION_NOTICE, MAX_COMMISSION, MIN_DELEGATION};
use gridlease_core::revenue::{Commission, Revenue};
use gridlease_core::rounding::share_up;
use gridlease_core::{Atoms, Bps, RuleError, UnixTs};
use proptest::prelude::*;

const U: u64 = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64),
    Distribute,
    Delegate(usize, u64),
    Undelegate(usize, u64),
    Claim(usize),
    ClaimOperator,
    Slash(u64),
    Add(u64),
    /// After a day.
    Activate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let some = || prop_oneof![1 => 0u64..4, 3 => U..10 * U, 1 => 0u64..1_000 * U];
    prop_oneof![
        4 => some().prop_map(Step::Arrive),
        4 => Just(Step::Distribute),
        3 => (0usize..4, some()).prop_map(|(who, amount)| Step::Delegate(who, amount)),
        2 => (0usize..4, some()).prop_map(|(who, amount)| Step::Undelegate(who, amount)),
        3 => (0usize..4).prop_map(Step::Claim),
        1 => Just(Step::ClaimOperator),
        1 => some().prop_map(Step::Slash),
        1 => some().prop_map(Step::Add),
        4 => (0usize..5).prop_map(Step::Activate),
    ]
}

/// A delegator as its account records it: what it was owed when its shares last changed, and the sum per share then.
#[derive(Clone, Copy, Default)]
struct Position {
    delegation: Delegation,
    owed: Atoms,
    entry: u128,
}

impl Position {
    fn settle(&mut self, revenue: &Revenue) {
        self.owed = self.owed.add(revenue.earned_down(self.delegation.earning(), self.entry).unwrap()).unwrap();
        self.entry = revenue.per_share;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_arrives_is_paid_or_owed_to_the_last_atom(steps in prop::collection::vec(step(), 1..120), rate in 0u16..=3_000) {
        let (mut stake, mut revenue, mut positions) = (Stake::default(), Revenue::default(), [Position::default(); 4]);
        let (mut vault, mut distributions, mut claims) = (0u64, 0u64, 0u64);
        let mut now = UnixTs(1_800_000_000);
        stake.add(Atoms(100 * U), now).unwrap();
        for step in steps {
            match step {
                Step::Arrive(amount) => vault += amount,
                Step::Distribute => {
                    let owed = revenue.owed().unwrap().0;
                    let parts = revenue.distribute(Atoms(vault), &stake, Bps(rate)).unwrap();
                    prop_assert_eq!(parts.operator.0 + parts.delegators.0, vault - owed, "all that arrived is somebody's");
                    if stake.active().unwrap() == 0 {
                        prop_assert!(parts.delegators.is_zero());
                    }
                    distributions += 1;
                }
                Step::Delegate(who, amount) => {
                    revenue.distribute(Atoms(vault), &stake, Bps(rate)).unwrap();
                    positions[who].settle(&revenue);
                    let _ = positions[who].delegation.add(&mut stake, Atoms(amount), MIN_DELEGATION, now);
                }
                Step::Undelegate(who, amount) => {
                    revenue.distribute(Atoms(vault), &stake, Bps(rate)).unwrap();
                    positions[who].settle(&revenue);
                    let _ = positions[who].delegation.request(&mut stake, Atoms(amount), false, now);
                }
                Step::Claim(who) => {
                    positions[who].settle(&revenue);
                    if revenue.claim_delegator(positions[who].owed).is_ok() {
                        vault -= core::mem::take(&mut positions[who].owed).0;
                    }
                    claims += 1;
                }
                Step::ClaimOperator => vault -= revenue.claim_operator().unwrap_or_default().0,
                Step::Slash(amount) => {
                    let amount = Atoms(amount).min(stake.bond().unwrap().free().unwrap());
                    if stake.reserve(amount).is_ok() {
                        stake.slash(amount, amount).unwrap();
                    }
                }
                Step::Activate(who) => {
                    now = now.after(ACTIVATION_DELAY).unwrap();
                    revenue.distribute(Atoms(vault), &stake, Bps(rate)).unwrap();
                    match positions.get_mut(who) {
                        None => drop(stake.activate(now).unwrap()),
                        Some(position) => {
                            position.settle(&revenue);
                            position.delegation.activate(&mut stake, now).unwrap();
                        }
                    }
                }
                Step::Add(amount) => drop(stake.add(Atoms(amount), now)),
            }
            let owed = revenue.owed().unwrap().0;
            prop_assert!(owed <= vault, "more is owed than there is");
            let claimable: u64 = positions.iter().map(|position| {
                let mut position = *position;
                position.settle(&revenue);
                position.owed.0
            }).sum();
            prop_assert!(claimable <= revenue.delegators_owed.0, "delegators could claim more than is theirs");
        }
        // What nobody can claim is roundings: an atom at most for each distribution, each claim and each position.
        let mut rest = revenue.delegators_owed.0;
        for position in &mut positions {
            position.settle(&revenue);
            rest -= position.owed.0;
        }
        prop_assert!(rest <= 2 * distributions + 2 * claims + 240, "{} atoms are nobody's", rest);
    }

    #[test]
    fn a_distribution_follows_the_stake_and_the_commission(
        own in 1u64..1_000_000 * U, others in U..1_000_000 * U, arrived in 1u64..1_000_000 * U, rate in 0u16..=3_000
    ) {
        let stake = Stake {
            own: Atoms(own),
            delegated: SharePool { assets: Atoms(others), shares: others },
            ..Stake::default()
        };
        let mut revenue = Revenue::default();
        let parts = revenue.distribute(Atoms(arrived), &stake, Bps(rate)).unwrap();
        let gross = (u128::from(arrived) * u128::from(others) / u128::from(own + others)) as u64;
        let net = gross - share_up(Atoms(gross), Bps(rate)).unwrap().0;
        prop_assert_eq!((parts.delegators.0, parts.operator.0), (net, arrived - net));
        let earned = revenue.earned_down(others, 0).unwrap().0;
        prop_assert!(earned <= net && net - earned <= 1);
        // A second time gives nothing.
        prop_assert_eq!(revenue.distribute(Atoms(arrived), &stake, Bps(rate)).unwrap(), Default::default());
    }

    #[test]
    fn amounts_of_any_size_never_panic(n in prop::array::uniform8(any_u64()), rate in any::<u16>()) {
        let stake = Stake {
            own: Atoms(n[0]),
            delegated: SharePool { assets: Atoms(n[1]), shares: n[2] },
            leaving: n[3],
            ..Stake::default()
        };
        let mut revenue = Revenue { operator_owed: Atoms(n[4]), delegators_owed: Atoms(n[5]), per_share: u128::from(n[6]) << 64 };
        let before = revenue;
        if revenue.distribute(Atoms(n[7]), &stake, Bps(rate)).is_err() {
            prop_assert_eq!(revenue, before);
        }
        let _ = revenue.earned_down(n[2], u128::from(n[3]) << 60);
    }
}

#[test]
fn the_largest_revenue_that_there_can_be_does_not_overflow_the_sum() {
    let least = MIN_DELEGATION.0;
    let stake = Stake { delegated: SharePool { assets: Atoms(least), shares: least }, ..Stake::default() };
    let mut revenue = Revenue::default();
    revenue.distribute(Atoms::MAX, &stake, Bps(0)).unwrap();
    assert_eq!(revenue.delegators_owed, Atoms::MAX);
    assert!(revenue.earned_down(least, 0).unwrap().0 >= u64::MAX - 1);
}

#[test]
fn a_higher_commission_holds_three_days_after_it_was_announced() {
    let now = UnixTs(1_000);
    let mut commission = Commission::new(Bps(500)).unwrap();
    commission.set(Bps(1_000), now).unwrap();
    let from = now.0 + COMMISSION_NOTICE.0;
    assert_eq!(COMMISSION_NOTICE.0, 259_200);
    assert_eq!([from - 1, from, from + 1].map(|ts| commission.at(UnixTs(ts)).0), [500, 1_000, 1_000]);
    // To repeat it does not put it off; to change it does.
    let mut same = commission;
    same.set(Bps(1_000), UnixTs(now.0 + 5)).unwrap();
    assert_eq!(same, commission);
    let mut other = commission;
    other.set(Bps(1_001), UnixTs(now.0 + 5)).unwrap();
    assert_eq!([from, from + 4, from + 5].map(|ts| other.at(UnixTs(ts)).0), [500, 500, 1_001]);
}

#[test]
fn a_lower_commission_holds_at_once_and_takes_a_higher_one_s_place() {
    let now = UnixTs(1_000);
    let mut commission = Commission::new(Bps(500)).unwrap();
    commission.set(Bps(1_000), now).unwrap();
    commission.set(Bps(400), now).unwrap();
    assert_eq!([0, 1_000, 10_000_000].map(|ts| commission.at(UnixTs(ts)).0), [400, 400, 400]);
}

#[test]
fn a_commission_is_thirty_per_cent_at_most() {
    let most = MAX_COMMISSION;
    assert_eq!(most, Bps(3_000));
    let mut commission = Commission::new(most).unwrap();
    assert_eq!(Commission::new(Bps(most.0 + 1)), Err(RuleError::CommissionOutOfBounds));
    assert_eq!(commission.set(Bps(most.0 + 1), UnixTs(0)), Err(RuleError::CommissionOutOfBounds));
}

#[test]
fn nothing_to_claim_is_refused() {
    let mut revenue = Revenue::default();
    assert_eq!(revenue.claim_operator(), Err(RuleError::NothingToClaim));
    assert_eq!(revenue.claim_delegator(Atoms(0)), Err(RuleError::NothingToClaim));
    assert_eq!(revenue.claim_delegator(Atoms(1)), Err(RuleError::InvariantBroken));
}
