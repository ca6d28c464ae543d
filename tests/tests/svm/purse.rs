//! Configuration, purse, deposit, withdrawal, fees: every refusal, and what they may never touch.

use gridlease_core::job::EndReason;
use gridlease_core::limits::{BOND_CAP, JOB_CAP, PURSE_CAP};
use gridlease_sdk::account::{Config, Purse, StakingConfig};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, job, lease, provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Supply, USDC, node_args};
use gridlease_tests::svm::steps::{GPUS, IMAGE};
use solana_signer::Signer;

use crate::{TOKEN_2022, swapped, unsigned};

#[test]
fn a_configuration_is_written_once_and_takes_a_six_decimal_mint_of_classic_spl_token_only() {
    let mut w = World::bare();
    let admin = w.admin.insecure_clone();
    let key = admin.pubkey();
    let (mint, treasury, insurance) = (w.mint, w.treasury, w.insurance);
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    let new = w.other_mint(6, TOKEN_2022);
    let of_new = w.token_account_of(new, key, TOKEN_2022);

    let cases = [
        ("nine decimals", purse::init_config(&key, &nine, &of_nine), "market WrongMint"),
        ("Token-2022", purse::init_config(&key, &new, &of_new), "market AccountOwnedByWrongProgram"),
        ("treasury of another mint", purse::init_config(&key, &mint, &of_nine), "market WrongTokenAccount"),
        ("stake: nine decimals", stake::init_config(&key, &nine, &of_nine), "staking WrongMint"),
        ("stake: Token-2022", stake::init_config(&key, &new, &of_new), "staking AccountOwnedByWrongProgram"),
        ("stake: insurance of another mint", stake::init_config(&key, &mint, &of_nine), "staking WrongInsurance"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&admin]), reason, "{what}");
    }
    let market = purse::init_config(&key, &mint, &treasury);
    let staking = stake::init_config(&key, &mint, &insurance);
    assert!(unsigned(&mut w, &market, 0).ends_with("AccountNotSigner"));
    w.ok(&[market.clone(), staking.clone()], &[&admin]);
    let config: Config = w.read(&address::market_config());
    assert_eq!((config.slot_ms, config.fee_bps, config.paused), (400, 200, 0));
    assert_eq!((config.usdc_mint, config.treasury), (mint, treasury));
    assert_eq!((config.purse_cap, config.job_cap), (PURSE_CAP.0, JOB_CAP.0));
    let staked: StakingConfig = w.read(&address::staking_config());
    assert_eq!((staked.slashers[0], staked.insurance), (address::market_authority(), insurance));
    assert_eq!(staked.bond_cap, BOND_CAP.0);
    assert_eq!(w.refuse(market, &[&admin]), "system 0", "there is one already");
    assert_eq!(w.refuse(staking, &[&admin]), "system 0", "there is one already");
}

#[test]
fn a_purse_is_opened_once_by_its_owner_for_the_market_s_mint() {
    let mut w = World::new();
    let (owner, _) = w.wallet(0);
    let key = owner.pubkey();
    let other = w.other_mint(6, TOKEN_PROGRAM);
    assert_eq!(w.refuse(purse::open(&key, &other), &[&owner]), "market WrongMint");
    let open = purse::open(&key, &w.mint);
    assert_eq!(unsigned(&mut w, &open, 0), "market AccountNotSigner");
    let stranger = w.person();
    let foreign = swapped(&open, &address::purse(&key), address::purse(&stranger.pubkey()));
    assert_eq!(w.refuse(foreign, &[&owner]), "market ConstraintSeeds");
    w.ok(&[open.clone()], &[&owner]);
    assert_eq!(w.refuse(open, &[&owner]), "system 0", "there is one already");
    let purse: Purse = w.read(&address::purse(&key));
    let first = gridlease_core::job_number::first(w.now().slot).unwrap();
    assert_eq!((purse.owner, purse.balance, purse.last_job), (key, 0, first));
    assert_eq!(purse.header.shard, address::purse(&key).to_bytes()[0]);
}

