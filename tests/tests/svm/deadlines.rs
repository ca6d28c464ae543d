//! Every deadline a second before, at, and a second after.

use gridlease_core::Now;
use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_EXTENSIONS;
use gridlease_sdk::account::{Job, Lease, Provider as Record};
use gridlease_sdk::instruction::job;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use gridlease_tests::svm::steps::{GPUS, IMAGE, outcome};
use gridlease_tests::svm::{World, metered_ms};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// "ok", or the reason of the refusal without the program's name.
fn answer(w: &mut World, instruction: Instruction, signers: &[&Keypair]) -> String {
    match w.send(&[instruction], signers) {
        Ok(_) => "ok".to_owned(),
        Err(refused) => refused.to_string().replace("market ", ""),
    }
}

fn running(w: &mut World) -> (Buyer, Provider, LeaseKeys) {
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    (buyer, owner, keys)
}

#[test]
fn bids_end_and_the_award_begins_at_the_close_of_the_window() {
    for (at, bid, award) in [(11, "ok", "WindowOpen"), (12, "WindowClosed", "ok"), (13, "WindowClosed", "ok")] {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
        let auto = w.provider(|supply| supply.auto_bid = true);
        let job = w.job(&buyer, |_| {});
        w.bid(&first, &job, 1_000_000);
        w.pass(at);
        // A worse bid and entry, which extend nothing.
        let later = w.bid_of(&second, &job, 1_700_000);
        assert_eq!(answer(&mut w, later, &[&second.node]), bid, "bid at {at}");
        let award_now = w.award_of(&job);
        assert_eq!(answer(&mut w, award_now, &[]), award, "award at {at}");
        if award == "ok" {
            continue;
        }
        let enter = job::enter_offer(&job, &auto.bidder());
        assert_eq!(answer(&mut w, enter, &[]), "ok", "entry at {at}");
    }
}

#[test]
fn an_automatic_entry_ends_with_the_window_too() {
    for (at, bids) in [(11, 2), (12, 1), (13, 1)] {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let (first, auto) = (w.provider(|_| {}), w.provider(|supply| supply.auto_bid = true));
        let job = w.job(&buyer, |_| {});
        w.bid(&first, &job, 1_000_000);
        w.pass(at);
        w.ok(&[job::enter_offer(&job, &auto.bidder())], &[]);
        assert_eq!(w.read::<Job>(&job).bids().len(), bids, "at {at}");
    }
}

#[test]
fn a_new_leader_in_the_last_three_seconds_extends_the_window_by_three() {
    for (at, extended) in [(8, 0), (9, 3), (10, 3), (11, 3)] {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
        let job = w.job(&buyer, |_| {});
        assert_eq!(w.read::<Job>(&job).close_ts, 0, "it waits (R31)");
        w.bid(&first, &job, 1_000_000);
        let close = w.now().ts.0 + 12;
        assert_eq!(w.read::<Job>(&job).close_ts, close, "the first bid opens the window and extends nothing");
        w.pass(at);
        w.bid(&second, &job, 1_100_000);
        assert_eq!(w.read::<Job>(&job).close_ts, close, "a worse bid extends nothing, at {at}");
        w.bid(&second, &job, 900_000);
        let state: Job = w.read(&job);
        assert_eq!((state.close_ts, state.header.due_ts), (close + extended, close + extended), "at {at}");
    }
}

#[test]
fn a_window_is_extended_three_times_and_no_more() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = [w.provider(|_| {}), w.provider(|_| {})];
    let opener = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.bid(&opener, &job, 1_100_000);
    let close = w.read::<Job>(&job).close_ts;
    for round in 0..=u64::from(MAX_EXTENSIONS) {
        w.at(close + 3 * round - 1);
        w.bid(&owners[usize::from(round % 2 == 1)], &job, 1_000_000 - round);
        let expected = (round + 1).min(MAX_EXTENSIONS.into());
        assert_eq!(w.read::<Job>(&job).close_ts, close + 3 * expected, "round {round}");
    }
    w.at(close + 9);
    let late = w.bid_of(&owners[0], &job, 500_000);
    assert_eq!(answer(&mut w, late, &[&owners[0].node]), "WindowClosed");
    w.award(&job);
}

