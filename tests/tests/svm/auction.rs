//! Posting and bidding: who may, at what price, and in which order the book stands.

use gridlease_core::book::Entry;
use gridlease_core::job::JobState;
use gridlease_core::limits::{BOOK_SIZE, MAX_PRICE, MAX_URI};
use gridlease_core::requirement::flags;
use gridlease_core::score::{Merit, Weights, score};
use gridlease_core::tip::prepaid_job;
use gridlease_core::{Bps, PricePerHour};
use gridlease_sdk::account::{Job, Offer, Provider as Record, Purse, manifest_uri, tie};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::job::{self, JobArgs, RequirementArgs};
use gridlease_sdk::instruction::provider::{self, OfferTerms, SpecArgs};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Provider, Supply, USDC, machine};
use gridlease_tests::svm::steps::job_args;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn posting_reserves_the_cap_and_writes_what_was_asked() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (post, address) = w.post(&buyer, |args| args.manifest_uri = "u".repeat(MAX_URI));
    let rent = w.lamports(&buyer.key.pubkey());
    w.ok(&[post], &[&buyer.key]);
    let job: Job = w.read(&address);
    let account = w.account(&address).unwrap();
    assert_eq!(job.state(), Some(JobState::Waiting));
    assert_eq!((job.reserved, job.close_ts, job.attempts_left), (3_600_000, 0, 3));
    assert_eq!(job.expires_at, job.posted_ts + 86_400);
    assert_eq!((job.header.due_ts, job.header.version, job.header.shard), (job.expires_at, 2, address.to_bytes()[0]));
    assert_eq!(manifest_uri(&address, &job, &account.data).unwrap(), Some("u".repeat(MAX_URI)));
    assert_eq!(w.lamports(&buyer.key.pubkey()), rent - w.rent(account.data.len()) - prepaid_job(3));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3_600_000);
}

#[test]
fn a_small_job_reserves_ten_minutes_or_ten_cents() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    for (max_price, max_duration_s, cap) in
        [(1_800_000, 60, 300_000), (600, 60, 100_000), (1, 3_600, 100_000), (1_800_001, 3_599, 1_799_501)]
    {
        let job = w.job(&buyer, |args| {
            args.max_price = max_price;
            args.max_duration_s = max_duration_s;
        });
        assert_eq!(w.read::<Job>(&job).reserved, cap, "{max_price} for {max_duration_s} s");
    }
}

#[test]
fn a_posting_outside_its_bounds_is_refused() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    type Edit = fn(&mut JobArgs);
    let cases: [(&str, Edit, &str); 29] = [
        ("price of zero", |a| a.max_price = 0, "PriceOutOfBounds"),
        ("price above the ceiling", |a| a.max_price = MAX_PRICE.0 + 1, "PriceOutOfBounds"),
        ("largest price", |a| a.max_price = u64::MAX, "PriceOutOfBounds"),
        ("59 seconds", |a| a.max_duration_s = 59, "DurationOutOfBounds"),
        ("more than 720 hours", |a| a.max_duration_s = 720 * 3_600 + 1, "DurationOutOfBounds"),
        ("window of 5 seconds", |a| a.window_s = 5, "DurationOutOfBounds"),
        ("window of more than an hour", |a| a.window_s = 3_601, "DurationOutOfBounds"),
        ("no attempts", |a| a.attempts = 0, "AttemptsOutOfBounds"),
        ("nine attempts", |a| a.attempts = 9, "AttemptsOutOfBounds"),
        ("weights below the whole", |a| a.weights = [4_000, 3_000, 2_000, 999], "WeightsNotWhole"),
        ("weights above the whole", |a| a.weights = [u16::MAX; 4], "WeightsNotWhole"),
        ("instant by this door", |a| a.mode = 1, "WrongMode"),
        ("unknown mode", |a| a.mode = 3, "WrongMode"),
        ("sealed auction without a time to reveal", |a| a.mode = 2, "DurationOutOfBounds"),
        ("open auction with a time to reveal", |a| a.reveal_s = 15, "DurationOutOfBounds"),
        ("verification", |a| a.verify_class = 1, "NotTaken"),
        ("URI too long", |a| a.manifest_uri = "u".repeat(MAX_URI + 1), "BadString"),
        ("URI with a blank", |a| a.manifest_uri = "https://a b".to_owned(), "BadString"),
        ("URI that is not ASCII", |a| a.manifest_uri = "https://ä".to_owned(), "BadString"),
        ("unknown GPU", |a| a.requirement.gpu_models_high = 1 << 63, "InvalidSpec"),
        ("unknown region", |a| a.requirement.regions = 1 << 10, "InvalidSpec"),
        ("unknown flag", |a| a.requirement.flags = 1 << 30, "InvalidSpec"),
        ("GPU of a machine without one", |a| a.requirement.flags = flags::CPU_CLASS, "InvalidSpec"),
        ("GPU memory without a GPU", |a| a.requirement.gpu_count = 0, "InvalidSpec"),
        ("reputation above the whole", |a| a.requirement.min_reputation = 10_001, "BpsOutOfBounds"),
        ("more than the free balance", |a| a.max_price = 5_000_001, "InsufficientFree"),
        ("more than 64 bits of money", |a| a.max_duration_s = 720 * 3_600, "InsufficientFree"),
        ("verification and price", |a| (a.verify_class, a.max_price) = (1, 0), "NotTaken"),
        (
            "everything wrong",
            |a| *a = JobArgs { manifest_hash: a.manifest_hash, ..JobArgs::default() },
            "WeightsNotWhole",
        ),
    ];
    for (what, edit, reason) in cases {
        let (post, _) = w.post(&buyer, edit);
        assert_eq!(w.refuse(post, &[&buyer.key]), format!("market {reason}"), "{what}");
    }
    let (exact, _) = w.post(&buyer, |args| args.max_price = 5_000_000);
    w.ok(&[exact], &[&buyer.key]);
}

