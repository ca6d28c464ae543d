//! Hot accounts: what everybody writes can be written by one transaction at a time, and whoever writes it without end stops
//! the market. So no step of one job may write what a step of another buyer's job with another provider writes.

use std::collections::{BTreeMap, BTreeSet};

use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Bond, Commitment, Job};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{job, provider, purse, stake, supervision};
use gridlease_tests::idl;
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::CAP;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC, node_args};
use gridlease_tests::svm::steps::{GPUS, IMAGE, job_args, outcome};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// Instructions that write something shared, or that belong to no buyer and provider, and why that holds nobody up.
const SHARED: &[(&str, &str)] = &[
    ("market::init_config", "once"),
    ("market::propose_change", "governance"),
    ("market::cancel_change", "governance"),
    ("market::execute_change", "governance"),
    ("market::lower_caps", "governance"),
    ("market::propose_admin", "governance"),
    ("market::accept_admin", "governance"),
    ("market::set_paused", "governance"),
    ("market::sweep_fees", "credits the two funds; it can wait, and nothing waits for it"),
    ("market::fail_start", "credits the insurance account with a slash"),
    ("market::abandon", "credits the insurance account with a slash"),
    ("market::declare_unreachable", "credits the insurance account with a slash"),
    ("market::decline", "credits the insurance account with the minute"),
    ("market::want", "credits the insurance account with the minute"),
    ("market::report_buyer_error", "credits the insurance account with the minute"),
    ("market::reject_ready", "credits the insurance account with the minute"),
    ("market::verdict", "credits the insurance account with a slash"),
    ("market::forfeit_bid", "credits the insurance account with a slash"),
    ("market::collect_credit", "names the insurance account, as every slash does"),
    ("market::redirect_payout", "writes the lease alone, and only where its payout account is frozen"),
    ("market::migrate_purse", "once for an account of the first edition"),
    ("market::migrate_provider", "once for an account of the first edition"),
    ("market::migrate_offer", "once for an account of the first edition"),
    ("market::migrate_job", "once for an account of the first edition"),
    ("market::migrate_array", "once for an account of the first edition"),
    ("market::migrate_lease", "once for an account of the first edition"),
    ("market::open_index", "once for a model and region"),
    ("market::record_trade", "writes the index of a model and region; it can wait until the lease is closed"),
    ("staking::init_config", "once"),
    ("staking::propose_config", "governance"),
    ("staking::cancel_config", "governance"),
    ("staking::execute_config", "governance"),
    ("staking::lower_cap", "governance"),
    ("staking::propose_admin", "governance"),
    ("staking::accept_admin", "governance"),
    ("staking::reserve", "called by the market, with accounts of its own instructions"),
    ("staking::extend", "called by the market, with accounts of its own instructions"),
    ("staking::release", "called by the market, with accounts of its own instructions"),
    ("staking::slash", "called by the market, with accounts of its own instructions"),
    ("staking::migrate_bond", "once for an account of the first edition"),
    ("staking::migrate_delegation", "once for an account of the first edition"),
    ("staking::migrate_reservation", "once for an account of the first edition"),
    ("staking::pay_insurance", "credits the insurance account"),
];

/// Sends an instruction as the world's payer, everybody signing for everybody, and notes it.
fn note(w: &mut World, sent: &mut Vec<Instruction>, instruction: Instruction) {
    w.send_light(&instruction).unwrap_or_else(|refused| panic!("{refused:?}"));
    sent.push(instruction);
}

