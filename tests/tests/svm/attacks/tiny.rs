//! Dust: rates of an atom a day, payments split into thousands, amounts of one atom, and what rounding could be milked for.

use gridlease_core::job::EndReason;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{Lease, Purse};
use gridlease_sdk::instruction::{lease, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_signer::Signer;

#[test]
fn a_settlement_that_is_split_into_thousands_pays_exactly_what_one_pays_and_no_fee_is_saved() {
    let pieces = 3_000;
    let mut totals = Vec::new();
    for every in [pieces, 1] {
        let mut w = World::unsigned();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_234_567, |_| {});
        let start = w.now();
        for piece in 1..=pieces {
            // A second and two or three slots at a time: less than a third of an atom is lost to rounding if each is counted.
            w.set_clock(Now { slot: start.slot + piece * 5 / 2, ts: UnixTs(start.ts.0 + piece) });
            if piece % every == 0 {
                w.send_light(&lease::settle(&keys)).unwrap();
            }
        }
        w.assert_books();
        let purse: Purse = w.read(&buyer.purse);
        totals.push((w.tokens(&owner.payout), purse.fees_owed, purse.balance));
    }
    assert_eq!(totals[0], totals[1]);
    let gross: u64 = 1_234_567 * 3_000 / 3_600;
    assert_eq!((totals[0].0, totals[0].1), (gross - gross.div_ceil(50), gross.div_ceil(50)));
}

#[test]
fn at_an_atom_an_hour_the_lowest_price_that_there_is_every_atom_is_paid_and_none_is_lost() {
    // An atom an hour is the lowest price; with a fee an atom at least, the first atom is all fee.
    for (hours, gross) in [(1, 1), (23, 23), (24, 24), (49, 49), (51, 51), (100, 100)] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|supply| (supply.ask, supply.floor) = (1, 1));
        let keys = w.running(&buyer, &owner, 1, |args| {
            args.max_price = 1;
            args.max_duration_s = 720 * 3_600;
        });
        for _ in 0..hours {
            w.pass(3_600);
            w.settle(&keys);
        }
        w.finish(&owner, &keys, EndReason::Completed);
        w.settle(&keys);
        let lease: Lease = w.read(&keys.lease);
        assert_eq!(lease.paid + lease.fee, gross, "{hours} hours");
        assert_eq!(lease.fee, u64::div_ceil(gross, 50));
        w.wind_up(&buyer, &keys);
    }
}

#[test]
fn settlements_between_two_atoms_move_nothing_and_cost_the_buyer_nothing() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| (supply.ask, supply.floor) = (1, 1));
    let keys = w.running(&buyer, &owner, 1, |args| (args.max_price, args.max_duration_s) = (1, 720 * 3_600));
    for _ in 0..35 {
        w.pass(100);
        w.changes_nothing(lease::settle(&keys));
    }
    w.pass(100);
    w.settle(&keys);
    assert_eq!((w.read::<Lease>(&keys.lease).fee, w.tokens(&owner.payout)), (1, 0), "the first atom is the fee");
}

#[test]
fn a_fee_of_one_atom_is_swept_whole_and_one_half_is_never_made_of_it() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| (supply.ask, supply.floor) = (1, 1));
    let keys = w.running(&buyer, &owner, 1, |args| (args.max_price, args.max_duration_s) = (1, 720 * 3_600));
    w.pass(3_600);
    w.finish(&owner, &keys, EndReason::Completed);
    w.settle(&keys);
    w.sweep(&buyer);
    assert_eq!((w.tokens(&w.treasury), w.tokens(&w.insurance)), (1, 0));
    let sweep = purse::sweep_fees(&buyer.purse, &w.treasury, &w.insurance);
    w.changes_nothing(sweep);
}

#[test]
fn a_job_of_dust_still_reserves_ten_cents_and_its_bidder_five_usdc_of_stake() {
    let mut w = World::new();
    let buyer = w.buyer(99_999);
    let (post, _) = w.post(&buyer, |args| (args.max_price, args.max_duration_s) = (1, 60));
    assert_eq!(w.refuse(post, &[&buyer.key]), "market InsufficientFree");
    let buyer = w.buyer(100_000);
    let poor = w.provider(|supply| (supply.ask, supply.floor, supply.stake) = (1, 1, 5 * USDC - 1));
    let job = w.job(&buyer, |args| (args.max_price, args.max_duration_s) = (1, 60));
    let bid = w.bid_of(&poor, &job, 1);
    assert_eq!(w.refuse(bid, &[&poor.node]), "market InsufficientStake");
}

#[test]
fn one_atom_in_and_one_atom_out_a_thousand_times_makes_no_atom() {
    let mut w = World::unsigned();
    let buyer = w.buyer(1);
    let key = buyer.key.pubkey();
    for _ in 0..1_000 {
        w.send_light(&purse::withdraw(&key, &buyer.wallet, 1)).unwrap();
        w.send_light(&purse::deposit(&key, &key, &buyer.wallet, 1)).unwrap();
    }
    w.assert_books();
    assert_eq!((w.tokens(&buyer.vault), w.read::<Purse>(&buyer.purse).balance), (1, 1));
}
