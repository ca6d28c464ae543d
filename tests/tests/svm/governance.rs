//! Governance: who may configure the market, how a change waits, and what none of it can reach.

use gridlease_core::limits::{GOVERNANCE_DELAY, GOVERNANCE_WINDOW, JOB_CAP, MAX_FEE_BPS, PURSE_CAP, SLOT_MS_BOUNDS};
use gridlease_sdk::account::{Config, Lease};
use gridlease_sdk::address::{self, MARKET};
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::{TOKEN_PROGRAM, lease, provider, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_account::Account;
use solana_instruction::Instruction;
use solana_pubkey::{Pubkey, pubkey};
use solana_signer::Signer;

use crate::{TOKEN_2022, swapped, unsigned};

const OLD_LOADER: Pubkey = pubkey!("BPFLoader2111111111111111111111111111111111");

fn config(w: &World) -> Config {
    w.read(&address::market_config())
}

fn change(fee_bps: u16, slot_ms: u32) -> ChangeArgs {
    ChangeArgs { verifier: Pubkey::default(), slot_ms, fee_bps, purse_cap: PURSE_CAP.0, job_cap: JOB_CAP.0 }
}

/// The admin's proposal of `fee_bps`, with everything else as it is.
fn proposal(w: &World, fee_bps: u16) -> Instruction {
    governance::propose_change(&w.admin.pubkey(), &w.treasury, change(fee_bps, 400))
}

fn execution(w: &World) -> Instruction {
    governance::execute_change(&w.treasury)
}

/// Writes the upgrade authority into the program's data, as a deployment does.
fn set_upgrade_authority(w: &mut World, authority: Option<Pubkey>) {
    w.edit(&address::program_data(&MARKET), |data| {
        data[12] = authority.is_some().into();
        data[13..45].copy_from_slice(authority.unwrap_or_default().as_ref());
    });
}

#[test]
fn only_the_upgrade_authority_configures_the_market() {
    let mut w = World::bare();
    let (admin, thief) = (w.admin.insecure_clone(), w.person());
    set_upgrade_authority(&mut w, Some(admin.pubkey()));
    let (mint, treasury) = (w.mint, w.treasury);
    let by = |key: &Pubkey| purse::init_config(key, &mint, &treasury);
    assert_eq!(w.refuse(by(&thief.pubkey()), &[&thief]), "market NotDeployer", "authority captured at the deployment");

    // Program data of the thief's own making, at another address and under another owner.
    let data = address::program_data(&MARKET);
    let forged = w.key().pubkey();
    let mut account = w.account(&data).unwrap();
    account.data[13..45].copy_from_slice(thief.pubkey().as_ref());
    w.put(forged, account);
    let with_forged = swapped(&by(&thief.pubkey()), &data, forged);
    assert_eq!(w.refuse(with_forged, &[&thief]), "market NotDeployer");
    let without = swapped(&by(&thief.pubkey()), &data, thief.pubkey());
    assert_eq!(w.refuse(without, &[&thief]), "market NotDeployer");
    let other_program = swapped(&by(&thief.pubkey()), &MARKET, address::STAKING);
    let mut other_program = other_program;
    other_program.program_id = MARKET;
    assert_eq!(w.refuse(other_program, &[&thief]), "market NotDeployer");

    let done = w.ok(&[by(&admin.pubkey())], &[&admin]);
    assert_eq!(done.told(), ["MarketConfigured"]);
    assert_eq!(config(&w).admin, admin.pubkey());
    assert_eq!(w.refuse(by(&admin.pubkey()), &[&admin]), "system 0", "never again");
    set_upgrade_authority(&mut w, Some(thief.pubkey()));
    assert_eq!(w.refuse(by(&thief.pubkey()), &[&thief]), "system 0", "nor by a later authority");
}

#[test]
fn a_program_that_nobody_can_upgrade_is_configured_by_the_first_caller() {
    for authority in [None, Some(Pubkey::default())] {
        let mut w = World::bare();
        set_upgrade_authority(&mut w, authority);
        let (first, mint, treasury) = (w.person(), w.mint, w.treasury);
        w.ok(&[purse::init_config(&first.pubkey(), &mint, &treasury)], &[&first]);
        assert_eq!(config(&w).admin, first.pubkey());
    }
}

#[test]
fn program_data_of_another_kind_tells_no_authority() {
    let mut w = World::bare();
    let (admin, mint, treasury) = (w.admin.insecure_clone(), w.mint, w.treasury);
    let init = purse::init_config(&admin.pubkey(), &mint, &treasury);
    let data = address::program_data(&MARKET);
    let good = w.account(&data).unwrap();
    let spoiled = [
        Account { owner: OLD_LOADER, ..good.clone() },
        Account { data: [&[1], &good.data[1..]].concat(), ..good.clone() },
        Account { data: good.data[..44].to_vec(), ..good },
    ];
    for account in spoiled {
        w.put(data, account);
        assert_eq!(w.refuse(init.clone(), &[&admin]), "market NotDeployer");
    }
}

#[test]
fn a_change_waits_48_hours_and_is_then_executed_by_anybody_once() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let verifier = w.key().pubkey();
    let treasury = w.foreign_account();
    let args = ChangeArgs { verifier, slot_ms: 350, fee_bps: 150, purse_cap: PURSE_CAP.0, job_cap: JOB_CAP.0 };
    let done = w.ok(&[governance::propose_change(&admin.pubkey(), &treasury, args)], &[&admin]);
    let proposed = w.now().ts.0;
    let Some(MarketEvent::ChangeProposed(told)) = done.market().next() else { panic!("{:?}", done.told()) };
    assert_eq!((told.number, told.execute_ts, told.fee_bps), (1, proposed + 48 * 3_600, 150));
    let before = config(&w);
    assert_eq!((before.fee_bps, before.slot_ms, before.verifier), (200, 400, Pubkey::default()), "nothing yet");
    assert_eq!(before.header.due_ts, proposed + GOVERNANCE_DELAY.0, "a keeper sees when it is due");

    let execute = governance::execute_change(&treasury);
    w.at(proposed + GOVERNANCE_DELAY.0 - 1);
    assert_eq!(w.refuse(execute.clone(), &[]), "market TooEarly");
    w.at(proposed + GOVERNANCE_DELAY.0);
    let old = governance::execute_change(&w.treasury);
    assert_eq!(w.refuse(old, &[]), "market WrongTokenAccount");
    assert_eq!(w.ok(&[execute.clone()], &[]).told(), ["ChangeExecuted"]);
    let after = config(&w);
    assert_eq!((after.fee_bps, after.slot_ms, after.verifier), (150, 350, verifier));
    assert_eq!((after.treasury, after.next_ts, after.header.due_ts), (treasury, 0, 0));
    assert_eq!((after.admin, after.usdc_mint, after.paused), (before.admin, before.usdc_mint, 0));
    w.changes_nothing(execute);
}

