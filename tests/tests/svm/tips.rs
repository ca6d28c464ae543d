//! Tips: who takes a step that is late is paid for it out of what was set aside; the rest goes back to who paid.

use gridlease_core::job::EndReason;
use gridlease_core::tip::{CHALLENGE_BOUNTY, MAX_TIP, TIP, prepaid_array, prepaid_job, prepaid_lease};
use gridlease_sdk::account::{Array, Job, Lease, Offer};
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::tip::tipped;
use gridlease_sdk::instruction::{job, lease, supervision};
use gridlease_sdk::{account::Commitment, address};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::outcome::Done;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use gridlease_tests::svm::supervision::BOND;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// Somebody who turns cranks, and has SOL already.
fn keeper(w: &mut World) -> Pubkey {
    w.person().pubkey()
}

/// What the transaction says was paid, in lamports.
fn told(done: &Done) -> u64 {
    let tips = done.market().map(|event| match event {
        MarketEvent::TipPaid(tip) => tip.lamports,
        _ => 0,
    });
    tips.sum()
}

/// Sends a step that names the keeper; returns what it earned, which is what was told.
#[track_caller]
fn turn(w: &mut World, step: &Instruction, keeper: &Pubkey) -> u64 {
    let had = w.lamports(keeper);
    let done = w.ok(&[tipped(step.clone(), keeper)], &[]);
    let earned = w.lamports(keeper) - had;
    assert_eq!(earned, told(&done), "what moved was told");
    earned
}

/// A job whose window is over, with one bid.
fn to_award(w: &mut World, buyer: &Buyer, owner: &Provider) -> Pubkey {
    let job = w.job(buyer, |_| {});
    w.bid(owner, &job, 1_000_000);
    w.close_window(&job);
    job
}

#[test]
fn r35_an_award_that_leases_earns_a_tip_at_once_and_each_minute_after_two_seconds_adds_one_up_to_ten() {
    for (late, earned) in [(0, 1), (1, 1), (2, 1), (61, 1), (62, 2), (541, 9), (542, 10), (3_000, 10)] {
        let mut w = World::new();
        let (buyer, owner, keeper) = (w.buyer(10 * USDC), w.provider(|_| {}), keeper(&mut w));
        let job = to_award(&mut w, &buyer, &owner);
        w.pass(late);
        let award = w.award_of(&job);
        assert_eq!(turn(&mut w, &award, &keeper), earned * TIP, "{late} s late");
        assert!(w.find::<Lease>(&address::lease(&job, 0)).is_some(), "{late} s late");
    }
}

#[test]
fn who_names_nobody_leaves_the_tip_and_all_but_one_for_the_award_goes_back_to_who_posted() {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(10 * USDC), w.provider(|_| {}));
    let (had, offer_had) = (w.lamports(&buyer.key.pubkey()), w.lamports(&owner.offer));
    let job = to_award(&mut w, &buyer, &owner);
    let space = w.account(&job).unwrap().data.len();
    assert_eq!(w.lamports(&job), w.rent(space) + prepaid_job(3), "set aside at the posting");
    w.pass(1_000);
    let lease = w.award(&job);
    assert_eq!(w.lamports(&lease), w.rent(8 + size_of::<Lease>()) + prepaid_lease() + TIP, "taken along by the lease");
    let keys = w.keys(&lease);
    w.ready(&owner, &keys);
    w.pass(600);
    w.finish(&owner, &keys, EndReason::Completed);
    w.pass(1_000);
    w.wind_up(&buyer, &keys);
    assert_eq!((w.lamports(&buyer.key.pubkey()), w.lamports(&owner.offer)), (had - TIP, offer_had + TIP));
}

