//! Replicas: the jobs of one task run at providers that are no kin.

use gridlease_core::array::{ArrayEnd, Replica};
use gridlease_core::job::JobState;
use gridlease_core::limits::UNBONDING_TIME;
use gridlease_core::tip::TIP;
use gridlease_sdk::account::{Array, Job, Provider as Record, TaskGroup};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::{job, provider, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::{Buyer, Provider, USDC, node_args};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::swapped;

/// One task with `replicas` jobs.
fn replicated(w: &mut World, buyer: &Buyer, replicas: u8) -> (Pubkey, Vec<Pubkey>) {
    let budget = u64::from(replicas) * CAP;
    let posted = w.array(buyer, ArrayShape { count: 1, quorum: 1, replicas, parallel: 1, budget });
    let jobs = w.open_task(&posted);
    (posted, jobs)
}

/// Awards `job` with `bidders` bids in it; `None` where nobody was good.
fn awarded(w: &mut World, job: &Pubkey) -> Option<Pubkey> {
    let lease = address::lease(job, w.read::<Job>(job).leases);
    w.ok(&[w.award_of(job)], &[]);
    w.find::<gridlease_sdk::account::Lease>(&lease).map(|lease| lease.provider)
}

#[test]
fn three_replicas_run_at_three_providers_and_two_make_the_task_complete() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let before = w.lamports(&buyer.key.pubkey());
    let (posted, jobs) = replicated(&mut w, &buyer, 3);
    for (job, number) in jobs.iter().zip(1..) {
        assert_eq!(w.read::<Job>(job).replica, number);
    }
    // All three bid everywhere; the cheapest can win only once.
    for job in &jobs {
        for (owner, price) in owners.iter().zip([1_000_000, 1_100_000, 1_200_000]) {
            w.bid(owner, job, price);
        }
    }
    w.pass(30);
    let winners: Vec<_> = jobs.iter().map(|job| awarded(&mut w, job)).collect();
    let records: Vec<_> = owners.iter().map(|owner| Some(owner.record)).collect();
    assert_eq!(winners, records);
    let group = address::task_group(&posted, 0);
    let kin = w.read::<TaskGroup>(&group).kin;
    for (kin, owner) in kin.iter().zip(&owners) {
        assert_eq!(kin.own[0], owner.authority.pubkey().as_ref()[..8]);
    }
    for ((job, owner), exit) in jobs.iter().zip(&owners).zip([1, 0, 0]) {
        let lease = w.read::<Job>(job).current_lease(job).unwrap();
        let keys = w.keys(&lease);
        w.ready(owner, &keys);
        w.pass(60);
        w.finish_task(owner, &keys, exit);
        w.close_task(job);
        let last = exit == 0 && *job == jobs[2];
        assert_eq!(w.find::<TaskGroup>(&group).is_none(), last, "the group goes with the last replica");
    }
    let over: Array = w.read(&posted);
    assert_eq!((over.completed, over.failed, over.end_reason()), (1, 0, ArrayEnd::Quorum));
    let task = over.tasks(&w.account(&posted).unwrap().data).unwrap()[0];
    assert_eq!([0, 1, 2].map(|at| task.get(at)), [Replica::Failed, Replica::Completed, Replica::Completed]);
    w.close_array(&posted);
    assert_eq!(w.lamports(&buyer.key.pubkey()), before - 3 * TIP, "all but the tips of three awards");
}

#[test]
fn two_replicas_must_both_complete() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owners: Vec<_> = (0..2).map(|_| w.provider(|_| {})).collect();
    let (posted, jobs) = replicated(&mut w, &buyer, 2);
    w.run_task(&owners[0], &jobs[0], 0);
    assert_eq!(w.read::<Array>(&posted).completed, 0);
    // Nobody bids for the other.
    w.at(w.read::<Job>(&jobs[1]).expires_at);
    w.expire_job(&buyer, &jobs[1]);
    w.close_task(&jobs[1]);
    let over: Array = w.read(&posted);
    assert_eq!((over.completed, over.failed, over.end_reason()), (0, 1, ArrayEnd::Exhausted));
    w.close_array(&posted);
}

/// Two replicas; `first` runs one. Returns why `second` may not bid for the other, and what an award does with a bid that
/// it placed before.
fn second_refused(edit: impl Fn(&mut World, &Provider, &Provider)) {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    edit(&mut w, &first, &second);
    w.bid(&first, &jobs[0], 1_000_000);
    w.bid(&second, &jobs[1], 1_000_000);
    w.pass(13);
    assert_eq!(awarded(&mut w, &jobs[0]), Some(first.record));
    assert_eq!(awarded(&mut w, &jobs[1]), None, "the bid placed before is skipped");
    let reopened: Job = w.read(&jobs[1]);
    assert_eq!((reopened.state(), reopened.book_len), (Some(JobState::Waiting), 0));
    let bid = w.bid_of(&second, &jobs[1], 900_000);
    assert_eq!(w.refuse(bid, &[&second.node]), "market Kin");
    let stranger = w.provider(|_| {});
    w.bid(&stranger, &jobs[1], 1_800_000);
}

