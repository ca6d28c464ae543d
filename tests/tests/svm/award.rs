//! The award: always the first bidder that is still good, whoever calls, and no way to skip one.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::tip::{TIP, prepaid_lease};
use gridlease_sdk::account::{Bond, Job, Lease, Offer, Provider as Record, Purse, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::job::{self, AWARD_BIDDERS};
use gridlease_sdk::instruction::provider::{self, OfferTerms};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use gridlease_tests::svm::steps::IMAGE;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::swapped;

/// A job for which every provider bids, 10,000 atoms dearer each, with its window over.
fn bid_for(w: &mut World, buyer: &Buyer, owners: &[Provider]) -> Pubkey {
    let job = w.job(buyer, |_| {});
    for (owner, price) in owners.iter().zip((1_000_000..).step_by(10_000)) {
        w.bid(owner, &job, price);
    }
    w.close_window(&job);
    job
}

fn providers(w: &mut World, count: usize) -> Vec<Provider> {
    (0..count).map(|_| w.provider(|_| {})).collect()
}

fn skipped(done: &gridlease_tests::svm::outcome::Done) -> Option<u8> {
    done.market().find_map(|event| match event {
        MarketEvent::JobAwarded(awarded) => Some(awarded.skipped),
        _ => None,
    })
}

#[test]
fn the_award_opens_the_lease_of_the_best_bidder_with_money_and_stake_behind_it() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 3);
    let job = bid_for(&mut w, &buyer, &owners);
    let now = w.now().ts.0;
    let lease_key = w.award(&job);
    let lease: Lease = w.read(&lease_key);
    assert_eq!((lease.state(), lease.price, lease.reserved), (Some(LeaseState::Starting), 1_000_000, 2_000_000));
    assert_eq!((lease.provider, lease.offer), (owners[0].record, owners[0].offer));
    assert_eq!((lease.bond, lease.payout), (owners[0].bond, owners[0].payout));
    assert_eq!((lease.job, lease.purse, lease.owner), (job, buyer.purse, buyer.key.pubkey()));
    assert_eq!((lease.slot_ms, lease.fee_bps, lease.number, lease.stake), (400, 200, 0, 5_000_000));
    assert_eq!((lease.awarded_ts, lease.start_deadline, lease.header.due_ts), (now, now + 140, now + 140));
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.reserved, state.leases), (Some(JobState::Leased), 1_600_000, 1));
    assert_eq!(state.bids().len(), 2, "the runners-up stay in the book");
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3_600_000);
    assert_eq!(w.read::<Bond>(&owners[0].bond).reserved, 5_000_000);
    assert_eq!(w.read::<Reservation>(&address::reservation(&lease_key)).rent_to, owners[0].offer);
    assert_eq!(w.read::<Offer>(&owners[0].offer).units_free, 1);
    assert_eq!(w.read::<Record>(&owners[0].record).leases, 1);
}

#[test]
fn a_start_deadline_grows_with_the_image_up_to_a_quarter_of_an_hour() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|supply| supply.units = 10);
    for (image_mb, allowed) in [(0, 120), (1, 140), (1_000, 140), (1_001, 160), (39_000, 900), (u32::MAX, 900)] {
        let keys = w.starting(&buyer, &owner, 1_000_000, |args| args.image_mb = image_mb);
        let lease: Lease = w.read(&keys.lease);
        assert_eq!(lease.start_deadline - lease.awarded_ts, allowed, "{image_mb} MB");
    }
}