#[test]
fn every_late_crank_of_a_job_is_tipped_and_the_rest_goes_back() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(10 * USDC), w.provider(|_| {}), keeper(&mut w));
    let (had, offer_had) = (w.lamports(&buyer.key.pubkey()), w.lamports(&owner.offer));
    let job = to_award(&mut w, &buyer, &owner);
    w.pass(15);
    let award = w.award_of(&job);
    let mut of_job = turn(&mut w, &award, &keeper);
    let lease = w.read::<Job>(&job).current_lease(&job).unwrap();
    let keys = w.keys(&lease);
    w.ready(&owner, &keys);
    w.at(w.read::<Lease>(&lease).runway_end + 15);
    of_job += turn(&mut w, &lease::expire(&keys), &keeper); // grace
    assert_eq!(turn(&mut w, &lease::expire(&keys), &keeper), 0, "nothing to do yet");
    w.at(w.read::<Lease>(&lease).grace_end + 15);
    of_job += turn(&mut w, &lease::expire(&keys), &keeper);
    assert_eq!(turn(&mut w, &lease::expire(&keys), &keeper), 0, "it is over");
    w.settle(&keys);
    w.pass(15);
    let of_lease = turn(&mut w, &lease::close(&keys), &keeper);
    let close = job::close(&job, &buyer.purse, &buyer.key.pubkey());
    of_job += turn(&mut w, &close, &keeper);
    assert_eq!((of_job, of_lease), (4 * TIP, TIP));
    assert_eq!(w.lamports(&buyer.key.pubkey()), had - of_job, "what was not used");
    assert_eq!(w.lamports(&owner.offer), offer_had - of_lease);
}

#[test]
fn a_failed_start_is_tipped_out_of_the_job_and_leaving_early_is_not() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(10 * USDC), w.provider(|_| {}), keeper(&mut w));
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    w.at(w.read::<Lease>(&keys.lease).start_deadline + 1 + 75);
    let had = w.lamports(&keys.job);
    let fail = lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance);
    assert_eq!(turn(&mut w, &fail, &keeper), 2 * TIP);
    assert_eq!(w.lamports(&keys.job), had - 2 * TIP);
    assert_eq!(turn(&mut w, &fail, &keeper), 0, "it failed already");

    let second = w.provider(|_| {});
    let early = w.starting(&buyer, &second, 1_000_000, |_| {});
    let fail = tipped(lease::fail_start(&second.node.pubkey(), &early, &w.insurance), &keeper);
    let had = w.lamports(&keeper);
    w.ok(&[fail], &[&second.node]);
    assert_eq!(w.lamports(&keeper), had, "before its deadline nobody is late");
}

#[test]
fn dropping_bids_without_an_award_earns_nothing() {
    let mut w = World::new();
    let (buyer, keeper) = (w.buyer(10 * USDC), keeper(&mut w));
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let job = w.job(&buyer, |_| {});
    for (owner, price) in owners.iter().zip([900_000, 1_000_000, 1_100_000]) {
        w.bid(owner, &job, price);
    }
    w.close_window(&job);
    for owner in &owners[..2] {
        w.withdraw_offer(owner);
    }
    w.pass(100);
    let state: Job = w.read(&job);
    for _ in 0..2 {
        let first = w.bidders(&job)[..1].to_vec();
        let one = job::award(&job, &state.purse, 0, &first);
        assert_eq!(turn(&mut w, &one, &keeper), 0, "a bid was dropped, the job still waits");
    }
    let award = w.award_of(&job);
    assert_eq!(turn(&mut w, &award, &keeper), 2 * TIP);
}

#[test]
fn tips_end_where_what_was_set_aside_ends_and_no_crank_fails_for_want_of_one() {
    let mut w = World::new();
    let (buyer, keeper) = (w.buyer(10 * USDC), keeper(&mut w));
    let had = w.lamports(&buyer.key.pubkey());
    let job = w.job(&buyer, |args| args.attempts = 8);
    let mut earned = Vec::new();
    for _ in 0..3 {
        let owner = w.provider(|_| {});
        w.bid(&owner, &job, 1_000_000);
        w.at(w.read::<Job>(&job).close_ts + 600);
        let award = w.award_of(&job);
        earned.push(turn(&mut w, &award, &keeper) / TIP);
        let lease = w.read::<Job>(&job).current_lease(&job).unwrap();
        let keys = w.keys(&lease);
        w.at(w.read::<Lease>(&lease).start_deadline + 600);
        let fail = lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance);
        earned.push(turn(&mut w, &fail, &keeper) / TIP);
    }
    assert_eq!(earned, [10, 10, 7, 0, 0, 0], "all of 270,000 lamports, and then nothing");
    w.ok(&[job::cancel(&buyer.key.pubkey(), &job)], &[&buyer.key]);
    w.close_job(&buyer, &job);
    assert_eq!(w.lamports(&buyer.key.pubkey()), had - prepaid_job(8));
}

