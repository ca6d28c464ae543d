//! Instant postings: the first offer that fits is taken at its ask, or nothing is posted.

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Bond, Job, Lease, Offer, Provider as Record, Purse};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::job::{self, BidderKeys, JobArgs};
use gridlease_sdk::instruction::provider::SpecArgs;
use gridlease_tests::svm::World;
use gridlease_tests::svm::outcome::Done;
use gridlease_tests::svm::parties::{Buyer, Provider, USDC, machine};
use gridlease_tests::svm::steps::job_args;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{swapped, unsigned};

fn instant(
    w: &mut World,
    buyer: &Buyer,
    offers: &[&Provider],
    edit: impl FnOnce(&mut JobArgs),
) -> (Instruction, Pubkey) {
    let mut args = JobArgs { mode: 1, ..job_args() };
    edit(&mut args);
    let number = w.next_number();
    let offers: Vec<BidderKeys> = offers.iter().map(|owner| owner.bidder()).collect();
    (job::post_instant(&buyer.key.pubkey(), number, args, &offers), address::job(&buyer.purse, number))
}

fn awarded(done: &Done) -> (Pubkey, u64, u8) {
    let told = done.market().find_map(|event| match event {
        MarketEvent::JobAwarded(told) => Some((told.provider, told.price, told.skipped)),
        _ => None,
    });
    told.unwrap()
}

#[test]
fn the_offer_is_taken_at_its_ask_in_the_transaction_that_posts_the_job() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let (post, job) = instant(&mut w, &buyer, &[&owner], |_| {});
    let done = w.ok(&[post], &[&buyer.key]);
    assert_eq!(done.told(), ["Reserved", "JobPosted", "JobAwarded"]);
    assert_eq!(awarded(&done), (owner.record, 1_500_000, 0));
    let lease: Lease = w.read(&address::lease(&job, 0));
    assert_eq!((lease.state(), lease.price, lease.reserved), (Some(LeaseState::Starting), 1_500_000, 3_000_000));
    assert_eq!((lease.provider, lease.offer, lease.owner), (owner.record, owner.offer, buyer.key.pubkey()));
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.leases, state.mode, state.reserved), (Some(JobState::Leased), 1, 1, 600_000));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 3_600_000);
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 6_000_000);
    assert_eq!(w.read::<Offer>(&owner.offer).units_free, 1);
    let keys = w.keys(&address::lease(&job, 0));
    w.ready(&owner, &keys);
    w.pass(600);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
}

#[test]
fn of_four_offers_the_first_that_fits_is_taken() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let good = w.provider(|_| {});
    let later = w.provider(|supply| supply.ask = 600_000);
    let expired = w.provider(|supply| supply.life = 1);
    let gone = w.provider(|_| {});
    let full = w.provider(|supply| supply.units = 1);
    let poor = w.provider(|supply| supply.stake = 2 * USDC);
    let dear = w.provider(|supply| supply.ask = 1_800_001);
    let small = w.provider(|supply| supply.spec = SpecArgs { memory_mib: 1_024, ..machine() });
    w.starting(&buyer, &full, 1_000_000, |_| {});
    w.withdraw_offer(&gone);
    assert!(w.find::<Offer>(&gone.offer).is_none());
    let standing = w.read::<Record>(&gone.record).standing;
    for bad in [&expired, &gone, &full, &poor, &dear, &small] {
        let (alone, job) = instant(&mut w, &buyer, &[bad], |_| {});
        assert_eq!(w.refuse(alone, &[&buyer.key]), "market NoneFits");
        assert!(w.find::<Job>(&job).is_none(), "nothing is posted");
        let (post, _) = instant(&mut w, &buyer, &[bad, &good, &later], |args| args.max_duration_s = 60);
        let done = w.ok(&[post], &[&buyer.key]);
        assert_eq!(awarded(&done), (good.record, 1_500_000, 1));
        let keys = w.keys(&address::lease(&w.all::<Lease>().values().last().unwrap().job, 0));
        assert!(w.find::<Lease>(&keys.lease).is_some());
        release(&mut w, &good);
    }
    let (post, _) = instant(&mut w, &buyer, &[&dear, &poor, &small, &later], |_| {});
    assert_eq!(awarded(&w.ok(&[post], &[&buyer.key])), (later.record, 600_000, 3));
    let (post, _) = instant(&mut w, &buyer, &[&dear, &poor, &small, &full], |_| {});
    assert_eq!(w.refuse(post, &[&buyer.key]), "market NoneFits");
    assert_eq!(w.read::<Record>(&gone.record).standing, standing, "whoever made no bid is charged no fault");
}

/// Ends and closes the lease that `owner` has, so that its unit is free again.
fn release(w: &mut World, owner: &Provider) {
    let open: Vec<_> = w.all::<Lease>().into_iter().filter(|(_, lease)| lease.provider == owner.record).collect();
    for (key, _) in open {
        let keys = w.keys(&key);
        w.ready(owner, &keys);
        w.finish(owner, &keys, gridlease_core::job::EndReason::Completed);
        w.settle(&keys);
        w.close_lease(&keys);
    }
}