#[test]
fn a_good_bidder_cannot_be_skipped_by_leaving_out_or_exchanging_its_accounts() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 3);
    let stranger = w.provider(|_| {});
    let job = bid_for(&mut w, &buyer, &owners);
    let bidders = w.bidders(&job);
    let award = |bidders: &[job::BidderKeys]| job::award(&job, &buyer.purse, 0, bidders);
    let first = 13; // the accounts of the first bidder begin here: offer, provider, bond
    let by = |at: usize, key: Pubkey| {
        let mut changed = award(&bidders);
        changed.accounts[first + at].pubkey = key;
        changed
    };
    let cut = |count: usize| {
        let mut cut = award(&bidders);
        cut.accounts.truncate(first + count);
        cut
    };
    let cases: [(&str, Instruction); 12] = [
        ("no bidder", award(&[])),
        ("from the second on", award(&bidders[1..])),
        ("in another order", award(&[bidders[1], bidders[0], bidders[2]])),
        ("somebody who did not bid", award(&[stranger.bidder()])),
        ("another offer number of the first", award(&[job::BidderKeys { offer: 2, ..bidders[0] }])),
        ("offer of another", by(0, owners[1].offer)),
        ("an offer that is no account", by(0, address::offer(&owners[0].record, 9))),
        ("provider of another", by(1, owners[1].record)),
        ("bond of another", by(2, owners[1].bond)),
        ("a bond that is no account", by(2, address::bond(&stranger.node.pubkey()))),
        ("two accounts only", cut(2)),
        ("one account only", cut(1)),
    ];
    for (what, instruction) in cases {
        assert_eq!(w.refuse(instruction, &[]), "market CandidateMissing", "{what}");
    }
    let read_only = |at: usize| {
        let mut changed = award(&bidders);
        changed.accounts[first + at].is_writable = false;
        changed
    };
    assert_eq!(w.refuse(read_only(0), &[]), "market AccountNotMutable");
    assert_eq!(w.refuse(read_only(1), &[]), "market AccountNotMutable");
    w.ok(&[cut(3)], &[]);
    assert_eq!(
        w.read::<Lease>(&address::lease(&job, 0)).provider,
        owners[0].record,
        "one bidder is enough if it is good"
    );
}

#[test]
fn the_award_refuses_wrong_accounts_of_the_job() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let other = w.buyer(10 * USDC);
    let owners = providers(&mut w, 1);
    let job = bid_for(&mut w, &buyer, &owners);
    let award = w.award_of(&job);
    let lease = address::lease(&job, 0);
    let stranger = w.key().pubkey();
    let cases = [
        ("purse of another", swapped(&award, &buyer.purse, other.purse), "market Unrelated"),
        ("lease of another number", swapped(&award, &lease, address::lease(&job, 1)), "market Unrelated"),
        ("lease that is not one", swapped(&award, &lease, stranger), "market Unrelated"),
        (
            "reservation of another lease",
            swapped(&award, &address::reservation(&lease), address::reservation(&stranger)),
            "staking ConstraintSeeds",
        ),
        ("another staking program", swapped(&award, &address::STAKING, address::MARKET), "market ConstraintAddress"),
        (
            "another staking configuration",
            swapped(&award, &address::staking_config(), address::market_config()),
            "staking AccountOwnedByWrongProgram",
        ),
        (
            "another configuration",
            swapped(&award, &address::market_config(), owners[0].record),
            "market AccountDiscriminatorMismatch",
        ),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    let authority = swapped(&award, &address::market_authority(), stranger);
    assert!(w.refuse(authority, &[]).contains("PrivilegeEscalation"), "a wrong PDA cannot sign");
    w.ok(&[award], &[]);
}

#[test]
fn bidders_that_withdrew_expired_or_lost_their_stake_are_skipped() {
    let mut w = World::new();
    let buyer = w.buyer(30 * USDC);
    let withdrawn = w.provider(|_| {});
    let closing = w.provider(|_| {});
    let expired = w.provider(|_| {});
    let full = w.provider(|supply| supply.units = 1);
    let poor = w.provider(|supply| supply.stake = 5 * USDC);
    let good = w.provider(|_| {});
    w.starting(&buyer, &withdrawn, 1_000_000, |_| {});
    // An offer that bids lives to the end of the window at least; the award comes later.
    let terms = Supply { life: 14, ..Supply::default() }.terms(w.now().ts.0);
    w.refresh(&expired, terms);
    let (job, other) = (w.job(&buyer, |_| {}), w.job(&buyer, |args| args.window_s = 6));
    for (owner, price) in [&withdrawn, &closing, &expired, &full, &good].into_iter().zip(1_000_001..) {
        w.bid(owner, &job, price);
    }
    // The full and the poor one win another job in the meantime.
    w.bid(&full, &other, 900_000);
    w.close_window(&other);
    w.award(&other);
    w.withdraw_offer(&withdrawn);
    w.withdraw_offer(&closing);
    assert!(w.find::<Offer>(&withdrawn.offer).is_some() && w.find::<Offer>(&closing.offer).is_none());
    w.close_window(&job);
    w.pass(5);
    let award = w.award_of(&job);
    let done = w.ok(&[award], &[]);
    assert_eq!(skipped(&done), Some(4));
    assert_eq!(w.read::<Lease>(&address::lease(&job, 0)).provider, good.record);

    let last = w.job(&buyer, |_| {});
    w.bid(&poor, &last, 800_000);
    w.bid(&good, &last, 900_000);
    let quick = w.job(&buyer, |args| args.window_s = 6);
    w.bid(&poor, &quick, 800_000);
    w.close_window(&quick);
    w.award(&quick);
    w.close_window(&last);
    let award = w.award_of(&last);
    assert_eq!(skipped(&w.ok(&[award], &[])), Some(1), "its stake is bound elsewhere");
}

