//! The hot key of a purse: it posts up to its cap, and can do nothing else.

use gridlease_core::limits::CAP_PERIOD_BOUNDS;
use gridlease_sdk::account::{Job, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{job, lease, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, USDC};
use gridlease_tests::svm::steps::job_args;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{swapped, unsigned};

/// What one job of the tests reserves: two hours at 1.80 USDC.
const CAP_OF_JOB: u64 = 3_600_000;
const HOUR: u32 = 3_600;

fn set(w: &mut World, buyer: &Buyer, spender: &Keypair, cap: u64) {
    let set = purse::set_spender(&buyer.key.pubkey(), &spender.pubkey(), cap, HOUR);
    assert_eq!(w.ok(&[set], &[&buyer.key]).told(), ["SpenderSet"]);
}

/// The spender's posting of the buyer's next job, with its address.
fn posting(w: &mut World, buyer: &Buyer, spender: &Keypair) -> (solana_instruction::Instruction, Pubkey) {
    let number = w.next_number();
    let post = job::post_by(&spender.pubkey(), &buyer.key.pubkey(), number, job_args());
    (post, address::job(&buyer.purse, number))
}

#[test]
fn a_spender_posts_up_to_its_cap_in_each_period_of_a_fixed_grid() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let spender = w.person();
    set(&mut w, &buyer, &spender, 2 * CAP_OF_JOB);
    let start = w.now().ts.0;
    let left = |w: &World| {
        let purse: Purse = w.read(&buyer.purse);
        purse.spender_rules().left(w.now().ts).0
    };
    for _ in 0..2 {
        let (post, _) = posting(&mut w, &buyer, &spender);
        assert_eq!(w.ok(&[post], &[&spender]).told(), ["JobPosted"]);
    }
    assert_eq!(left(&w), 0);
    w.at(start + 3_599);
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market SpenderCap", "a second before the period ends");
    w.at(start + 3_600);
    let (post, _) = posting(&mut w, &buyer, &spender);
    w.ok(&[post], &[&spender]);
    assert_eq!(left(&w), CAP_OF_JOB);
    w.at(start + 3 * 3_600 - 1);
    assert_eq!(left(&w), 2 * CAP_OF_JOB, "the next period began on the grid");
    for _ in 0..2 {
        let (post, _) = posting(&mut w, &buyer, &spender);
        w.ok(&[post], &[&spender]);
    }
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!(purse.spender_period_start, start + 2 * 3_600);
    w.at(start + 3_600);
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market SpenderCap", "a clock that goes backward opens no period");
    w.at(start + 3 * 3_600);
    let (post, _) = posting(&mut w, &buyer, &spender);
    w.ok(&[post], &[&spender]);
}

#[test]
fn an_atom_above_the_cap_is_refused_and_what_comes_back_gives_no_cap_back() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let spender = w.person();
    set(&mut w, &buyer, &spender, CAP_OF_JOB - 1);
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market SpenderCap");
    set(&mut w, &buyer, &spender, CAP_OF_JOB);
    let (post, job) = posting(&mut w, &buyer, &spender);
    w.ok(&[post], &[&spender]);
    w.ok(&[job::cancel(&buyer.key.pubkey(), &job)], &[&buyer.key]);
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market SpenderCap");
    w.job(&buyer, |_| {});
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!(purse.spender_spent, CAP_OF_JOB, "the owner's own jobs do not count");
    set(&mut w, &buyer, &spender, CAP_OF_JOB);
    let (post, _) = posting(&mut w, &buyer, &spender);
    w.ok(&[post], &[&spender]);
}

#[test]
fn a_cap_gives_no_more_than_the_purse_holds() {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    let spender = w.person();
    set(&mut w, &buyer, &spender, u64::MAX);
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market InsufficientFree");
}

