//! Writes the market of the first edition into `tests/fixtures/v1/market.json`, account by account, as the programs of that edition
//! left it. What stands in it is told in `tests/fixtures/v1/README.md`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a writer of test data: a step that goes wrong ends it")]

use std::collections::BTreeMap;
use std::fs::{read_to_string, write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Array, Commitment, Delegation, Job, Lease, PriceIndex, Reservation, TaskGroup, Unbonding};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::array::ArrayShape;
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, job, price_index, provider, purse, sealed, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::CAP;
use gridlease_tests::svm::parties::{Provider, Supply, USDC};
use gridlease_tests::svm::steps::job_args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

const DAY: u64 = 24 * 3_600;
const SALT: [u8; 32] = [42; 32];

fn offer(w: &mut World, owner: &Provider, number: u32, edit: impl Fn(&mut Supply)) {
    let mut supply = Supply::default();
    edit(&mut supply);
    let terms = supply.terms(w.now().ts.0);
    let post = provider::post_offer(&owner.node.pubkey(), &owner.record, number, supply.machine(), terms);
    w.ok(&[post], &[&owner.node]);
    w.claim_all(owner, number);
}

fn fresh(w: &mut World, owners: &[&Provider]) {
    for owner in owners {
        let terms = Supply { units: 16, auto_bid: true, ..Supply::default() }.terms(w.now().ts.0);
        w.refresh(owner, terms);
    }
}

