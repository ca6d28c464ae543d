//! Pools: delegating, what it earns, and who cannot be in whose way.

use gridlease_core::limits::{ACTIVATION_DELAY, COMMISSION_NOTICE, UNBONDING_TIME};
use gridlease_sdk::account::{Bond, Delegation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, provider, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Supply, USDC, node_args};
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn a_pool_is_opened_once_by_its_operator_within_the_bounds() {
    let mut w = World::new();
    let owner = w.registered(100 * USDC);
    let other = w.registered(100 * USDC);
    let (key, mint, payout) = (owner.authority.pubkey(), w.mint, owner.payout);
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    let vault = address::bond_vault(&owner.bond);
    let open = stake::open_pool(&key, &mint, &payout, 1_000, USDC, USDC);
    let cases = [
        ("commission", stake::open_pool(&key, &mint, &payout, 3_001, USDC, USDC), "staking CommissionOutOfBounds"),
        ("minimum", stake::open_pool(&key, &mint, &payout, 0, USDC - 1, USDC), "staking MinimumOutOfBounds"),
        ("mint", stake::open_pool(&key, &nine, &payout, 0, USDC, USDC), "staking WrongMint"),
        ("payout of another mint", stake::open_pool(&key, &mint, &of_nine, 0, USDC, USDC), "staking WrongMint"),
        ("payout into the vault", stake::open_pool(&key, &mint, &vault, 0, USDC, USDC), "staking WrongDestination"),
        ("bond of another", swapped(&open, &owner.bond, other.bond), "staking ConstraintSeeds"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.authority]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &open, 0), "staking AccountNotSigner");
    let change = stake::change_pool(&key, &payout, 500, USDC, USDC);
    assert_eq!(w.refuse(change, &[&owner.authority]), "staking PoolClosed");
    assert_eq!(w.refuse(stake::distribute(&owner.bond), &[]), "staking PoolClosed");
    assert_eq!(w.ok(&[open.clone()], &[&owner.authority]).told(), ["PoolOpened"]);
    assert_eq!(w.refuse(open, &[&owner.authority]), "system 0", "there is one already");
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.revenue, bond.payout), (address::bond_revenue(&owner.bond), payout));
    assert_eq!((bond.commission, bond.min_delegation), (1_000, USDC));
    let into = stake::change_pool(&key, &bond.revenue, 500, USDC, USDC);
    assert_eq!(w.refuse(into, &[&owner.authority]), "staking WrongDestination");
    let by_node = swapped(&stake::change_pool(&key, &payout, 500, USDC, USDC), &key, owner.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&owner.node]), "staking WrongAuthority");
}