#[test]
fn the_length_of_the_uri_must_be_the_one_announced() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    for announced in [0, 5, 200] {
        let (mut post, _) = w.post(&buyer, |_| {});
        post.data[16] = announced; // behind discriminator and number
        assert_eq!(w.refuse(post, &[&buyer.key]), "market BadString");
    }
    let (mut cut, _) = w.post(&buyer, |_| {});
    cut.data.truncate(60);
    assert_eq!(w.refuse(cut, &[&buyer.key]), "market InstructionDidNotDeserialize");
}

#[test]
fn only_the_owner_posts_and_a_number_is_never_used_twice() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let stranger = w.buyer(20 * USDC);
    let owner = buyer.key.pubkey();
    let (post, _) = w.post(&buyer, |_| {});
    assert_eq!(unsigned(&mut w, &post, 0), "market AccountNotSigner");
    let foreign = swapped(&post, &owner, stranger.key.pubkey());
    assert_eq!(w.refuse(foreign, &[&stranger.key]), "market NotBuyer");
    let elsewhere = swapped(&post, &post.accounts[4].pubkey.clone(), address::job(&buyer.purse, 99));
    assert_eq!(w.refuse(elsewhere, &[&buyer.key]), "market ConstraintSeeds");

    let slot = w.now().slot;
    let first = gridlease_core::job_number::first(slot).unwrap();
    let number = |number| job::post(&owner, first + number, job_args());
    assert_eq!(w.refuse(number(0), &[&buyer.key]), "market NumberUsed");
    w.ok(&[number(7)], &[&buyer.key]);
    assert_eq!(w.refuse(number(7), &[&buyer.key]), "system 0", "the job is there");
    assert_eq!(w.refuse(number(6), &[&buyer.key]), "market NumberUsed");
    let seven = address::job(&buyer.purse, first + 7);
    w.ok(&[job::cancel(&owner, &seven)], &[&buyer.key]);
    w.close_job(&buyer, &seven);
    assert_eq!(w.refuse(number(7), &[&buyer.key]), "market NumberUsed", "an address is never used again");
    w.ok(&[number(8)], &[&buyer.key]);
    assert_eq!(w.refuse(number(1 << 16), &[&buyer.key]), "market NumberOutOfBounds", "one of the next slot");
    assert_eq!(w.refuse(number(u64::MAX - first), &[&buyer.key]), "market NumberOutOfBounds");
    w.ok(&[number((1 << 16) - 1)], &[&buyer.key]);
}