#[test]
fn a_change_can_be_executed_a_second_late_and_lapses_after_two_weeks() {
    let due = GOVERNANCE_DELAY.0;
    for (late, outcome) in [(1, None), (GOVERNANCE_WINDOW.0 - 1, None), (GOVERNANCE_WINDOW.0, Some("market TooLate"))] {
        let mut w = World::new();
        let (admin, propose) = (w.admin.insecure_clone(), proposal(&w, 100));
        w.ok(&[propose.clone()], &[&admin]);
        w.pass(due + late);
        let execute = execution(&w);
        match outcome {
            None => {
                w.ok(&[execute], &[]);
                assert_eq!(config(&w).fee_bps, 100);
            }
            Some(reason) => {
                assert_eq!(w.refuse(execute, &[]), reason);
                w.ok(&[propose], &[&admin]);
                assert_eq!(config(&w).proposals, 2, "a lapsed one makes room");
            }
        }
    }
}

#[test]
fn one_change_is_pending_at_a_time_and_can_be_taken_back_until_it_is_executed() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let cancel = governance::cancel_change(&admin.pubkey());
    assert_eq!(w.refuse(cancel.clone(), &[&admin]), "market NoProposal");
    w.changes_nothing(execution(&w));
    let propose = proposal(&w, 100);
    w.ok(&[propose.clone()], &[&admin]);
    assert_eq!(w.refuse(proposal(&w, 300), &[&admin]), "market ProposalPending");
    w.pass(GOVERNANCE_DELAY.0);
    assert_eq!(w.refuse(proposal(&w, 300), &[&admin]), "market ProposalPending", "it is still to be executed");
    assert_eq!(w.ok(&[cancel.clone()], &[&admin]).told(), ["ChangeCancelled"]);
    w.changes_nothing(execution(&w));
    assert_eq!(config(&w).fee_bps, 200);
    assert_eq!(w.refuse(cancel, &[&admin]), "market NoProposal");
    w.ok(&[propose], &[&admin]);
    assert_eq!(w.refuse(execution(&w), &[]), "market TooEarly", "it waits anew");
}