#[test]
fn r35_of_the_settlements_only_the_one_after_the_end_is_tipped() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(10 * USDC), w.provider(|_| {}), keeper(&mut w));
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(1_000);
    assert_eq!(turn(&mut w, &lease::settle(&keys), &keeper), 0);
    w.pass(100);
    w.stop(&buyer, &keys);
    w.pass(2);
    assert_eq!(turn(&mut w, &lease::settle(&keys), &keeper), TIP);
}

#[test]
fn a_tip_cannot_be_drawn_into_the_account_that_pays_it_and_never_takes_its_rent() {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(10 * USDC), w.provider(|_| {}));
    let job = to_award(&mut w, &buyer, &owner);
    w.pass(1_000);
    let had = w.lamports(&job);
    let award = w.award_of(&job);
    w.ok(&[tipped(award, &job)], &[]);
    assert_eq!(w.lamports(&job), had);
}

#[test]
fn who_asks_a_node_that_is_down_gets_its_bond_back_with_a_bounty_of_the_provider_s() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(40 * USDC), w.provider(|_| {}), keeper(&mut w));
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    let asker = w.person();
    let (had, held) = (w.lamports(&asker.pubkey()), w.lamports(&keys.lease));
    w.pass(100);
    w.challenge(&asker, &keys);
    w.pass(60 + 15);
    let resolve = supervision::resolve_challenge(&keys, &asker.pubkey());
    let before = w.lamports(&keeper);
    let done = w.ok(&[tipped(resolve.clone(), &keeper)], &[]);
    assert_eq!(done.told(), ["ChallengeResolved", "TipPaid", "TipPaid"]);
    assert_eq!(told(&done), CHALLENGE_BOUNTY + TIP);
    assert_eq!(w.lamports(&asker.pubkey()), had + CHALLENGE_BOUNTY);
    assert_eq!(w.lamports(&keeper), before + TIP);
    assert_eq!(w.lamports(&keys.lease), held - CHALLENGE_BOUNTY - TIP);
    w.changes_nothing(tipped(resolve, &keeper));
}

#[test]
fn an_answered_and_a_moot_challenge_pay_no_bounty() {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(40 * USDC), w.provider(|_| {}));
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    let asker = w.person();
    w.pass(100);
    w.challenge(&asker, &keys);
    let done = w.answer(&owner, &keys);
    assert_eq!(told(&done), 0);
    w.challenge(&asker, &keys);
    let had = w.lamports(&asker.pubkey());
    w.stop(&buyer, &keys);
    w.pass(100);
    let done = w.resolve(&keys);
    assert_eq!(told(&done), 0);
    assert_eq!(w.lamports(&asker.pubkey()), had + BOND);
}

#[test]
fn a_sealed_bid_that_nobody_revealed_pays_who_forfeits_it() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(10 * USDC), w.provider(|_| {}), keeper(&mut w));
    let node = owner.node.pubkey();
    let had = w.lamports(&node);
    let job = w.job(&buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let hash = sealed::hash(&job, &owner.bidder(), 900_000, &[1; 32]);
    w.ok(&[sealed::commit(&node, &job, &owner.bidder(), hash)], &[&owner.node]);
    let commitment = address::commitment(&job, &owner.record);
    let keys = SealedKeys::from(&w.read::<Commitment>(&commitment));
    w.at(w.read::<Job>(&job).reveal_end + 15);
    let forfeit = sealed::forfeit(&keys, &w.insurance);
    assert_eq!(turn(&mut w, &forfeit, &keeper), TIP);
    assert_eq!(w.lamports(&node), had - TIP, "its bidder paid, and gets the rest back");
}

