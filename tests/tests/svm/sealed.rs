//! Sealed auctions: committed unseen, revealed by anybody, forfeited where nobody does.

use gridlease_core::job::JobState;
use gridlease_sdk::account::{Bond, Commitment, Config, Job, Lease, Offer, Purse};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use gridlease_sdk::instruction::job;
use gridlease_sdk::instruction::provider;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_tests::svm::World;
use gridlease_tests::svm::outcome::Done;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use spl_token_interface::instruction::freeze_account;

use crate::{swapped, unsigned};

const SALT: [u8; 32] = [42; 32];
/// Three per cent of the cap of 3.60 USDC are less than the least bond.
const BOND: u64 = 250_000;

/// A sealed auction: 20 s to commit from the first bid on, 60 s to reveal.
fn auction(w: &mut World, buyer: &Buyer) -> Pubkey {
    w.job(buyer, |args| (args.mode, args.window_s, args.reveal_s) = (2, 20, 60))
}

fn commit_of(owner: &Provider, job: &Pubkey, price: u64) -> Instruction {
    let hash = sealed::hash(job, &owner.bidder(), price, &SALT);
    sealed::commit(&owner.node.pubkey(), job, &owner.bidder(), hash)
}

fn commit(w: &mut World, owner: &Provider, job: &Pubkey, price: u64) -> SealedKeys {
    w.ok(&[commit_of(owner, job, price)], &[&owner.node]);
    SealedKeys::from(&w.read::<Commitment>(&address::commitment(job, &owner.record)))
}

fn reveal(w: &mut World, keys: &SealedKeys, price: u64) -> Done {
    w.ok(&[sealed::reveal(keys, 1, price, SALT)], &[])
}

/// Number of the error for which a revealed bid did not enter.
fn refused(done: &Done) -> u32 {
    let told = done.market().find_map(|event| match event {
        MarketEvent::BidRevealed(told) => Some(told.refused),
        _ => None,
    });
    told.unwrap()
}

fn close(w: &World, job: &Pubkey) -> u64 {
    w.read::<Job>(job).close_ts
}

fn end(w: &World, job: &Pubkey) -> u64 {
    w.read::<Job>(job).reveal_end
}

#[test]
fn the_best_of_the_revealed_bids_wins_and_every_bond_and_rent_comes_back() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let sol: Vec<_> = owners.iter().map(|owner| w.lamports(&owner.node.pubkey())).collect();
    let job = auction(&mut w, &buyer);
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.close_ts, state.reveal_end), (Some(JobState::Waiting), 0, 0));
    assert_eq!((state.sealed_bond, state.sealed, state.header.due_ts), (BOND, 0, state.expires_at));
    let begun = w.now().ts.0;
    let mut keys = Vec::new();
    for (owner, price) in owners.iter().zip([1_200_000, 900_000, 1_000_000]) {
        let done = w.ok(&[commit_of(owner, &job, price)], &[&owner.node]);
        assert_eq!(done.told(), ["Reserved", "BidCommitted"]);
        assert_eq!(w.read::<Bond>(&owner.bond).reserved, BOND);
        keys.push(SealedKeys::from(&w.read::<Commitment>(&address::commitment(&job, &owner.record))));
    }
    let state: Job = w.read(&job);
    assert_eq!((state.close_ts, state.reveal_end), (begun + 20, begun + 80), "the first bid began it");
    assert_eq!((state.sealed, state.book_len, state.header.due_ts), (3, 0, state.reveal_end));
    w.at(state.close_ts);
    for (keys, price) in keys.iter().zip([1_200_000, 900_000, 1_000_000]) {
        let done = reveal(&mut w, keys, price);
        assert_eq!(done.told(), ["Released", "BidRevealed", "BidEntered"]);
    }
    for (owner, sol) in owners.iter().zip(sol) {
        assert_eq!(w.lamports(&owner.node.pubkey()), sol, "all rent is back");
        assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
        assert!(w.account(&address::commitment(&job, &owner.record)).is_none());
    }
    let state: Job = w.read(&job);
    assert_eq!((state.sealed, state.header.due_ts), (0, state.close_ts), "all are revealed: it can be awarded at once");
    let lease = w.award(&job);
    let lease: Lease = w.read(&lease);
    assert_eq!((lease.provider, lease.price), (owners[1].record, 900_000));
}

