//! R28: money alone lengthens no lease; its stake grows with the time that it may be paid for.

use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_DURATION;
use gridlease_sdk::account::{Lease, Offer, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{lease, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

const DAY: u32 = 86_400;

#[test]
fn r28_a_lease_of_an_hour_is_topped_up_for_a_week_only_on_the_stake_of_a_day() {
    let mut w = World::new();
    let buyer = w.buyer(1_000 * USDC);
    let owner = w.provider(|supply| supply.stake = 200 * USDC);
    // Twice what an hour at 1.80 USDC costs is below the least that is reserved, 5 USDC.
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.max_duration_s = 3_600);
    let held = address::reservation(&keys.lease);
    assert_eq!(w.read::<Reservation>(&held).amount, 5 * USDC);
    let top_up = lease::top_up(&buyer.key.pubkey(), &keys.lease, 1, None);
    assert_eq!(w.refuse(top_up, &[&buyer.key]), "market BeyondDuration");

    let done = w.extend(&buyer, &keys, 7 * DAY - 3_600);
    assert_eq!(done.told(), ["LeaseExtended", "Extended"]);
    // Twice a day's revenue is the most that is reserved: 2 × 24 × 1.80 USDC.
    let (state, offer): (Lease, Offer) = (w.read(&keys.lease), w.read(&keys.offer));
    assert_eq!((state.duration_s, state.stake, offer.bound), (7 * DAY, 86_400_000, 86_400_000));
    assert_eq!(w.read::<Reservation>(&held).amount, 86_400_000);
    let week = 7 * 24 * 1_800_000;
    let more = lease::top_up(&buyer.key.pubkey(), &keys.lease, week - 1_800_000, None);
    w.ok(&[more], &[&buyer.key]);
    assert_eq!(w.read::<Lease>(&keys.lease).runway_end, w.now().ts.0 + 7 * u64::from(DAY));
    let above = lease::top_up(&buyer.key.pubkey(), &keys.lease, 1, None);
    assert_eq!(w.refuse(above, &[&buyer.key]), "market BeyondDuration");

    assert_eq!(w.extend(&buyer, &keys, DAY).told(), ["LeaseExtended"], "a day's revenue is reserved already");
    let most = u32::try_from(MAX_DURATION.0).unwrap() - 8 * DAY;
    let longer = lease::extend(&buyer.key.pubkey(), &keys, most + 1);
    assert_eq!(w.refuse(longer, &[&buyer.key]), "market DurationOutOfBounds");
    w.extend(&buyer, &keys, most);
    w.pass(100);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    let offer: Offer = w.read(&keys.offer);
    assert_eq!(offer.bound, 0, "what the extensions bound is free again");
}

#[test]
fn r28_an_extension_that_no_free_stake_covers_changes_nothing() {
    let mut w = World::new();
    let buyer = w.buyer(1_000 * USDC);
    let owner = w.provider(|supply| supply.stake = 86_399_999);
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.max_duration_s = 3_600);
    let week = lease::extend(&buyer.key.pubkey(), &keys, 7 * DAY);
    assert_eq!(w.refuse(week.clone(), &[&buyer.key]), "staking InsufficientStake");
    assert_eq!(w.read::<Lease>(&keys.lease).duration_s, 3_600);
    let add = stake::add_stake(&owner.authority.pubkey(), &owner.payout, 1);
    w.mint_to(&owner.payout, 1);
    w.ok(&[add], &[&owner.authority]);
    w.ok(&[week], &[&buyer.key]);
}

#[test]
fn r28_an_extension_binds_no_more_of_the_bond_than_the_offer_s_limit() {
    let mut w = World::new();
    let buyer = w.buyer(1_000 * USDC);
    let owner = w.provider(|supply| supply.stake = 200 * USDC);
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.max_duration_s = 3_600);
    w.edit_as::<Offer>(&keys.offer, |offer| offer.stake_limit = 80 * USDC);
    let week = lease::extend(&buyer.key.pubkey(), &keys, 7 * DAY);
    assert_eq!(w.refuse(week, &[&buyer.key]), "market StakeLimit");
}

#[test]
fn r28_the_owner_and_its_guardian_extend_in_the_grace_period_too_and_nobody_else_does() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let owner = w.provider(|_| {});
    let (guardian, thief) = (w.person(), w.person());
    let set = purse::set_guardian(&buyer.key.pubkey(), &guardian.pubkey(), 10 * USDC, 3_600);
    w.ok(&[set], &[&buyer.key]);
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.max_duration_s = 3_600);
    let extend = |key: &Pubkey| lease::extend(key, &keys, 600);
    assert_eq!(w.refuse(extend(&thief.pubkey()), &[&thief]), "market NotBuyer");
    assert_eq!(w.refuse(extend(&owner.node.pubkey()), &[&owner.node]), "market NotBuyer");
    w.ok(&[extend(&guardian.pubkey())], &[&guardian]);
    w.pass(3_600);
    w.settle(&keys);
    assert_eq!(w.read::<Lease>(&keys.lease).state(), Some(LeaseState::Grace));
    let top_up = lease::top_up_by(&guardian.pubkey(), &buyer.key.pubkey(), &keys.lease, 600_000, None);
    assert_eq!(w.refuse(top_up.clone(), &[&guardian]), "market BeyondDuration");
    w.ok(&[extend(&guardian.pubkey()), top_up], &[&guardian]);
    assert_eq!(w.read::<Lease>(&keys.lease).state(), Some(LeaseState::Running));
    w.pass(1_000);
    w.stop(&buyer, &keys);
    assert_eq!(w.refuse(extend(&buyer.key.pubkey()), &[&buyer.key]), "market WrongState");
    w.wind_up(&buyer, &keys);
}
