//! A lease from ready to its end: what it owes, who may move it, and that nothing holds up an exit.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_PRICE;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{Bond, Config, Job, Lease, Offer, Provider as Record, Purse, StakingConfig};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job;
use gridlease_sdk::instruction::lease::{self, LeaseKeys, Outcome};
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use gridlease_tests::svm::steps::{GPUS, IMAGE, outcome};
use gridlease_tests::svm::{World, metered_ms};
use solana_signer::Signer;

use crate::{swapped, unsigned};

/// A running lease at 1.80 USDC an hour (500 atoms a second) for at most two hours.
fn running(w: &mut World) -> (Buyer, Provider, LeaseKeys) {
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    (buyer, owner, keys)
}

fn state(w: &World, keys: &LeaseKeys) -> LeaseState {
    w.read::<Lease>(&keys.lease).state().unwrap()
}

#[test]
fn ready_needs_the_node_key_the_job_s_image_and_the_lease_s_accounts() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let foreign = w.starting(&buyer, &other, 1_000_000, |_| {});
    let node = owner.node.pubkey();
    let good = lease::ready(&node, &keys, IMAGE, GPUS);
    let cases = [
        ("another image", lease::ready(&node, &keys, [1; 32], GPUS), "WrongImage"),
        ("job of another", swapped(&good, &keys.job, foreign.job), "Unrelated"),
        ("lease of another", swapped(&good, &keys.lease, foreign.lease), "Unrelated"),
        ("offer of another", swapped(&good, &owner.offer, other.offer), "NotNodeKey"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.node]), format!("market {reason}"), "{what}");
    }
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let by_cold = swapped(&good, &node, owner.authority.pubkey());
    assert_eq!(w.refuse(by_cold, &[&owner.authority]), "market NotNodeKey");
    let purse = w.buyer(0).purse;
    assert_eq!(w.refuse(swapped(&good, &keys.purse, purse), &[&owner.node]), "market Unrelated");

    w.pass(33);
    w.ok(&[good.clone()], &[&owner.node]);
    let lease: Lease = w.read(&keys.lease);
    let now = w.now();
    assert_eq!((lease.state(), lease.ready_ts, lease.segment_slot), (Some(LeaseState::Running), now.ts.0, now.slot));
    assert_eq!((lease.runway_end, lease.gpu_hash), (now.ts.0 + 7_200, GPUS));
    assert_eq!(w.read::<Record>(&owner.record).start_s, 0, "start times count when the lease closes");
    assert_eq!(w.refuse(good, &[&owner.node]), "market WrongState", "ready is told once");
}

#[test]
fn r22_a_settlement_pays_by_the_wall_clock_inside_a_second_by_slots_and_no_slot_for_more_than_a_second() {
    let mut w = World::new();
    let (_, owner, keys) = running(&mut w);
    let start = w.now();
    // 500 atoms a second, of which two per cent are the fee. Nothing is paid in the first 90 seconds.
    for (slots, seconds, gross) in [
        (1_000, 89, 0_u64),
        (1, 90, 500), // a slot is a second at most
        (2, 90, 1_000),
        (89, 90, 44_500),
        (90, 90, 45_000),
        (225, 90, 45_000),
        (226, 90, 45_200), // 400 ms into the next second
        (227, 90, 45_400),
        (228, 90, 45_499), // 999 ms of it, and no more
        (1_000, 399, 199_999),
        (1_000, 401, 200_500),
    ] {
        w.set_clock(Now { slot: start.slot + slots, ts: UnixTs(start.ts.0 + seconds) });
        w.settle(&keys);
        assert_eq!(w.tokens(&owner.payout), gross - gross.div_ceil(50), "{slots} slots, {seconds} s");
    }
}

#[test]
fn a_clock_that_runs_backward_takes_nothing_back() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(100);
    w.settle(&keys);
    let paid = w.tokens(&owner.payout);
    let now = w.now();
    w.at(now.ts.0 - 50);
    w.changes_nothing(lease::settle(&keys));
    w.stop(&buyer, &keys);
    w.changes_nothing(lease::settle(&keys));
    assert_eq!(w.tokens(&owner.payout), paid);
    w.close_lease(&keys);
}