#[test]
#[ignore = "writes tests/fixtures/v1/market.json"]
fn the_market_of_the_first_edition_is_written() {
    let mut w = World::new();
    let mut names: BTreeMap<Pubkey, String> = BTreeMap::new();
    let mut name = |key: &Pubkey, text: &str| assert!(names.insert(*key, text.to_owned()).is_none(), "{text}");
    let (alice, bob, carol) = (w.buyer(200 * USDC), w.buyer(50 * USDC), w.buyer(5 * USDC));
    let spender = w.person();
    let plain = w.provider(|supply| (supply.units, supply.auto_bid) = (16, true));
    let pool = w.pool(200 * USDC, 1_000);
    offer(&mut w, &pool, 1, |supply| (supply.units, supply.auto_bid) = (16, true));
    let slashed = w.provider(|supply| (supply.units, supply.auto_bid) = (16, true));
    let idle = w.registered(30 * USDC);
    let (del, eve) = (w.delegator(&pool, 40 * USDC), w.delegator(&pool, 20 * USDC));
    let asker = w.person();
    let supply = [&plain, &pool, &slashed];

    // --- an index with a trade; its lease is over, paid and not closed ------------------------------------------------
    let payer = w.payer.insecure_clone();
    w.ok(&[price_index::open_index(&payer.pubkey(), 1, 1)], &[&payer]);
    let traded = w.running(&bob, &pool, 1_000_000, |_| {});
    w.pass(3_600);
    w.finish(&pool, &traded, EndReason::Completed);
    w.settle(&traded);
    w.ok(&[price_index::record_trade(&traded, 1, 1)], &[]);
    w.distribute(&pool.bond);
    name(&traded.lease, "lease: completed, settled, in the price index");

    // --- a node that went down under a lease that the buyer then stopped: a credit waits ------------------------------
    fresh(&mut w, &supply);
    let credited = w.running(&bob, &slashed, 1_800_000, |_| {});
    w.pass(1_000);
    w.settle(&credited);
    w.take_down(&asker, &credited);
    w.pass(139);
    w.stop(&bob, &credited);
    assert!(w.read::<Lease>(&credited.lease).credit > 0);
    name(&credited.lease, "lease: stopped while its node was down, a credit to collect");

    // --- faults while the insurance account takes nothing --------------------------------------------------------------
    fresh(&mut w, &supply);
    let failed = w.starting(&bob, &slashed, 1_800_000, |_| {});
    let abandoned = w.running(&bob, &slashed, 1_800_000, |_| {});
    w.pass(141);
    let insurance = w.insurance;
    w.freeze(&insurance, true);
    w.fail_start(&failed);
    w.abandon(&slashed, &abandoned);
    w.freeze(&insurance, false);
    name(&failed.lease, "lease: never started, not closed");
    name(&failed.job, "job: open again, one provider excluded, no bids");
    name(&abandoned.lease, "lease: abandoned, not settled");

    // --- stake on its way out --------------------------------------------------------------------------------------------
    let ripe = w.unbond(&idle, 10 * USDC);
    let (left, _) = (w.undelegate(&eve, 5 * USDC), w.undelegate(&eve, 2 * USDC));
    w.unbond(&pool, 20 * USDC);
    w.pass(7 * DAY - 3_600);
    let late = w.unbond(&idle, 5 * USDC);
    w.pass(3_600);
    w.ok(&[w.withdrawal_of_delegation(&eve, left)], &[]);
    name(&address::unbonding(&idle.bond, &idle.authority.pubkey(), ripe), "request: the operator's, ripe");
    name(&address::unbonding(&idle.bond, &idle.authority.pubkey(), late), "request: the operator's, six days to wait");

    // --- proposals that wait -------------------------------------------------------------------------------------------
    let admin = w.admin.insecure_clone();
    let change = ChangeArgs { verifier: Pubkey::default(), slot_ms: 400, fee_bps: 300 };
    let treasury = w.treasury;
    w.ok(&[governance::propose_change(&admin.pubkey(), &treasury, &insurance, change)], &[&admin]);
    let mut slashers = [Pubkey::default(); 4];
    slashers[0] = address::market_authority();
    slashers[1] = asker.pubkey();
    w.ok(&[stake::propose_config(&admin.pubkey(), &insurance, slashers)], &[&admin]);
    let elsewhere = w.foreign_account();
    w.ok(&[provider::propose_payout(&plain.authority.pubkey(), &elsewhere)], &[&plain.authority]);
    name(&elsewhere, "token account: proposed payout of the plain provider");
    let set = purse::set_spender(&alice.key.pubkey(), &spender.pubkey(), 20 * USDC, 3_600);
    w.ok(&[set], &[&alice.key]);

    // --- leases in every state ---------------------------------------------------------------------------------------------
    fresh(&mut w, &supply);
    let grace = w.running(&alice, &plain, 1_200_000, |args| args.max_duration_s = 600);
    let agreed = |args: &mut JobArgs| (args.notice_s, args.checkpoint_s) = (600, 60);
    let (noticed, running) = (w.running(&alice, &plain, 1_200_000, agreed), w.running(&alice, &pool, 1_300_000, agreed));
    let number = w.next_number();
    let post = job::post_by(&spender.pubkey(), &alice.key.pubkey(), number, job_args());
    w.ok(&[post], &[&spender]);
    let by_spender = address::job(&alice.purse, number);
    w.pass(700);
    w.checkpoint(&pool, &running, 1);
    w.settle(&grace);
    let paused = w.running(&bob, &plain, 1_200_000, |_| {});
    w.pass(120);
    w.take_down(&asker, &paused);
    w.give_notice(&plain, &noticed);
    w.challenge(&asker, &running);

    // --- an array ------------------------------------------------------------------------------------------------------
    let shape = ArrayShape { count: 4, quorum: 3, replicas: 2, parallel: 2, budget: 8 * CAP };
    let array = w.array(&alice, shape);
    let (first, second) = (w.open_task(&array), w.open_task(&array));
    let of_task = w.start_tasks(&[(&plain, &first[0]), (&pool, &first[1])]);
    w.pass(100);
    w.finish_task(&pool, &of_task[1], 0);
    w.close_task(&first[1]);

    // --- jobs that wait, the instant way, a sealed auction ---------------------------------------------------------------
    fresh(&mut w, &supply);
    let starting = w.starting(&alice, &pool, 1_100_000, |_| {});
    let number = w.next_number();
    let instant = job::post_instant(&bob.key.pubkey(), number, JobArgs { mode: 1, ..job_args() }, &[pool.bidder()]);
    w.ok(&[instant], &[&bob.key]);
    let taken = address::job(&bob.purse, number);
    let cancelled = w.job(&alice, |_| {});
    let close = w.job(&alice, |_| {});
    w.ok(&[job::cancel(&alice.key.pubkey(), &cancelled)], &[&alice.key]);
    let ended = w.running(&alice, &pool, 1_000_000, |_| {});
    w.pass(100);
    w.finish(&pool, &ended, EndReason::Completed);
    w.settle(&ended);
    w.close_lease(&ended);
    let waits = w.job(&alice, |args| args.window_s = 3_600);
    let booked = w.job(&bob, |args| args.window_s = 3_600);
    w.bid(&plain, &booked, 1_500_000);
    w.bid(&pool, &booked, 1_400_000);
    let secret = w.job(&alice, |args| (args.mode, args.window_s, args.reveal_s) = (2, 3_600, 60));
    for (owner, price) in [(&plain, 1_000_000), (&pool, 900_000)] {
        let hash = sealed::hash(&secret, &owner.bidder(), price, &SALT);
        w.ok(&[sealed::commit(&owner.node.pubkey(), &secret, &owner.bidder(), hash)], &[&owner.node]);
    }
    w.sweep(&bob);
    let further = w.running(&bob, &pool, 1_000_000, |_| {});
    w.pass(200);
    w.settle(&further);

    for (key, text) in [
        (grace.lease, "lease: out of funds, in grace"),
        (noticed.lease, "lease: under notice"),
        (running.lease, "lease: running, checkpointed, challenged"),
        (paused.lease, "lease: its node is down"),
        (starting.lease, "lease: starting"),
        (address::lease(&taken, 0), "lease: starting, the instant way"),
        (of_task[0].lease, "lease: running, of a task"),
        (further.lease, "lease: running, settled"),
        (by_spender, "job: posted by the spender, window over, no bids"),
        (cancelled, "job: cancelled, not closed"),
        (close, "job: window over, no bids"),
        (ended.job, "job: completed, lease closed, not closed"),
        (waits, "job: window open, no bids"),
        (booked, "job: window open, two bids"),
        (secret, "job: sealed auction, two bids committed"),
        (array, "array: two tasks open, one job completed"),
        (second[0], "job: of a task, window open"),
        (first[0], "job: of a task, leased"),
    ] {
        name(&key, text);
    }
    for (who, buyer) in [("alice", &alice), ("bob", &bob), ("carol", &carol)] {
        name(&buyer.key.pubkey(), who);
        name(&buyer.purse, &format!("purse of {who}"));
        name(&buyer.vault, &format!("vault of {who}"));
        name(&buyer.wallet, &format!("wallet of {who}"));
    }
    for (who, owner) in [("plain", &plain), ("pool", &pool), ("slashed", &slashed), ("idle", &idle)] {
        name(&owner.authority.pubkey(), &format!("cold key of {who}"));
        name(&owner.node.pubkey(), &format!("node key of {who}"));
        name(&owner.record, &format!("record of {who}"));
        name(&owner.bond, &format!("bond of {who}"));
        name(&owner.payout, &format!("payout of {who}"));
        name(&owner.offer, &format!("offer of {who}"));
    }
    for (who, one) in [("del", &del), ("eve", &eve)] {
        name(&one.key.pubkey(), who);
        name(&one.wallet, &format!("wallet of {who}"));
        name(&one.delegation, &format!("delegation of {who}"));
    }
    for (key, text) in [
        (spender.pubkey(), "spender of alice"),
        (asker.pubkey(), "asker"),
        (w.payer.pubkey(), "payer"),
        (admin.pubkey(), "admin"),
        (w.mint_authority.pubkey(), "mint authority"),
        (w.mint, "mint"),
        (w.treasury, "treasury"),
        (insurance, "insurance"),
        (address::market_config(), "configuration of the market"),
        (address::staking_config(), "configuration of staking"),
    ] {
        name(&key, text);
    }
    has_every_kind(&w);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1/market.json");
    write(root, text(&w, &names)).unwrap();
}