#[test]
fn a_delegation_is_taken_only_within_its_bounds_and_into_its_bond() {
    let mut w = World::new();
    let (owner, other, shut) = (w.pool(10 * USDC, 0), w.pool(10 * USDC, 0), w.registered(10 * USDC));
    let (who, wallet) = w.wallet(100 * USDC);
    let (key, bond) = (who.pubkey(), owner.bond);
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    w.edit(&of_nine, |data| data[64..72].copy_from_slice(&USDC.to_le_bytes())); // its amount
    let open = |amount| stake::open_delegation(&key, &bond, &wallet, &wallet, amount);
    let (vault, revenue) = (address::bond_vault(&bond), address::bond_revenue(&bond));
    let cases = [
        ("no pool", stake::open_delegation(&key, &shut.bond, &wallet, &wallet, USDC), "staking PoolClosed"),
        ("too little", open(USDC - 1), "staking DelegationTooSmall"),
        ("above four times the operator's", open(40 * USDC + 1), "staking OperatorShareTooSmall"),
        ("another vault", swapped(&open(USDC), &vault, address::bond_vault(&other.bond)), "staking WrongVault"),
        ("another revenue vault", swapped(&open(USDC), &revenue, other.payout), "staking WrongRevenue"),
        ("paid into the vault", stake::open_delegation(&key, &bond, &wallet, &vault, USDC), "staking WrongDestination"),
        ("paid in another mint", stake::open_delegation(&key, &bond, &wallet, &of_nine, USDC), "staking WrongMint"),
        ("out of another mint", stake::open_delegation(&key, &bond, &of_nine, &wallet, USDC), "token 3"),
        ("out of the vault", stake::open_delegation(&key, &bond, &vault, &wallet, USDC), "token 4"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&who]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &open(USDC), 0), "staking AccountNotSigner");
    let own = stake::open_delegation(&owner.authority.pubkey(), &bond, &owner.payout, &owner.payout, USDC);
    assert_eq!(w.refuse(own, &[&owner.authority]), "staking OwnDelegation");
    assert_eq!(w.ok(&[open(39 * USDC)], &[&who]).told(), ["Delegated"]);
    assert_eq!(w.refuse(open(USDC), &[&who]), "system 0", "there is one already");

    let add = |amount| stake::delegate(&key, &bond, &wallet, amount);
    assert_eq!(w.refuse(add(USDC + 1), &[&who]), "staking OperatorShareTooSmall");
    let (rival, of_rival) = w.wallet(USDC);
    let foreign = swapped(&add(USDC), &key, rival.pubkey());
    assert_eq!(w.refuse(foreign, &[&rival]), "staking WrongDelegator");
    let _ = of_rival;
    let elsewhere = swapped(&add(USDC), &bond, other.bond);
    assert_eq!(w.refuse(elsewhere, &[&who]), "staking WrongDelegation");
    w.ok(&[add(USDC)], &[&who]);
    let (mine, all): (Delegation, Bond) = (w.read(&address::delegation(&bond, &key)), w.read(&bond));
    assert_eq!((mine.shares, mine.worth(&all).0, all.amount), (40 * USDC, 40 * USDC, 50 * USDC));
    assert!(all.delegators_len == 1 && key.as_ref().starts_with(&all.marks[0]));
    assert_eq!(all.marks[1..], [[0; 8]; 31]);
    let apart: Bond = w.read(&other.bond);
    assert!(!all.shares_anyone_with(&apart) && all.shares_anyone_with(&all));
}

#[test]
fn a_bond_has_32_delegators_and_a_place_is_free_again_when_one_has_gone() {
    let mut w = World::new();
    let owner = w.pool(100 * USDC, 0);
    let mut all: Vec<_> = (0..32).map(|_| w.delegator(&owner, USDC)).collect();
    let (late, wallet) = w.wallet(USDC);
    let open = stake::open_delegation(&late.pubkey(), &owner.bond, &wallet, &wallet, USDC);
    assert_eq!(w.refuse(open.clone(), &[&late]), "staking TooManyDelegators");
    let gone = all.remove(7);
    let number = w.undelegate(&gone, u64::MAX);
    let close = stake::close_delegation(&owner.bond, &gone.key.pubkey());
    assert_eq!(w.refuse(close.clone(), &[]), "staking NotEmpty", "its stake is still on its way out");
    w.pass(UNBONDING_TIME.0);
    w.ok(&[w.withdrawal_of_delegation(&gone, number)], &[]);
    let (had, rent) = (w.lamports(&gone.key.pubkey()), w.lamports(&gone.delegation));
    w.ok(&[close], &[]);
    assert_eq!(w.lamports(&gone.key.pubkey()), had + rent);
    w.ok(&[open], &[&late]);
    assert_eq!(w.read::<Bond>(&owner.bond).delegators_len, 32);
}

