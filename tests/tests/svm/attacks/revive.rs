//! Closing an account and reviving it in the same transaction: its lamports are sent back before the runtime clears it away,
//! so that its old content might be used again, or its address be taken a second time.

use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Array, Bond, Commitment, Lease, Offer, Purse, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, job, lease, provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::{Supply, USDC};
use gridlease_tests::svm::steps::{job_args, outcome};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use solana_system_interface::instruction::transfer;

use super::asked;

/// Sends the closing and then the lamports back to the closed address, in one transaction with what follows; returns why it
/// was refused. What was refused has changed nothing: the world sees to that.
#[track_caller]
fn revived(w: &mut World, close: &Instruction, address: &Pubkey, then: Instruction, signers: &[&Keypair]) -> String {
    let payer = w.payer.pubkey();
    let lamports = w.lamports(address).max(w.rent(1_024));
    let all = [close.clone(), transfer(&payer, address, lamports), then];
    let signers = asked(&all, signers);
    let refused = match w.send(&all, &signers) {
        Ok(done) => panic!("it went through: {:#?}", done.told()),
        Err(refused) => refused,
    };
    assert_eq!(refused.instruction, Some(2), "it is the use of the revived account that is refused: {refused:?}");
    refused.to_string()
}

/// Closes and revives the account, which is allowed and leaves lamports at an address of nobody's.
#[track_caller]
fn left_behind(w: &mut World, close: &Instruction, address: &Pubkey, signers: &[&Keypair]) {
    let payer = w.payer.pubkey();
    let lamports = w.rent(1_024);
    w.ok(&[close.clone(), transfer(&payer, address, lamports)], signers);
    let account = w.account(address).unwrap();
    assert_eq!((account.owner, account.data.len()), (SYSTEM_PROGRAM, 0), "an empty account of nobody's is left");
}

const GONE: &str = "market AccountOwnedByWrongProgram";

#[test]
fn a_lease_that_is_closed_and_revived_pays_releases_and_closes_nothing_a_second_time() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let other = w.running(&buyer, &owner, 1_000_000, |_| {});
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.pass(100);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    let close = lease::close(&keys);
    let node = owner.node.pubkey();
    let again = [
        lease::close(&keys),
        lease::settle(&keys),
        lease::expire(&keys),
        lease::settle_batch(&other, &[keys.lease]),
        lease::stop(&buyer.key.pubkey(), &keys),
        lease::finish(&node, &keys, EndReason::Completed, outcome()),
        lease::abandon(&node, &keys, &w.insurance, outcome()),
        lease::top_up(&buyer.key.pubkey(), &keys.lease, 1, None),
    ];
    for then in again {
        let refused = revived(&mut w, &close, &keys.lease, then, &[&buyer.key, &owner.node]);
        assert_eq!(refused, GONE);
    }
    left_behind(&mut w, &close, &keys.lease, &[]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!(bond.leases, 1, "the other lease's stake is untouched");
    assert_eq!(w.refuse(close, &[]), GONE);
}

#[test]
fn a_reservation_that_is_released_and_revived_is_released_once() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let other = w.running(&buyer, &owner, 1_000_000, |_| {});
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.pass(100);
    w.freeze(&owner.payout, true);
    w.stop(&buyer, &keys);
    // The pay cannot move, so closing sets the stake free and leaves the lease: the second closing meets it once more.
    let reservation = address::reservation(&keys.lease);
    let (payer, rent) = (w.payer.pubkey(), w.rent(8 + size_of::<Reservation>()));
    let close = lease::close(&keys);
    let done = w.ok(&[close.clone(), transfer(&payer, &reservation, rent), close.clone()], &[]);
    assert_eq!(done.told(), ["Released", "LeaseReleased"]);
    assert_eq!(w.account(&reservation).unwrap().owner, SYSTEM_PROGRAM);
    let (bond, offer): (Bond, Offer) = (w.read(&owner.bond), w.read(&owner.offer));
    let bound = w.read::<Reservation>(&address::reservation(&other.lease)).amount;
    assert_eq!((bond.reserved, bond.leases, offer.units_free), (bound, 1, 1));
    w.freeze(&owner.payout, false);
    w.settle(&keys);
    assert_eq!(w.close_lease(&keys).told(), ["LeaseClosed"]);
}

