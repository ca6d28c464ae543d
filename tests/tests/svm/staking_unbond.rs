//! Stake on its way out: when it leaves, what can still be slashed of it, and that nothing else keeps it.

use gridlease_core::limits::{MAX_REQUESTS, UNBONDING_TIME};
use gridlease_sdk::account::{Bond, Delegation, Reservation, Unbonding};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::pools::{release_call, reserve_call, slash_call};
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn stake_leaves_after_seven_days_to_the_second() {
    let mut w = World::new();
    let owner = w.pool(50 * USDC, 0);
    let backer = w.delegator(&owner, 10 * USDC);
    let due = w.now().ts.0 + UNBONDING_TIME.0;
    let (own, theirs) = (w.unbond(&owner, 5 * USDC), w.undelegate(&backer, 4 * USDC));
    let next = (w.unbond(&owner, 5 * USDC), w.undelegate(&backer, 3 * USDC));
    assert_eq!((own, theirs, next), (0, 0, (1, 1)));
    let (of_owner, of_backer) = (w.withdrawal_of_stake(&owner, own), w.withdrawal_of_delegation(&backer, theirs));
    for ts in [due - 1, due] {
        w.at(ts);
        if ts < due {
            assert_eq!(w.refuse(of_owner.clone(), &[]), "staking NotMatured");
            assert_eq!(w.refuse(of_backer.clone(), &[]), "staking NotMatured");
        }
    }
    let (had_owner, had_backer) = (w.tokens(&owner.payout), w.tokens(&backer.wallet));
    let rent = w.lamports(&address::unbonding(&owner.bond, &owner.authority.pubkey(), own));
    let had = w.lamports(&owner.authority.pubkey());
    w.ok(&[of_owner.clone()], &[]);
    w.ok(&[of_backer.clone()], &[]);
    assert_eq!(w.lamports(&owner.authority.pubkey()), had + rent);
    assert_eq!((w.tokens(&owner.payout) - had_owner, w.tokens(&backer.wallet) - had_backer), (5 * USDC, 4 * USDC));
    assert_eq!(w.refuse(of_owner, &[]), "staking AccountOwnedByWrongProgram", "it is gone");
    w.at(due + 1);
    w.ok(&[w.withdrawal_of_stake(&owner, 1)], &[]);
    w.ok(&[w.withdrawal_of_delegation(&backer, 1)], &[]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.unbonding, bond.withdrawn_total), (43 * USDC, 0, 17 * USDC));
}

