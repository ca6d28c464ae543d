//! The second edition's rules of stake, on the built programs.

use gridlease_core::limits::{ACTIVATION_DELAY, PAYOUT_DELAY, PAYOUT_DELAY_WITH_DELEGATORS, UNBONDING_TIME};
use gridlease_sdk::account::{Bond, Delegation, RELEASED, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{provider, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::pools::claimant;
use solana_signer::Signer;

use crate::swapped;

#[test]
fn r06_a_claim_leaves_the_bond_a_week_later_whatever_else_is_reserved_and_can_be_lost_until_then() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(20 * USDC, 0);
    let backer = w.delegator(&owner, 80 * USDC);
    let (lease, other) = (w.reserve(&owner, 50 * USDC), w.reserve(&owner, 50 * USDC));
    // A fifth of what stands behind the lease is the operator's.
    let above = gridlease_tests::svm::pools::slash_call(&owner.bond, &lease, &w.insurance, 10 * USDC + 1, 0);
    assert_eq!(w.refuse(above, &[]), "staking SlashAboveReservation");
    assert_eq!(w.slash(&owner, &lease, 10 * USDC, 0).told(), ["Slashed"]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!(
        (bond.own, bond.claims_assets, bond.reserved, bond.amount),
        (10 * USDC, 10 * USDC, 90 * USDC, 100 * USDC)
    );
    // A fault of the other lease takes the operator's own, then what is claimed, and nothing of the delegators'.
    w.slash(&owner, &other, 0, 14 * USDC);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.own, bond.claims_assets, bond.delegated_assets), (0, 6 * USDC, 80 * USDC));
    w.release(&owner, &lease);
    let (held, wallet) = (address::reservation(&lease), w.associated(&claimant()));
    assert_eq!(w.read::<Reservation>(&held).header.state, RELEASED, "it stays for its claim");
    let (operator, rent) = (owner.authority.pubkey(), w.lamports(&held));
    let pay = stake::pay_claim(&owner.bond, &lease, &claimant(), &wallet, &operator);
    assert_eq!(w.refuse(pay.clone(), &[]), "staking NotMatured");
    w.pass(UNBONDING_TIME.0 - 1);
    assert_eq!(w.refuse(pay.clone(), &[]), "staking NotMatured");
    w.pass(1);
    for wrong in [backer.wallet, address::bond_vault(&owner.bond)] {
        assert_eq!(w.refuse(swapped(&pay, &wallet, wrong), &[]), "staking WrongDestination");
    }
    let somebody = swapped(&pay, &claimant(), backer.key.pubkey());
    assert_eq!(w.refuse(somebody, &[]), "staking WrongDestination", "not to its account either");
    let had = w.lamports(&operator);
    assert_eq!(w.ok(&[pay.clone()], &[]).told(), ["ClaimPaid"]);
    assert_eq!(w.tokens(&wallet), 6 * USDC);
    assert_eq!(w.lamports(&operator) - had, rent);
    assert!(w.account(&held).is_none());
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.reserved, bond.claimed_total), (80 * USDC, 36 * USDC, 6 * USDC));
}

#[test]
fn r15_new_stake_earns_from_a_day_after_it_came_in_once_anyone_activates_it() {
    let mut w = World::new();
    let owner = w.pool(20 * USDC, 0);
    let old = w.delegator(&owner, 20 * USDC);
    let late = w.new_delegator(&owner, 40 * USDC);
    let revenue = address::bond_revenue(&owner.bond);
    let claim =
        |of: &gridlease_tests::svm::pools::Delegator| stake::claim_revenue(&of.bond, &of.key.pubkey(), &of.wallet);
    w.mint_to(&revenue, 40 * USDC);
    assert_eq!(w.refuse(claim(&late), &[]), "staking NothingToClaim", "who joins a moment before has nothing of it");
    w.ok(&[claim(&old)], &[]);
    assert_eq!(w.tokens(&old.wallet), 40 * USDC, "half of 40, and what it had");
    let activate = stake::activate(&owner.bond, Some(&late.key.pubkey()));
    w.pass(ACTIVATION_DELAY.0 - 1);
    assert_eq!(w.refuse(activate.clone(), &[]), "staking TooEarly");
    w.pass(1);
    w.mint_to(&revenue, 40 * USDC);
    assert_eq!(w.ok(&[activate], &[]).told(), ["RevenueDistributed", "Activated"]);
    assert_eq!(w.refuse(claim(&late), &[]), "staking NothingToClaim", "what arrived before was divided before");
    w.mint_to(&revenue, 80 * USDC);
    w.ok(&[claim(&late)], &[]);
    assert_eq!(w.tokens(&late.wallet), 80 * USDC, "half of 80, and what it had");
    // The operator's likewise.
    w.mint_to(&owner.payout, 80 * USDC);
    w.ok(&[stake::add_stake(&owner.authority.pubkey(), &owner.payout, 80 * USDC)], &[&owner.authority]);
    let owed = w.read::<Bond>(&owner.bond).operator_owed;
    w.mint_to(&revenue, 80 * USDC);
    w.distribute(&owner.bond);
    assert_eq!(w.read::<Bond>(&owner.bond).operator_owed - owed, 20 * USDC, "a quarter, as before");
    let early = stake::activate(&owner.bond, None);
    assert_eq!(w.refuse(early, &[]), "staking TooEarly");
}

