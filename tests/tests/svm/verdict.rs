//! R34: the stake of a verified lease stands until its challenge window ends, and one verdict is given on it.

use gridlease_core::job::EndReason;
use gridlease_core::limits::{MAX_VERIFICATION, UNBONDING_TIME};
use gridlease_sdk::account::{Bond, Config, Provider, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::{lease, stake, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{self, Buyer, Supply, USDC};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::swapped;

/// Names a verifier; a key here, a PDA of the verification program on a chain.
fn verifier(w: &mut World) -> Keypair {
    let verifier = w.person();
    w.edit_as::<Config>(&address::market_config(), |config| config.verifier = verifier.pubkey());
    verifier
}

/// A verified lease that ran for `seconds` at 1.80 USDC an hour, 500 atoms a second, was finished, accepted and paid.
fn over(w: &mut World, buyer: &Buyer, owner: &parties::Provider, seconds: u64) -> LeaseKeys {
    let keys = w.running(buyer, owner, 1_800_000, |args| args.verify_class = 1);
    w.pass(seconds);
    w.finish(owner, &keys, EndReason::Completed);
    w.settle(&keys);
    keys
}

#[test]
fn r34_stake_of_a_verified_lease_stands_for_72_hours_and_is_then_released_by_anyone() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let (post, _) = w.post(&buyer, |args| args.verify_class = 1);
    assert_eq!(w.refuse(post, &[&buyer.key]), "market NotTaken", "nobody would verify it");
    verifier(&mut w);
    let (post, _) = w.post(&buyer, |args| args.verify_class = 6);
    assert_eq!(w.refuse(post, &[&buyer.key]), "market NotTaken");
    let keys = over(&mut w, &buyer, &owner, 1_000);
    let ended = w.now().ts.0;
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market ChallengeWindow");
    // The verifier is gone, and so is its name.
    w.edit_as::<Config>(&address::market_config(), |config| config.verifier = Pubkey::default());
    w.at(ended + MAX_VERIFICATION.0 - 1);
    assert_eq!(w.refuse(lease::close(&keys), &[]), "market ChallengeWindow");
    w.at(ended + MAX_VERIFICATION.0);
    w.close_lease(&keys);
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
    w.close_job(&buyer, &keys.job);
}

#[test]
fn r34_a_verdict_takes_up_to_the_reservation_pays_the_buyer_then_the_prover_a_week_later_and_frees_the_rest() {
    let mut w = World::new();
    let (buyer, owner, prover) = (w.buyer(50 * USDC), w.provider(|supply| supply.stake = 20 * USDC), w.person());
    let judge = verifier(&mut w);
    let keys = over(&mut w, &buyer, &owner, 1_000);
    let verdict = |slash| supervision::verdict(&judge.pubkey(), &keys, &w.insurance, slash, &prover.pubkey());
    let (above, guilty) = (verdict(7_200_001), verdict(4 * USDC));
    let thief = w.person();
    let stolen = swapped(&guilty, &judge.pubkey(), thief.pubkey());
    assert_eq!(w.refuse(stolen, &[&thief]), "market NotVerifier");
    assert_eq!(w.refuse(above, &[&judge]), "market SlashAboveReservation");
    let before: Provider = w.read(&owner.record);
    let done = w.ok(&[guilty.clone()], &[&judge]);
    assert_eq!(done.told(), ["VerdictGiven", "Slashed"]);
    // Of 7.20 USDC that are reserved. The buyer paid 0.5 USDC; three tenths of the other 3.5 are the prover's.
    let held: Reservation = w.read(&address::reservation(&keys.lease));
    assert_eq!((held.buyer, held.prover, held.amount), (buyer.key.pubkey(), prover.pubkey(), 3_200_000));
    assert_eq!((held.buyer_shares, held.prover_shares), (500_000, 1_050_000));
    assert_eq!(w.tokens(&w.insurance), 2_450_000);
    let after: Provider = w.read(&owner.record);
    assert_eq!(after.faulted, before.faulted + 1);
    assert_eq!(w.refuse(guilty, &[&judge]), "market ChallengeWindow", "there is one verdict");
    w.close_lease(&keys);
    assert_eq!(w.read::<Provider>(&owner.record).standing, after.standing, "no merit of a result that was wrong");
    w.close_job(&buyer, &keys.job);
    let (bond, rent_to) = (owner.bond, owner.authority.pubkey());
    for (key, worth) in [(buyer.key.pubkey(), 500_000), (prover.pubkey(), 1_050_000)] {
        let to = w.associated(&key);
        let had = w.tokens(&to);
        let pay = stake::pay_claim(&bond, &keys.lease, &key, &to, &rent_to);
        if worth == 500_000 {
            assert_eq!(w.refuse(pay.clone(), &[]), "staking NotMatured");
            w.pass(UNBONDING_TIME.0);
            // The reservation kept its rent for the claims, and returns it to the cold key; the node pays the next one in.
            w.refresh(&owner, Supply::default().terms(w.now().ts.0));
        }
        w.ok(&[pay], &[]);
        assert_eq!(w.tokens(&to) - had, worth);
    }
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.reserved), (16 * USDC, 0));
}

#[test]
fn r34_a_verdict_that_clears_a_lease_frees_its_stake_at_once_and_none_is_given_on_other_leases() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let plain = w.running(&buyer, &other, 1_800_000, |_| {});
    let judge = verifier(&mut w);
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.verify_class = 5);
    let on = |keys| supervision::verdict(&judge.pubkey(), keys, &w.insurance, 0, &Pubkey::default());
    let (clears, of_plain) = (on(&keys), on(&plain));
    let slashes = supervision::verdict(&judge.pubkey(), &plain, &w.insurance, 1, &judge.pubkey());
    w.pass(1_000);
    assert_eq!(w.refuse(clears.clone(), &[&judge]), "market WrongState", "it runs");
    for (one, keys) in [(&owner, &keys), (&other, &plain)] {
        w.finish(one, keys, EndReason::Completed);
        w.settle(keys);
    }
    assert_eq!(w.refuse(of_plain, &[&judge]), "market ChallengeWindow", "nobody asked for a verification");
    assert_eq!(w.refuse(slashes, &[&judge]), "market ChallengeWindow");
    assert_eq!(w.ok(&[clears], &[&judge]).told(), ["VerdictGiven"]);
    w.close_lease(&keys);
    w.close_lease(&plain);
    for one in [&owner, &other] {
        assert_eq!(w.read::<Bond>(&one.bond).reserved, 0);
        assert_eq!(w.read::<Provider>(&one.record).completed, 1);
    }
}
