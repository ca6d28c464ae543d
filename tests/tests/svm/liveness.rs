//! Liveness: a challenge with a bond, its answer, and what silence costs.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::UNBONDING_TIME;
use gridlease_core::tip::CHALLENGE_BOUNTY;
use gridlease_sdk::account::{Bond, Job, Lease, Provider as Record, Purse, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, supervision};
use gridlease_tests::svm::outcome::Done;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use gridlease_tests::svm::steps::outcome;
use gridlease_tests::svm::supervision::{BOND, hash_of};
use gridlease_tests::svm::{World, metered_ms};
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::{swapped, unsigned};

/// A running lease at 1.80 USDC an hour (500 atoms a second) for at most two hours, and somebody who asks for its life.
fn running(w: &mut World) -> (Buyer, Provider, LeaseKeys, Keypair) {
    let buyer = w.buyer(40 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    let asker = w.person();
    (buyer, owner, keys, asker)
}

fn state(w: &World, keys: &LeaseKeys) -> Option<LeaseState> {
    w.read::<Lease>(&keys.lease).state()
}

/// How a challenge ended: 0 answered, 1 missed, 2 moot.
fn ended(done: &Done) -> u8 {
    let resolved = done.market().find_map(|event| match event {
        MarketEvent::ChallengeResolved(resolved) => Some(resolved.outcome),
        _ => None,
    });
    resolved.unwrap()
}

/// What a fault took: for the buyer, for insurance.
fn slashed(done: &Done) -> (u64, u64) {
    let slashed = done.market().find_map(|event| match event {
        MarketEvent::FaultSlashed(slashed) => Some((slashed.claimed, slashed.insurance)),
        _ => None,
    });
    slashed.unwrap()
}

#[test]
fn a_node_answers_within_sixty_seconds_and_keeps_the_bond() {
    for (at, answers) in [(0, true), (59, true), (60, true), (61, false)] {
        let mut w = World::new();
        let (_, owner, keys, asker) = running(&mut w);
        w.pass(100);
        let sol = |w: &World| (w.lamports(&asker.pubkey()), w.lamports(&owner.node.pubkey()), w.lamports(&keys.lease));
        let before = sol(&w);
        let nonce = w.challenge(&asker, &keys);
        assert_eq!(nonce, hash_of(w.now().slot - 1), "the newest hash that there is");
        let open: Lease = w.read(&keys.lease);
        assert_eq!((open.challenger, open.challenge_end), (asker.pubkey(), w.now().ts.0 + 60));
        assert_eq!(open.header.due_ts, open.challenge_end);
        assert_eq!(sol(&w), (before.0 - BOND, before.1, before.2 + BOND), "the lease holds the bond");
        w.pass(at);
        let answer = supervision::answer_challenge(&owner.node.pubkey(), &keys, nonce);
        if !answers {
            assert_eq!(w.refuse(answer, &[&owner.node]), "market TooLate");
            continue;
        }
        let done = w.ok(&[answer], &[&owner.node]);
        assert_eq!((done.told(), ended(&done)), (vec!["ChallengeResolved"], 0));
        assert_eq!(sol(&w), (before.0 - BOND, before.1 + BOND, before.2));
        let lease: Lease = w.read(&keys.lease);
        assert_eq!((lease.challenge_end, lease.challenge_gross, lease.challenge_nonce), (0, 0, [0; 32]));
        assert_eq!((lease.challenger, lease.header.due_ts), (SYSTEM_PROGRAM, lease.runway_end));
        assert_eq!(
            w.read::<Record>(&owner.record).uptime,
            5_000,
            "answers are free to make, so they count at the close"
        );
    }
}

#[test]
fn only_the_node_answers_and_only_with_what_the_open_challenge_asks_for() {
    let mut w = World::new();
    let (_, owner, keys, asker) = running(&mut w);
    let other = w.provider(|_| {});
    let node = owner.node.pubkey();
    let old = w.challenge(&asker, &keys);
    let good = supervision::answer_challenge(&node, &keys, old);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let wrong = supervision::answer_challenge(&node, &keys, [1; 32]);
    assert_eq!(w.refuse(wrong, &[&owner.node]), "market WrongNonce");
    assert_eq!(w.refuse(swapped(&good, &node, other.node.pubkey()), &[&other.node]), "market NotNodeKey");
    let by_other = swapped(&supervision::answer_challenge(&other.node.pubkey(), &keys, old), &owner.offer, other.offer);
    assert_eq!(w.refuse(by_other, &[&other.node]), "market Unrelated");
    w.ok(&[good.clone()], &[&owner.node]);
    assert_eq!(w.refuse(good.clone(), &[&owner.node]), "market NoChallenge", "once");
    w.pass(1);
    let new = w.challenge(&asker, &keys);
    assert_ne!(old, new);
    assert_eq!(w.refuse(good, &[&owner.node]), "market WrongNonce", "a replayed answer");
    w.answer(&owner, &keys);
}

#[test]
fn anybody_may_challenge_a_running_node_once_at_a_time() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let asker = w.person();
    let keys = w.starting(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 600);
    let challenge = supervision::challenge(&asker.pubkey(), &keys.lease);
    assert_eq!(w.refuse(challenge.clone(), &[&asker]), "market WrongState", "not ready");
    w.ready(&owner, &keys);
    assert_eq!(unsigned(&mut w, &challenge, 0), "market AccountNotSigner");
    let clock = solana_sdk_ids::sysvar::clock::ID;
    assert_eq!(
        w.refuse(swapped(&challenge, &supervision::SLOT_HASHES, clock), &[&asker]),
        "market ConstraintAddress",
        "hashes of one's own choice"
    );
    for who in [&asker, &buyer.key, &owner.authority, &owner.node] {
        w.challenge(who, &keys);
        assert_eq!(w.refuse(challenge.clone(), &[&asker]), "market ChallengeOpen");
        w.answer(&owner, &keys);
    }
    let poor = w.key();
    w.put(poor.pubkey(), Account { lamports: BOND - 1, ..Account::default() });
    assert!(w.refuse(supervision::challenge(&poor.pubkey(), &keys.lease), &[&poor]).starts_with("system"), "no bond");
    w.pass(600);
    assert_eq!(w.refuse(challenge.clone(), &[&asker]), "market WrongState", "its funds are used up");
    w.expire(&keys);
    w.stop(&buyer, &keys);
    assert_eq!(w.refuse(challenge, &[&asker]), "market WrongState", "over");
}