#[test]
fn settling_in_many_pieces_pays_exactly_what_settling_once_pays() {
    let mut totals = Vec::new();
    for pieces in [1, 7, 600] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_234_567, |_| {});
        let start = w.now();
        for piece in 1..=pieces {
            let slot = start.slot + 1_500 * piece / pieces;
            w.set_clock(Now { slot, ts: UnixTs(start.ts.0 + 601 * piece / pieces) });
            w.settle(&keys);
            w.changes_nothing(lease::settle(&keys));
        }
        w.stop(&buyer, &keys);
        w.settle(&keys);
        w.close_lease(&keys);
        let purse: Purse = w.read(&buyer.purse);
        totals.push((w.tokens(&owner.payout), purse.fees_owed, purse.balance));
    }
    assert!(totals.windows(2).all(|pair| pair[0] == pair[1]), "{totals:?}");
    // floor(1,234,567 × 601 s / 3,600 s) = 206,104, of which the fee is rounded up.
    assert_eq!(totals[0], (201_981, 4_123, 20 * USDC - 201_981));
}

#[test]
fn a_stop_returns_the_rest_at_once_and_moves_no_token() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(100);
    let vault = w.tokens(&buyer.vault);
    let done = w.stop(&buyer, &keys);
    assert_eq!(done.told(), ["LeaseEnded"]);
    assert_eq!((w.tokens(&buyer.vault), w.tokens(&owner.payout)), (vault, 0));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 50_000, "only what is owed stays reserved");
    let free = w.read::<Purse>(&buyer.purse).free().0;
    w.withdraw(&buyer, free);
    let ended: Lease = w.read(&keys.lease);
    assert_eq!((ended.state(), ended.end_reason(), ended.exit()), (Some(LeaseState::Ended), EndReason::Stopped, None));
    assert_eq!(w.read::<Job>(&keys.job).state(), Some(JobState::Ended));
    w.pass(10_000);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), 49_000, "nothing accrued after the stop");
}

#[test]
fn a_buyer_that_stops_owes_a_minute_at_least_and_nothing_once_the_start_has_failed() {
    for (seconds, gross) in [(0, 30_000), (59, 30_000), (60, 30_000), (61, metered_ms(61) / 2)] {
        let mut w = World::new();
        let (buyer, owner, keys) = running(&mut w);
        w.pass(seconds);
        w.stop(&buyer, &keys);
        w.wind_up(&buyer, &keys);
        assert_eq!(w.tokens(&owner.payout), gross - gross / 50, "{seconds} s");
    }
    for (seconds, gross) in [(0, 30_000), (139, 30_000), (140, 30_000), (141, 0)] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.starting(&buyer, &owner, 1_800_000, |_| {});
        w.pass(seconds);
        w.stop(&buyer, &keys);
        let purse: Purse = w.read(&buyer.purse);
        assert_eq!((purse.reserved, purse.balance), (gross, 20 * USDC), "{seconds} s after the award");
        w.wind_up(&buyer, &keys);
        assert_eq!(w.tokens(&owner.payout), gross - gross / 50, "the provider was bound");
        assert_eq!(w.read::<Bond>(&owner.bond).amount, 100 * USDC, "no fault: no slash");
        let record: Record = w.read(&owner.record);
        assert_eq!((record.completed, record.faulted, record.standing), (0, 0, 5_000));
    }
}

#[test]
fn only_the_buyer_s_stop_owes_a_minute() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(4);
    w.finish(&owner, &keys, EndReason::Completed);
    assert_eq!(w.read::<Lease>(&keys.lease).base, 2_000, "who completes in four seconds is owed four");
    w.wind_up(&buyer, &keys);
    assert_eq!(w.read::<Bond>(&owner.bond).amount, 100 * USDC);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.completed, record.faulted), (1, 0));
}