#[test]
fn the_bounds_of_the_window_are_exact() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    for (window_s, expected) in
        [(5, "DurationOutOfBounds"), (6, "ok"), (7, "ok"), (3_599, "ok"), (3_600, "ok"), (3_601, "DurationOutOfBounds")]
    {
        let (post, _) = w.post(&buyer, |args| args.window_s = window_s);
        assert_eq!(answer(&mut w, post, &[&buyer.key]), expected, "window of {window_s} s");
    }
    for (max_duration_s, expected) in [(59, "DurationOutOfBounds"), (60, "ok"), (61, "ok")] {
        let (post, _) = w.post(&buyer, |args| args.max_duration_s = max_duration_s);
        assert_eq!(answer(&mut w, post, &[&buyer.key]), expected, "{max_duration_s} s");
    }
    for (max_duration_s, expected) in
        [(720 * 3_600 - 1, "ok"), (720 * 3_600, "ok"), (720 * 3_600 + 1, "DurationOutOfBounds")]
    {
        let (post, _) = w.post(&buyer, |args| (args.max_duration_s, args.max_price) = (max_duration_s, 1_000));
        assert_eq!(answer(&mut w, post, &[&buyer.key]), expected, "{max_duration_s} s");
    }
}

#[test]
fn r14_a_bid_needs_an_offer_that_lives_beyond_the_auction_s_end_or_for_half_an_hour_more() {
    let short = [(87, "ok"), (88, "OfferNotLive"), (89, "OfferNotLive")].map(|(at, bid)| (12, 100, at, bid));
    let long = [(199, "ok"), (200, "OfferNotLive"), (201, "OfferNotLive")].map(|(at, bid)| (3_600, 2_000, at, bid));
    for (window_s, life, at, bid) in short.into_iter().chain(long) {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let owner = w.provider(|supply| supply.life = life);
        let job = w.job(&buyer, |args| args.window_s = window_s);
        w.pass(at);
        let instruction = w.bid_of(&owner, &job, 1_000_000);
        assert_eq!(answer(&mut w, instruction, &[&owner.node]), bid, "bid at {at}, window of {window_s} s");
    }
}

#[test]
fn r14_an_offer_is_live_until_the_second_before_its_expiry_and_to_let_it_expire_is_no_fault() {
    for (at, awarded) in [(19, true), (20, false), (21, false)] {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let owner = w.provider(|supply| supply.life = 20);
        let job = w.job(&buyer, |_| {});
        w.bid(&owner, &job, 1_000_000);
        w.pass(at);
        let award = w.award_of(&job);
        let told = w.ok(&[award], &[]).told();
        let expected = if awarded { vec!["Reserved", "JobAwarded"] } else { vec!["BidsDropped", "JobWaits"] };
        assert_eq!(told, expected, "an award {at} s after the posting of an offer for 20 s");
        let record: Record = w.read(&owner.record);
        assert_eq!((record.faulted, record.standing), (0, 5_000), "at {at}");
    }
}

#[test]
fn an_offer_lives_an_hour_at_most_and_a_second_at_least() {
    for (life, expected) in [(0, "BadExpiry"), (1, "ok"), (2, "ok"), (3_599, "ok"), (3_600, "ok"), (3_601, "BadExpiry")]
    {
        let mut w = World::new();
        let owner = w.provider(|_| {});
        let terms = Supply { life, ..Supply::default() }.terms(w.now().ts.0);
        let refresh =
            gridlease_sdk::instruction::provider::refresh_offer(&owner.node.pubkey(), &owner.record, 1, terms);
        assert_eq!(answer(&mut w, refresh, &[&owner.node]), expected, "{life} s");
    }
}

