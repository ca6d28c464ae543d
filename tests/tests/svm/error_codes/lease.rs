//! Errors of leases: starting, paying, ending.

use gridlease_core::job::EndReason;
use gridlease_sdk::account::Lease;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use gridlease_tests::svm::steps::{GPUS, outcome};
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market WrongImage", wrong_image),
    ("market ReasonNotAllowed", reason_not_allowed),
    ("market StillOwed", still_owed),
    ("market TopUpTooSmall", top_up_too_small),
];

#[test]
fn the_errors_of_leases_come_as_they_are_named() {
    play(ALL);
}

fn running(w: &mut World) -> (Buyer, Provider, LeaseKeys) {
    let (buyer, owner) = (w.buyer(20 * USDC), w.provider(|_| {}));
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    (buyer, owner, keys)
}

fn wrong_image() -> String {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(20 * USDC), w.provider(|_| {}));
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    w.refuse(lease::ready(&owner.node.pubkey(), &keys, [6; 32], GPUS), &[&owner.node])
}

fn reason_not_allowed() -> String {
    let mut w = World::new();
    let (_, owner, keys) = running(&mut w);
    w.refuse(lease::finish(&owner.node.pubkey(), &keys, EndReason::Stopped, outcome()), &[&owner.node])
}

/// A lease that ended unreachable still holds the bond of the challenge that nobody answered or resolved.
fn still_owed() -> String {
    let mut w = World::new();
    let (_, _, keys) = running(&mut w);
    let asker = w.person();
    w.challenge(&asker, &keys);
    w.pass(700);
    w.declare_unreachable(&keys);
    w.refuse(lease::close(&keys), &[])
}

/// In the grace period an atom buys less than the minute that a lease is charged at least.
fn top_up_too_small() -> String {
    let mut w = World::new();
    let (buyer, _, keys) = running(&mut w);
    w.at(w.read::<Lease>(&keys.lease).runway_end);
    w.expire(&keys);
    w.extend(&buyer, &keys, 60);
    w.refuse(lease::top_up(&buyer.key.pubkey(), &keys.lease, 1, None), &[&buyer.key])
}
