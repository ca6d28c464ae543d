//! Errors of bids, public and sealed, and of awards.

use gridlease_core::job::EndReason;
use gridlease_core::limits::BOOK_SIZE;
use gridlease_core::requirement::flags;
use gridlease_sdk::account::Commitment;
use gridlease_sdk::address::{self, MARKET};
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::job;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_tests::svm::World;
use gridlease_tests::svm::outcome::error_name;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market BidAboveMax", bid_above_max),
    ("market BidBelowFloor", bid_below_floor),
    ("market BidNotImproved", bid_not_improved),
    ("market BookFull", book_full),
    ("market WindowClosed", window_closed),
    ("market WaitOver", wait_over),
    ("market BidUnaffordable", bid_unaffordable),
    ("market WindowOpen", window_open),
    ("market Unsatisfied", unsatisfied),
    ("market NoFreeUnit", no_free_unit),
    ("market Excluded", excluded),
    ("market InsufficientStake", insufficient_stake),
    ("market NoAutoBid", no_auto_bid),
    ("market NoRent", no_rent),
    ("market RevealOpen", reveal_open),
    ("market RevealClosed", reveal_closed),
    ("market WrongFate", wrong_fate),
];

#[test]
fn the_errors_of_bidding_come_as_they_are_named() {
    play(ALL);
}

/// The refusal of the bid of `price` of a provider with `supply` for a job of the tests.
fn refused(price: u64, supply: impl FnOnce(&mut Supply)) -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(supply);
    let job = w.job(&buyer, |_| {});
    w.refuse(w.bid_of(&owner, &job, price), &[&owner.node])
}

fn bid_above_max() -> String {
    refused(1_800_001, |_| {})
}

fn bid_below_floor() -> String {
    refused(499_999, |_| {})
}

fn insufficient_stake() -> String {
    refused(1_000_000, |supply| supply.stake = 5 * USDC - 1)
}

fn unsatisfied() -> String {
    refused(1_000_000, |supply| supply.spec.flags = flags::SPOT)
}

fn bid_not_improved() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.bid(&owner, &job, 1_000_000);
    w.refuse(w.bid_of(&owner, &job, 1_000_000), &[&owner.node])
}

fn book_full() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners: Vec<_> = (0..=BOOK_SIZE).map(|_| w.provider(|_| {})).collect();
    let job = w.job(&buyer, |_| {});
    for owner in &owners[..BOOK_SIZE] {
        w.bid(owner, &job, 1_000_000);
    }
    w.refuse(w.bid_of(&owners[BOOK_SIZE], &job, 1_700_000), &[&owners[BOOK_SIZE].node])
}

fn window_closed() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (owner, late) = (w.provider(|_| {}), w.provider(|_| {}));
    let job = w.job(&buyer, |_| {});
    w.bid(&owner, &job, 1_000_000);
    w.close_window(&job);
    w.refuse(w.bid_of(&late, &job, 900_000), &[&late.node])
}

fn wait_over() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |args| args.wait_s = 600);
    w.pass(601);
    w.refuse(w.bid_of(&owner, &job, 1_000_000), &[&owner.node])
}

/// Of the lease's 225,000 atoms 175,000 are left: enough for ten minutes at the last price, not at the job's maximum.
fn bid_unaffordable() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (owner, dear) = (w.provider(|_| {}), w.provider(|_| {}));
    let keys = w.running(&buyer, &owner, 900_000, |args| args.max_duration_s = 900);
    w.pass(200);
    w.finish_unseen(&owner, &keys, EndReason::Completed);
    w.reopen(&buyer, &keys);
    w.refuse(w.bid_of(&dear, &keys.job, 1_800_000), &[&dear.node])
}

fn window_open() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.bid(&owner, &job, 1_000_000);
    w.refuse(w.award_of(&job), &[])
}

fn no_free_unit() -> String {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| supply.units = 1);
    w.starting(&buyer, &owner, 1_000_000, |_| {});
    let job = w.job(&buyer, |_| {});
    w.refuse(w.bid_of(&owner, &job, 1_000_000), &[&owner.node])
}

fn excluded() -> String {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.reject(&buyer, &keys);
    w.refuse(w.bid_of(&owner, &keys.job, 900_000), &[&owner.node])
}

fn no_auto_bid() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.refuse(job::enter_offer(&job, &owner.bidder()), &[])
}

/// An award does not fail for it: it passes the bid over, and tells why by its number.
fn no_rent() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = w.job(&buyer, |_| {});
    w.bid(&owner, &job, 1_000_000);
    w.close_window(&job);
    w.stop_auditing();
    let mut account = w.account(&owner.offer).unwrap();
    account.lamports = w.rent(account.data.len());
    w.put(owner.offer, account);
    let done = w.ok(&[w.award_of(&job)], &[]);
    let dropped = done.market().find_map(|event| match event {
        MarketEvent::BidsDropped(told) => told.bids.first().map(|bid| bid.refused),
        _ => None,
    });
    format!("market {}", error_name(&MARKET, dropped.unwrap()).unwrap())
}

/// A sealed auction with one bid in it.
fn committed(w: &mut World) -> (Buyer, Provider, Pubkey, SealedKeys) {
    let (buyer, owner) = (w.buyer(10 * USDC), w.provider(|_| {}));
    let job = w.job(&buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60));
    let hash = sealed::hash(&job, &owner.bidder(), 900_000, &[42; 32]);
    w.ok(&[sealed::commit(&owner.node.pubkey(), &job, &owner.bidder(), hash)], &[&owner.node]);
    let keys = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&job, &owner.record)));
    (buyer, owner, job, keys)
}

fn reveal_open() -> String {
    let mut w = World::new();
    let (_, _, _, keys) = committed(&mut w);
    w.pass(20);
    w.refuse(sealed::release(&keys), &[])
}

fn reveal_closed() -> String {
    let mut w = World::new();
    let (_, _, _, keys) = committed(&mut w);
    w.pass(80);
    w.refuse(sealed::reveal(&keys, 1, 900_000, [42; 32]), &[])
}

fn wrong_fate() -> String {
    let mut w = World::new();
    let (_, _, _, keys) = committed(&mut w);
    w.pass(80);
    w.refuse(sealed::release(&keys), &[])
}