#[test]
fn committing_ends_with_its_window_and_revealing_lies_between_the_two_ends() {
    for (at, commits) in [(19, "ok"), (20, "market WindowClosed"), (21, "market WindowClosed")] {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let (first, owner) = (w.provider(|_| {}), w.provider(|_| {}));
        let job = auction(&mut w, &buyer);
        commit(&mut w, &first, &job, 950_000);
        w.pass(at);
        let answer = w.send(&[commit_of(&owner, &job, 900_000)], &[&owner.node]);
        assert_eq!(answer.map_or_else(|refused| refused.to_string(), |_| "ok".to_owned()), commits, "commit at {at}");
    }
    for (at, reveals, forfeits, awards) in [
        (19, "market WindowOpen", "market RevealOpen", "market WindowOpen"),
        (20, "ok", "market RevealOpen", "market RevealOpen"),
        (79, "ok", "market RevealOpen", "market RevealOpen"),
        (80, "market RevealClosed", "ok", "ok"),
        (81, "market RevealClosed", "ok", "ok"),
    ] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let jobs = [auction(&mut w, &buyer), auction(&mut w, &buyer), auction(&mut w, &buyer)];
        let keys = jobs.map(|job| commit(&mut w, &owner, &job, 900_000));
        w.pass(at);
        let insurance = w.insurance;
        for (what, instruction, expected) in [
            ("reveal", sealed::reveal(&keys[0], 1, 900_000, SALT), reveals),
            ("forfeit", sealed::forfeit(&keys[1], &insurance), forfeits),
            ("award", w.award_of(&jobs[2]), awards),
        ] {
            let answer = w.send(&[instruction], &[]);
            let answer = answer.map_or_else(|refused| refused.to_string(), |_| "ok".to_owned());
            assert_eq!(answer, expected, "{what} at {at}");
        }
    }
}

#[test]
fn r01_a_bid_that_nobody_revealed_loses_its_bond_to_the_insurance_fund_alone() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let sol = w.lamports(&owner.node.pubkey());
    let job = auction(&mut w, &buyer);
    let keys = commit(&mut w, &owner, &job, 900_000);
    w.at(end(&w, &job));
    let forfeit = sealed::forfeit(&keys, &w.insurance);
    let done = w.ok(&[forfeit.clone()], &[]);
    assert_eq!(done.told(), ["Slashed", "Released", "BidForfeited"]);
    assert_eq!((w.tokens(&w.insurance), w.tokens(&buyer.vault)), (BOND, 10 * USDC));
    assert_eq!(w.read::<Purse>(&buyer.purse).balance, 10 * USDC);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.reserved, bond.leases), (100 * USDC - BOND, 0, 0));
    assert_eq!(w.lamports(&owner.node.pubkey()), sol, "the rent is not forfeited");
    assert_eq!(w.read::<Job>(&job).sealed, 0);
    assert!(w.refuse(forfeit, &[]).starts_with("market Account"), "it is gone");
}

#[test]
fn a_frozen_vault_of_the_buyer_does_not_hold_the_bond() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = auction(&mut w, &buyer);
    let keys = commit(&mut w, &owner, &job, 900_000);
    w.at(end(&w, &job));
    let (authority, mint) = (w.mint_authority.insecure_clone(), w.mint);
    let freeze = freeze_account(&TOKEN_PROGRAM, &buyer.vault, &mint, &authority.pubkey(), &[]);
    w.ok(&[freeze.unwrap()], &[&authority]);
    w.ok(&[sealed::forfeit(&keys, &w.insurance.clone())], &[]);
    assert_eq!(w.tokens(&w.insurance), BOND);
}

#[test]
fn r01_a_bond_is_three_per_cent_of_the_cap_and_a_tenth_of_what_the_lease_would_bind_at_most() {
    let mut w = World::new();
    let buyer = w.buyer(20_000 * USDC);
    for (max_price, hours, bond) in [(1_800_000, 1, 250_000), (50_000_001, 2, 3_000_001), (20_000_000, 720, 96_000_000)]
    {
        let job = w.job(&buyer, |args| {
            (args.mode, args.reveal_s, args.max_price, args.max_duration_s) = (2, 60, max_price, hours * 3_600);
        });
        assert_eq!(w.read::<Job>(&job).sealed_bond, bond);
    }
}

