//! Governance of the staking program: who configures it, who is the admin, what a change waits for.

use gridlease_core::limits::{BOND_CAP, GOVERNANCE_DELAY, UNBONDING_TIME};
use gridlease_sdk::account::StakingConfig;
use gridlease_sdk::account::VERSION as ACCOUNT_VERSION;
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::{TOKEN_PROGRAM, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::pools::{release_call, reserve_call};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{swapped, unsigned};

/// Writes who may upgrade the staking program, as a deployment does.
fn deployed_by(w: &mut World, authority: Option<Pubkey>) {
    w.edit(&address::program_data(&STAKING), |data| {
        data[12] = u8::from(authority.is_some());
        data[13..45].copy_from_slice(authority.unwrap_or_default().as_ref());
    });
}

fn config(w: &World) -> StakingConfig {
    w.read(&address::staking_config())
}

#[test]
fn only_who_may_upgrade_the_program_configures_it() {
    let mut w = World::bare();
    let (admin, thief) = (w.admin.insecure_clone(), w.person());
    let (mint, insurance) = (w.mint, w.insurance);
    deployed_by(&mut w, Some(admin.pubkey()));
    let stolen = stake::init_config(&thief.pubkey(), &mint, &insurance);
    assert_eq!(w.refuse(stolen.clone(), &[&thief]), "staking NotUpgradeAuthority");
    let data = address::program_data(&STAKING);
    let elsewhere = swapped(&stolen, &data, address::program_data(&MARKET));
    assert_eq!(w.refuse(elsewhere, &[&thief]), "staking WrongProgramData", "the market's has no authority");
    let none = swapped(&stolen, &data, thief.pubkey());
    assert_eq!(w.refuse(none, &[&thief]), "staking WrongProgramData");
    let good = stake::init_config(&admin.pubkey(), &mint, &insurance);
    assert_eq!(unsigned(&mut w, &good, 0), "staking AccountNotSigner");
    assert_eq!(w.ok(&[good.clone()], &[&admin]).told(), ["ConfigWritten"]);
    assert_eq!(config(&w).admin, admin.pubkey());
    assert_eq!(w.refuse(good, &[&admin]), "system 0", "once");
}

#[test]
fn a_program_that_nobody_can_upgrade_is_configured_by_the_first() {
    for authority in [None, Some(Pubkey::default())] {
        let mut w = World::bare();
        deployed_by(&mut w, authority);
        let first = w.person();
        let init = stake::init_config(&first.pubkey(), &w.mint, &w.insurance);
        w.ok(&[init], &[&first]);
        assert_eq!(config(&w).admin, first.pubkey());
    }
}

#[test]
fn the_admin_hands_over_in_two_steps() {
    let mut w = World::new();
    let (admin, next, thief) = (w.admin.insecure_clone(), w.person(), w.person());
    let propose = stake::propose_admin(&admin.pubkey(), &next.pubkey());
    assert_eq!(w.refuse(stake::accept_admin(&next.pubkey()), &[&next]), "staking NothingProposed");
    let stolen = stake::propose_admin(&thief.pubkey(), &thief.pubkey());
    assert_eq!(w.refuse(stolen, &[&thief]), "staking WrongAdmin");
    assert_eq!(unsigned(&mut w, &propose, 0), "staking AccountNotSigner");
    w.ok(&[propose], &[&admin]);
    assert_eq!(config(&w).admin, admin.pubkey(), "nothing changes before it is accepted");
    assert_eq!(w.refuse(stake::accept_admin(&thief.pubkey()), &[&thief]), "staking WrongAdmin");
    // Taken back, and named again.
    w.ok(&[stake::propose_admin(&admin.pubkey(), &Pubkey::default())], &[&admin]);
    assert_eq!(w.refuse(stake::accept_admin(&next.pubkey()), &[&next]), "staking NothingProposed");
    w.ok(&[stake::propose_admin(&admin.pubkey(), &next.pubkey())], &[&admin]);
    assert_eq!(w.ok(&[stake::accept_admin(&next.pubkey())], &[&next]).told(), ["AdminAccepted"]);
    assert_eq!((config(&w).admin, config(&w).pending_admin), (next.pubkey(), Pubkey::default()));
    let late = stake::propose_admin(&admin.pubkey(), &admin.pubkey());
    assert_eq!(w.refuse(late, &[&admin]), "staking WrongAdmin");
}

#[test]
fn a_change_waits_48_hours_and_a_new_slasher_seven_days_more() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let key = admin.pubkey();
    let market = address::market_authority();
    let (new, none) = (w.key().pubkey(), Pubkey::default());
    let fund = w.foreign_account();
    for (slashers, wait) in [
        ([market, none, none, none], GOVERNANCE_DELAY.0),
        ([market, none, new, none], GOVERNANCE_DELAY.0 + UNBONDING_TIME.0),
        ([none, new, none, none], GOVERNANCE_DELAY.0),
    ] {
        let old = config(&w);
        let due = w.now().ts.0 + wait;
        let fund_now = if wait == GOVERNANCE_DELAY.0 { fund } else { w.insurance };
        w.ok(&[stake::propose_config(&key, &fund_now, slashers, BOND_CAP.0)], &[&admin]);
        assert_eq!((config(&w).slashers, config(&w).insurance), (old.slashers, old.insurance));
        w.at(due - 1);
        assert_eq!(w.refuse(stake::execute_config(&fund_now), &[]), "staking TooEarly");
        w.at(due);
        let other = w.treasury;
        assert_eq!(w.refuse(stake::execute_config(&other), &[]), "staking WrongInsurance");
        w.ok(&[stake::execute_config(&fund_now)], &[]);
        assert_eq!((config(&w).slashers, config(&w).insurance, config(&w).pending_from), (slashers, fund_now, 0));
        w.at(due + 1);
        assert_eq!(w.refuse(stake::execute_config(&fund_now), &[]), "staking NothingProposed");
    }
}

