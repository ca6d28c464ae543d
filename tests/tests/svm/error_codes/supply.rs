//! Errors of provider records, offers, GPU claims and benchmarks.

use gridlease_core::limits::MAX_UNITS;
use gridlease_core::requirement::flags;
use gridlease_sdk::account::{Provider as Record, Purse};
use gridlease_sdk::instruction::price_index::{open_index, record_trade};
use gridlease_sdk::instruction::provider::{self, NodeArgs, OfferMachine, OfferTerms, SpecArgs};
use gridlease_sdk::instruction::purse;
use gridlease_tests::svm::parties::{Provider, Supply, USDC, gpu_hash, machine, node_args};
use gridlease_tests::svm::{GENESIS, World};
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market BadExpiry", bad_expiry),
    ("market AskBelowFloor", ask_below_floor),
    ("market BadUnits", bad_units),
    ("market TooMany", too_many),
    ("market InvalidSpec", invalid_spec),
    ("market PriceOutOfBounds", price_out_of_bounds),
    ("market OfferNotLive", offer_not_live),
    ("market NoPendingPayout", no_pending_payout),
    ("market EmptyBenchmark", empty_benchmark),
    ("market StillLeased", still_leased),
    ("market GpusUnclaimed", gpus_unclaimed),
    ("market GpusInUse", gpus_in_use),
    ("market GpusNotNeeded", gpus_not_needed),
    ("market SelfDealing", self_dealing),
    ("market NotATrade", not_a_trade),
    ("market ClaimsUnbacked", claims_unbacked),
    ("market MachineLimit", machine_limit),
    ("market StakeLimit", stake_limit),
    ("market Outdated", outdated),
];

#[test]
fn the_errors_of_supply_come_as_they_are_named() {
    play(ALL);
}

/// The refusal of an offer of `spec` on `terms`.
fn refused(spec: SpecArgs, edit: impl FnOnce(&mut OfferTerms)) -> String {
    let mut w = World::new();
    let owner = w.registered(0);
    let mut terms = Supply::default().terms(GENESIS);
    edit(&mut terms);
    let machine = Supply { spec, ..Supply::default() }.machine();
    w.refuse(provider::post_offer(&owner.node.pubkey(), &owner.record, 1, machine, terms), &[&owner.node])
}

/// A provider whose offer's two GPUs are not claimed.
fn unclaimed(w: &mut World) -> Provider {
    let (owner, supply) = (w.registered(100 * USDC), Supply::default());
    let terms = supply.terms(w.now().ts.0);
    w.ok(&[provider::post_offer(&owner.node.pubkey(), &owner.record, 1, supply.machine(), terms)], &[&owner.node]);
    owner
}

fn bad_expiry() -> String {
    refused(machine(), |terms| terms.expires_ts = GENESIS)
}

fn ask_below_floor() -> String {
    refused(machine(), |terms| terms.ask = terms.floor - 1)
}

fn bad_units() -> String {
    refused(machine(), |terms| terms.units = MAX_UNITS + 1)
}

fn invalid_spec() -> String {
    refused(SpecArgs { flags: flags::CPU_CLASS, ..machine() }, |_| {})
}

fn price_out_of_bounds() -> String {
    refused(machine(), |terms| terms.floor = 0)
}

fn too_many() -> String {
    let mut w = World::new();
    let owner = w.registered(0);
    w.stop_auditing();
    w.edit_as::<Record>(&owner.record, |record| record.offers = 256);
    let supply = Supply::default();
    let post = provider::post_offer(&owner.node.pubkey(), &owner.record, 1, supply.machine(), supply.terms(GENESIS));
    w.refuse(post, &[&owner.node])
}

fn offer_not_live() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|supply| supply.life = 1);
    let job = w.job(&buyer, |_| {});
    w.pass(1);
    w.refuse(w.bid_of(&owner, &job, 1_000_000), &[&owner.node])
}

fn no_pending_payout() -> String {
    let mut w = World::new();
    let owner = w.registered(0);
    w.refuse(provider::cancel_payout(&owner.authority.pubkey()), &[&owner.authority])
}

