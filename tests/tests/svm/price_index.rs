//! The price index: who may feed it, with what, and how far one trade moves it.

use gridlease_core::job::EndReason;
use gridlease_core::price_index::TRADES;
use gridlease_sdk::account::{Lease, PriceIndex};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::price_index::{open_index, record_trade};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::swapped;

/// Model and region of the tests' machine: h100 in the EU.
const CLASS: (u8, u8) = (1, 1);

fn open(w: &mut World, (model, region): (u8, u8)) -> Pubkey {
    let payer = w.payer.insecure_clone();
    assert_eq!(w.ok(&[open_index(&payer.pubkey(), model, region)], &[&payer]).told(), ["IndexOpened"]);
    address::price_index(model, region)
}

/// A lease of eleven hours at `price`, which is dear enough to be counted, completed and settled, not closed.
fn traded(w: &mut World, buyer: &Buyer, owner: &Provider, price: u64) -> LeaseKeys {
    let keys = w.running(buyer, owner, price, |args| args.max_duration_s = 12 * 3_600);
    w.pass(11 * 3_600);
    w.finish(owner, &keys, EndReason::Completed);
    w.settle(&keys);
    let terms = Supply::default().terms(w.now().ts.0);
    w.refresh(owner, terms);
    keys
}

fn record(w: &mut World, keys: &LeaseKeys) -> PriceIndex {
    let done = w.ok(&[record_trade(keys, CLASS.0, CLASS.1)], &[]);
    assert_eq!(done.told(), ["TradeRecorded"]);
    w.read(&address::price_index(CLASS.0, CLASS.1))
}

#[test]
fn anybody_opens_an_index_once_and_pays_its_rent() {
    let mut w = World::new();
    let person = w.person();
    let before = w.lamports(&person.pubkey());
    w.ok(&[open_index(&person.pubkey(), 1, 1)], &[&person]);
    let index: PriceIndex = w.read(&address::price_index(1, 1));
    assert_eq!((index.gpu_model, index.region, index.len, index.price), (1, 1, 0, 0));
    assert_eq!(index.class(), "h100 in eu");
    assert_eq!(before - w.lamports(&person.pubkey()), w.rent(8 + size_of::<PriceIndex>()));
    assert!(w.send(&[open_index(&person.pubkey(), 1, 1)], &[&person]).is_err(), "it exists");
    w.ok(&[open_index(&person.pubkey(), 29, 9)], &[&person]);
}

#[test]
fn there_is_no_index_for_unnamed_models_and_unknown_regions() {
    let mut w = World::new();
    let person = w.person();
    for (model, region) in [(0, 1), (111, 1), (255, 1), (1, 10), (1, 255)] {
        let open = open_index(&person.pubkey(), model, region);
        assert_eq!(w.refuse(open, &[&person]), "market InvalidSpec", "model {model} region {region}");
    }
}

#[test]
fn the_first_trade_enters_as_it_is_and_the_next_at_most_five_per_cent_away() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let owner = w.provider(|_| {});
    let buyers: Vec<_> = (0..3).map(|_| w.buyer(30 * USDC)).collect();
    for (buyer, price, entered, index) in [
        (&buyers[0], 1_000_000, 1_000_000, 1_000_000),
        (&buyers[1], 1_800_000, 1_050_000, 1_025_000),
        (&buyers[2], 500_000, 973_750, 1_007_916),
    ] {
        let keys = traded(&mut w, buyer, &owner, price);
        let now = record(&mut w, &keys);
        assert_eq!((now.in_ring().last().unwrap().price, now.price), (entered, index), "price {price}");
        assert_eq!(now.in_ring().last().unwrap().ts, w.read::<Lease>(&keys.lease).ended_ts);
        w.close_lease(&keys);
    }
    let index: PriceIndex = w.read(&address::price_index(1, 1));
    assert_eq!((index.len, index.recorded, index.buyers()), (3, 3, 3));
}

#[test]
fn the_price_is_that_of_one_gpu() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let owner = w.provider(|supply| supply.spec.gpu_count = 4);
    let buyer = w.buyer(30 * USDC);
    let keys = traded(&mut w, &buyer, &owner, 1_000_001);
    assert_eq!(record(&mut w, &keys).price, 250_001);
}

#[test]
fn a_lease_is_counted_once_and_the_second_time_changes_nothing() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let (owner, buyer) = (w.provider(|_| {}), w.buyer(30 * USDC));
    let keys = traded(&mut w, &buyer, &owner, 1_000_000);
    record(&mut w, &keys);
    w.changes_nothing(record_trade(&keys, 1, 1));
    w.close_lease(&keys);
    assert!(w.send(&[record_trade(&keys, 1, 1)], &[]).is_err(), "the lease is gone");
}

#[test]
fn one_buyer_alone_holds_one_place_of_a_young_index() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let (owner, buyer) = (w.provider(|_| {}), w.buyer(100 * USDC));
    for (price, index) in [(1_000_000, 1_000_000), (1_100_000, 1_050_000), (1_060_000, 1_060_000)] {
        let keys = traded(&mut w, &buyer, &owner, price);
        let now = record(&mut w, &keys);
        assert_eq!((now.len, now.price), (1, index));
        w.close_lease(&keys);
    }
}

