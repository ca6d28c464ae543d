//! A provider's payout account, and the end of its record.

use gridlease_core::limits::PAYOUT_DELAY;
use gridlease_sdk::account::{Job, Lease, Provider as Record};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, lease, provider, purse};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Supply, USDC, node_args};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{TOKEN_2022, swapped, unsigned};

#[test]
fn a_payout_account_changes_48_hours_after_the_cold_key_said_so() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let new = w.foreign_account();
    let propose = provider::propose_payout(&owner.authority.pubkey(), &new);
    let apply = provider::apply_payout(&owner.record, &owner.bond, &new);
    w.changes_nothing(apply.clone());
    assert_eq!(w.ok(&[propose.clone()], &[&owner.authority]).told(), ["PayoutProposed"]);
    let start = w.now().ts.0;
    let record: Record = w.read(&owner.record);
    assert_eq!((record.payout, record.pending_payout), (owner.payout, new));
    assert_eq!(record.header.due_ts, start + PAYOUT_DELAY.0);
    w.at(start + PAYOUT_DELAY.0 - 1);
    assert_eq!(w.refuse(apply.clone(), &[]), "market TooEarly");
    let other = provider::apply_payout(&owner.record, &owner.bond, &owner.payout);
    assert_eq!(w.refuse(other, &[]), "market WrongTokenAccount");
    w.at(start + PAYOUT_DELAY.0);
    assert_eq!(w.ok(&[apply.clone()], &[]).told(), ["PayoutChanged"]);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.payout, record.pending_payout, record.pending_payout_ts), (new, Pubkey::default(), 0));
    assert_eq!(record.header.due_ts, 0);
    w.changes_nothing(apply);
}

#[test]
fn another_proposal_waits_anew_and_a_proposal_can_be_taken_back() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let cold = owner.authority.pubkey();
    let (first, second) = (w.foreign_account(), w.foreign_account());
    let cancel = provider::cancel_payout(&cold);
    assert_eq!(w.refuse(cancel.clone(), &[&owner.authority]), "market NoPendingPayout");
    w.ok(&[provider::propose_payout(&cold, &first)], &[&owner.authority]);
    w.pass(PAYOUT_DELAY.0);
    w.ok(&[provider::propose_payout(&cold, &second)], &[&owner.authority]);
    assert_eq!(w.refuse(provider::apply_payout(&owner.record, &owner.bond, &first), &[]), "market WrongTokenAccount");
    assert_eq!(w.refuse(provider::apply_payout(&owner.record, &owner.bond, &second), &[]), "market TooEarly");
    w.pass(PAYOUT_DELAY.0 + 1);
    w.ok(&[cancel], &[&owner.authority]);
    w.changes_nothing(provider::apply_payout(&owner.record, &owner.bond, &second));
    assert_eq!(w.read::<Record>(&owner.record).payout, owner.payout);
}

#[test]
fn only_the_cold_key_changes_where_a_provider_is_paid_and_only_to_an_account_that_can_be_paid() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let cold = owner.authority.pubkey();
    let new = w.foreign_account();
    let propose = provider::propose_payout(&cold, &new);
    assert_eq!(unsigned(&mut w, &propose, 0), "market AccountNotSigner");
    let doors = [propose.clone(), provider::cancel_payout(&cold), provider::close(&cold)];
    for door in doors {
        let by_node = swapped(&door, &cold, owner.node.pubkey());
        assert_eq!(w.refuse(by_node, &[&owner.node]), "market NotAuthority", "a node key that tries to withdraw");
    }
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, cold, TOKEN_PROGRAM);
    let of_new = w.token_account_of(w.mint, cold, TOKEN_2022);
    let frozen = w.foreign_account();
    w.edit(&frozen, |data| data[108] = 2);
    let cases = [
        ("another mint", of_nine, "market WrongTokenAccount"),
        ("Token-2022", of_new, "market AccountOwnedByWrongProgram"),
        ("frozen", frozen, "market FrozenTokenAccount"),
        ("no token account", cold, "market AccountOwnedByWrongProgram"),
    ];
    for (what, account, reason) in cases {
        let propose = provider::propose_payout(&cold, &account);
        assert_eq!(w.refuse(propose, &[&owner.authority]), reason, "{what}");
    }
    w.ok(&[propose], &[&owner.authority]);
    w.pass(PAYOUT_DELAY.0);
    w.edit(&new, |data| data[108] = 2);
    let apply = provider::apply_payout(&owner.record, &owner.bond, &new);
    assert_eq!(w.refuse(apply, &[]), "market FrozenTokenAccount", "frozen while it waited");
    let late = w.person();
    let register = provider::register(&late.pubkey(), &frozen, node_args(&late.pubkey()));
    assert_eq!(w.refuse(register, &[&late]), "market FrozenTokenAccount");
}