#[test]
fn an_offer_that_was_closed_and_posted_anew_is_judged_as_it_is_now() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 2);
    let job = bid_for(&mut w, &buyer, &owners);
    let post = |w: &World, owner: &Provider, memory_mib: u32| {
        let mut supply = Supply::default();
        supply.spec.memory_mib = memory_mib;
        let node = owner.node.pubkey();
        provider::post_offer(&node, &owner.record, 1, supply.machine(), supply.terms(w.now().ts.0))
    };
    w.withdraw_offer(&owners[0]);
    let smaller = post(&w, &owners[0], 1_024);
    w.ok(&[smaller], &[&owners[0].node]);
    let award = w.award_of(&job);
    assert_eq!(skipped(&w.ok(&[award], &[])), Some(1));
    assert_eq!(w.read::<Lease>(&address::lease(&job, 0)).provider, owners[1].record);
}

#[test]
fn more_bad_bidders_than_fit_one_call_are_dropped_by_it_and_the_next_call_goes_on() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 8);
    let job = bid_for(&mut w, &buyer, &owners);
    for owner in &owners[..7] {
        w.withdraw_offer(owner);
    }
    let award = w.award_of(&job);
    assert_eq!(award.accounts.len(), 13 + 3 * AWARD_BIDDERS);
    assert_eq!(w.ok(&[award], &[]).told(), ["BidsDropped"], "nobody yet");
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.bids().len()), (Some(JobState::Open), 3));
    let award = w.award_of(&job);
    assert_eq!(skipped(&w.ok(&[award], &[])), Some(2));
    assert_eq!(w.read::<Lease>(&address::lease(&job, 0)).provider, owners[7].record);
}

#[test]
fn a_caller_that_passes_one_bidder_at_a_time_reaches_the_same_award() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 4);
    let job = bid_for(&mut w, &buyer, &owners);
    w.withdraw_offer(&owners[0]);
    w.withdraw_offer(&owners[1]);
    for left in [3, 2] {
        let next = w.bidders(&job)[0];
        w.ok(&[job::award(&job, &buyer.purse, 0, &[next])], &[]);
        assert_eq!(w.read::<Job>(&job).bids().len(), left);
    }
    let next = w.bidders(&job)[0];
    w.ok(&[job::award(&job, &buyer.purse, 0, &[next])], &[]);
    assert_eq!(w.read::<Lease>(&address::lease(&job, 0)).provider, owners[2].record);
}

#[test]
fn r31_a_job_without_bids_waits_with_no_clock_and_no_attempt_and_then_refunds_everything() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let before = w.lamports(&buyer.key.pubkey());
    let job = w.job(&buyer, |args| (args.attempts, args.wait_s) = (2, 3_600));
    let award = w.award_of(&job);
    w.changes_nothing(award.clone());
    w.pass(3_599);
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.attempts_left, state.close_ts), (Some(JobState::Waiting), 2, 0));
    assert_eq!(w.refuse(gridlease_sdk::instruction::job::expire(&job, &buyer.purse), &[]), "market TooEarly");
    w.pass(2);
    let done = w.expire_job(&buyer, &job);
    assert_eq!(done.told(), ["JobEnded"]);
    let state: Job = w.read(&job);
    assert_eq!((state.end_reason(), state.reserved), (EndReason::NoBids, 0));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
    w.changes_nothing(award);
    w.withdraw(&buyer, 10 * USDC);
    w.close_job(&buyer, &job);
    assert_eq!(w.lamports(&buyer.key.pubkey()), before);
}

#[test]
fn r31_the_first_bid_opens_the_window_however_late_it_comes() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.pass(1_000);
    w.bid(&owner, &job, 1_000_000);
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.close_ts), (Some(JobState::Open), w.now().ts.0 + 12));
    let award = w.award_of(&job);
    assert_eq!(w.refuse(award, &[]), "market WindowOpen");
    w.close_window(&job);
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, owner.record);
}