#[test]
fn a_proposal_is_refused_outside_its_bounds_and_can_be_taken_back() {
    let mut w = World::new();
    let (admin, thief) = (w.admin.insecure_clone(), w.person());
    let (key, fund) = (admin.pubkey(), w.insurance);
    let (market, none) = (address::market_authority(), Pubkey::default());
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    let good = stake::propose_config(&key, &fund, [market, none, none, none], BOND_CAP.0);
    let cases = [
        ("nobody", stake::propose_config(&key, &fund, [none; 4], BOND_CAP.0), "staking ZeroKey"),
        (
            "one twice",
            stake::propose_config(&key, &fund, [market, none, market, none], BOND_CAP.0),
            "staking UnknownSlasher",
        ),
        (
            "another mint",
            stake::propose_config(&key, &of_nine, [market, none, none, none], BOND_CAP.0),
            "staking WrongInsurance",
        ),
        ("no token account", swapped(&good, &fund, thief.pubkey()), "staking AccountOwnedByWrongProgram"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&admin]), reason, "{what}");
    }
    let stolen = stake::propose_config(&thief.pubkey(), &fund, [market, none, none, none], BOND_CAP.0);
    assert_eq!(w.refuse(stolen, &[&thief]), "staking WrongAdmin");
    assert_eq!(w.refuse(stake::cancel_config(&key), &[&admin]), "staking NothingProposed");
    w.ok(&[good], &[&admin]);
    assert_eq!(w.refuse(stake::cancel_config(&thief.pubkey()), &[&thief]), "staking WrongAdmin");
    w.ok(&[stake::cancel_config(&key)], &[&admin]);
    w.pass(GOVERNANCE_DELAY.0);
    assert_eq!(w.refuse(stake::execute_config(&fund), &[]), "staking NothingProposed");
}

