//! A story in which every kind of account exists and every event is told.

use std::sync::OnceLock;

use gridlease_core::job::EndReason;
use gridlease_core::limits::{BOND_CAP, GOVERNANCE_DELAY, JOB_CAP, PAYOUT_DELAY, PURSE_CAP, UNBONDING_TIME};
use gridlease_sdk::account::{Bond, Commitment, Config, Job, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::ArrayShape;
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::provider::NodeArgs;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{job, lease, migrate, price_index, provider, purse, stake, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC, node_args};
use gridlease_tests::svm::recording::Recording;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// The whole of it, recorded from the first transaction on.
pub fn whole() -> &'static Recording {
    static WHOLE: OnceLock<Recording> = OnceLock::new();
    WHOLE.get_or_init(told)
}

fn told() -> Recording {
    let mut w = World::bare();
    w.begin_recording();
    configuration(&mut w);
    let buyer = w.buyer(200 * USDC);
    one_job(&mut w, &buyer);
    auctions(&mut w, &buyer);
    sealed_bids(&mut w, &buyer);
    ends(&mut w, &buyer);
    care_of_leases(&mut w, &buyer);
    arrays(&mut w);
    keeping(&mut w);
    delegated(&mut w);
    machines(&mut w);
    verified(&mut w);
    migrated(&mut w);
    w.end_recording()
}

/// Both configurations, and everything that governance does.
fn configuration(w: &mut World) {
    let admin = w.admin.insecure_clone();
    let (key, mint, treasury, insurance) = (admin.pubkey(), w.mint, w.treasury, w.insurance);
    w.ok(&[purse::init_config(&key, &mint, &treasury)], &[&admin]);
    w.ok(&[stake::init_config(&key, &mint, &insurance)], &[&admin]);

    let change = ChangeArgs {
        verifier: Pubkey::default(),
        slot_ms: 400,
        fee_bps: 200,
        purse_cap: PURSE_CAP.0,
        job_cap: JOB_CAP.0,
    };
    let propose = governance::propose_change(&key, &treasury, change);
    w.ok(&[propose.clone()], &[&admin]);
    w.ok(&[governance::cancel_change(&key)], &[&admin]);
    w.ok(&[propose], &[&admin]);
    let slashers = [address::market_authority(), Pubkey::default(), Pubkey::default(), Pubkey::default()];
    w.ok(&[stake::propose_config(&key, &insurance, slashers, BOND_CAP.0)], &[&admin]);
    w.pass(GOVERNANCE_DELAY.0);
    w.ok(&[governance::execute_change(&treasury)], &[]);
    w.ok(&[stake::execute_config(&insurance)], &[]);
    for paused in [true, false] {
        w.ok(&[governance::set_paused(&key, paused)], &[&admin]);
    }
    w.ok(&[governance::propose_admin(&key, &key)], &[&admin]);
    w.ok(&[governance::accept_admin(&key)], &[&admin]);
    w.ok(&[stake::propose_admin(&key, &key)], &[&admin]);
    w.ok(&[stake::accept_admin(&key)], &[&admin]);
    w.ok(&[governance::lower_caps(&key, PURSE_CAP.0, JOB_CAP.0)], &[&admin]);
    w.ok(&[stake::lower_cap(&key, BOND_CAP.0)], &[&admin]);
}

/// One job from its posting to its end, with all that can be counted in it.
fn one_job(w: &mut World, buyer: &Buyer) {
    let owner = w.provider(|_| {});
    let benchmark = provider::record_benchmark(&owner.node.pubkey(), &owner.record, 1, 1_000, [4; 32]);
    w.ok(&[benchmark], &[&owner.node]);
    let update = provider::update_node(&owner.authority.pubkey(), node_args(&owner.node.pubkey()), &[]);
    w.ok(&[update], &[&owner.authority]);
    // So dear that its fee makes it a trade that counts.
    let keys = w.running(buyer, &owner, 30 * USDC, |args| (args.max_price, args.max_duration_s) = (30 * USDC, 1_800));
    w.pass(600);
    w.settle(&keys);
    w.top_up(buyer, &keys, USDC);
    w.pass(600);
    w.finish(&owner, &keys, EndReason::Completed);
    w.settle(&keys);
    let payer = w.payer.pubkey();
    w.ok(&[price_index::open_index(&payer, 1, 1)], &[]);
    w.ok(&[price_index::record_trade(&keys, 1, 1)], &[]);
    w.close_lease(&keys);
    w.close_job(buyer, &keys.job);
    w.sweep(buyer);
    w.withdraw(buyer, USDC);
}

