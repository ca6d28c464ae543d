//! One person on both sides of a lease: buyer and provider in one hand, with an operator's delegators and everybody else as the
//! ones to be robbed.

use gridlease_core::job::EndReason;
use gridlease_core::limits::MAX_CREDITED;
use gridlease_sdk::account::{Bond, Commitment, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::provider;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::supervision;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use solana_signer::Signer;

/// A buyer and a provider in one hand. The provider has `own` of stake, and four times that from delegators.
struct Hand {
    buyer: Buyer,
    owner: Provider,
}

impl Hand {
    fn new(w: &mut World, own: u64, delegated: u64) -> Self {
        let buyer = w.buyer(1_000 * USDC);
        let owner = w.pool(own, 0);
        if delegated > 0 {
            w.delegator(&owner, delegated);
        }
        let hand = Self { buyer, owner };
        hand.offer(w);
        w.claim_all(&hand.owner, 1);
        hand
    }

    fn offer(&self, w: &mut World) {
        let supply = Supply { units: 8, ..Supply::default() };
        let node = self.owner.node.pubkey();
        let post = provider::post_offer(&node, &self.owner.record, 1, supply.machine(), supply.terms(w.now().ts.0));
        w.ok(&[post], &[&self.owner.node]);
    }

    /// All USDC that is its own: in its purse and wallets, and its stake.
    fn wealth(&self, w: &World) -> u64 {
        let (purse, bond): (Purse, Bond) = (w.read(&self.buyer.purse), w.read(&self.owner.bond));
        purse.balance - purse.fees_owed
            + w.tokens(&self.buyer.wallet)
            + w.tokens(&self.owner.payout)
            + bond.own
            + bond.exit_assets
            + bond.claims_assets
    }

    fn lease(&self, w: &mut World, edit: impl FnOnce(&mut JobArgs)) -> LeaseKeys {
        w.running(&self.buyer, &self.owner, 1_800_000, edit)
    }

    fn wind_up(&self, w: &mut World, keys: &LeaseKeys) {
        let credited = w.read::<gridlease_sdk::account::Lease>(&keys.lease).credit > 0;
        if credited {
            w.collect(keys);
        }
        w.settle(keys);
        w.close_lease(keys);
    }
}

#[test]
fn an_operator_that_rents_from_itself_and_goes_down_gets_nothing_of_its_delegators_stake() {
    let mut w = World::new();
    let hand = Hand::new(&mut w, 20 * USDC, 80 * USDC);
    let asker = w.person();
    let before = hand.wealth(&w);
    // 1.80 USDC an hour for three days: a day's stake is all of the bond, and what it is charged is above it.
    let keys = hand.lease(&mut w, |args| args.max_duration_s = 72 * 3_600);
    assert!(w.read::<Bond>(&hand.owner.bond).reserved > 80 * USDC);
    w.pass(48 * 3_600);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    w.pass(MAX_CREDITED.0);
    w.resume(&hand.owner, &keys); // a node that is down cannot say that it is done (R2)
    w.finish(&hand.owner, &keys, EndReason::Completed);
    hand.wind_up(&mut w, &keys);
    let bond: Bond = w.read(&hand.owner.bond);
    assert_eq!(bond.delegated_assets, 80 * USDC, "nothing of its delegators' is lost");
    assert_eq!(bond.own + bond.claims_assets, 20 * USDC, "its own it has back a week later, as by unbonding it");
    let after = hand.wealth(&w);
    assert!(after < before, "it had {before} and has {after}");
}

#[test]
fn no_staged_fault_makes_whoever_stages_it_richer() {
    type Stage = fn(&mut World, &Hand);
    let stages: [(&str, Stage); 6] = [
        ("fails to start", |w, hand| {
            let keys = w.starting(&hand.buyer, &hand.owner, 1_800_000, |_| {});
            w.pass(141);
            w.fail_start(&keys);
            w.close_lease(&keys);
        }),
        ("abandons", |w, hand| {
            let keys = hand.lease(w, |_| {});
            w.pass(3_000);
            w.abandon(&hand.owner, &keys);
            hand.wind_up(w, &keys);
        }),
        ("is unreachable", |w, hand| {
            let (keys, asker) = (hand.lease(w, |_| {}), w.person());
            w.pass(3_000);
            w.settle(&keys);
            w.take_down(&asker, &keys);
            w.pass(600);
            w.declare_unreachable(&keys);
            hand.wind_up(w, &keys);
        }),
        ("goes down and comes back", |w, hand| {
            let (keys, asker) = (hand.lease(w, |_| {}), w.person());
            w.pass(3_000);
            w.settle(&keys);
            w.take_down(&asker, &keys);
            w.pass(2_000);
            w.resume(&hand.owner, &keys);
            w.collect(&keys);
            w.pass(100);
            w.stop(&hand.buyer, &keys);
            hand.wind_up(w, &keys);
        }),
        ("rejects its own start", |w, hand| {
            let keys = hand.lease(w, |_| {});
            w.pass(89);
            w.reject(&hand.buyer, &keys);
            w.close_lease(&keys);
        }),
        ("keeps its sealed bid back", |w, hand| {
            let job = w.job(&hand.buyer, |args| {
                (args.mode, args.window_s, args.reveal_s) = (2, 20, 60);
                (args.max_duration_s, args.attempts) = (72 * 3_600, 1);
            });
            let bidder = hand.owner.bidder();
            let hash = sealed::hash(&job, &bidder, 1_800_000, &[42; 32]);
            w.ok(&[sealed::commit(&hand.owner.node.pubkey(), &job, &bidder, hash)], &[&hand.owner.node]);
            let keys = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&job, &hand.owner.record)));
            w.pass(81);
            w.ok(&[sealed::forfeit(&keys, &w.insurance)], &[]);
        }),
    ];
    for (what, stage) in stages {
        for delegated in [0, 80 * USDC] {
            let mut w = World::new();
            let hand = Hand::new(&mut w, 20 * USDC, delegated);
            let before = hand.wealth(&w);
            stage(&mut w, &hand);
            let after = hand.wealth(&w);
            let lost = delegated - w.read::<Bond>(&hand.owner.bond).delegated_assets;
            assert!(after <= before, "who {what} had {before} and has {after}; its delegators lost {lost}");
        }
    }
}

#[test]
fn an_honest_buyer_is_made_good_out_of_the_operator_s_stake_and_no_further() {
    for (own, delegated) in [(40 * USDC, 60 * USDC), (20 * USDC, 80 * USDC)] {
        let mut w = World::new();
        let hand = Hand::new(&mut w, own, delegated);
        let (buyer, asker) = (w.buyer(1_000 * USDC), w.person());
        let keys = w.running(&buyer, &hand.owner, 1_800_000, |args| args.max_duration_s = 72 * 3_600);
        w.pass(48 * 3_600);
        w.settle(&keys);
        w.take_down(&asker, &keys);
        w.pass(9 * 3_600 - 61);
        w.resume(&hand.owner, &keys);
        // Nine hours of downtime, twice over: 32.4 USDC.
        w.ok(&[supervision::collect_credit(&keys, &w.insurance)], &[]);
        let claimed = w.claimed(&keys.lease);
        // Of 86.4 USDC that stand behind the lease, as much as the operator has of the bond's 100.
        assert_eq!(claimed, 32_400_000.min(864 * own / 1_000));
        assert_eq!(w.read::<Bond>(&hand.owner.bond).delegated_assets, delegated, "and nobody pays the rest");
    }
}