#[test]
fn a_provider_with_the_same_node_key_is_kin() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    w.bid(&first, &jobs[0], 1_000_000);
    w.bid(&second, &jobs[1], 1_000_000);
    let same = provider::update_node(&second.authority.pubkey(), node_args(&first.node.pubkey()), &[second.offer]);
    w.ok(&[same], &[&second.authority]);
    w.pass(13);
    assert_eq!(awarded(&mut w, &jobs[0]), Some(first.record));
    assert_eq!(awarded(&mut w, &jobs[1]), None);
    let bid = swapped(&w.bid_of(&second, &jobs[1], 900_000), &second.node.pubkey(), first.node.pubkey());
    assert_eq!(w.refuse(bid, &[&first.node]), "market Kin");
}

#[test]
fn a_node_key_of_zeros_hides_nobody_behind_it() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    delegated(&mut w, &first.bond, &[[3; 8]]);
    delegated(&mut w, &second.bond, &[[3; 8]]);
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    w.bid(&first, &jobs[0], 1_000_000);
    w.bid(&second, &jobs[1], 1_000_000);
    for owner in [&first, &second] {
        w.edit_as::<Record>(&owner.record, |record| record.node_key = Pubkey::default());
    }
    w.pass(13);
    assert_eq!(awarded(&mut w, &jobs[0]), Some(first.record));
    assert_eq!(awarded(&mut w, &jobs[1]), None);
}

/// Writes the marks of a bond's delegators.
fn delegated(w: &mut World, bond: &Pubkey, marks: &[[u8; 8]]) {
    w.make_leases_up(); // the marks of delegators that there are not
    w.edit(bond, |data| {
        data[133] = u8::try_from(marks.len()).unwrap();
        data[136..136 + 8 * marks.len()].copy_from_slice(marks.as_flattened());
    });
}

#[test]
fn providers_with_a_common_delegator_are_kin() {
    second_refused(|w, first, second| {
        delegated(w, &first.bond, &[[1; 8], [2; 8], [3; 8]]);
        delegated(w, &second.bond, &[[4; 8], [3; 8]]);
    });
}

#[test]
fn a_provider_that_delegates_to_the_other_is_kin() {
    second_refused(|w, first, second| {
        let mark: [u8; 8] = first.authority.pubkey().as_ref()[..8].try_into().unwrap();
        delegated(w, &second.bond, &[[4; 8], mark]);
    });
}

#[test]
fn providers_with_a_common_payout_are_kin() {
    second_refused(|w, first, second| w.edit_as::<Record>(&second.record, |record| record.payout = first.payout));
}

#[test]
fn one_provider_never_runs_two_replicas() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|supply| supply.auto_bid = true);
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    for job in &jobs {
        w.bid(&owner, job, 1_000_000);
    }
    w.pass(13);
    assert_eq!(awarded(&mut w, &jobs[0]), Some(owner.record));
    assert_eq!(awarded(&mut w, &jobs[1]), None);
    let enter = array::bid_with_group(job::enter_offer(&jobs[1], &owner.bidder()), &w.read(&jobs[1]));
    assert_eq!(w.refuse(enter, &[]), "market Kin");
}

#[test]
fn providers_without_anything_in_common_are_no_kin() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owners: Vec<_> = (0..2).map(|_| w.provider(|supply| supply.auto_bid = true)).collect();
    delegated(&mut w, &owners[0].bond, &[[1; 8], [2; 8]]);
    delegated(&mut w, &owners[1].bond, &[[3; 8]]);
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    for (job, owner) in jobs.iter().zip(&owners) {
        let enter = array::bid_with_group(job::enter_offer(job, &owner.bidder()), &w.read(job));
        w.ok(&[enter], &[]);
    }
    w.pass(13);
    for (job, owner) in jobs.iter().zip(&owners) {
        assert_eq!(awarded(&mut w, job), Some(owner.record));
    }
}

