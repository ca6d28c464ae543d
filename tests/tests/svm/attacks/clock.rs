//! A chain whose clock does what it should not: it stands still, jumps, runs backward, or makes its slots too fast or too slow.

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{Job, Lease, Purse};
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::{job, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use gridlease_tests::svm::steps::outcome;
use solana_signer::Signer;

use super::asked;

/// A running lease at 500 atoms a second for at most two hours.
fn running(w: &mut World) -> (Buyer, Provider, LeaseKeys) {
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    (buyer, owner, keys)
}

/// What is paid for `ms` milliseconds at 500 atoms a second: an atom for every two of them, less two per cent.
fn net(ms: u64) -> u64 {
    let gross = ms / 2;
    gross - gross.div_ceil(50)
}

/// Goes to `seconds` and `slots` after `start`.
fn go(w: &mut World, start: Now, slots: u64, seconds: u64) {
    w.set_clock(Now { slot: start.slot + slots, ts: UnixTs(start.ts.0 + seconds) });
}

#[test]
fn r22_with_slots_of_200_to_800_milliseconds_nobody_pays_for_a_second_more_or_less_than_passed() {
    for slot_ms in (200..=800).step_by(50) {
        let mut w = World::new();
        let (buyer, owner, keys) = running(&mut w);
        let start = w.now();
        for seconds in [95, 200, 600, 1_800, 3_601] {
            let slots = seconds * 1_000 / slot_ms;
            go(&mut w, start, slots, seconds);
            w.settle(&keys);
            // The wall clock is the meter; inside a second, slots as if each took 400 ms.
            let ms = (slots * 400).clamp(seconds * 1_000, seconds * 1_000 + 999);
            assert_eq!(w.tokens(&owner.payout), net(ms), "{slot_ms} ms, {seconds} s");
            assert!(slot_ms < 400 || ms == seconds * 1_000, "slower slots take nothing from the provider");
        }
        w.stop(&buyer, &keys);
        w.wind_up(&buyer, &keys);
        let purse: Purse = w.read(&buyer.purse);
        assert_eq!(purse.balance + w.tokens(&owner.payout), 20 * USDC, "{slot_ms} ms");
    }
}

#[test]
fn r22_a_clock_that_stands_still_bills_less_than_a_second_however_many_slots_are_made() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let start = w.now();
    go(&mut w, start, 500, 200);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), net(200_000));
    for (slots, ms) in [(501, 200_400), (502, 200_800), (503, 200_999), (5_000, 200_999), (5_000_000, 200_999)] {
        go(&mut w, start, slots, 200);
        w.settle(&keys);
        assert_eq!(w.tokens(&owner.payout), net(ms), "{slots} slots");
        w.changes_nothing(lease::settle(&keys));
        w.changes_nothing(lease::expire(&keys));
    }
    // Nor does a deadline pass: a challenge can be answered as long as its minute has not gone by.
    let asker = w.person();
    w.challenge(&asker, &keys);
    go(&mut w, start, 50_000_000, 260);
    w.answer(&owner, &keys);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), net(260_999), "the whole time by the clock, and not a second by slots");
}

#[test]
fn r22_slots_that_stand_still_while_the_clock_runs_bill_a_second_each_before_the_runway_ends() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let start = w.now();
    for seconds in [100, 3_600, 7_199] {
        go(&mut w, start, 1, seconds);
        w.settle(&keys);
        assert_eq!(w.tokens(&owner.payout), net(1_000), "one slot, which is a second at most");
    }
    // From the runway's end on the clock alone counts: see core/src/stream.rs.
    go(&mut w, start, 1, 7_200);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 3_528_000);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, 20 * USDC - 3_528_000);
}

