//! Reputation: what a closed lease adds to a provider's record, and what adds nothing.

use gridlease_sdk::account::Provider as Record;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};

/// A lease of `seconds` at `price`, stopped by the buyer, settled and closed; the record after it.
fn leased(w: &mut World, buyer: &Buyer, owner: &Provider, price: u64, seconds: u64) -> Record {
    let keys = w.starting(buyer, owner, price, |args| args.max_price = 10 * USDC);
    w.pass(20);
    w.ready(owner, &keys);
    w.pass(seconds);
    w.stop(buyer, &keys);
    w.wind_up(buyer, &keys);
    let terms = Supply::default().terms(w.now().ts.0);
    w.refresh(owner, terms);
    w.read(&owner.record)
}

#[test]
fn a_full_fee_counts_an_eighth_and_a_smaller_one_in_proportion() {
    let mut w = World::new();
    let owner = w.provider(|supply| supply.stake = 1_000 * USDC);
    let buyers: Vec<_> = (0..3).map(|_| w.buyer(30 * USDC)).collect();
    let record = leased(&mut w, &buyers[0], &owner, 5 * USDC, 3_600);
    assert_eq!((record.standing, record.uptime, record.start_s), (5_625, 5_625, 20), "a fee of 100,000");
    let record = leased(&mut w, &buyers[1], &owner, 5 * USDC, 1_800);
    assert_eq!(record.standing, 5_625 + 4_375 / 16, "half of it");
    let before = record.standing;
    let record = leased(&mut w, &buyers[2], &owner, 5 * USDC, 300);
    assert_eq!((record.standing, record.completed), (before, 3), "a fee below a hundredth of a USDC");
}

#[test]
fn a_buyer_counts_again_only_after_nine_others() {
    let mut w = World::new();
    let owner = w.provider(|supply| supply.stake = 1_000 * USDC);
    let regular = w.buyer(200 * USDC);
    let first = leased(&mut w, &regular, &owner, 5 * USDC, 3_600).standing;
    for number in 1..=9 {
        let again = leased(&mut w, &regular, &owner, 5 * USDC, 3_600);
        let before = again.standing;
        let other = w.buyer(30 * USDC);
        let record = leased(&mut w, &other, &owner, 5 * USDC, 3_600);
        assert!(record.standing > before, "other buyer {number}");
        assert_eq!(usize::from(record.next_buyer), (number + 1) % 9);
        if number == 1 {
            assert_eq!(before, first, "the same buyer at once adds nothing");
        }
    }
    let before = w.read::<Record>(&owner.record).standing;
    assert!(leased(&mut w, &regular, &owner, 5 * USDC, 3_600).standing > before, "after nine others it counts again");
}

#[test]
fn ready_alone_adds_nothing_and_a_fault_keeps_what_it_costs() {
    let mut w = World::new();
    let (owner, buyer) = (w.provider(|_| {}), w.buyer(30 * USDC));
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    let record: Record = w.read(&owner.record);
    assert_eq!((record.started, record.start_s), (0, 0), "the history grows when the lease closes");
    w.pass(3_600);
    w.abandon(&owner, &keys);
    w.settle(&keys);
    w.close_lease(&keys);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.started, record.completed, record.faulted), (1, 0, 1));
    assert_eq!((record.standing, record.uptime, record.start_s), (3_333, 5_000, 0));
}