#[test]
fn a_request_is_refused_beyond_its_bounds_and_to_strangers() {
    let mut w = World::new();
    let (owner, other) = (w.pool(10 * USDC, 0), w.pool(10 * USDC, 0));
    let (backer, rival) = (w.delegator(&owner, 20 * USDC), w.delegator(&owner, 20 * USDC));
    let (key, bond) = (owner.authority.pubkey(), owner.bond);
    let of_other = w.other_mint(9, TOKEN_PROGRAM);
    let of_other = w.token_account_of(of_other, key, TOKEN_PROGRAM);
    let vault = address::bond_vault(&bond);
    let unbond = |amount, number| stake::unbond(&key, &owner.payout, amount, number);
    let cases = [
        ("nothing is free of delegations", unbond(1, 0), "staking OperatorShareTooSmall"),
        ("more than there is", unbond(11 * USDC, 0), "staking PositionTooSmall"),
        ("another number", unbond(1, 1), "staking WrongUnbonding"),
        ("to another mint", stake::unbond(&key, &of_other, 1, 0), "staking WrongMint"),
        ("into the vault", stake::unbond(&key, &vault, 1, 0), "staking WrongDestination"),
        ("bond of another", swapped(&unbond(1, 0), &bond, other.bond), "staking ConstraintSeeds"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.authority]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &unbond(1, 0), 0), "staking AccountNotSigner");

    let me = backer.key.pubkey();
    let leave = |amount, number| stake::undelegate(&me, &bond, &me, &backer.wallet, amount, number);
    let cases = [
        ("nothing", leave(0, 0), "staking ZeroAmount"),
        ("more than there is", leave(20 * USDC + 1, 0), "staking PositionTooSmall"),
        ("all but a little", leave(19 * USDC + 1, 0), "staking DelegationTooSmall"),
        ("another number", leave(1, 1), "staking WrongUnbonding"),
        ("into the vault", stake::undelegate(&me, &bond, &me, &vault, 1, 0), "staking WrongDestination"),
        ("to another mint", stake::undelegate(&me, &bond, &me, &of_other, 1, 0), "staking WrongDestination"),
        ("another revenue vault", swapped(&leave(1, 0), &address::bond_revenue(&bond), vault), "staking WrongRevenue"),
        ("of another bond", swapped(&leave(1, 0), &bond, other.bond), "staking ConstraintSeeds"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&backer.key]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &leave(1, 0), 0), "staking AccountNotSigner");
    let thief = rival.key.pubkey();
    let stolen = stake::undelegate(&thief, &bond, &me, &rival.wallet, u64::MAX, 0);
    assert_eq!(w.refuse(stolen, &[&rival.key]), "staking WrongDelegator");
    for _ in 0..MAX_REQUESTS {
        w.undelegate(&backer, USDC);
    }
    let (more, _) = w.undelegation_of(&backer, u64::MAX);
    assert_eq!(w.refuse(more, &[&backer.key]), "staking TooManyRequests");
    for _ in 0..MAX_REQUESTS {
        w.unbond(&owner, USDC / 8);
    }
    let more = stake::unbond(&key, &owner.payout, 1, MAX_REQUESTS.into());
    assert_eq!(w.refuse(more, &[&owner.authority]), "staking TooManyRequests");
}

