//! The second edition's rules for the life of a job and its lease, on the built programs.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Bond, Job, Lease, Offer, Provider as Record, Purse};
use gridlease_sdk::instruction::job;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use gridlease_tests::svm::steps::outcome;
use solana_signer::Signer;

/// Atoms a second of every lease here, at 1.8 USDC an hour; that is the job's maximum too.
const PRICE: u64 = 1_800_000;
/// Sixty seconds of it.
const MINUTE: u64 = 30_000;
/// What a job reserves: two hours at its maximum.
const CAP: u64 = 3_600_000;

fn parties(w: &mut World) -> (Buyer, Provider) {
    (w.buyer(20 * USDC), w.provider(|_| {}))
}

fn running(w: &mut World) -> (Buyer, Provider, LeaseKeys) {
    let (buyer, owner) = parties(w);
    let keys = w.running(&buyer, &owner, PRICE, |_| {});
    (buyer, owner, keys)
}

/// State and attempts of the job.
fn job_of(w: &World, keys: &LeaseKeys) -> (Option<JobState>, u8) {
    let job: Job = w.read(&keys.job);
    (job.state(), job.attempts_left)
}

/// Faults, and atoms taken from the bond.
fn harm(w: &World, owner: &Provider) -> (u32, u64) {
    (w.read::<Record>(&owner.record).faulted, w.read::<Bond>(&owner.bond).slashed_total)
}

#[test]
fn r02_a_finish_is_over_when_the_buyer_accepts_and_the_unit_is_free_before() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(200);
    assert!(w.finish_unseen(&owner, &keys, EndReason::Completed).told().contains(&"LeaseFinished"));
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.state(), lease.base), (Some(LeaseState::Finished), 100_000));
    assert_eq!(w.read::<Offer>(&owner.offer).units_free, 2, "the node lets its unit again at once");
    assert_eq!(job_of(&w, &keys), (Some(JobState::Review), 3));
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 98_000, "paid before the buyer has looked");
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market WrongState");
    w.accept(&buyer, &keys);
    assert_eq!(job_of(&w, &keys), (Some(JobState::Ended), 3));
    w.wind_up(&buyer, &keys);
    w.withdraw(&buyer, 20 * USDC - 100_000);
}

#[test]
fn r02_who_reopens_pays_what_ran_and_the_job_waits_for_another_provider() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(200);
    w.finish_unseen(&owner, &keys, EndReason::Completed);
    w.pass(200);
    w.reopen(&buyer, &keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.state(), lease.end_reason()), (Some(LeaseState::Ended), EndReason::Reopened));
    assert_eq!(job_of(&w, &keys), (Some(JobState::Waiting), 2));
    assert_eq!(w.read::<Job>(&keys.job).reserved, CAP - 100_000);
    let again = w.bid_of(&owner, &keys.job, 1_000_000);
    assert_eq!(w.refuse(again, &[&owner.node]), "market Excluded");
    assert_eq!(harm(&w, &owner), (0, 0), "nobody can tell who was right");
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 98_000);
}

#[test]
fn r02_the_time_to_reopen_is_the_time_that_ran_from_a_minute_to_ten_and_then_anybody_closes_it() {
    for (ran, review) in [(10, 60), (200, 200), (1_000, 600)] {
        let mut w = World::new();
        let (buyer, owner, keys) = running(&mut w);
        w.pass(ran);
        w.finish_unseen(&owner, &keys, EndReason::Completed);
        w.pass(review + 1);
        let late = lease::reopen(&buyer.key.pubkey(), &keys);
        assert_eq!(w.refuse(late, &[&buyer.key]), "market TooLate", "after {ran} s");
        w.expire(&keys);
        assert_eq!(job_of(&w, &keys), (Some(JobState::Ended), 3));
        w.wind_up(&buyer, &keys);
    }
}