#[test]
fn only_the_buyer_stops_and_tops_up() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let stranger = w.buyer(10 * USDC);
    let other = w.running(&stranger, &owner, 1_000_000, |_| {});
    let (key, foreign) = (buyer.key.pubkey(), stranger.key.pubkey());
    let stop = lease::stop(&key, &keys);
    assert_eq!(unsigned(&mut w, &stop, 0), "market AccountNotSigner");
    assert_eq!(w.refuse(swapped(&stop, &key, foreign), &[&stranger.key]), "market NotBuyer");
    let through_own = swapped(&swapped(&stop, &key, foreign), &buyer.purse, stranger.purse);
    assert_eq!(w.refuse(through_own, &[&stranger.key]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&stop, &keys.job, other.job), &[&buyer.key]), "market Unrelated");
    let by_node = swapped(&stop, &key, owner.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&owner.node]), "market NotBuyer");

    let top_up = lease::top_up(&key, &keys.lease, 1, None);
    assert_eq!(unsigned(&mut w, &top_up, 0), "market AccountNotSigner");
    assert_eq!(w.refuse(swapped(&top_up, &key, foreign), &[&stranger.key]), "market NotBuyer");
    let theirs = lease::top_up(&foreign, &keys.lease, 1, None);
    assert_eq!(w.refuse(theirs, &[&stranger.key]), "market Unrelated");
    assert_eq!(w.refuse(lease::top_up(&key, &keys.lease, 0, None), &[&buyer.key]), "market ZeroAmount");
    assert_eq!(w.refuse(lease::top_up(&key, &keys.lease, u64::MAX, None), &[&buyer.key]), "market Overflow");
    let free = w.read::<Purse>(&buyer.purse).free().0;
    let above = lease::top_up(&key, &keys.lease, free + 1, None);
    assert_eq!(w.refuse(above.clone(), &[&buyer.key]), "market BeyondDuration", "money alone lengthens nothing (R28)");
    let extension = lease::extend(&key, &keys, u32::try_from(free / 500 + 1).unwrap());
    assert_eq!(unsigned(&mut w, &extension, 0), "market AccountNotSigner");
    assert_eq!(w.refuse(swapped(&extension, &key, foreign), &[&stranger.key]), "market NotBuyer");
    w.ok(&[extension], &[&buyer.key]);
    assert_eq!(w.refuse(above, &[&buyer.key]), "market InsufficientFree");
    w.ok(&[lease::top_up(&key, &keys.lease, free, None)], &[&buyer.key]);
    assert_eq!(w.read::<Purse>(&buyer.purse).free().0, 0);
}

#[test]
fn only_the_node_finishes_and_only_for_a_reason_that_it_may_give() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let other = w.provider(|_| {});
    let foreign = w.running(&buyer, &other, 1_000_000, |_| {});
    let node = owner.node.pubkey();
    let finish = lease::finish(&node, &keys, EndReason::Completed, outcome());
    assert_eq!(unsigned(&mut w, &finish, 0), "market AccountNotSigner");
    let by_stranger = swapped(&finish, &node, other.node.pubkey());
    assert_eq!(w.refuse(by_stranger, &[&other.node]), "market NotNodeKey");
    assert_eq!(w.refuse(swapped(&finish, &keys.lease, foreign.lease), &[&owner.node]), "market Unrelated");
    assert_eq!(w.refuse(swapped(&finish, &keys.job, foreign.job), &[&owner.node]), "market Unrelated");
    for reason in EndReason::ALL {
        let expected = match reason {
            EndReason::Completed | EndReason::DiskFull => continue,
            EndReason::OutOfFunds => "market TooEarly",
            EndReason::Notice => "market NoNotice",
            _ => "market ReasonNotAllowed",
        };
        let finish = lease::finish(&node, &keys, reason, outcome());
        assert_eq!(w.refuse(finish, &[&owner.node]), expected, "{reason:?}");
    }
    let mut unknown = finish.clone();
    unknown.data[8] = 200;
    assert_eq!(w.refuse(unknown, &[&owner.node]), "market WrongState");
    let failed = Outcome { exit_code: Some(-9), ..outcome() };
    w.ok(&[lease::finish(&node, &keys, EndReason::Completed, failed)], &[&owner.node]);
    let ended: Lease = w.read(&keys.lease);
    assert_eq!((ended.exit(), ended.result_hash, ended.log_hash), (Some(-9), [10; 32], [11; 32]));
    assert_eq!(w.read::<Job>(&keys.job).exit(), Some(-9), "completed, whatever the exit code");
}

/// The container ended after 120 seconds, of which somebody paused it for 30; the node's message came 48 seconds late.
#[test]
fn issue9_11_a_buyer_is_billed_for_what_ran_and_not_until_the_message_came() {
    let mut w = World::new();
    let (_, owner, keys) = running(&mut w);
    let ready = w.now().ts.0;
    w.pass(168);
    let said = Outcome { ended_ts: ready + 120, stood_s: 30, ..outcome() };
    w.ok(&[lease::finish(&owner.node.pubkey(), &keys, EndReason::DiskFull, said)], &[&owner.node]);
    let ended: Lease = w.read(&keys.lease);
    assert_eq!(
        (ended.state(), ended.end_reason()),
        (Some(LeaseState::Finished), EndReason::DiskFull),
        "in review (R2)"
    );
    let billed = ended.reserved - ended.refunded;
    assert_eq!(billed, 90 * 500, "atoms, at 500 a second");
}

