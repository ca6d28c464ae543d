//! Rejected starts, and checkpoints of durable jobs.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::tip::TIP;
use gridlease_sdk::account::{Bond, Job, Lease, Offer, Provider as Record, Purse};
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::supervision;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use solana_signer::Signer;

use crate::{swapped, unsigned};

/// A running lease at 500 atoms a second for at most two hours, with a checkpoint each minute.
fn durable(w: &mut World) -> (Buyer, Provider, LeaseKeys) {
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.checkpoint_s = 60);
    (buyer, owner, keys)
}

#[test]
fn r11_who_rejects_a_start_pays_the_time_that_ran_and_the_node_pays_the_minute_until_ninety_seconds_after_ready() {
    for (at, ran) in [(0, 30_000), (89, 44_600)] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
        w.pass(at);
        w.changes_nothing(lease::settle(&keys));
        assert_eq!(w.reject(&buyer, &keys).told(), ["LeaseEnded", "StartUndone", "Slashed"]);
        let (lease, purse): (Lease, Purse) = (w.read(&keys.lease), w.read(&buyer.purse));
        assert_eq!((lease.state(), lease.end_reason()), (Some(LeaseState::Failed), EndReason::Rejected));
        assert_eq!(
            (lease.base, lease.forfeited, lease.refunded),
            (0, ran, 3_600_000 - ran),
            "the meter's start is undone"
        );
        assert_eq!((purse.balance, purse.reserved), (20 * USDC, 3_600_000 - ran), "bound for the next provider");
        assert_eq!(purse.forfeits_owed, ran);
        let job: Job = w.read(&keys.job);
        assert_eq!((job.state(), job.attempts_left, job.rejects), (Some(JobState::Waiting), 2, 1));
        assert_eq!((job.close_ts, job.book_len), (0, 0));
        assert!(job.excludes(&owner.record));
        let bid = w.bid_of(&owner, &keys.job, 1_000_000);
        assert_eq!(w.refuse(bid, &[&owner.node]), "market Excluded");
        w.changes_nothing(lease::settle(&keys));
        assert_eq!(w.read::<Offer>(&owner.offer).units_free, 1);
        assert_eq!(w.close_lease(&keys).told(), ["Released", "LeaseClosed"]);
        let (offer, bond): (Offer, Bond) = (w.read(&owner.offer), w.read(&owner.bond));
        assert_eq!((offer.units_free, bond.reserved, bond.slashed_total), (2, 0, 30_000));
        let record: Record = w.read(&owner.record);
        assert_eq!((record.faulted, record.completed, record.standing), (0, 0, 5_000));
        assert_eq!(w.tokens(&owner.payout), 0);
    }
    for at in [90, 91] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
        w.pass(at);
        let reject = lease::reject_ready(&buyer.key.pubkey(), &keys, &w.insurance);
        assert_eq!(w.refuse(reject, &[&buyer.key]), "market TooLate", "at {at}");
    }
}

#[test]
fn r3_from_ready_on_nobody_is_in_the_book_and_a_start_rejected_twice_is_auctioned_anew_each_time() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owners: Vec<_> = (0..4).map(|_| w.provider(|_| {})).collect();
    let job = w.job(&buyer, |args| args.attempts = 8);
    for at in 0..3 {
        for (owner, price) in owners.iter().zip(1_000_000..).skip(at) {
            w.bid(owner, &job, price);
        }
        w.close_window(&job);
        let lease = w.award(&job);
        let keys = w.keys(&lease);
        assert_eq!(w.read::<Job>(&job).bids().len(), 3 - at, "the runners-up stand until the node is ready");
        w.ready(&owners[at], &keys);
        assert_eq!(w.read::<Job>(&job).bids().len(), 0);
        if at < 2 {
            w.reject(&buyer, &keys);
            w.close_lease(&keys);
            assert_eq!(w.read::<Job>(&job).state(), Some(JobState::Waiting));
            continue;
        }
        let reject = lease::reject_ready(&buyer.key.pubkey(), &keys, &w.insurance);
        assert_eq!(w.refuse(reject, &[&buyer.key]), "market RejectsUsedUp");
        w.stop(&buyer, &keys);
        w.wind_up(&buyer, &keys);
    }
}