#[test]
fn r02_a_node_that_is_asked_to_show_itself_or_is_down_cannot_finish() {
    let mut w = World::new();
    let (_, owner, keys) = running(&mut w);
    let asker = w.person();
    w.pass(100);
    let finish = lease::finish(&owner.node.pubkey(), &keys, EndReason::Completed, outcome());
    w.challenge(&asker, &keys);
    assert_eq!(w.refuse(finish.clone(), &[&owner.node]), "market ChallengeOpen");
    w.answer(&owner, &keys);
    w.take_down(&asker, &keys);
    assert_eq!(w.read::<Lease>(&keys.lease).state(), Some(LeaseState::Paused));
    assert_eq!(w.refuse(finish.clone(), &[&owner.node]), "market WrongState");
    w.resume(&owner, &keys);
    w.ok(&[finish], &[&owner.node]);
}

#[test]
fn r04_a_bid_that_the_rest_of_the_money_cannot_pay_for_ten_minutes_is_dropped_without_fault() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let next = w.provider(|_| {});
    // Ten minutes at the maximum: what is left after a lease is too little for ten more at that price.
    let keys = w.running(&buyer, &owner, PRICE, |args| args.max_duration_s = 900);
    w.pass(400);
    w.finish_unseen(&owner, &keys, EndReason::Completed);
    w.reopen(&buyer, &keys);
    assert_eq!(
        job_of(&w, &keys).0,
        Some(JobState::Ended),
        "500 s at its price are left, which is less than ten minutes"
    );
    let dear = w.bid_of(&next, &keys.job, PRICE);
    assert_eq!(w.refuse(dear, &[&next.node]), "market WrongState");
    assert_eq!(harm(&w, &next), (0, 0));
}

#[test]
fn r05_a_decline_is_no_fault_and_costs_the_minute_for_a_bid_of_its_own() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let keys = w.starting(&buyer, &owner, PRICE, |_| {});
    w.pass(29);
    let done = w.decline(&owner, &keys);
    assert!(done.told().contains(&"StartUndone"), "{:?}", done.told());
    assert_eq!(harm(&w, &owner), (0, MINUTE));
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.end_reason(), lease.refunded, lease.forfeited), (EndReason::Declined, CAP, 0));
    assert_eq!(job_of(&w, &keys).0, Some(JobState::Waiting));

    let late = w.provider(|_| {});
    let keys = w.starting(&buyer, &late, PRICE, |_| {});
    w.pass(30);
    let decline = lease::decline(&late.node.pubkey(), &keys, &w.insurance);
    assert_eq!(w.refuse(decline, &[&late.node]), "market TooLate");
}

#[test]
fn r05_an_automatic_bid_is_declined_for_nothing() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let auto = w.provider(|supply| supply.auto_bid = true);
    let job = w.job(&buyer, |_| {});
    w.ok(&[job::enter_offer(&job, &auto.bidder())], &[]);
    w.close_window(&job);
    let lease = w.award(&job);
    let keys = w.keys(&lease);
    w.decline(&auto, &keys);
    assert_eq!(harm(&w, &auto), (0, 0));
}

#[test]
fn r05_a_want_costs_each_side_the_minute_and_is_no_fault() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let keys = w.starting(&buyer, &owner, PRICE, |_| {});
    w.pass(50);
    w.want(&owner, &keys);
    assert_eq!(harm(&w, &owner), (0, MINUTE));
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.end_reason(), lease.forfeited), (EndReason::NotGiven, MINUTE));
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance, purse.forfeits_owed, purse.free().0), (20 * USDC, MINUTE, 20 * USDC - CAP));
    assert_eq!(job_of(&w, &keys).0, Some(JobState::Waiting));
}

#[test]
fn r05_a_want_after_half_of_the_time_to_start_is_refused_and_a_node_that_said_nothing_is_at_fault() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let keys = w.starting(&buyer, &owner, PRICE, |_| {});
    let lease: Lease = w.read(&keys.lease);
    let half = (lease.start_deadline - w.now().ts.0) / 2;
    w.pass(half + 1);
    let want = lease::want(&owner.node.pubkey(), &keys, &w.insurance);
    assert_eq!(w.refuse(want, &[&owner.node]), "market TooLate");
    w.at(lease.start_deadline + 1);
    w.fail_start(&keys);
    let (faults, slashed) = harm(&w, &owner);
    assert!(faults == 1 && slashed > 0);
    assert_eq!(w.read::<Purse>(&buyer.purse).forfeits_owed, 0, "the buyer owes nothing");
}