#[test]
fn a_purse_has_at_most_4096_open_jobs() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    w.stop_auditing();
    w.edit_as::<Purse>(&buyer.purse, |purse| purse.open_jobs = 4_095);
    w.job(&buyer, |args| args.max_duration_s = 60);
    let (post, _) = w.post(&buyer, |args| args.max_duration_s = 60);
    assert_eq!(w.refuse(post, &[&buyer.key]), "market TooMany");
}

#[test]
fn a_job_address_that_somebody_sent_lamports_to_can_still_be_used() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (post, address) = w.post(&buyer, |_| {});
    w.airdrop(&address, 890_880);
    w.ok(&[post], &[&buyer.key]);
    assert_eq!(w.read::<Job>(&address).state(), Some(JobState::Waiting));
}

#[test]
fn a_bid_is_refused_where_its_price_signer_or_accounts_are_wrong() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let other = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    let good = w.bid_of(&owner, &job, 1_000_000);
    let node = owner.node.pubkey();
    let cases = [
        ("zero", w.bid_of(&owner, &job, 0), "PriceOutOfBounds"),
        ("above the job's maximum", w.bid_of(&owner, &job, 1_800_001), "BidAboveMax"),
        ("above the ceiling", w.bid_of(&owner, &job, u64::MAX), "PriceOutOfBounds"),
        ("below the offer's floor", w.bid_of(&owner, &job, 499_999), "BidBelowFloor"),
        ("provider of another", swapped(&good, &owner.record, other.record), "WrongBond"),
        ("offer of another", swapped(&good, &owner.offer, other.offer), "NotNodeKey"),
        ("bond of another", swapped(&good, &owner.bond, other.bond), "WrongBond"),
        ("bond that is none", swapped(&good, &owner.bond, address::market_config()), "WrongBond"),
        ("no job", swapped(&good, &job, owner.offer), "AccountDiscriminatorMismatch"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.node]), format!("market {reason}"), "{what}");
    }
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let by_stranger = swapped(&good, &node, other.node.pubkey());
    assert_eq!(w.refuse(by_stranger, &[&other.node]), "market NotNodeKey");
    let by_cold = swapped(&good, &node, owner.authority.pubkey());
    assert_eq!(w.refuse(by_cold, &[&owner.authority]), "market NotNodeKey");

    w.ok(&[good.clone()], &[&owner.node]);
    assert_eq!(w.refuse(good, &[&owner.node]), "market BidNotImproved");
    let higher = w.bid_of(&owner, &job, 1_000_001);
    assert_eq!(w.refuse(higher, &[&owner.node]), "market BidNotImproved");
    w.bid(&owner, &job, 500_000);
    let entries = w.read::<Job>(&job);
    assert_eq!((entries.bids().len(), entries.bids()[0].price), (1, 500_000), "a provider stands in a book once");
}

#[test]
fn a_bid_needs_an_offer_that_is_live_and_free_and_stake_that_can_be_reserved() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let job = w.job(&buyer, |args| args.window_s = 3_600);
    let refused = |w: &mut World, owner: &Provider| {
        let bid = w.bid_of(owner, &job, 1_000_000);
        w.refuse(bid, &[&owner.node])
    };
    let expired = w.provider(|supply| supply.life = 1);
    w.pass(1);
    assert_eq!(refused(&mut w, &expired), "market OfferNotLive");

    let withdrawn = w.provider(|_| {});
    w.starting(&buyer, &withdrawn, 1_000_000, |_| {});
    w.withdraw_offer(&withdrawn);
    assert_eq!(refused(&mut w, &withdrawn), "market OfferNotLive");

    let full = w.provider(|supply| supply.units = 1);
    w.starting(&buyer, &full, 1_000_000, |_| {});
    assert_eq!(refused(&mut w, &full), "market NoFreeUnit");

    // Two hours at 1.00 USDC an hour are less than the least reservation of 5 USDC.
    let poor = w.provider(|supply| supply.stake = 5 * USDC - 1);
    assert_eq!(refused(&mut w, &poor), "market InsufficientStake");
    let just = w.provider(|supply| supply.stake = 5 * USDC);
    w.bid(&just, &job, 1_000_000);
    let bound = w.provider(|supply| supply.stake = 9 * USDC);
    w.starting(&buyer, &bound, 1_000_000, |_| {});
    assert_eq!(refused(&mut w, &bound), "market InsufficientStake", "reserved stake is not free");
}

