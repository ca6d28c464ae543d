//! Keepers that order transactions: whoever sends the same bids and cranks, and in whatever order, the same bidder wins at the
//! same price and everybody ends with the same amounts. What an order can move is said here, and bounded.

use gridlease_core::limits::AUTO_BID_STEP;
use gridlease_sdk::account::{Job, Lease, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease;
use gridlease_sdk::instruction::{job, supervision};
use gridlease_tests::svm::parties::{Provider, USDC};
use gridlease_tests::svm::{Snapshot, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// Runs `check` with random orders of `count` things.
fn orders(cases: u32, count: usize, check: impl Fn(&[usize])) {
    let all: Vec<usize> = (0..count).collect();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let order = Just(all).prop_shuffle();
    let result = runner.run(&order, |order| {
        check(&order);
        Ok(())
    });
    if let Err(failed) = result {
        panic!("{failed}");
    }
}

/// Everything but the keepers' fees.
fn ends(w: &World, keepers: &[Keypair]) -> Snapshot {
    let mut all = w.snapshot();
    for keeper in keepers.iter().map(Signer::pubkey).chain([w.payer.pubkey()]) {
        all.remove(&keeper);
    }
    all
}

#[test]
fn whoever_carries_bids_and_awards_in_whatever_order_the_same_bidder_wins_at_the_same_price() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owners: Vec<_> = (0..9).map(|_| w.provider(|_| {})).collect();
    let keepers = [w.person(), w.person()];
    let posted = w.job(&buyer, |_| {});
    // Two pairs meet in their price and so in their score; nine do not fit into the book.
    let prices = [900_000, 1_000_000, 1_000_000, 1_100_000, 1_200_000, 1_300_000, 700_000, 700_000, 1_500_000];
    let outcome = |order: &[usize]| {
        let mut w = w.fork();
        for at in order {
            let bid = w.bid_of(&owners[*at], &posted, prices[*at]);
            // The one that comes when eight better ones stand is refused; in another order it is displaced.
            let _ = w.send_from(&keepers[at % 2], &[bid], &[&owners[*at].node]);
        }
        w.close_window(&posted);
        for keeper in order.iter().take(3) {
            let award = w.award_of(&posted);
            w.send_from(&keepers[keeper % 2], &[award], &[]).unwrap();
        }
        let lease: Lease = w.read(&address::lease(&posted, 0));
        (lease.provider, lease.price, ends(&w, &keepers))
    };
    let expected = outcome(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(expected.1, 700_000);
    orders(24, 9, |order| assert!(outcome(order) == expected, "in order {order:?}"));
}

/// Leases in every state in which a crank has something to do, each with a provider of its own.
struct Scene {
    w: World,
    keepers: [Keypair; 2],
    cranks: Vec<Instruction>,
}

fn scene() -> Scene {
    let mut w = World::new();
    let buyer = w.buyer(60 * USDC);
    let owners: Vec<_> = (0..5).map(|_| w.provider(|_| {})).collect();
    let asker = w.person();
    let late = w.starting(&buyer, &owners[0], 1_000_000, |args| args.attempts = 1);
    let gone = w.running(&buyer, &owners[1], 1_000_000, |args| args.max_duration_s = 600);
    let down = w.running(&buyer, &owners[2], 1_000_000, |_| {});
    let ended = w.running(&buyer, &owners[3], 1_000_000, |_| {});
    let open = w.job(&buyer, |args| args.attempts = 1);
    w.bid(&owners[4], &open, 1_000_000);
    w.pass(700);
    w.settle(&down);
    w.challenge(&asker, &down);
    w.pass(601);
    w.stop(&buyer, &ended);
    let keepers = [w.person(), w.person()];
    let key = buyer.key.pubkey();
    let mut cranks = vec![
        lease::fail_start(&w.payer.pubkey(), &late, &w.insurance),
        lease::expire(&gone),
        supervision::resolve_challenge(&down, &asker.pubkey()),
        lease::declare_unreachable(&w.payer.pubkey(), &down, &w.insurance),
        supervision::collect_credit(&down, &w.insurance),
        w.award_of(&open),
    ];
    for keys in [&late, &gone, &down, &ended] {
        cranks.extend([lease::settle(keys), lease::close(keys), job::close(&keys.job, &buyer.purse, &key)]);
    }
    Scene { w, keepers, cranks }
}

impl Scene {
    /// Sends the cranks in this order, again and again until none of them moves anything.
    fn through(&self, order: &[usize]) -> Snapshot {
        let mut w = self.w.fork();
        for round in 0.. {
            assert!(round < 10, "the cranks never come to an end");
            let before = ends(&w, &self.keepers);
            for at in order {
                let keeper = &self.keepers[(at + round) % 2];
                // A crank that comes too early is refused or does nothing.
                let _ = w.send_from(keeper, &[self.cranks[*at].clone()], &[]);
            }
            if ends(&w, &self.keepers) == before {
                break;
            }
        }
        ends(&w, &self.keepers)
    }
}

#[test]
fn whoever_turns_the_cranks_in_whatever_order_every_account_ends_the_same_to_the_byte() {
    let scene = scene();
    let count = scene.cranks.len();
    let all: Vec<usize> = (0..count).collect();
    let expected = scene.through(&all);
    let kept = expected.len();
    assert!(kept < scene.w.snapshot().len(), "leases and jobs were closed");
    orders(24, count, |order| {
        let found = scene.through(order);
        let differ: Vec<_> =
            expected.iter().filter(|(key, account)| found.get(key) != Some(account)).map(|(key, _)| key).collect();
        assert!(differ.is_empty() && found.len() == kept, "in order {order:?}: {differ:?}");
    });
}

#[test]
fn a_keeper_that_sweeps_after_every_payment_moves_an_atom_a_sweep_between_the_two_funds_and_none_else() {
    let mut totals = Vec::new();
    for every in [1, 7] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_234_567, |_| {});
        w.pass(90);
        for at in 1..=21 {
            w.pass(7);
            w.settle(&keys);
            if at % every == 0 {
                w.sweep(&buyer);
            }
        }
        let purse: Purse = w.read(&buyer.purse);
        totals.push((w.tokens(&w.treasury) + w.tokens(&w.insurance), w.tokens(&owner.payout), purse.balance));
        assert!(w.tokens(&w.treasury) - w.tokens(&w.insurance) <= 21 / every);
    }
    assert_eq!(totals[0], totals[1]);
}