#[test]
fn only_the_hash_s_own_price_salt_offer_provider_and_job_reveal_it() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (owner, copier) = (w.provider(|_| {}), w.provider(|_| {}));
    let (job, other) = (auction(&mut w, &buyer), auction(&mut w, &buyer));
    let keys = commit(&mut w, &owner, &job, 900_000);
    // A copied hash can be committed by another provider, or for another job, and never be revealed.
    let hash = w.read::<Commitment>(&keys.commitment()).hash;
    w.ok(&[sealed::commit(&copier.node.pubkey(), &job, &copier.bidder(), hash)], &[&copier.node]);
    w.ok(&[sealed::commit(&owner.node.pubkey(), &other, &owner.bidder(), hash)], &[&owner.node]);
    let copied = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&job, &copier.record)));
    let elsewhere = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&other, &owner.record)));
    w.at(close(&w, &job));
    let cases = [
        ("price", sealed::reveal(&keys, 1, 900_001, SALT), "WrongReveal"),
        ("salt", sealed::reveal(&keys, 1, 900_000, [43; 32]), "WrongReveal"),
        ("offer", sealed::reveal(&keys, 2, 900_000, SALT), "WrongReveal"),
        ("copied by another provider", sealed::reveal(&copied, 1, 900_000, SALT), "WrongReveal"),
        (
            "with the first one's offer",
            { swapped(&sealed::reveal(&copied, 1, 900_000, SALT), &copier.offer, owner.offer) },
            "WrongReveal",
        ),
        ("for another job", sealed::reveal(&elsewhere, 1, 900_000, SALT), "WrongReveal"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), format!("market {reason}"), "{what}");
    }
    let good = sealed::reveal(&keys, 1, 900_000, SALT);
    let cases = [
        ("job of another", swapped(&good, &job, other), "market Unrelated"),
        ("provider of another", swapped(&good, &owner.record, copier.record), "market Unrelated"),
        ("bond of another", swapped(&good, &owner.bond, copier.bond), "market WrongBond"),
        ("rent to another", swapped(&good, &owner.node.pubkey(), copier.node.pubkey()), "market Unrelated"),
        (
            "reservation of another",
            swapped(&good, &address::reservation(&keys.commitment()), address::reservation(&copied.commitment())),
            "market Unrelated",
        ),
        ("sealed bid of another", swapped(&good, &keys.commitment(), copied.commitment()), "market Unrelated"),
        ("another staking program", swapped(&good, &address::STAKING, address::MARKET), "market ConstraintAddress"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    w.ok(&[good.clone()], &[]);
    assert!(w.refuse(good, &[]).starts_with("market Account"), "a bid is revealed once");
}

#[test]
fn a_commitment_is_refused_where_signer_mode_bond_or_accounts_are_wrong() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let poor = w.registered(BOND - 1);
    let supply = Supply::default();
    let terms = supply.terms(w.now().ts.0);
    let post = provider::post_offer(&poor.node.pubkey(), &poor.record, 1, supply.machine(), terms);
    w.ok(&[post], &[&poor.node]);
    let job = auction(&mut w, &buyer);
    let open = w.job(&buyer, |_| {});
    let good = commit_of(&owner, &job, 900_000);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let stolen = swapped(&good, &owner.node.pubkey(), other.node.pubkey());
    assert_eq!(w.refuse(stolen, &[&other.node]), "market NotNodeKey");
    let cases = [
        ("open auction", commit_of(&owner, &open, 900_000), "market WrongMode"),
        ("bond of another", swapped(&good, &owner.bond, other.bond), "market WrongBond"),
        (
            "commitment of another",
            swapped(&good, &address::commitment(&job, &owner.record), address::commitment(&job, &other.record)),
            "market ConstraintSeeds",
        ),
        ("another staking program", swapped(&good, &address::STAKING, address::MARKET), "market ConstraintAddress"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.node]), reason, "{what}");
    }
    assert_eq!(w.refuse(commit_of(&poor, &job, 900_000), &[&poor.node]), "staking InsufficientStake");
    w.ok(&[good.clone()], &[&owner.node]);
    assert_eq!(w.refuse(good, &[&owner.node]), "system 0", "one sealed bid of a provider in a job");
    let public = w.bid_of(&owner, &job, 900_000);
    assert_eq!(w.refuse(public, &[&owner.node]), "market WrongMode");
    let auto = w.provider(|supply| supply.auto_bid = true);
    assert_eq!(w.refuse(job::enter_offer(&job, &auto.bidder()), &[]), "market WrongMode");
    w.edit_as::<Config>(&address::market_config(), |config| config.paused = 1);
    assert_eq!(w.refuse(commit_of(&other, &job, 900_000), &[&other.node]), "market Paused");
    let keys = SealedKeys::from(&w.read::<Commitment>(&address::commitment(&job, &owner.record)));
    w.at(close(&w, &job));
    reveal(&mut w, &keys, 900_000);
}