#[test]
fn a_spender_pays_the_rent_of_its_jobs_and_gets_it_back() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let spender = w.person();
    set(&mut w, &buyer, &spender, 10 * USDC);
    let had = w.lamports(&spender.pubkey());
    let (post, job) = posting(&mut w, &buyer, &spender);
    w.ok(&[post], &[&spender]);
    assert_eq!(w.read::<Job>(&job).payer, spender.pubkey());
    assert_eq!(w.read::<Job>(&job).owner, buyer.key.pubkey());
    assert!(w.lamports(&spender.pubkey()) < had);
    w.ok(&[job::cancel(&buyer.key.pubkey(), &job)], &[&buyer.key]);
    let to_owner = job::close(&job, &buyer.purse, &buyer.key.pubkey());
    assert_eq!(w.refuse(to_owner, &[]), "market Unrelated");
    w.ok(&[job::close(&job, &buyer.purse, &spender.pubkey())], &[]);
    assert_eq!(w.lamports(&spender.pubkey()), had);
}

#[test]
fn a_spender_can_do_nothing_but_post() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let (spender, wallet) = w.wallet(0);
    set(&mut w, &buyer, &spender, 50 * USDC);
    let key = buyer.key.pubkey();
    let running = w.running(&buyer, &owner, 1_000_000, |_| {});
    let open = w.job(&buyer, |_| {});
    let doors = [
        ("withdraw", purse::withdraw(&key, &wallet, 1)),
        ("sweep", purse::sweep_donation(&key, &wallet)),
        ("close", purse::close(&key, &wallet)),
        ("raise its own cap", purse::set_spender(&key, &spender.pubkey(), u64::MAX, HOUR)),
        ("cancel", job::cancel(&key, &open)),
        ("top up", lease::top_up(&key, &running.lease, 1_000, None)),
        ("stop", lease::stop(&key, &running)),
    ];
    for (what, door) in doors {
        let by_spender = swapped(&door, &key, spender.pubkey());
        let refused = w.refuse(by_spender, &[&spender]);
        assert!(["market NotBuyer", "market Unrelated"].contains(&refused.as_str()), "{what}: {refused}");
    }
}

#[test]
fn nobody_but_owner_and_spender_posts() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let other = w.buyer(20 * USDC);
    let (spender, stranger) = (w.person(), w.person());
    let (post, _) = posting(&mut w, &buyer, &stranger);
    assert_eq!(w.refuse(post, &[&stranger]), "market NotBuyer", "no spender is set");
    set(&mut w, &buyer, &spender, 20 * USDC);
    let (post, _) = posting(&mut w, &buyer, &stranger);
    assert_eq!(w.refuse(post, &[&stranger]), "market NotBuyer");
    let (post, _) = posting(&mut w, &other, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market NotBuyer", "a spender of another purse");
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(unsigned(&mut w, &post, 0), "market AccountNotSigner");
    let remove = purse::set_spender(&buyer.key.pubkey(), &Pubkey::default(), 7, 7);
    w.ok(&[remove], &[&buyer.key]);
    let (post, _) = posting(&mut w, &buyer, &spender);
    assert_eq!(w.refuse(post, &[&spender]), "market NotBuyer", "it was removed");
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.spender_cap, purse.spender_spent, purse.spender_period_s), (0, 0, 0));
}

#[test]
fn a_spender_needs_a_cap_and_a_period_inside_its_bounds_and_the_owner_s_word() {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    let other = w.buyer(USDC);
    let (key, spender) = (buyer.key.pubkey(), w.key().pubkey());
    let (least, most) = CAP_PERIOD_BOUNDS;
    let (least, most) = (u32::try_from(least.0).unwrap(), u32::try_from(most.0).unwrap());
    let cases = [
        ("no cap", purse::set_spender(&key, &spender, 0, HOUR), "market ZeroAmount"),
        ("no period", purse::set_spender(&key, &spender, 1, 0), "market DurationOutOfBounds"),
        ("too short", purse::set_spender(&key, &spender, 1, least - 1), "market DurationOutOfBounds"),
        ("too long", purse::set_spender(&key, &spender, 1, most + 1), "market DurationOutOfBounds"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&buyer.key]), reason, "{what}");
    }
    for period in [least, most] {
        w.ok(&[purse::set_spender(&key, &spender, 1, period)], &[&buyer.key]);
    }
    let good = purse::set_spender(&key, &spender, 1, HOUR);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let foreign = swapped(&good, &buyer.purse, other.purse);
    assert_eq!(w.refuse(foreign, &[&buyer.key]), "market NotBuyer");
}