/// Every ordinary instruction of one buyer with one provider, from opening to closing.
fn life(w: &mut World, seed: u64) -> Vec<Instruction> {
    let mut sent = Vec::new();
    let mut go = |w: &mut World, instruction| note(w, &mut sent, instruction);
    let (buyer_key, wallet) = w.wallet(100 * USDC);
    let (key, mint) = (buyer_key.pubkey(), w.mint);
    go(w, purse::open(&key, &mint));
    go(w, purse::deposit(&key, &key, &wallet, 90 * USDC));
    let purse_at = address::purse(&key);
    let buyer = Buyer { vault: address::purse_vault(&purse_at), purse: purse_at, wallet, key: buyer_key };
    let spender = w.person().pubkey();
    go(w, purse::set_spender(&key, &spender, 10 * USDC, 3_600));
    go(w, purse::set_guardian(&key, &spender, 10 * USDC, 3_600));

    let (authority, payout) = w.wallet(200 * USDC);
    let (cold, node) = (authority.pubkey(), w.person());
    let hot = node.pubkey();
    go(w, stake::open_bond(&cold, &mint));
    go(w, stake::add_stake(&cold, &payout, 100 * USDC));
    go(w, provider::register(&cold, &payout, node_args(&hot)));
    let record = address::provider(&cold);
    let owner =
        Provider { record, bond: address::bond(&cold), offer: address::offer(&record, 1), payout, authority, node };
    go(w, provider::update_node(&cold, node_args(&hot), &[]));
    go(w, provider::register_machine(&cold, 9, node_args(&hot)));
    go(w, provider::update_machine(&cold, 9, node_args(&hot), &[]));
    go(w, provider::retire_machine(&cold, 9, &[]));
    go(w, provider::close_machine(&record, &address::machine(&record, 9), &cold));
    let supply = Supply { units: 2, auto_bid: true, ..Supply::default() };
    let terms = supply.terms(w.now().ts.0);
    go(w, provider::post_offer(&hot, &record, 1, supply.machine(), terms));
    go(w, provider::claim_gpus(&hot, &record, &owner.bond, 1, &[[seed as u8; 32], [128 + seed as u8; 32]]));
    go(w, provider::refresh_offer(&hot, &record, 1, terms));
    go(w, provider::record_benchmark(&hot, &record, 1, 1_000, [4; 32]));

    pools(w, &owner, &mut go);
    let keys = auctioned(w, &buyer, &owner, &mut go);
    cared_for(w, &buyer, &owner, &keys, &mut go);
    other_ways(w, &buyer, &owner, &mut go);
    tasks(w, &buyer, &owner, &mut go);

    go(w, provider::propose_payout(&cold, &payout));
    go(w, provider::cancel_payout(&cold));
    go(w, provider::propose_payout(&cold, &payout));
    w.pass(48 * 3_600);
    go(w, provider::apply_payout(&record, &address::bond(&cold), &payout));
    let claims = w.claims_of(&owner.offer);
    go(w, provider::release_gpus(&hot, &record, 1, &claims[0], &claims[1..]));
    go(w, provider::withdraw_offer(&hot, &record, 1, &hot));
    go(w, provider::close(&cold));
    w.mint_to(&buyer.vault, 5);
    go(w, purse::sweep_donation(&key, &buyer.wallet));
    let free = w.read::<gridlease_sdk::account::Purse>(&buyer.purse).free().0;
    go(w, purse::withdraw(&key, &buyer.wallet, free));
    w.sweep(&buyer);
    go(w, purse::close(&key, &buyer.wallet));
    // What a credit for downtime left of its stake; and the credit itself.
    let bond: Bond = w.read(&owner.bond);
    let number = bond.next_number;
    go(w, stake::unbond(&cold, &payout, bond.own, number));
    w.pass(7 * 86_400);
    go(w, stake::pay_claim(&owner.bond, &keys.lease, &key, &buyer.wallet, &cold));
    go(w, stake::withdraw_stake(&owner.bond, &cold, number, &payout, &cold));
    w.mint_to(&address::bond_vault(&owner.bond), 5);
    go(w, stake::sweep_donation(&cold, &payout));
    go(w, stake::close_bond(&cold, &payout, true));
    w.assert_books();
    sent
}

type Go<'a> = dyn FnMut(&mut World, Instruction) + 'a;

fn pools(w: &mut World, owner: &Provider, go: &mut Go) {
    let (cold, mint) = (owner.authority.pubkey(), w.mint);
    go(w, stake::open_pool(&cold, &mint, &owner.payout, 0, USDC, USDC));
    go(w, stake::change_pool(&cold, &owner.payout, 100, USDC, USDC));
    let (backer, wallet) = w.wallet(20 * USDC);
    let who = backer.pubkey();
    go(w, stake::open_delegation(&who, &owner.bond, &wallet, &wallet, 5 * USDC));
    go(w, stake::delegate(&who, &owner.bond, &wallet, 5 * USDC));
    w.pass(86_400);
    go(w, stake::activate(&owner.bond, Some(&who)));
    go(w, stake::activate(&owner.bond, None));
    w.mint_to(&address::bond_revenue(&owner.bond), 10 * USDC);
    go(w, stake::distribute(&owner.bond));
    go(w, stake::claim_revenue(&owner.bond, &who, &wallet));
    go(w, stake::claim_commission(&owner.bond, &owner.payout));
    go(w, stake::undelegate(&who, &owner.bond, &who, &wallet, u64::MAX, 0));
    w.pass(7 * 86_400);
    go(w, stake::withdraw_delegation(&owner.bond, &who, 0, &wallet, &who));
    go(w, stake::close_delegation(&owner.bond, &who));
    let terms = Supply { units: 2, auto_bid: true, ..Supply::default() }.terms(w.now().ts.0);
    go(w, provider::refresh_offer(&owner.node.pubkey(), &owner.record, 1, terms));
}