#[test]
fn challenging_a_node_that_lives_costs_the_challenger_and_nobody_else() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    let before = (w.lamports(&asker.pubkey()), w.lamports(&owner.node.pubkey()));
    for _ in 0..5 {
        w.challenge(&asker, &keys);
        w.pass(60);
        w.answer(&owner, &keys);
    }
    assert_eq!(w.lamports(&asker.pubkey()), before.0 - 5 * BOND);
    assert_eq!(w.lamports(&owner.node.pubkey()), before.1 + 5 * BOND);
    w.finish(&owner, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), 300 * 490, "every second of it");
}

#[test]
fn while_a_challenge_is_open_no_more_is_paid_than_was_accrued_before() {
    let mut w = World::new();
    let (_, owner, keys, asker) = running(&mut w);
    w.pass(200);
    w.challenge(&asker, &keys);
    w.pass(30);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 200 * 490);
    w.changes_nothing(lease::settle(&keys));
    w.answer(&owner, &keys);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 230 * 490);
}

#[test]
fn a_missed_challenge_returns_the_bond_and_nothing_is_billed_from_the_challenge_on() {
    let mut w = World::new();
    let (_, owner, keys, asker) = running(&mut w);
    let sol = (w.lamports(&asker.pubkey()), w.lamports(&keys.lease));
    w.pass(200);
    w.challenge(&asker, &keys);
    let since = w.now().ts.0;
    w.pass(60);
    w.changes_nothing(supervision::resolve_challenge(&keys, &asker.pubkey()));
    w.pass(1);
    let wrong = supervision::resolve_challenge(&keys, &owner.node.pubkey());
    assert_eq!(w.refuse(wrong, &[]), "market Unrelated", "the bond goes to nobody else");
    w.changes_nothing(lease::expire(&keys));
    let done = w.resolve(&keys);
    assert_eq!((done.told(), ended(&done)), (vec!["ChallengeResolved", "TipPaid"], 1));
    let with_bounty = (sol.0 + CHALLENGE_BOUNTY, sol.1 - CHALLENGE_BOUNTY);
    assert_eq!((w.lamports(&asker.pubkey()), w.lamports(&keys.lease)), with_bounty);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.state(), lease.base, lease.down_since), (Some(LeaseState::Paused), 100_000, since));
    assert_eq!(lease.header.due_ts, since + 600);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.uptime, record.faulted, record.standing), (4_375, 0, 5_000));
    w.changes_nothing(supervision::resolve_challenge(&keys, &asker.pubkey()));
    w.pass(300);
    w.settle(&keys);
    assert_eq!(w.tokens(&owner.payout), 200 * 490);
    w.pass(10_000);
    w.changes_nothing(lease::settle(&keys));
    w.changes_nothing(lease::expire(&keys));
}

