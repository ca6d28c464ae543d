//! Errors of what happens to a lease beside its meter: challenges, checkpoints, rejected starts, notice.

use gridlease_sdk::account::Config;
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::supervision;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use solana_keypair::Keypair;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market WrongNonce", wrong_nonce),
    ("market ChallengeOpen", challenge_open),
    ("market NoChallenge", no_challenge),
    ("market NotDurable", not_durable),
    ("market StaleCheckpoint", stale_checkpoint),
    ("market NoNotice", no_notice),
    ("market RejectsUsedUp", rejects_used_up),
    ("market ChallengeWindow", challenge_window),
    ("market NotVerifier", not_verifier),
];

#[test]
fn the_errors_of_care_come_as_they_are_named() {
    play(ALL);
}

fn running(w: &mut World, edit: impl FnOnce(&mut JobArgs)) -> (Buyer, Provider, LeaseKeys, Keypair) {
    let (buyer, owner, asker) = (w.buyer(20 * USDC), w.provider(|_| {}), w.person());
    let keys = w.running(&buyer, &owner, 1_800_000, edit);
    (buyer, owner, keys, asker)
}

fn wrong_nonce() -> String {
    let mut w = World::new();
    let (_, owner, keys, asker) = running(&mut w, |_| {});
    w.challenge(&asker, &keys);
    w.refuse(supervision::answer_challenge(&owner.node.pubkey(), &keys, [1; 32]), &[&owner.node])
}

fn challenge_open() -> String {
    let mut w = World::new();
    let (_, _, keys, asker) = running(&mut w, |_| {});
    w.challenge(&asker, &keys);
    w.refuse(supervision::challenge(&asker.pubkey(), &keys.lease), &[&asker])
}

fn no_challenge() -> String {
    let mut w = World::new();
    let (_, owner, keys, _) = running(&mut w, |_| {});
    w.refuse(supervision::answer_challenge(&owner.node.pubkey(), &keys, [0; 32]), &[&owner.node])
}

fn checkpoint(edit: impl FnOnce(&mut JobArgs)) -> String {
    let mut w = World::new();
    let (_, owner, keys, _) = running(&mut w, edit);
    w.refuse(supervision::checkpoint(&owner.node.pubkey(), &keys, 0, [1; 32], 9), &[&owner.node])
}

fn not_durable() -> String {
    checkpoint(|_| {})
}

fn stale_checkpoint() -> String {
    checkpoint(|args| args.checkpoint_s = 60)
}

fn no_notice() -> String {
    let mut w = World::new();
    let (_, owner, keys, _) = running(&mut w, |_| {});
    w.refuse(supervision::give_notice(&owner.node.pubkey(), &keys), &[&owner.node])
}

fn rejects_used_up() -> String {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let job = w.job(&buyer, |args| args.attempts = 8);
    for owner in &owners {
        w.bid(owner, &job, 1_000_000);
        w.close_window(&job);
        let lease = w.award(&job);
        let keys = w.keys(&lease);
        w.ready(owner, &keys);
        let reject = lease::reject_ready(&buyer.key.pubkey(), &keys, &w.insurance);
        if let Err(refused) = w.send(&[reject], &[&buyer.key]) {
            return refused.to_string();
        }
        w.close_lease(&keys);
    }
    "three starts were rejected".to_owned()
}

/// On a lease that is over and that nobody asked to have verified, by a key that the configuration names or not.
fn verdict(named: bool) -> String {
    let mut w = World::new();
    let (buyer, _, keys, judge) = running(&mut w, |_| {});
    if named {
        w.edit_as::<Config>(&address::market_config(), |config| config.verifier = judge.pubkey());
    }
    w.pass(100);
    w.stop(&buyer, &keys);
    w.refuse(supervision::verdict(&judge.pubkey(), &keys, &w.insurance, 1, &judge.pubkey()), &[&judge])
}

fn challenge_window() -> String {
    verdict(true)
}

fn not_verifier() -> String {
    verdict(false)
}