/// An open auction, by a bid and by an entry; the first job is taken back. Ends with a running lease.
fn auctioned(w: &mut World, buyer: &Buyer, owner: &Provider, go: &mut Go) -> LeaseKeys {
    let (key, hot) = (buyer.key.pubkey(), owner.node.pubkey());
    let (post, posted) = w.post(buyer, |_| {});
    go(w, post);
    go(w, job::enter_offer(&posted, &owner.bidder()));
    go(w, job::cancel(&key, &posted));
    go(w, job::close(&posted, &buyer.purse, &key));
    let (post, posted) = w.post(buyer, |args| (args.checkpoint_s, args.notice_s) = (60, 60));
    go(w, post);
    let bid = w.bid_of(owner, &posted, 1_000_000);
    go(w, bid);
    w.close_window(&posted);
    let award = w.award_of(&posted);
    go(w, award);
    let keys = w.keys(&address::lease(&posted, 0));
    go(w, lease::ready(&hot, &keys, IMAGE, GPUS));
    keys
}

fn cared_for(w: &mut World, buyer: &Buyer, owner: &Provider, keys: &LeaseKeys, go: &mut Go) {
    let (key, hot, asker) = (buyer.key.pubkey(), owner.node.pubkey(), w.person().pubkey());
    w.pass(100);
    go(w, supervision::checkpoint(&hot, keys, 1, [1; 32], 1));
    go(w, lease::settle(keys));
    go(w, lease::extend(&key, keys, 3_600));
    go(w, lease::top_up(&key, &keys.lease, USDC, None));
    go(w, supervision::challenge(&asker, &keys.lease));
    let nonce = w.read::<gridlease_sdk::account::Lease>(&keys.lease).challenge_nonce;
    go(w, supervision::answer_challenge(&hot, keys, nonce));
    w.pass(10);
    go(w, supervision::challenge(&asker, &keys.lease));
    w.pass(61);
    go(w, supervision::resolve_challenge(keys, &asker));
    go(w, supervision::resume(&hot, keys));
    go(w, supervision::give_notice(&hot, keys));
    w.pass(100);
    go(w, lease::finish(&hot, keys, EndReason::Notice, outcome()));
    go(w, lease::settle(keys));
    if w.read::<gridlease_sdk::account::Lease>(&keys.lease).credit > 0 {
        w.send_light(&supervision::collect_credit(keys, &w.insurance)).unwrap();
    }
    go(w, lease::close(keys));
    go(w, job::cancel(&key, &keys.job));
    go(w, job::close(&keys.job, &buyer.purse, &key));
}