/// The provider's faults and standing.
fn faults(w: &World, owner: &Provider) -> (u32, u16) {
    let record: Record = w.read(&owner.record);
    (record.faulted, record.standing)
}

#[test]
fn a_bidder_that_made_itself_unable_to_take_the_job_is_charged_a_fault_and_one_that_was_outrun_or_expired_is_not() {
    let mut w = World::new();
    let buyer = w.buyer(30 * USDC);
    let withdrawn = w.provider(|_| {});
    let leaving = w.provider(|_| {});
    let expired = w.provider(|_| {});
    let unstaked = w.provider(|_| {});
    let full = w.provider(|supply| supply.units = 1);
    let bound = w.provider(|supply| supply.stake = 5 * USDC);
    let good = w.provider(|_| {});
    w.starting(&buyer, &leaving, 1_000_000, |_| {});
    let short = Supply { life: 14, ..Supply::default() }.terms(w.now().ts.0);
    w.refresh(&expired, short);
    let job = w.job(&buyer, |_| {});
    for (owner, price) in [&withdrawn, &leaving, &expired, &unstaked, &full, &bound, &good].into_iter().zip(1_000_001..)
    {
        w.bid(owner, &job, price);
    }
    for outrun in [&full, &bound] {
        let other = w.job(&buyer, |args| args.window_s = 6);
        w.bid(outrun, &other, 900_000);
        w.at(w.read::<Job>(&job).close_ts.min(w.read::<Job>(&other).close_ts));
        w.award(&other);
        w.at(w.now().ts.0 - 6);
    }
    w.withdraw_offer(&withdrawn);
    w.withdraw_offer(&leaving);
    w.close_window(&job);
    w.pass(5);
    w.stop_auditing();
    let since = w.now().ts.0;
    w.edit_as::<Bond>(&unstaked.bond, |bond| (bond.unbonding, bond.fell) = (100 * USDC - 4_999_999, since));
    let first = w.award_of(&job);
    let done = w.ok(&[first], &[]);
    let Some(MarketEvent::BidsDropped(told)) = done.market().next() else { panic!("{:?}", done.told()) };
    let told: Vec<_> = told.bids.iter().map(|bid| (bid.provider, bid.refused, bid.faulted)).collect();
    let expected = [
        (withdrawn.record, 6_006, true),
        (leaving.record, 6_006, true),
        (expired.record, 6_006, false),
        (unstaked.record, 6_105, true),
        (full.record, 6_125, false),
    ];
    assert_eq!(told, expected);
    let second = w.award_of(&job);
    assert_eq!(skipped(&w.ok(&[second], &[])), Some(1));
    assert_eq!(w.read::<Lease>(&address::lease(&job, 0)).provider, good.record);
    for owner in [&withdrawn, &leaving, &unstaked] {
        assert_eq!(faults(&w, owner), (1, 3_333));
    }
    for owner in [&expired, &full, &bound, &good] {
        assert_eq!(faults(&w, owner), (0, 5_000), "it was won elsewhere in the meantime, or the award came late");
    }
}

#[test]
fn junk_bids_that_fill_the_book_are_displaced_by_any_better_one_and_cost_their_bidders_a_fault() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let junk = providers(&mut w, 8);
    let honest = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    for (owner, price) in junk.iter().zip(500_000..) {
        w.bid(owner, &job, price);
    }
    let bid = w.bid_of(&honest, &job, 900_000);
    assert_eq!(w.refuse(bid, &[&honest.node]), "market BookFull", "better bids stand");
    for owner in &junk {
        w.withdraw_offer(owner);
    }
    w.close_window(&job);
    for _ in 0..2 {
        let award = w.award_of(&job);
        w.ok(&[award], &[]);
    }
    assert_eq!(w.read::<Job>(&job).attempts_left, 3, "filling and emptying a book costs the buyer no attempt");
    for owner in &junk {
        assert_eq!(faults(&w, owner), (1, 3_333), "and each of them a third of its standing");
    }
    w.bid(&honest, &job, 900_000);
    w.close_window(&job);
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, honest.record);
}