#[test]
fn r13_a_slasher_that_is_named_no_more_finishes_what_it_reserved_and_reserves_nothing() {
    let mut w = World::unsigned();
    w.make_leases_up();
    let admin = w.admin.insecure_clone();
    let owner = w.registered(10 * USDC);
    let lease = w.reserve(&owner, 6 * USDC);
    let (new, none, fund) = (w.key().pubkey(), Pubkey::default(), w.insurance);
    w.ok(&[stake::propose_config(&admin.pubkey(), &fund, [new, none, none, none], BOND_CAP.0)], &[&admin]);
    w.pass(GOVERNANCE_DELAY.0 + UNBONDING_TIME.0);
    w.ok(&[stake::execute_config(&fund)], &[]);
    w.slash(&owner, &lease, 1, 1);
    let other = w.key().pubkey();
    let reserve = reserve_call(&owner.bond, &other, &owner.payout, 1);
    assert_eq!(w.refuse(reserve, &[]), "staking UnknownSlasher");
    w.ok(&[release_call(&owner.bond, &lease, &owner.payout)], &[]);
}

#[test]
fn accounts_of_another_layout_version_are_refused_everywhere() {
    let mut w = World::new();
    let owner = w.pool(50 * USDC, 0);
    let backer = w.delegator(&owner, 10 * USDC);
    w.unbond(&owner, USDC);
    w.undelegate(&backer, USDC);
    w.pass(UNBONDING_TIME.0);
    w.mint_to(&address::bond_revenue(&owner.bond), USDC);
    let admin = w.admin.insecure_clone();
    let fund = w.insurance;
    let (key, me, bond) = (owner.authority.pubkey(), backer.key.pubkey(), owner.bond);
    let (signers, market) = ([&owner.authority, &backer.key, &admin], address::market_authority());
    let with_bond = [
        stake::change_pool(&key, &owner.payout, 0, USDC, USDC),
        stake::delegate(&me, &bond, &backer.wallet, USDC),
        stake::unbond(&key, &owner.payout, 1, 1),
        stake::undelegate(&me, &bond, &me, &backer.wallet, 1, 1),
        w.withdrawal_of_stake(&owner, 0),
        w.withdrawal_of_delegation(&backer, 0),
        stake::distribute(&bond),
        stake::claim_revenue(&bond, &me, &backer.wallet),
        stake::claim_commission(&bond, &owner.payout),
        stake::close_delegation(&bond, &me),
        stake::close_bond(&key, &owner.payout, true),
        stake::sweep_donation(&key, &owner.payout),
        stake::pay_insurance(&bond, &fund),
    ];
    let with_config = [
        with_bond[0].clone(),
        with_bond[2].clone(),
        with_bond[3].clone(),
        with_bond[12].clone(),
        stake::propose_admin(&admin.pubkey(), &key),
        stake::accept_admin(&admin.pubkey()),
        stake::propose_config(&admin.pubkey(), &fund, [market; 4], BOND_CAP.0),
        stake::cancel_config(&admin.pubkey()),
        stake::execute_config(&fund),
    ];
    let with_delegation = [1, 3, 5, 7, 9].map(|at: usize| with_bond[at].clone());
    let groups: [(Pubkey, &[solana_instruction::Instruction]); 5] = [
        (bond, &with_bond),
        (address::staking_config(), &with_config),
        (backer.delegation, &with_delegation),
        (address::unbonding(&bond, &key, 0), &with_bond[4..5]),
        (address::unbonding(&bond, &me, 0), &with_bond[5..6]),
    ];
    for (account, instructions) in groups {
        w.edit(&account, |data| data[8] = ACCOUNT_VERSION + 1);
        w.stop_auditing();
        for instruction in instructions {
            let needed: Vec<_> = instruction.accounts.iter().filter(|meta| meta.is_signer).collect();
            let by: Vec<_> =
                signers.iter().copied().filter(|key| needed.iter().any(|meta| meta.pubkey == key.pubkey())).collect();
            assert_eq!(w.refuse(instruction.clone(), &by), "staking WrongVersion");
        }
        w.edit(&account, |data| data[8] = ACCOUNT_VERSION);
    }
}