#[test]
fn a_withdrawal_takes_only_its_own_request_accounts() {
    let mut w = World::new();
    let (owner, other) = (w.pool(50 * USDC, 0), w.pool(50 * USDC, 0));
    let (backer, rival) = (w.delegator(&owner, 20 * USDC), w.delegator(&other, 20 * USDC));
    w.unbond(&owner, USDC);
    w.unbond(&other, USDC);
    w.undelegate(&backer, USDC);
    w.undelegate(&rival, USDC);
    w.pass(UNBONDING_TIME.0);
    let request = |bond, owner: &solana_pubkey::Pubkey| address::unbonding(bond, owner, 0);
    let (me, them) = (backer.key.pubkey(), rival.key.pubkey());
    let (operator, rival_operator) = (owner.authority.pubkey(), other.authority.pubkey());
    let good = w.withdrawal_of_delegation(&backer, 0);
    let vault = address::bond_vault(&owner.bond);
    let mine = request(&owner.bond, &me);
    let cases = [
        ("bond of another", swapped(&good, &owner.bond, other.bond), "staking WrongUnbonding"),
        ("request of another", swapped(&good, &mine, request(&other.bond, &them)), "staking WrongUnbonding"),
        ("the operator's", swapped(&good, &mine, request(&owner.bond, &operator)), "staking WrongUnbonding"),
        ("delegation of another", swapped(&good, &backer.delegation, rival.delegation), "staking WrongDelegation"),
        ("vault of another", swapped(&good, &vault, address::bond_vault(&other.bond)), "staking WrongVault"),
        ("destination of another", swapped(&good, &backer.wallet, rival.wallet), "staking WrongDestination"),
        ("into the vault", swapped(&good, &backer.wallet, vault), "staking WrongDestination"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    let rent = stake::withdraw_delegation(&owner.bond, &me, 0, &backer.wallet, &them);
    assert_eq!(w.refuse(rent, &[]), "staking WrongRentTo");
    let good = w.withdrawal_of_stake(&owner, 0);
    let own = request(&owner.bond, &operator);
    let cases = [
        ("bond of another", swapped(&good, &owner.bond, other.bond), "staking WrongUnbonding"),
        ("another's", swapped(&good, &own, request(&other.bond, &rival_operator)), "staking WrongUnbonding"),
        ("a delegator's", swapped(&good, &own, mine), "staking WrongUnbonding"),
        ("destination of another", swapped(&good, &owner.payout, other.payout), "staking WrongDestination"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
}

#[test]
fn stake_that_left_before_a_fault_is_slashed_with_the_rest_until_it_is_out() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(10 * USDC, 0);
    let (quick, slow) = (w.delegator(&owner, 20 * USDC), w.delegator(&owner, 20 * USDC));
    let lease = w.reserve(&owner, 50 * USDC);
    // The operator and one delegator run before the fault is seen.
    let number = w.undelegate(&quick, u64::MAX);
    let close = slash_call(&owner.bond, &lease, &w.insurance, 0, 50 * USDC + 1);
    assert_eq!(w.refuse(close, &[]), "staking SlashAboveReservation");
    w.slash(&owner, &lease, 0, 10 * USDC);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.own, bond.delegated_assets), (0, 40 * USDC), "the operator's first");
    w.slash(&owner, &lease, 0, 20 * USDC);
    let (bond, of_slow): (Bond, Delegation) = (w.read(&owner.bond), w.read(&slow.delegation));
    let request = address::unbonding(&owner.bond, &quick.key.pubkey(), number);
    assert_eq!(of_slow.worth(&bond).0, 10 * USDC);
    assert_eq!(w.read::<Unbonding>(&request).worth(&bond).0, 10 * USDC, "half of each, on its way out or not");
    // It has matured, and still stands behind the lease.
    w.pass(UNBONDING_TIME.0);
    let out = w.withdrawal_of_delegation(&quick, number);
    assert_eq!(w.refuse(out.clone(), &[]), "staking StakeBound");
    w.release(&owner, &lease);
    let had = w.tokens(&quick.wallet);
    w.ok(&[out], &[]);
    assert_eq!(w.tokens(&quick.wallet) - had, 10 * USDC);
    // Without an operator's stake nobody joins, and nothing can be reserved.
    let more = stake::delegate(&slow.key.pubkey(), &owner.bond, &slow.wallet, USDC);
    assert_eq!(w.refuse(more, &[&slow.key]), "staking OperatorShareTooSmall");
    let lease = w.key().pubkey();
    assert_eq!(w.refuse(reserve_call(&owner.bond, &lease, &owner.payout, 1), &[]), "staking InsufficientStake");
}

#[test]
fn matured_stake_never_leaves_past_a_reservation_and_goes_as_leases_close() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(10 * USDC, 0);
    let backer = w.delegator(&owner, 10 * USDC);
    let (first, second) = (w.reserve(&owner, 12 * USDC), w.reserve(&owner, 6 * USDC));
    let number = w.undelegate(&backer, u64::MAX);
    let own = w.unbond(&owner, 10 * USDC);
    let lease = w.key().pubkey();
    assert_eq!(w.refuse(reserve_call(&owner.bond, &lease, &owner.payout, 1), &[]), "staking InsufficientStake");
    w.pass(UNBONDING_TIME.0);
    let (of_backer, of_owner) = (w.withdrawal_of_delegation(&backer, number), w.withdrawal_of_stake(&owner, own));
    assert_eq!(w.refuse(of_owner.clone(), &[]), "staking StakeBound", "the operator is behind every lease first");
    let had = w.tokens(&backer.wallet);
    w.ok(&[of_backer.clone()], &[]);
    assert_eq!(w.tokens(&backer.wallet) - had, 2 * USDC);
    w.release(&owner, &second);
    assert_eq!(w.refuse(reserve_call(&owner.bond, &lease, &owner.payout, 1), &[]), "staking InsufficientStake");
    w.ok(&[of_backer.clone()], &[]);
    assert_eq!(w.tokens(&backer.wallet) - had, 8 * USDC);
    assert_eq!(w.refuse(of_backer.clone(), &[]), "staking StakeBound");
    w.release(&owner, &first);
    w.ok(&[of_backer], &[]);
    w.ok(&[of_owner], &[]);
    assert_eq!(w.tokens(&backer.wallet) - had, 10 * USDC);
    assert_eq!(w.read::<Bond>(&owner.bond).amount, 0);
}

