//! What each way through the market costs as a whole: transactions, bytes, compute units, and the rent that lies in accounts
//! meanwhile. Every way is walked in the test VM, each step sent and paid by who has an interest in it, and counted.
//!
//! The figures are a chapter of `docs/CU.md`, which the tests of `cu` write.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::UNBONDING_TIME;
use gridlease_core::tip::{CHALLENGE_BOUNTY, TIP};
use gridlease_sdk::account::{Array, Commitment, Job, Lease};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::ArrayShape;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{array, job, stake, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::CAP;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use gridlease_tests::svm::steps::{GPUS, IMAGE, job_args, outcome};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::cu::{sol, thousands};

/// The other half of the chapter: what others publish of their designs.
const COMPARISON: &str = include_str!("cu_comparison.md");
/// The line that the table of ways begins with.
const HEAD: &str = "| way | transactions | bytes | CU | buyer's rent | providers' rent |";
/// Tasks of the array that is walked.
const TASKS: u16 = 10;

/// One way, counted.
#[derive(Debug, PartialEq)]
struct Way {
    name: String,
    steps: String,
    transactions: u64,
    bytes: u64,
    cu: u64,
    /// The most lamports that lay in accounts at one time.
    of_buyer: u64,
    of_providers: u64,
}

/// A way while it is walked.
struct Walk {
    world: World,
    buyer: Buyer,
    owners: Vec<Provider>,
    keeper: Keypair,
    steps: Vec<&'static str>,
    bytes: usize,
    cu: u64,
    fees: BTreeMap<Pubkey, u64>,
    /// What buyer and providers had before the first step.
    had: (u64, u64),
    most: (u64, u64),
}

impl Walk {
    /// A buyer, `providers` with an offer each, and somebody who turns the crank. Nothing of this is counted.
    fn new(providers: usize, auto_bid: bool) -> Self {
        let mut world = World::new();
        let buyer = world.buyer(100 * USDC);
        let owners = (0..providers).map(|_| world.provider(|supply| supply.auto_bid = auto_bid)).collect();
        let keeper = world.person();
        let (steps, fees) = (Vec::new(), BTreeMap::new());
        let mut walk = Self { world, buyer, owners, keeper, steps, bytes: 0, cu: 0, fees, had: (0, 0), most: (0, 0) };
        walk.had = walk.have();
        walk
    }

    /// Lamports of the buyer, and of the providers' keys and offers: what is not in accounts of this way. Fees are added again.
    fn have(&self) -> (u64, u64) {
        let of = |key: &Pubkey| self.world.lamports(key) + self.fees.get(key).unwrap_or(&0);
        let providers = self.owners.iter();
        let theirs = providers.map(|owner| of(&owner.node.pubkey()) + of(&owner.authority.pubkey()) + of(&owner.offer));
        (of(&self.buyer.key.pubkey()), theirs.sum())
    }

    /// Sends one transaction, paid and signed by `payer` alone.
    #[track_caller]
    fn step(&mut self, name: &'static str, instructions: &[Instruction], payer: &Keypair) {
        let done = self.world.send_from(payer, instructions, &[]).unwrap();
        self.steps.push(name);
        self.bytes += done.bytes;
        self.cu += done.cu;
        *self.fees.entry(payer.pubkey()).or_default() += done.fee;
        let have = self.have();
        // A provider can have more than before: an answered challenge leaves it the bond.
        let locked = (self.had.0.saturating_sub(have.0), self.had.1.saturating_sub(have.1));
        self.most = (self.most.0.max(locked.0), self.most.1.max(locked.1));
    }

    #[track_caller]
    fn by_buyer(&mut self, name: &'static str, instruction: Instruction) {
        let key = self.buyer.key.insecure_clone();
        self.step(name, &[instruction], &key);
    }

    #[track_caller]
    fn by_node(&mut self, at: usize, name: &'static str, instruction: Instruction) {
        let key = self.owners[at].node.insecure_clone();
        self.step(name, &[instruction], &key);
    }

    #[track_caller]
    fn by_keeper(&mut self, name: &'static str, instructions: &[Instruction]) {
        let key = self.keeper.insecure_clone();
        self.step(name, instructions, &key);
    }

    /// The way is over: nothing of it is left behind.
    #[track_caller]
    fn end(self, name: &str) -> Way {
        let have = self.have();
        // Each award that leases costs who posted a tip (R35), and nothing else does; who posts instantly awards itself.
        let awards = self.steps.iter().filter(|step| **step == "award").count() as u64;
        assert_eq!(have.0 + awards * TIP, self.had.0, "{name}: all rent of the buyer is back");
        // A challenge that was missed costs the provider its bounty, and nothing else does.
        let bounties = self.steps.iter().filter(|step| **step == "resolve_challenge").count() as u64 * CHALLENGE_BOUNTY;
        assert!(have.1 + bounties >= self.had.1, "{name}: all rent of the providers is back");
        let mut steps: Vec<(&str, u32)> = Vec::new();
        for step in &self.steps {
            match steps.iter_mut().find(|(name, _)| name == step) {
                Some((_, times)) => *times += 1,
                None => steps.push((step, 1)),
            }
        }
        let told = steps.iter().map(|(name, times)| match times {
            1 => format!("`{name}`"),
            _ => format!("{times} × `{name}`"),
        });
        Way {
            name: name.to_owned(),
            steps: told.collect::<Vec<_>>().join(", "),
            transactions: self.steps.len() as u64,
            bytes: self.bytes as u64,
            cu: self.cu,
            of_buyer: self.most.0,
            of_providers: self.most.1,
        }
    }

    // --- the steps that several ways have in common ---------------------------------------------------------------

    #[track_caller]
    fn post(&mut self, edit: impl FnOnce(&mut job::JobArgs)) -> Pubkey {
        let (post, job) = self.world.post(&self.buyer, edit);
        self.by_buyer("post_job", post);
        job
    }

    #[track_caller]
    fn bid(&mut self, at: usize, job: &Pubkey, price: u64) {
        let bid = self.world.bid_of(&self.owners[at], job, price);
        self.by_node(at, "place_bid", bid);
    }

    #[track_caller]
    fn award(&mut self, job: &Pubkey) -> LeaseKeys {
        self.world.close_window(job);
        let award = self.world.award_of(job);
        self.by_keeper("award", &[award]);
        self.keys(job)
    }

    #[track_caller]
    fn keys(&self, job: &Pubkey) -> LeaseKeys {
        let lease = self.world.read::<Job>(job).current_lease(job).unwrap();
        self.world.keys(&lease)
    }

    #[track_caller]
    fn ready(&mut self, at: usize, keys: &LeaseKeys) {
        self.world.pass(20);
        let ready = lease::ready(&self.owners[at].node.pubkey(), keys, IMAGE, GPUS);
        self.by_node(at, "ready", ready);
    }

    #[track_caller]
    fn finish(&mut self, at: usize, keys: &LeaseKeys) {
        self.world.pass(600);
        let finish = lease::finish(&self.owners[at].node.pubkey(), keys, EndReason::Completed, outcome());
        self.by_node(at, "finish", finish);
    }

    /// Pays, and closes lease and job; what the node finished the buyer accepts in the same transaction (R2).
    #[track_caller]
    fn wind_up(&mut self, keys: &LeaseKeys) {
        let owner = self.buyer.key.insecure_clone();
        let close = job::close(&keys.job, &self.buyer.purse, &owner.pubkey());
        let (settle, close_lease) = (lease::settle(keys), lease::close(keys));
        if self.world.read::<Lease>(&keys.lease).state() == Some(LeaseState::Finished) {
            let accept = lease::accept(&owner.pubkey(), keys);
            let name = "accept + settle + close_lease + close_job";
            self.step(name, &[accept, settle, close_lease, close], &owner);
        } else {
            self.by_keeper("settle + close_lease + close_job", &[settle, close_lease, close]);
        }
    }
}

fn open_auction() -> Way {
    let mut walk = Walk::new(1, false);
    let job = walk.post(|_| {});
    walk.bid(0, &job, 1_200_000);
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    walk.end("open auction, one bid")
}

fn entered() -> Way {
    let mut walk = Walk::new(1, true);
    let job = walk.post(|_| {});
    let enter = job::enter_offer(&job, &walk.owners[0].bidder());
    walk.by_keeper("enter_offer", &[enter]);
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    walk.end("open auction, an offer with automatic bids is entered")
}

fn instant() -> Way {
    let mut walk = Walk::new(1, false);
    let number = walk.world.next_number();
    let args = job::JobArgs { mode: 1, ..job_args() };
    let post = job::post_instant(&walk.buyer.key.pubkey(), number, args, &[walk.owners[0].bidder()]);
    walk.by_buyer("post_instant", post);
    let keys = walk.keys(&address::job(&walk.buyer.purse, number));
    walk.ready(0, &keys);
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    walk.end("instant, the first offer fits")
}

fn sealed_bids() -> Way {
    let mut walk = Walk::new(2, false);
    let job = walk.post(|args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let bids = [(0, 900_000), (1, 1_000_000)];
    for (at, price) in bids {
        let owner = &walk.owners[at];
        let hash = sealed::hash(&job, &owner.bidder(), price, &[1; 32]);
        let commit = sealed::commit(&owner.node.pubkey(), &job, &owner.bidder(), hash);
        walk.by_node(at, "commit_bid", commit);
    }
    walk.world.close_window(&job);
    for (at, price) in bids {
        let commitment = address::commitment(&job, &walk.owners[at].record);
        let keys = SealedKeys::from(&walk.world.read::<Commitment>(&commitment));
        walk.by_node(at, "reveal_bid", sealed::reveal(&keys, 1, price, [1; 32]));
    }
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    walk.end("sealed auction, two bidders")
}

fn array_of_tasks() -> Way {
    let mut walk = Walk::new(1, true);
    let shape = ArrayShape { count: TASKS, quorum: TASKS, replicas: 1, parallel: 2, budget: u64::from(TASKS) * CAP };
    let (post, array) = walk.world.post_array(&walk.buyer, shape, |_| {});
    walk.by_buyer("post_array", post);
    for _ in 0..TASKS {
        let opening = walk.world.opening_of(&array);
        let job = address::task_job(&array, walk.world.read::<Array>(&array).next, 1, 0);
        walk.by_keeper("open_task", &[opening]);
        let enter = job::enter_offer(&job, &walk.owners[0].bidder());
        walk.by_keeper("enter_offer", &[enter]);
        let keys = walk.award(&job);
        walk.ready(0, &keys);
        // Short tasks: the offer of these tests lives for an hour and is not refreshed on the way.
        walk.world.pass(100);
        let finish = lease::finish(&walk.owners[0].node.pubkey(), &keys, EndReason::Completed, outcome());
        walk.by_node(0, "finish", finish);
        let close = array::close_task(&job, &walk.world.read(&job));
        let owner = walk.buyer.key.insecure_clone();
        let accept = lease::accept(&owner.pubkey(), &keys);
        let last = [accept, lease::settle(&keys), lease::close(&keys), close];
        walk.step("accept + settle + close_lease + close_task", &last, &owner);
    }
    let close = walk.world.array_closing_of(&array);
    walk.by_keeper("close_array", &[close]);
    walk.end("array of ten tasks, one after the other")
}

fn stopped() -> Way {
    let mut walk = Walk::new(1, false);
    let job = walk.post(|_| {});
    walk.bid(0, &job, 1_200_000);
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    walk.world.pass(100);
    let stop = lease::stop(&walk.buyer.key.pubkey(), &keys);
    walk.by_buyer("stop", stop);
    walk.wind_up(&keys);
    walk.end("open auction, stopped early")
}

fn runner_up() -> Way {
    let mut walk = Walk::new(2, false);
    let job = walk.post(|_| {});
    walk.bid(0, &job, 1_000_000);
    walk.bid(1, &job, 1_200_000);
    let failed = walk.award(&job);
    walk.world.pass(141);
    let insurance = walk.world.insurance;
    let fail = lease::fail_start(&walk.keeper.pubkey(), &failed, &insurance);
    walk.by_keeper("fail_start", &[fail]);
    let keys = walk.award(&job);
    assert_eq!(walk.world.read::<Lease>(&keys.lease).provider, walk.owners[1].record, "the next bid of the book");
    walk.by_keeper("close_lease", &[lease::close(&failed)]);
    walk.ready(1, &keys);
    walk.finish(1, &keys);
    walk.wind_up(&keys);
    walk.end("open auction, the winner does not start and the runner-up does")
}

fn durable() -> Way {
    let mut walk = Walk::new(1, false);
    let job = walk.post(|args| args.checkpoint_s = 60);
    walk.bid(0, &job, 1_200_000);
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    for seq in 1..=2 {
        walk.world.pass(100);
        let node = walk.owners[0].node.pubkey();
        walk.by_node(0, "checkpoint", supervision::checkpoint(&node, &keys, seq, [1; 32], 9));
    }
    let challenge = supervision::challenge(&walk.keeper.pubkey(), &keys.lease);
    walk.by_keeper("challenge", &[challenge]);
    let nonce = walk.world.read::<Lease>(&keys.lease).challenge_nonce;
    let node = walk.owners[0].node.pubkey();
    walk.by_node(0, "answer_challenge", supervision::answer_challenge(&node, &keys, nonce));
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    walk.end("open auction, durable: two checkpoints, a challenge that is answered")
}

fn missed() -> Way {
    let mut walk = Walk::new(1, false);
    let job = walk.post(|_| {});
    walk.bid(0, &job, 1_200_000);
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    walk.world.pass(100);
    walk.by_keeper("settle", &[lease::settle(&keys)]);
    let keeper = walk.keeper.pubkey();
    walk.by_keeper("challenge", &[supervision::challenge(&keeper, &keys.lease)]);
    walk.world.pass(61);
    walk.by_keeper("resolve_challenge", &[supervision::resolve_challenge(&keys, &keeper)]);
    let node = walk.owners[0].node.pubkey();
    walk.by_node(0, "resume", supervision::resume(&node, &keys));
    let insurance = walk.world.insurance;
    walk.by_keeper("collect_credit", &[supervision::collect_credit(&keys, &insurance)]);
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    // The credit leaves the bond a week later; until then its reservation keeps its rent (R6).
    walk.world.pass(UNBONDING_TIME.0);
    // Who refreshes its offer, as nodes do all along, pays in the rent of its next one.
    let terms = Supply::default().terms(walk.world.now().ts.0);
    walk.world.refresh(&walk.owners[0], terms);
    let (claimant, cold) = (walk.buyer.key.pubkey(), walk.owners[0].authority.pubkey());
    let to = walk.world.associated(&claimant);
    let pay = stake::pay_claim(&walk.owners[0].bond, &keys.lease, &claimant, &to, &cold);
    walk.by_keeper("pay_claim", &[pay]);
    walk.end("open auction, a challenge that is missed: downtime, credit")
}

fn topped_up() -> Way {
    let mut walk = Walk::new(1, false);
    let job = walk.post(|args| args.max_duration_s = 60);
    walk.bid(0, &job, 1_200_000);
    let keys = walk.award(&job);
    walk.ready(0, &keys);
    walk.world.pass(100);
    walk.by_keeper("expire", &[lease::expire(&keys)]);
    let owner = walk.buyer.key.insecure_clone();
    let extend = lease::extend(&owner.pubkey(), &keys, 3_600);
    let top_up = lease::top_up(&owner.pubkey(), &keys.lease, USDC, None);
    walk.step("extend + top_up", &[extend, top_up], &owner);
    walk.finish(0, &keys);
    walk.wind_up(&keys);
    walk.end("open auction, the money runs out and is topped up")
}

/// Every way, in the order of the document.
fn all() -> Vec<Way> {
    let ways: [fn() -> Way; 10] =
        [open_auction, entered, instant, sealed_bids, stopped, runner_up, durable, missed, topped_up, array_of_tasks];
    ways.iter().map(|walk| walk()).collect()
}

fn row(way: &Way) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        way.name,
        way.transactions,
        thousands(way.bytes),
        thousands(way.cu),
        sol(way.of_buyer),
        sol(way.of_providers)
    )
}