/// Open and instant auctions: won, emptied, without bids, taken back.
fn auctions(w: &mut World, buyer: &Buyer) {
    let owners: Vec<_> = (0..2).map(|_| w.provider(|supply| supply.auto_bid = true)).collect();
    let entered = w.job(buyer, |_| {});
    w.ok(&[job::enter_offer(&entered, &owners[0].bidder())], &[]);
    w.ok(&[job::cancel(&buyer.key.pubkey(), &entered)], &[&buyer.key]);
    let emptied = w.job(buyer, |args| args.attempts = 2);
    w.bid(&owners[0], &emptied, 1_000_000);
    w.withdraw_offer(&owners[0]);
    w.close_window(&emptied);
    let award = w.award_of(&emptied);
    w.ok(&[award], &[]);
    w.ok(&[job::cancel(&buyer.key.pubkey(), &emptied)], &[&buyer.key]);
    w.close_job(buyer, &emptied);
    let args = job::JobArgs { mode: 1, ..gridlease_tests::svm::steps::job_args() };
    let number = w.next_number();
    let post = job::post_instant(&buyer.key.pubkey(), number, args, &[owners[1].bidder()]);
    w.ok(&[post], &[&buyer.key]);
}

/// Sealed bids: revealed, forfeited, released.
fn sealed_bids(w: &mut World, buyer: &Buyer) {
    let owners: Vec<_> = (0..2).map(|_| w.provider(|_| {})).collect();
    let post = |w: &mut World| w.job(buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let (job, taken_back) = (post(w), post(w));
    for (job, owner) in [(&job, &owners[0]), (&job, &owners[1]), (&taken_back, &owners[1])] {
        let hash = sealed::hash(job, &owner.bidder(), 900_000, &[1; 32]);
        w.ok(&[sealed::commit(&owner.node.pubkey(), job, &owner.bidder(), hash)], &[&owner.node]);
    }
    let keys = |w: &World, job: &Pubkey, owner: &Provider| {
        SealedKeys::from(&w.read::<Commitment>(&address::commitment(job, &owner.record)))
    };
    w.close_window(&job);
    w.ok(&[sealed::reveal(&keys(w, &job, &owners[0]), 1, 900_000, [1; 32])], &[]);
    w.ok(&[job::cancel(&buyer.key.pubkey(), &taken_back)], &[&buyer.key]);
    w.ok(&[sealed::release(&keys(w, &taken_back, &owners[1]))], &[]);
    w.pass(60);
    let insurance = w.insurance;
    w.ok(&[sealed::forfeit(&keys(w, &job, &owners[1]), &insurance)], &[]);
    w.award(&job);
}

/// Leases that end otherwise than well.
fn ends(w: &mut World, buyer: &Buyer) {
    let owner = w.provider(|supply| (supply.units, supply.floor) = (8, 50_000));
    let graced = w.running(buyer, &owner, 1_200_000, |args| args.max_duration_s = 60);
    w.pass(100);
    w.expire(&graced);
    w.pass(600);
    w.expire(&graced);
    let failed = w.starting(buyer, &owner, 1_200_000, |_| {});
    w.pass(141);
    w.fail_start(&failed);
    w.close_lease(&failed);

    // A slash that the insurance fund could not take is paid later.
    let left = w.running(buyer, &owner, 100_000, |_| {});
    let fund = w.insurance;
    w.freeze(&fund, true);
    w.pass(100);
    w.abandon(&owner, &left);
    w.freeze(&fund, false);
    w.ok(&[stake::pay_insurance(&owner.bond, &fund)], &[]);

    // A payout account that is frozen holds up its owner's pay only.
    let unpaid = w.running(buyer, &owner, 1_200_000, |_| {});
    w.freeze(&owner.payout, true);
    w.pass(100);
    w.stop(buyer, &unpaid);
    w.close_lease(&unpaid);
    w.freeze(&owner.payout, false);

    let leases: Vec<_> = (0..3).map(|_| w.running(buyer, &owner, 1_200_000, |_| {})).collect();
    w.pass(100);
    w.ok(&[lease::settle_batch(&leases[0], &[leases[1].lease, leases[2].lease])], &[]);
}

/// Challenges, credits, checkpoints, notice.
fn care_of_leases(w: &mut World, buyer: &Buyer) {
    let owner = w.provider(|supply| supply.stake = 200 * USDC);
    let asker = w.person();
    let rejected = w.running(buyer, &owner, 1_200_000, |_| {});
    w.reject(buyer, &rejected);
    let keys = w.running(buyer, &owner, 1_200_000, |args| (args.notice_s, args.checkpoint_s) = (7_000, 60));
    w.give_notice(&owner, &keys);
    w.pass(100);
    w.checkpoint(&owner, &keys, 1);
    w.challenge(&asker, &keys);
    w.answer(&owner, &keys);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    let insurance = w.insurance;
    w.resume(&owner, &keys);
    w.ok(&[supervision::collect_credit(&keys, &insurance)], &[]);
    w.take_down(&asker, &keys);
    w.pass(600);
    w.declare_unreachable(&keys);
}

/// An array of single tasks to its end, and one of tasks with replicas.
fn arrays(w: &mut World) {
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|supply| supply.units = 8);
    let single = w.array(&buyer, ArrayShape { quorum: 1, ..shape() });
    let jobs = w.open_task(&single);
    w.run_task(&owner, &jobs[0], 0);
    w.close_array(&single);
    let replicated = ArrayShape { count: 2, quorum: 2, replicas: 3, parallel: 2, budget: 3 * CAP };
    let array = w.array(&buyer, replicated);
    let jobs = w.open_task(&array);
    w.start_task(&owner, &jobs[0]);
    w.cancel_array(&buyer, &array);
}