#[test]
fn a_revealed_bid_that_is_no_longer_good_keeps_its_bond_and_stays_out_of_the_book() {
    let mut w = World::new();
    let buyer = w.buyer(50 * USDC);
    let withdrawn = w.provider(|_| {});
    let expired = w.provider(|supply| supply.life = 20);
    let full = w.provider(|supply| supply.units = 1);
    let dear = w.provider(|_| {});
    let low = w.provider(|_| {});
    let poor = w.provider(|supply| supply.stake = 5 * USDC - 1);
    // Its bond is bound by the commitment itself, and counts for the lease.
    let just = w.provider(|supply| supply.stake = 5 * USDC);
    let terms = Supply { life: 20, ..Supply::default() }.terms(w.now().ts.0);
    let job = auction(&mut w, &buyer);
    w.refresh(&expired, terms);
    let bids = [
        (&withdrawn, 900_000, 6_006),
        (&expired, 900_000, 6_006),
        (&full, 900_000, 6_125),
        (&dear, 1_800_001, 6_111),
        (&low, 499_999, 6_112),
        (&poor, 900_000, 6_105),
        (&just, 900_000, 0),
    ];
    let keys: Vec<_> = bids.iter().map(|(owner, price, _)| commit(&mut w, owner, &job, *price)).collect();
    w.starting(&buyer, &full, 1_000_000, |_| {});
    w.withdraw_offer(&withdrawn);
    assert_eq!(w.read::<Offer>(&withdrawn.offer).sealed, 1, "it stands as long as its bid");
    w.at(close(&w, &job));
    for (keys, (owner, price, reason)) in keys.iter().zip(bids) {
        assert_eq!(refused(&reveal(&mut w, keys, price)), reason, "{price}");
        let amount = w.read::<Bond>(&owner.bond).amount;
        assert!(amount == 100 * USDC || amount <= 5 * USDC, "nothing is slashed");
    }
    assert_eq!(w.read::<Job>(&job).book_len, 1);
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, just.record);
}

#[test]
fn the_sealed_bids_of_a_job_that_was_taken_back_go_free_even_when_its_account_is_gone() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let sol: Vec<_> = owners.iter().map(|owner| w.lamports(&owner.node.pubkey())).collect();
    let job = auction(&mut w, &buyer);
    let keys: Vec<_> = owners.iter().map(|owner| commit(&mut w, owner, &job, 900_000)).collect();
    assert_eq!(w.refuse(sealed::release(&keys[0]), &[]), "market RevealOpen");
    w.at(close(&w, &job));
    assert_eq!(w.refuse(sealed::release(&keys[0]), &[]), "market RevealOpen");
    let reveal_end = end(&w, &job);
    w.ok(&[job::cancel(&buyer.key.pubkey(), &job)], &[&buyer.key]);
    let insurance = w.insurance;
    assert_eq!(w.refuse(sealed::forfeit(&keys[0], &insurance), &[]), "market WrongFate");
    assert_eq!(w.ok(&[sealed::release(&keys[0])], &[]).told(), ["Released", "BidReleased"]);
    assert_eq!(refused(&reveal(&mut w, &keys[1], 900_000)), 6_101, "revealing it lets it go as well");
    w.close_job(&buyer, &job);
    w.at(reveal_end + 100);
    assert!(w.refuse(sealed::forfeit(&keys[2], &insurance), &[]).starts_with("market Account"), "the job is gone");
    let stray = swapped(&sealed::release(&keys[2]), &job, buyer.purse);
    assert_eq!(w.refuse(stray, &[]), "market Unrelated");
    w.ok(&[sealed::release(&keys[2])], &[]);
    for (owner, sol) in owners.iter().zip(sol) {
        assert_eq!(w.lamports(&owner.node.pubkey()), sol);
        assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
    }
}