/// Instant and sealed; a lease that is stopped, one whose funds run out, one that is accepted and one that is reopened; and a job
/// that nobody bids for.
fn other_ways(w: &mut World, buyer: &Buyer, owner: &Provider, go: &mut Go) {
    let (key, hot) = (buyer.key.pubkey(), owner.node.pubkey());
    let (post, posted) = w.post(buyer, |args| args.wait_s = 60);
    go(w, post);
    w.pass(60);
    go(w, job::expire(&posted, &buyer.purse));
    go(w, job::close(&posted, &buyer.purse, &key));
    for way in ["stop", "expire", "accept", "reopen"] {
        let number = w.next_number();
        let mut args = job_args();
        (args.mode, args.max_duration_s, args.attempts) = (1, 600, 1);
        go(w, job::post_instant(&key, number, args, &[owner.bidder()]));
        let posted = address::job(&buyer.purse, number);
        let keys = w.keys(&address::lease(&posted, 0));
        go(w, lease::ready(&hot, &keys, IMAGE, GPUS));
        match way {
            "stop" => go(w, lease::stop(&key, &keys)),
            "expire" => {
                w.pass(700);
                go(w, lease::expire(&keys));
                w.pass(501);
                go(w, lease::expire(&keys));
            }
            _ => {
                w.pass(100);
                go(w, lease::finish(&hot, &keys, EndReason::Completed, outcome()));
                let says = if way == "accept" { lease::accept } else { lease::reopen };
                go(w, says(&key, &keys));
            }
        }
        go(w, lease::settle(&keys));
        go(w, lease::close(&keys));
        go(w, job::close(&posted, &buyer.purse, &key));
    }
    for revealed in [true, false] {
        let (post, posted) = w.post(buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
        go(w, post);
        let hash = sealed::hash(&posted, &owner.bidder(), 1_000_000, &[42; 32]);
        go(w, sealed::commit(&hot, &posted, &owner.bidder(), hash));
        let keys = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&posted, &owner.record)));
        if revealed {
            w.pass(20);
            go(w, sealed::reveal(&keys, 1, 1_000_000, [42; 32]));
            go(w, job::cancel(&key, &posted));
        } else {
            go(w, job::cancel(&key, &posted));
            go(w, sealed::release(&keys));
        }
        go(w, job::close(&posted, &buyer.purse, &key));
    }
}

fn tasks(w: &mut World, buyer: &Buyer, owner: &Provider, go: &mut Go) {
    let key = buyer.key.pubkey();
    let terms = Supply { units: 2, auto_bid: true, ..Supply::default() }.terms(w.now().ts.0);
    go(w, provider::refresh_offer(&owner.node.pubkey(), &owner.record, 1, terms));
    let number = w.next_number();
    let shape = ArrayShape { count: 3, quorum: 1, replicas: 1, parallel: 3, budget: 3 * CAP };
    go(w, array::post(&key, number, shape, job_args()));
    let posted = address::array(&buyer.purse, number);
    let mut jobs = Vec::new();
    for task in 0..3 {
        let open = w.opening_of(&posted);
        go(w, open);
        jobs.push(address::task_job(&posted, task, 1, 0));
    }
    for at in &jobs[..2] {
        let bid = w.bid_of(owner, at, 1_000_000);
        go(w, bid);
    }
    w.close_window(&jobs[1]);
    let keys: Vec<_> = jobs[..2]
        .iter()
        .map(|at| {
            let award = w.award_of(at);
            go(w, award);
            let keys = w.keys(&address::lease(at, 0));
            go(w, lease::ready(&owner.node.pubkey(), &keys, IMAGE, GPUS));
            keys
        })
        .collect();
    w.pass(100);
    go(w, lease::finish(&owner.node.pubkey(), &keys[0], EndReason::Completed, outcome()));
    go(w, lease::accept(&key, &keys[0]));
    let close = w.closing_of(&jobs[0]);
    go(w, lease::settle(&keys[0]));
    go(w, lease::close(&keys[0]));
    go(w, close);
    let state: Job = w.read(&jobs[1]);
    go(w, array::stop_task(&jobs[1], &state, &keys[1].lease));
    let state: Job = w.read(&jobs[2]);
    go(w, array::cancel_task(&jobs[2], &state));
    go(w, lease::settle(&keys[1]));
    go(w, lease::close(&keys[1]));
    for at in &jobs[1..] {
        let close = w.closing_of(at);
        go(w, close);
    }
    let close = w.array_closing_of(&posted);
    go(w, close);
    let number = w.next_number();
    go(w, array::post(&key, number, shape, job_args()));
    let posted = address::array(&buyer.purse, number);
    go(w, array::cancel(&key, &posted));
    let close = w.array_closing_of(&posted);
    go(w, close);
}

fn written<'a>(sent: impl IntoIterator<Item = &'a Instruction>) -> BTreeSet<Pubkey> {
    let metas = sent.into_iter().flat_map(|instruction| &instruction.accounts);
    metas.filter(|meta| meta.is_writable).map(|meta| meta.pubkey).collect()
}