#[test]
fn the_stake_behind_a_bid_follows_price_and_duration_of_up_to_a_day() {
    let mut w = World::new();
    let buyer = w.buyer(200 * USDC);
    // 1.80 USDC an hour for a day are 43.20 USDC, twice that is 86.40; longer jobs reserve no more.
    for hours in [24, 48] {
        let job = w.job(&buyer, |args| args.max_duration_s = hours * 3_600);
        let poor = w.provider(|supply| supply.stake = 86_400_000 - 1);
        let bid = w.bid_of(&poor, &job, 1_800_000);
        assert_eq!(w.refuse(bid, &[&poor.node]), "market InsufficientStake");
        w.bid(&poor, &job, 1_799_999);
        let just = w.provider(|supply| supply.stake = 86_400_000);
        w.bid(&just, &job, 1_800_000);
    }
}

#[test]
fn a_bidder_without_a_bond_is_refused() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let job = w.job(&buyer, |_| {});
    let (authority, payout) = w.wallet(0);
    let node = w.person();
    let key = authority.pubkey();
    let record = address::provider(&key);
    let args = gridlease_tests::svm::parties::node_args(&node.pubkey());
    w.ok(&[provider::register(&key, &payout, args)], &[&authority]);
    let supply = Supply::default();
    let post = provider::post_offer(&node.pubkey(), &record, 1, supply.machine(), supply.terms(w.now().ts.0));
    w.ok(&[post], &[&node]);
    let bidder = job::BidderKeys { provider: record, offer: 1, bond: address::bond(&key) };
    let bid = job::bid(&node.pubkey(), &job, &bidder, 1_000_000);
    assert_eq!(w.refuse(bid, &[&node]), "market WrongBond");
}

#[test]
fn each_field_of_the_requirement_is_compared() {
    let mut w = World::new();
    let buyer = w.buyer(200 * USDC);
    let owner = w.provider(|_| {});
    type Edit = fn(&mut RequirementArgs);
    let cases: [(&str, Edit); 15] = [
        ("count", |r| r.gpu_count = 2),
        ("model", |r| r.gpu_models = 1 << 7),
        ("GPU memory", |r| r.vram_mib = 81_921),
        ("compute capability", |r| r.compute_capability = 91),
        ("CUDA", |r| r.cuda = 1_205),
        ("CPU", |r| r.cpu_milli = 8_001),
        ("memory", |r| r.memory_mib = 65_537),
        ("disk", |r| r.disk_mib = 204_801),
        ("region", |r| r.regions = 1 << 2),
        ("down", |r| r.down_mbit = 1_001),
        ("up", |r| r.up_mbit = 501),
        ("flag", |r| r.flags |= flags::TEE),
        ("stake", |r| r.min_stake = 100 * USDC + 1),
        ("reputation", |r| r.min_reputation = 5_001),
        ("class", |r| *r = RequirementArgs { flags: flags::CPU_CLASS, ..RequirementArgs::default() }),
    ];
    for (what, edit) in cases {
        let job = w.job(&buyer, |args| edit(&mut args.requirement));
        let bid = w.bid_of(&owner, &job, 1_000_000);
        assert_eq!(w.refuse(bid, &[&owner.node]), "market Unsatisfied", "{what}");
    }
    let exact = w.job(&buyer, |args| {
        args.requirement = RequirementArgs {
            gpu_models: 1 << 1,
            gpu_models_high: 0,
            min_stake: 100 * USDC,
            vram_mib: 81_920,
            cpu_milli: 8_000,
            memory_mib: 65_536,
            disk_mib: 204_800,
            regions: 1 << 1,
            down_mbit: 1_000,
            up_mbit: 500,
            flags: flags::EGRESS,
            compute_capability: 90,
            cuda: 1_204,
            min_reputation: 5_000,
            gpu_count: 1,
        };
    });
    w.bid(&owner, &exact, 1_000_000);
    let spot = w.provider(|supply| supply.spec = SpecArgs { flags: flags::EGRESS | flags::SPOT, ..machine() });
    let bid = w.bid_of(&spot, &exact, 900_000);
    assert_eq!(w.refuse(bid, &[&spot.node]), "market Unsatisfied", "spot must be accepted");
}

