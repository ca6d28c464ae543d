//! R6. An operator leases to itself at an absurd price, goes down, and takes its first-loss stake out as "credit" in three
//! minutes: past its unbonding and ahead of its delegators.

use gridlease_core::delegation::{Stake, matures};
use gridlease_core::lease::{Lease, LeaseState};
use gridlease_core::slash::SlashSplit;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, UnixTs};

use super::money::{Book, DAY, T, U, after};

fn at(seconds: u64) -> Now {
    Now { slot: seconds * 5 / 2, ts: after(seconds) }
}

/// A bond with 200 USDC of its operator's and 800 of delegators', active.
fn bond() -> Stake {
    let mut stake = Stake::default();
    stake.add(Atoms(200 * U), T).unwrap();
    stake.delegate(Atoms(800 * U)).unwrap();
    stake.pending = 0;
    stake
}

/// The operator's lease to itself: paid for ninety seconds, then silent for a hundred; returns what it is credited.
fn self_lease() -> (Lease, Atoms) {
    let price = PricePerHour(10_000 * U);
    let mut lease = Lease::open(price, Atoms(10_000 * U), 400, Bps(200), at(0), after(600));
    lease.ready(at(0)).unwrap();
    lease.settle(at(91)).unwrap();
    lease.challenge(at(91)).unwrap();
    assert_eq!(lease.settle(at(152)).unwrap().net, Atoms::ZERO);
    assert_eq!(lease.state, LeaseState::Paused);
    lease.resolve_challenge(at(152)).unwrap();
    lease.resume(at(192)).unwrap();
    (lease, lease.credit)
}

#[test]
fn r06_an_operator_takes_its_own_stake_out_no_sooner_by_a_credit_than_by_unbonding_it() {
    let (lease, credit) = self_lease();
    let charged = lease.paid.add(lease.fee).unwrap();
    assert!(credit > Atoms(200 * U) && credit <= charged, "never more than it was charged: {credit:?} of {charged:?}");

    // The first edition: the buyer, who is the operator, has all of the operator's stake at once.
    let mut first = bond();
    first.reserve(Atoms(1_000 * U)).unwrap();
    let own = SlashSplit { victim: credit, insurance: Atoms::ZERO }.at_most(Atoms(1_000 * U));
    let own = SlashSplit { victim: own.victim.min(first.own), insurance: Atoms::ZERO };
    first.slash(Atoms(1_000 * U), own.victim).unwrap();
    let mut operator = Book(0);
    operator.gets(own.victim);
    assert_eq!(operator.0, 200_000_000, "200 USDC after 192 s");
    // A fault on another of its leases, an hour later, is the delegators' loss alone.
    let fault = first.slash(Atoms(800 * U), Atoms(100 * U)).unwrap();
    assert_eq!(fault.delegators, Atoms(100 * U));

    // Now it is a claim: seven days, and lost before the delegators' stake until then.
    let mut stake = bond();
    stake.reserve(Atoms(1_000 * U)).unwrap();
    let claimed = stake.claim(Atoms(1_000 * U), Atoms::ZERO, credit).unwrap();
    assert_eq!(claimed.amount, Atoms(200 * U), "the operator's part of this reservation");
    assert_eq!(matures(after(192)).unwrap(), UnixTs(after(192).0 + 7 * DAY));
    let fault = stake.slash(claimed.left, Atoms(100 * U)).unwrap();
    assert_eq!((fault.claims, fault.delegators), (Atoms(100 * U), Atoms::ZERO));
    let mut operator = Book(0);
    operator.gets(stake.pay_claim(claimed.shares).unwrap());
    assert_eq!(operator.0, 100_000_000, "what the fault left, a week later");
}

#[test]
fn r06_a_claim_leaves_whatever_else_is_reserved_and_is_the_operator_s_part_of_one_lease_only() {
    let mut stake = bond();
    stake.reserve(Atoms(100 * U)).unwrap(); // this lease
    stake.reserve(Atoms(900 * U)).unwrap(); // others
    let claimed = stake.claim(Atoms(100 * U), Atoms::ZERO, Atoms(500 * U)).unwrap();
    assert_eq!((claimed.amount, claimed.left), (Atoms(20 * U), Atoms(80 * U)), "a fifth of what stood behind it");
    // All that is left is reserved; a delegator and the operator wait, the buyer does not.
    stake.undelegate(800 * U, 0).unwrap();
    assert!(stake.withdraw_delegated(800 * U).is_err());
    assert_eq!(stake.pay_claim(claimed.shares), Ok(Atoms(20 * U)));
    assert_eq!(stake.bond().unwrap().free(), Ok(Atoms::ZERO));
    assert_eq!(stake.reserved, stake.amount().unwrap());
}

#[test]
fn r06_a_buyer_of_an_honest_operator_is_made_good_whole() {
    let mut stake = Stake::default();
    stake.add(Atoms(1_000 * U), T).unwrap();
    stake.reserve(Atoms(400 * U)).unwrap();
    let (mut buyer, mut operator) = (Book(0), Book(0));
    let claimed = stake.claim(Atoms(400 * U), Atoms::ZERO, Atoms(30 * U)).unwrap();
    operator.gives(claimed.amount);
    stake.release(claimed.left).unwrap();
    buyer.gets(stake.pay_claim(claimed.shares).unwrap());
    assert_eq!((buyer.0, operator.0), (30_000_000, -30_000_000));
    assert_eq!(stake.own, Atoms(970 * U));
}

/// What older claims were slashed to nothing of holds up no lease: nothing is claimed, and the lease goes on.
#[test]
fn r06_claims_that_were_slashed_to_nothing_hold_up_no_lease() {
    let mut stake = bond();
    stake.reserve(Atoms(1_000 * U)).unwrap();
    let first = stake.claim(Atoms(1_000 * U), Atoms::ZERO, Atoms(200 * U)).unwrap();
    let rest = stake.slash(first.left, Atoms(200 * U)).unwrap();
    assert_eq!(stake.claims.assets, Atoms::ZERO);
    stake.add(Atoms(100 * U), T).unwrap();
    let second = stake.claim(rest.left, first.amount, Atoms(10 * U)).unwrap();
    assert_eq!((second.amount, second.shares, second.left), (Atoms::ZERO, 0, rest.left));
    assert_eq!(stake.pay_claim(first.shares), Ok(Atoms::ZERO));
    assert_eq!(stake.claim(rest.left, first.amount, Atoms(10 * U)).unwrap().amount, Atoms(10 * U));
}