#[test]
fn a_clock_that_jumps_by_a_day_a_year_or_a_century_bills_no_more_than_was_reserved_and_locks_nobody() {
    for seconds in [86_400, 366 * 86_400, 100 * 366 * 86_400] {
        let mut w = World::new();
        let (buyer, owner, keys) = running(&mut w);
        let waiting = w.job(&buyer, |_| {});
        let sealed = w.job(&buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
        w.pass(seconds);
        w.settle(&keys);
        // R14: whoever sees the end of the funds so late leaves the buyer a minute, and as many slots, to top up.
        w.changes_nothing(lease::expire(&keys));
        w.pass(60);
        w.changes_nothing(lease::expire(&keys));
        w.pass(1);
        w.expire(&keys);
        assert_eq!(w.read::<Job>(&keys.job).end_reason(), EndReason::OutOfFunds);
        w.settle(&keys);
        assert_eq!(w.tokens(&owner.payout), 3_528_000, "what was reserved, less the fee");
        w.close_lease(&keys);
        w.close_job(&buyer, &keys.job);
        for open in [waiting, sealed] {
            w.ok(&[job::cancel(&buyer.key.pubkey(), &open)], &[&buyer.key]);
            w.close_job(&buyer, &open);
        }
        let free = w.read::<Purse>(&buyer.purse).free().0;
        assert_eq!(free, 20 * USDC - 3_600_000);
        w.withdraw(&buyer, free);
        w.withdraw_offer(&owner);
    }
}

#[test]
fn a_start_that_a_jump_made_too_late_fails_once_and_the_money_is_back() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |args| args.attempts = 1);
    w.pass(366 * 86_400);
    w.fail_start(&keys);
    let again = lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance);
    w.changes_nothing(again);
    assert_eq!(w.read::<Purse>(&buyer.purse).free().0, 20 * USDC);
}

/// What is tried while the clock runs backward, by each of the parties.
fn tries(w: &World, buyer: &Buyer, owner: &Provider, keys: &LeaseKeys) -> Vec<solana_instruction::Instruction> {
    let (key, node) = (buyer.key.pubkey(), owner.node.pubkey());
    vec![
        lease::settle(keys),
        lease::expire(keys),
        lease::top_up(&key, &keys.lease, 100_000, None),
        lease::reject_ready(&key, keys, &w.insurance),
        supervision::challenge(&w.payer.pubkey(), &keys.lease),
        lease::fail_start(&node, keys, &w.insurance),
        lease::declare_unreachable(&w.payer.pubkey(), keys, &w.insurance),
        lease::finish(&node, keys, EndReason::OutOfFunds, outcome()),
        lease::stop(&key, keys),
        lease::settle(keys),
        lease::close(keys),
    ]
}

#[test]
fn whatever_is_tried_while_the_clock_runs_backward_nothing_that_was_paid_comes_back_and_nothing_is_paid_twice() {
    for back in [1, 60, 95, 200, 1_000_000] {
        for first in 0..11 {
            let mut w = World::new();
            let (buyer, owner, keys) = running(&mut w);
            w.pass(200);
            w.settle(&keys);
            let paid = w.tokens(&owner.payout);
            let now = w.now();
            w.set_clock(Now { slot: now.slot - 100, ts: UnixTs(now.ts.0 - back) });
            let tries = tries(&w, &buyer, &owner, &keys);
            for instruction in tries.into_iter().cycle().skip(first).take(11) {
                // Refused or not: the world audits its books after each.
                let instruction = [instruction];
                let signers = asked(&instruction, &[&buyer.key, &owner.node]);
                let _ = w.send(&instruction, &signers);
                assert!(w.tokens(&owner.payout) >= paid);
            }
            // Time goes on, and whoever is owed gets it.
            w.set_clock(Now { slot: now.slot + 500, ts: UnixTs(now.ts.0 + 200) });
            if let Some(lease) = w.find::<Lease>(&keys.lease) {
                if !matches!(lease.state(), Some(LeaseState::Ended | LeaseState::Failed)) {
                    w.stop(&buyer, &keys);
                }
                // The challenge that was made while the clock stood wrong: missed or moot by now, and its credit is owed.
                if w.read::<Lease>(&keys.lease).challenge_end > 0 {
                    w.resolve(&keys);
                }
                if w.read::<Lease>(&keys.lease).credit > 0 {
                    w.collect(&keys);
                }
                w.settle(&keys);
                w.close_lease(&keys);
            }
            let purse: Purse = w.read(&buyer.purse);
            let got = w.tokens(&owner.payout) + purse.fees_owed;
            assert!(got <= 400 * 500, "back by {back}: no more than by the clock at its furthest");
            assert_eq!(purse.balance - purse.fees_owed + got, 20 * USDC);
        }
    }
}
