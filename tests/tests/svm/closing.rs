//! The end of a purse: donations go to the owner, everything comes back, and no job number returns.

use gridlease_sdk::account::Purse;
use gridlease_sdk::address;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, job, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::steps::job_args;
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn a_donation_to_a_vault_is_swept_to_the_owner_alone_and_moves_nothing_recorded() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let thief = w.buyer(USDC);
    w.job(&buyer, |_| {});
    let key = buyer.key.pubkey();
    let sweep = purse::sweep_donation(&key, &buyer.wallet);
    w.changes_nothing_by(sweep.clone(), &[&buyer.key]);
    w.mint_to(&buyer.vault, 500);
    assert_eq!(unsigned(&mut w, &sweep, 0), "market AccountNotSigner");
    let by_thief = swapped(&swapped(&sweep, &key, thief.key.pubkey()), &buyer.wallet, thief.wallet);
    assert_eq!(w.refuse(by_thief, &[&thief.key]), "market NotBuyer");
    let other_vault = swapped(&sweep, &buyer.vault, thief.vault);
    assert_eq!(w.refuse(other_vault, &[&buyer.key]), "market WrongTokenAccount");
    let into_vault = swapped(&sweep, &buyer.wallet, buyer.vault);
    assert_eq!(w.refuse(into_vault, &[&buyer.key]), "market ConstraintDuplicateMutableAccount");
    let before: Purse = w.read(&buyer.purse);
    assert_eq!(w.ok(&[sweep], &[&buyer.key]).told(), ["DonationSwept"]);
    let after: Purse = w.read(&buyer.purse);
    assert_eq!((after.balance, after.reserved), (before.balance, before.reserved));
    assert_eq!((w.tokens(&buyer.wallet), w.tokens(&buyer.vault)), (500, 10 * USDC));
}

#[test]
fn an_empty_purse_gives_all_its_rent_back_and_can_be_opened_again() {
    let mut w = World::new();
    let (key, wallet) = w.wallet(USDC);
    let (owner, mint) = (key.pubkey(), w.mint);
    let had = w.lamports(&owner);
    w.ok(&[purse::open(&owner, &mint), purse::deposit(&owner, &owner, &wallet, USDC)], &[&key]);
    w.ok(&[purse::withdraw(&owner, &wallet, USDC)], &[&key]);
    let address = address::purse(&owner);
    let vault = address::purse_vault(&address);
    w.mint_to(&vault, 7);
    let close = purse::close(&owner, &wallet);
    assert_eq!(w.ok(&[close.clone()], &[&key]).told(), ["PurseClosed"]);
    assert_eq!((w.lamports(&owner), w.tokens(&wallet)), (had, USDC + 7), "rent and donation are back");
    assert!(w.account(&address).is_none() && w.account(&vault).is_none());
    assert_eq!(w.refuse(close, &[&key]), "market AccountOwnedByWrongProgram");
    w.ok(&[purse::open(&owner, &mint)], &[&key]);
    assert_eq!(w.read::<Purse>(&address).balance, 0);
}

#[test]
fn a_purse_that_holds_or_owes_anything_is_not_closed() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let key = buyer.key.pubkey();
    let close = purse::close(&key, &buyer.wallet);
    assert_eq!(w.refuse(close.clone(), &[&buyer.key]), "market NotEmpty", "a balance");
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(100);
    w.stop(&buyer, &keys);
    w.settle(&keys);
    let free = w.read::<Purse>(&buyer.purse).free().0;
    w.withdraw(&buyer, free);
    assert_eq!(w.refuse(close.clone(), &[&buyer.key]), "market NotEmpty", "fees, and an open job");
    w.sweep(&buyer);
    assert_eq!(w.refuse(close.clone(), &[&buyer.key]), "market NotEmpty", "an open job");
    w.close_lease(&keys);
    w.close_job(&buyer, &keys.job);

    let stranger = w.buyer(0);
    assert_eq!(unsigned(&mut w, &close, 0), "market AccountNotSigner");
    let by_stranger = swapped(&close, &key, stranger.key.pubkey());
    assert_eq!(w.refuse(by_stranger, &[&stranger.key]), "market NotBuyer");
    let other_vault = swapped(&close, &buyer.vault, stranger.vault);
    assert_eq!(w.refuse(other_vault, &[&buyer.key]), "market WrongTokenAccount");
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    w.mint_to(&buyer.vault, 1);
    assert_eq!(w.refuse(swapped(&close, &buyer.wallet, of_nine), &[&buyer.key]), "token 3");
    w.ok(&[close], &[&buyer.key]);
}

#[test]
fn closed_and_opened_again_a_purse_never_posts_under_an_address_of_its_former_life() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (key, mint) = (buyer.key.pubkey(), w.mint);
    // The highest number that this slot allows, to leave as little as possible for the next life.
    let slot = w.now().slot;
    let highest = gridlease_core::job_number::first(slot + 1).unwrap() - 1;
    w.ok(&[job::post(&key, highest, job_args())], &[&buyer.key]);
    let job = address::job(&buyer.purse, highest);
    w.ok(&[job::cancel(&key, &job)], &[&buyer.key]);
    w.close_job(&buyer, &job);
    w.withdraw(&buyer, 20 * USDC);
    let revive = [purse::close(&key, &buyer.wallet), purse::open(&key, &mint)];
    assert_eq!(
        w.send(&revive, &[&buyer.key]).err().unwrap().to_string(),
        "market TooEarly",
        "in the slot of its last job"
    );
    w.pass(1);
    w.ok(&revive, &[&buyer.key]);
    w.ok(&[purse::deposit(&key, &key, &buyer.wallet, 20 * USDC)], &[&buyer.key]);
    let again = job::post(&key, highest, job_args());
    assert_eq!(w.refuse(again, &[&buyer.key]), "market NumberUsed");
    w.job(&buyer, |_| {});
}