#[test]
fn a_job_taken_back_after_the_revealing_frees_nobody_who_kept_silent() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = auction(&mut w, &buyer);
    let keys = commit(&mut w, &owner, &job, 900_000);
    w.at(end(&w, &job));
    w.ok(&[job::cancel(&buyer.key.pubkey(), &job)], &[&buyer.key]);
    assert_eq!(w.refuse(sealed::release(&keys), &[]), "market WrongFate");
    w.ok(&[sealed::forfeit(&keys, &w.insurance.clone())], &[]);
}

#[test]
fn a_sealed_auction_without_a_winner_waits_and_the_next_sealed_bid_begins_a_new_round() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (silent, owner) = (w.provider(|_| {}), w.provider(|_| {}));
    let job = auction(&mut w, &buyer);
    let old = commit(&mut w, &silent, &job, 900_000);
    w.at(end(&w, &job));
    let award = w.award_of(&job);
    assert_eq!(w.ok(&[award], &[]).told(), ["JobWaits"]);
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.sealed), (Some(JobState::Waiting), 0));
    assert_eq!((state.close_ts, state.reveal_end), (0, 0));
    w.pass(1_000);
    let now = w.now().ts.0;
    let keys = commit(&mut w, &owner, &job, 1_000_000);
    let state: Job = w.read(&job);
    assert_eq!((state.state(), state.close_ts, state.reveal_end), (Some(JobState::Open), now + 20, now + 80));
    assert_eq!(w.refuse(sealed::reveal(&old, 1, 900_000, SALT), &[]), "market RevealClosed");
    assert_eq!(w.refuse(commit_of(&silent, &job, 900_000), &[&silent.node]), "system 0", "its old bid is in the way");
    w.ok(&[sealed::forfeit(&old, &w.insurance.clone())], &[]);
    assert_eq!(w.read::<Job>(&job).sealed, 1, "the bid of the round before was not counted in this one");
    w.ok(&[commit_of(&silent, &job, 1_100_000)], &[&silent.node]);
    w.at(close(&w, &job));
    reveal(&mut w, &keys, 1_000_000);
    let award = w.award_of(&job);
    assert_eq!(w.refuse(award, &[]), "market RevealOpen");
    w.at(end(&w, &job));
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, owner.record);
}

#[test]
fn lamports_sent_to_the_addresses_before_hinder_nothing_and_go_back_with_the_rent() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let job = auction(&mut w, &buyer);
    let commitment = address::commitment(&job, &owner.record);
    w.airdrop(&commitment, 890_880);
    w.airdrop(&address::reservation(&commitment), 10_000_000);
    let sol = w.lamports(&owner.node.pubkey());
    let keys = commit(&mut w, &owner, &job, 900_000);
    w.at(close(&w, &job));
    reveal(&mut w, &keys, 900_000);
    assert_eq!(w.lamports(&owner.node.pubkey()), sol + 10_890_880);
}

#[test]
fn forfeiting_pays_only_the_recorded_accounts() {
    let mut w = World::new();
    let (buyer, other) = (w.buyer(10 * USDC), w.buyer(10 * USDC));
    let (owner, rival) = (w.provider(|_| {}), w.provider(|_| {}));
    let job = auction(&mut w, &buyer);
    let keys = commit(&mut w, &owner, &job, 900_000);
    let beside = commit(&mut w, &rival, &job, 900_000);
    w.at(end(&w, &job));
    let good = sealed::forfeit(&keys, &w.insurance);
    let cases = [
        ("insurance of another", swapped(&good, &w.insurance, other.wallet), "staking WrongInsurance"),
        ("rent to another", swapped(&good, &owner.node.pubkey(), rival.node.pubkey()), "market Unrelated"),
        ("bond of another", swapped(&good, &owner.bond, rival.bond), "market WrongBond"),
        (
            "bond's vault of another",
            swapped(&good, &address::bond_vault(&owner.bond), address::bond_vault(&rival.bond)),
            "staking WrongVault",
        ),
        (
            "reservation of another",
            swapped(&good, &address::reservation(&keys.commitment()), address::reservation(&beside.commitment())),
            "market Unrelated",
        ),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    w.ok(&[good], &[]);
}
