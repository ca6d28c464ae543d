//! Cranks: whoever turns them, however often and in whatever order, the outcome is the same.

use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Job, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::{job, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_instruction::Instruction;
use solana_signer::Signer;

#[test]
fn repeated_cranks_change_no_byte() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| supply.auto_bid = true);
    let posted = w.job(&buyer, |_| {});
    let enter = job::enter_offer(&posted, &owner.bidder());
    w.ok(&[enter.clone()], &[]);
    w.changes_nothing(enter);
    w.close_window(&posted);
    let award = w.award_of(&posted);
    w.ok(&[award.clone()], &[]);
    w.changes_nothing(award.clone());
    let lease = w.read::<Job>(&posted).current_lease(&posted).unwrap();
    let keys = w.keys(&lease);
    let fail = lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance);

    w.changes_nothing(lease::expire(&keys));
    w.changes_nothing(lease::settle(&keys));
    w.ready(&owner, &keys);
    w.changes_nothing(fail.clone());
    w.changes_nothing(award.clone());
    w.changes_nothing(lease::expire(&keys));
    w.pass(100);
    w.settle(&keys);
    w.changes_nothing(lease::settle(&keys));
    let sweep = purse::sweep_fees(&buyer.purse, &w.treasury, &w.insurance);
    w.ok(&[sweep.clone()], &[]);
    w.changes_nothing(sweep);
    w.pass(7_100);
    w.expire(&keys);
    w.changes_nothing(lease::expire(&keys));
    w.pass(601);
    w.expire(&keys);
    w.changes_nothing(lease::expire(&keys));
    w.settle(&keys);
    for stale in [lease::settle(&keys), lease::expire(&keys), award, fail] {
        w.changes_nothing(stale);
    }
}

#[test]
fn two_cranks_in_one_transaction_do_their_work_once() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let posted = w.job(&buyer, |_| {});
    w.bid(&owner, &posted, 1_800_000);
    w.close_window(&posted);
    let award = w.award_of(&posted);
    assert_eq!(w.ok(&[award.clone(), award], &[]).told(), ["Reserved", "JobAwarded"]);
    let lease = w.read::<Job>(&posted).current_lease(&posted).unwrap();
    let keys = w.keys(&lease);
    w.ready(&owner, &keys);
    w.pass(100);
    assert_eq!(w.ok(&[lease::settle(&keys), lease::settle(&keys)], &[]).told(), ["Settled"]);
    w.pass(7_100);
    assert_eq!(w.ok(&[lease::expire(&keys), lease::expire(&keys)], &[]).told(), ["GraceBegan"]);
}

#[test]
fn a_lease_is_ended_settled_and_closed_in_one_transaction() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(8_000);
    // Nobody saw the runway end: a minute is left from when somebody does.
    assert_eq!(w.expire(&keys).told(), ["GraceBegan"]);
    w.pass(61);
    let close_job = job::close(&keys.job, &buyer.purse, &w.read::<Job>(&keys.job).payer);
    let sweep = purse::sweep_fees(&buyer.purse, &w.treasury, &w.insurance);
    w.ok(&[lease::expire(&keys), lease::settle(&keys), lease::close(&keys), close_job, sweep], &[]);
    assert_eq!(w.tokens(&owner.payout), 3_528_000);
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, 20 * USDC - 3_600_000);
}

#[test]
fn the_order_of_cranks_does_not_change_what_anybody_gets() {
    type Order = fn(&LeaseKeys) -> Vec<Instruction>;
    let orders: [Order; 4] = [
        |keys| vec![lease::settle(keys), lease::expire(keys)],
        |keys| vec![lease::expire(keys), lease::settle(keys)],
        |keys| vec![lease::settle(keys), lease::settle(keys), lease::expire(keys), lease::settle(keys)],
        |keys| vec![lease::expire(keys), lease::expire(keys), lease::settle(keys)],
    ];
    let mut outcomes = Vec::new();
    for order in orders {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_234_567, |_| {});
        // Its runway ends at 7,200 s; who sees it at 8,000 leaves the buyer a minute more.
        for seconds in [3_000, 5_000, 61] {
            w.pass(seconds);
            for instruction in order(&keys) {
                w.ok(&[instruction], &[]);
            }
        }
        w.settle(&keys);
        let ended: Job = w.read(&keys.job);
        assert_eq!(ended.end_reason(), EndReason::OutOfFunds);
        w.close_lease(&keys);
        let purse: Purse = w.read(&buyer.purse);
        outcomes.push((w.tokens(&owner.payout), purse.balance, purse.fees_owed));
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
}

#[test]
fn everything_closed_everybody_has_back_what_it_locked() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let parties: Vec<_> = std::iter::once(buyer.key.pubkey()).chain(owners.iter().map(|o| o.node.pubkey())).collect();
    let offers: u64 = owners.iter().map(|owner| w.lamports(&owner.offer) + w.claim_rent(&owner.offer)).sum();
    let before: u64 = parties.iter().map(|key| w.lamports(key)).sum();
    let job = w.job(&buyer, |args| args.attempts = 2);
    for (owner, price) in owners.iter().zip(1_000_000..) {
        w.bid(owner, &job, price);
    }
    w.close_window(&job);
    let first = w.award(&job);
    let failed = w.keys(&first);
    w.pass(141);
    w.fail_start(&failed);
    let second = w.award(&job);
    let keys = w.keys(&second);
    w.ready(&owners[1], &keys);
    w.pass(500);
    w.abandon(&owners[1], &keys);
    w.settle(&keys);
    w.close_lease(&keys);
    w.close_lease(&failed);
    w.close_job(&buyer, &job);
    for owner in &owners {
        w.withdraw_offer(owner);
    }
    // What the buyer claims keeps its reservation's rent for a week; then that is the bond's authority's.
    let kept = w.lamports(&address::reservation(&keys.lease));
    let after: u64 = parties.iter().map(|key| w.lamports(key)).sum();
    // The buyer paid the tips of two awards, which nobody took: they are the offers'. The bond lent the reservation a lamport.
    assert_eq!(after + kept, before + offers + 1, "rent of job, leases, reservations, offers and claims is back");
}
