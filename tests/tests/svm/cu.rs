//! What every instruction costs, in one defined situation each; `docs/CU.md` holds the figures and their goals.
//!
//! With `GRIDLEASE_WRITE_CU=1` the document is written anew. Otherwise a figure that is more than five per cent above the
//! written one fails the test.

use std::fmt::Write as _;
use std::path::PathBuf;

use gridlease_core::job::EndReason;
use gridlease_core::limits::{
    ACTIVATION_DELAY, BOND_CAP, GOVERNANCE_DELAY, JOB_CAP, PAYOUT_DELAY, PURSE_CAP, UNBONDING_TIME,
};
use gridlease_core::tip;
use gridlease_sdk::account::{
    Array, Bond, Commitment, Config, Delegation, Job, Lease, Offer, Provider as Record, Purse, Reservation, size, tie,
};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{job, migrate, price_index, provider, purse, stake, supervision};
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC, gpu_hash, node_args};
use gridlease_tests::svm::steps::{GPUS, IMAGE, job_args, outcome};
use gridlease_tests::svm::{World, program};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

const COMMAND: &str = "GRIDLEASE_WRITE_CU=1 cargo test -p gridlease-tests --test svm cu::";

/// What costs more than its goal, and its ceiling instead; each with the reason why it stays. A goal that is not listed here is a
/// ceiling itself.
const ABOVE_GOAL: &[(&str, &str, u64)] = &[];

/// The last transaction of a job, in which the acceptance rides.
const LAST: &str = "accept + settle + close_lease + close_job";

/// One instruction in one situation.
struct Row {
    name: &'static str,
    situation: &'static str,
    cu: u64,
    goal: Option<u64>,
    bytes: usize,
}

impl Row {
    /// The most that it may cost; `None` where there is no goal.
    fn ceiling(&self) -> Option<u64> {
        let above = ABOVE_GOAL.iter().find(|(name, situation, _)| (*name, *situation) == (self.name, self.situation));
        above.map(|(.., ceiling)| *ceiling).or(self.goal)
    }
}

/// A world that notes what each transaction costs.
struct Meter {
    world: World,
    rows: Vec<Row>,
}

impl Meter {
    /// Sends a transaction that `payer` pays and alone signs, and notes its cost.
    #[track_caller]
    fn run(
        &mut self,
        name: &'static str,
        situation: &'static str,
        goal: Option<u64>,
        instructions: &[Instruction],
        payer: &Keypair,
    ) {
        let done = self.world.send_from(payer, instructions, &[]).unwrap();
        self.rows.push(Row { name, situation, cu: done.cu, goal, bytes: done.bytes });
    }
}

fn goal(thousand: u64) -> Option<u64> {
    Some(thousand * 1_000)
}

fn configuration(m: &mut Meter) {
    let (admin, mint) = (m.world.admin.insecure_clone(), m.world.mint);
    let (treasury, insurance) = (m.world.treasury, m.world.insurance);
    let market = purse::init_config(&admin.pubkey(), &mint, &treasury);
    m.run("market: init_config", "once", None, &[market], &admin);
    let staking = stake::init_config(&admin.pubkey(), &mint, &insurance);
    m.run("staking: init_config", "once", None, &[staking], &admin);
}

/// Governance of the staking program, and everything that its people send.
fn stakes(m: &mut Meter) {
    let (admin, keeper) = (m.world.admin.insecure_clone(), m.world.payer.insecure_clone());
    let (key, fund) = (admin.pubkey(), m.world.insurance);
    let slashers = [address::market_authority(), Pubkey::default(), Pubkey::default(), Pubkey::default()];
    let propose = stake::propose_config(&key, &fund, slashers, BOND_CAP.0);
    m.run("staking: propose_config", "same again", None, &[propose.clone()], &admin);
    m.run("staking: cancel_config", "proposed", None, &[stake::cancel_config(&key)], &admin);
    m.world.ok(&[propose], &[&admin]);
    m.world.pass(GOVERNANCE_DELAY.0);
    m.run("staking: execute_config", "due", None, &[stake::execute_config(&fund)], &keeper);
    m.run("staking: lower_cap", "the same again", None, &[stake::lower_cap(&key, BOND_CAP.0)], &admin);
    m.run("staking: propose_admin", "itself", None, &[stake::propose_admin(&key, &key)], &admin);
    m.run("staking: accept_admin", "itself", None, &[stake::accept_admin(&key)], &admin);

    let owner = m.world.registered(100 * USDC);
    let (key, mint, bond) = (owner.authority.pubkey(), m.world.mint, owner.bond);
    let open = stake::open_pool(&key, &mint, &owner.payout, 1_000, USDC, USDC);
    m.run("staking: open_pool", "new pool", None, &[open], &owner.authority);
    let change = stake::change_pool(&key, &owner.payout, 2_000, USDC, USDC);
    m.run("staking: change_pool", "higher commission", None, &[change], &owner.authority);
    for _ in 0..30 {
        m.world.delegator(&owner, USDC);
    }
    let (who, wallet) = m.world.wallet(100 * USDC);
    let me = who.pubkey();
    let open = stake::open_delegation(&me, &bond, &wallet, &wallet, 10 * USDC);
    m.run("staking: open_delegation", "31st delegator", None, &[open], &who);
    let add = stake::delegate(&me, &bond, &wallet, 10 * USDC);
    m.run("staking: delegate", "nothing arrived", None, &[add.clone()], &who);
    m.world.mint_to(&address::bond_revenue(&bond), 100 * USDC);
    m.run("staking: delegate", "distributes what arrived", None, &[add], &who);
    m.world.pass(ACTIVATION_DELAY.0);
    m.run("staking: activate", "a delegator's", None, &[stake::activate(&bond, Some(&me))], &keeper);
    m.world.mint_to(&address::bond_revenue(&bond), 100 * USDC);
    m.run("staking: distribute", "31 delegators", None, &[stake::distribute(&bond)], &keeper);
    m.run("staking: distribute", "nothing arrived", None, &[stake::distribute(&bond)], &keeper);
    let claim = stake::claim_revenue(&bond, &me, &wallet);
    m.run("staking: claim_revenue", "by anybody", None, &[claim], &keeper);
    let claim = stake::claim_commission(&bond, &owner.payout);
    m.run("staking: claim_commission", "by anybody", None, &[claim], &keeper);
    let back = stake::undelegate(&me, &bond, &me, &wallet, u64::MAX, 0);
    m.run("staking: undelegate", "all of it", None, &[back], &who);
    let unbond = stake::unbond(&key, &owner.payout, 10 * USDC, 0);
    m.run("staking: unbond", "a part", None, &[unbond], &owner.authority);
    m.world.pass(UNBONDING_TIME.0);
    let out = stake::withdraw_delegation(&bond, &me, 0, &wallet, &me);
    m.run("staking: withdraw_delegation", "all of it", None, &[out], &keeper);
    let out = stake::withdraw_stake(&bond, &key, 0, &owner.payout, &key);
    m.run("staking: withdraw_stake", "all of it", None, &[out], &keeper);
    m.run("staking: close_delegation", "31st of 31", None, &[stake::close_delegation(&bond, &me)], &keeper);
    m.world.mint_to(&address::bond_vault(&bond), USDC);
    let sweep = stake::sweep_donation(&key, &owner.payout);
    m.run("staking: sweep_donation", "something to sweep", None, &[sweep], &owner.authority);

    let empty = m.world.registered(0);
    let key = empty.authority.pubkey();
    let open = stake::open_pool(&key, &mint, &empty.payout, 0, USDC, USDC);
    m.world.ok(&[open], &[&empty.authority]);
    let close = stake::close_bond(&key, &empty.payout, true);
    m.run("staking: close_bond", "with a pool", None, &[close], &empty.authority);
}