#[test]
fn two_jobs_of_different_buyers_and_providers_write_nothing_in_common_in_their_whole_lives() {
    let mut w = World::unsigned();
    let (one, other) = (life(&mut w, 1), life(&mut w, 2));
    let (a, b) = (written(&one), written(&other));
    let common: Vec<_> = a.intersection(&b).filter(|key| **key != w.payer.pubkey()).collect();
    assert!(a.len() > 40 && common.is_empty(), "both write {common:?}");

    // And that was every instruction there is, but for those that are known to share something.
    let mut missing = Vec::new();
    for program in &idl::programs() {
        for instruction in &program.instructions {
            let name = format!("{}::{}", program.name, instruction.name);
            let done = one
                .iter()
                .any(|sent| sent.program_id == program.id && sent.data.starts_with(&instruction.discriminator));
            let shared = SHARED.iter().any(|(known, _)| *known == name);
            if done == shared {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "neither in the life nor in SHARED, or in both: {missing:?}");
}

/// Rounds that a scheduler needs which runs side by side whatever shares no written account, and keeps everything else in the
/// order in which it came.
fn rounds(sent: &[Instruction], payer: &Pubkey) -> usize {
    let mut last_write: BTreeMap<Pubkey, usize> = BTreeMap::new();
    let mut last_read: BTreeMap<Pubkey, usize> = BTreeMap::new();
    for instruction in sent {
        let metas = || instruction.accounts.iter().filter(|meta| meta.pubkey != *payer);
        let after = |meta: &solana_instruction::AccountMeta| {
            let write = last_write.get(&meta.pubkey).copied().unwrap_or(0);
            let read = last_read.get(&meta.pubkey).copied().unwrap_or(0);
            if meta.is_writable { write.max(read) } else { write }
        };
        let round = 1 + metas().map(after).max().unwrap_or(0);
        for meta in metas() {
            let last = if meta.is_writable { &mut last_write } else { &mut last_read };
            let at = last.entry(meta.pubkey).or_default();
            *at = round.max(*at);
        }
    }
    last_write.values().chain(last_read.values()).copied().max().unwrap_or(0)
}

#[test]
fn hundreds_of_jobs_of_many_buyers_take_no_more_rounds_than_the_jobs_of_one_pair() {
    let (pairs, each) = (20, 12);
    let mut w = World::unsigned();
    let parties: Vec<_> = (0..pairs)
        .map(|_| {
            let owner = w.provider(|supply| (supply.units, supply.stake) = (each, 1_000 * USDC));
            (w.buyer(100 * USDC), owner)
        })
        .collect();
    let mut sent: Vec<(usize, Instruction)> = Vec::new();
    let mut go = |w: &mut World, pair: usize, instruction: Instruction| {
        w.send_light(&instruction).unwrap_or_else(|refused| panic!("{refused:?}"));
        sent.push((pair, instruction));
    };
    // All of it in one bidding window and the ten seconds behind it: each step for every pair, then the next one.
    let mut jobs = Vec::new();
    for _ in 0..each {
        for (pair, (buyer, owner)) in parties.iter().enumerate() {
            let (post, posted) = w.post(buyer, |_| {});
            go(&mut w, pair, post);
            let bid = w.bid_of(owner, &posted, 1_000_000);
            go(&mut w, pair, bid);
            jobs.push((pair, posted));
        }
    }
    w.pass(12);
    for (pair, posted) in &jobs {
        let (buyer, owner) = &parties[*pair];
        let award = w.award_of(posted);
        go(&mut w, *pair, award);
        let keys = w.keys(&address::lease(posted, 0));
        go(&mut w, *pair, lease::ready(&owner.node.pubkey(), &keys, IMAGE, GPUS));
        go(&mut w, *pair, lease::stop(&buyer.key.pubkey(), &keys));
        go(&mut w, *pair, lease::settle(&keys));
        go(&mut w, *pair, lease::close(&keys));
        go(&mut w, *pair, job::close(posted, &buyer.purse, &buyer.key.pubkey()));
    }
    w.assert_books();
    let of = |pair: Option<usize>| -> Vec<Instruction> {
        sent.iter()
            .filter(|(of, _)| pair.is_none_or(|pair| pair == *of))
            .map(|(_, instruction)| instruction.clone())
            .collect()
    };
    let payer = w.payer.pubkey();
    let alone = rounds(&of(Some(0)), &payer);
    let together = rounds(&of(None), &payer);
    assert_eq!(jobs.len(), 240);
    assert_eq!(together, alone, "{} transactions of {pairs} pairs", sent.len());
    assert!(
        sent.len() / together >= usize::from(u16::try_from(pairs).unwrap()),
        "as many side by side as there are pairs"
    );
}