#[test]
fn an_operator_can_send_a_delegator_off_that_does_everything_to_stay() {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    let backer = w.delegator(&owner, 40 * USDC);
    for _ in 0..MAX_REQUESTS {
        w.undelegate(&backer, USDC);
    }
    let (operator, me) = (owner.authority.pubkey(), backer.key.pubkey());
    let number = w.read::<Delegation>(&backer.delegation).next_number;
    let part = stake::undelegate(&operator, &owner.bond, &me, &backer.wallet, USDC, number);
    assert_eq!(w.refuse(part, &[&owner.authority]), "staking DelegationTooSmall", "whole or not at all");
    let stolen = stake::undelegate(&operator, &owner.bond, &me, &owner.payout, u64::MAX, number);
    assert_eq!(w.refuse(stolen, &[&owner.authority]), "staking WrongDestination");
    let off = stake::undelegate(&operator, &owner.bond, &me, &backer.wallet, u64::MAX, number);
    w.ok(&[off], &[&owner.authority]);
    let own = w.unbond(&owner, 10 * USDC);
    w.pass(UNBONDING_TIME.0);
    let had = w.tokens(&backer.wallet);
    for number in 0..u32::from(MAX_REQUESTS) {
        w.ok(&[w.withdrawal_of_delegation(&backer, number)], &[]);
    }
    let last = stake::withdraw_delegation(&owner.bond, &me, number, &backer.wallet, &operator);
    w.ok(&[last], &[]);
    assert_eq!(w.tokens(&backer.wallet) - had, 40 * USDC);
    w.ok(&[w.withdrawal_of_stake(&owner, own)], &[]);
    w.ok(&[stake::close_delegation(&owner.bond, &me)], &[]);
    w.ok(&[stake::close_bond(&operator, &owner.payout, true)], &[&owner.authority]);
}

#[test]
fn requests_that_a_slash_left_nothing_of_go_at_once_and_their_pool_begins_anew() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(10 * USDC, 0);
    let backer = w.delegator(&owner, 10 * USDC);
    let lease = w.reserve(&owner, 20 * USDC);
    let own = w.unbond(&owner, 5 * USDC);
    w.slash(&owner, &lease, 0, 20 * USDC);
    w.mint_to(&owner.payout, 50 * USDC);
    w.ok(&[stake::add_stake(&owner.authority.pubkey(), &owner.payout, 50 * USDC)], &[&owner.authority]);
    let more = stake::delegate(&backer.key.pubkey(), &owner.bond, &backer.wallet, USDC);
    assert_eq!(w.refuse(more.clone(), &[&backer.key]), "staking PoolSpent");
    let again = stake::unbond(&owner.authority.pubkey(), &owner.payout, USDC, 1);
    assert_eq!(w.refuse(again, &[&owner.authority]), "staking PoolSpent");
    let number = w.undelegate(&backer, u64::MAX);
    w.ok(&[w.withdrawal_of_delegation(&backer, number)], &[]);
    w.ok(&[w.withdrawal_of_stake(&owner, own)], &[]);
    w.ok(&[more], &[&backer.key]);
    w.unbond(&owner, USDC);
    assert_eq!(w.read::<Delegation>(&backer.delegation).shares, USDC);
}

