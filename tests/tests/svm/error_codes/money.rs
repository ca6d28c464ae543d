//! Errors of purses, and of money that is not where the books say.

use gridlease_core::limits::{JOB_CAP, PURSE_CAP};
use gridlease_sdk::account::Purse;
use gridlease_sdk::instruction::{governance, job, lease, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::steps::job_args;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market ZeroAmount", zero_amount),
    ("market InsufficientFree", insufficient_free),
    ("market InsufficientReserved", insufficient_reserved),
    ("market InvariantBroken", invariant_broken),
    ("market NotEmpty", not_empty),
    ("market SpenderCap", spender_cap),
    ("market GuardianCap", guardian_cap),
    ("market MixedBatch", mixed_batch),
    ("market FrozenTokenAccount", frozen_token_account),
    ("market Overflow", overflow),
    ("market BeyondDuration", beyond_duration),
    ("market PurseCap", purse_cap),
    ("market JobCap", job_cap),
    ("staking BondCap", bond_cap),
    ("market RaisesCap", raises_cap),
    ("staking RaisesCap", raises_bond_cap),
];

#[test]
fn the_errors_of_money_come_as_they_are_named() {
    play(ALL);
}

fn zero_amount() -> String {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    w.refuse(purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, 0), &[&buyer.key])
}

fn insufficient_free() -> String {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    w.refuse(purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, USDC + 1), &[&buyer.key])
}

fn guardian_cap() -> String {
    let mut w = World::new();
    let (buyer, owner, guardian) = (w.buyer(10 * USDC), w.provider(|_| {}), w.person());
    w.ok(&[purse::set_guardian(&buyer.key.pubkey(), &guardian.pubkey(), 0, 0)], &[&buyer.key]);
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    let top_up = lease::top_up_by(&guardian.pubkey(), &buyer.key.pubkey(), &keys.lease, 1, None);
    w.refuse(top_up, &[&guardian])
}

/// A purse that forgot what its job holds: no transaction brings it about.
fn insufficient_reserved() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let posted = w.job(&buyer, |_| {});
    w.stop_auditing();
    w.edit_as::<Purse>(&buyer.purse, |purse| purse.reserved -= 1);
    w.refuse(job::cancel(&buyer.key.pubkey(), &posted), &[&buyer.key])
}

/// A token program that takes orders and moves nothing: the vault does not cover the balance.
fn invariant_broken() -> String {
    let mut w = World::new();
    let (depositor, from) = w.wallet(USDC);
    let buyer = w.buyer(0);
    w.stop_auditing();
    w.put_idle_token_program();
    w.refuse(purse::deposit(&depositor.pubkey(), &buyer.key.pubkey(), &from, 1), &[&depositor])
}

fn not_empty() -> String {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    w.refuse(purse::close(&buyer.key.pubkey(), &buyer.wallet), &[&buyer.key])
}

fn spender_cap() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (key, spender) = (buyer.key.pubkey(), w.person());
    w.ok(&[purse::set_spender(&key, &spender.pubkey(), 1, 3_600)], &[&buyer.key]);
    let post = job::post_by(&spender.pubkey(), &key, w.next_number(), job_args());
    w.refuse(post, &[&spender])
}

fn mixed_batch() -> String {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let (one, other) = (w.buyer(10 * USDC), w.buyer(10 * USDC));
    let keys = w.running(&one, &owner, 1_000_000, |_| {});
    let theirs = w.running(&other, &owner, 1_000_000, |_| {});
    w.pass(100);
    w.refuse(lease::settle_batch(&keys, &[theirs.lease]), &[])
}

fn frozen_token_account() -> String {
    let mut w = World::new();
    let (admin, frozen) = (w.admin.insecure_clone(), w.foreign_account());
    w.freeze(&frozen, true);
    let change = governance::ChangeArgs {
        verifier: Pubkey::default(),
        slot_ms: 400,
        fee_bps: 200,
        purse_cap: PURSE_CAP.0,
        job_cap: JOB_CAP.0,
    };
    let propose = governance::propose_change(&admin.pubkey(), &frozen, change);
    w.refuse(propose, &[&admin])
}

fn overflow() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.refuse(lease::top_up(&buyer.key.pubkey(), &keys.lease, u64::MAX, None), &[&buyer.key])
}

fn beyond_duration() -> String {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(10 * USDC), w.provider(|_| {}));
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.refuse(lease::top_up(&buyer.key.pubkey(), &keys.lease, 1, None), &[&buyer.key])
}

/// A market whose caps are `cap` each.
fn capped(cap: u64) -> World {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let lower = [governance::lower_caps(&admin.pubkey(), cap, cap), stake::lower_cap(&admin.pubkey(), cap)];
    w.ok(&lower, &[&admin]);
    w
}

fn purse_cap() -> String {
    let mut w = capped(USDC);
    let buyer = w.buyer(USDC);
    w.mint_to(&buyer.wallet, 1);
    let key = buyer.key.pubkey();
    w.refuse(purse::deposit(&key, &key, &buyer.wallet, 1), &[&buyer.key])
}

fn job_cap() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let admin = w.admin.insecure_clone();
    w.ok(&[governance::lower_caps(&admin.pubkey(), USDC, USDC)], &[&admin]);
    let (post, _) = w.post(&buyer, |_| {});
    w.refuse(post, &[&buyer.key])
}

fn bond_cap() -> String {
    let mut w = capped(20 * USDC);
    let owner = w.provider(|supply| supply.stake = 20 * USDC);
    w.mint_to(&owner.payout, 1);
    w.refuse(stake::add_stake(&owner.authority.pubkey(), &owner.payout, 1), &[&owner.authority])
}

fn raises_cap() -> String {
    let mut w = capped(USDC);
    let admin = w.admin.insecure_clone();
    w.refuse(governance::lower_caps(&admin.pubkey(), USDC, USDC + 1), &[&admin])
}

fn raises_bond_cap() -> String {
    let mut w = capped(USDC);
    let admin = w.admin.insecure_clone();
    w.refuse(stake::lower_cap(&admin.pubkey(), USDC + 1), &[&admin])
}
