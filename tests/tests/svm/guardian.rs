//! R26: an owner that signs in days has a guardian that reacts in seconds, and a payer for its rent.

use gridlease_core::job::{EndReason, JobState};
use gridlease_sdk::account::{Job, Lease, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{job, lease, paid_by, provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::shape;
use gridlease_tests::svm::parties::{Buyer, USDC, node_args};
use gridlease_tests::svm::steps::job_args;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::swapped;

const HOUR: u32 = 3_600;

fn guarded(w: &mut World, buyer: &Buyer, cap: u64) -> Keypair {
    let guardian = w.person();
    let set = purse::set_guardian(&buyer.key.pubkey(), &guardian.pubkey(), cap, HOUR);
    assert_eq!(w.ok(&[set], &[&buyer.key]).told(), ["GuardianSet"]);
    guardian
}

#[test]
fn r26_a_guardian_stops_rejects_and_cancels_in_the_name_of_the_purse() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let guardian = guarded(&mut w, &buyer, 0);
    let (me, purse_owner) = (guardian.pubkey(), buyer.key.pubkey());

    let dud = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.ok(&[lease::reject_ready(&me, &dud, &w.insurance)], &[&guardian]);
    assert_eq!(w.read::<Lease>(&dud.lease).end_reason(), EndReason::Rejected);

    let other = w.provider(|_| {});
    let keys = w.running(&buyer, &other, 1_000_000, |_| {});
    w.pass(100);
    w.ok(&[lease::stop(&me, &keys)], &[&guardian]);
    assert_eq!(w.read::<Lease>(&keys.lease).end_reason(), EndReason::Stopped);

    let waiting = w.job(&buyer, |_| {});
    w.ok(&[job::cancel_by(&me, &purse_owner, &waiting)], &[&guardian]);
    assert_eq!(w.read::<Job>(&waiting).state(), Some(JobState::Ended));
    let array = w.array(&buyer, gridlease_sdk::instruction::array::ArrayShape { budget: 3_600_000, ..shape() });
    w.ok(&[gridlease_sdk::instruction::array::cancel_by(&me, &purse_owner, &array)], &[&guardian]);
}

#[test]
fn r26_a_guardian_tops_up_to_its_cap_in_each_period_and_the_owner_beyond() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let guardian = guarded(&mut w, &buyer, 2 * USDC);
    let keys = w.running(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 600);
    let start = w.now().ts.0;
    let top_up = |amount| lease::top_up_by(&guardian.pubkey(), &buyer.key.pubkey(), &keys.lease, amount, None);
    // An hour and a half more, which it may have paid for.
    w.ok(&[lease::extend(&guardian.pubkey(), &keys, 5_400), top_up(50_000)], &[&guardian]);
    assert_eq!(w.read::<Purse>(&buyer.purse).guardian_spent, 50_000);
    assert_eq!(w.refuse(top_up(2 * USDC - 49_999), &[&guardian]), "market GuardianCap");
    w.at(start + u64::from(HOUR));
    let none = guarded(&mut w, &buyer, 0);
    let refused = lease::top_up_by(&none.pubkey(), &buyer.key.pubkey(), &keys.lease, 1, None);
    assert_eq!(w.refuse(refused, &[&none]), "market GuardianCap", "without a cap it adds nothing");
}

#[test]
fn r26_a_guardian_takes_nothing_out_posts_nothing_and_names_no_key() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let guardian = guarded(&mut w, &buyer, 10 * USDC);
    let (me, of) = (guardian.pubkey(), buyer.key.pubkey());
    let number = w.next_number();
    for step in [
        purse::withdraw(&of, &buyer.wallet, 1),
        purse::close(&of, &buyer.wallet),
        purse::set_spender(&of, &me, USDC, HOUR),
        purse::set_guardian(&of, &me, USDC, HOUR),
        job::post(&of, number, job_args()),
    ] {
        let by_guardian = swapped(&step, &of, me);
        assert_eq!(w.refuse(by_guardian, &[&guardian]), "market NotBuyer");
    }
    let removed = purse::set_guardian(&of, &Pubkey::default(), 0, 0);
    w.ok(&[removed], &[&buyer.key]);
    let waiting = w.job(&buyer, |_| {});
    assert_eq!(w.refuse(job::cancel_by(&me, &of, &waiting), &[&guardian]), "market NotBuyer", "it is removed");
    assert_eq!(w.read::<Purse>(&buyer.purse).guardian_period_s, 0);
}

#[test]
fn r26_who_opens_an_account_need_not_pay_for_it() {
    let mut w = World::new();
    let payer = w.person();
    let before = w.lamports(&payer.pubkey());
    // Keys without a lamport, as those of a program are.
    let (buyer, authority) = (w.key(), w.key());
    let mint = w.mint;
    let open = paid_by(purse::open(&buyer.pubkey(), &mint), &payer.pubkey());
    w.ok(&[open], &[&buyer, &payer]);
    let bond = paid_by(stake::open_bond(&authority.pubkey(), &mint), &payer.pubkey());
    let payout = w.foreign_account();
    let node = w.key().pubkey();
    let register = paid_by(provider::register(&authority.pubkey(), &payout, node_args(&node)), &payer.pubkey());
    w.ok(&[bond, register], &[&authority, &payer]);
    let purse = address::purse(&buyer.pubkey());
    let vault = address::purse_vault(&purse);
    w.mint_to(&vault, 0);
    let deposit_from = w.wallet(10 * USDC);
    let deposit = purse::deposit(&deposit_from.0.pubkey(), &buyer.pubkey(), &deposit_from.1, 10 * USDC);
    w.ok(&[deposit], &[&deposit_from.0]);
    let number = w.next_number();
    let post = paid_by(job::post(&buyer.pubkey(), number, job_args()), &payer.pubkey());
    w.ok(&[post], &[&buyer, &payer]);
    let job = address::job(&purse, number);
    assert_eq!(w.read::<Job>(&job).payer, payer.pubkey());
    assert!(w.lamports(&payer.pubkey()) < before && w.lamports(&buyer.pubkey()) == 0);
    let held = w.lamports(&payer.pubkey());
    w.ok(&[job::cancel(&buyer.pubkey(), &job)], &[&buyer]);
    w.ok(&[job::close(&job, &purse, &payer.pubkey())], &[]);
    assert!(w.lamports(&payer.pubkey()) > held, "the job's rent is back with who paid it");
}