/// A slash that the insurance fund could not take is paid later.
fn insured(m: &mut Meter, buyer: &Buyer) {
    let (keeper, fund) = (m.world.payer.insecure_clone(), m.world.insurance);
    // A lease dear in stake and cheap in price: what is slashed is more than the victim gets.
    let owner = m.world.provider(|supply| supply.floor = 50_000);
    let left = m.world.running(buyer, &owner, 100_000, |_| {});
    m.world.freeze(&fund, true);
    m.world.pass(100);
    m.world.abandon(&owner, &left);
    m.world.freeze(&fund, false);
    m.run("staking: pay_insurance", "after a slash", None, &[stake::pay_insurance(&owner.bond, &fund)], &keeper);
}

fn buyer(m: &mut Meter) -> Buyer {
    let (key, wallet) = m.world.wallet(200 * USDC);
    let owner = key.pubkey();
    let mint = m.world.mint;
    m.run("open_purse", "new buyer", None, &[purse::open(&owner, &mint)], &key);
    m.run("deposit", "own token account", None, &[purse::deposit(&owner, &owner, &wallet, 100 * USDC)], &key);
    m.run("withdraw", "free balance", None, &[purse::withdraw(&owner, &wallet, USDC)], &key);
    let address = address::purse(&owner);
    Buyer { purse: address, vault: address::purse_vault(&address), wallet, key }
}

fn supply(m: &mut Meter) -> Provider {
    let (authority, payout) = m.world.wallet(200 * USDC);
    let node = m.world.person();
    let (key, mint) = (authority.pubkey(), m.world.mint);
    m.run("staking: open_bond", "new provider", None, &[stake::open_bond(&key, &mint)], &authority);
    m.run("staking: add_stake", "own token account", None, &[stake::add_stake(&key, &payout, 100 * USDC)], &authority);
    let args = node_args(&node.pubkey());
    m.run("register_provider", "new provider", None, &[provider::register(&key, &payout, args.clone())], &authority);
    m.run("update_node", "same node", None, &[provider::update_node(&key, args, &[])], &authority);
    let record = address::provider(&key);
    let supply = Supply { auto_bid: true, ..Supply::default() };
    let terms = supply.terms(m.world.now().ts.0);
    let post = provider::post_offer(&node.pubkey(), &record, 1, supply.machine(), terms);
    m.run("post_offer", "two units", None, &[post], &node);
    let refresh = provider::refresh_offer(&node.pubkey(), &record, 1, terms);
    m.run("refresh_offer", "same terms", None, &[refresh], &node);
    let hashes = [gpu_hash(&record, 1, 0), gpu_hash(&record, 1, 1)];
    let claim = provider::claim_gpus(&node.pubkey(), &record, &address::bond(&key), 1, &hashes);
    m.run("claim_gpus", "two GPUs", None, &[claim], &node);
    let benchmark = provider::record_benchmark(&node.pubkey(), &record, 1, 1_000, [4; 32]);
    m.run("record_benchmark", "live offer", None, &[benchmark], &node);
    Provider { bond: address::bond(&key), offer: address::offer(&record, 1), record, payout, authority, node }
}