fn book(w: &World, job: &Pubkey) -> Vec<Entry> {
    w.read::<Job>(job).book().unwrap().entries().to_vec()
}

#[test]
fn a_full_book_keeps_the_best_eight_and_a_better_bid_displaces_the_worst() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let job = w.job(&buyer, |args| args.window_s = 3_600);
    let owners: Vec<_> = (0..10).map(|_| w.provider(|_| {})).collect();
    for (owner, price) in owners.iter().zip([900, 1_700, 1_000, 1_600, 1_100, 1_500, 1_200, 1_400]) {
        w.bid(owner, &job, price * 1_000);
    }
    assert_eq!(book(&w, &job).len(), BOOK_SIZE);
    let worse = w.bid_of(&owners[8], &job, 1_750_000);
    assert_eq!(w.refuse(worse, &[&owners[8].node]), "market BookFull");
    let done = w.bid(&owners[8], &job, 1_300_000);
    let Some(MarketEvent::BidEntered(entered)) = done.market().next() else { panic!("no bid was told") };
    assert_eq!((entered.rank, entered.automatic), (4, false));
    let entries = book(&w, &job);
    let prices: Vec<_> = entries.iter().map(|entry| entry.price.0 / 1_000).collect();
    assert_eq!(prices, [900, 1_000, 1_100, 1_200, 1_300, 1_400, 1_500, 1_600]);
    assert!(entries.iter().all(|entry| entry.provider != owners[1].record.to_bytes()), "1.70 is out");
    let back = w.bid_of(&owners[1], &job, 1_700_000);
    assert_eq!(w.refuse(back, &[&owners[1].node]), "market BookFull");
    w.bid(&owners[9], &job, 500_000);
    assert_eq!(book(&w, &job)[0].provider, owners[9].record.to_bytes());
    assert!(entries.windows(2).all(|pair| pair[0].beats(&pair[1], |_| 0)));
}

#[test]
fn the_score_is_the_rules_score_and_ties_never_break_by_arrival() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owners: Vec<_> = (0..5).map(|_| w.provider(|_| {})).collect();
    let mut orders = Vec::new();
    let (first, second) = (w.job(&buyer, |_| {}), w.job(&buyer, |_| {}));
    for owner in &owners {
        w.bid(owner, &first, 1_000_000);
    }
    for owner in owners.iter().rev() {
        w.bid(owner, &second, 1_000_000);
    }
    let merit = Merit { reputation: Bps(5_000), uptime: Bps(5_000), speed: Bps(5_000) };
    let weights = Weights::new(job_args().weights).unwrap();
    let expected = score(&weights, &merit, PricePerHour(1_000_000), PricePerHour(1_800_000)).unwrap();
    for job in [first, second] {
        let entries = book(&w, &job);
        assert!(entries.iter().all(|entry| entry.score == expected));
        let ties: Vec<_> = entries.iter().map(|entry| tie(&job, &entry.provider)).collect();
        assert!(ties.is_sorted());
        orders.push(entries.iter().map(|entry| entry.provider).collect::<Vec<_>>());
    }
    let arrival: Vec<_> = owners.iter().map(|owner| owner.record.to_bytes()).collect();
    let reversed: Vec<_> = arrival.iter().rev().copied().collect();
    assert!(orders[0] != arrival && orders[1] != reversed && orders[0] != orders[1], "the seed decides");
}

#[test]
fn a_better_reputation_can_win_at_a_higher_price() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (good, new) = (w.provider(|_| {}), w.provider(|_| {}));
    w.edit_as::<Record>(&good.record, |record| record.standing = 10_000);
    let job = w.job(&buyer, |_| {});
    w.bid(&new, &job, 900_000);
    w.bid(&good, &job, 1_700_000);
    assert_eq!(book(&w, &job)[0].provider, good.record.to_bytes());
}