/// What a buyer and a provider do besides jobs.
fn keeping(w: &mut World) {
    let buyer = w.buyer(20 * USDC);
    let owner = buyer.key.pubkey();
    let spender = w.person();
    w.ok(&[purse::set_spender(&owner, &spender.pubkey(), 10 * USDC, 3_600)], &[&buyer.key]);
    w.ok(&[purse::set_guardian(&owner, &spender.pubkey(), USDC, 3_600)], &[&buyer.key]);
    let number = w.next_number();
    // Without a URI: the buyer pushes the manifest.
    let args = job::JobArgs { manifest_uri: String::new(), ..gridlease_tests::svm::steps::job_args() };
    w.ok(&[job::post_by(&spender.pubkey(), &owner, number, args)], &[&spender]);
    let posted = address::job(&buyer.purse, number);
    assert_eq!(w.read::<Job>(&posted).uri_len, 0);
    w.mint_to(&buyer.vault, 1);
    w.ok(&[purse::sweep_donation(&owner, &buyer.wallet)], &[&buyer.key]);
    let empty = w.buyer(0);
    w.ok(&[purse::close(&empty.key.pubkey(), &empty.wallet)], &[&empty.key]);

    let leaving = w.provider(|_| {});
    let cold = leaving.authority.pubkey();
    let payout = w.foreign_account();
    w.ok(&[provider::propose_payout(&cold, &payout)], &[&leaving.authority]);
    w.pass(PAYOUT_DELAY.0);
    let terms = Supply::default().terms(w.now().ts.0);
    w.refresh(&leaving, terms);
    // A lease that recorded the old account, which is frozen then.
    let tenant = w.buyer(20 * USDC);
    let keys = w.running(&tenant, &leaving, 1_000_000, |_| {});
    w.ok(&[provider::apply_payout(&leaving.record, &leaving.bond, &payout)], &[]);
    w.freeze(&leaving.payout, true);
    w.ok(&[lease::redirect_payout(&keys, &payout)], &[]);
    w.stop(&tenant, &keys);
    let keys = w.keys(&keys.lease);
    w.wind_up(&tenant, &keys);
    let claims = w.claims_of(&leaving.offer);
    let release = provider::release_gpus(&leaving.node.pubkey(), &leaving.record, 1, &claims[0], &claims[1..]);
    w.ok(&[release], &[&leaving.node]);
    w.withdraw_offer(&leaving);
    w.ok(&[provider::close(&cold)], &[&leaving.authority]);
}