/// The walk of the README: one bidder, and every step by who has an interest in it.
fn walk(m: &mut Meter, buyer: &Buyer, owner: &Provider) -> (u64, u64) {
    let keeper = m.world.payer.insecure_clone();
    let sol = |m: &Meter, key: &Pubkey| m.world.lamports(key);
    let (of_buyer, of_offer) = (sol(m, &buyer.key.pubkey()), sol(m, &owner.offer));
    let (post, job) = m.world.post(buyer, |_| {});
    m.run("post_job", "URI of 35 bytes", goal(15), &[post], &buyer.key);
    let locked_by_buyer = of_buyer - sol(m, &buyer.key.pubkey()) - 5_000; // less the fee of one signature
    let bid = m.world.bid_of(owner, &job, 1_200_000);
    m.run("place_bid", "empty book", goal(10), &[bid], &owner.node);
    m.world.close_window(&job);
    let award = m.world.award_of(&job);
    m.run("award", "one bidder", goal(25), &[award], &keeper);
    let locked_by_provider = of_offer - sol(m, &owner.offer);
    let lease = m.world.read::<Job>(&job).current_lease(&job).unwrap();
    let keys = m.world.keys(&lease);
    m.world.pass(20);
    m.run("ready", "in time", goal(5), &[lease::ready(&owner.node.pubkey(), &keys, IMAGE, GPUS)], &owner.node);
    m.world.pass(600);
    m.run("settle", "running, first payment", goal(8), &[lease::settle(&keys)], &keeper);
    m.run("settle", "nothing payable", goal(8), &[lease::settle(&keys)], &keeper);
    let extend = lease::extend(&buyer.key.pubkey(), &keys, 7_200);
    m.run("extend", "more stake is reserved", goal(12), &[extend], &buyer.key);
    let top_up = lease::top_up(&buyer.key.pubkey(), &keys.lease, USDC, None);
    m.run("top_up", "running", goal(8), &[top_up], &buyer.key);
    m.run("expire", "nothing due", None, &[lease::expire(&keys)], &keeper);
    m.world.pass(600);
    let finish = lease::finish(&owner.node.pubkey(), &keys, EndReason::Completed, outcome());
    m.run("finish", "completed", goal(8), &[finish], &owner.node);
    m.run("accept", "finished", goal(5), &[lease::accept(&buyer.key.pubkey(), &keys)], &buyer.key);
    m.run("settle", "ended, last payment", goal(8), &[lease::settle(&keys)], &keeper);
    m.run("open_index", "new index", None, &[price_index::open_index(&keeper.pubkey(), 1, 1)], &keeper);
    m.run("close_lease", "paid", goal(10), &[lease::close(&keys)], &keeper);
    let close = job::close(&job, &buyer.purse, &buyer.key.pubkey());
    m.run("close_job", "ended", goal(10), &[close], &keeper);
    let sweep = purse::sweep_fees(&buyer.purse, &m.world.treasury, &m.world.insurance);
    m.run("sweep_fees", "after one job", None, &[sweep], &keeper);
    (locked_by_buyer, locked_by_provider)
}

fn auctions(m: &mut Meter, buyer: &Buyer, owner: &Provider) {
    let keeper = m.world.payer.insecure_clone();
    let rivals: Vec<_> = (0..9).map(|_| m.world.provider(|_| {})).collect();

    let entered = m.world.job(buyer, |_| {});
    m.run("enter_offer", "empty book", goal(10), &[job::enter_offer(&entered, &owner.bidder())], &keeper);
    let cancel = job::cancel(&buyer.key.pubkey(), &entered);
    m.run("cancel_job", "one bid", None, &[cancel], &buyer.key);

    let full = m.world.job(buyer, |args| args.window_s = 2_000);
    for (rival, price) in rivals[..7].iter().zip((1_300_000..).step_by(10_000)) {
        m.world.bid(rival, &full, price);
    }
    m.run(
        "enter_offer",
        "eighth of the book, must beat its best",
        goal(10),
        &[job::enter_offer(&full, &owner.bidder())],
        &keeper,
    );
    let bid = m.world.bid_of(&rivals[7], &full, 1_250_000);
    m.run("place_bid", "displaces the last of a full book", goal(10), &[bid], &rivals[7].node);
    let bid = m.world.bid_of(&rivals[0], &full, 1_000_000);
    m.run("place_bid", "improves its bid in a full book", goal(10), &[bid], &rivals[0].node);
    m.world.close_window(&full);
    for rival in &rivals {
        let terms = Supply::default().terms(m.world.now().ts.0);
        m.world.refresh(rival, terms);
    }
    let bidders = m.world.bidders(&full);
    let by_record = |record: &Pubkey| rivals.iter().find(|rival| rival.record == *record);
    for bidder in &bidders[..4] {
        if let Some(rival) = by_record(&bidder.provider) {
            m.world.withdraw_offer(rival);
        }
    }
    let award = m.world.award_of(&full);
    m.run("award", "fifth of the book, four bad ones before it", goal(25), &[award], &keeper);

    let empty = m.world.job(buyer, |args| args.wait_s = 600);
    let ends = m.world.read::<Job>(&empty).expires_at;
    m.world.at(ends + 1);
    let expire = job::expire(&empty, &buyer.purse);
    m.run("expire_job", "nobody bid", goal(8), &[expire], &keeper);

    let owner = &m.world.provider(|supply| (supply.units, supply.life, supply.stake) = (16, 3_600, 200 * USDC));
    let (node, insurance) = (owner.node.pubkey(), m.world.insurance);
    let done = m.world.running(buyer, owner, 1_200_000, |_| {});
    m.world.pass(100);
    m.world.finish_unseen(owner, &done, EndReason::Completed);
    m.run("reopen", "finished", goal(8), &[lease::reopen(&buyer.key.pubkey(), &done)], &buyer.key);
    let keys = m.world.starting(buyer, owner, 1_200_000, |_| {});
    m.run("decline", "a bid of its own", goal(20), &[lease::decline(&node, &keys, &insurance)], &owner.node);
    let keys = m.world.starting(buyer, owner, 1_200_000, |_| {});
    m.run("want", "not given", goal(20), &[lease::want(&node, &keys, &insurance)], &owner.node);
    let keys = m.world.starting(buyer, owner, 1_200_000, |_| {});
    let report = lease::report_buyer_error(&node, &keys, &insurance, 127);
    m.run("report_buyer_error", "the first", goal(20), &[report], &owner.node);
    let withdraw = m.world.withdrawal_of(&rivals[8]);
    m.run("withdraw_offer", "no open lease", None, &[withdraw], &rivals[8].node);
}

