//! The walk through the house: one job from its posting to its end, to the last atom and the last lamport.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::tip::TIP;
use gridlease_core::{Atoms, invariant};
use gridlease_sdk::account::{Bond, Job, Lease, Offer, Provider as Record, Purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use solana_signer::Signer;

#[test]
fn a_job_runs_from_post_to_close_and_every_atom_and_lamport_is_accounted_for() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let provider = w.provider(|_| {});
    let sol = |w: &World| (w.lamports(&buyer.key.pubkey()), w.lamports(&provider.node.pubkey()));
    let (before, offer) = (sol(&w), w.lamports(&provider.offer));

    let (post, job) = w.post(&buyer, |_| {});
    let posted = w.ok(&[post], &[&buyer.key]);
    assert_eq!(posted.told(), ["JobPosted"]);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3_600_000);

    let bid = w.bid(&provider, &job, 1_200_000);
    assert_eq!(bid.told(), ["BidEntered"]);
    w.close_window(&job);
    let award = w.award_of(&job);
    let awarded = w.ok(&[award], &[]);
    assert_eq!(awarded.told(), ["Reserved", "JobAwarded"]);
    let lease = w.read::<Job>(&job).current_lease(&job).unwrap();
    let keys = w.keys(&lease);

    w.pass(20);
    assert_eq!(w.ready(&provider, &keys).told(), ["LeaseReady"]);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 2_400_000, "the winning price for two hours");

    w.pass(900);
    assert_eq!(w.settle(&keys).told(), ["Settled"]);
    assert_eq!(w.tokens(&provider.payout), 294_000, "a quarter of an hour less two per cent");
    w.pass(900);
    assert_eq!(w.finish_unseen(&provider, &keys, EndReason::Completed).told(), ["LeaseFinished"]);
    assert_eq!(w.read::<Job>(&job).state(), Some(JobState::Review));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 2_400_000 - 300_000, "it is the buyer's to reopen (R2)");
    assert_eq!(w.accept(&buyer, &keys).told(), ["LeaseEnded"]);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 300_000, "what is owed");
    assert_eq!(w.settle(&keys).told(), ["Settled"]);
    assert_eq!(w.tokens(&provider.payout), 588_000);
    assert_eq!(w.close_lease(&keys).told(), ["Released", "LeaseClosed"]);
    let ended: Job = w.read(&job);
    assert_eq!(
        (ended.state(), ended.end_reason(), ended.exit()),
        (Some(JobState::Ended), EndReason::Completed, Some(0))
    );
    assert_eq!(w.close_job(&buyer, &job).told(), ["JobClosed"]);
    assert_eq!(w.sweep(&buyer).told(), ["FeesSwept"]);
    assert_eq!((w.tokens(&w.treasury), w.tokens(&w.insurance)), (6_000, 6_000));

    let left = w.read::<Purse>(&buyer.purse).balance;
    w.withdraw(&buyer, left);
    invariant::conservation(Atoms(10 * USDC), Atoms(588_000), Atoms(12_000), Atoms(left), Atoms(0)).unwrap();
    assert_eq!(w.tokens(&buyer.wallet), 9_400_000);
    assert_eq!((w.tokens(&buyer.vault), w.read::<Purse>(&buyer.purse).balance), (0, 0));

    // R35: all but the tip for the award that leased, in which nobody was named: it is in the offer, beside the rent.
    assert_eq!(sol(&w), (before.0 - TIP, before.1), "all rent is back with who paid it");
    assert_eq!(w.lamports(&provider.offer), offer + TIP);
    assert!(w.find::<Lease>(&lease).is_none() && w.find::<Job>(&job).is_none());
    let record: Record = w.read(&provider.record);
    assert_eq!((record.completed, record.started, record.start_s, record.earned), (1, 1, 20, 588_000));
    assert_eq!(w.read::<Offer>(&provider.offer).units_free, 2);
}

/// A world in which one number was falsified; any transaction after that must be noticed by the audit.
fn falsified(edit: impl FnOnce(&mut World, &Buyer, &Provider)) {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let provider = w.provider(|_| {});
    w.starting(&buyer, &provider, 1_000_000, |_| {});
    edit(&mut w, &buyer, &provider);
    w.withdraw(&buyer, 1);
}

#[test]
#[should_panic(expected = "InvariantBroken")]
fn the_audit_notices_an_atom_reserved_for_nothing() {
    falsified(|w, buyer, _| w.edit_as::<Purse>(&buyer.purse, |purse| purse.reserved += 1));
}

#[test]
#[should_panic(expected = "reservations of bond")]
fn the_audit_notices_stake_bound_to_nothing() {
    falsified(|w, _, provider| w.edit_as::<Bond>(&provider.bond, |bond| bond.reserved += 1));
}

#[test]
#[should_panic(expected = "the USDC in all accounts")]
fn the_audit_notices_money_out_of_nowhere() {
    falsified(|w, buyer, _| w.edit(&buyer.vault, |data| data[64] += 1));
}

#[test]
#[should_panic(expected = "what the events say")]
fn the_audit_notices_what_no_event_told() {
    falsified(|w, buyer, _| {
        w.edit_as::<Purse>(&buyer.purse, |purse| {
            (purse.balance, purse.deposited) = (purse.balance - 1, purse.deposited - 1)
        });
    });
}