/// A bond that is open to delegators, from its opening to the last of them.
fn delegated(w: &mut World) {
    let owner = w.pool(100 * USDC, 1_000);
    let key = owner.authority.pubkey();
    w.ok(&[stake::change_pool(&key, &owner.payout, 2_000, USDC, USDC)], &[&owner.authority]);
    let by = w.delegator(&owner, 10 * USDC);
    w.ok(&[stake::delegate(&by.key.pubkey(), &owner.bond, &by.wallet, USDC)], &[&by.key]);
    w.mint_to(&address::bond_revenue(&owner.bond), 100 * USDC);
    w.distribute(&owner.bond);
    w.ok(&[stake::claim_revenue(&owner.bond, &by.key.pubkey(), &by.wallet)], &[]);
    w.ok(&[stake::claim_commission(&owner.bond, &owner.payout)], &[]);
    let theirs = w.undelegate(&by, u64::MAX);
    let own = w.unbond(&owner, 10 * USDC);
    w.pass(UNBONDING_TIME.0);
    let back = w.withdrawal_of_delegation(&by, theirs);
    w.ok(&[back], &[]);
    let back = w.withdrawal_of_stake(&owner, own);
    w.ok(&[back], &[]);
    w.ok(&[stake::close_delegation(&owner.bond, &by.key.pubkey())], &[]);
    w.mint_to(&address::bond_vault(&owner.bond), USDC);
    w.ok(&[stake::sweep_donation(&key, &owner.payout)], &[&owner.authority]);
    let empty = w.registered(0);
    let close = stake::close_bond(&empty.authority.pubkey(), &empty.payout, false);
    w.ok(&[close], &[&empty.authority]);
}

/// Machines below a provider beside its first: one that stays and one that goes.
fn machines(w: &mut World) {
    let owner = w.provider(|_| {});
    let cold = owner.authority.pubkey();
    for number in [2, 3] {
        let node = w.person();
        let args = NodeArgs { stake_limit: 10 * USDC, ..node_args(&node.pubkey()) };
        w.ok(&[provider::register_machine(&cold, number, args)], &[&owner.authority]);
    }
    let going = address::machine(&owner.record, 3);
    w.ok(&[provider::retire_machine(&cold, 3, &[])], &[&owner.authority]);
    w.ok(&[provider::close_machine(&owner.record, &going, &cold)], &[]);
}

/// A verified lease whose result was wrong: the buyer has a claim to the stake, and takes it a week later.
fn verified(w: &mut World) {
    let (buyer, owner, judge) = (w.buyer(50 * USDC), w.provider(|_| {}), w.person());
    w.edit_as::<Config>(&address::market_config(), |config| config.verifier = judge.pubkey());
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.verify_class = 1);
    w.pass(1_000);
    w.finish(&owner, &keys, EndReason::Completed);
    w.settle(&keys);
    let verdict = supervision::verdict(&judge.pubkey(), &keys, &w.insurance, 4 * USDC, &judge.pubkey());
    w.ok(&[verdict], &[&judge]);
    w.close_lease(&keys);
    w.pass(UNBONDING_TIME.0);
    let claimant = buyer.key.pubkey();
    let to = w.associated(&claimant);
    w.ok(&[stake::pay_claim(&owner.bond, &keys.lease, &claimant, &to, &owner.authority.pubkey())], &[]);
}

/// An account of each program that the first edition wrote.
fn migrated(w: &mut World) {
    let (buyer, owner, stranger) = (w.buyer(USDC), w.provider(|_| {}), w.person());
    w.stop_auditing(); // no transaction makes an account older
    w.to_first_edition::<Purse>(&buyer.purse);
    w.to_first_edition::<Bond>(&owner.bond);
    let payer = stranger.pubkey();
    w.ok(&[migrate::purse(&payer, &buyer.purse), migrate::bond(&payer, &owner.bond)], &[&stranger]);
}