#[test]
fn a_bid_that_changes_between_building_and_sending_an_award_cannot_change_who_wins() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 2);
    let job = w.job(&buyer, |_| {});
    w.bid(&owners[0], &job, 1_000_000);
    w.bid(&owners[1], &job, 1_100_000);
    let stale = w.award_of(&job);
    w.bid(&owners[1], &job, 900_000);
    w.close_window(&job);
    assert_eq!(w.refuse(stale, &[]), "market CandidateMissing", "the book's order is the only one");
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, owners[1].record);
}

#[test]
fn a_failed_start_with_nobody_behind_it_costs_one_attempt() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 2);
    let job = bid_for(&mut w, &buyer, &owners);
    let lease = w.award(&job);
    let keys = w.keys(&lease);
    w.withdraw_offer(&owners[1]);
    w.pass(141);
    w.fail_start(&keys);
    let award = w.award_of(&job);
    assert_eq!(w.ok(&[award], &[]).told(), ["BidsDropped", "JobWaits"]);
    assert_eq!(w.read::<Job>(&job).attempts_left, 2);
    w.pass(1_000);
    let waits: Job = w.read(&job);
    assert_eq!((waits.state(), waits.attempts_left), (Some(JobState::Waiting), 2), "waiting costs nothing");
}

#[test]
fn bidders_that_all_went_bad_count_as_none() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 2);
    let job = bid_for(&mut w, &buyer, &owners);
    w.withdraw_offer(&owners[0]);
    w.withdraw_offer(&owners[1]);
    let award = w.award_of(&job);
    assert_eq!(w.ok(&[award], &[]).told(), ["BidsDropped", "JobWaits"]);
    assert_eq!(w.read::<Job>(&job).bids().len(), 0);
}

#[test]
fn an_award_happens_once() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners = providers(&mut w, 2);
    let job = bid_for(&mut w, &buyer, &owners);
    let award = w.award_of(&job);
    w.ok(&[award.clone()], &[]);
    w.changes_nothing(award);
    let next = w.award_of(&job);
    w.changes_nothing(next);
}

#[test]
fn lamports_sent_to_the_addresses_of_a_lease_and_its_reservation_do_not_hinder_the_award() {
    for gift in [890_880, 50_000_000] {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let owner = w.provider(|_| {});
        let had = w.lamports(&owner.offer);
        let job = bid_for(&mut w, &buyer, std::slice::from_ref(&owner));
        let lease = address::lease(&job, 0);
        w.airdrop(&lease, gift);
        w.airdrop(&address::reservation(&lease), gift);
        assert_eq!(w.award(&job), lease);
        let keys = w.keys(&lease);
        w.ready(&owner, &keys);
        w.stop(&buyer, &keys);
        w.wind_up(&buyer, &keys);
        assert_eq!(w.lamports(&owner.offer), had + 2 * gift + TIP, "and the award's tip, which nobody else took");
        let before = w.lamports(&owner.node.pubkey()) + w.claim_rent(&owner.offer);
        w.withdraw_offer(&owner);
        assert_eq!(w.lamports(&owner.node.pubkey()), before + had + 2 * gift + TIP);
    }
}

#[test]
fn an_offer_without_the_rent_of_a_lease_is_skipped_and_a_refresh_heals_it() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| supply.units = 1);
    let job = bid_for(&mut w, &buyer, std::slice::from_ref(&owner));
    w.stop_auditing();
    let mut account = w.account(&owner.offer).unwrap();
    account.lamports -= prepaid_lease() + 1; // what is there for tips is no rent
    w.put(owner.offer, account);
    let award = w.award_of(&job);
    assert_eq!(w.ok(&[award], &[]).told(), ["BidsDropped", "JobWaits"]);
    let terms: OfferTerms = Supply { units: 1, ..Supply::default() }.terms(w.now().ts.0);
    w.refresh(&owner, terms);
    w.bid(&owner, &job, 1_000_000);
    w.close_window(&job);
    w.award(&job);
}

#[test]
fn the_lease_keeps_the_fee_and_payout_account_of_its_award() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    let other = w.foreign_account();
    w.edit_as::<gridlease_sdk::account::Config>(&address::market_config(), |config| config.fee_bps = 500);
    w.edit_as::<Record>(&owner.record, |record| record.payout = other);
    w.pass(100);
    w.settle(&keys);
    assert_eq!((w.tokens(&owner.payout), w.tokens(&other)), (49_000, 0));
    assert_eq!(IMAGE, w.read::<Job>(&keys.job).image_digest);
}
