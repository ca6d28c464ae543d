//! The issuer of the USDC freezes one account. Whoever's it is, the others go on, stake, units and rent go free, and once it
//! thaws everybody has to the atom what it would have had.

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Bond, Job, Lease, Offer, Purse};
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::{job, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// Two buyers and two providers; the first buyer has a lease with each provider, the second buyer one with the first provider.
struct Scene {
    w: World,
    buyers: [Buyer; 2],
    owners: [Provider; 2],
    /// First with first, first with second, second with first.
    leases: [LeaseKeys; 3],
}

fn scene() -> Scene {
    let mut w = World::new();
    let buyers = [w.buyer(20 * USDC), w.buyer(20 * USDC)];
    let owners = [w.provider(|_| {}), w.provider(|_| {})];
    let leases =
        [(0, 0), (0, 1), (1, 0)].map(|(b, o): (usize, usize)| w.running(&buyers[b], &owners[o], 1_000_000, |_| {}));
    w.pass(200);
    for keys in &leases {
        w.settle(keys);
    }
    Scene { w, buyers, owners, leases }
}

type Place = fn(&Scene) -> Pubkey;

const PLACES: [(&str, Place); 6] = [
    ("nothing", |s| s.leases[0].lease),
    ("the buyer's vault", |s| s.buyers[0].vault),
    ("the buyer's wallet", |s| s.buyers[0].wallet),
    ("the provider's payout account", |s| s.owners[0].payout),
    ("the treasury", |s| s.w.treasury),
    ("the insurance account", |s| s.w.insurance),
];

/// Everybody's balances, once all is over.
type Ends = (Vec<u64>, u64, u64);

/// Freezes, lets everything end, thaws, winds up; returns what everybody has.
fn through(name: &str, place: Place) -> Ends {
    let mut s = scene();
    let frozen = place(&s);
    let freezes = name != "nothing";
    if freezes {
        s.w.freeze(&frozen, true);
    }
    s.w.pass(100);

    // Everybody can end what it wants to end, at once.
    s.w.stop(&s.buyers[0], &s.leases[0]);
    s.w.finish(&s.owners[1], &s.leases[1], EndReason::Completed);
    s.w.stop(&s.buyers[1], &s.leases[2]);
    for keys in &s.leases {
        assert_eq!(s.w.read::<Lease>(&keys.lease).state(), Some(LeaseState::Ended), "{name}");
        // Money moves where neither end of its way is frozen.
        let moves = !freezes || (keys.payout != frozen && gridlease_sdk::address::purse_vault(&keys.purse) != frozen);
        let settled = s.w.send(&[gridlease_sdk::instruction::lease::settle(keys)], &[]);
        assert_eq!(settled.is_ok(), moves, "{name}");
        s.w.close_lease(keys);
    }
    // Stake and units are free, whoever's pay still waits.
    for owner in &s.owners {
        let (bond, offer): (Bond, Offer) = (s.w.read(&owner.bond), s.w.read(&owner.offer));
        assert_eq!((bond.reserved, offer.units_free), (0, offer.units), "{name}");
    }
    for (buyer, keys) in [(&s.buyers[0], &s.leases[0]), (&s.buyers[0], &s.leases[1]), (&s.buyers[1], &s.leases[2])] {
        s.w.close_job(buyer, &keys.job);
    }
    assert_eq!(s.w.read::<Purse>(&s.buyers[0].purse).open_jobs, 0, "{name}");

    // The second buyer goes on with the second provider: neither has anything to do with what is frozen.
    let next = s.w.running(&s.buyers[1], &s.owners[1], 1_000_000, |_| {});
    s.w.pass(100);
    s.w.finish(&s.owners[1], &next, EndReason::Completed);
    s.w.wind_up(&s.buyers[1], &next);
    let free = s.w.read::<Purse>(&s.buyers[1].purse).free().0;
    s.w.withdraw(&s.buyers[1], free - USDC);
    // And whoever's own vault is frozen can still post, be served, and end: only its tokens wait.
    let posted = s.w.job(&s.buyers[0], |_| {});
    s.w.ok(&[job::cancel(&s.buyers[0].key.pubkey(), &posted)], &[&s.buyers[0].key]);
    s.w.close_job(&s.buyers[0], &posted);
    let swept = |s: &mut Scene, at: usize| {
        let sweep = purse::sweep_fees(&s.buyers[at].purse, &s.w.treasury, &s.w.insurance);
        s.w.send(&[sweep], &[]).is_ok()
    };
    let fees_move = ![s.w.treasury, s.w.insurance].contains(&frozen);
    assert_eq!(swept(&mut s, 1), fees_move, "{name}");

    if freezes {
        s.w.freeze(&frozen, false);
    }
    for keys in &s.leases {
        if s.w.find::<Lease>(&keys.lease).is_some() {
            s.w.settle(keys);
            s.w.close_lease(keys);
        }
        assert!(s.w.find::<Job>(&keys.job).is_none());
    }
    for at in [0, 1] {
        swept(&mut s, at);
        let free = s.w.read::<Purse>(&s.buyers[at].purse).free().0;
        s.w.withdraw(&s.buyers[at], free);
    }
    let of = |account: &Pubkey| s.w.tokens(account);
    let parties =
        s.buyers.iter().flat_map(|b| [of(&b.wallet), of(&b.vault)]).chain(s.owners.iter().map(|o| of(&o.payout)));
    (parties.collect(), of(&s.w.treasury), of(&s.w.insurance))
}

#[test]
fn whichever_account_is_frozen_the_others_move_and_once_it_thaws_everybody_has_what_it_would_have_had() {
    let (name, place) = PLACES[0];
    let expected = through(name, place);
    assert!(expected.0.iter().sum::<u64>() > 39 * USDC && expected.1 > 0 && expected.2 > 0);
    for (name, place) in &PLACES[1..] {
        let (parties, treasury, insurance) = through(name, *place);
        assert_eq!(parties, expected.0, "{name}");
        // An odd atom goes to the treasury at each sweep, and sweeps differ.
        assert_eq!(treasury + insurance, expected.1 + expected.2, "{name}");
    }
}

#[test]
fn a_frozen_wallet_stops_its_own_withdrawal_and_the_owner_names_another() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    w.freeze(&buyer.wallet, true);
    let key = buyer.key.pubkey();
    assert_eq!(w.refuse(purse::withdraw(&key, &buyer.wallet, USDC), &[&buyer.key]), "token 17");
    let other = w.foreign_account();
    w.ok(&[purse::withdraw(&key, &other, 20 * USDC)], &[&buyer.key]);
    assert_eq!(w.tokens(&other), 20 * USDC);
}