#[test]
fn an_automatic_bid_enters_at_the_ask_and_goes_down_to_the_floor_to_beat_the_book() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let auto = w.provider(|supply| supply.auto_bid = true);
    let rival = w.provider(|_| {});
    let job = w.job(&buyer, |args| args.window_s = 3_000);
    let enter = job::enter_offer(&job, &auto.bidder());
    let done = w.ok(&[enter.clone()], &[]);
    let Some(MarketEvent::BidEntered(entered)) = done.market().next() else { panic!("no bid was told") };
    assert_eq!((entered.price, entered.automatic, entered.rank), (1_500_000, true, 0));
    w.changes_nothing(enter.clone());

    w.bid(&rival, &job, 1_200_000);
    assert_eq!(book(&w, &job)[0].provider, rival.record.to_bytes());
    w.ok(&[enter.clone()], &[]);
    let best = book(&w, &job)[0];
    assert_eq!(best.provider, auto.record.to_bytes());
    assert!(best.price.0 < 1_200_000 && best.price.0 > 1_150_000, "a quarter of a per cent better: {}", best.price.0);
    w.changes_nothing(enter.clone());

    w.bid(&rival, &job, 500_000);
    w.changes_nothing(enter.clone());
    let entries = book(&w, &job);
    let own = entries.iter().find(|entry| entry.provider == auto.record.to_bytes()).unwrap();
    assert_eq!(own.price, best.price, "it cannot lead at its floor, so it is not lowered");
    w.changes_nothing(enter);
}

#[test]
fn two_automatic_offers_bid_each_other_down_to_a_floor_and_stop() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let low = w.provider(|supply| (supply.auto_bid, supply.floor) = (true, 600_000));
    let high = w.provider(|supply| (supply.auto_bid, supply.floor) = (true, 800_000));
    let job = w.job(&buyer, |args| args.window_s = 3_000);
    for _ in 0..400 {
        let before = book(&w, &job);
        for owner in [&low, &high] {
            w.ok(&[job::enter_offer(&job, &owner.bidder())], &[]);
        }
        if book(&w, &job) == before {
            break;
        }
    }
    let entries = book(&w, &job);
    assert_eq!(entries[0].provider, low.record.to_bytes());
    assert!((600_000..=800_000).contains(&entries[0].price.0), "{}", entries[0].price.0);
    assert!((800_000..900_000).contains(&entries[1].price.0), "{}", entries[1].price.0);
    for owner in [&low, &high] {
        w.changes_nothing(job::enter_offer(&job, &owner.bidder()));
    }
}

#[test]
fn an_offer_enters_by_itself_only_where_it_says_so_and_where_it_could_bid() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let manual = w.provider(|_| {});
    let auto = w.provider(|supply| supply.auto_bid = true);
    let dear = w.provider(|supply| {
        (supply.auto_bid, supply.ask, supply.floor) = (true, 3_000_000, 1_800_001);
    });
    let small = w.provider(|supply| {
        supply.auto_bid = true;
        supply.spec = SpecArgs { memory_mib: 1_024, ..machine() };
    });
    let poor = w.provider(|supply| (supply.auto_bid, supply.stake) = (true, 2 * USDC));
    let job = w.job(&buyer, |_| {});
    let enter = |owner: &Provider| job::enter_offer(&job, &owner.bidder());
    let cases = [
        ("manual", enter(&manual), "NoAutoBid"),
        ("floor above the job's maximum", enter(&dear), "BidAboveMax"),
        ("too small a machine", enter(&small), "Unsatisfied"),
        ("too little stake", enter(&poor), "InsufficientStake"),
        ("offer of another", swapped(&enter(&auto), &auto.offer, dear.offer), "Unrelated"),
        ("bond of another", swapped(&enter(&auto), &auto.bond, dear.bond), "WrongBond"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), format!("market {reason}"), "{what}");
    }
    w.ok(&[enter(&auto)], &[]);
    w.pass(12);
    let late = w.provider(|supply| supply.auto_bid = true);
    w.changes_nothing(enter(&late));
    w.award(&job);
    w.changes_nothing(enter(&late));
}

