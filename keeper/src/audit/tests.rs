//! The audit finds what is wrong, and nothing where nothing is.

use super::*;
use gridlease_core::limits::{FEE_BPS, SLOT_MS};
use gridlease_core::{Now, PricePerHour, Seconds, UnixTs};

const HERE: Pubkey = Pubkey::new_from_array([7; 32]);

fn holdings() -> Holdings {
    let terms = job::Terms {
        max_price: PricePerHour(3_600_000),
        max_duration: Seconds(3_600),
        window: Seconds(12),
        attempts: 3,
        mode: job::Mode::Open,
        reveal: Seconds::ZERO,
        wait: Seconds(3_600),
        review: Seconds::ZERO,
    };
    let posted = Now { slot: 0, ts: UnixTs(1_000) };
    let mut job = job::Job::post(terms, posted).unwrap();
    job.on_bid(true, 1, posted).unwrap();
    let awarded = Now { slot: 30, ts: UnixTs(1_012) };
    let mut purse = purse::Purse::default();
    purse.deposit(Atoms(10_000_000)).unwrap();
    purse.reserve(job.reserved).unwrap();
    let handed = job.award(PricePerHour(1_800_000), awarded).unwrap();
    let mut lease = lease::Lease::open(PricePerHour(1_800_000), handed, SLOT_MS, FEE_BPS, awarded, UnixTs(1_200));
    lease.ready(Now { slot: 50, ts: UnixTs(1_020) }).unwrap();
    let payment = lease.settle(Now { slot: 1_050, ts: UnixTs(1_420) }).unwrap();
    purse.pay(payment.net, payment.fee).unwrap();
    Holdings { purse, jobs: vec![job], leases: vec![(HERE, lease)], arrays: Vec::new() }
}

#[test]
fn a_purse_balances_in_the_middle_of_a_lease() {
    assert_eq!(check_purse(&HERE, &holdings()), []);
}

#[test]
fn what_an_array_holds_counts() {
    let mut holdings = holdings();
    holdings.purse.reserved = Atoms(holdings.purse.reserved.0 + 7);
    holdings.arrays.push(Atoms(7));
    assert_eq!(check_purse(&HERE, &holdings), []);
}

#[test]
fn one_atom_too_many_or_too_few_is_found_and_told_with_the_numbers() {
    for wrong in [1, u64::MAX] {
        let mut holdings = holdings();
        let held = holdings.purse.reserved.0;
        holdings.purse.reserved = Atoms(held.wrapping_add(wrong));
        let violations = check_purse(&HERE, &holdings);
        let [Violation::Reserved { reserved, held: sum, jobs: 1, leases: 1, .. }] = violations[..] else {
            panic!("{violations:?}")
        };
        assert_eq!((reserved, sum), (held.wrapping_add(wrong), held));
    }
}

#[test]
fn a_lease_that_does_not_add_up_is_named() {
    let mut broken = holdings();
    broken.leases[0].1.refunded = Atoms(1);
    let violations = check_purse(&HERE, &broken);
    assert!(matches!(violations[..], [Violation::Lease { lease: HERE, refunded: 1, .. }, Violation::Reserved { .. }]));

    let mut overdrawn = holdings();
    overdrawn.leases[0].1.paid = overdrawn.leases[0].1.reserved.add(Atoms(1)).unwrap();
    assert_eq!(check_purse(&HERE, &overdrawn).len(), 2);
}

#[test]
fn a_vault_must_cover_the_balance_and_may_hold_more() {
    let purse = holdings().purse;
    let vault = purse.balance;
    assert_eq!(check_vault(&HERE, &purse, vault), None);
    assert_eq!(check_vault(&HERE, &purse, vault.add(Atoms(5)).unwrap()), None);
    let found = check_vault(&HERE, &purse, vault.sub(Atoms(1)).unwrap()).unwrap();
    assert!(found.to_string().contains(&format!("its vault has {}", vault.0 - 1)), "{found}");

    let bond = bond::Bond { amount: Atoms(10), reserved: Atoms(6), unbonding: Atoms(4) };
    assert_eq!(check_bond(&HERE, &bond, Atoms(10)), None);
    assert!(check_bond(&HERE, &bond, Atoms(9)).is_some());
    assert!(check_bond(&HERE, &bond::Bond { unbonding: Atoms(5), ..bond }, Atoms(10)).is_some());
}