#[test]
fn a_rejected_start_ends_the_job_where_no_attempt_is_left() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.attempts = 1);
    w.reject(&buyer, &keys);
    let job: Job = w.read(&keys.job);
    assert_eq!((job.state(), job.end_reason()), (Some(JobState::Ended), EndReason::Rejected));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
    w.close_lease(&keys);
    w.close_job(&buyer, &keys.job);
    w.withdraw(&buyer, 20 * USDC - 30_000);
}

#[test]
fn only_the_buyer_rejects_and_only_what_is_ready() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let stranger = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 60);
    let other = w.starting(&stranger, &owner, 1_000_000, |_| {});
    let (key, foreign) = (buyer.key.pubkey(), stranger.key.pubkey());
    let reject = lease::reject_ready(&key, &keys, &w.insurance);
    assert_eq!(w.refuse(reject.clone(), &[&buyer.key]), "market WrongState", "not ready");
    w.ready(&owner, &keys);
    assert_eq!(unsigned(&mut w, &reject, 0), "market AccountNotSigner");
    assert_eq!(w.refuse(swapped(&reject, &key, foreign), &[&stranger.key]), "market NotBuyer");
    let through_own = swapped(&swapped(&reject, &key, foreign), &buyer.purse, stranger.purse);
    assert_eq!(w.refuse(through_own, &[&stranger.key]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&reject, &keys.job, other.job), &[&buyer.key]), "market Unrelated");
    w.pass(70);
    w.expire(&keys);
    assert_eq!(w.read::<Lease>(&keys.lease).state(), Some(LeaseState::Grace));
    w.ok(&[reject.clone()], &[&buyer.key]);
    assert_eq!(w.refuse(reject, &[&buyer.key]), "market WrongState", "over");
}

#[test]
fn checkpoints_are_numbered_upward_and_only_the_node_of_a_durable_job_records_them() {
    let mut w = World::new();
    let (buyer, owner, keys) = durable(&mut w);
    let other = w.provider(|_| {});
    let plain = w.running(&buyer, &other, 1_000_000, |_| {});
    let write =
        |node: &Provider, keys: &LeaseKeys, seq| supervision::checkpoint(&node.node.pubkey(), keys, seq, [1; 32], 9);
    assert_eq!(w.refuse(write(&other, &plain, 1), &[&other.node]), "market NotDurable");
    for (seq, expected) in [
        (0, "StaleCheckpoint"),
        (1, "ok"),
        (1, "StaleCheckpoint"),
        (3, "StaleCheckpoint"),
        (2, "ok"),
        (u32::MAX, "StaleCheckpoint"),
    ] {
        w.pass(15); // a quarter of the minute that was asked for
        match expected {
            "ok" => assert_eq!(w.checkpoint(&owner, &keys, seq).told(), ["CheckpointWritten"]),
            _ => assert_eq!(w.refuse(write(&owner, &keys, seq), &[&owner.node]), format!("market {expected}"), "{seq}"),
        }
    }
    let good = write(&owner, &keys, 3);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    assert_eq!(
        w.refuse(swapped(&good, &owner.node.pubkey(), other.node.pubkey()), &[&other.node]),
        "market NotNodeKey"
    );
    let by_other = swapped(&write(&other, &keys, 3), &owner.offer, other.offer);
    assert_eq!(w.refuse(by_other, &[&other.node]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&good, &keys.job, plain.job), &[&owner.node]), "market Unrelated");
    let starting = w.starting(&buyer, &owner, 1_000_000, |args| args.checkpoint_s = 60);
    assert_eq!(w.refuse(write(&owner, &starting, 1), &[&owner.node]), "market WrongState");
    w.stop(&buyer, &keys);
    assert_eq!(w.refuse(good, &[&owner.node]), "market WrongState");
}

#[test]
fn a_durable_lease_is_paid_to_its_last_checkpoint_while_it_runs() {
    let mut w = World::new();
    let (_, owner, keys) = durable(&mut w);
    w.pass(100);
    w.changes_nothing(lease::settle(&keys));
    w.checkpoint(&owner, &keys, 1);
    assert_eq!(w.read::<Lease>(&keys.lease).confirmed, 50_000);
    w.pass(200);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 49_000, "no more than the checkpoint confirmed");
    w.changes_nothing(lease::settle(&keys));
    w.checkpoint(&owner, &keys, 2);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 147_000);
}

