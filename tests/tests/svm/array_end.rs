//! The end of arrays: enough tasks completed, or the buyer cancels, and nothing is left behind.

use gridlease_core::array::{ArrayEnd, ArrayState};
use gridlease_core::job::{EndReason, JobState};
use gridlease_core::tip::TIP;
use gridlease_sdk::account::{Array, Job, Lease, Purse};
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::USDC;
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn once_enough_tasks_completed_anybody_ends_the_stragglers_and_all_money_returns() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let before = w.lamports(&buyer.key.pubkey());
    let posted = w.array(&buyer, ArrayShape { quorum: 1, ..shape() });
    let jobs: Vec<_> = (0..3).flat_map(|_| w.open_task(&posted)).collect();
    let keys = w.start_tasks(&[(&owners[0], &jobs[0]), (&owners[1], &jobs[1])]);
    let (first, second) = (keys[0], keys[1]);
    let cancel = array::cancel_task(&jobs[2], &w.read(&jobs[2]));
    let stop = array::stop_task(&jobs[1], &w.read(&jobs[1]), &second.lease);
    for early in [&cancel, &stop] {
        assert_eq!(w.refuse(early.clone(), &[]), "market WrongState");
    }
    w.pass(600);
    w.finish_task(&owners[0], &first, 0);
    assert_eq!(w.close_task(&jobs[0]).told(), ["TaskClosed", "ArrayEnded"]);
    let over: Array = w.read(&posted);
    assert_eq!((over.end_reason(), over.reserved, over.jobs), (ArrayEnd::Quorum, 0, 2));
    assert_eq!(w.changes_nothing(w.opening_of(&posted)).told(), Vec::<&str>::new());
    assert_eq!(w.refuse(w.array_closing_of(&posted), &[]), "market TasksOpen");

    assert_eq!(w.ok(&[cancel.clone()], &[]).told(), ["JobEnded"]);
    w.changes_nothing(cancel);
    assert_eq!(w.ok(&[stop.clone()], &[]).told(), ["LeaseEnded"]);
    w.changes_nothing(stop);
    assert_eq!(w.read::<Job>(&jobs[1]).end_reason(), EndReason::Stopped);
    w.settle(&second);
    w.close_lease(&second);
    for job in &jobs[1..] {
        assert_eq!(w.close_task(job).told(), ["TaskClosed"], "an array ends once");
    }
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!(purse.reserved, 0);
    assert_eq!(purse.balance - purse.fees_owed, 100 * USDC - w.read::<Array>(&posted).spent);
    w.close_array(&posted);
    assert_eq!(w.lamports(&buyer.key.pubkey()), before - 2 * TIP, "all but the tips of two awards");
}

#[test]
fn a_lease_that_starts_or_waits_for_money_when_enough_completed_is_stopped_too() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let (post, posted) = w.post_array(&buyer, ArrayShape { quorum: 1, budget: USDC, ..shape() }, |args| {
        args.max_duration_s = 600;
    });
    w.ok(&[post], &[&buyer.key]);
    let jobs: Vec<_> = (0..3).flat_map(|_| w.open_task(&posted)).collect();
    w.bid(&owners[1], &jobs[1], 1_000_000);
    w.bid(&owners[2], &jobs[2], 1_000_000);
    let graced = w.start_task(&owners[0], &jobs[0]);
    w.pass(620);
    w.expire(&graced);
    let starting = w.award(&jobs[1]);
    let last = w.award(&jobs[2]);
    let last = w.keys(&last);
    w.ready(&owners[2], &last);
    w.pass(60);
    w.finish_task(&owners[2], &last, 0);
    w.close_task(&jobs[2]);
    for (job, lease) in [(&jobs[0], &graced.lease), (&jobs[1], &starting)] {
        w.ok(&[array::stop_task(job, &w.read(job), lease)], &[]);
        let keys = w.keys(lease);
        w.settle(&keys);
        w.close_lease(&keys);
        w.close_task(job);
    }
    w.close_array(&posted);
}