/// The job, awarded after the offers were entered in this order again and again until none improves.
fn entered(w: &World, posted: &Pubkey, owners: &[Provider], order: &[usize]) -> Lease {
    let mut w = w.fork();
    let keeper = w.person();
    for round in 0.. {
        assert!(round < 2_000, "the offers never come to rest");
        let before = w.account(posted).unwrap().data;
        for at in order {
            w.send_from(&keeper, &[job::enter_offer(posted, &owners[*at].bidder())], &[]).unwrap();
        }
        if w.account(posted).unwrap().data == before {
            break;
        }
    }
    w.close_window(posted);
    let lease = w.award(posted);
    w.read(&lease)
}

#[test]
fn in_whatever_order_automatic_offers_are_entered_the_lowest_floor_wins_within_a_step_of_one_price() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let floors = [1_300_000, 1_200_000, 1_100_000, 1_000_000];
    let owners: Vec<_> = floors
        .iter()
        .map(|floor| w.provider(|supply| (supply.auto_bid, supply.floor, supply.ask) = (true, *floor, 1_700_000)))
        .collect();
    let posted = w.job(&buyer, |args| args.window_s = 3_000);
    let max = w.read::<Job>(&posted).max_price;
    // By which price a score of the step is one of: price counts 3,000 of 10,000.
    let step = u64::from(AUTO_BID_STEP) * max / (3_000 * 10_000);
    orders(12, 4, |order| {
        let lease = entered(&w, &posted, &owners, order);
        assert_eq!(lease.provider, owners[3].record, "in order {order:?}");
        assert!(
            lease.price <= floors[2] && lease.price + 2 * step + 2 >= floors[2],
            "{} in order {order:?}",
            lease.price
        );
    });
}