#[test]
fn r05_a_buyer_s_error_that_two_providers_report_ends_the_job() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let second = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, PRICE, |args| args.attempts = 8);
    let fair = lease::report_buyer_error(&owner.node.pubkey(), &keys, &w.insurance, 1);
    assert_eq!(w.refuse(fair, &[&owner.node]), "market ReasonNotAllowed", "its program's own exit code is no error");
    w.buyer_error(&owner, &keys, 127);
    assert_eq!(job_of(&w, &keys).0, Some(JobState::Waiting), "one may be wrong");
    w.bid(&second, &keys.job, PRICE);
    w.close_window(&keys.job);
    let lease = w.award(&keys.job);
    let again = w.keys(&lease);
    w.buyer_error(&second, &again, 127);
    let job: Job = w.read(&keys.job);
    assert_eq!((job.state(), job.end_reason()), (Some(JobState::Ended), EndReason::BuyerError));
    assert_eq!((harm(&w, &owner), harm(&w, &second)), ((0, MINUTE), (0, MINUTE)));
    assert_eq!(w.read::<Purse>(&buyer.purse).forfeits_owed, 2 * MINUTE);
}

#[test]
fn r08_money_in_grace_resolves_a_challenge_that_grace_made_moot() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let keys = w.running(&buyer, &owner, PRICE, |args| args.max_duration_s = 600);
    let asker = w.person();
    w.pass(580);
    let had = w.lamports(&asker.pubkey());
    w.challenge(&asker, &keys);
    w.pass(40);
    w.expire(&keys);
    assert_eq!(w.read::<Lease>(&keys.lease).state(), Some(LeaseState::Grace));
    w.pass(50);
    let done = w.top_up(&buyer, &keys, 300_000);
    assert!(done.told().contains(&"ChallengeResolved"), "{:?}", done.told());
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.state(), lease.challenge_end), (Some(LeaseState::Running), 0));
    assert_eq!(w.lamports(&asker.pubkey()), had, "the bond goes back");
}

#[test]
fn r30_at_the_end_of_a_notice_the_lease_is_over_whatever_the_node_does() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let keys = w.running(&buyer, &owner, PRICE, |args| args.notice_s = 60);
    w.pass(100);
    w.give_notice(&owner, &keys);
    w.pass(60);
    let finish = lease::finish(&owner.node.pubkey(), &keys, EndReason::Completed, outcome());
    assert_eq!(w.refuse(finish, &[&owner.node]), "market TooLate");
    w.pass(1_000);
    w.expire(&keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.state(), lease.end_reason()), (Some(LeaseState::Ended), EndReason::Notice));
    assert_eq!(lease.base, 80_000, "160 s, though it was closed 1,000 s later");
    assert_eq!(harm(&w, &owner), (0, 0));
    assert_eq!(job_of(&w, &keys).0, Some(JobState::Waiting));
}

#[test]
fn r16_a_checkpoint_keeps_a_quarter_of_the_time_between_it_and_the_last() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let keys = w.running(&buyer, &owner, PRICE, |args| args.checkpoint_s = 60);
    let write = |seq| gridlease_sdk::instruction::supervision::checkpoint(&owner.node.pubkey(), &keys, seq, [1; 32], 9);
    w.pass(14);
    assert_eq!(w.refuse(write(1), &[&owner.node]), "market TooEarly");
    w.pass(1);
    w.checkpoint(&owner, &keys, 1);
    w.pass(15);
    assert_eq!(w.refuse(write(u32::MAX), &[&owner.node]), "market StaleCheckpoint");
    assert_eq!(w.refuse(write(3), &[&owner.node]), "market StaleCheckpoint");
    w.checkpoint(&owner, &keys, 2);
}

#[test]
fn r31_a_job_that_waits_takes_an_offer_refreshed_much_later() {
    let mut w = World::new();
    let (buyer, owner) = parties(&mut w);
    let job = w.job(&buyer, |_| {});
    w.pass(80_000);
    let terms = Supply::default().terms(w.now().ts.0);
    w.refresh(&owner, terms);
    w.bid(&owner, &job, PRICE);
    w.close_window(&job);
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, owner.record);
    assert_eq!(w.read::<Job>(&job).attempts_left, 3);
}