#[test]
fn a_lease_that_is_over_refuses_every_step_but_settling_and_closing() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(100);
    w.finish(&owner, &keys, EndReason::Completed);
    let (key, node) = (buyer.key.pubkey(), owner.node.pubkey());
    let cases = [
        ("stop", lease::stop(&key, &keys), &buyer.key),
        ("finish", lease::finish(&node, &keys, EndReason::Completed, outcome()), &owner.node),
        ("top-up", lease::top_up(&key, &keys.lease, 1, None), &buyer.key),
        ("ready", lease::ready(&node, &keys, IMAGE, GPUS), &owner.node),
        ("abandon", lease::abandon(&node, &keys, &w.insurance, outcome()), &owner.node),
    ];
    for (what, instruction, signer) in cases {
        assert_eq!(w.refuse(instruction, &[signer]), "market WrongState", "{what}");
    }
    w.changes_nothing(lease::expire(&keys));
    w.changes_nothing(lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance));
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.refuse(lease::settle(&keys), &[]), "market AccountOwnedByWrongProgram", "it is gone");
}

#[test]
fn a_lease_that_is_not_over_cannot_be_closed_nor_its_job() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let close_job = job::close(&keys.job, &buyer.purse, &buyer.key.pubkey());
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market WrongState");
    assert_eq!(w.refuse(close_job.clone(), &[]), "market WrongState");
    w.ready(&owner, &keys);
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market WrongState");
    assert_eq!(w.refuse(close_job.clone(), &[]), "market WrongState");
    w.stop(&buyer, &keys);
    w.ok(&[close_job], &[]);
    w.settle(&keys);
    w.close_lease(&keys);
}

#[test]
fn closing_a_lease_needs_the_accounts_that_it_records() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let other = w.provider(|_| {});
    w.stop(&buyer, &keys);
    w.settle(&keys);
    let close = lease::close(&keys);
    let stranger = w.key().pubkey();
    let cases = [
        ("offer of another", swapped(&close, &keys.offer, other.offer), "market Unrelated"),
        ("provider of another", swapped(&close, &keys.provider, other.record), "market Unrelated"),
        ("bond of another", swapped(&close, &keys.bond, other.bond), "market WrongBond"),
        ("no reservation", swapped(&close, &address::reservation(&keys.lease), keys.bond), "market Unrelated"),
        ("another staking program", swapped(&close, &address::STAKING, stranger), "market ConstraintAddress"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    let authority = swapped(&close, &address::market_authority(), stranger);
    assert!(w.refuse(authority, &[]).contains("PrivilegeEscalation"));
    w.ok(&[close], &[]);
    assert_eq!((w.read::<Bond>(&owner.bond).reserved, w.read::<Offer>(&owner.offer).units_free), (0, 2));
}

#[test]
fn the_reservation_of_another_lease_cannot_be_released_by_closing_this_one() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let other = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.stop(&buyer, &keys);
    w.settle(&keys);
    let swap = swapped(&lease::close(&keys), &address::reservation(&keys.lease), address::reservation(&other.lease));
    assert_eq!(w.refuse(swap, &[]), "market Unrelated", "the stake of a running lease stays reserved");
    w.close_lease(&keys);
}

#[test]
fn a_frozen_payout_account_holds_up_nobody_but_its_owner_s_pay() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.freeze(&owner.payout, true);
    w.pass(100);
    assert_eq!(w.refuse(lease::settle(&keys), &[]), "token 17");
    w.stop(&buyer, &keys);
    w.close_job(&buyer, &keys.job);
    let free = w.read::<Purse>(&buyer.purse).free().0;
    assert_eq!(free, 20 * USDC - 50_000);
    w.withdraw(&buyer, free);
    assert_eq!(w.refuse(lease::settle(&keys), &[]), "token 17");
    assert_eq!(w.close_lease(&keys).told(), ["Released", "LeaseReleased"], "the stake and the unit are free");
    let (bond, offer): (Bond, Offer) = (w.read(&owner.bond), w.read(&owner.offer));
    assert_eq!((bond.reserved, offer.units_free, offer.unpaid), (0, 2, 1));
    w.changes_nothing(lease::close(&keys));
    w.freeze(&owner.payout, false);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 49_000);
    assert_eq!(w.close_lease(&keys).told(), ["LeaseClosed"]);
    let offer: Offer = w.read(&owner.offer);
    assert_eq!((offer.units_free, offer.unpaid), (2, 0));
}

