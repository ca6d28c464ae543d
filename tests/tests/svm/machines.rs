//! R32: machines below one provider, each with a key, an endpoint and a limit of stake of its own.

use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Bond, Job, Lease, Machine, Offer, Provider as Record};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::BidderKeys;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::provider::{self, NodeArgs, OfferMachine};
use gridlease_sdk::instruction::{job, sealed, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC, gpu_hash, node_args};
use gridlease_tests::svm::steps::outcome;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::swapped;

/// Number of the tests' machine, and of its offer.
const NUMBER: u32 = 7;

/// A machine of `owner` with an offer.
struct Second {
    key: Pubkey,
    node: Keypair,
    offer: Pubkey,
    bidder: BidderKeys,
}

/// Puts a machine with a limit of `limit` below `owner`, with an offer that has all of it.
fn machine(w: &mut World, owner: &Provider, limit: u64) -> Second {
    let node = w.person();
    let args = NodeArgs { stake_limit: limit, ..node_args(&node.pubkey()) };
    let register = provider::register_machine(&owner.authority.pubkey(), NUMBER, args);
    assert_eq!(w.ok(&[register], &[&owner.authority]).told(), ["MachineRecorded"]);
    let key = address::machine(&owner.record, NUMBER);
    let supply = Supply { units: 2, ..Supply::default() };
    let of = OfferMachine { stake_limit: limit, ..supply.machine() };
    let terms = supply.terms(w.now().ts.0);
    let post = provider::post_offer_of(&node.pubkey(), &owner.record, Some(key), NUMBER, of, terms);
    w.ok(&[post], &[&node]);
    let hashes: Vec<_> = (0..2).map(|at| gpu_hash(&owner.record, NUMBER, at)).collect();
    w.ok(&[provider::claim_gpus(&node.pubkey(), &owner.record, &owner.bond, NUMBER, &hashes)], &[&node]);
    let bidder = BidderKeys { provider: owner.record, offer: NUMBER, bond: owner.bond };
    Second { key, node, offer: address::offer(&owner.record, NUMBER), bidder }
}

/// A job that `second` alone bids on, awarded to it.
fn leased(w: &mut World, buyer: &Buyer, second: &Second, notice_s: u32) -> LeaseKeys {
    let job = w.job(buyer, |args| args.notice_s = notice_s);
    w.ok(&[job::bid(&second.node.pubkey(), &job, &second.bidder, 1_000_000)], &[&second.node]);
    w.close_window(&job);
    let lease = w.award(&job);
    w.keys(&lease)
}

fn ready(w: &mut World, second: &Second, keys: &LeaseKeys) {
    let ready = lease::ready(&second.node.pubkey(), keys, [7; 32], [8; 32]);
    w.ok(&[ready], &[&second.node]);
}

#[test]
fn r32_a_machine_bids_runs_and_finishes_with_its_own_key_on_the_provider_s_one_bond() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let second = machine(&mut w, &owner, 50 * USDC);
    let offer: Offer = w.read(&second.offer);
    assert_eq!((offer.machine, offer.node_key, offer.stake_limit), (second.key, second.node.pubkey(), 50 * USDC));
    let keys = leased(&mut w, &buyer, &second, 0);
    assert_eq!(keys.bond, owner.bond);
    let stake = w.read::<Lease>(&keys.lease).stake;
    assert_eq!(w.read::<Offer>(&second.offer).bound, stake);
    let by_first = lease::ready(&owner.node.pubkey(), &keys, [7; 32], [8; 32]);
    assert_eq!(w.refuse(by_first, &[&owner.node]), "market NotNodeKey", "the first machine's key says nothing here");
    ready(&mut w, &second, &keys);
    w.pass(600);
    let finish = lease::finish(&second.node.pubkey(), &keys, EndReason::Completed, outcome());
    w.ok(&[finish], &[&second.node]);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.read::<Offer>(&second.offer).bound, 0);
    assert_eq!(w.read::<Record>(&owner.record).completed, 1, "one standing");
}

#[test]
fn r32_an_offer_binds_no_more_of_the_bond_than_its_limit_and_what_is_slashed_stays_bound() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let second = machine(&mut w, &owner, 9 * USDC);
    let keys = leased(&mut w, &buyer, &second, 0);
    assert_eq!(w.read::<Lease>(&keys.lease).stake, 5 * USDC);
    let job = w.job(&buyer, |_| {});
    let bid = job::bid(&second.node.pubkey(), &job, &second.bidder, 1_000_000);
    assert_eq!(w.refuse(bid, &[&second.node]), "market StakeLimit", "the bond has 95 USDC free, the offer 4");
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 5 * USDC);

    ready(&mut w, &second, &keys);
    w.pass(100);
    let insurance = w.insurance;
    let abandon = lease::abandon(&second.node.pubkey(), &keys, &insurance, outcome());
    w.ok(&[abandon], &[&second.node]);
    w.settle(&keys);
    w.close_lease(&keys);
    let bond: Bond = w.read(&owner.bond);
    let lost = bond.slashed_total + bond.claims_assets;
    assert_eq!(lost, 500_000, "a tenth of 5 USDC, some of it claimed by the buyer");
    assert_eq!(w.read::<Offer>(&second.offer).bound, lost, "who stole the key burns the limit once");
}