/// The chapter of the document.
pub fn chapter() -> String {
    let ways = all();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\n## Each way through the market\n\n\
         Walked in the test VM and counted, from the posting on until every account is closed: what a buyer and a provider do once\n\
         (purse, registration, offer, claims) is not in it. Rent is the most that lay in accounts at one time, in SOL; at the end of\n\
         each way all of it is back with who paid but a tip for each award that leased, which the test asserts. A provider's comes out of what its offer holds in advance.\n\
         Each signature costs 5,000 lamports besides; every transaction here has one. With several bidders each further bid is one\n\
         transaction more, and so is each settlement on the way.\n\n{HEAD}\n|---|---:|---:|---:|---:|---:|"
    );
    for way in &ways {
        let _ = writeln!(out, "{}", row(way));
    }
    if let Some(array) = ways.iter().find(|way| way.steps.contains("post_array")) {
        let tasks = u64::from(TASKS);
        let _ = writeln!(
            out,
            "| the same, for each task | {}.{} | {} | {} | – | – |",
            array.transactions / tasks,
            array.transactions % tasks,
            thousands(array.bytes / tasks),
            thousands(array.cu / tasks)
        );
    }
    let _ = writeln!(out, "\n| way | its transactions |\n|---|---|");
    for way in &ways {
        let _ = writeln!(out, "| {} | {} |", way.name, way.steps);
    }
    out.push('\n');
    out.push_str(COMPARISON);
    out
}