/// Instant and sealed auctions.
fn other_doors(m: &mut Meter, buyer: &Buyer) {
    let keeper = m.world.payer.insecure_clone();
    let owners: Vec<_> = (0..4).map(|_| m.world.provider(|_| {})).collect();
    let offers: Vec<_> = owners.iter().map(Provider::bidder).collect();
    let instant = job::JobArgs { mode: 1, ..job_args() };
    let post = |m: &mut Meter, offers: &[job::BidderKeys]| {
        job::post_instant(&buyer.key.pubkey(), m.world.next_number(), instant.clone(), offers)
    };
    let one = post(m, &offers[..1]);
    m.run("post_instant", "the first offer fits", None, &[one], &buyer.key);
    for owner in &owners[1..3] {
        m.world.withdraw_offer(owner);
    }
    let four = post(m, &[offers[1], offers[2], offers[1], offers[3]]);
    m.run("post_instant", "the fourth offer fits", None, &[four], &buyer.key);

    let job = m.world.job(buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let taken_back = m.world.job(buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let commit = |job: &Pubkey, owner: &Provider| {
        let hash = sealed::hash(job, &owner.bidder(), 900_000, &[1; 32]);
        sealed::commit(&owner.node.pubkey(), job, &owner.bidder(), hash)
    };
    m.run("commit_bid", "sealed auction", None, &[commit(&job, &owners[0])], &owners[0].node);
    m.world.ok(&[commit(&job, &owners[3])], &[&owners[3].node]);
    m.world.ok(&[commit(&taken_back, &owners[3])], &[&owners[3].node]);
    let keys = |m: &Meter, job: &Pubkey, owner: &Provider| {
        SealedKeys::from(&m.world.read::<Commitment>(&address::commitment(job, &owner.record)))
    };
    m.world.close_window(&job);
    let reveal = sealed::reveal(&keys(m, &job, &owners[0]), 1, 900_000, [1; 32]);
    m.run("reveal_bid", "enters the book", None, &[reveal], &keeper);
    m.world.ok(&[job::cancel(&buyer.key.pubkey(), &taken_back)], &[&buyer.key]);
    let release = sealed::release(&keys(m, &taken_back, &owners[3]));
    m.run("release_bid", "its job was taken back", None, &[release], &keeper);
    m.world.pass(60);
    let forfeit = sealed::forfeit(&keys(m, &job, &owners[3]), &m.world.insurance);
    m.run("forfeit_bid", "not revealed", None, &[forfeit], &keeper);
}

fn ends(m: &mut Meter, buyer: &Buyer) {
    let keeper = m.world.payer.insecure_clone();
    let owner = m.world.provider(|supply| supply.units = 8);
    let insurance = m.world.insurance;
    let node = owner.node.pubkey();
    let stopped = m.world.running(buyer, &owner, 1_200_000, |_| {});
    m.world.pass(100);
    m.run("stop", "running", goal(8), &[lease::stop(&buyer.key.pubkey(), &stopped)], &buyer.key);
    let in_grace = m.world.running(buyer, &owner, 1_200_000, |args| args.max_duration_s = 60);
    m.world.pass(100);
    m.world.expire(&in_grace);
    m.world.pass(700);
    m.run("expire", "grace is over", None, &[lease::expire(&in_grace)], &keeper);
    let graced = m.world.running(buyer, &owner, 1_200_000, |args| args.max_duration_s = 60);
    m.world.pass(100);
    m.run("expire", "grace begins", None, &[lease::expire(&graced)], &keeper);
    let extend = lease::extend(&buyer.key.pubkey(), &graced, 3_600);
    m.run("extend", "in grace, enough stake is reserved", goal(12), &[extend], &buyer.key);
    let top_up = lease::top_up(&buyer.key.pubkey(), &graced.lease, USDC, None);
    m.run("top_up", "in grace", goal(8), &[top_up], &buyer.key);
    let failed = m.world.starting(buyer, &owner, 1_200_000, |_| {});
    m.world.pass(141);
    let fail = lease::fail_start(&keeper.pubkey(), &failed, &insurance);
    m.run("fail_start", "too late, attempts left", None, &[fail], &keeper);
    let left = m.world.running(buyer, &owner, 1_200_000, |_| {});
    m.world.pass(100);
    let abandon = lease::abandon(&node, &left, &insurance, outcome());
    m.run("abandon", "running", None, &[abandon], &owner.node);
    let whole = m.world.running(buyer, &owner, 1_200_000, |_| {});
    m.world.pass(100);
    m.world.finish_unseen(&owner, &whole, EndReason::Completed);
    let wind_up = wind_up(buyer, &whole);
    m.run(LAST, "in one transaction", None, &wind_up, &buyer.key);
}

/// Arrays: single tasks, and a task with three replicas.
fn arrays(m: &mut Meter) {
    let keeper = m.world.payer.insecure_clone();
    let buyer = m.world.buyer(100 * USDC);
    let owner = m.world.provider(|supply| supply.units = 8);
    let key = buyer.key.pubkey();
    let (post, single) = m.world.post_array(&buyer, ArrayShape { quorum: 1, ..shape() }, |_| {});
    m.run("post_array", "ten tasks, three at a time", goal(25), &[post], &buyer.key);
    let open = m.world.opening_of(&single);
    m.run("open_task", "one job", goal(20), &[open.clone()], &keeper);
    m.run("open_task", "opened before", None, &[open], &keeper);
    let more = [m.world.open_task(&single)[0], m.world.open_task(&single)[0]];
    let first = address::task_job(&single, 0, 1, 0);
    let started = m.world.start_tasks(&[(&owner, &first), (&owner, &more[0])]);
    m.world.pass(100);
    m.world.finish_task(&owner, &started[0], 0);
    let close = m.world.closing_of(&first);
    m.run("close_task", "the last that was needed", goal(12), &[close], &keeper);
    let cancel = array::cancel_task(&more[1], &m.world.read(&more[1]));
    m.run("cancel_task", "enough completed", goal(8), &[cancel], &keeper);
    let stop = array::stop_task(&more[0], &m.world.read(&more[0]), &started[1].lease);
    m.run("stop_task", "enough completed, running", goal(10), &[stop], &keeper);
    for job in &more {
        m.world.close_task(job);
    }
    let close = m.world.array_closing_of(&single);
    m.run("close_array", "over", goal(8), &[close], &keeper);

    let three = ArrayShape { count: 2, quorum: 2, replicas: 3, parallel: 2, budget: 3 * CAP };
    let array = m.world.array(&buyer, three);
    let rivals = [m.world.provider(|_| {}), m.world.provider(|_| {})];
    for rival in &rivals {
        // As many delegators as a bond of these tests has room for; none in common.
        m.world.make_leases_up(); // the marks of delegators that there are not
        m.world.edit(&rival.bond, |data| {
            data[133] = 16;
            let mark = data[24] % 100;
            for (at, byte) in data[136..264].iter_mut().enumerate() {
                *byte = mark.wrapping_add(u8::try_from(at / 8).unwrap()) | 1;
            }
        });
    }
    let open = m.world.opening_of(&array);
    m.run("open_task", "three replicas", goal(50), &[open], &keeper);
    let jobs = [0, 1, 2].map(|replica| address::task_job(&array, 0, 3, replica));
    m.world.bid(&owner, &jobs[0], 1_000_000);
    m.world.bid(&rivals[0], &jobs[1], 1_000_000);
    m.world.close_window(&jobs[0]);
    let award = m.world.award_of(&jobs[0]);
    m.run("award", "first replica of a task", None, &[award], &keeper);
    let award = m.world.award_of(&jobs[1]);
    m.run("award", "second replica, sixteen delegators", None, &[award], &keeper);
    let cancel = array::cancel(&key, &array);
    m.run("cancel_array", "three jobs open", goal(8), &[cancel], &buyer.key);
    m.world.ok(&[array::cancel_task(&jobs[2], &m.world.read(&jobs[2]))], &[]);
    let close = m.world.closing_of(&jobs[2]);
    m.run("close_task", "one of three replicas", goal(12), &[close], &keeper);
}

/// What happens to a lease beside its meter.
fn care_of_leases(m: &mut Meter, buyer: &Buyer) {
    let keeper = m.world.payer.insecure_clone();
    let owner = m.world.provider(|supply| (supply.units, supply.life, supply.stake) = (16, 3_600, 200 * USDC));
    let insurance = m.world.insurance;
    let node = owner.node.pubkey();
    let rejected = m.world.running(buyer, &owner, 1_200_000, |_| {});
    let reject = lease::reject_ready(&buyer.key.pubkey(), &rejected, &insurance);
    m.run("reject_ready", "at once, attempts left", None, &[reject], &buyer.key);

    let keys = m.world.running(buyer, &owner, 1_200_000, |args| (args.notice_s, args.checkpoint_s) = (3_600, 60));
    m.run("give_notice", "first", None, &[supervision::give_notice(&node, &keys)], &owner.node);
    m.world.pass(100);
    m.run("checkpoint", "first", None, &[supervision::checkpoint(&node, &keys, 1, [1; 32], 9)], &owner.node);
    let challenge = |keys: &LeaseKeys| supervision::challenge(&keeper.pubkey(), &keys.lease);
    m.run("challenge", "running", None, &[challenge(&keys)], &keeper);
    let nonce = m.world.read::<Lease>(&keys.lease).challenge_nonce;
    m.run("answer_challenge", "in time", None, &[supervision::answer_challenge(&node, &keys, nonce)], &owner.node);
    m.world.settle(&keys);
    m.world.challenge(&keeper, &keys);
    m.world.pass(61);
    let resolve = supervision::resolve_challenge(&keys, &keeper.pubkey());
    m.run("resolve_challenge", "missed", None, &[resolve], &keeper);
    m.run("resume", "after downtime", None, &[supervision::resume(&node, &keys)], &owner.node);
    m.run("collect_credit", "from the stake", None, &[supervision::collect_credit(&keys, &insurance)], &keeper);
    m.world.take_down(&keeper, &keys);
    m.world.pass(600);
    let declare = lease::declare_unreachable(&keeper.pubkey(), &keys, &insurance);
    m.run("declare_unreachable", "ten minutes down", None, &[declare], &keeper);

    let frozen = m.world.running(buyer, &owner, 1_200_000, |_| {});
    m.world.pass(100);
    m.world.stop(buyer, &frozen);
    m.run("close_lease", "not paid, releases the stake", goal(10), &[lease::close(&frozen)], &keeper);
    m.world.settle(&frozen);
    m.run("close_lease", "paid after its stake was released", goal(10), &[lease::close(&frozen)], &keeper);

    let leases: Vec<_> = (0..3).map(|_| m.world.running(buyer, &owner, 1_200_000, |_| {})).collect();
    m.world.pass(100);
    let batch = lease::settle_batch(&leases[0], &[leases[1].lease, leases[2].lease]);
    // The goal of one, and 3,000 for each further.
    m.run("settle", "three leases in one batch", goal(14), &[batch], &keeper);
}

fn wind_up(buyer: &Buyer, keys: &LeaseKeys) -> [Instruction; 4] {
    let (key, purse) = (buyer.key.pubkey(), &buyer.purse);
    [lease::accept(&key, keys), lease::settle(keys), lease::close(keys), job::close(&keys.job, purse, &key)]
}

/// What governance does.
fn governance(m: &mut Meter) {
    let (admin, heir) = (m.world.admin.insecure_clone(), m.world.person());
    let (key, treasury) = (admin.pubkey(), m.world.treasury);
    let keeper = m.world.payer.insecure_clone();
    let change = ChangeArgs {
        verifier: Pubkey::default(),
        slot_ms: 400,
        fee_bps: 200,
        purse_cap: PURSE_CAP.0,
        job_cap: JOB_CAP.0,
    };
    let propose = governance::propose_change(&key, &treasury, change);
    m.run("propose_change", "none pending", None, &[propose.clone()], &admin);
    m.run("cancel_change", "one pending", None, &[governance::cancel_change(&key)], &admin);
    m.world.ok(&[propose], &[&admin]);
    m.world.pass(GOVERNANCE_DELAY.0);
    let execute = governance::execute_change(&treasury);
    m.run("execute_change", "due", None, &[execute], &keeper);
    let lower = governance::lower_caps(&key, PURSE_CAP.0, JOB_CAP.0);
    m.run("lower_caps", "the same again", None, &[lower], &admin);
    m.run("set_paused", "paused", None, &[governance::set_paused(&key, true)], &admin);
    m.run("propose_admin", "another key", None, &[governance::propose_admin(&key, &heir.pubkey())], &admin);
    m.run("accept_admin", "named", None, &[governance::accept_admin(&heir.pubkey())], &heir);
    m.world.ok(&[governance::set_paused(&heir.pubkey(), false)], &[&heir]);
}

/// What a buyer and a provider do besides jobs.
fn keeping(m: &mut Meter) {
    let buyer = m.world.buyer(20 * USDC);
    let owner = buyer.key.pubkey();
    let spender = m.world.person();
    let set = purse::set_spender(&owner, &spender.pubkey(), 10 * USDC, 3_600);
    m.run("set_spender", "a key", None, &[set], &buyer.key);
    let number = m.world.next_number();
    let post = job::post_by(&spender.pubkey(), &owner, number, job_args());
    m.run("post_job", "by the spender", goal(15), &[post], &spender);
    m.world.mint_to(&buyer.vault, 1);
    m.run("sweep_donation", "an atom", None, &[purse::sweep_donation(&owner, &buyer.wallet)], &buyer.key);
    let empty = m.world.buyer(0);
    let close = purse::close(&empty.key.pubkey(), &empty.wallet);
    m.run("close_purse", "nothing donated", None, &[close], &empty.key);

    let provider = m.world.provider(|_| {});
    let cold = provider.authority.pubkey();
    let keeper = m.world.payer.insecure_clone();
    let payout = m.world.foreign_account();
    let propose = provider::propose_payout(&cold, &payout);
    m.run("propose_payout", "none pending", None, &[propose.clone()], &provider.authority);
    m.run("cancel_payout", "one pending", None, &[provider::cancel_payout(&cold)], &provider.authority);
    m.world.ok(&[propose], &[&provider.authority]);
    m.world.pass(PAYOUT_DELAY.0);
    let buyer = m.world.buyer(20 * USDC);
    let keys = {
        let terms = Supply::default().terms(m.world.now().ts.0);
        m.world.refresh(&provider, terms);
        m.world.running(&buyer, &provider, 1_000_000, |_| {})
    };
    m.run("apply_payout", "due", None, &[provider::apply_payout(&provider.record, &provider.bond, &payout)], &keeper);
    m.world.freeze(&provider.payout, true);
    let redirect = lease::redirect_payout(&keys, &payout);
    m.run("redirect_payout", "the recorded account is frozen", None, &[redirect], &keeper);
    m.world.stop(&buyer, &keys);
    let keys = m.world.keys(&keys.lease);
    m.world.wind_up(&buyer, &keys);
    let claims = m.world.claims_of(&provider.offer);
    let node = provider.node.pubkey();
    let release = provider::release_gpus(&node, &provider.record, 1, &claims[0], &claims[1..]);
    m.run("release_gpus", "two GPUs", None, &[release], &provider.node);
    m.world.withdraw_offer(&provider);
    m.run("close_provider", "no offer, no lease", None, &[provider::close(&cold)], &provider.authority);
}

/// A verified lease whose results are found wrong, and what its buyer gets for that.
fn judged(m: &mut Meter, buyer: &Buyer) {
    let keeper = m.world.payer.insecure_clone();
    let owner = m.world.provider(|_| {});
    let judge = m.world.person();
    m.world.edit_as::<Config>(&address::market_config(), |config| config.verifier = judge.pubkey());
    let keys = m.world.running(buyer, &owner, 1_800_000, |args| args.verify_class = 1);
    m.world.pass(1_000);
    m.world.finish(&owner, &keys, EndReason::Completed);
    m.world.settle(&keys);
    let verdict = supervision::verdict(&judge.pubkey(), &keys, &m.world.insurance, USDC, &keeper.pubkey());
    m.run("verdict", "slashes, for buyer and prover", goal(25), &[verdict], &judge);
    m.world.close_lease(&keys);
    m.world.pass(UNBONDING_TIME.0);
    let claimant = buyer.key.pubkey();
    let to = m.world.associated(&claimant);
    let pay = stake::pay_claim(&owner.bond, &keys.lease, &claimant, &to, &owner.authority.pubkey());
    m.run("staking: pay_claim", "a week later", None, &[pay], &keeper);
    m.world.close_job(buyer, &keys.job);
}

/// What came with the second edition: last, so that the addresses of what is measured before stay as they were.
fn second_edition(m: &mut Meter) {
    let keeper = m.world.payer.insecure_clone();
    let (trader, owner) = (m.world.buyer(50 * USDC), m.world.provider(|_| {}));
    let traded = m.world.running(&trader, &owner, 1_800_000, |args| args.max_duration_s = 3 * 3_600);
    m.world.pass(3 * 3_600);
    m.world.finish(&owner, &traded, EndReason::Completed);
    m.world.settle(&traded);
    m.run("record_trade", "empty index", None, &[price_index::record_trade(&traded, 1, 1)], &keeper);
    m.world.wind_up(&trader, &traded);

    let guardian = purse::set_guardian(&trader.key.pubkey(), &keeper.pubkey(), USDC, 3_600);
    m.run("set_guardian", "a key", None, &[guardian], &trader.key);
    let cold = owner.authority.pubkey();
    let args = node_args(&owner.node.pubkey());
    let register = provider::register_machine(&cold, 9, args.clone());
    m.run("register_machine", "new machine", goal(12), &[register], &owner.authority);
    let update = provider::update_machine(&cold, 9, args, &[]);
    m.run("update_machine", "same node key", goal(12), &[update], &owner.authority);
    m.run("retire_machine", "without offers", goal(12), &[provider::retire_machine(&cold, 9, &[])], &owner.authority);
    let close = provider::close_machine(&owner.record, &address::machine(&owner.record, 9), &cold);
    m.run("close_machine", "retired", None, &[close], &keeper);

    judged(m, &trader);

    m.world.stop_auditing(); // no transaction makes an account older
    let posted = m.world.job(&trader, |_| {});
    let pool = m.world.pool(20 * USDC, 0);
    let delegation = m.world.delegator(&pool, USDC).delegation;
    m.world.refresh(&owner, Supply::default().terms(m.world.now().ts.0));
    let held = m.world.running(&trader, &owner, 1_200_000, |_| {});
    let reservation = address::reservation(&held.lease);
    m.world.to_first_edition::<Lease>(&held.lease);
    m.world.to_first_edition::<Job>(&held.job);
    m.world.to_first_edition::<Reservation>(&reservation);
    m.world.to_first_edition::<Bond>(&pool.bond);
    m.world.to_first_edition::<Delegation>(&delegation);
    m.world.to_first_edition::<Purse>(&trader.purse);
    m.world.to_first_edition::<Record>(&owner.record);
    m.world.to_first_edition::<Offer>(&owner.offer);
    m.world.to_first_edition::<Job>(&posted);
    let me = keeper.pubkey();
    m.run("migrate_purse", "of the first edition", None, &[migrate::purse(&me, &trader.purse)], &keeper);
    m.run("migrate_provider", "of the first edition", None, &[migrate::provider(&me, &owner.record)], &keeper);
    let offer = migrate::offer(&me, &owner.record, &owner.offer);
    m.run("migrate_offer", "of the first edition", None, &[offer], &keeper);
    m.run("migrate_job", "of the first edition", None, &[migrate::job(&me, &posted)], &keeper);
    m.run("staking: migrate_bond", "one delegator", None, &[migrate::bond(&me, &pool.bond)], &keeper);
    let step = migrate::delegation(&me, &pool.bond, &delegation);
    m.run("staking: migrate_delegation", "of the first edition", None, &[step], &keeper);
    let step = migrate::reservation(&me, &reservation);
    m.run("staking: migrate_reservation", "of the first edition", None, &[step], &keeper);
    m.world.ok(&[migrate::job(&me, &held.job)], &[]);
    let step = migrate::lease(&me, &held.job, &held.offer, &held.lease);
    m.run("migrate_lease", "running", None, &[step], &keeper);
    let rich = m.world.buyer(100 * USDC);
    let array = m.world.array(&rich, gridlease_tests::svm::arrays::shape());
    m.world.to_first_edition::<Array>(&array);
    m.run("migrate_array", "of the first edition", None, &[migrate::array(&me, &array)], &keeper);
}

/// Eight bids of one score, of which the last entered has the largest tie: as many ties as there can be are asked for.
fn draw(m: &mut Meter) {
    let buyer = m.world.buyer(20 * USDC);
    let mut owners: Vec<_> = (0..8).map(|_| m.world.provider(|_| {})).collect();
    let even = m.world.job(&buyer, |_| {});
    owners.sort_by_key(|owner| tie(&even, owner.record.as_array()));
    let (last, others) = owners.split_last().unwrap();
    for owner in others {
        m.world.bid(owner, &even, 1_000_000);
    }
    let bid = m.world.bid_of(last, &even, 1_000_000);
    m.run("place_bid", "eighth of one score, behind all others", goal(10), &[bid], &last.node);
}

/// Everything measured: the rows, and the rent that one job locked for buyer and provider.
fn measure() -> (Meter, u64, u64) {
    let mut m = Meter { world: World::bare(), rows: Vec::new() };
    configuration(&mut m);
    let buyer = buyer(&mut m);
    let owner = supply(&mut m);
    let (of_buyer, of_provider) = walk(&mut m, &buyer, &owner);
    auctions(&mut m, &buyer, &owner);
    other_doors(&mut m, &buyer);
    ends(&mut m, &buyer);
    keeping(&mut m);
    governance(&mut m);
    insured(&mut m, &buyer);
    stakes(&mut m);
    arrays(&mut m);
    care_of_leases(&mut m, &buyer);
    second_edition(&mut m);
    draw(&mut m);
    (m, of_buyer, of_provider)
}

pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(crate) fn sol(lamports: u64) -> String {
    format!("{}.{:09}", lamports / 1_000_000_000, lamports % 1_000_000_000)
}

fn document(m: &Meter, of_buyer: u64, of_provider: u64) -> String {
    let w = &m.world;
    let mut out = String::new();
    let doc = &mut out;
    let _ = writeln!(
        doc,
        "# Compute units, sizes, rent\n\n\
         Written by a test that runs every instruction once in a defined situation in the test VM (litesvm 0.16), against the\n\
         programs of `programs/prebuilt`. Do not edit; write it anew with\n\n    {COMMAND}\n\n\
         Without that variable the same test fails where a figure is more than five per cent above the one written here. A figure\n\
         above its ceiling fails it always; the ceilings, and why some are above their goals, are declared in\n\
         `tests/tests/svm/cu.rs`. `cargo xtask cu --json` prints the figures for programs.\n\n\
         The programs measured were compiled with an upstream rustc 1.96 and LLVM 23 (sBPF v3), which stands in for Anza's\n\
         platform tools. Figures of Anza's compiler differ: compare these with each other only. A search for an address\n\
         costs about 1,500 CU for each bump that it has to try, so the same instruction differs between accounts; the\n\
         accounts here are the same in every run.\n\n\
         ## Instructions\n\n\
         Bytes are those of the whole transaction, paid and signed by the party that would send it, without the two\n\
         instructions of the compute budget (52 bytes more).\n\n\
         | instruction | situation | CU | goal | | ceiling | bytes |\n|---|---|---:|---:|---|---:|---:|"
    );
    for row in &m.rows {
        let (goal, verdict) = match row.goal {
            None => (String::from("–"), String::new()),
            Some(goal) if row.cu <= goal => (thousands(goal), String::from("met")),
            Some(goal) => (thousands(goal), format!("above by {}", thousands(row.cu - goal))),
        };
        let _ = writeln!(
            doc,
            "| {} | {} | {} | {goal} | {verdict} | {} | {} |",
            row.name,
            row.situation,
            thousands(row.cu),
            row.ceiling().map_or_else(|| String::from("–"), thousands),
            thousands(row.bytes as u64)
        );
    }
    let _ = writeln!(
        doc,
        "\n## Where it goes\n\nSeen in traces of every instruction executed, so that whoever wants more out of it knows where to look:\n\n\
         - an account that is passed costs 150 before anything is asked of it (the runtime's buffer becomes an `AccountInfo`, which is\n  \
           dropped at the end), and 60 more where Anchor checks its type, 70 more where it is writable and of the program\n\
         - a call costs 946 by itself; an event, which is a call of the program to itself, 1,350 in all, half of the rest at its arrival\n\
         - a reservation made costs an award 7,400, released 4,800: a call, an event, and the staking program's own accounts\n\
         - a transfer of tokens costs 1,350: a call, 76 in SPL Token, and the accounts made ready for it\n\
         - an address searched costs 550 for each bump where the program looks for it itself, 1,500 where Anchor does"
    );
    let _ = writeln!(doc, "\n## Sizes of the programs\n\n| program | bytes |\n|---|---:|");
    for name in ["market", "staking"] {
        let _ = writeln!(doc, "| {name}.so | {} |", thousands(program(name).len() as u64));
    }
    doc.push_str(include_str!("size.md"));
    let job = w.rent(size::<Job>() + 35);
    let (lease, reservation) = (w.rent(size::<Lease>()), w.rent(size::<Reservation>()));
    let (of_job, of_lease) = (tip::prepaid_job(job_args().attempts), tip::prepaid_lease());
    // The reservation's first lamport is the bond's.
    let computed = (job + of_job, lease + reservation - 1 + of_lease);
    assert_eq!((of_buyer, of_provider), computed, "what is computed is what was measured");
    let (purse, offer) = (w.rent(size::<Purse>()) + w.rent(165), w.rent(size::<Offer>()));
    let _ = writeln!(
        doc,
        "\n## Rent\n\nAll of it comes back when the accounts are closed, less the tips: one for each award that leased, and those of late cranks. Measured in the walk of one job, and equal to what the sizes\n\
         of the accounts say.\n\n\
         | who | for | SOL | goal | |\n|---|---|---:|---:|---|\n\
         | buyer | each job (with a URI of 35 bytes): rent, and {} for tips | {} | 0.008 | {} |\n\
         | provider | each lease: lease {}, reservation {}, and {} for tips | {} | – | |\n\
         | buyer | once: purse and vault | {} | – | |\n\
         | provider | each offer, besides the rent of the leases that it can open | {} | – | |",
        sol(of_job),
        sol(of_buyer),
        if of_buyer <= 8_000_000 { "met" } else { "above" },
        sol(lease),
        sol(reservation),
        sol(of_lease),
        sol(of_provider),
        sol(purse),
        sol(offer),
    );
    let bytes = |name: &str| m.rows.iter().find(|row| row.name == name).map_or(0, |row| row.bytes);
    let steps = ["post_job", "place_bid", "award", "ready", "finish", LAST];
    let total: usize = steps.iter().map(|name| bytes(name)).sum();
    let _ = writeln!(
        doc,
        "\n## Transactions of one job\n\nWith one bidder, no settlement on the way, and the last four instructions in one transaction: {} transactions,\n\
         {} bytes. Each further bid and each further settlement is one more.\n\n| transaction | sent by | bytes |\n|---|---|---:|",
        steps.len(),
        thousands(total as u64)
    );
    for (name, by) in steps.iter().zip(["buyer", "node", "anybody", "node", "node", "buyer"]) {
        let _ = writeln!(doc, "| {name} | {by} | {} |", thousands(bytes(name) as u64));
    }
    out.push_str(&crate::cu_ways::chapter());
    out
}

pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/CU.md")
}

/// The number in the third column of the table row that begins with these two.
fn written(document: &str, first: &str, second: Option<&str>) -> Option<u64> {
    document.lines().find_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let at = match second {
            Some(second) if cells.get(1) == Some(&first) && cells.get(2) == Some(&second) => 3,
            None if cells.get(1) == Some(&first) => 2,
            _ => return None,
        };
        cells.get(at)?.replace(',', "").parse().ok()
    })
}