#[test]
fn the_first_depositor_gains_nothing_by_a_donation_to_the_vault() {
    let mut w = World::new();
    let owner = w.pool(100 * USDC, 0);
    let thief = w.delegator(&owner, USDC);
    let vault = address::bond_vault(&owner.bond);
    w.mint_to(&vault, 1_000 * USDC);
    let victim = w.delegator(&owner, 100 * USDC);
    let (of_thief, of_victim) = (w.undelegate(&thief, u64::MAX), w.undelegate(&victim, u64::MAX));
    w.pass(UNBONDING_TIME.0);
    w.ok(&[w.withdrawal_of_delegation(&thief, of_thief)], &[]);
    w.ok(&[w.withdrawal_of_delegation(&victim, of_victim)], &[]);
    assert_eq!((w.tokens(&thief.wallet), w.tokens(&victim.wallet)), (2 * USDC, 200 * USDC));
    // The donation is the operator's.
    let sweep = stake::sweep_donation(&owner.authority.pubkey(), &owner.payout);
    let into = swapped(&sweep, &owner.payout, vault);
    assert_eq!(w.refuse(into, &[&owner.authority]), "staking WrongDestination");
    let by_node = swapped(&sweep, &owner.authority.pubkey(), owner.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&owner.node]), "staking WrongAuthority");
    let had = w.tokens(&owner.payout);
    w.ok(&[sweep.clone()], &[&owner.authority]);
    assert_eq!((w.tokens(&owner.payout), w.tokens(&vault)), (had + 1_000 * USDC, 100 * USDC));
    assert_eq!(w.refuse(sweep, &[&owner.authority]), "staking NothingToClaim", "stake is not swept");
}

#[test]
fn revenue_follows_stake_and_commission_and_goes_to_those_who_were_there() {
    let mut w = World::new();
    let owner = w.pool(20 * USDC, 1_000);
    let revenue = address::bond_revenue(&owner.bond);
    let (first, second) = (w.delegator(&owner, 20 * USDC), w.delegator(&owner, 40 * USDC));
    w.mint_to(&revenue, 80 * USDC);
    assert_eq!(w.distribute(&owner.bond).told(), ["RevenueDistributed"]);
    w.changes_nothing(stake::distribute(&owner.bond));
    // Of 80: 20 for the operator's quarter, 60 for the delegators', less a tenth.
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.operator_owed, bond.delegators_owed), (26 * USDC, 54 * USDC));
    // What arrives now is of those who are there now, though it is distributed when others have come and gone.
    w.mint_to(&revenue, 80 * USDC);
    let add = stake::add_stake(&owner.authority.pubkey(), &owner.payout, 0);
    assert_eq!(w.refuse(add, &[&owner.authority]), "staking ZeroAmount");
    let late = w.delegator(&owner, 10 * USDC);
    w.undelegate(&second, u64::MAX);
    let claim =
        |of: &gridlease_tests::svm::pools::Delegator| stake::claim_revenue(&of.bond, &of.key.pubkey(), &of.wallet);
    assert_eq!(w.refuse(claim(&late), &[]), "staking NothingToClaim");
    let (of_first, of_second) = (w.tokens(&first.wallet), w.tokens(&second.wallet));
    w.ok(&[claim(&first)], &[]);
    w.ok(&[claim(&second)], &[]);
    assert_eq!(w.tokens(&first.wallet) - of_first, 36 * USDC - 1, "rounded down once");
    assert!((72 * USDC - 2..=72 * USDC).contains(&(w.tokens(&second.wallet) - of_second)));
    let had = w.tokens(&owner.payout);
    let commission = stake::claim_commission(&owner.bond, &owner.payout);
    w.ok(&[commission.clone()], &[]);
    assert_eq!(w.tokens(&owner.payout) - had, 52 * USDC);
    assert_eq!(w.refuse(commission, &[]), "staking NothingToClaim");
    // Who is on its way out earns nothing: 20 the operator's, 20 the first's, 10 the late one's.
    w.mint_to(&revenue, 50 * USDC);
    w.distribute(&owner.bond);
    assert_eq!(w.refuse(claim(&second), &[]), "staking NothingToClaim");
    assert_eq!(w.read::<Bond>(&owner.bond).operator_owed, 23 * USDC);
}