#[test]
fn a_deposit_is_refused_where_it_is_empty_foreign_or_of_another_mint() {
    let mut w = World::new();
    let buyer = w.buyer(0);
    let other = w.buyer(0);
    let (_, of_stranger) = w.wallet(100);
    let (depositor, from) = w.wallet(100);
    let key = depositor.pubkey();
    let good = purse::deposit(&key, &buyer.key.pubkey(), &from, 40);
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    w.edit(&of_nine, |data| data[64] = 100); // its amount
    let new = w.other_mint(6, TOKEN_2022);
    let of_new = w.token_account_of(new, key, TOKEN_2022);

    let cases = [
        ("nothing", purse::deposit(&key, &buyer.key.pubkey(), &from, 0), "market ZeroAmount"),
        ("more than there is", purse::deposit(&key, &buyer.key.pubkey(), &from, 101), "token 1"),
        ("vault of another purse", swapped(&good, &buyer.vault, other.vault), "market WrongTokenAccount"),
        ("out of another mint", swapped(&good, &from, of_nine), "token 3"),
        ("out of Token-2022", swapped(&good, &from, of_new), "market AccountOwnedByWrongProgram"),
        ("under Token-2022", swapped(&good, &TOKEN_PROGRAM, TOKEN_2022), "market InvalidProgramId"),
        ("out of the vault", swapped(&good, &from, buyer.vault), "market ConstraintDuplicateMutableAccount"),
        ("out of a stranger's account", swapped(&good, &from, of_stranger), "token 4"),
        ("no purse", swapped(&good, &buyer.purse, w.mint), "market AccountOwnedByWrongProgram"),
        (
            "another kind of account",
            swapped(&good, &buyer.purse, address::market_config()),
            "market AccountDiscriminatorMismatch",
        ),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&depositor]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    w.ok(&[good], &[&depositor]);
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, 40, "anybody may fill a purse");
}

#[test]
fn only_the_owner_withdraws_and_only_what_is_free() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let stranger = w.buyer(USDC);
    w.job(&buyer, |_| {});
    let key = buyer.key.pubkey();
    let free = 10 * USDC - 3_600_000;
    let good = purse::withdraw(&key, &buyer.wallet, free);
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);

    let cases = [
        ("nothing", purse::withdraw(&key, &buyer.wallet, 0), "market ZeroAmount"),
        ("an atom above the free balance", purse::withdraw(&key, &buyer.wallet, free + 1), "market InsufficientFree"),
        ("everything and more", purse::withdraw(&key, &buyer.wallet, u64::MAX), "market InsufficientFree"),
        ("vault of another purse", swapped(&good, &buyer.vault, stranger.vault), "market WrongTokenAccount"),
        ("to another mint", swapped(&good, &buyer.wallet, of_nine), "token 3"),
        ("into the vault", swapped(&good, &buyer.wallet, buyer.vault), "market ConstraintDuplicateMutableAccount"),
        (
            "purse of another",
            swapped(&swapped(&good, &buyer.purse, stranger.purse), &buyer.vault, stranger.vault),
            "market NotBuyer",
        ),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&buyer.key]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    w.ok(&[good], &[&buyer.key]);
    assert_eq!(w.tokens(&buyer.wallet), free);
    assert_eq!(w.refuse(purse::withdraw(&key, &buyer.wallet, 1), &[&buyer.key]), "market InsufficientFree");
}

#[test]
fn a_donation_to_the_vault_does_not_count() {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    w.mint_to(&buyer.vault, 500);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance, w.tokens(&buyer.vault)), (USDC, USDC + 500));
    let all = purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, USDC + 1);
    assert_eq!(w.refuse(all, &[&buyer.key]), "market InsufficientFree");
    w.withdraw(&buyer, USDC);
    assert_eq!(w.tokens(&buyer.vault), 500);
}

#[test]
fn a_vault_that_holds_less_than_the_balance_stops_every_movement() {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    w.stop_auditing();
    w.edit(&buyer.vault, |data| data[64..72].copy_from_slice(&(USDC - 1).to_le_bytes()));
    let one = purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, 1);
    assert_eq!(w.refuse(one, &[&buyer.key]), "market InvariantBroken");
}