#[test]
fn an_ask_above_the_job_s_maximum_enters_at_the_maximum() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let auto = w.provider(|supply| (supply.auto_bid, supply.ask) = (true, 9_000_000));
    let job = w.job(&buyer, |_| {});
    w.ok(&[job::enter_offer(&job, &auto.bidder())], &[]);
    assert_eq!(book(&w, &job)[0].price.0, 1_800_000);
}

#[test]
fn one_provider_may_bid_with_any_of_its_offers_but_stands_once() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let supply = Supply::default();
    let node = owner.node.pubkey();
    let post = provider::post_offer(&node, &owner.record, 2, supply.machine(), supply.terms(w.now().ts.0));
    w.ok(&[post], &[&owner.node]);
    w.claim_all(&owner, 2);
    let job = w.job(&buyer, |_| {});
    w.bid(&owner, &job, 1_000_000);
    let second = job::BidderKeys { offer: 2, ..owner.bidder() };
    assert_eq!(w.refuse(job::bid(&node, &job, &second, 1_000_000), &[&owner.node]), "market BidNotImproved");
    w.ok(&[job::bid(&node, &job, &second, 999_999)], &[&owner.node]);
    let entries = book(&w, &job);
    assert_eq!((entries.len(), entries[0].offer), (1, 2));
    w.close_window(&job);
    let lease = w.award(&job);
    assert_eq!(w.keys(&lease).offer, address::offer(&owner.record, 2));
    assert_eq!(w.read::<Offer>(&owner.offer).units_free, 2);
}

#[test]
fn only_the_owner_cancels_and_only_before_the_award() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let stranger = w.buyer(USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.bid(&owner, &job, 1_000_000);
    let cancel = job::cancel(&buyer.key.pubkey(), &job);
    assert_eq!(unsigned(&mut w, &cancel, 0), "market AccountNotSigner");
    let foreign = job::cancel(&stranger.key.pubkey(), &job);
    assert_eq!(w.refuse(foreign, &[&stranger.key]), "market Unrelated");
    let theirs = swapped(&cancel, &buyer.key.pubkey(), stranger.key.pubkey());
    assert_eq!(w.refuse(theirs, &[&stranger.key]), "market NotBuyer");
    let close = job::close(&job, &buyer.purse, &buyer.key.pubkey());
    assert_eq!(w.refuse(close.clone(), &[]), "market WrongState", "it is still open");
    let done = w.ok(&[cancel.clone()], &[&buyer.key]);
    assert_eq!(done.told(), ["JobEnded"]);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
    assert_eq!(w.refuse(cancel, &[&buyer.key]), "market WrongState");
    let bid = w.bid_of(&owner, &job, 900_000);
    assert_eq!(w.refuse(bid, &[&owner.node]), "market WrongState");
    let thief = swapped(&close, &buyer.key.pubkey(), stranger.key.pubkey());
    assert_eq!(w.refuse(thief, &[]), "market Unrelated", "the rent goes to who paid it");
    let other_purse = swapped(&close, &buyer.purse, stranger.purse);
    assert_eq!(w.refuse(other_purse, &[]), "market Unrelated");
    w.ok(&[close.clone()], &[]);
    assert_eq!(w.refuse(close, &[]), "market AccountOwnedByWrongProgram", "it is gone");

    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let late = job::cancel(&buyer.key.pubkey(), &keys.job);
    assert_eq!(w.refuse(late, &[&buyer.key]), "market WrongState");
}

#[test]
fn a_refresh_may_change_the_price_of_later_automatic_bids() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let auto = w.provider(|supply| supply.auto_bid = true);
    let terms = Supply { auto_bid: true, ..Supply::default() }.terms(w.now().ts.0);
    w.refresh(&auto, OfferTerms { ask: 1_100_000, ..terms });
    let job = w.job(&buyer, |_| {});
    w.ok(&[job::enter_offer(&job, &auto.bidder())], &[]);
    assert_eq!(book(&w, &job)[0].price.0, 1_100_000);
    w.refresh(&auto, OfferTerms { auto_bid: false, ..terms });
    let next = w.job(&buyer, |_| {});
    assert_eq!(w.refuse(job::enter_offer(&next, &auto.bidder()), &[]), "market NoAutoBid");
}
