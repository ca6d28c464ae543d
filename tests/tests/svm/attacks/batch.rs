//! The same account twice where two are meant: in a batch, in a book, in a list.

use gridlease_sdk::account::{Job, Lease, Offer, Provider as Record, Purse};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::job::BidderKeys;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::{job, provider};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use solana_signer::Signer;

use crate::swapped;

/// Two leases of one buyer with one provider at 500 atoms a second, begun in the same second.
fn two(w: &mut World) -> (Buyer, Provider, [LeaseKeys; 2]) {
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let jobs = [w.job(&buyer, |_| {}), w.job(&buyer, |_| {})];
    for job in &jobs {
        w.bid(&owner, job, 1_800_000);
    }
    w.close_window(&jobs[1]);
    let keys = jobs.map(|job| {
        let lease = w.award(&job);
        w.keys(&lease)
    });
    for keys in &keys {
        w.ready(&owner, keys);
    }
    (buyer, owner, keys)
}

#[test]
fn a_batch_that_names_one_lease_in_every_place_pays_it_once() {
    let mut w = World::new();
    let (_, owner, [one, other]) = two(&mut w);
    w.pass(100);
    w.ok(&[lease::settle_batch(&one, &[one.lease; 6])], &[]);
    assert_eq!(w.tokens(&owner.payout), 49_000);
    // Twice in one transaction, once alone and once in a batch.
    w.ok(&[lease::settle(&other), lease::settle_batch(&other, &[one.lease, other.lease])], &[]);
    assert_eq!(w.tokens(&owner.payout), 98_000);
    assert_eq!((w.read::<Lease>(&one.lease).paid, w.read::<Lease>(&other.lease).paid), (49_000, 49_000));
}

#[test]
fn a_batch_takes_neither_the_vault_nor_the_purse_nor_a_stranger_s_account_for_the_payout() {
    let mut w = World::new();
    let (buyer, owner, [one, other]) = two(&mut w);
    let thief = w.foreign_account();
    w.pass(100);
    let batch = lease::settle_batch(&one, &[other.lease]);
    for (what, account) in
        [("vault", buyer.vault), ("wallet", buyer.wallet), ("thief", thief), ("treasury", w.treasury)]
    {
        let refused = w.refuse(swapped(&batch, &owner.payout, account), &[]);
        assert_eq!(refused, "market WrongTokenAccount", "{what}");
    }
    let refused = w.refuse(swapped(&batch, &owner.payout, buyer.purse), &[]);
    assert!(refused.starts_with("market "), "{refused}");
    assert_eq!(w.tokens(&owner.payout), 0);
}

#[test]
fn a_batch_for_a_payout_that_is_the_buyer_s_own_vault_moves_no_token_and_counts_none_twice() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    w.edit_as::<Record>(&owner.record, |record| record.payout = buyer.vault);
    let jobs = [w.job(&buyer, |_| {}), w.job(&buyer, |_| {})];
    for job in &jobs {
        w.bid(&owner, job, 1_800_000);
    }
    w.close_window(&jobs[1]);
    let keys = jobs.map(|job| {
        let lease = w.award(&job);
        let keys = w.keys(&lease);
        w.ready(&owner, &keys);
        keys
    });
    w.pass(100);
    w.ok(&[lease::settle_batch(&keys[0], &[keys[1].lease])], &[]);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!(
        (purse.balance, w.tokens(&buyer.vault)),
        (20 * USDC - 98_000, 20 * USDC),
        "paid is paid, to nobody's gain"
    );
}

#[test]
fn an_award_that_names_one_bidder_in_every_place_skips_nobody_and_opens_one_lease() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (best, next) = (w.provider(|_| {}), w.provider(|_| {}));
    let posted = w.job(&buyer, |_| {});
    w.bid(&best, &posted, 1_000_000);
    w.bid(&next, &posted, 1_100_000);
    w.close_window(&posted);
    let award = |bidders: &[BidderKeys]| job::award(&posted, &buyer.purse, 0, bidders);
    for bidders in [vec![next.bidder(); 3], vec![next.bidder(), best.bidder()]] {
        assert_eq!(w.refuse(award(&bidders), &[]), "market CandidateMissing");
    }
    w.ok(&[award(&[best.bidder(), best.bidder(), best.bidder()])], &[]);
    let record: Record = w.read(&best.record);
    assert_eq!((record.leases, w.read::<Offer>(&best.offer).units_free), (1, 1));
    assert_eq!(w.read::<Lease>(&address::lease(&posted, 0)).provider, best.record);
}

#[test]
fn a_bidder_that_is_dropped_is_charged_one_fault_however_often_the_award_names_it() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let posted = w.job(&buyer, |_| {});
    w.bid(&owner, &posted, 1_000_000);
    w.withdraw_offer(&owner);
    w.close_window(&posted);
    let done = w.ok(&[job::award(&posted, &buyer.purse, 0, &[owner.bidder(), owner.bidder(), owner.bidder()])], &[]);
    let dropped = done.market().find_map(|event| match event {
        MarketEvent::BidsDropped(told) => Some(told.bids.len()),
        _ => None,
    });
    assert_eq!(dropped, Some(1));
    assert_eq!(w.read::<Record>(&owner.record).faulted, 1);
    assert_eq!(w.read::<Job>(&posted).attempts_left, 3);
}

#[test]
fn a_claim_that_is_named_twice_is_neither_claimed_nor_given_up_twice() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let node = owner.node.pubkey();
    let claims = w.claims_of(&owner.offer);
    let twice = provider::release_gpus(&node, &owner.record, 1, &claims[0], &claims[..1]);
    assert!(w.send(&[twice], &[&owner.node]).is_err());
    let with_offer = provider::withdraw_offer_and_gpus(&node, &owner.record, 1, &node, &[claims[0], claims[0]]);
    assert!(w.send(&[with_offer], &[&owner.node]).is_err());
    assert_eq!(w.read::<Offer>(&owner.offer).claimed, 2);
    w.ok(&[provider::release_gpus(&node, &owner.record, 1, &claims[0], &[])], &[&owner.node]);
    let again = provider::claim_gpus(&node, &owner.record, &owner.bond, 1, &[claims[0].0, claims[0].0]);
    assert!(w.send(&[again], &[&owner.node]).is_err());
    assert_eq!(w.read::<Offer>(&owner.offer).claimed, 1);
}