#[test]
fn no_proposal_leaves_the_bounds_of_the_code() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let key = admin.pubkey();
    let treasury = w.treasury;
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    let new = w.other_mint(6, TOKEN_2022);
    let of_new = w.token_account_of(new, key, TOKEN_2022);
    let frozen = w.foreign_account();
    w.edit(&frozen, |data| data[108] = 2);
    let with = |treasury: &Pubkey, args| governance::propose_change(&key, treasury, args);
    let (least, most) = SLOT_MS_BOUNDS;
    let good = change(200, 400);
    let cases = [
        ("fee", with(&treasury, change(MAX_FEE_BPS.0 + 1, 400)), "market BpsOutOfBounds"),
        ("all of it as fee", with(&treasury, change(u16::MAX, 400)), "market BpsOutOfBounds"),
        ("slots too short", with(&treasury, change(200, least - 1)), "market ParameterOutOfBounds"),
        ("slots too long", with(&treasury, change(200, most + 1)), "market ParameterOutOfBounds"),
        ("treasury of another mint", with(&of_nine, good), "market WrongTokenAccount"),
        ("no cap of purses", with(&treasury, ChangeArgs { purse_cap: 0, ..good }), "market ParameterOutOfBounds"),
        ("no cap of jobs", with(&treasury, ChangeArgs { job_cap: 0, ..good }), "market ParameterOutOfBounds"),
        ("Token-2022", with(&of_new, good), "market AccountOwnedByWrongProgram"),
        ("frozen treasury", with(&frozen, good), "market FrozenTokenAccount"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&admin]), reason, "{what}");
    }
    for args in [change(0, least), change(MAX_FEE_BPS.0, most)] {
        w.ok(&[with(&treasury, args)], &[&admin]);
        w.ok(&[governance::cancel_change(&key)], &[&admin]);
    }
}

#[test]
fn a_treasury_that_was_frozen_while_its_proposal_waited_does_not_take_effect() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let new = w.foreign_account();
    w.ok(&[governance::propose_change(&admin.pubkey(), &new, change(200, 400))], &[&admin]);
    w.pass(GOVERNANCE_DELAY.0);
    w.edit(&new, |data| data[108] = 2);
    assert_eq!(w.refuse(governance::execute_change(&new), &[]), "market FrozenTokenAccount");
    w.ok(&[governance::cancel_change(&admin.pubkey())], &[&admin]);
}

#[test]
fn nobody_but_the_admin_governs() {
    let mut w = World::new();
    let (admin, thief) = (w.admin.insecure_clone(), w.person());
    let key = admin.pubkey();
    w.ok(&[proposal(&w, 100)], &[&admin]);
    let doors = [
        proposal(&w, 500),
        governance::cancel_change(&key),
        governance::propose_admin(&key, &thief.pubkey()),
        governance::set_paused(&key, true),
    ];
    for door in doors {
        assert_eq!(unsigned(&mut w, &door, 0), "market AccountNotSigner");
        let by_thief = swapped(&door, &key, thief.pubkey());
        assert_eq!(w.refuse(by_thief, &[&thief]), "market NotAdmin");
        // A configuration of the thief's own making: no program of ours owns it.
        let forged = w.key().pubkey();
        let mut account = w.account(&address::market_config()).unwrap();
        account.owner = thief.pubkey();
        w.put(forged, account);
        let elsewhere = swapped(&door, &address::market_config(), forged);
        assert_eq!(w.refuse(elsewhere, &[&admin]), "market AccountOwnedByWrongProgram");
    }
}

#[test]
fn the_admin_hands_over_in_two_steps() {
    let mut w = World::new();
    let (admin, heir, thief) = (w.admin.insecure_clone(), w.person(), w.person());
    let accept = governance::accept_admin(&heir.pubkey());
    assert_eq!(w.refuse(accept.clone(), &[&heir]), "market NotPendingAdmin", "nobody was named");
    let name = governance::propose_admin(&admin.pubkey(), &heir.pubkey());
    assert_eq!(w.ok(&[name.clone()], &[&admin]).told(), ["AdminNamed"]);
    assert_eq!(unsigned(&mut w, &accept, 0), "market AccountNotSigner");
    assert_eq!(w.refuse(governance::accept_admin(&thief.pubkey()), &[&thief]), "market NotPendingAdmin");
    let early = governance::set_paused(&heir.pubkey(), true);
    assert_eq!(w.refuse(early, &[&heir]), "market NotAdmin", "no power before it accepts");
    w.ok(&[governance::propose_admin(&admin.pubkey(), &Pubkey::default())], &[&admin]);
    assert_eq!(w.refuse(accept.clone(), &[&heir]), "market NotPendingAdmin", "it was taken back");
    w.ok(&[name], &[&admin]);
    assert_eq!(w.ok(&[accept.clone()], &[&heir]).told(), ["AdminChanged"]);
    assert_eq!((config(&w).admin, config(&w).pending_admin), (heir.pubkey(), Pubkey::default()));
    let late = governance::set_paused(&admin.pubkey(), true);
    assert_eq!(w.refuse(late, &[&admin]), "market NotAdmin", "the old one has none left");
    assert_eq!(w.refuse(accept, &[&heir]), "market NotPendingAdmin", "once");
}