#[test]
fn an_empty_bond_is_closed_with_all_of_its_rent() {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    let key = owner.authority.pubkey();
    let close = stake::close_bond(&key, &owner.payout, true);
    assert_eq!(w.refuse(close.clone(), &[&owner.authority]), "staking NotEmpty");
    let number = w.unbond(&owner, 10 * USDC);
    assert_eq!(w.refuse(close.clone(), &[&owner.authority]), "staking NotEmpty");
    w.pass(UNBONDING_TIME.0);
    w.ok(&[w.withdrawal_of_stake(&owner, number)], &[]);
    let (vault, revenue) = (address::bond_vault(&owner.bond), address::bond_revenue(&owner.bond));
    w.mint_to(&vault, 7);
    w.mint_to(&revenue, 9);
    let without = stake::close_bond(&key, &owner.payout, false);
    assert_eq!(w.refuse(without, &[&owner.authority]), "staking WrongRevenue");
    let into = swapped(&close, &owner.payout, vault);
    assert_eq!(w.refuse(into, &[&owner.authority]), "staking WrongDestination");
    let by_node = swapped(&close, &key, owner.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&owner.node]), "staking WrongAuthority");
    assert_eq!(unsigned(&mut w, &close, 0), "staking AccountNotSigner");
    let held = [owner.bond, vault, revenue].iter().map(|at| w.lamports(at)).sum::<u64>();
    let (had, tokens) = (w.lamports(&key), w.tokens(&owner.payout));
    assert_eq!(w.ok(&[close], &[&owner.authority]).told(), ["BondClosed"]);
    assert_eq!((w.lamports(&key), w.tokens(&owner.payout)), (had + held, tokens + 16));
    assert!([owner.bond, vault, revenue].iter().all(|at| w.account(at).is_none()));
    // It can be opened again, as new.
    w.ok(&[stake::open_bond(&key, &w.mint)], &[&owner.authority]);
    w.ok(&[stake::close_bond(&key, &owner.payout, false)], &[&owner.authority]);
}

#[test]
fn a_frozen_insurance_account_holds_up_no_slash_and_is_paid_later() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(10 * USDC, 0);
    let lease = w.reserve(&owner, 10 * USDC);
    let fund = w.insurance;
    let pay = stake::pay_insurance(&owner.bond, &fund);
    assert_eq!(w.refuse(pay.clone(), &[]), "staking NothingToClaim");
    w.freeze(&fund, true);
    w.slash(&owner, &lease, 2 * USDC, 3 * USDC);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.claims_assets), (7 * USDC, 2 * USDC), "what is claimed stays, too");
    assert_eq!((bond.insurance_owed, w.tokens(&bond.vault)), (3 * USDC, 10 * USDC));
    let sweep = stake::sweep_donation(&owner.authority.pubkey(), &owner.payout);
    assert_eq!(w.refuse(sweep, &[&owner.authority]), "staking NothingToClaim", "it is no donation");
    assert_eq!(w.refuse(pay.clone(), &[]), "token 17");
    w.freeze(&fund, false);
    let another = swapped(&pay, &fund, w.treasury);
    assert_eq!(w.refuse(another, &[]), "staking WrongInsurance");
    w.ok(&[pay], &[]);
    assert_eq!(w.tokens(&fund), 3 * USDC);
    w.release(&owner, &lease);
}

#[test]
fn a_reservation_without_rent_cannot_outlive_its_transaction() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.registered(10 * USDC);
    let lease = w.key().pubkey();
    let reserve = reserve_call(&owner.bond, &lease, &owner.payout, USDC);
    assert!(w.refuse(reserve.clone(), &[]).contains("InsufficientFundsForRent"));
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
    // With the rent paid in the same transaction it stands; the bond gets its lamport back on release.
    let payer = w.payer.pubkey();
    let rent = w.rent(8 + size_of::<Reservation>());
    let address = address::reservation(&lease);
    let fund = solana_system_interface::instruction::transfer(&payer, &address, rent - 1);
    let had = w.lamports(&owner.bond);
    w.ok(&[reserve.clone(), fund], &[]);
    assert_eq!((w.lamports(&owner.bond), w.lamports(&address)), (had - 1, rent));
    let to = w.lamports(&owner.payout);
    w.ok(&[release_call(&owner.bond, &lease, &owner.payout)], &[]);
    assert_eq!((w.lamports(&owner.bond), w.lamports(&owner.payout)), (had, to + rent - 1));
    // A bond that has lent all it can spare says so. It takes ten thousand leases.
    let bare = w.rent(8 + size_of::<Bond>());
    let mut account = w.account(&owner.bond).unwrap();
    account.lamports = bare;
    w.put(owner.bond, account);
    assert!(w.refuse(reserve.clone(), &[]).contains("InsufficientFundsForRent"), "whatever its books say");
    w.edit_as::<Bond>(&owner.bond, |bond| bond.leases = 10_000);
    assert_eq!(w.refuse(reserve, &[]), "staking NoSpareLamport");
}