#[test]
fn r32_sealed_bonds_count_in_the_limit_and_a_bid_keeps_its_offer() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let second = machine(&mut w, &owner, 9 * USDC);
    let job = w.job(&buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let bond = w.read::<Job>(&job).sealed_bond;
    let hash = sealed::hash(&job, &second.bidder, 900_000, &[3; 32]);
    w.ok(&[sealed::commit(&second.node.pubkey(), &job, &second.bidder, hash)], &[&second.node]);
    let offer: Offer = w.read(&second.offer);
    assert_eq!((offer.bound, offer.sealed), (bond, 1));
    let commitment = address::commitment(&job, &owner.record);
    let keys = sealed::SealedKeys::from(&w.read::<gridlease_sdk::account::Commitment>(&commitment));
    assert_eq!(keys.offer, second.offer);
    w.close_window(&job);
    w.ok(&[sealed::reveal(&keys, NUMBER, 900_000, [3; 32])], &[]);
    let offer: Offer = w.read(&second.offer);
    assert_eq!((offer.bound, offer.sealed), (0, 0));
}

#[test]
fn r32_the_cold_key_alone_changes_a_machine_and_no_offer_keeps_an_old_key() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let second = machine(&mut w, &owner, 50 * USDC);
    let keys = leased(&mut w, &buyer, &second, 0);
    let cold = owner.authority.pubkey();
    let fresh = w.person();
    let args = NodeArgs { stake_limit: 60 * USDC, ..node_args(&fresh.pubkey()) };
    let update = |offers: &[Pubkey]| provider::update_machine(&cold, NUMBER, args.clone(), offers);
    assert_eq!(w.refuse(update(&[]), &[&owner.authority]), "market BadOffers", "an offer would keep the stolen key");
    assert_eq!(w.refuse(update(&[owner.offer]), &[&owner.authority]), "market BadOffers", "another machine's offer");
    let by_node = swapped(&update(&[second.offer]), &cold, second.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&second.node]), "market NotAuthority");
    w.ok(&[update(&[second.offer])], &[&owner.authority]);
    assert_eq!(w.read::<Offer>(&second.offer).node_key, fresh.pubkey());
    let stolen = lease::ready(&second.node.pubkey(), &keys, [7; 32], [8; 32]);
    assert_eq!(w.refuse(stolen, &[&second.node]), "market NotNodeKey");
    let good = lease::ready(&fresh.pubkey(), &keys, [7; 32], [8; 32]);
    w.ok(&[good], &[&fresh]);
}

#[test]
fn r32_a_machine_allots_no_more_than_its_limit() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let second = machine(&mut w, &owner, 9 * USDC);
    let supply = Supply::default();
    let more = OfferMachine { stake_limit: 1, ..supply.machine() };
    let terms = supply.terms(w.now().ts.0);
    let post = provider::post_offer_of(&second.node.pubkey(), &owner.record, Some(second.key), 8, more, terms);
    assert_eq!(w.refuse(post.clone(), &[&second.node]), "market MachineLimit");
    let other = w.provider(|_| {});
    let foreign = swapped(&post, &second.key, other.record);
    assert!(w.send(&[foreign], &[&second.node]).is_err(), "another provider's record is no machine");
}

#[test]
fn r32_anyone_ends_the_leases_of_a_retired_machine_as_was_agreed_and_all_rent_comes_back() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let second = machine(&mut w, &owner, 50 * USDC);
    let (agreed, without) = (leased(&mut w, &buyer, &second, 600), leased(&mut w, &buyer, &second, 0));
    ready(&mut w, &second, &agreed);
    ready(&mut w, &second, &without);
    let stranger = w.person();
    let notice = supervision::give_notice(&stranger.pubkey(), &agreed);
    assert_eq!(w.refuse(notice.clone(), &[&stranger]), "market NotNodeKey");
    let cold = owner.authority.pubkey();
    let retire = provider::retire_machine(&cold, NUMBER, &[second.offer]);
    assert_eq!(w.ok(&[retire.clone()], &[&owner.authority]).told(), ["MachineRecorded"]);
    w.changes_nothing_by(retire, &[&owner.authority]);
    let job = w.job(&buyer, |_| {});
    let bid = job::bid(&second.node.pubkey(), &job, &second.bidder, 1_000_000);
    assert_eq!(w.refuse(bid, &[&second.node]), "market OfferNotLive");

    let insurance = w.insurance;
    let abandon = |keys: &LeaseKeys| lease::abandon(&stranger.pubkey(), keys, &insurance, outcome());
    assert_eq!(w.refuse(abandon(&agreed), &[&stranger]), "market NotNodeKey", "a notice was agreed");
    w.ok(&[abandon(&without)], &[&stranger]);
    assert_eq!(w.read::<Lease>(&without.lease).end_reason(), EndReason::Abandoned);
    w.ok(&[notice], &[&stranger]);
    w.pass(600);
    let finish = lease::finish(&second.node.pubkey(), &agreed, EndReason::Notice, outcome());
    w.ok(&[finish], &[&second.node]);
    for keys in [&agreed, &without] {
        w.settle(keys);
        w.close_lease(keys);
    }
    let close = provider::close_machine(&owner.record, &second.key, &cold);
    assert_eq!(w.refuse(close.clone(), &[]), "market NotEmpty", "its offer stands");
    let claims = w.claims_of(&second.offer);
    let node = second.node.pubkey();
    let mut withdraw = provider::withdraw_offer_of(&node, &owner.record, Some(second.key), NUMBER, &node);
    for (hash, payer) in claims {
        withdraw.accounts.push(solana_instruction::AccountMeta::new(address::gpu_claim(&hash), false));
        withdraw.accounts.push(solana_instruction::AccountMeta::new(payer, false));
    }
    w.ok(&[withdraw], &[&second.node]);
    let held = w.lamports(&cold);
    assert_eq!(w.ok(&[close], &[]).told(), ["MachineClosed"]);
    assert!(w.find::<Machine>(&second.key).is_none() && w.lamports(&cold) > held);
    assert_eq!(w.read::<Record>(&owner.record).machines, 0);
}