#[test]
fn nobody_s_frozen_account_is_in_anybody_else_s_way() {
    let mut w = World::new();
    let owner = w.pool(20 * USDC, 1_000);
    let revenue = address::bond_revenue(&owner.bond);
    let (first, second) = (w.delegator(&owner, 20 * USDC), w.delegator(&owner, 20 * USDC));
    let claim = |of: &gridlease_tests::svm::pools::Delegator, to| stake::claim_revenue(&of.bond, &of.key.pubkey(), to);
    let commission = stake::claim_commission(&owner.bond, &owner.payout);
    w.mint_to(&revenue, 60 * USDC);
    w.freeze(&owner.payout, true);
    w.freeze(&first.wallet, true);
    assert_eq!(w.refuse(commission.clone(), &[]), "token 17");
    assert_eq!(w.refuse(claim(&first, &first.wallet), &[]), "token 17");
    w.ok(&[claim(&second, &second.wallet)], &[]);
    // The delegator names another account by its signature; nobody else can.
    let other = w.foreign_account();
    assert_eq!(w.refuse(claim(&first, &other), &[]), "staking WrongDestination");
    let signed = stake::signed_by_owner(claim(&first, &other), &first.key.pubkey());
    w.ok(&[signed], &[&first.key]);
    assert!(w.tokens(&other) > 17 * USDC);
    let into = stake::signed_by_owner(claim(&first, &revenue), &first.key.pubkey());
    assert_eq!(w.refuse(into, &[&first.key]), "staking WrongDestination");
    // The operator names another account, too.
    let payout = w.foreign_account();
    let change = stake::change_pool(&owner.authority.pubkey(), &payout, 1_000, USDC, USDC);
    w.ok(&[change], &[&owner.authority]);
    assert_eq!(w.refuse(commission, &[]), "staking WrongDestination");
    w.ok(&[stake::claim_commission(&owner.bond, &payout)], &[]);
    // Stake on its way out, as well.
    let number = w.undelegate(&first, u64::MAX);
    w.pass(UNBONDING_TIME.0);
    let recorded = w.withdrawal_of_delegation(&first, number);
    assert_eq!(w.refuse(recorded.clone(), &[]), "token 17");
    let elsewhere = swapped(&recorded, &first.wallet, other);
    assert_eq!(w.refuse(elsewhere.clone(), &[]), "staking WrongDestination");
    w.ok(&[stake::signed_by_owner(elsewhere, &first.key.pubkey())], &[&first.key]);
    // A frozen revenue vault holds up no stake, and a frozen vault no revenue.
    w.mint_to(&revenue, 60 * USDC);
    w.freeze(&revenue, true);
    let number = w.undelegate(&second, u64::MAX);
    w.pass(UNBONDING_TIME.0);
    w.ok(&[w.withdrawal_of_delegation(&second, number)], &[]);
    w.freeze(&revenue, false);
    w.freeze(&address::bond_vault(&owner.bond), true);
    w.ok(&[claim(&second, &second.wallet)], &[]);
}

/// R9: a delegator that closed its token account kept a place of the pool, and the bond, open for ever.
#[test]
fn r09_a_delegator_whose_account_is_closed_is_paid_by_anybody_to_its_associated_one_and_its_place_is_free() {
    let mut w = World::new();
    let owner = w.pool(20 * USDC, 1_000);
    let ((key, from), recorded) = (w.wallet(20 * USDC), w.foreign_account());
    let me = key.pubkey();
    w.ok(&[stake::open_delegation(&me, &owner.bond, &from, &recorded, 20 * USDC)], &[&key]);
    let delegation = address::delegation(&owner.bond, &me);
    let gone = gridlease_tests::svm::pools::Delegator { bond: owner.bond, delegation, wallet: recorded, key };
    w.pass(ACTIVATION_DELAY.0);
    w.activate(&owner.bond, Some(&me));
    w.activate(&owner.bond, None);
    w.mint_to(&address::bond_revenue(&owner.bond), 60 * USDC);
    let number = w.undelegate(&gone, u64::MAX);
    w.pass(UNBONDING_TIME.0);
    let (to, thief) = (w.associated(&me), w.foreign_account());
    for due in [w.withdrawal_of_delegation(&gone, number), stake::claim_revenue(&owner.bond, &me, &recorded)] {
        let elsewhere = |to| swapped(&due, &recorded, to);
        let past = |to| stake::past_closed(elsewhere(to), &recorded);
        assert_eq!(w.refuse(past(to), &[]), "staking WrongDestination", "the recorded one takes money");
        w.freeze(&recorded, true);
        assert_eq!(w.refuse(past(to), &[]), "staking WrongDestination", "a frozen one waits");
        w.freeze(&recorded, false);
        w.stop_auditing(); // an account that is gone
        w.edit(&recorded, |data| data[108] = 0);
        assert_eq!(w.refuse(elsewhere(to), &[]), "staking WrongDestination", "nothing shows that it is closed");
        assert_eq!(w.refuse(past(thief), &[]), "staking WrongDestination");
        let shown = stake::past_closed(elsewhere(to), &thief);
        assert_eq!(w.refuse(shown, &[]), "staking WrongDestination", "another account is closed or not");
        let had = w.tokens(&to);
        w.ok(&[past(to)], &[]);
        assert!(w.tokens(&to) - had >= 20 * USDC);
        w.edit(&recorded, |data| data[108] = 1);
    }
    w.ok(&[stake::close_delegation(&owner.bond, &me)], &[]);
    assert_eq!(w.read::<Bond>(&owner.bond).delegations, 0);
}