#[test]
fn a_challenger_that_emptied_its_account_holds_up_nothing_and_its_bond_goes_to_the_provider() {
    let mut w = World::new();
    let (buyer, owner, keys, _) = running(&mut w);
    let poor = w.key();
    w.put(poor.pubkey(), Account { lamports: BOND, ..Account::default() });
    let offer = w.lamports(&keys.offer) + w.lamports(&keys.lease) + w.lamports(&address::reservation(&keys.lease));
    w.take_down(&poor, &keys);
    assert_eq!((w.lamports(&poor.pubkey()), w.read::<Lease>(&keys.lease).challenger), (0, SYSTEM_PROGRAM));
    w.resume(&owner, &keys);
    w.finish(&owner, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    // One lamport of the reservation was lent by the bond.
    assert_eq!(w.lamports(&keys.offer), offer + BOND - 1);
}

#[test]
fn downtime_is_credited_twice_over_out_of_what_was_held_back() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    w.pass(1_000);
    w.challenge(&asker, &keys);
    w.pass(61);
    let node = owner.node.pubkey();
    let resume = supervision::resume(&node, &keys);
    assert_eq!(w.refuse(resume.clone(), &[&owner.node]), "market ChallengeOpen", "first the challenge is resolved");
    w.resolve(&keys);
    w.pass(39);
    assert_eq!(unsigned(&mut w, &resume, 0), "market AccountNotSigner");
    let by_buyer = swapped(&resume, &node, buyer.key.pubkey());
    assert_eq!(w.refuse(by_buyer, &[&buyer.key]), "market NotNodeKey");
    assert_eq!(w.ok(&[resume.clone()], &[&owner.node]).told(), ["LeaseResumed"]);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.state(), lease.credited_s), (Some(LeaseState::Running), 100));
    assert_eq!((lease.base, lease.credit, lease.down_since), (400_000, 0, 0), "2 × 100 s × 500 atoms less");
    assert_eq!(lease.runway_end, w.now().ts.0 + 6_400, "the buyer's money runs that much longer");
    w.changes_nothing_by(resume, &[&owner.node]);
    let collect = supervision::collect_credit(&keys, &w.insurance);
    w.changes_nothing(collect);
    w.pass(100);
    w.finish(&owner, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.tokens(&owner.payout), 450_000 / 50 * 49);
    assert_eq!(w.read::<Bond>(&owner.bond).slashed_total, 0);
}