#[test]
fn a_job_that_is_closed_and_revived_takes_no_step_and_its_number_is_used() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let key = buyer.key.pubkey();
    let (post, address) = w.post(&buyer, |_| {});
    w.ok(&[post.clone()], &[&buyer.key]);
    let (cancel, close) = (job::cancel(&key, &address), job::close(&address, &buyer.purse, &key));
    let bid = w.bid_of(&owner, &address, 1_000_000);
    w.ok(&[cancel.clone()], &[&buyer.key]);
    for then in [cancel, close.clone(), bid, job::award(&address, &buyer.purse, 0, &[])] {
        let refused = revived(&mut w, &close, &address, then, &[&buyer.key, &owner.node]);
        assert_eq!(refused, GONE);
    }
    let refused = revived(&mut w, &close, &address, post, &[&buyer.key]);
    assert_eq!(refused, "market NumberUsed", "where a node remembers a job no other will ever stand");
    left_behind(&mut w, &close, &address, &[]);
    assert_eq!(w.read::<Purse>(&buyer.purse).open_jobs, 0);
}

#[test]
fn a_purse_that_is_closed_and_opened_again_in_one_transaction_remembers_no_money_and_repeats_no_number() {
    let mut w = World::new();
    let buyer = w.buyer(4 * USDC);
    let key = buyer.key.pubkey();
    let (post, old) = w.post(&buyer, |_| {});
    let cancel = [job::cancel(&key, &old), job::close(&old, &buyer.purse, &key)];
    w.ok(&[&[post.clone()], &cancel[..]].concat(), &[&buyer.key]);
    let empty = purse::withdraw(&key, &buyer.wallet, 4 * USDC);
    let (close, open) = (purse::close(&key, &buyer.wallet), purse::open(&key, &w.mint));
    let refused = w.send(&[empty.clone(), close.clone(), open.clone()], &[&buyer.key]).err().unwrap();
    assert_eq!(refused.to_string(), "market TooEarly", "in the slot of its last job");
    w.pass(1);
    let deposit = purse::deposit(&key, &key, &buyer.wallet, 4 * USDC);
    let again = [empty.clone(), close.clone(), open.clone(), deposit.clone(), post];
    let refused = w.send(&again, &[&buyer.key]).err().unwrap();
    assert_eq!((refused.instruction, refused.to_string()), (Some(4), "market NumberUsed".to_owned()));
    // Withdrawn, closed, opened and withdrawn again: the second life has none of the first one's money.
    let twice = [empty.clone(), close, open, empty];
    let refused = w.send(&twice, &[&buyer.key]).err().unwrap();
    assert_eq!((refused.instruction, refused.to_string()), (Some(3), "market InsufficientFree".to_owned()));
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, 4 * USDC);
}

#[test]
fn a_sealed_bid_that_is_let_go_and_revived_frees_its_bond_once() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let posted = w.job(&buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let hash = sealed::hash(&posted, &owner.bidder(), 1_000_000, &[42; 32]);
    let commit = sealed::commit(&owner.node.pubkey(), &posted, &owner.bidder(), hash);
    w.ok(&[commit.clone()], &[&owner.node]);
    let keys = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&posted, &owner.record)));
    w.ok(&[job::cancel(&buyer.key.pubkey(), &posted)], &[&buyer.key]);
    let release = sealed::release(&keys);
    for then in [release.clone(), sealed::reveal(&keys, 1, 1_000_000, [42; 32]), sealed::forfeit(&keys, &w.insurance)] {
        assert_eq!(revived(&mut w, &release, &keys.commitment(), then, &[]), GONE);
    }
    let refused = revived(&mut w, &release, &keys.commitment(), commit, &[&owner.node]);
    assert_eq!(refused, "market WrongState", "nor does it bind another for a job that is over");
    let had = w.lamports(&owner.node.pubkey());
    left_behind(&mut w, &release, &keys.commitment(), &[]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.reserved, bond.leases), (0, 0));
    assert!(w.lamports(&owner.node.pubkey()) > had, "its rent is back");
}

#[test]
fn an_offer_that_is_closed_and_posted_again_in_one_transaction_has_its_rent_and_its_claims_once() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let node = owner.node.pubkey();
    let withdraw = w.withdrawal_of(&owner);
    let supply = Supply::default();
    let post = provider::post_offer(&node, &owner.record, 1, supply.machine(), supply.terms(w.now().ts.0));
    let had = w.lamports(&node) + w.lamports(&owner.offer) + w.claim_rent(&owner.offer);
    let claims: Vec<_> = w.claims_of(&owner.offer).iter().map(|(hash, _)| *hash).collect();
    let claim = provider::claim_gpus(&node, &owner.record, &owner.bond, 1, &claims);
    w.ok(&[withdraw, post, claim], &[&owner.node]);
    assert_eq!(w.lamports(&node) + w.lamports(&owner.offer) + w.claim_rent(&owner.offer), had);
    let offer: Offer = w.read(&owner.offer);
    assert_eq!((offer.units_free, offer.claimed), (2, 2));
}