#[test]
fn every_way_through_the_market_costs_what_the_document_says() {
    if std::env::var_os("GRIDLEASE_WRITE_CU").is_some() {
        return; // The document is being written by the test of `cu`.
    }
    let document = std::fs::read_to_string(crate::cu::path()).unwrap();
    let table = document.lines().skip_while(|line| *line != HEAD).take_while(|line| line.starts_with('|'));
    let written: Vec<Vec<&str>> =
        table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    let mut wrong = Vec::new();
    for way in all() {
        let Some(old) = written.iter().find(|cells| cells[0] == way.name) else {
            wrong.push(format!("{} is not written", way.name));
            continue;
        };
        if [&way.transactions.to_string(), &sol(way.of_buyer), &sol(way.of_providers)] != [old[1], old[4], old[5]] {
            wrong.push(format!("{}: now {}, written {}", way.name, row(&way), old.join(" | ")));
        }
        for (what, now, old) in [("bytes", way.bytes, number(old[2])), ("CU", way.cu, number(old[3]))] {
            if now > old + old / 20 {
                wrong.push(format!("{}: {now} {what}, written {old}", way.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "docs/CU.md says otherwise; if that is meant, write it anew with `cargo xtask cu --write`:\n{}",
        wrong.join("\n")
    );
}