#[test]
fn what_was_paid_already_is_credited_out_of_the_stake_and_never_more_than_was_charged() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    w.pass(1_000);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    w.pass(39);
    w.resume(&owner, &keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.base, lease.credit), (500_000, 100_000));
    assert_eq!(w.collect(&keys).told(), ["CreditCollected", "Slashed"]);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!(purse.balance, 40 * USDC - 490_000, "it is claimed, and leaves the bond a week later");
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.claims_assets, bond.slashed_total, w.claimed(&keys.lease)), (100_000, 0, 100_000));
    assert_eq!(w.read::<Reservation>(&address::reservation(&keys.lease)).amount, 7_100_000);
    let collect = supervision::collect_credit(&keys, &w.insurance);
    w.changes_nothing(collect);

    // Down again, for 1,000 s: that would be a million atoms, but 400,000 are left of what was charged.
    w.take_down(&asker, &keys);
    w.pass(939);
    w.resume(&owner, &keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.base, lease.credit, lease.credited_s), (500_000, 400_000, 1_100));
    w.collect(&keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!((lease.credit, lease.collected), (0, 500_000));
    assert_eq!(w.claimed(&keys.lease), 500_000);
    // A fault gives nothing back on top of it: everything that it costs goes to insurance.
    let done = w.abandon(&owner, &keys);
    assert_eq!(slashed(&done), (0, 720_000));
    assert_eq!(w.claimed(&keys.lease), 500_000);
    w.close_lease(&keys);
    w.pass(UNBONDING_TIME.0);
    // The reservation kept its rent for the claim, and returns it to the cold key; the node pays the offer's next one in.
    w.refresh(&owner, Supply::default().terms(w.now().ts.0));
    let had = w.tokens(&buyer.wallet);
    w.pay_claim(&keys.lease, &buyer.key.pubkey());
    assert_eq!(w.tokens(&buyer.wallet) - had, 500_000);
}

#[test]
fn a_fault_takes_no_more_than_credits_left_of_the_stake_and_is_not_held_up() {
    // The stake is twice what a day earns at most (R28: however the lease came to its length), so that only a whole day of
    // downtime, credited twice over, takes all of it.
    for (down, left) in [(86_200, 200_000), (86_400, 0), (90_000, 0)] {
        let mut w = World::new();
        let buyer = w.buyer(200 * USDC);
        let owner = w.provider(|_| {});
        let asker = w.person();
        let keys = w.running(&buyer, &owner, 1_800_000, |args| args.max_duration_s = 72 * 3_600);
        assert_eq!(w.read::<Reservation>(&address::reservation(&keys.lease)).amount, 86_400_000);
        w.pass(60 * 3_600);
        w.settle(&keys);
        w.take_down(&asker, &keys);
        w.pass(down - 61);
        w.resume(&owner, &keys);
        w.collect(&keys);
        assert_eq!(w.read::<Reservation>(&address::reservation(&keys.lease)).amount, left, "{down} s");
        let done = w.abandon(&owner, &keys);
        assert_eq!(slashed(&done), (left, 0), "{down} s");
        w.close_lease(&keys);
        let bond: Bond = w.read(&owner.bond);
        assert_eq!((bond.claims_assets, bond.reserved), (86_400_000, 0), "all of it is claimed");
    }
}