#[test]
fn a_pause_is_immediate_and_says_so_once() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let buyer = w.buyer(USDC);
    let pause = governance::set_paused(&admin.pubkey(), true);
    assert_eq!(w.ok(&[pause.clone()], &[&admin]).told(), ["PauseSet"]);
    w.changes_nothing_by(pause, &[&admin]);
    let (post, _) = w.post(&buyer, |_| {});
    assert_eq!(w.refuse(post, &[&buyer.key]), "market Paused");
    w.withdraw(&buyer, USDC);
    let close = purse::close(&buyer.key.pubkey(), &buyer.wallet);
    w.ok(&[close], &[&buyer.key]);
    w.ok(&[governance::set_paused(&admin.pubkey(), false)], &[&admin]);
    assert_eq!(config(&w).paused, 0);
}

#[test]
fn a_change_reaches_no_lease_that_is_open() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let buyer = w.buyer(200 * USDC);
    let owner = w.provider(|_| {});
    let old = w.running(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 72 * 3_600);
    w.ok(&[proposal(&w, 500)], &[&admin]);
    w.pass(GOVERNANCE_DELAY.0);
    w.ok(&[execution(&w)], &[]);
    assert_eq!(w.read::<Lease>(&old.lease).fee_bps, 200);
    w.settle(&old);
    assert_eq!(w.read::<Lease>(&old.lease).fee, 48 * 20_000);
    let terms = gridlease_tests::svm::parties::Supply::default().terms(w.now().ts.0);
    w.refresh(&owner, terms);
    let new = w.running(&buyer, &owner, 1_000_000, |_| {});
    assert_eq!(w.read::<Lease>(&new.lease).fee_bps, 500);
}

#[test]
fn an_account_of_another_layout_version_is_refused_by_every_instruction_that_it_is_passed_to() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    let open = w.job(&buyer, |_| {});
    w.pass(10);
    let claim = address::gpu_claim(&w.claims_of(&owner.offer)[0].0);
    let claims = w.claims_of(&owner.offer);
    let node = owner.node.pubkey();
    let award = w.award_of(&open);
    let deposit = purse::deposit(&buyer.key.pubkey(), &buyer.key.pubkey(), &buyer.wallet, 1);
    let release = provider::release_gpus(&node, &owner.record, 1, &claims[1], &claims[..1]);
    let cases: [(&str, Pubkey, Instruction, Vec<&solana_keypair::Keypair>); 8] = [
        ("configuration", address::market_config(), deposit.clone(), vec![&buyer.key]),
        ("purse", buyer.purse, deposit, vec![&buyer.key]),
        ("lease", keys.lease, lease::settle(&keys), vec![]),
        ("job", open, w.bid_of(&owner, &open, 1_000_000), vec![&owner.node]),
        ("provider", owner.record, w.bid_of(&owner, &open, 1_000_000), vec![&owner.node]),
        ("offer", owner.offer, w.bid_of(&owner, &open, 1_000_000), vec![&owner.node]),
        ("claim, behind the named accounts", claim, release, vec![&owner.node]),
        ("job of an award", open, award, vec![]),
    ];
    w.stop_auditing();
    for (what, account, instruction, signers) in cases {
        for version in [0, 3] {
            w.edit(&account, |data| data[8] = version);
            assert_eq!(w.refuse(instruction.clone(), &signers), "market WrongVersion", "{what}");
        }
        w.edit(&account, |data| data[8] = 2);
    }
}

#[test]
fn governance_writes_nothing_but_the_configuration() {
    let idl: serde_json::Value = serde_json::from_str(include_str!("../../../idl/market.json")).unwrap();
    let doors = [
        "propose_change",
        "cancel_change",
        "execute_change",
        "propose_admin",
        "accept_admin",
        "set_paused",
        "lower_caps",
    ];
    let mut seen = 0;
    for instruction in idl["instructions"].as_array().unwrap() {
        let name = instruction["name"].as_str().unwrap();
        let accounts = instruction["accounts"].as_array().unwrap();
        let writable = |account: &&serde_json::Value| account["writable"].as_bool() == Some(true);
        let written: Vec<_> =
            accounts.iter().filter(writable).map(|account| account["name"].as_str().unwrap()).collect();
        if doors.contains(&name) {
            seen += 1;
            assert_eq!(written, ["config"], "{name}: no purse, no reservation, no exit is within its reach");
        } else if name != "init_config" {
            assert!(!written.contains(&"config"), "{name} writes the configuration");
        }
    }
    assert_eq!(seen, doors.len());
}