#[test]
fn a_lease_that_is_not_over_not_paid_too_short_or_too_cheap_is_no_trade() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let (owner, buyer) = (w.provider(|supply| supply.units = 8), w.buyer(50 * USDC));
    let running = w.running(&buyer, &owner, 1_000_000, |_| {});
    assert_eq!(w.refuse(record_trade(&running, 1, 1), &[]), "market WrongState");
    w.pass(599);
    w.stop(&buyer, &running);
    assert_eq!(w.refuse(record_trade(&running, 1, 1), &[]), "market StillOwed");
    w.settle(&running);
    assert_eq!(w.refuse(record_trade(&running, 1, 1), &[]), "market NotATrade", "a second short of ten minutes");

    let cheap = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(2_000);
    w.stop(&buyer, &cheap);
    w.settle(&cheap);
    assert_eq!(w.refuse(record_trade(&cheap, 1, 1), &[]), "market NotATrade", "a fee below a tenth of a USDC");

    let terms = Supply { units: 8, ..Supply::default() }.terms(w.now().ts.0);
    w.refresh(&owner, terms);
    let long = w.running(&buyer, &owner, 30_000_000, |args| {
        (args.max_price, args.max_duration_s) = (30_000_000, 1_200);
    });
    w.pass(600);
    w.stop(&buyer, &long);
    w.settle(&long);
    record(&mut w, &long);
}

#[test]
fn faults_and_failed_starts_are_no_trades() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let (owner, buyer) = (w.provider(|supply| supply.units = 8), w.buyer(50 * USDC));
    let left = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.pass(3_000);
    w.abandon(&owner, &left);
    w.settle(&left);
    assert_eq!(w.refuse(record_trade(&left, 1, 1), &[]), "market NotATrade");
    let failed = w.starting(&buyer, &owner, 1_000_000, |_| {});
    w.pass(200);
    w.fail_start(&failed);
    assert_eq!(w.refuse(record_trade(&failed, 1, 1), &[]), "market NotATrade");
}

#[test]
fn a_provider_that_rents_from_itself_is_not_counted_in_index_or_reputation() {
    let mut w = World::new();
    open(&mut w, CLASS);
    let owner = w.provider(|_| {});
    for key in [owner.authority.insecure_clone(), owner.node.insecure_clone()] {
        let buyer = w.buyer_with(key, 30 * USDC);
        let keys = traded(&mut w, &buyer, &owner, 1_000_000);
        assert_eq!(w.refuse(record_trade(&keys, 1, 1), &[]), "market SelfDealing");
        w.close_lease(&keys);
    }
    let record: gridlease_sdk::account::Provider = w.read(&owner.record);
    assert_eq!((record.completed, record.started, record.standing, record.start_s), (2, 2, 5_000, 0));
}

#[test]
fn foreign_accounts_are_refused() {
    let mut w = World::new();
    let index = open(&mut w, CLASS);
    let elsewhere = open(&mut w, (1, 2));
    let other_model = open(&mut w, (2, 1));
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let buyer = w.buyer(30 * USDC);
    let keys = traded(&mut w, &buyer, &owner, 1_000_000);
    let good = record_trade(&keys, 1, 1);
    let foreign = swapped(&good, &keys.offer, other.offer);
    assert_eq!(w.refuse(foreign, &[]), "market Unrelated");
    let foreign = swapped(&good, &keys.provider, other.record);
    assert_eq!(w.refuse(foreign, &[]), "market Unrelated");
    for wrong in [elsewhere, other_model] {
        assert_eq!(w.refuse(swapped(&good, &index, wrong), &[]), "market WrongIndex");
    }
    w.ok(&[good], &[]);
}

fn ring(index: &PriceIndex) -> Vec<(u64, u64, [u8; 8])> {
    index.in_ring().iter().map(|trade| (trade.price, trade.ts, trade.buyer)).collect()
}

#[test]
fn the_sixty_fifth_trade_forgets_the_first_and_one_buyer_never_holds_more_than_a_tenth() {
    let mut w = World::new();
    let index = open(&mut w, CLASS);
    let owner = w.provider(|_| {});
    let regular = w.buyer(300 * USDC);
    // 63 other trades, written where no transaction could: the ring's own rules are tried in the core's tests.
    let keys = traded(&mut w, &regular, &owner, 1_000_000);
    record(&mut w, &keys);
    w.close_lease(&keys);
    w.stop_auditing();
    w.edit_as::<PriceIndex>(&index, |index| {
        for (at, trade) in index.trades.iter_mut().enumerate() {
            trade.price = 1_000_000;
            trade.ts = 1_000 + at as u64;
            trade.buyer = (at as u64 + 1).to_le_bytes();
        }
        index.len = TRADES as u8;
        index.next = 63;
    });
    for (number, place) in (0u64..).zip([63, 0, 1, 2, 3, 4, 63, 0]) {
        let keys = traded(&mut w, &regular, &owner, 1_040_000);
        let before: PriceIndex = w.read(&index);
        let now = record(&mut w, &keys);
        let changed = (0..TRADES).filter(|at| ring(&before)[*at] != ring(&now)[*at]).collect::<Vec<_>>();
        assert_eq!((changed, now.len), (vec![place], 64), "trade {number}");
        let own = now.in_ring().iter().filter(|trade| regular.key.pubkey().as_ref().starts_with(&trade.buyer)).count();
        assert!(own <= 6, "{own} of 64");
        assert!((1_000_000..1_004_000).contains(&now.price));
        w.close_lease(&keys);
    }
}