#[test]
fn a_gpu_that_is_given_up_and_claimed_by_another_in_one_transaction_stands_in_one_offer() {
    let mut w = World::new();
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let claims = w.claims_of(&first.offer);
    let give_up = provider::release_gpus(&first.node.pubkey(), &first.record, 1, &claims[0], &[]);
    let free = w.claims_of(&second.offer);
    let make_room = provider::release_gpus(&second.node.pubkey(), &second.record, 1, &free[0], &[]);
    let take = provider::claim_gpus(&second.node.pubkey(), &second.record, &second.bond, 1, &[claims[0].0]);
    w.ok(&[make_room, give_up, take], &[&first.node, &second.node]);
    let (of_first, of_second): (Offer, Offer) = (w.read(&first.offer), w.read(&second.offer));
    assert_eq!((of_first.claimed, of_second.claimed), (1, 2));
    assert!(of_first.claims().check().is_err(), "who gave a GPU away takes no lease any more");
}

#[test]
fn an_array_that_is_closed_and_revived_opens_no_task_and_its_number_is_used() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let key = buyer.key.pubkey();
    let small = ArrayShape { count: 2, quorum: 2, budget: 2 * CAP, ..shape() };
    let number = w.next_number();
    let post = array::post(&key, number, small, job_args());
    let address = address::array(&buyer.purse, number);
    w.ok(&[post.clone()], &[&buyer.key]);
    let open = w.opening_of(&address);
    w.cancel_array(&buyer, &address);
    assert_eq!(w.read::<Array>(&address).reserved, 0);
    let close = w.array_closing_of(&address);
    assert_eq!(revived(&mut w, &close, &address, open, &[]), GONE);
    assert_eq!(revived(&mut w, &close, &address, close.clone(), &[]), GONE);
    assert_eq!(revived(&mut w, &close, &address, post, &[&buyer.key]), "market NumberUsed");
    left_behind(&mut w, &close, &address, &[]);
}

#[test]
fn a_request_to_unbond_that_was_paid_and_revived_is_paid_once_and_its_number_is_used() {
    let mut w = World::new();
    let owner = w.registered(20 * USDC);
    let number = w.unbond(&owner, 5 * USDC);
    w.pass(gridlease_core::limits::UNBONDING_TIME.0);
    let address = address::unbonding(&owner.bond, &owner.authority.pubkey(), number);
    let pay = w.withdrawal_of_stake(&owner, number);
    let refused = revived(&mut w, &pay, &address, pay.clone(), &[]);
    assert_eq!(refused, "staking AccountOwnedByWrongProgram");
    let same = stake::unbond(&owner.authority.pubkey(), &owner.payout, USDC, number);
    assert_eq!(revived(&mut w, &pay, &address, same, &[&owner.authority]), "staking WrongUnbonding");
    left_behind(&mut w, &pay, &address, &[]);
    assert_eq!((w.tokens(&owner.payout), w.read::<Bond>(&owner.bond).amount), (5 * USDC, 15 * USDC));
}

#[test]
fn a_lease_whose_address_was_sent_lamports_in_the_transaction_of_its_end_is_not_opened_anew_by_the_next_award() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let posted = w.job(&buyer, |_| {});
    w.bid(&first, &posted, 1_000_000);
    w.bid(&second, &posted, 1_100_000);
    w.close_window(&posted);
    let failed = w.award(&posted);
    let keys = w.keys(&failed);
    w.pass(141);
    w.fail_start(&keys);
    left_behind(&mut w, &lease::close(&keys), &failed, &[]);
    let award = w.award_of(&posted);
    // The caller names the old address in place of the next one.
    let reused = crate::swapped(&award, &address::lease(&posted, 1), failed);
    assert_eq!(w.refuse(reused, &[]), "market Unrelated");
    let next = w.award(&posted);
    assert_eq!((next, w.read::<Lease>(&next).number), (address::lease(&posted, 1), 1));
}