#[test]
fn fees_are_swept_by_anybody_in_two_halves_and_the_odd_atom_is_the_treasury_s() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let provider = w.provider(|_| {});
    let other = w.buyer(0);
    let sweep = purse::sweep_fees(&buyer.purse, &w.treasury, &w.insurance);
    w.changes_nothing(sweep.clone());
    // 405 atoms a second, of which the fee is two per cent, rounded up. Inside a second a slot is 400 ms (R22).
    let keys = w.running(&buyer, &provider, 1_458_000, |_| {});
    let start = w.now();
    w.set_clock(gridlease_core::Now { slot: start.slot + 453, ts: gridlease_core::UnixTs(start.ts.0 + 181) });
    w.settle(&keys);
    assert_eq!(w.read::<Purse>(&buyer.purse).fees_owed, 1_468, "of 73,386 atoms for 181.2 seconds");
    w.set_clock(gridlease_core::Now { slot: start.slot + 454, ts: gridlease_core::UnixTs(start.ts.0 + 181) });
    w.settle(&keys);
    assert_eq!(w.read::<Purse>(&buyer.purse).fees_owed, 1_471, "400 ms are 162 atoms");

    let foreign = w.foreign_account();
    let (staking, market) = (address::staking_config(), address::market_config());
    let cases = [
        ("to another treasury", swapped(&sweep, &w.treasury, foreign), "market WrongTokenAccount"),
        ("to another insurance", swapped(&sweep, &w.insurance, foreign), "market WrongTokenAccount"),
        ("a configuration of another program", swapped(&sweep, &staking, market), "market WrongTokenAccount"),
        ("out of another vault", swapped(&sweep, &buyer.vault, other.vault), "market WrongTokenAccount"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    w.sweep(&buyer);
    assert_eq!((w.tokens(&w.treasury), w.tokens(&w.insurance)), (736, 735));
    w.changes_nothing(sweep);
    w.pass(2);
    w.finish(&provider, &keys, EndReason::Completed);
    w.settle(&keys);
    // Of 74,358 atoms for 183.6 seconds the fee is 1,488: an odd number again is left of it.
    assert_eq!(w.read::<Purse>(&buyer.purse).fees_owed, 17);
    w.sweep(&buyer);
    assert_eq!((w.tokens(&w.treasury), w.tokens(&w.insurance)), (736 + 9, 735 + 8));
}

#[test]
fn one_account_may_be_treasury_and_insurance_at_once() {
    let mut w = World::bare();
    let admin = w.admin.insecure_clone();
    w.insurance = w.treasury;
    let (key, mint, both) = (admin.pubkey(), w.mint, w.treasury);
    w.ok(&[purse::init_config(&key, &mint, &both), stake::init_config(&key, &mint, &both)], &[&admin]);
    let buyer = w.buyer(10 * USDC);
    let provider = w.provider(|_| {});
    let keys = w.running(&buyer, &provider, 1_800_000, |_| {});
    w.pass(100);
    w.settle(&keys);
    w.sweep(&buyer);
    assert_eq!(w.tokens(&both), 1_000);
    w.abandon(&provider, &keys);
}

#[test]
fn a_pause_stops_what_comes_in_and_nothing_that_goes_out() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let auto = w.provider(|supply| supply.auto_bid = true);
    let late = w.registered(0);
    let running = w.running(&buyer, &owner, 1_000_000, |_| {});
    let open = w.job(&buyer, |_| {});
    let awarded = w.job(&buyer, |_| {});
    w.bid(&owner, &awarded, 900_000);
    w.edit_as::<Config>(&address::market_config(), |config| config.paused = 1);

    let (key, node) = (buyer.key.pubkey(), owner.node.pubkey());
    let (post, _) = w.post(&buyer, |_| {});
    let (newcomer, payout) = w.wallet(10);
    let supply = Supply::default();
    let now = w.now().ts.0;
    let offer = provider::post_offer(&late.node.pubkey(), &late.record, 1, supply.machine(), supply.terms(now));
    let register = provider::register(&newcomer.pubkey(), &payout, node_args(&node));
    let deposit = purse::deposit(&newcomer.pubkey(), &key, &payout, 1);
    let cases = [
        ("deposit", deposit, vec![&newcomer]),
        ("post", post, vec![&buyer.key]),
        ("register", register, vec![&newcomer]),
        ("offer", offer, vec![&late.node]),
        ("bid", w.bid_of(&owner, &open, 800_000), vec![&owner.node]),
        ("enter", job::enter_offer(&open, &auto.bidder()), vec![]),
    ];
    for (what, instruction, signers) in cases {
        assert_eq!(w.refuse(instruction, &signers), "market Paused", "{what}");
    }

    w.withdraw(&buyer, 1);
    w.pass(100);
    w.settle(&running);
    w.top_up(&buyer, &running, 1_000);
    w.close_window(&awarded);
    let lease = w.award(&awarded);
    let keys = w.keys(&lease);
    w.ok(&[lease::ready(&node, &keys, IMAGE, GPUS)], &[&owner.node]);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    w.finish(&owner, &running, EndReason::Completed);
    w.wind_up(&buyer, &running);
    w.ok(&[job::cancel(&key, &open)], &[&buyer.key]);
    w.close_job(&buyer, &open);
    w.sweep(&buyer);
    w.withdraw_offer(&owner);
    let rest = w.read::<Purse>(&buyer.purse).balance;
    w.withdraw(&buyer, rest);
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, 0);
}

#[test]
fn nothing_pays_out_of_a_purse_to_an_address_that_nobody_recorded() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let provider = w.provider(|_| {});
    let keys = w.running(&buyer, &provider, 1_000_000, |_| {});
    w.pass(60);
    let thief = w.foreign_account();
    let settle = swapped(&lease::settle(&keys), &keys.payout, thief);
    assert_eq!(w.refuse(settle, &[]), "market WrongTokenAccount");
    let other = w.buyer(USDC);
    let foreign = swapped(&lease::settle(&keys), &keys.purse, other.purse);
    assert_eq!(w.refuse(foreign, &[]), "market Unrelated");
    let vault = swapped(&lease::settle(&keys), &buyer.vault, other.vault);
    assert_eq!(w.refuse(vault, &[]), "market WrongTokenAccount");
    assert_eq!(w.tokens(&thief), 0);
}