#[test]
fn a_day_of_downtime_is_credited_and_no_more() {
    for (down, credited) in [(86_399, 86_399), (86_400, 86_400), (86_401, 86_400)] {
        let mut w = World::new();
        let buyer = w.buyer(40 * USDC);
        let owner = w.provider(|supply| supply.floor = 1);
        let asker = w.person();
        let keys = w.running(&buyer, &owner, 72_000, |args| {
            (args.max_price, args.max_duration_s) = (72_000, 300 * 3_600);
        });
        w.pass(100 * 3_600);
        w.take_down(&asker, &keys);
        w.pass(down - 61);
        w.resume(&owner, &keys);
        let lease: Lease = w.read(&keys.lease);
        assert_eq!((lease.credited_s, lease.base), (credited, 7_200_000 - 40 * u64::from(credited)));
        let base = lease.base;
        w.take_down(&asker, &keys);
        w.pass(down);
        w.resume(&owner, &keys);
        let lease: Lease = w.read(&keys.lease);
        assert_eq!((lease.credited_s, lease.base), (86_400, base - 40 * u64::from(86_400 - credited)));
    }
}

#[test]
fn anybody_declares_a_node_unreachable_ten_minutes_after_the_challenge_that_it_missed() {
    for resolved in [false, true] {
        for (at, expected) in [(599, "market TooEarly"), (600, "ok"), (601, "ok")] {
            let mut w = World::new();
            let (buyer, owner, keys, asker) = running(&mut w);
            w.pass(1_000);
            w.challenge(&asker, &keys);
            w.pass(at);
            if resolved {
                w.resolve(&keys);
            }
            let declare = lease::declare_unreachable(&w.payer.pubkey(), &keys, &w.insurance);
            if expected != "ok" {
                assert_eq!(w.refuse(declare, &[]), expected, "at {at}");
                continue;
            }
            let done = w.ok(&[declare.clone()], &[]);
            assert_eq!(done.told(), ["LeaseEnded", "FaultSlashed", "Slashed"]);
            let lease: Lease = w.read(&keys.lease);
            assert_eq!((lease.state(), lease.end_reason()), (Some(LeaseState::Ended), EndReason::Unreachable));
            assert_eq!((lease.base, lease.credit), (0, 0), "twice the downtime is more than what was held back");
            assert_eq!(slashed(&done), (0, 720_000), "the buyer is charged nothing");
            let record: Record = w.read(&owner.record);
            assert_eq!((record.faulted, record.standing), (1, 3_333));
            let job: Job = w.read(&keys.job);
            assert_eq!((job.state(), job.attempts_left, job.reserved), (Some(JobState::Waiting), 2, 3_600_000));
            w.changes_nothing(declare);
            if !resolved {
                assert_eq!(w.refuse(lease::close(&keys), &[]), "market StillOwed", "the bond is still in it");
                assert_eq!(ended(&w.resolve(&keys)), 1);
            }
            assert_eq!(w.lamports(&asker.pubkey()), gridlease_tests::svm::PURSE_OF_SOL + CHALLENGE_BOUNTY);
            w.close_lease(&keys);
            assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3_600_000);
        }
    }
}

#[test]
fn a_buyer_that_had_paid_gets_back_what_it_was_charged_from_the_stake_of_an_unreachable_node() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    w.pass(1_000);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    let early = lease::declare_unreachable(&w.payer.pubkey(), &keys, &w.insurance);
    assert_eq!(w.refuse(early, &[]), "market TooEarly");
    w.pass(139);
    // 200 s down: 200,000 atoms of credit; the buyer stops, so it is a matter of credit alone.
    w.stop(&buyer, &keys);
    assert_eq!(w.read::<Lease>(&keys.lease).credit, 200_000);
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market StillOwed", "the stake waits for the credit");
    w.collect(&keys);
    w.close_lease(&keys);
    assert_eq!(w.claimed(&keys.lease), 200_000);

    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(1_000);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    w.pass(539);
    let done = w.declare_unreachable(&keys);
    assert_eq!(w.read::<Lease>(&keys.lease).credit, 500_000, "600,000, but no more than was charged");
    assert_eq!(slashed(&done), (0, 720_000));
    w.collect(&keys);
    w.close_lease(&keys);
    assert_eq!(w.claimed(&keys.lease), 500_000);
    assert_eq!(w.read::<Bond>(&owner.bond).claims_assets, 700_000);
}

