//! Being in others' way without gaining by it: it must cost whoever does it, or change nothing.

use gridlease_core::job::EndReason;
use gridlease_core::limits::CHALLENGE_BOND_LAMPORTS;
use gridlease_core::requirement::flags;
use gridlease_sdk::account::{Job, Lease, Offer, Provider as Record, Purse};
use gridlease_sdk::instruction::lease;
use gridlease_sdk::instruction::{job, provider, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Provider, Supply, USDC};
use solana_instruction::Instruction;
use solana_signer::Signer;

use super::asked;

/// The provider takes its offer back and posts one of the same number for a machine that `edit` makes less.
fn repost(w: &World, owner: &Provider, edit: impl FnOnce(&mut Supply)) -> [Instruction; 2] {
    let mut supply = Supply::default();
    edit(&mut supply);
    let node = owner.node.pubkey();
    let post = provider::post_offer(&node, &owner.record, 1, supply.machine(), supply.terms(w.now().ts.0));
    [w.withdrawal_of(owner), post]
}

/// What a provider offers less of.
type Edit = fn(&mut Supply);

#[test]
fn a_bidder_that_posts_its_offer_anew_as_less_in_one_transaction_is_charged_a_fault_all_the_same() {
    let less: [(&str, Edit); 4] = [
        ("no GPU", |supply| {
            let spec = &mut supply.spec;
            (spec.gpu_count, spec.gpu_model, spec.vram_mib, spec.compute_capability, spec.cuda) = (0, 0, 0, 0, 0);
            spec.flags |= flags::CPU_CLASS;
        }),
        ("less memory", |supply| supply.spec.memory_mib = 1),
        ("another region", |supply| supply.spec.region = 2),
        ("unclaimed", |_| {}),
    ];
    for (what, edit) in less {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let (junk, honest) = (w.provider(|_| {}), w.provider(|_| {}));
        let posted = w.job(&buyer, |_| {});
        w.bid(&junk, &posted, 600_000);
        w.bid(&honest, &posted, 1_000_000);
        w.ok(&repost(&w, &junk, edit), &[&junk.node]);
        if what != "unclaimed" {
            w.claim_all(&junk, 1);
        }
        w.close_window(&posted);
        let lease = w.award(&posted);
        assert_eq!(w.read::<Lease>(&lease).provider, honest.record);
        let record: Record = w.read(&junk.record);
        assert_eq!((record.faulted, record.standing), (1, 3_333), "{what}: an emptied bid is a fault");
    }
}

#[test]
fn a_bidder_that_posts_the_same_machine_anew_still_stands_by_its_bid() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let posted = w.job(&buyer, |_| {});
    w.bid(&owner, &posted, 600_000);
    w.ok(&repost(&w, &owner, |_| {}), &[&owner.node]);
    w.claim_all(&owner, 1);
    w.close_window(&posted);
    let lease = w.award(&posted);
    assert_eq!((w.read::<Lease>(&lease).provider, w.read::<Lease>(&lease).price), (owner.record, 600_000));
    assert_eq!(w.read::<Record>(&owner.record).faulted, 0);
}

#[test]
fn a_node_that_is_challenged_without_end_earns_every_bond_and_loses_nothing() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    let griefer = w.person();
    w.pass(100);
    let (had, of_node) = (w.lamports(&griefer.pubkey()), w.lamports(&owner.node.pubkey()));
    let rounds = 50;
    for _ in 0..rounds {
        w.challenge(&griefer, &keys);
        let again = supervision::challenge(&griefer.pubkey(), &keys.lease);
        assert_eq!(w.refuse(again, &[&griefer]), "market ChallengeOpen");
        w.pass(1);
        w.answer(&owner, &keys);
    }
    let cost = rounds * CHALLENGE_BOND_LAMPORTS;
    assert_eq!(w.lamports(&griefer.pubkey()), had - cost);
    assert_eq!(w.lamports(&owner.node.pubkey()), of_node + cost);
    w.finish(&owner, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    // 150 s by the clock; the three slots of each second alone cannot make more of them than the rest of one (R22).
    let gross = ((100 + rounds) * 1_000 + 999) / 2;
    assert_eq!(w.tokens(&owner.payout), gross - gross.div_ceil(50), "every second is paid");
    assert_eq!(w.read::<Record>(&owner.record).faulted, 0);
}

