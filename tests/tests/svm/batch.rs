//! Several leases of one buyer with one provider, settled with one transfer.

use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Lease, Purse};
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use gridlease_sdk::instruction::lease::{self, BATCH_LEASES, LeaseKeys};
use gridlease_tests::svm::World;
use gridlease_tests::svm::outcome::Done;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// `count` running leases of one buyer with one provider at 500 atoms a second, begun at one moment.
fn leases(w: &mut World, count: u16) -> (Buyer, Provider, Vec<LeaseKeys>) {
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|supply| (supply.units, supply.stake) = (count, 200 * USDC));
    let jobs: Vec<_> = (0..count).map(|_| w.job(&buyer, |_| {})).collect();
    for job in &jobs {
        w.bid(&owner, job, 1_800_000);
    }
    w.pass(12);
    let leases: Vec<_> = jobs.iter().map(|job| w.award(job)).collect();
    let keys: Vec<_> = leases.iter().map(|lease| w.keys(lease)).collect();
    for keys in &keys {
        w.ready(&owner, keys);
    }
    (buyer, owner, keys)
}

fn further(keys: &[LeaseKeys]) -> Vec<Pubkey> {
    keys.iter().skip(1).map(|keys| keys.lease).collect()
}

fn transfers(done: &Done) -> usize {
    let called = format!("Program {TOKEN_PROGRAM} invoke");
    done.logs.iter().filter(|line| line.starts_with(&called)).count()
}

fn net(done: &Done) -> Vec<u64> {
    let batch = done.market().find_map(|event| match event {
        MarketEvent::BatchSettled(batch) => Some(batch.leases.iter().map(|moved| moved.net).collect()),
        _ => None,
    });
    batch.unwrap_or_default()
}

#[test]
fn three_leases_are_paid_with_one_transfer_and_end_as_if_each_was_paid_by_itself() {
    let mut totals = Vec::new();
    for batched in [true, false] {
        let mut w = World::new();
        let (buyer, owner, keys) = leases(&mut w, 3);
        w.pass(100);
        w.finish(&owner, &keys[1], EndReason::Completed);
        w.pass(50);
        if batched {
            let done = w.ok(&[lease::settle_batch(&keys[0], &further(&keys))], &[]);
            assert_eq!((done.told(), transfers(&done)), (vec!["BatchSettled"], 1));
            assert_eq!(net(&done), [150 * 490, 100 * 490, 150 * 490]);
            w.changes_nothing(lease::settle_batch(&keys[0], &further(&keys)));
        } else {
            for keys in &keys {
                w.settle(keys);
            }
        }
        assert_eq!(w.tokens(&owner.payout), 400 * 490);
        w.close_lease(&keys[1]);
        for keys in [&keys[0], &keys[2]] {
            w.stop(&buyer, keys);
            w.wind_up(&buyer, keys);
        }
        let purse: Purse = w.read(&buyer.purse);
        totals.push((w.tokens(&owner.payout), purse.balance, purse.fees_owed, purse.paid, purse.fees));
    }
    assert_eq!(totals[0], totals[1]);
}

#[test]
fn a_lease_that_is_named_several_times_is_paid_once() {
    let mut w = World::new();
    let (_, owner, keys) = leases(&mut w, 2);
    w.pass(100);
    let many = [keys[1].lease, keys[0].lease, keys[1].lease, keys[1].lease];
    let done = w.ok(&[lease::settle_batch(&keys[0], &many)], &[]);
    assert_eq!(net(&done), [49_000, 49_000]);
    assert_eq!(w.tokens(&owner.payout), 98_000);
}

#[test]
fn a_batch_passes_over_leases_that_owe_nothing_and_moves_those_on_whose_runway_is_over() {
    let mut w = World::new();
    let (buyer, owner, keys) = leases(&mut w, 2);
    w.pass(7_300);
    let done = w.ok(&[lease::settle_batch(&keys[0], &further(&keys))], &[]);
    assert_eq!(net(&done), [3_528_000, 3_528_000]);
    assert!(keys.iter().all(|keys| w.read::<Lease>(&keys.lease).grace_end > 0));
    for keys in &keys {
        w.stop(&buyer, keys);
    }
    w.changes_nothing(lease::settle_batch(&keys[0], &further(&keys)));
    assert_eq!(w.tokens(&owner.payout), 2 * 3_528_000);
}

#[test]
fn a_batch_of_several_buyers_or_payout_accounts_is_refused() {
    let mut w = World::new();
    let (buyer, owner, keys) = leases(&mut w, 2);
    let (stranger, _, theirs) = leases(&mut w, 1);
    let rival = w.provider(|_| {});
    let elsewhere = w.running(&buyer, &rival, 1_000_000, |_| {});
    w.pass(100);
    for (what, other) in [("another buyer", theirs[0].lease), ("another payout", elsewhere.lease)] {
        let batch = lease::settle_batch(&keys[0], &[keys[1].lease, other]);
        assert_eq!(w.refuse(batch, &[]), "market MixedBatch", "{what}");
    }
    let no_lease = [
        ("a job", keys[0].job, "AccountDiscriminatorMismatch"),
        ("a bond", owner.bond, "AccountOwnedByWrongProgram"),
        ("nothing", stranger.key.pubkey(), "AccountOwnedByWrongProgram"),
    ];
    for (what, other, reason) in no_lease {
        let batch = lease::settle_batch(&keys[0], &[other]);
        assert_eq!(w.refuse(batch, &[]), format!("market {reason}"), "{what}");
    }
    let mut read_only = lease::settle_batch(&keys[0], &further(&keys));
    read_only.accounts.last_mut().unwrap().is_writable = false;
    assert_eq!(w.refuse(read_only, &[]), "market ConstraintMut");
    w.freeze(&owner.payout, true);
    assert_eq!(w.refuse(lease::settle_batch(&keys[0], &further(&keys)), &[]), "token 17");
}

#[test]
fn each_further_lease_of_a_batch_costs_little_and_as_many_as_the_sdk_allows_fit_a_transaction() {
    let mut w = World::new();
    let count = 1 + u16::try_from(BATCH_LEASES).unwrap();
    let (_, owner, keys) = leases(&mut w, count);
    let mut costs = Vec::new();
    for count in [2, 3, 4, keys.len()] {
        w.pass(100);
        let done = w.ok(&[lease::settle_batch(&keys[0], &further(&keys[..count]))], &[]);
        assert_eq!(net(&done).len(), count);
        assert!(done.bytes + 52 <= 1_232, "{} bytes with {count} leases", done.bytes);
        costs.push((count as u64, done.cu));
    }
    let (first, last) = (costs[0], costs[3]);
    let each = (last.1 - first.1) / (last.0 - first.0);
    assert!(each <= 3_000, "{each} CU for each further lease: {costs:?}");
    assert!(w.tokens(&owner.payout) > 0);
}