#[test]
fn a_lease_that_runs_is_not_declared_unreachable() {
    let mut w = World::new();
    let (_, owner, keys, asker) = running(&mut w);
    w.pass(1_000);
    let declare = lease::declare_unreachable(&w.payer.pubkey(), &keys, &w.insurance);
    assert_eq!(w.refuse(declare.clone(), &[]), "market WrongState");
    w.challenge(&asker, &keys);
    w.answer(&owner, &keys);
    w.pass(1_000);
    assert_eq!(w.refuse(declare, &[]), "market WrongState");
}

#[test]
fn r02_a_node_that_is_asked_or_down_cannot_say_that_it_is_done_and_is_owed_what_was_accrued_before_less_the_credit() {
    for resolved in [false, true] {
        let mut w = World::new();
        let (buyer, owner, keys, asker) = running(&mut w);
        w.pass(1_000);
        w.challenge(&asker, &keys);
        let finish = |reason| lease::finish(&owner.node.pubkey(), &keys, reason, outcome());
        for reason in [EndReason::Completed, EndReason::DiskFull] {
            assert_eq!(w.refuse(finish(reason), &[&owner.node]), "market ChallengeOpen", "{reason:?}");
        }
        w.pass(61);
        if resolved {
            w.resolve(&keys);
        }
        w.pass(39);
        for reason in [EndReason::Completed, EndReason::DiskFull, EndReason::OutOfFunds] {
            assert_eq!(w.refuse(finish(reason), &[&owner.node]), "market WrongState", "down: {reason:?}");
        }
        if !resolved {
            assert_eq!(ended(&w.resolve(&keys)), 1, "it was silent when its time was over");
        }
        w.resume(&owner, &keys);
        assert_eq!(w.ok(&[finish(EndReason::Completed)], &[&owner.node]).told(), ["LeaseFinished"]);
        let lease: Lease = w.read(&keys.lease);
        assert_eq!((lease.base, lease.credited_s, lease.down_since), (400_000, 100, 0));
        assert_eq!(w.read::<Record>(&owner.record).uptime, 4_375);
        w.wind_up(&buyer, &keys);
        assert_eq!(w.tokens(&owner.payout), 392_000);
    }
}

#[test]
fn a_challenge_asks_for_nothing_once_the_lease_is_over_or_its_funds_are_used_up() {
    // Whoever is asked cannot finish (R2) but where its funds are used up before the minute is: "finish" and "runway".
    for how in ["finish", "stop", "abandon", "reject", "runway"] {
        let used_up = matches!(how, "finish" | "runway");
        let mut w = World::new();
        let (buyer, owner, keys, asker) = running(&mut w);
        let sol = w.lamports(&asker.pubkey());
        w.pass(if used_up { 7_150 } else { 20 });
        let nonce = w.challenge(&asker, &keys);
        w.pass(if used_up { 50 } else { 30 });
        match how {
            "finish" => w.finish(&owner, &keys, EndReason::Completed),
            "stop" => w.stop(&buyer, &keys),
            "abandon" => w.abandon(&owner, &keys),
            "reject" => w.reject(&buyer, &keys),
            _ => w.expire(&keys),
        };
        if how == "runway" {
            assert_eq!(state(&w, &keys), Some(LeaseState::Grace));
            w.pass(20);
        } else {
            let answer = supervision::answer_challenge(&owner.node.pubkey(), &keys, nonce);
            assert_eq!(w.refuse(answer, &[&owner.node]), "market NoChallenge", "{how}");
            assert_eq!(w.refuse(lease::close(&keys), &[]), "market StillOwed", "{how}");
        }
        assert_eq!(ended(&w.resolve(&keys)), 2, "{how}");
        assert_eq!(w.lamports(&asker.pubkey()), sol, "{how}");
        assert_eq!(w.read::<Record>(&owner.record).uptime, 5_000, "{how}");
        if how == "runway" {
            w.stop(&buyer, &keys);
            assert_eq!(w.read::<Lease>(&keys.lease).base, 3_600_000);
        }
        w.settle(&keys);
        w.close_lease(&keys);
    }
}