#[test]
fn the_place_of_a_provider_that_failed_to_start_is_free_for_its_kin() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let (posted, jobs) = replicated(&mut w, &buyer, 2);
    w.bid(&first, &jobs[0], 1_000_000);
    w.bid(&second, &jobs[0], 1_100_000);
    w.pass(13);
    let lease = w.award(&jobs[0]);
    let failed = w.keys(&lease);
    w.pass(141);
    w.fail_start(&failed);
    assert_eq!(awarded(&mut w, &jobs[0]), Some(second.record));
    let group: TaskGroup = w.read(&address::task_group(&posted, 0));
    assert_eq!(group.kin[0].own[0], second.authority.pubkey().as_ref()[..8]);
    w.bid(&first, &jobs[1], 1_000_000);
    w.close_window(&jobs[1]);
    assert_eq!(awarded(&mut w, &jobs[1]), Some(first.record));
}

#[test]
fn a_bidder_for_a_replica_that_closed_its_bond_is_charged_a_fault_as_for_any_job() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|_| {});
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    w.bid(&owner, &jobs[0], 1_000_000);
    let number = w.unbond(&owner, 100 * USDC);
    w.pass(UNBONDING_TIME.0);
    let withdrawal = w.withdrawal_of_stake(&owner, number);
    w.ok(&[withdrawal], &[]);
    let close = stake::close_bond(&owner.authority.pubkey(), &owner.payout, false);
    w.ok(&[close], &[&owner.authority]);
    let award = w.award_of(&jobs[0]);
    let done = w.ok(&[award], &[]);
    let Some(MarketEvent::BidsDropped(told)) = done.market().next() else { panic!("{:?}", done.told()) };
    assert_eq!((told.bids[0].provider, told.bids[0].faulted), (owner.record, true));
    assert_eq!(w.read::<Record>(&owner.record).faulted, 1);
}

#[test]
fn bids_awards_and_closings_of_a_replica_need_the_group_of_its_task() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|supply| supply.auto_bid = true);
    let two = ArrayShape { count: 2, quorum: 2, replicas: 2, parallel: 2, budget: 4 * CAP };
    let posted = w.array(&buyer, two);
    let twin = w.array(&buyer, two);
    let jobs = w.open_task(&posted);
    w.open_task(&posted);
    w.open_task(&twin);
    let group = address::task_group(&posted, 0);
    let wrong = [address::task_group(&posted, 1), address::task_group(&twin, 0), jobs[0], owner.record];
    let bid = w.bid_of(&owner, &jobs[0], 1_000_000);
    let plain = job::bid(&owner.node.pubkey(), &jobs[0], &owner.bidder(), 1_000_000);
    assert_eq!(w.refuse(plain, &[&owner.node]), "market GroupMissing");
    assert_eq!(w.refuse(job::enter_offer(&jobs[0], &owner.bidder()), &[]), "market GroupMissing");
    for other in wrong {
        assert_eq!(w.refuse(swapped(&bid, &group, other), &[&owner.node]), "market GroupMissing");
    }
    w.ok(&[bid], &[&owner.node]);
    w.close_window(&jobs[0]);
    let award = w.award_of(&jobs[0]);
    for other in &wrong[..3] {
        let refused = w.refuse(swapped(&award, &group, *other), &[]);
        assert!(refused.starts_with("market "), "{refused}");
    }
    let mut readonly = award.clone();
    readonly.accounts.iter_mut().filter(|meta| meta.pubkey == group).for_each(|meta| meta.is_writable = false);
    assert_eq!(w.refuse(readonly, &[]), "market AccountNotMutable");
    w.ok(&[award], &[]);
    let lease = w.read::<Job>(&jobs[0]).current_lease(&jobs[0]).unwrap();
    let keys = w.keys(&lease);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    w.close_lease(&keys);
    let close = w.closing_of(&jobs[0]);
    assert_eq!(w.refuse(swapped(&close, &group, address::MARKET), &[]), "market GroupMissing");
    for other in &wrong[..2] {
        assert_eq!(w.refuse(swapped(&close, &group, *other), &[]), "market Unrelated");
    }
    w.ok(&[close], &[]);
}

#[test]
fn a_job_without_replicas_takes_no_group() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (_, jobs) = replicated(&mut w, &buyer, 2);
    let single = w.array(&buyer, ArrayShape { count: 1, quorum: 1, budget: CAP, ..shape() });
    let job = w.open_task(&single)[0];
    w.cancel_array(&buyer, &single);
    w.ok(&[array::cancel_task(&job, &w.read(&job))], &[]);
    let mut close = w.closing_of(&job);
    let group = array::group_of(&w.read::<Job>(&jobs[0])).unwrap();
    close.accounts[4].pubkey = group;
    close.accounts[4].is_writable = true;
    assert_eq!(w.refuse(close, &[]), "market Unrelated");
    w.close_task(&job);
}