#[test]
fn r10_a_delegator_s_stake_stands_behind_leases_from_its_activation_on() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(20 * USDC, 0);
    let late = w.new_delegator(&owner, 40 * USDC);
    assert_eq!(w.read::<Bond>(&owner.bond).amounts().free().unwrap().0, 20 * USDC);
    w.pass(ACTIVATION_DELAY.0);
    w.activate(&owner.bond, Some(&late.key.pubkey()));
    assert_eq!(w.read::<Bond>(&owner.bond).amounts().free().unwrap().0, 60 * USDC);
}

#[test]
fn r10_a_delegation_below_the_operator_s_least_makes_nobody_kin() {
    let mut w = World::new();
    let (owner, other) = (w.pool(20 * USDC, 0), w.pool(20 * USDC, 0));
    let dust = w.new_delegator(&owner, USDC);
    let key = dust.key.pubkey();
    w.mint_to(&dust.wallet, USDC);
    let second = stake::open_delegation(&key, &other.bond, &dust.wallet, &dust.wallet, USDC);
    w.ok(&[second], &[&dust.key]);
    let bonds = |w: &World| [w.read::<Bond>(&owner.bond), w.read::<Bond>(&other.bond)];
    let [one, two] = bonds(&w);
    assert!(one.shares_anyone_with(&two));
    let change = stake::change_pool(&owner.authority.pubkey(), &owner.payout, 0, USDC, 10 * USDC);
    w.ok(&[change], &[&owner.authority]);
    w.pass(ACTIVATION_DELAY.0);
    w.activate(&owner.bond, Some(&key));
    let [one, two] = bonds(&w);
    assert!(!one.shares_anyone_with(&two), "it is enough that one of them asks for more");
    assert_eq!(one.delegators_len, 1, "it has its place all the same");
}

#[test]
fn r09_a_place_is_free_once_the_stake_is_out_whatever_revenue_waits_to_be_taken() {
    let mut w = World::new();
    let owner = w.pool(20 * USDC, 0);
    let gone = w.delegator(&owner, 20 * USDC);
    w.mint_to(&address::bond_revenue(&owner.bond), 40 * USDC);
    let number = w.undelegate(&gone, u64::MAX);
    w.pass(UNBONDING_TIME.0);
    w.ok(&[w.withdrawal_of_delegation(&gone, number)], &[]);
    w.freeze(&gone.wallet, true);
    let close = stake::close_delegation(&owner.bond, &gone.key.pubkey());
    assert_eq!(w.ok(&[close.clone()], &[]).told(), ["DelegationClosed"]);
    let (bond, left): (Bond, Delegation) = (w.read(&owner.bond), w.read(&gone.delegation));
    assert_eq!((bond.delegators_len, bond.delegations, left.place, left.owed), (0, 1, 0, 20 * USDC));
    assert_eq!(w.refuse(close.clone(), &[]), "staking NotEmpty", "it is owed something still");
    w.freeze(&gone.wallet, false);
    w.ok(&[stake::claim_revenue(&owner.bond, &gone.key.pubkey(), &gone.wallet)], &[]);
    w.ok(&[close], &[]);
    assert_eq!(w.read::<Bond>(&owner.bond).delegations, 0);
}

#[test]
fn r15_the_payout_account_of_a_provider_with_delegators_changes_after_nine_days() {
    let mut w = World::new();
    let owner = w.pool(20 * USDC, 0);
    let (cold, new) = (owner.authority.pubkey(), w.foreign_account());
    w.ok(&[provider::propose_payout(&cold, &new)], &[&owner.authority]);
    let proposed = w.now().ts.0;
    // One who joins while it waits has its nine days from the proposal on, too.
    let _late = w.delegator(&owner, USDC);
    let apply = provider::apply_payout(&owner.record, &owner.bond, &new);
    w.at(proposed + PAYOUT_DELAY.0);
    assert_eq!(w.refuse(apply.clone(), &[]), "market TooEarly");
    w.at(proposed + PAYOUT_DELAY_WITH_DELEGATORS.0 - 1);
    assert_eq!(w.refuse(apply.clone(), &[]), "market TooEarly");
    w.at(proposed + PAYOUT_DELAY_WITH_DELEGATORS.0);
    w.ok(&[apply], &[]);
}