#[test]
fn no_instruction_costs_more_than_five_per_cent_above_what_the_document_says() {
    let (meter, of_buyer, of_provider) = measure();
    assert_ceilings(&meter.rows);
    let document = document(&meter, of_buyer, of_provider);
    if std::env::var_os("GRIDLEASE_WRITE_CU").is_some() {
        std::fs::write(path(), document).unwrap();
        return;
    }
    let old = std::fs::read_to_string(path()).unwrap_or_default();
    let mut worse = Vec::new();
    let mut compare = |what: String, measured: u64, written: Option<u64>| match written {
        Some(written) if measured <= written + written / 20 => {}
        Some(written) => worse.push(format!("{what}: {measured}, written {written}")),
        None => worse.push(format!("{what}: {measured}, not written")),
    };
    for row in &meter.rows {
        let what = format!("{} ({})", row.name, row.situation);
        compare(what, row.cu, written(&old, row.name, Some(row.situation)));
    }
    for name in ["market.so", "staking.so"] {
        let bytes = program(name.trim_end_matches(".so")).len() as u64;
        compare(format!("bytes of {name}"), bytes, written(&old, name, None));
    }
    assert!(
        worse.is_empty(),
        "more than docs/CU.md says; if that is meant, write it anew with `{COMMAND}`:\n{}",
        worse.join("\n")
    );
}