#[test]
fn a_posting_without_offers_with_too_many_or_with_wrong_ones_is_refused() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let other = w.buyer(10 * USDC);
    let (owner, rival) = (w.provider(|_| {}), w.provider(|_| {}));
    let (none, _) = instant(&mut w, &buyer, &[], |_| {});
    assert_eq!(w.refuse(none, &[&buyer.key]), "market BadOffers");
    let (good, job) = instant(&mut w, &buyer, &[&owner], |_| {});
    let first = good.accounts.len() - 3;
    let mut five = good.clone();
    for _ in 0..4 {
        five.accounts.extend_from_slice(&good.accounts[first..]);
    }
    assert_eq!(w.refuse(five, &[&buyer.key]), "market BadOffers");
    for left in [1, 2] {
        let mut cut = good.clone();
        cut.accounts.truncate(first + left);
        assert_eq!(w.refuse(cut, &[&buyer.key]), "market BadOffers");
    }
    let lease = address::lease(&job, 0);
    let cases = [
        ("offer of another", swapped(&good, &owner.offer, rival.offer), "market Unrelated"),
        ("bond of another", swapped(&good, &owner.bond, rival.bond), "market Unrelated"),
        ("provider that is none", swapped(&good, &owner.record, owner.offer), "market AccountDiscriminatorMismatch"),
        ("purse of another", swapped(&good, &buyer.purse, other.purse), "market ConstraintSeeds"),
        ("lease of another number", swapped(&good, &lease, address::lease(&job, 1)), "market Unrelated"),
        (
            "reservation of another",
            swapped(&good, &address::reservation(&lease), address::reservation(&job)),
            "staking ConstraintSeeds",
        ),
        ("another staking program", swapped(&good, &address::STAKING, address::MARKET), "market ConstraintAddress"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&buyer.key]), reason, "{what}");
    }
    for mode in [0, 2, 3] {
        let (wrong, _) = instant(&mut w, &buyer, &[&owner], |args| args.mode = mode);
        assert_eq!(w.refuse(wrong, &[&buyer.key]), "market WrongMode", "mode {mode}");
    }
    let (timed, _) = instant(&mut w, &buyer, &[&owner], |args| args.reveal_s = 15);
    assert_eq!(w.refuse(timed, &[&buyer.key]), "market DurationOutOfBounds");
    let (dear, _) = instant(&mut w, &buyer, &[&owner], |args| args.max_price = 6_000_000);
    assert_eq!(w.refuse(dear, &[&buyer.key]), "market InsufficientFree");
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    w.ok(&[good.clone()], &[&buyer.key]);
    assert_eq!(w.refuse(good, &[&buyer.key]), "system 0", "an instant posting happens once");
}

#[test]
fn the_same_offer_named_twice_gives_one_lease() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|supply| supply.units = 1);
    let (post, _) = instant(&mut w, &buyer, &[&owner, &owner], |_| {});
    w.ok(&[post], &[&buyer.key]);
    assert_eq!(w.all::<Lease>().len(), 1);
    let (post, _) = instant(&mut w, &buyer, &[&owner, &owner], |_| {});
    assert_eq!(w.refuse(post, &[&buyer.key]), "market NoneFits");
}

#[test]
fn after_a_failed_start_an_instant_job_waits_for_bids_and_goes_on_as_an_open_auction() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (owner, rival) = (w.provider(|_| {}), w.provider(|_| {}));
    let (post, job) = instant(&mut w, &buyer, &[&owner], |args| args.attempts = 2);
    w.ok(&[post], &[&buyer.key]);
    let keys = w.keys(&address::lease(&job, 0));
    w.pass(141);
    w.fail_start(&keys);
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.attempts_left), (Some(JobState::Waiting), 1), "one attempt, not two");
    assert_eq!((state.close_ts, state.book_len), (0, 0));
    let again = w.bid_of(&owner, &job, 1_000_000);
    assert_eq!(w.refuse(again, &[&owner.node]), "market Excluded");
    w.bid(&rival, &job, 1_100_000);
    assert_eq!(w.read::<Job>(&job).close_ts, w.now().ts.0 + 12, "its bid begins the window");
    w.close_window(&job);
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, rival.record);
}

#[test]
fn an_instant_job_whose_only_attempt_failed_is_refunded() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let (post, job) = instant(&mut w, &buyer, &[&owner], |args| args.attempts = 1);
    w.ok(&[post], &[&buyer.key]);
    let keys = w.keys(&address::lease(&job, 0));
    w.pass(141);
    w.fail_start(&keys);
    assert_eq!(w.read::<Job>(&job).state(), Some(JobState::Ended));
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
}

#[test]
fn an_instant_posting_with_four_offers_fits_into_a_transaction() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owners: Vec<_> = (0..4).map(|_| w.provider(|_| {})).collect();
    let named: Vec<_> = owners.iter().collect();
    let (post, _) = instant(&mut w, &buyer, &named, |args| args.manifest_uri = "u".repeat(49));
    let done = w.send_from(&buyer.key.insecure_clone(), &[post], &[]).unwrap();
    assert!(done.bytes + 52 <= 1_232, "{} bytes", done.bytes);
}

#[test]
fn a_pause_stops_instant_postings() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    w.edit_as::<gridlease_sdk::account::Config>(&address::market_config(), |config| config.paused = 1);
    let (post, _) = instant(&mut w, &buyer, &[&owner], |_| {});
    assert_eq!(w.refuse(post, &[&buyer.key]), "market Paused");
}
