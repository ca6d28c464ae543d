//! R27: a market of the first edition is migrated by anyone, and then everyone takes their money out.

use std::collections::BTreeMap;

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::UNBONDING_TIME;
use gridlease_sdk::account::{
    Array, Bond, Commitment, Delegation, GpuClaim, Job, Lease, Offer, Provider as Record, Purse, Unbonding,
};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{array, care, job, lease, migrate, provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::first_edition::Named;
use gridlease_tests::svm::parties::USDC;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// Addresses of this program's accounts whose discriminator is that of `T`.
fn of_kind<T: gridlease_sdk::account::Kind>(w: &World) -> Vec<Pubkey> {
    let all = w.snapshot().into_iter();
    let kind = all.filter(|(_, account)| account.owner == T::owner() && account.data.starts_with(T::DISCRIMINATOR));
    kind.map(|(key, _)| key).collect()
}

fn migrations(w: &World, payer: &Pubkey) -> Vec<Instruction> {
    let mut all: Vec<_> = of_kind::<Purse>(w).iter().map(|key| migrate::purse(payer, key)).collect();
    all.extend(of_kind::<Record>(w).iter().map(|key| migrate::provider(payer, key)));
    all.extend(w.all::<Offer>().iter().map(|(key, offer)| migrate::offer(payer, &offer.provider, key)));
    all.extend(of_kind::<Job>(w).iter().map(|key| migrate::job(payer, key)));
    all.extend(of_kind::<Array>(w).iter().map(|key| migrate::array(payer, key)));
    all
}

/// Migrates everything, paid by a stranger.
fn migrated() -> (World, Named) {
    let (mut w, named) = World::of_the_first_edition();
    let stranger = w.person();
    for step in migrations(&w, &stranger.pubkey()) {
        assert_eq!(w.ok(&[step], &[&stranger]).told(), ["Migrated"]);
    }
    (w, named)
}

#[test]
fn r27_an_account_that_has_grown_is_refused_until_it_is_migrated_and_a_second_migration_changes_nothing() {
    let (mut w, named) = World::of_the_first_edition();
    let (carol, wallet) = (named.key("carol"), named.at("wallet of carol"));
    let withdraw = purse::withdraw(&carol.pubkey(), &wallet, USDC);
    assert_eq!(w.refuse(withdraw.clone(), &[&carol]), "market Outdated");
    let stranger = w.person();
    let before: Purse = w.read(&named.at("purse of carol"));
    let migrate = migrate::purse(&stranger.pubkey(), &named.at("purse of carol"));
    w.ok(&[migrate.clone(), withdraw], &[&stranger, &carol]); // in one transaction
    let after: Purse = w.read(&named.at("purse of carol"));
    assert_eq!((after.balance, after.owner, after.vault), (before.balance - USDC, before.owner, before.vault));
    assert_eq!((after.guardian, after.header.version), (Pubkey::default(), 2));
    w.changes_nothing_by(migrate, &[&stranger]);
    let other = migrate::provider(&stranger.pubkey(), &named.at("purse of carol"));
    assert_eq!(w.refuse(other, &[&stranger]), "market WrongVersion", "it is no provider record");
}

#[test]
fn r27_migration_moves_no_amount_no_state_and_no_deadline() {
    let (w, _) = World::of_the_first_edition();
    let purses = w.all::<Purse>();
    let records = w.all::<Record>();
    let (after, named) = migrated();
    for (key, purse) in after.all::<Purse>() {
        let was = &purses[&key];
        assert_eq!((purse.balance, purse.reserved, purse.fees_owed), (was.balance, was.reserved, was.fees_owed));
        assert_eq!((purse.open_jobs, purse.last_job, purse.spender), (was.open_jobs, was.last_job, was.spender));
    }
    for (key, record) in after.all::<Record>() {
        let was = &records[&key];
        assert_eq!((record.leases, record.offers, record.payout), (was.leases, was.offers, was.payout));
        assert_eq!((record.standing, record.pending_payout), (was.standing, was.pending_payout));
        assert_eq!(u32::from(record.own_offers), record.offers, "the record is the machine of its offers");
    }
    for (_, offer) in after.all::<Offer>() {
        let record: Record = after.read(&offer.provider);
        assert_eq!((offer.machine, offer.node_key), (offer.provider, record.node_key));
    }
    let booked: Job = after.read(&named.at("job: window open, two bids"));
    assert_eq!((booked.state(), booked.book_len, booked.need().gpu_models), (Some(JobState::Open), 2, 1 << 1));
    assert_eq!(booked.max_price, 1_800_000, "what stands behind the requirement moved up with it");
}

/// Sends what may be refused because another step was first; returns whether it went through.
fn tried(w: &mut World, step: Instruction, signers: &[&Keypair]) -> bool {
    w.send(&[step], signers).is_ok()
}

#[test]
fn r27_everyone_takes_their_money_out_of_a_migrated_market() {
    let (mut w, named) = migrated();
    let (alice, bob) = (named.key("alice"), named.key("bob"));
    let buyers = [("alice", &alice), ("bob", &bob)];
    let owner_of = |purse: &Pubkey| if *purse == address::purse(&alice.pubkey()) { &alice } else { &bob };
    let (treasury, insurance) = (w.treasury, w.insurance);

    // Every lease ends, is paid, and is closed.
    let mut nodes: BTreeMap<Pubkey, Keypair> = BTreeMap::new();
    for who in ["plain", "pool", "slashed", "idle"] {
        nodes.insert(named.at(&format!("record of {who}")), named.key(&format!("node key of {who}")));
    }
    for (key, held) in w.all::<Lease>() {
        let keys = LeaseKeys::new(key, &held);
        let owner = owner_of(&held.purse);
        if held.challenger != Pubkey::default() {
            w.pass(61);
            w.ok(&[care::resolve_challenge(&keys, &held.challenger)], &[]);
        }
        match w.read::<Lease>(&key).state() {
            Some(LeaseState::Starting) => {
                w.pass(141);
                w.fail_start(&keys);
            }
            Some(LeaseState::Running | LeaseState::Grace | LeaseState::Paused) => {
                w.ok(&[lease::stop(&owner.pubkey(), &keys)], &[owner]);
            }
            _ => {}
        }
        if w.read::<Lease>(&key).credit > 0 {
            tried(&mut w, care::collect_credit(&keys, &insurance), &[]);
        }
        w.settle(&keys);
        w.close_lease(&keys);
    }
    assert!(w.all::<Lease>().is_empty());

    // Sealed bids are revealed or forfeited, jobs and arrays cancelled and closed.
    w.pass(2 * 3_600);
    for (_, bid) in w.all::<Commitment>() {
        let keys = SealedKeys::from(&bid);
        let gone = tried(&mut w, sealed::forfeit(&keys, &insurance), &[]) || tried(&mut w, sealed::release(&keys), &[]);
        assert!(gone, "a sealed bid holds its bond");
    }
    for (key, state) in w.all::<Array>() {
        let owner = owner_of(&state.purse);
        w.ok(&[array::cancel(&owner.pubkey(), &key)], &[owner]);
    }
    for (key, state) in w.all::<Job>() {
        let owner = owner_of(&state.purse);
        if state.state() == Some(JobState::Open) {
            match state.array == Pubkey::default() {
                true => w.ok(&[job::cancel(&owner.pubkey(), &key)], &[owner]),
                false => w.ok(&[array::cancel_task(&key, &state)], &[]),
            };
        }
        let state: Job = w.read(&key);
        match state.array == Pubkey::default() {
            true => w.ok(&[job::close(&key, &state.purse, &state.payer)], &[]),
            false => w.close_task(&key),
        };
    }
    for (key, _) in w.all::<Array>() {
        w.close_array(&key);
    }

    // Buyers.
    for (who, key) in buyers {
        let (mine, wallet) = (named.at(&format!("purse of {who}")), named.at(&format!("wallet of {who}")));
        tried(&mut w, purse::sweep_fees(&mine, &treasury, &insurance), &[]);
        let state: Purse = w.read(&mine);
        assert_eq!((state.reserved, state.open_jobs), (0, 0), "{who}");
        let had = w.tokens(&wallet);
        w.ok(&[purse::withdraw(&key.pubkey(), &wallet, state.balance)], &[key]);
        assert_eq!(w.tokens(&wallet), had + state.balance);
        w.pass(1);
        w.ok(&[purse::close(&key.pubkey(), &wallet)], &[key]);
    }

    // Offers with their claims.
    for (key, offer) in w.all::<Offer>() {
        let node = &nodes[&offer.provider];
        let claims: Vec<_> = w.claims_of(&key);
        for eight in claims.chunks(8) {
            let release = provider::release_gpus(&node.pubkey(), &offer.provider, offer.number, &eight[0], &eight[1..]);
            w.ok(&[release], &[node]);
        }
        w.ok(&[provider::withdraw_offer(&node.pubkey(), &offer.provider, offer.number, &offer.payer)], &[node]);
    }
    assert!(w.all::<GpuClaim>().is_empty() && w.all::<Offer>().is_empty());

    // Stake: what is asked back leaves, the rest is asked back and leaves a week later.
    for (_, delegation) in w.all::<Delegation>() {
        let who = if delegation.delegator == named.at("del") { "del" } else { "eve" };
        let (key, wallet) = (named.key(who), named.at(&format!("wallet of {who}")));
        let number = delegation.next_number;
        let all = stake::undelegate(&key.pubkey(), &delegation.bond, &key.pubkey(), &wallet, u64::MAX, number);
        w.ok(&[all], &[&key]);
    }
    for who in ["plain", "pool", "slashed", "idle"] {
        let (key, payout) = (named.key(&format!("cold key of {who}")), named.at(&format!("payout of {who}")));
        let bond: Bond = w.read(&named.at(&format!("bond of {who}")));
        assert_eq!((bond.reserved, bond.leases), (0, 0), "{who}");
        w.ok(&[stake::unbond(&key.pubkey(), &payout, bond.own, bond.next_number)], &[&key]);
    }
    w.pass(UNBONDING_TIME.0);
    for (_, request) in w.all::<Unbonding>() {
        let (bond, owner, to) = (request.bond, request.owner, request.destination);
        let withdraw = match request.is_operators() {
            true => stake::withdraw_stake(&bond, &owner, request.number, &to, &request.rent_to),
            false => stake::withdraw_delegation(&bond, &owner, request.number, &to, &request.rent_to),
        };
        w.ok(&[withdraw], &[]);
    }
    for (key, bond) in w.all::<Bond>() {
        assert_eq!(bond.amount, 0, "bond {key}");
        if bond.insurance_owed > 0 {
            w.ok(&[stake::pay_insurance(&key, &insurance)], &[]);
        }
        assert_eq!(w.tokens(&address::bond_vault(&key)), 0, "bond {key}");
    }
    let vaults: Vec<_> = w.all::<Purse>().into_values().map(|purse| w.tokens(&purse.vault)).collect();
    assert_eq!(vaults, [5 * USDC], "carol leaves hers");
    assert!(of_kind::<Job>(&w).is_empty());
}