/// No figure is above its ceiling, and no ceiling is above a goal without need.
fn assert_ceilings(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        if let Some(ceiling) = row.ceiling().filter(|ceiling| row.cu > *ceiling) {
            wrong.push(format!("{} ({}): {} is above its ceiling of {ceiling}", row.name, row.situation, row.cu));
        }
    }
    for (name, situation, _) in ABOVE_GOAL {
        match rows.iter().find(|row| (row.name, row.situation) == (*name, *situation)) {
            Some(Row { goal: Some(goal), cu, .. }) if cu > goal => {}
            _ => {
                wrong.push(format!("{name} ({situation}): listed in ABOVE_GOAL, but meets its goal or is not measured"))
            }
        }
    }
    assert!(wrong.is_empty(), "get the figure down, or change ABOVE_GOAL and say why:\n{}", wrong.join("\n"));
}

#[test]
fn every_instruction_of_both_programs_is_measured() {
    let (meter, ..) = measure();
    let measured: Vec<_> = meter.rows.iter().flat_map(|row| row.name.split(" + ")).collect();
    let idls =
        [("", include_str!("../../../idl/market.json")), ("staking: ", include_str!("../../../idl/staking.json"))];
    for (prefix, idl) in idls {
        let idl: serde_json::Value = serde_json::from_str(idl).unwrap();
        for instruction in idl["instructions"].as_array().unwrap() {
            let name = instruction["name"].as_str().unwrap();
            // The market alone can send these four; they are inside of award, extend, close_lease and fail_start.
            if !prefix.is_empty() && ["reserve", "extend", "release", "slash"].contains(&name) {
                continue;
            }
            let both = [format!("{prefix}{name}"), format!("market: {name}")];
            assert!(both.iter().any(|name| measured.contains(&name.as_str())), "{prefix}{name} is not measured");
        }
    }
}