#[test]
fn ready_is_taken_until_the_start_deadline_and_anybody_fails_the_lease_after_it() {
    for (at, ready, fail) in [(139, "ok", "TooEarly"), (140, "ok", "TooEarly"), (141, "TooLate", "ok")] {
        for first in ["ready", "fail"] {
            let mut w = World::new();
            let buyer = w.buyer(10 * USDC);
            let owner = w.provider(|_| {});
            let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
            w.pass(at);
            if first == "ready" {
                let instruction = lease::ready(&owner.node.pubkey(), &keys, IMAGE, GPUS);
                assert_eq!(answer(&mut w, instruction, &[&owner.node]), ready, "ready at {at}");
            } else {
                let instruction = lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance);
                assert_eq!(answer(&mut w, instruction, &[]), fail, "fail at {at}");
            }
        }
    }
}

#[test]
fn the_node_may_give_up_its_start_before_the_deadline_and_nobody_else() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let fail = |key: &Keypair, w: &World| lease::fail_start(&key.pubkey(), &keys, &w.insurance);
    for (who, key) in [("buyer", &buyer.key), ("authority", &owner.authority)] {
        let instruction = fail(key, &w);
        assert_eq!(answer(&mut w, instruction, &[key]), "TooEarly", "{who}");
    }
    let instruction = fail(&owner.node, &w);
    assert_eq!(answer(&mut w, instruction, &[&owner.node]), "ok");
}

#[test]
fn grace_begins_at_the_end_of_the_runway() {
    for (at, told) in [(7_199, None), (7_200, Some("GraceBegan")), (7_201, Some("GraceBegan"))] {
        let mut w = World::new();
        let (_, owner, keys) = running(&mut w);
        let end = w.read::<Lease>(&keys.lease).runway_end;
        w.pass(at);
        if told.is_none() {
            w.changes_nothing(lease::expire(&keys));
        } else {
            assert_eq!(w.expire(&keys).told().first().copied(), told, "at {at}");
            let lease: Lease = w.read(&keys.lease);
            assert_eq!((lease.state(), lease.grace_end), (Some(LeaseState::Grace), end + 600));
            assert_eq!(lease.header.due_ts, end + 600, "counted from the runway's end, whoever comes when");
        }
        w.settle(&keys);
        let gross = metered_ms(at).min(7_200_000) / 2;
        assert_eq!(w.tokens(&owner.payout), gross - gross.div_ceil(50), "paid at {at}");
    }
}

#[test]
fn the_node_may_leave_for_want_of_funds_from_the_end_of_the_runway_on() {
    for (at, finish) in [(7_199, "TooEarly"), (7_200, "ok"), (7_201, "ok")] {
        let mut w = World::new();
        let (_, owner, keys) = running(&mut w);
        w.pass(at);
        let instruction = lease::finish(&owner.node.pubkey(), &keys, EndReason::OutOfFunds, outcome());
        assert_eq!(answer(&mut w, instruction, &[&owner.node]), finish, "at {at}");
    }
}

#[test]
fn a_top_up_resumes_until_the_end_of_grace_and_the_lease_ends_after_it() {
    for (at, top_up) in [(7_799, "ok"), (7_800, "ok"), (7_801, "TooLate")] {
        for first in ["top-up", "expire"] {
            let mut w = World::new();
            let (buyer, _, keys) = running(&mut w);
            w.extend(&buyer, &keys, 60); // what 30,000 atoms pay for (R28)
            w.pass(7_300);
            assert_eq!(w.expire(&keys).told(), ["GraceBegan"]);
            w.pass(at - 7_300);
            if first == "top-up" {
                let instruction = lease::top_up(&buyer.key.pubkey(), &keys.lease, 30_000, None);
                assert_eq!(answer(&mut w, instruction, &[&buyer.key]), top_up, "top-up at {at}");
            } else if top_up == "ok" {
                w.changes_nothing(lease::expire(&keys));
            } else {
                assert_eq!(w.expire(&keys).told(), ["LeaseEnded"], "at {at}");
            }
        }
    }
}

