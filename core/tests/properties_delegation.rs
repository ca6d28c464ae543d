//! Delegated stake: shares conserve, rounding is against who asks, the operator loses first, and whoever leaves leaves
//! fairly.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

mod common;

use common::any_u64;
use gridlease_core::delegation::{Delegation, SharePool, Stake, check_matured, check_minimum, check_place, matures};
use gridlease_core::limits::{
    ACTIVATION_DELAY, MAX_DELEGATORS, MAX_REQUESTS, MAX_SHARES_PER_ATOM, MIN_DELEGATION, MIN_DELEGATION_MAX,
    UNBONDING_TIME,
};
use gridlease_core::{Atoms, RuleError, UnixTs, invariant};
use proptest::prelude::*;
use proptest::sample::Index;

const NOW: UnixTs = UnixTs(1_800_000_000);

#[derive(Clone, Debug)]
enum Step {
    Add(u64),
    Delegate(usize, u64),
    Unbond(u64),
    Undelegate(usize, u64, bool),
    Withdraw(Index),
    Reserve(u64),
    Release(Index),
    Slash(Index, u64),
    Claim(Index, u64),
    PayClaim(Index),
    Activate(usize),
    /// Time passes: a second, or the whole day of new stake.
    Wait(bool),
}

/// Amounts from an atom to thousands of USDC, so that roundings and limits are both met.
fn some() -> impl Strategy<Value = u64> {
    prop_oneof![1 => 0u64..4, 3 => 1_000_000u64..10_000_000, 2 => 0u64..5_000_000_000, 1 => Just(u64::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => some().prop_map(Step::Add),
        5 => (0usize..4, some()).prop_map(|(who, amount)| Step::Delegate(who, amount)),
        2 => some().prop_map(Step::Unbond),
        3 => (0usize..4, some(), any::<bool>()).prop_map(|(who, amount, by)| Step::Undelegate(who, amount, by)),
        3 => any::<Index>().prop_map(Step::Withdraw),
        3 => some().prop_map(Step::Reserve),
        2 => any::<Index>().prop_map(Step::Release),
        3 => (any::<Index>(), some()).prop_map(|(at, amount)| Step::Slash(at, amount)),
        2 => (any::<Index>(), some()).prop_map(|(at, amount)| Step::Claim(at, amount)),
        1 => any::<Index>().prop_map(Step::PayClaim),
        3 => (0usize..5).prop_map(Step::Activate),
        3 => any::<bool>().prop_map(Step::Wait),
    ]
}

/// A request to unbond: of a delegator, or of the operator (`None`).
#[derive(Clone, Copy, Debug)]
struct Request {
    owner: Option<usize>,
    shares: u64,
}

/// Everybody's view of one bond, with every token that moved.
#[derive(Clone, Debug, Default)]
struct Model {
    stake: Stake,
    vault: u64,
    delegations: [Delegation; 4],
    requests: Vec<Request>,
    /// What is left of each lease's reservation, and what was claimed out of it.
    leases: Vec<(Atoms, Atoms)>,
    claims: Vec<u64>,
    waited: u64,
    paid_in: [u64; 4],
    paid_out: [u64; 4],
    moves: u64,
}

impl Model {
    fn now(&self) -> UnixTs {
        UnixTs(NOW.0 + self.waited)
    }

    /// What delegator `who` has in the bond, on its way out or not, in shares.
    fn shares(&self, who: usize) -> u64 {
        let out: u64 = self.requests.iter().filter(|r| r.owner == Some(who)).map(|r| r.shares).sum();
        self.delegations[who].shares + out
    }

    fn worth(&self, who: usize) -> u64 {
        self.stake.delegated.worth_down(self.shares(who)).unwrap().0
    }

    fn apply(&mut self, step: &Step) -> Result<(), RuleError> {
        let (least, now) = (MIN_DELEGATION, self.now());
        self.moves += 1;
        match *step {
            Step::Add(amount) => {
                self.stake.add(Atoms(amount % (1 << 50)), now)?;
                self.vault += amount % (1 << 50);
            }
            Step::Delegate(who, amount) => {
                let amount = amount % (1 << 50);
                self.delegations[who].add(&mut self.stake, Atoms(amount), least, now)?;
                self.vault += amount;
                self.paid_in[who] += amount;
            }
            Step::Unbond(amount) => {
                let shares = self.stake.unbond(Atoms(amount).min(self.stake.own), now)?;
                self.requests.push(Request { owner: None, shares });
            }
            Step::Undelegate(who, amount, by_operator) => {
                let shares = self.delegations[who].request(&mut self.stake, Atoms(amount), by_operator, now)?;
                self.requests.push(Request { owner: Some(who), shares });
            }
            Step::Withdraw(at) if !self.requests.is_empty() => {
                let at = at.index(self.requests.len());
                let request = self.requests[at];
                let left = match request.owner {
                    None => self.stake.withdraw(request.shares)?,
                    Some(_) => self.stake.withdraw_delegated(request.shares)?,
                };
                self.vault -= left.amount.0;
                self.requests[at].shares -= left.shares;
                if let Some(who) = request.owner {
                    self.paid_out[who] += left.amount.0;
                }
                if self.requests[at].shares == 0 {
                    self.requests.remove(at);
                    if let Some(who) = request.owner {
                        self.delegations[who].requests -= 1;
                    }
                }
            }
            Step::Reserve(amount) => {
                let free = self.stake.bond()?.free()?.0;
                let amount = Atoms(amount % (free + 2)); // now and then an atom too much
                self.stake.reserve(amount)?;
                self.leases.push((amount, Atoms::ZERO));
            }
            Step::Release(at) if !self.leases.is_empty() => {
                let (left, _) = self.leases.remove(at.index(self.leases.len()));
                self.stake.release(left)?;
            }
            Step::Slash(at, amount) if !self.leases.is_empty() => {
                let at = at.index(self.leases.len());
                let (left, claimed) = self.leases[at];
                let amount = Atoms(amount % (left.0 + 2));
                let slash = self.stake.slash(left, amount)?;
                self.leases[at] = (slash.left, claimed);
                self.vault -= amount.0;
            }
            Step::Claim(at, amount) if !self.leases.is_empty() => {
                let at = at.index(self.leases.len());
                let (left, before) = self.leases[at];
                let claimed = self.stake.claim(left, before, Atoms(amount))?;
                self.leases[at] = (claimed.left, before.add(claimed.amount)?);
                self.claims.push(claimed.shares);
            }
            Step::PayClaim(at) if !self.claims.is_empty() => {
                let shares = self.claims.remove(at.index(self.claims.len()));
                self.vault -= self.stake.pay_claim(shares)?.0;
            }
            Step::Activate(who) => match self.delegations.get_mut(who) {
                Some(delegation) => drop(delegation.activate(&mut self.stake, now)?),
                None => drop(self.stake.activate(now)?),
            },
            Step::Wait(day) => self.waited += if day { ACTIVATION_DELAY.0 } else { 1 },
            Step::Withdraw(_) | Step::Release(_) | Step::Slash(..) | Step::Claim(..) | Step::PayClaim(_) => {}
        }
        Ok(())
    }

    fn check(&self) {
        let stake = &self.stake;
        let bond = stake.bond().unwrap();
        assert_eq!(bond.amount.0, self.vault, "the stake is what the vault was given and did not pay");
        invariant::bond(&bond, Atoms(self.vault)).unwrap();
        let sum =
            |owner: fn(&Request) -> bool| self.requests.iter().filter(|r| owner(r)).map(|r| r.shares).sum::<u64>();
        assert_eq!(sum(|r| r.owner.is_none()), stake.exit.shares, "the operator's requests");
        assert_eq!(sum(|r| r.owner.is_some()), stake.leaving, "the delegators' requests");
        let held: u64 = self.delegations.iter().map(|d| d.shares).sum();
        assert_eq!(held + stake.leaving, stake.delegated.shares, "the delegators' shares");
        assert_eq!(self.leases.iter().map(|(left, _)| left.0).sum::<u64>(), stake.reserved.0, "the reservations");
        assert_eq!(self.claims.iter().sum::<u64>(), stake.claims.shares, "the claims");
        let pending: u64 = self.delegations.iter().map(|d| d.pending).sum();
        assert_eq!(pending, stake.pending, "what is not active");
        assert!(stake.fresh <= stake.own && self.delegations.iter().all(|d| d.pending <= d.shares));
        assert!(stake.reserved.0 + stake.claims.assets.0 <= bond.amount.0, "a claim waits for a lease");
        for pool in [stake.exit, stake.claims, stake.delegated] {
            assert!(pool.assets.0 <= pool.shares, "a share is worth more than an atom: {pool:?}");
        }
        let worth: u64 = (0..4).map(|who| self.worth(who)).sum();
        assert!(worth <= stake.delegated.assets.0, "the shares' worth adds up to more than there is");
        assert!(stake.delegated.assets.0 - worth <= 4, "more than roundings is nobody's");
        for who in 0..4 {
            // A rounding against one is a part of an atom for the others.
            let most = self.paid_in[who] + self.moves;
            assert!(self.paid_out[who] + self.worth(who) <= most, "delegator {who} gained");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_sequence_keeps_the_books_and_nobody_gains_more_than_roundings(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::default();
        for step in &steps {
            let before = model.clone();
            let result = model.apply(step);
            if result.is_err() {
                prop_assert_eq!(model.stake, before.stake, "{:?} refused {:?}", step, result);
                continue;
            }
            model.check();
            let slashed = matches!(step, Step::Slash(..));
            for who in 0..4 {
                let (was, is) = (before.worth(who), model.worth(who));
                if slashed {
                    continue;
                }
                let moved = (model.paid_in[who] - before.paid_in[who], model.paid_out[who] - before.paid_out[who]);
                // Shares that a slash left next to nothing of leave for nothing, and take a part of an atom along.
                if before.shares(who) == model.shares(who) {
                    prop_assert!(is >= was, "{:?} took from delegator {}: {} -> {}", step, who, was, is);
                } else {
                    prop_assert!(is + moved.1 <= was + moved.0, "{:?} gave to delegator {}", step, who);
                    prop_assert!(is + moved.1 + 2 >= was + moved.0, "{:?} cost delegator {} more than rounding", step, who);
                }
            }
            if slashed {
                let own = before.stake.own.0 + before.stake.exit.assets.0 + before.stake.claims.assets.0;
                let lost = before.vault - model.vault;
                let of_delegators = lost.saturating_sub(own);
                prop_assert_eq!(before.stake.delegated.assets.0 - model.stake.delegated.assets.0, of_delegators);
                for who in 0..4 {
                    let part = u128::from(before.shares(who)) * u128::from(of_delegators);
                    let fair = part.checked_div(u128::from(before.stake.delegated.shares)).unwrap_or(0) as u64;
                    let loss = before.worth(who) - model.worth(who);
                    prop_assert!(loss.abs_diff(fair) <= 1, "delegator {} lost {} of {}", who, loss, fair);
                }
            }
        }
    }

    #[test]
    fn a_reservation_changes_nothing_but_its_sum(steps in prop::collection::vec(step(), 1..60), amount in some()) {
        let mut model = Model::default();
        for step in &steps {
            let _ = model.apply(step);
        }
        let mut sums = model.stake.bond().unwrap();
        let amount = Atoms(amount % (sums.free().unwrap().0 + 2));
        prop_assert_eq!(sums.reserve(amount), model.stake.reserve(amount));
        prop_assert_eq!(model.stake.bond().unwrap(), sums);
    }

    #[test]
    fn once_the_leases_are_closed_everybody_can_leave_and_nothing_is_left_over(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut model = Model::default();
        for step in &steps {
            let _ = model.apply(step);
        }
        while let Some((left, _)) = model.leases.pop() {
            model.stake.release(left).unwrap();
        }
        while let Some(shares) = model.claims.pop() {
            model.stake.pay_claim(shares).unwrap();
        }
        for who in 0..4 {
            if model.delegations[who].shares > 0 {
                let all = model.delegations[who].request(&mut model.stake, Atoms::MAX, true, NOW);
                match all {
                    Ok(shares) => model.requests.push(Request { owner: Some(who), shares }),
                    Err(error) => prop_assert_eq!(error, RuleError::TooManyRequests),
                }
            }
        }
        let exit = model.stake.exit;
        for request in core::mem::take(&mut model.requests) {
            if request.owner.is_some() {
                let left = model.stake.withdraw_delegated(request.shares).unwrap();
                prop_assert_eq!(left.shares, request.shares);
            } else {
                let left = model.stake.withdraw(request.shares).unwrap();
                prop_assert_eq!(left.shares, request.shares);
            }
        }
        prop_assert_eq!(model.stake.exit, SharePool::default(), "{:?}", exit);
        if model.stake.delegated.shares == 0 {
            prop_assert_eq!(model.stake.delegated, SharePool::default());
            let own = model.stake.own;
            if !own.is_zero() {
                let shares = model.stake.unbond(own, NOW).unwrap();
                model.stake.withdraw(shares).unwrap();
            }
            let times = Stake { fell: model.stake.fell, fresh_from: model.stake.fresh_from, ..Stake::default() };
            prop_assert_eq!(model.stake, times);
        }
    }

    #[test]
    fn r06_all_that_is_claimed_out_of_one_reservation_is_the_operator_s_part_of_it_however_often(
        own in 1u64..1_000_000, exit in 0u64..1_000_000, others in 0u64..4_000_000, lease in 1u64..1_000_000,
        asks in prop::collection::vec((1u64..300_000, any::<bool>()), 1..12),
    ) {
        let pool = |assets| SharePool { assets: Atoms(assets), shares: assets };
        let whole = own + exit + others;
        prop_assume!(lease <= whole);
        let mut stake =
            Stake { own: Atoms(own), exit: pool(exit), delegated: pool(others), reserved: Atoms(whole), ..Stake::default() };
        let most = stake.operators_part_down(Atoms(lease), Atoms::ZERO).unwrap();
        let (mut left, mut claimed) = (Atoms(lease), Atoms::ZERO);
        for (ask, paid) in asks {
            let next = stake.claim(left, claimed, Atoms(ask)).unwrap();
            prop_assert_eq!(next.amount, Atoms(ask).min(most.sub(claimed).unwrap()), "of {:?}, {:?} claimed", most, claimed);
            left = next.left;
            claimed = claimed.add(next.amount).unwrap();
            if paid && others == 0 {
                // Where nobody else is in the bond, paying changes nothing either.
                stake.pay_claim(next.shares).unwrap();
            }
            prop_assert_eq!(stake.delegated.assets, Atoms(others));
        }
        prop_assert_eq!(left.add(claimed), Ok(Atoms(lease)));
    }

    #[test]
    fn the_first_depositor_cannot_take_from_the_second(
        first in 1_000_000u64..1_000_000_000_000, second in 1_000_000u64..1_000_000_000_000, back in any_u64(), slash in any_u64()
    ) {
        // The attack: join, leave all but a little, have the share price moved, let the victim join, leave.
        let mut pool = SharePool::default();
        let mut shares = pool.join(Atoms(first)).unwrap();
        let part = back % (shares + 1);
        let out = pool.leave(part, Atoms::MAX).unwrap();
        shares -= out.shares;
        pool.lose(Atoms(slash % (pool.assets.0 + 1)));
        let before = pool.worth_down(shares).unwrap();
        match pool.join(Atoms(second)) {
            Ok(victim) => {
                prop_assert!(pool.worth_down(victim).unwrap().0 + 1 >= second, "the victim lost more than a rounding");
                prop_assert!(pool.worth_down(shares).unwrap().0 <= before.0 + 1, "the attacker gained");
            }
            Err(error) => prop_assert_eq!(error, RuleError::PoolSpent),
        }
    }

    #[test]
    fn amounts_of_any_size_never_panic(n in prop::array::uniform8(any_u64()), amount in any_u64(), other in any_u64()) {
        let pool = |assets, shares| SharePool { assets: Atoms(assets), shares };
        let stake = Stake { own: Atoms(n[0]), exit: pool(n[1], n[2]), delegated: pool(n[3], n[4]), leaving: n[5], reserved: Atoms(n[6]), ..Stake::default() };
        let stake = Stake { pending: n[7], fresh: Atoms(n[2]), fresh_from: UnixTs(n[3]), claims: pool(n[6], n[5]), ..stake };
        let _ = (stake.bond(), stake.amount(), stake.staying(), stake.delegated_staying());
        let unchanged = |act: &dyn Fn(&mut Stake) -> bool| {
            let mut next = stake;
            let refused = act(&mut next);
            !refused || next == stake
        };
        prop_assert!(unchanged(&|s| s.add(Atoms(amount), NOW).is_err()));
        prop_assert!(unchanged(&|s| s.delegate(Atoms(amount)).is_err()));
        prop_assert!(unchanged(&|s| s.unbond(Atoms(amount), NOW).is_err()));
        prop_assert!(unchanged(&|s| s.undelegate(amount, other).is_err()));
        prop_assert!(unchanged(&|s| s.reserve(Atoms(amount)).is_err()));
        prop_assert!(unchanged(&|s| s.release(Atoms(amount)).is_err()));
        prop_assert!(unchanged(&|s| s.slash(Atoms(other), Atoms(amount)).is_err()));
        prop_assert!(unchanged(&|s| s.claim(Atoms(other), Atoms(n[1]), Atoms(amount)).is_err()));
        prop_assert!(unchanged(&|s| s.activate(UnixTs(amount)).is_err()));
        let mut next = stake;
        let _ = next.pay_claim(amount);
        let mut next = stake;
        let _ = next.withdraw(amount);
        let mut next = stake;
        let _ = next.withdraw_delegated(amount);
        let mut delegation = Delegation { shares: n[7], pending: n[0], ..Delegation::default() };
        let mut next = stake;
        let _ = delegation.add(&mut next, Atoms(amount), Atoms(other), NOW);
        let _ = delegation.request(&mut next, Atoms(amount), true, NOW);
    }
}

/// Every pool of up to 24 shares, every number of shares that leave it, every limit, every amount that joins: what the
/// properties above try by chance is tried here without exception.
#[test]
fn every_small_pool_keeps_a_share_at_or_below_an_atom() {
    for shares in 0..=24u64 {
        for assets in 0..=shares {
            if shares == 0 && assets > 0 {
                continue;
            }
            let pool = SharePool { assets: Atoms(assets), shares };
            for part in 0..=shares {
                for most in 0..=assets + 1 {
                    let mut next = pool;
                    let left = next.leave(part, Atoms(most)).unwrap();
                    assert!(
                        left.amount.0 <= most && left.shares <= part && left.amount <= pool.worth_down(part).unwrap()
                    );
                    assert!(next.assets.0 <= next.shares, "{pool:?} - {part} within {most}: {next:?}");
                    // Nobody else loses: the worth of the others' shares does not fall.
                    let others = shares - part;
                    assert!(
                        next.worth_down(others).unwrap() >= pool.worth_down(others).unwrap(),
                        "{pool:?} {part} {most}"
                    );
                }
            }
            for amount in 1..=24u64 {
                let mut next = pool;
                let Ok(issued) = next.join(Atoms(amount)) else {
                    assert!(assets == 0 && shares > 0);
                    continue;
                };
                assert!(issued >= amount && next.assets.0 <= next.shares);
                assert!(next.worth_down(issued).unwrap().0 <= amount);
                assert!(next.worth_down(shares).unwrap() >= pool.worth_down(shares).unwrap());
            }
        }
    }
}

#[test]
fn virtual_assets_would_promise_more_than_there_is_after_a_slash() {
    // 100 shares, of which a slash left 50 atoms; 100 virtual shares and assets, as ERC-4626 vaults have them.
    let (assets, shares, offset) = (50u64, 100u64, 100u64);
    let promised = shares * (assets + offset) / (shares + offset);
    assert!(promised > assets, "75 would be promised where 50 are");
    let pool = SharePool { assets: Atoms(assets), shares };
    assert_eq!(pool.worth_down(shares), Ok(Atoms(assets)));
}

const U: u64 = 1_000_000;

fn stake(own: u64, delegated: u64) -> Stake {
    let mut stake = Stake::default();
    stake.add(Atoms(own), NOW).unwrap();
    if delegated > 0 {
        stake.delegate(Atoms(delegated)).unwrap();
        stake.pending = 0; // as if its day were over
    }
    stake
}

#[test]
fn delegations_stop_at_four_times_the_operator_s_stake() {
    let mut s = stake(10 * U, 39 * U);
    assert_eq!(s.delegate(Atoms(U + 1)), Err(RuleError::OperatorShareTooSmall));
    assert_eq!(s.delegate(Atoms(U)), Ok(U));
    assert_eq!(s.unbond(Atoms(1), NOW), Err(RuleError::OperatorShareTooSmall));
    s.undelegate(4 * U, 0).unwrap();
    assert_eq!(s.unbond(Atoms(U + 1), NOW), Err(RuleError::OperatorShareTooSmall));
    assert_eq!(s.unbond(Atoms(U), NOW), Ok(U));
}

#[test]
fn a_slash_takes_the_operator_s_last_atom_before_a_delegator_s_first() {
    let mut s = stake(10 * U, 40 * U);
    s.undelegate(20 * U, 0).unwrap();
    s.unbond(Atoms(5 * U), NOW).unwrap();
    // Half of the delegators' stake is on its way out; ten times the least capacity is gone, five times 5 is left.
    assert_eq!(s.bond().unwrap().free(), Ok(Atoms(25 * U)));
    s.reserve(Atoms(25 * U)).unwrap();
    let slash = s.slash(Atoms(25 * U), Atoms(10 * U)).unwrap();
    assert_eq!((slash.operator, slash.delegators, slash.left), (Atoms(10 * U), Atoms::ZERO, Atoms(15 * U)));
    let slash = s.slash(Atoms(15 * U), Atoms(15 * U)).unwrap();
    assert_eq!((slash.operator, slash.delegators), (Atoms::ZERO, Atoms(15 * U)));
    // Those who leave bear as much as those who stay.
    assert_eq!(s.delegated.worth_down(20 * U), Ok(Atoms(25 * U / 2)));
    assert_eq!(s.bond().unwrap().free(), Ok(Atoms::ZERO), "no operator's stake, no new leases");
}

#[test]
fn stake_that_leaves_waits_for_its_leases_and_comes_before_new_ones() {
    let mut s = stake(10 * U, 10 * U);
    s.reserve(Atoms(18 * U)).unwrap();
    s.undelegate(10 * U, 0).unwrap();
    assert_eq!(s.bond().unwrap().unbonding, Atoms(2 * U), "what is not reserved is on its way out at once");
    assert_eq!(s.bond().unwrap().free(), Ok(Atoms::ZERO));
    assert_eq!(s.withdraw_delegated(10 * U).unwrap().amount, Atoms(2 * U));
    assert_eq!(s.withdraw_delegated(8 * U), Err(RuleError::StakeBound));
    s.release(Atoms(5 * U)).unwrap();
    assert_eq!(s.bond().unwrap().free(), Ok(Atoms::ZERO), "what a lease sets free is for those who leave");
    assert_eq!(s.withdraw_delegated(8 * U).unwrap().amount, Atoms(5 * U));
    s.release(Atoms(13 * U)).unwrap();
    assert_eq!(s.withdraw_delegated(3 * U).unwrap().amount, Atoms(3 * U));
    assert_eq!(s, stake(10 * U, 0));
}

#[test]
fn the_operator_leaves_last() {
    let mut s = stake(10 * U, 40 * U);
    s.reserve(Atoms(8 * U)).unwrap();
    s.undelegate(40 * U, 0).unwrap();
    s.unbond(Atoms(10 * U), NOW).unwrap();
    let left = s.withdraw(10 * U).unwrap();
    assert_eq!(left.amount, Atoms(2 * U), "eight of its own stay behind the lease though the delegators have forty");
    assert_eq!(s.withdraw(8 * U), Err(RuleError::StakeBound));
    assert_eq!(s.withdraw_delegated(40 * U).unwrap().amount, Atoms(40 * U));
}

#[test]
fn shares_that_a_slash_left_without_worth_go_at_once_and_nobody_joins_them() {
    let mut s = stake(10 * U, 10 * U);
    s.reserve(Atoms(20 * U)).unwrap();
    s.slash(Atoms(20 * U), Atoms(20 * U)).unwrap();
    s.add(Atoms(10 * U), NOW).unwrap();
    assert_eq!(s.delegate(Atoms(U)), Err(RuleError::PoolSpent));
    s.undelegate(10 * U, 0).unwrap();
    assert_eq!(check_matured(&s.delegated, 10 * U, UnixTs(100), UnixTs(0)), Ok(()));
    assert_eq!(s.withdraw_delegated(10 * U).unwrap().amount, Atoms::ZERO);
    assert_eq!(s.delegate(Atoms(U)), Ok(U));
    let spent = SharePool { assets: Atoms(1), shares: MAX_SHARES_PER_ATOM };
    assert_eq!({ spent }.join(Atoms(1)), Ok(MAX_SHARES_PER_ATOM));
    assert_eq!({ SharePool { shares: spent.shares + 1, ..spent } }.join(Atoms(1)), Err(RuleError::PoolSpent));
}

#[test]
fn stake_matures_after_seven_days_to_the_second() {
    let now = UnixTs(1_000);
    let due = matures(now).unwrap();
    assert_eq!(due, UnixTs(1_000 + 604_800));
    assert_eq!(UNBONDING_TIME.0, 604_800);
    let pool = SharePool { assets: Atoms(5), shares: 5 };
    assert_eq!(check_matured(&pool, 5, due, UnixTs(due.0 - 1)), Err(RuleError::NotMatured));
    assert_eq!(check_matured(&pool, 5, due, due), Ok(()));
    assert_eq!(check_matured(&pool, 5, due, UnixTs(due.0 + 1)), Ok(()));
    assert_eq!(matures(UnixTs::MAX), Err(RuleError::Overflow));
}

#[test]
fn a_delegator_s_bounds_hold_at_their_edges() {
    let mut s = stake(100 * U, 0);
    let mut d = Delegation::default();
    assert_eq!(d.add(&mut s, Atoms(U - 1), Atoms(0), NOW), Err(RuleError::DelegationTooSmall));
    assert_eq!(d.add(&mut s, Atoms(3 * U - 1), Atoms(3 * U), NOW), Err(RuleError::DelegationTooSmall));
    assert_eq!(d.add(&mut s, Atoms(3 * U), Atoms(3 * U), NOW), Ok(3 * U));
    assert_eq!(d.request(&mut s, Atoms(0), false, NOW), Err(RuleError::ZeroAmount));
    assert_eq!(d.request(&mut s, Atoms(3 * U + 1), false, NOW), Err(RuleError::PositionTooSmall));
    assert_eq!(d.request(&mut s, Atoms(2 * U + 1), false, NOW), Err(RuleError::DelegationTooSmall));
    assert_eq!(
        d.request(&mut s, Atoms(2 * U), true, NOW),
        Err(RuleError::DelegationTooSmall),
        "the operator sends off whole"
    );
    for _ in 0..MAX_REQUESTS {
        d.request(&mut s, Atoms(1_000), false, NOW).unwrap();
    }
    assert_eq!(d.request(&mut s, Atoms(1_000), false, NOW), Err(RuleError::TooManyRequests));
    assert_eq!(d.request(&mut s, Atoms::MAX, false, NOW), Err(RuleError::TooManyRequests));
    assert!(d.request(&mut s, Atoms::MAX, true, NOW).is_ok(), "the operator can always send a delegator off");
    assert_eq!(d.request(&mut s, Atoms::MAX, false, NOW), Err(RuleError::PositionTooSmall));
    assert_eq!(
        (check_place(MAX_DELEGATORS - 1), check_place(MAX_DELEGATORS)),
        (Ok(()), Err(RuleError::TooManyDelegators))
    );
    for (least, fine) in [
        (MIN_DELEGATION.0 - 1, false),
        (MIN_DELEGATION.0, true),
        (MIN_DELEGATION_MAX.0, true),
        (MIN_DELEGATION_MAX.0 + 1, false),
    ] {
        assert_eq!(check_minimum(Atoms(least)).is_ok(), fine, "{least}");
    }
}