#[test]
fn a_provider_that_is_paid_into_the_buyer_s_own_vault_gives_its_pay_away_and_its_lease_still_closes() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    w.edit_as::<Record>(&owner.record, |record| record.payout = buyer.vault);
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(100);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance, purse.reserved, w.tokens(&buyer.vault)), (20 * USDC - 49_000, 0, 20 * USDC));
}

#[test]
fn a_top_up_extends_the_runway_by_exactly_what_it_pays_for() {
    let mut w = World::new();
    let (buyer, _, keys) = running(&mut w);
    let end = w.read::<Lease>(&keys.lease).runway_end;
    w.pass(1_000);
    w.top_up(&buyer, &keys, 500 * 60);
    assert_eq!(w.read::<Lease>(&keys.lease).runway_end, end + 60);
    assert_eq!(state(&w, &keys), LeaseState::Running);
    w.top_up(&buyer, &keys, 499);
    assert_eq!(w.read::<Lease>(&keys.lease).runway_end, end + 60, "whole seconds only");
    w.top_up(&buyer, &keys, 1);
    assert_eq!(w.read::<Lease>(&keys.lease).runway_end, end + 61);
}

#[test]
fn a_top_up_in_grace_resumes_and_nothing_accrued_between() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(7_200);
    assert_eq!(w.expire(&keys).told(), ["GraceBegan"]);
    assert_eq!(state(&w, &keys), LeaseState::Grace);
    w.pass(300);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 3_528_000, "two hours and no more");
    w.changes_nothing(lease::settle(&keys));
    w.top_up(&buyer, &keys, 50_000);
    let lease: Lease = w.read(&keys.lease);
    let now = w.now();
    assert_eq!((lease.state(), lease.grace_end), (Some(LeaseState::Running), 0));
    assert_eq!((lease.runway_end, lease.segment_slot), (now.ts.0 + 100, now.slot));
    w.changes_nothing(lease::settle(&keys));
    w.pass(40);
    w.finish(&owner, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), 3_528_000 + 19_600);
}

#[test]
fn a_top_up_that_nobody_prepared_by_a_crank_also_begins_grace_by_itself() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(7_500);
    w.top_up(&buyer, &keys, 50_000);
    assert_eq!(w.read::<Lease>(&keys.lease).base, 3_600_000, "the 300 seconds between are free");
    w.pass(100);
    w.finish(&owner, &keys, EndReason::OutOfFunds);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), (3_600_000 + 50_000) / 50 * 49);
}

#[test]
fn an_escrow_that_runs_out_ends_the_lease_after_grace_and_pays_it_in_full() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(7_200 + 601);
    // R14: nobody noticed, so whoever does begins the grace period, of which a minute and as many slots are left.
    assert_eq!(w.expire(&keys).told(), ["GraceBegan"]);
    w.pass(60);
    w.changes_nothing(lease::expire(&keys));
    w.pass(1);
    assert_eq!(w.expire(&keys).told(), ["LeaseEnded"]);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.end_reason(), lease.refunded), (EndReason::OutOfFunds, 0));
    w.changes_nothing(lease::expire(&keys));
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), 3_528_000);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.completed, record.faulted), (1, 0));
}

#[test]
fn slots_that_lag_do_not_shorten_what_a_whole_runway_pays() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    let start = w.now();
    w.set_clock(Now { slot: start.slot + 10, ts: UnixTs(start.ts.0 + 7_200) });
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 3_528_000);
    w.finish(&owner, &keys, EndReason::OutOfFunds);
    w.wind_up(&buyer, &keys);
}

#[test]
fn a_completed_lease_raises_the_provider_s_record_when_it_is_closed() {
    let mut w = World::new();
    let (buyer, owner, keys) = running(&mut w);
    w.pass(1_000);
    w.finish(&owner, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    let record: Record = w.read(&owner.record);
    assert_eq!(record.standing, 5_062, "a tenth of an eighth of the way, for a tenth of a full fee");
    assert_eq!((record.started, record.completed, record.faulted, record.leases), (1, 1, 0, 0));
    assert_eq!(record.earned, 490_000);
}

#[test]
fn one_purse_carries_many_jobs_at_once() {
    let mut w = World::new();
    let buyer = w.buyer(40 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let leases: Vec<_> = owners.iter().map(|owner| w.running(&buyer, owner, 1_800_000, |_| {})).collect();
    let waiting = w.job(&buyer, |_| {});
    assert_eq!(w.read::<Purse>(&buyer.purse).open_jobs, 4);
    w.pass(500);
    w.settle(&leases[1]);
    w.stop(&buyer, &leases[0]);
    w.finish(&owners[2], &leases[2], EndReason::Completed);
    for keys in [&leases[0], &leases[2]] {
        w.wind_up(&buyer, keys);
    }
    w.ok(&[job::cancel(&buyer.key.pubkey(), &waiting)], &[&buyer.key]);
    w.close_job(&buyer, &waiting);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.open_jobs, purse.reserved), (1, w.read::<Lease>(&leases[1].lease).reserved - 256_000));
}