#[test]
fn a_challenge_that_was_missed_before_the_runway_s_end_still_counts_after_it() {
    let mut w = World::new();
    let (_, owner, keys, asker) = running(&mut w);
    w.pass(7_139);
    w.challenge(&asker, &keys);
    w.pass(100);
    assert_eq!(ended(&w.resolve(&keys)), 1, "its time was over a second before the runway");
    assert_eq!(state(&w, &keys), Some(LeaseState::Paused));
    w.resume(&owner, &keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!(lease.base, metered_ms(7_139) / 2 - 100_000, "100 s of downtime, credited twice over");
    // 61 s were left and 200 s are credited, less the 200 ms that the meter was into a second (R22).
    assert_eq!(lease.runway_end, w.now().ts.0 + (7_200_000 - metered_ms(7_139) + 200_000) / 1_000);
    assert_eq!(lease.runway_end, w.now().ts.0 + 260);
}

#[test]
fn a_credit_is_claimed_whatever_is_frozen_and_whether_the_purse_is_there_or_not() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    w.pass(1_000);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    w.pass(39);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market StillOwed");
    for frozen in [buyer.vault, w.insurance, address::bond_vault(&owner.bond)] {
        w.freeze(&frozen, true);
    }
    w.stop_auditing();
    let purse = w.account(&buyer.purse).unwrap();
    w.put(buyer.purse, Account::default());
    assert_eq!(w.collect(&keys).told(), ["CreditCollected", "Slashed"]);
    w.put(buyer.purse, purse);
    assert_eq!(w.claimed(&keys.lease), 100_000);
    assert_eq!(w.close_lease(&keys).told(), ["Released", "LeaseClosed"]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.reserved, bond.leases, bond.claims_assets), (0, 0, 100_000));
}

#[test]
fn a_credit_is_claimed_out_of_its_own_lease_s_stake_alone() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    let other = w.running(&buyer, &owner, 1_000_000, |_| {});
    let second = w.provider(|_| {});
    w.pass(1_000);
    w.settle(&keys);
    w.take_down(&asker, &keys);
    w.resume(&owner, &keys);
    let collect = supervision::collect_credit(&keys, &w.insurance);
    let (reservation, vault) = (address::reservation(&keys.lease), address::bond_vault(&owner.bond));
    let foreign = w.foreign_account();
    let key = w.key().pubkey();
    let cases = [
        ("another insurance", swapped(&collect, &w.insurance, foreign), "staking WrongInsurance"),
        ("bond of another", swapped(&collect, &keys.bond, second.bond), "market WrongBond"),
        (
            "reservation of another lease",
            swapped(&collect, &reservation, address::reservation(&other.lease)),
            "market Unrelated",
        ),
        ("vault of another bond", swapped(&collect, &vault, address::bond_vault(&second.bond)), "staking WrongVault"),
        ("another staking program", swapped(&collect, &address::STAKING, key), "market ConstraintAddress"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    w.ok(&[collect], &[]);
    assert_eq!(w.read::<Reservation>(&address::reservation(&other.lease)).amount, 5_000_000);
}

#[test]
fn a_top_up_while_the_node_is_down_counts_when_it_lives_again() {
    let mut w = World::new();
    let (buyer, owner, keys, asker) = running(&mut w);
    w.pass(1_000);
    w.take_down(&asker, &keys);
    w.top_up(&buyer, &keys, 50_000);
    assert_eq!(state(&w, &keys), Some(LeaseState::Paused));
    w.pass(39);
    w.resume(&owner, &keys);
    assert_eq!(w.read::<Lease>(&keys.lease).runway_end, w.now().ts.0 + 6_400 + 100);
}