#[test]
fn a_provider_that_challenges_itself_to_keep_others_from_asking_is_down_a_minute_later_all_the_same() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    let asker = w.person();
    w.pass(200);
    // Its node is dead; its cold key asks, so that nobody else can.
    w.challenge(&owner.authority, &keys);
    let other = supervision::challenge(&asker.pubkey(), &keys.lease);
    assert_eq!(w.refuse(other, &[&asker]), "market ChallengeOpen");
    w.pass(61);
    w.resolve(&keys);
    let lease: Lease = w.read(&keys.lease);
    assert_eq!(lease.down_since, w.now().ts.0 - 61, "down since its own challenge");
    w.pass(539);
    w.declare_unreachable(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&owner.payout), 0);
}

#[test]
fn a_top_up_that_races_a_settlement_an_expiry_or_a_stop_leads_to_one_end_whoever_is_first() {
    type Ends = Vec<(u64, u64, u64)>;
    // The grace period ends at 7,800 s where somebody saw it begin; else a minute after somebody does (R14).
    for (wait, seen, tops_up) in [
        (7_199, false, true),
        (7_200, false, true),
        (7_500, false, true),
        (7_800, false, true),
        (7_801, false, true),
        (7_800, true, true),
        (7_801, true, false),
    ] {
        let mut ends: Ends = Vec::new();
        for order in [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut w = World::new();
            let buyer = w.buyer(20 * USDC);
            let owner = w.provider(|_| {});
            let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
            w.extend(&buyer, &keys, 1_000); // what 500,000 atoms pay for (R28)
            if seen {
                w.pass(7_300);
                w.expire(&keys);
            }
            w.at(w.read::<Lease>(&keys.lease).ready_ts + wait);
            let steps = [
                lease::top_up(&buyer.key.pubkey(), &keys.lease, 500_000, None),
                lease::settle(&keys),
                lease::expire(&keys),
            ];
            let answers = order.map(|at| {
                let step = [steps[at].clone()];
                let signers = asked(&step, &[&buyer.key]);
                w.send(&step, &signers).is_ok()
            });
            let topped = answers[order.iter().position(|at| *at == 0).unwrap()];
            assert_eq!(topped, tops_up, "{wait} s in order {order:?}: a top-up counts until the end of grace");
            w.pass(500);
            if topped {
                w.stop(&buyer, &keys);
            }
            w.wind_up(&buyer, &keys);
            let purse: Purse = w.read(&buyer.purse);
            ends.push((w.tokens(&owner.payout), purse.balance, purse.fees_owed));
        }
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{wait} s: {ends:?}");
    }
}

#[test]
fn a_buyer_that_cancels_jobs_as_fast_as_it_posts_them_costs_bidders_nothing_but_their_fees() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let had = (w.lamports(&owner.node.pubkey()), w.read::<Offer>(&owner.offer).units_free);
    for _ in 0..20 {
        let posted = w.job(&buyer, |_| {});
        w.bid(&owner, &posted, 1_000_000);
        w.ok(&[job::cancel(&buyer.key.pubkey(), &posted)], &[&buyer.key]);
        let award = w.award_of(&posted);
        w.changes_nothing(award);
        w.close_job(&buyer, &posted);
    }
    assert_eq!((w.lamports(&owner.node.pubkey()), w.read::<Offer>(&owner.offer).units_free), had);
    assert_eq!(w.read::<Record>(&owner.record).faulted, 0);
    assert_eq!(w.read::<Purse>(&buyer.purse).free().0, 20 * USDC);
}

#[test]
fn a_winner_that_never_starts_is_not_awarded_the_same_job_twice_and_cannot_hold_it_longer_than_its_attempts() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (squatter, honest) = (w.provider(|_| {}), w.provider(|_| {}));
    let posted = w.job(&buyer, |_| {});
    w.bid(&squatter, &posted, 500_000);
    w.close_window(&posted);
    let lease = w.award(&posted);
    let keys = w.keys(&lease);
    w.pass(141);
    w.fail_start(&keys);
    let again = w.bid_of(&squatter, &posted, 500_000);
    assert_eq!(w.refuse(again, &[&squatter.node]), "market Excluded");
    w.bid(&honest, &posted, 1_700_000);
    w.close_window(&posted);
    let lease = w.award(&posted);
    assert_eq!(w.read::<Lease>(&lease).provider, honest.record);
    assert_eq!(w.read::<Job>(&posted).attempts_left, 2);
}