/// The fixture would be worth little without one of them.
fn has_every_kind(w: &World) {
    let counts = [
        w.all::<Array>().len(),
        w.all::<Commitment>().len(),
        w.all::<Delegation>().len(),
        w.all::<Job>().len(),
        w.all::<Lease>().len(),
        w.all::<PriceIndex>().len(),
        w.all::<Reservation>().len(),
        w.all::<TaskGroup>().len(),
        w.all::<Unbonding>().len(),
    ];
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// Number of the test key at `address`, if it is one.
fn number_of(address: &Pubkey) -> Option<u64> {
    (0..200).find(|number: &u64| {
        let seed = Sha256::new().chain_update("gridlease test key").chain_update(number.to_le_bytes()).finalize();
        Keypair::new_from_array(seed.into()).pubkey() == *address
    })
}

/// One account a line.
fn text(w: &World, names: &BTreeMap<Pubkey, String>) -> String {
    let record: Value =
        serde_json::from_str(&read_to_string("../programs/prebuilt/record.json").unwrap()).unwrap();
    let owned = |owner: &Pubkey| [MARKET, STAKING, TOKEN_PROGRAM].contains(owner);
    let accounts = w.snapshot().into_iter().filter(|(key, account)| {
        owned(&account.owner) || (names.contains_key(key) && account.data.is_empty())
    });
    let lines: Vec<String> = accounts
        .map(|(key, account)| {
            json!({
                "key": key.to_string(),
                "name": names.get(&key),
                "number": number_of(&key),
                "owner": account.owner.to_string(),
                "lamports": account.lamports,
                "data": STANDARD.encode(&account.data),
            })
            .to_string()
        })
        .collect();
    let head = json!({
        "market_so_sha256": record["market"]["so_sha256"],
        "staking_so_sha256": record["staking"]["so_sha256"],
        "slot": w.now().slot,
        "unix_timestamp": w.now().ts.0,
    });
    format!("{{\n\"taken\": {head},\n\"accounts\": [\n{}\n]\n}}\n", lines.join(",\n"))
}