#[test]
fn who_completes_or_is_stopped_is_paid_in_full_and_who_leaves_is_paid_to_its_last_checkpoint() {
    for (how, base) in [("completed", 75_000), ("stopped", 75_000), ("abandoned", 50_000), ("notice", 50_000)] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_800_000, |args| (args.checkpoint_s, args.notice_s) = (60, 50));
        w.pass(100);
        w.checkpoint(&owner, &keys, 1);
        if how == "notice" {
            w.give_notice(&owner, &keys);
        }
        w.pass(50);
        match how {
            "completed" => w.finish(&owner, &keys, EndReason::Completed),
            "stopped" => w.stop(&buyer, &keys),
            "notice" => w.finish(&owner, &keys, EndReason::Notice),
            _ => w.abandon(&owner, &keys),
        };
        assert_eq!(w.read::<Lease>(&keys.lease).base, base, "{how}");
        w.settle(&keys);
        w.close_lease(&keys);
        assert_eq!(w.tokens(&owner.payout), base / 50 * 49, "{how}");
    }
}

#[test]
fn the_next_lease_goes_on_from_the_last_checkpoint() {
    let mut w = World::new();
    let (buyer, owner, keys) = durable(&mut w);
    let next = w.provider(|_| {});
    w.pass(100);
    w.checkpoint(&owner, &keys, 1);
    w.pass(50);
    w.abandon(&owner, &keys);
    w.bid(&next, &keys.job, 1_800_000);
    w.close_window(&keys.job);
    let lease = w.award(&keys.job);
    let again = w.keys(&lease);
    let job: Job = w.read(&keys.job);
    assert_eq!((job.checkpoint_seq, job.checkpoint_hash, job.checkpoint_bytes), (1, [1; 32], 1_000));
    let lease: Lease = w.read(&lease);
    assert_eq!((lease.checkpoint_s, lease.confirmed, lease.reserved), (60, 0, 3_550_000));
    w.ready(&next, &again);
    w.pass(100);
    let stale = supervision::checkpoint(&next.node.pubkey(), &again, 1, [0; 32], 0);
    assert_eq!(w.refuse(stale, &[&next.node]), "market StaleCheckpoint");
    w.checkpoint(&next, &again, 2);
    w.finish(&next, &again, EndReason::Completed);
    w.wind_up(&buyer, &again);
    assert_eq!(w.tokens(&next.payout), 49_000);
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&owner.payout), 49_000);
}

#[test]
fn a_provider_whose_pay_is_frozen_lets_its_unit_again_and_gets_pay_and_rent_when_it_moves() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| supply.units = 1);
    let sol = w.lamports(&owner.offer) + w.lamports(&owner.node.pubkey()) + w.claim_rent(&owner.offer);
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.freeze(&owner.payout, true);
    w.pass(100);
    w.stop(&buyer, &keys);
    assert_eq!(w.close_lease(&keys).told(), ["Released", "LeaseReleased"]);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.completed, record.leases), (0, 1), "its history grows when it is paid");
    // The waiting lease still has its rent; the node lays out that of another one.
    let terms = Supply { units: 1, ..Supply::default() }.terms(w.now().ts.0);
    w.refresh(&owner, terms);
    let again = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(100);
    w.stop(&buyer, &again);
    w.close_lease(&again);
    assert_eq!(w.read::<Offer>(&owner.offer).unpaid, 2);
    w.withdraw_offer(&owner);
    assert!(w.find::<Offer>(&owner.offer).is_some(), "it waits for its unpaid leases");
    w.freeze(&owner.payout, false);
    w.ok(&[lease::settle_batch(&keys, &[again.lease])], &[]);
    assert_eq!(w.tokens(&owner.payout), 98_000);
    for keys in [&keys, &again] {
        assert_eq!(w.close_lease(keys).told(), ["LeaseClosed"]);
    }
    let record: Record = w.read(&owner.record);
    assert_eq!((record.completed, record.leases, record.earned), (2, 0, 98_000));
    w.withdraw_offer(&owner);
    // R35: the buyer's tips for the two awards, in which nobody was named, went to the leases and came back with their rent.
    assert_eq!(w.lamports(&owner.node.pubkey()), sol + 2 * TIP, "all rent is back");
}