fn empty_benchmark() -> String {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let empty = provider::record_benchmark(&owner.node.pubkey(), &owner.record, 1, 0, [9; 32]);
    w.refuse(empty, &[&owner.node])
}

/// A record that lost count of its offers: an offer outlives its leases otherwise.
fn still_leased() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    w.starting(&buyer, &owner, 1_000_000, |_| {});
    w.stop_auditing();
    w.edit_as::<Record>(&owner.record, |record| record.offers = 0);
    w.refuse(provider::close(&owner.authority.pubkey()), &[&owner.authority])
}

fn gpus_unclaimed() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = unclaimed(&mut w);
    let one =
        provider::claim_gpus(&owner.node.pubkey(), &owner.record, &owner.bond, 1, &[gpu_hash(&owner.record, 1, 0)]);
    w.ok(&[one], &[&owner.node]);
    let job = w.job(&buyer, |_| {});
    w.refuse(w.bid_of(&owner, &job, 1_000_000), &[&owner.node])
}

fn gpus_in_use() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    w.starting(&buyer, &owner, 1_000_000, |_| {});
    let claims = w.claims_of(&owner.offer);
    let both = provider::release_gpus(&owner.node.pubkey(), &owner.record, 1, &claims[0], &claims[1..]);
    w.refuse(both, &[&owner.node])
}

fn gpus_not_needed() -> String {
    let mut w = World::new();
    let owner = unclaimed(&mut w);
    let three = [0, 1, 2].map(|at| gpu_hash(&owner.record, 1, at));
    w.refuse(provider::claim_gpus(&owner.node.pubkey(), &owner.record, &owner.bond, 1, &three), &[&owner.node])
}

/// The refusal of the trade of a lease of a minute for `buyer`'s key.
fn no_trade(of_itself: bool) -> String {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let payer = w.payer.insecure_clone();
    w.ok(&[open_index(&payer.pubkey(), 1, 1)], &[&payer]);
    let key = if of_itself { owner.node.insecure_clone() } else { w.person() };
    let buyer = w.buyer_with(key, 10 * USDC);
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.pass(60);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    w.refuse(record_trade(&keys, 1, 1), &[])
}

fn claims_unbacked() -> String {
    let mut w = World::new();
    let owner = w.registered(USDC);
    offered(&mut w, &owner, USDC);
    let both = [0, 1].map(|at| gpu_hash(&owner.record, 1, at));
    w.refuse(provider::claim_gpus(&owner.node.pubkey(), &owner.record, &owner.bond, 1, &both), &[&owner.node])
}

/// Posts the provider's offer number 1 with this limit of stake.
fn offered(w: &mut World, owner: &Provider, limit: u64) {
    let supply = Supply::default();
    let machine = OfferMachine { stake_limit: limit, ..supply.machine() };
    let terms = supply.terms(w.now().ts.0);
    w.ok(&[provider::post_offer(&owner.node.pubkey(), &owner.record, 1, machine, terms)], &[&owner.node]);
}

fn machine_limit() -> String {
    let mut w = World::new();
    let owner = w.registered(0);
    let args = NodeArgs { stake_limit: 1, ..node_args(&owner.node.pubkey()) };
    w.ok(&[provider::update_node(&owner.authority.pubkey(), args, &[])], &[&owner.authority]);
    let supply = Supply::default();
    let machine = OfferMachine { stake_limit: 2, ..supply.machine() };
    let terms = supply.terms(w.now().ts.0);
    w.refuse(provider::post_offer(&owner.node.pubkey(), &owner.record, 1, machine, terms), &[&owner.node])
}

fn stake_limit() -> String {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(10 * USDC), w.registered(100 * USDC));
    offered(&mut w, &owner, USDC);
    w.claim_all(&owner, 1);
    let job = w.job(&buyer, |_| {});
    w.refuse(w.bid_of(&owner, &job, 1_000_000), &[&owner.node])
}

fn outdated() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    w.stop_auditing();
    w.to_first_edition::<Purse>(&buyer.purse);
    w.refuse(purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, 1), &[&buyer.key])
}

fn self_dealing() -> String {
    no_trade(true)
}

fn not_a_trade() -> String {
    no_trade(false)
}