#[test]
fn an_open_lease_keeps_the_payout_account_that_it_recorded() {
    let mut w = World::new();
    let buyer = w.buyer(200 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 72 * 3_600);
    let new = w.foreign_account();
    w.ok(&[provider::propose_payout(&owner.authority.pubkey(), &new)], &[&owner.authority]);
    w.pass(PAYOUT_DELAY.0);
    w.ok(&[provider::apply_payout(&owner.record, &owner.bond, &new)], &[]);
    w.settle(&keys);
    assert_eq!(w.read::<Lease>(&keys.lease).payout, owner.payout);
    assert_eq!((w.tokens(&owner.payout), w.tokens(&new)), (48 * 980_000, 0));
    let terms = Supply::default().terms(w.now().ts.0);
    w.refresh(&owner, terms);
    let next = w.running(&buyer, &owner, 1_000_000, |_| {});
    assert_eq!(w.read::<Lease>(&next.lease).payout, new);
}

#[test]
fn a_lease_whose_payout_account_can_take_no_money_is_paid_to_the_provider_s_present_one_and_no_other_is_moved() {
    for closed in [false, true] {
        let mut w = World::new();
        let buyer = w.buyer(200 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 72 * 3_600);
        let new = w.foreign_account();
        let redirect = lease::redirect_payout(&keys, &new);
        assert_eq!(w.refuse(redirect.clone(), &[]), "market WrongTokenAccount", "it is not the provider's");
        w.ok(&[provider::propose_payout(&owner.authority.pubkey(), &new)], &[&owner.authority]);
        w.pass(PAYOUT_DELAY.0);
        w.ok(&[provider::apply_payout(&owner.record, &owner.bond, &new)], &[]);
        w.changes_nothing(redirect.clone());
        if closed {
            w.stop_auditing(); // an account that is gone
            w.edit(&owner.payout, |data| data[108] = 0);
        } else {
            w.freeze(&owner.payout, true);
        }
        assert!(w.send(&[lease::settle(&keys)], &[]).is_err(), "it can take no money");
        let elsewhere = w.foreign_account();
        let stolen = swapped(&redirect, &new, elsewhere);
        assert_eq!(w.refuse(stolen, &[]), "market WrongTokenAccount");
        let other = swapped(&redirect, &keys.payout, elsewhere);
        assert_eq!(w.refuse(other, &[]), "market WrongTokenAccount", "not the account that the lease records");
        assert_eq!(w.ok(&[redirect.clone()], &[]).told(), ["PayoutRedirected"]);
        let keys = w.keys(&keys.lease);
        assert_eq!(keys.payout, new);
        w.settle(&keys);
        assert_eq!(w.tokens(&new), 48 * 980_000);
        assert_eq!(w.refuse(redirect, &[]), "market WrongTokenAccount", "a repeated call does no harm");
        w.changes_nothing(lease::redirect_payout(&keys, &new));
    }
}