#[test]
fn before_it_is_ready_a_lease_takes_neither_a_top_up_nor_a_finish() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let top_up = lease::top_up(&buyer.key.pubkey(), &keys.lease, 1, None);
    assert_eq!(w.refuse(top_up, &[&buyer.key]), "market WrongState");
    let finish = lease::finish(&owner.node.pubkey(), &keys, EndReason::Completed, outcome());
    assert_eq!(w.refuse(finish, &[&owner.node]), "market WrongState");
    w.changes_nothing(lease::expire(&keys));
    w.pass(10_000);
    w.changes_nothing(lease::expire(&keys));
}

#[test]
fn stopping_or_finishing_in_grace_pays_the_runway_and_returns_what_is_left() {
    for by_node in [false, true] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        // 700,001 atoms an hour for 7,199 seconds: the runway ends in the middle of a second's pay.
        let keys = w.running(&buyer, &owner, 700_001, |args| args.max_duration_s = 7_199);
        let lease: Lease = w.read(&keys.lease);
        w.pass(7_400);
        w.expire(&keys);
        if by_node {
            w.finish(&owner, &keys, EndReason::Completed);
        } else {
            w.stop(&buyer, &keys);
        }
        w.wind_up(&buyer, &keys);
        let gross = 700_001 * (lease.runway_end - lease.ready_ts) / 3_600;
        assert_eq!(w.tokens(&owner.payout), gross - gross.div_ceil(50));
        assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
        assert!(lease.reserved - gross <= 1, "not a whole second's pay is left over");
    }
}

#[test]
fn a_lease_too_cheap_to_owe_an_atom_closes_without_a_payment_and_one_atom_is_all_fee() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| supply.floor = 1);
    let keys = w.running(&buyer, &owner, 1, |args| args.max_duration_s = 60);
    w.stop(&buyer, &keys);
    w.changes_nothing(lease::settle(&keys));
    w.close_lease(&keys);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.completed, record.standing), (1, 5_000), "no fee, no reputation");
    let keys = w.running(&buyer, &owner, 60, |args| args.max_duration_s = 60);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    assert_eq!((w.tokens(&owner.payout), w.read::<Purse>(&buyer.purse).fees_owed), (0, 1));
    w.close_lease(&keys);
    w.sweep(&buyer);
    assert_eq!((w.tokens(&w.treasury), w.tokens(&w.insurance)), (1, 0), "the odd atom is the treasury's");
}

#[test]
fn the_dearest_and_longest_job_runs_to_its_end() {
    let mut w = World::new();
    let month = 720 * 3_600;
    let whole = MAX_PRICE.0 * 720;
    // R29: a market with these caps has no such job until its administrator raises them.
    w.edit_as::<Config>(&address::market_config(), |config| (config.purse_cap, config.job_cap) = (whole, whole));
    w.edit_as::<StakingConfig>(&address::staking_config(), |config| config.bond_cap = 2 * 24 * MAX_PRICE.0);
    let buyer = w.buyer(whole);
    let owner = w.provider(|supply| {
        (supply.stake, supply.ask, supply.floor) = (2 * 24 * MAX_PRICE.0, MAX_PRICE.0, MAX_PRICE.0);
    });
    let keys = w.running(&buyer, &owner, MAX_PRICE.0, |args| {
        (args.max_price, args.max_duration_s) = (MAX_PRICE.0, 720 * 3_600);
    });
    assert_eq!(w.read::<Lease>(&keys.lease).stake, 2 * 24 * MAX_PRICE.0);
    w.pass(month / 2);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), whole / 2 / 50 * 49);
    w.pass(month / 2);
    w.finish(&owner, &keys, EndReason::OutOfFunds);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), whole / 50 * 49);
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, whole / 50, "the fee, to be swept");
}