#[test]
fn an_offer_without_lamports_for_tips_still_wins_and_its_lease_still_closes() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(10 * USDC), w.provider(|s| s.units = 2), keeper(&mut w));
    let mut offer = w.account(&owner.offer).unwrap();
    offer.lamports -= 2 * prepaid_lease(); // as tips that were paid leave it
    w.put(owner.offer, offer);
    let rent = w.rent(8 + size_of::<Lease>());
    let mut leases = Vec::new();
    for _ in 0..2 {
        let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
        assert_eq!(w.lamports(&keys.lease), rent + TIP, "the award's tip; the other unit's rent is not touched");
        leases.push(keys);
    }
    for keys in &leases {
        w.stop(&buyer, keys);
        w.settle(keys);
        w.pass(100);
        assert_eq!(turn(&mut w, &lease::close(keys), &keeper), TIP, "what the award left");
    }
    w.refresh(&owner, Supply { units: 2, ..Supply::default() }.terms(w.now().ts.0));
    let of_unit = rent + w.rent(8 + size_of::<gridlease_sdk::account::Reservation>()) + prepaid_lease();
    assert_eq!(w.lamports(&owner.offer), w.rent(8 + size_of::<Offer>()) + 2 * of_unit, "a refresh pays it in again");
}

#[test]
fn an_array_tips_for_its_tasks_and_its_closing_and_never_out_of_the_rent_of_the_next_task() {
    let mut w = World::new();
    let (buyer, owner, keeper) = (w.buyer(200 * USDC), w.provider(|s| s.units = 4), keeper(&mut w));
    let had = w.lamports(&buyer.key.pubkey());
    let array = w.array(
        &buyer,
        gridlease_sdk::instruction::array::ArrayShape { count: 4, quorum: 4, budget: 4 * CAP, ..shape() },
    );
    let posted = had - w.lamports(&buyer.key.pubkey());
    let mut paid = 0;
    for task in 0..4 {
        w.at(w.read::<Array>(&array).header.due_ts.max(w.now().ts.0) + 600);
        w.refresh(&owner, Supply { units: 4, ..Supply::default() }.terms(w.now().ts.0));
        let open = w.opening_of(&array);
        paid += turn(&mut w, &open, &keeper);
        let job = address::task_job(&array, task, 1, 0);
        let keys = w.start_task(&owner, &job);
        w.pass(100);
        w.finish_task(&owner, &keys, 0);
        w.pass(600);
        let close = w.closing_of(&job);
        paid += turn(&mut w, &close, &keeper);
    }
    w.pass(600);
    let close = w.array_closing_of(&array);
    paid += turn(&mut w, &close, &keeper);
    assert!(paid > 4 * MAX_TIP, "{paid}: late tasks and closings");
    assert!(paid <= prepaid_array(4, 3, 3), "{paid}: no more than was set aside");
    assert!(posted > prepaid_array(4, 3, 3));
    // The awards' tips, which nobody took, are the offer's: as many as what was set aside paid for.
    let spent = (paid + 4 * TIP).min(prepaid_array(4, 3, 3));
    assert_eq!(w.lamports(&buyer.key.pubkey()), had - spent, "all but the tips came back");
}

/// Cancels a task's job, closes it late, and returns what that earned.
fn end_late(w: &mut World, buyer: &Buyer, task: &Pubkey, keeper: &Pubkey) -> u64 {
    w.ok(&[job::cancel(&buyer.key.pubkey(), task)], &[&buyer.key]);
    w.pass(600);
    let close = w.closing_of(task);
    turn(w, &close, keeper)
}

#[test]
fn the_rent_of_a_closed_replica_is_no_tip_of_another_task() {
    let mut w = World::new();
    let (buyer, keeper) = (w.buyer(500 * USDC), keeper(&mut w));
    let shape = gridlease_sdk::instruction::array::ArrayShape {
        count: 6,
        quorum: 6,
        replicas: 2,
        parallel: 2,
        budget: 12 * CAP,
    };
    let array = w.array(&buyer, shape);
    let open = |w: &mut World| w.open_task(&array);
    // Until hardly anything is left for tips.
    for _ in 0..3 {
        for task in open(&mut w) {
            end_late(&mut w, &buyer, &task, &keeper);
        }
    }
    // One replica is closed while the other still holds its task open; then another task takes what there is for tips.
    let tasks = open(&mut w);
    end_late(&mut w, &buyer, &tasks[0], &keeper);
    open(&mut w);
    let rent = w.rent(w.account(&array).unwrap().data.len()) + w.rent(w.account(&tasks[1]).unwrap().data.len());
    assert!(w.lamports(&array) >= rent, "{} of {rent}", w.lamports(&array));
}