#[test]
fn a_buyer_cancels_in_the_middle_and_leases_run_on_until_it_stops_them() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let other = w.buyer(100 * USDC);
    let owner = w.provider(|_| {});
    let posted = w.array(&buyer, shape());
    let twin = w.array(&other, shape());
    let jobs: Vec<_> = (0..3).flat_map(|_| w.open_task(&posted)).collect();
    let started = w.start_tasks(&[(&owner, &jobs[0]), (&owner, &jobs[1])]);
    let (keys, more) = (started[0], started[1]);
    let cancel = array::cancel(&buyer.key.pubkey(), &posted);
    assert_eq!(unsigned(&mut w, &cancel, 0), "market AccountNotSigner");
    assert_eq!(w.refuse(swapped(&cancel, &posted, twin), &[&buyer.key]), "market Unrelated");
    let by_other = swapped(&cancel, &buyer.key.pubkey(), other.key.pubkey());
    assert_eq!(w.refuse(by_other, &[&other.key]), "market NotBuyer");
    assert_eq!(w.refuse(w.array_closing_of(&posted), &[]), "market WrongState");
    assert_eq!(w.ok(&[cancel.clone()], &[&buyer.key]).told(), ["ArrayEnded"]);
    w.changes_nothing_by(cancel, &[&buyer.key]);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3 * CAP);

    let stop = array::stop_task(&jobs[0], &w.read(&jobs[0]), &keys.lease);
    assert_eq!(w.refuse(stop, &[]), "market WrongState", "that is the buyer's to decide");
    w.changes_nothing(array::cancel_task(&jobs[0], &w.read(&jobs[0])));
    w.ok(&[array::cancel_task(&jobs[2], &w.read(&jobs[2]))], &[]);
    w.close_task(&jobs[2]);
    w.pass(600);
    w.stop(&buyer, &keys);
    w.finish_task(&owner, &more, 0);
    w.close_task(&jobs[1]);
    assert_eq!(w.refuse(w.array_closing_of(&posted), &[]), "market TasksOpen");
    // A job may be closed while its lease is not: the lease holds its own.
    w.close_task(&jobs[0]);
    let over: Array = w.read(&posted);
    assert_eq!((over.state(), over.end_reason()), (Some(ArrayState::Over), ArrayEnd::Cancelled));
    assert_eq!((over.completed, over.failed, over.jobs), (1, 2, 0));
    w.close_array(&posted);
    w.settle(&keys);
    w.close_lease(&keys);
}

#[test]
fn stopping_and_cancelling_take_only_the_tasks_of_their_array() {
    let mut w = World::new();
    let buyer = w.buyer(200 * USDC);
    let other = w.buyer(200 * USDC);
    let owners: Vec<_> = (0..2).map(|_| w.provider(|_| {})).collect();
    let over = w.array(&buyer, ArrayShape { quorum: 1, ..shape() });
    let twin = w.array(&buyer, ArrayShape { quorum: 1, ..shape() });
    let done = w.open_task(&over)[0];
    let straggler = w.open_task(&over)[0];
    let leased = w.open_task(&twin)[0];
    let open = w.open_task(&twin)[0];
    let started = w.start_tasks(&[(&owners[0], &done), (&owners[0], &leased), (&owners[1], &straggler)]);
    let (keys, own) = (started[1], started[2]);
    w.pass(60);
    w.finish_task(&owners[0], &started[0], 0);
    w.close_task(&done);
    let cancel = array::cancel_task(&straggler, &w.read(&straggler));
    let stop = array::stop_task(&straggler, &w.read(&straggler), &own.lease);
    assert_eq!(w.refuse(swapped(&cancel, &straggler, open), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&cancel, &buyer.purse, other.purse), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&stop, &own.lease, keys.lease), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&stop, &straggler, leased), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&stop, &buyer.purse, other.purse), &[]), "market Unrelated");
    let both = swapped(&swapped(&stop, &own.lease, keys.lease), &straggler, leased);
    assert_eq!(w.refuse(both.clone(), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&both, &over, twin), &[]), "market WrongState", "the twin is not over");
    assert!(w.find::<Lease>(&keys.lease).is_some());
    assert_eq!(w.read::<Job>(&open).state(), Some(JobState::Waiting));
}

#[test]
fn the_rent_of_an_array_goes_to_who_paid_it_and_to_nobody_else() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let thief = w.person();
    let other = w.buyer(100 * USDC);
    let posted = w.array(&buyer, shape());
    w.airdrop(&posted, 1_234);
    w.cancel_array(&buyer, &posted);
    let close = w.array_closing_of(&posted);
    assert_eq!(w.refuse(swapped(&close, &buyer.key.pubkey(), thief.pubkey()), &[]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&close, &buyer.purse, other.purse), &[]), "market Unrelated");
    let (had, held) = (w.lamports(&buyer.key.pubkey()), w.lamports(&posted));
    w.ok(&[close.clone()], &[]);
    assert_eq!(w.lamports(&buyer.key.pubkey()), had + held);
    assert_eq!(w.refuse(close, &[]), "market AccountOwnedByWrongProgram");
}

#[test]
fn an_array_that_lost_the_rent_of_its_tasks_says_so() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array_short_of_rent(&buyer);
    assert_eq!(w.refuse(w.opening_of(&posted), &[]), "market NoTaskRent");
    w.airdrop(&posted, 1);
    w.open_task(&posted);
}