/// R20: the buyer's purse stayed open, and its rent locked, until the provider named another account.
#[test]
fn r20_a_payout_account_that_is_closed_keeps_no_purse_open_and_its_money_goes_where_the_cold_key_reaches_it() {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(20 * USDC), w.provider(|_| {}));
    let (cold, payout) = (owner.authority.pubkey(), w.foreign_account());
    w.ok(&[provider::propose_payout(&cold, &payout)], &[&owner.authority]);
    w.pass(PAYOUT_DELAY.0);
    w.ok(&[provider::apply_payout(&owner.record, &owner.bond, &payout)], &[]);
    let terms = Supply::default().terms(w.now().ts.0);
    w.refresh(&owner, terms);
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.pass(3_600);
    w.stop(&buyer, &keys);
    w.close_job(&buyer, &keys.job);
    w.stop_auditing(); // an account that is gone
    let to = w.associated(&cold);
    let past = lease::redirect_payout_to(&keys, &payout, &to);
    w.changes_nothing(past.clone());
    w.freeze(&payout, true);
    w.changes_nothing(past.clone());
    w.edit(&payout, |data| data[108] = 0);
    let thief = w.foreign_account();
    assert_eq!(w.refuse(swapped(&past, &to, thief), &[]), "market WrongTokenAccount");
    let had = w.tokens(&to);
    assert_eq!(w.ok(&[past], &[]).told(), ["PayoutRedirected"]);
    let keys = w.keys(&keys.lease);
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&to) - had, 980_000);
    w.sweep(&buyer);
    w.withdraw(&buyer, 19 * USDC);
    w.pass(1);
    let close = gridlease_sdk::instruction::purse::close(&buyer.key.pubkey(), &buyer.wallet);
    w.ok(&[close], &[&buyer.key]);
}

#[test]
fn a_record_without_offers_and_leases_is_closed_and_gives_its_rent_back() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let cold = owner.authority.pubkey();
    let close = provider::close(&cold);
    assert_eq!(w.refuse(close.clone(), &[&owner.authority]), "market NotEmpty", "it has an offer");
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    w.withdraw_offer(&owner);
    assert_eq!(w.refuse(close.clone(), &[&owner.authority]), "market NotEmpty", "the offer waits for its lease");
    w.stop_auditing();
    w.edit_as::<Record>(&owner.record, |record| record.offers = 0);
    assert_eq!(w.refuse(close.clone(), &[&owner.authority]), "market StillLeased");
    w.edit_as::<Record>(&owner.record, |record| record.offers = 1);
    w.ready(&owner, &keys);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    w.withdraw_offer(&owner);
    let (had, rent) = (w.lamports(&cold), w.lamports(&owner.record));
    assert_eq!(w.ok(&[close], &[&owner.authority]).told(), ["ProviderClosed"]);
    assert_eq!(w.lamports(&cold), had + rent);
    assert!(w.find::<Record>(&owner.record).is_none());
    let again = provider::register(&cold, &owner.payout, node_args(&owner.node.pubkey()));
    w.ok(&[again], &[&owner.authority]);
    assert_eq!(w.read::<Record>(&owner.record).started, 0, "a newcomer");
}

#[test]
fn a_bidder_that_closed_its_record_is_skipped_at_the_award() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (gone, next) = (w.provider(|_| {}), w.provider(|_| {}));
    let job = w.job(&buyer, |_| {});
    w.bid(&gone, &job, 800_000);
    w.bid(&next, &job, 900_000);
    w.close_window(&job);
    let award = w.award_of(&job);
    w.withdraw_offer(&gone);
    w.ok(&[provider::close(&gone.authority.pubkey())], &[&gone.authority]);
    w.ok(&[award], &[]);
    let lease: Lease = w.read(&w.read::<Job>(&job).current_lease(&job).unwrap());
    assert_eq!(lease.provider, next.record);
}

#[test]
fn a_node_key_can_withdraw_nothing() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let node = owner.node.pubkey();
    let loot = w.foreign_account();
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.pass(100);
    let settle = swapped(&gridlease_sdk::instruction::lease::settle(&keys), &keys.payout, loot);
    assert_eq!(w.refuse(settle, &[]), "market WrongTokenAccount");
    let payout = swapped(&provider::propose_payout(&owner.authority.pubkey(), &loot), &owner.authority.pubkey(), node);
    assert_eq!(w.refuse(payout, &[&owner.node]), "market NotAuthority");
    let rekey = swapped(
        &provider::update_node(&owner.authority.pubkey(), node_args(&node), &[]),
        &owner.authority.pubkey(),
        node,
    );
    assert_eq!(w.refuse(rekey, &[&owner.node]), "market NotAuthority");
    let purse = swapped(&purse::withdraw(&buyer.key.pubkey(), &loot, 1), &buyer.key.pubkey(), node);
    assert_eq!(w.refuse(purse, &[&owner.node]), "market NotBuyer");
    assert_eq!(w.tokens(&loot), 0);
    assert_eq!(address::provider(&owner.authority.pubkey()), owner.record);
}