#[test]
fn r14_a_grace_that_nobody_saw_begin_lasts_a_minute_and_sixty_slots_from_when_somebody_does() {
    for (seen, end) in [(7_739, 7_800), (7_740, 7_800), (7_741, 7_801), (7_801, 7_861), (100_000, 100_060)] {
        for (late, top_up) in [(0, "ok"), (1, "TooLate")] {
            for first in ["top-up", "extend", "expire", "too few slots"] {
                let mut w = World::new();
                let (buyer, _, keys) = running(&mut w);
                w.extend(&buyer, &keys, 60);
                let ready = w.now().ts.0;
                w.pass(seen);
                assert_eq!(w.expire(&keys).told(), ["GraceBegan"], "the first call at {seen} ends nothing");
                assert_eq!(w.read::<Lease>(&keys.lease).grace_end, ready + end, "at {seen}");
                let slot = w.now().slot;
                w.at(ready + end + late);
                let key = buyer.key.pubkey();
                let extend = lease::extend(&key, &keys, 60);
                let instruction = lease::top_up(&key, &keys.lease, 30_000, None);
                if first == "too few slots" {
                    // The buyer still lengthens it and pays, however late the clock says that it is.
                    w.set_clock(Now { slot: slot + 59, ..w.now() });
                    w.changes_nothing(lease::expire(&keys));
                    w.ok(&[extend, instruction], &[&buyer.key]);
                } else if first == "top-up" {
                    assert_eq!(answer(&mut w, instruction, &[&buyer.key]), top_up, "seen at {seen}, {late} late");
                } else if first == "extend" {
                    assert_eq!(answer(&mut w, extend, &[&buyer.key]), top_up, "seen at {seen}, {late} late");
                } else if top_up == "ok" {
                    w.changes_nothing(lease::expire(&keys));
                } else {
                    assert_eq!(w.expire(&keys).told(), ["LeaseEnded"], "seen at {seen}");
                }
            }
        }
    }
}

#[test]
fn a_top_up_in_grace_pays_for_a_minute_at_least() {
    for (amount, expected) in [(29_999, "TopUpTooSmall"), (30_000, "ok"), (30_001, "ok")] {
        let mut w = World::new();
        let (buyer, _, keys) = running(&mut w);
        w.extend(&buyer, &keys, 61); // as much as any of these pays for (R28)
        w.pass(7_300);
        let instruction = lease::top_up(&buyer.key.pubkey(), &keys.lease, amount, None);
        assert_eq!(answer(&mut w, instruction, &[&buyer.key]), expected, "{amount} atoms");
    }
}

#[test]
fn nothing_is_payable_until_ninety_seconds_after_ready() {
    for (at, gross) in [(89, 0), (90, metered_ms(90) / 2), (91, metered_ms(91) / 2)] {
        let mut w = World::new();
        let (_, owner, keys) = running(&mut w);
        w.pass(at);
        if gross == 0 {
            w.changes_nothing(lease::settle(&keys));
        } else {
            w.settle(&keys);
        }
        assert_eq!(w.tokens(&owner.payout), gross - gross.div_ceil(50), "at {at}");
    }
}

#[test]
fn the_minimum_charge_ends_at_sixty_seconds() {
    for (at, gross) in [(59, 30_000), (60, 30_000), (61, metered_ms(61) / 2)] {
        let mut w = World::new();
        let (buyer, _, keys) = running(&mut w);
        w.pass(at);
        w.stop(&buyer, &keys);
        assert_eq!(w.read::<Lease>(&keys.lease).base, gross, "at {at}");
    }
}

#[test]
fn the_window_of_a_job_that_waited_is_counted_from_its_first_bid() {
    for (at, award) in [(11, "WindowOpen"), (12, "ok"), (13, "ok")] {
        let mut w = World::new();
        let (buyer, owner) = (w.buyer(10 * USDC), w.provider(|_| {}));
        let job = w.job(&buyer, |_| {});
        w.pass(20);
        w.bid(&owner, &job, 1_000_000);
        let instruction = w.award_of(&job);
        w.pass(at);
        assert_eq!(answer(&mut w, instruction, &[]), award, "at {at}");
    }
}