#[test]
fn a_higher_commission_holds_after_three_days_to_the_second() {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 1_000);
    let _delegator = w.delegator(&owner, 10 * USDC);
    let (key, revenue) = (owner.authority.pubkey(), address::bond_revenue(&owner.bond));
    let change = |rate| stake::change_pool(&key, &owner.payout, rate, USDC, USDC);
    let above = change(3_001);
    assert_eq!(w.refuse(above, &[&owner.authority]), "staking CommissionOutOfBounds");
    let from = w.now().ts.0 + COMMISSION_NOTICE.0;
    w.ok(&[change(3_000)], &[&owner.authority]);
    let mut owed = 0;
    // Of 2 USDC one is the delegator's, less the commission.
    for (ts, rate) in [(from - 1, 1_000), (from, 3_000), (from + 1, 3_000)] {
        w.at(ts);
        w.mint_to(&revenue, 2 * USDC);
        w.distribute(&owner.bond);
        owed += USDC + USDC * rate / 10_000;
        assert_eq!(w.read::<Bond>(&owner.bond).operator_owed, owed, "at {ts}");
    }
    // A lower one holds at once, but not for what arrived before.
    w.mint_to(&revenue, 2 * USDC);
    w.ok(&[change(0)], &[&owner.authority]);
    owed += USDC + USDC * 3_000 / 10_000;
    w.mint_to(&revenue, 2 * USDC);
    w.distribute(&owner.bond);
    assert_eq!(w.read::<Bond>(&owner.bond).operator_owed, owed + USDC);
}

#[test]
fn a_provider_that_names_its_revenue_vault_shares_what_its_leases_earn() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.pool(20 * USDC, 2_000);
    let backer = w.delegator(&owner, 60 * USDC);
    let (key, revenue) = (owner.authority.pubkey(), address::bond_revenue(&owner.bond));
    let supply = Supply::default();
    let post =
        provider::post_offer(&owner.node.pubkey(), &owner.record, 1, supply.machine(), supply.terms(w.now().ts.0));
    w.ok(&[post], &[&owner.node]);
    w.claim_all(&owner, 1);
    // The record was made before the pool: a second provider names the vault from the start.
    let (authority, _) = w.wallet(0);
    let register = provider::register(&authority.pubkey(), &revenue, node_args(&owner.node.pubkey()));
    w.ok(&[register], &[&authority]);
    w.edit_as::<gridlease_sdk::account::Provider>(&owner.record, |record| record.payout = revenue);
    let keys = w.running(&buyer, &owner, 1_200_000, |_| {});
    w.pass(3_600);
    w.settle(&keys);
    let earned = w.tokens(&revenue);
    assert!(earned > USDC);
    let had = w.tokens(&backer.wallet);
    w.ok(&[stake::claim_revenue(&owner.bond, &backer.key.pubkey(), &backer.wallet)], &[]);
    let part = w.tokens(&backer.wallet) - had;
    // Three quarters, less a fifth.
    assert!(part.abs_diff(earned * 3 / 4 * 4 / 5) <= 2, "{part} of {earned}");
    assert!(key != backer.key.pubkey());
}
