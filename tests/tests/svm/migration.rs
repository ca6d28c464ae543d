//! R27: a market of the first edition is migrated by anyone, and then everyone takes their money out.

use core::mem::offset_of;
use core::ops::Range;
use std::collections::BTreeMap;

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::{DEFAULT_WAIT, UNBONDING_TIME};
use gridlease_sdk::account::{
    Array, Bond, BookEntry, Commitment, Delegation, GpuClaim, Job, Lease, Offer, Provider as Record, Purse,
    Reservation, Unbonding, first, staking_first,
};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::instruction::{array, job, lease, migrate, provider, purse, stake, supervision};
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

fn bytes_of(w: &World, key: &Pubkey) -> Vec<u8> {
    w.account(key).unwrap().data
}

/// The key at `field` of an account.
fn key_in(data: &[u8], field: usize) -> Pubkey {
    Pubkey::new_from_array(data[8 + field..8 + field + 32].try_into().unwrap())
}

/// The migrations of all that has grown but leases, which come after everything that they rest on.
fn migrations(w: &World, payer: &Pubkey) -> Vec<Instruction> {
    let mut all: Vec<_> = of_kind::<Purse>(w).iter().map(|key| migrate::purse(payer, key)).collect();
    all.extend(of_kind::<Record>(w).iter().map(|key| migrate::provider(payer, key)));
    all.extend(w.all::<Offer>().iter().map(|(key, offer)| migrate::offer(payer, &offer.provider, key)));
    all.extend(of_kind::<Job>(w).iter().map(|key| migrate::job(payer, key)));
    all.extend(of_kind::<Array>(w).iter().map(|key| migrate::array(payer, key)));
    all.extend(of_kind::<Bond>(w).iter().map(|key| migrate::bond(payer, key)));
    all.extend(w.all::<Delegation>().iter().map(|(key, held)| migrate::delegation(payer, &held.bond, key)));
    all.extend(of_kind::<Reservation>(w).iter().map(|key| migrate::reservation(payer, key)));
    all
}

/// Those of leases.
fn of_leases(w: &World, payer: &Pubkey) -> Vec<Instruction> {
    let migration = |key: &Pubkey| {
        let data = bytes_of(w, key);
        migrate::lease(payer, &key_in(&data, offset_of!(Lease, job)), &key_in(&data, offset_of!(Lease, offer)), key)
    };
    of_kind::<Lease>(w).iter().map(migration).collect()
}

/// Migrates everything, paid by a stranger; stops before the leases where `leases` is false.
fn migrated_but(leases: bool) -> (World, Named) {
    let (mut w, named) = World::of_the_first_edition();
    let stranger = w.person();
    let mut steps = migrations(&w, &stranger.pubkey());
    if leases {
        steps.extend(of_leases(&w, &stranger.pubkey()));
    }
    for step in steps {
        assert_eq!(w.ok(&[step], &[&stranger]).told(), ["Migrated"]);
    }
    (w, named)
}

fn migrated() -> (World, Named) {
    migrated_but(true)
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
fn r27_a_lease_that_waits_for_money_is_migrated_and_paid_when_its_job_is_closed_already() {
    let mut w = World::new();
    let (buyer, owner, stranger) = (w.buyer(20 * USDC), w.provider(|_| {}), w.person());
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(100);
    w.stop(&buyer, &keys);
    w.close_job(&buyer, &keys.job);
    w.stop_auditing(); // no transaction makes an account older
    w.to_first_edition::<Lease>(&keys.lease);
    w.to_first_edition::<Reservation>(&address::reservation(&keys.lease));
    w.to_first_edition::<Offer>(&owner.offer);
    w.to_first_edition::<Record>(&owner.record);
    let payer = stranger.pubkey();
    for step in [
        migrate::provider(&payer, &owner.record),
        migrate::offer(&payer, &owner.record, &owner.offer),
        migrate::reservation(&payer, &address::reservation(&keys.lease)),
        migrate::lease(&payer, &keys.job, &owner.offer, &keys.lease),
    ] {
        assert_eq!(w.ok(&[step], &[&stranger]).told(), ["Migrated"]);
    }
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&owner.payout), 49_000, "500 atoms a second, less the fee");
    assert_eq!((w.read::<Bond>(&owner.bond).reserved, w.read::<Offer>(&owner.offer).bound), (0, 0));
    w.withdraw(&buyer, 20 * USDC - 50_000);
    w.withdraw_offer(&owner);
    assert!(w.find::<Offer>(&owner.offer).is_none());
}

#[test]
fn r27_a_bond_of_32_delegators_is_migrated_and_one_that_claims_more_than_there_can_be_is_refused() {
    let mut w = World::new();
    let (owner, stranger) = (w.provider(|_| {}), w.person());
    w.stop_auditing(); // no transaction makes an account older
    w.to_first_edition::<Bond>(&owner.bond);
    let migrate = migrate::bond(&stranger.pubkey(), &owner.bond);
    // 64 and more ended the program in a shift, which a fuzzer found.
    for delegators in [33, 63, 64, 255] {
        w.edit(&owner.bond, |data| data[8 + offset_of!(Bond, delegators_len)] = delegators);
        assert_eq!(w.refuse(migrate.clone(), &[&stranger]), "staking WrongVersion", "{delegators}");
    }
    w.edit(&owner.bond, |data| data[8 + offset_of!(Bond, delegators_len)] = 32);
    assert_eq!(w.ok(&[migrate], &[&stranger]).told(), ["Migrated"]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.places, bond.delegations), (u32::MAX, 32));
}

/// Every byte of the accounts of a kind, whose fixed part had `old` bytes with `spare` zeros at its end, is where it was, but the version
/// and the bytes `but`.
fn keeps_every_byte<T: gridlease_sdk::account::Kind>(
    before: &World,
    after: &World,
    (old, spare): (usize, usize),
    but: &[usize],
) {
    for key in of_kind::<T>(before) {
        let (was, is) = (bytes_of(before, &key), bytes_of(after, &key));
        assert_eq!(is.len(), was.len() + size_of::<T>() - old, "{key}");
        assert!(was[8 + old - spare..8 + old].iter().all(|byte| *byte == 0), "the spare bytes of {key}");
        for at in (9..8 + old - spare).filter(|at| !but.contains(&(at - 8))) {
            assert_eq!(is[at], was[at], "byte {at} of {} {key}", T::KIND);
        }
        assert_eq!(is[8 + size_of::<T>()..], was[8 + old..], "the tail of {key}");
    }
}

/// As [`keeps_every_byte`], of one in which eight bytes were put in at `at`.
fn keeps_every_byte_around<T: gridlease_sdk::account::Kind>(
    before: &World,
    after: &World,
    old: usize,
    at: usize,
    but: Range<usize>,
) {
    for key in of_kind::<T>(before) {
        let (was, is) = (bytes_of(before, &key), bytes_of(after, &key));
        assert_eq!(is.len(), was.len() + size_of::<T>() - old, "{key}");
        assert_eq!((is[8], is[9..8 + at] == was[9..8 + at]), (2, true), "the head of {key}");
        assert_eq!(is[8 + at..16 + at], [0; 8], "models that the first edition did not know, in {key}");
        for from in (at..old).filter(|from| !but.contains(&(from + 8))) {
            assert_eq!(is[16 + from], was[8 + from], "byte {from} of {} {key}", T::KIND);
        }
        assert_eq!(is[8 + size_of::<T>()..], was[8 + old..], "the tail of {key}");
    }
}

/// As [`keeps_every_byte`], of jobs: eight bytes were put in for models, and each of the eight bids of the book, of 56 bytes each, lost
/// the eight behind its price.
fn keeps_every_byte_of_jobs(before: &World, after: &World) {
    let mut bids = 0;
    for key in of_kind::<Job>(before) {
        let (was, is) = (bytes_of(before, &key), bytes_of(after, &key));
        let (models, book) = (8 + first::JOB_MODELS, 8 + offset_of!(Job, book));
        let mut expected = [&was[..8], &[2], &was[9..models], &[0; 8], &was[models..book - 8]].concat();
        let behind = book - 8 + 8 * 56;
        for bid in was[book - 8..behind].chunks_exact(56) {
            expected.extend([&bid[..40], &bid[48..]].concat());
        }
        expected.extend(&was[behind..8 + first::JOB]); // what its leases that are over have cost
        assert_eq!(is[..expected.len()], expected, "{key}");
        assert_eq!(is[8 + size_of::<Job>()..], was[8 + first::JOB..], "the tail of {key}");
        bids += after.read::<Job>(&key).book_len;
    }
    assert!(bids > 0, "there is a job with bids among them");
}

#[test]
fn r27_a_job_with_a_book_is_migrated_and_takes_bids_and_is_awarded_as_before() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let job = w.job(&buyer, |_| {});
    let owners: Vec<_> = (0..8).map(|_| w.provider(|_| {})).collect();
    let (last, others) = owners.split_last().unwrap();
    for (at, owner) in (0..).zip(others) {
        w.bid(owner, &job, 1_000_000 - at / 3); // three scores, so that ties decide
    }
    let book: Vec<_> = w.read::<Job>(&job).bids().to_vec();
    let stranger = w.person();
    w.stop_auditing(); // no transaction makes an account older
    w.to_first_edition::<Job>(&job);
    assert_eq!(w.ok(&[migrate::job(&stranger.pubkey(), &job)], &[&stranger]).told(), ["Migrated"]);
    assert_eq!(w.read::<Job>(&job).bids(), book);
    w.bid(last, &job, 1_000_000);
    w.pass(60);
    let lease = w.award(&job);
    assert_eq!(w.read::<Lease>(&lease).provider, book[0].provider);
}

#[test]
fn r27_migration_moves_no_amount_no_state_and_no_deadline() {
    let (w, _) = World::of_the_first_edition();
    let (after, named) = migrated_but(false);
    for (key, purse) in after.all::<Purse>() {
        // What a purse had received from slashes is counted no more; all else is as it was.
        let was: Purse = w.read(&key);
        assert_eq!(purse.header.version, 2);
        let (mut is, mut was) = (purse, was);
        (is.header.version, was.header.version) = (0, 0);
        assert_eq!(bytemuck::bytes_of(&is), bytemuck::bytes_of(&was), "purse {key}");
        let balance = after.tokens(&purse.vault);
        assert!(purse.balance <= balance && purse.reserved + purse.fees_owed <= purse.balance, "purse {key}");
    }
    keeps_every_byte::<Record>(&w, &after, (first::PROVIDER, 32), &[]);
    keeps_every_byte::<Offer>(&w, &after, (first::OFFER, 48), &[]);
    keeps_every_byte::<Bond>(&w, &after, (staking_first::BOND, 64), &[]);
    keeps_every_byte::<Reservation>(&w, &after, (staking_first::RESERVATION, 24), &[]);
    keeps_every_byte::<Delegation>(&w, &after, (staking_first::DELEGATION, 32), &[offset_of!(Delegation, place)]);
    keeps_every_byte_of_jobs(&w, &after);
    // How often an array's pause was prolonged and until when it lasts is forgotten: there are none any more (R31).
    let pauses = offset_of!(Array, pad)..offset_of!(Array, reserved_space);
    keeps_every_byte_around::<Array>(&w, &after, first::ARRAY, first::ARRAY_MODELS, pauses);

    for (_, record) in after.all::<Record>() {
        assert_eq!(u32::from(record.own_offers), record.offers, "the record is the machine of its offers");
    }
    for (_, offer) in after.all::<Offer>() {
        let record: Record = after.read(&offer.provider);
        assert_eq!((offer.machine, offer.node_key, offer.bound), (offer.provider, record.node_key, 0));
    }
    let wait = DEFAULT_WAIT.0;
    for (key, job) in after.all::<Job>() {
        // It waits as one that is posted now (R31).
        assert_eq!((u64::from(job.wait_s), job.expires_at, job.review_s), (wait, w.now().ts.0 + wait, 0), "job {key}");
    }
    for (key, array) in after.all::<Array>() {
        assert_eq!((u64::from(array.wait_s), array.review_s, array.pad), (wait, 0, [0; 2]), "array {key}");
    }
    let booked: Job = after.read(&named.at("job: window open, two bids"));
    assert_eq!((booked.state(), booked.book_len, booked.need().gpu_models), (Some(JobState::Open), 2, 1 << 1));
    assert_eq!(booked.max_price, 1_800_000, "what stands behind the requirement moved up with it");
    for (key, bond) in after.all::<Bond>() {
        let delegations: Vec<_> = after.all::<Delegation>().into_values().filter(|held| held.bond == key).collect();
        assert_eq!(delegations.len(), usize::from(bond.delegators_len));
        assert_eq!(
            (bond.places.count_ones(), bond.delegations),
            (u32::from(bond.delegators_len), bond.places.count_ones())
        );
        for held in delegations {
            assert_eq!(
                bond.marks[usize::from(held.place) - 1],
                held.delegator.to_bytes()[..8],
                "its place is its mark's"
            );
        }
    }
}

#[test]
fn r27_a_migrated_lease_keeps_its_terms_and_its_stake_counts_in_its_offers_limit() {
    let (w, _) = World::of_the_first_edition();
    let (before, _) = migrated_but(false);
    let (after, named) = migrated();
    // What says today that the unit is free said that the lease is durable.
    keeps_every_byte::<Lease>(&w, &after, (first::LEASE, 16), &[offset_of!(Lease, unit_free)]);
    let mut bound: BTreeMap<Pubkey, u64> = BTreeMap::new();
    for (key, lease) in after.all::<Lease>() {
        let job: Job = after.read(&lease.job);
        let durable = bytes_of(&w, &key)[8 + offset_of!(Lease, unit_free)] == 1;
        assert_eq!(durable, job.checkpoint_s > 0);
        assert_eq!((lease.checkpoint_s, lease.unit_free), (job.checkpoint_s, lease.released), "lease {key}");
        // Deadlines that can hurt somebody count from now on (R14).
        let now = after.now();
        assert_eq!((lease.mark_ts, lease.mark_slot), (w.now().ts.0, now.slot), "lease {key}");
        if lease.released == 0 {
            let reservation: Reservation = after.read(&address::reservation(&key));
            *bound.entry(lease.offer).or_default() += reservation.amount;
        }
        // Once a lease is ready nobody waits behind it (R3); where it is starting the next bidder still does.
        let was: Job = before.read(&lease.job);
        let current = job.leases == lease.number + 1;
        assert_eq!(job.book_len, if current && lease.ready_ts > 0 { 0 } else { was.book_len }, "job {}", lease.job);
    }
    for (key, offer) in after.all::<Offer>() {
        assert_eq!(offer.bound, bound.get(&key).copied().unwrap_or(0), "what the leases of offer {key} bind");
    }
    let held: Lease = after.read(&named.at("lease: running, checkpointed, challenged"));
    assert!(held.checkpoint_s > 0 && held.confirmed > 0 && held.challenge_end > 0);
}

#[test]
fn r27_a_lease_is_migrated_with_its_own_job_and_offer_and_after_them() {
    let (mut w, named) = World::of_the_first_edition();
    let stranger = w.person();
    let payer = stranger.pubkey();
    let lease = named.at("lease: running, settled");
    let (job, offer) = {
        let data = bytes_of(&w, &lease);
        (key_in(&data, offset_of!(Lease, job)), key_in(&data, offset_of!(Lease, offer)))
    };
    let step = migrate::lease(&payer, &job, &offer, &lease);
    let provider = w.read::<Offer>(&offer).provider;
    let reservation = migrate::reservation(&payer, &address::reservation(&lease));
    let (offered, posted) = (migrate::offer(&payer, &provider, &offer), migrate::job(&payer, &job));
    for earlier in [migrate::provider(&payer, &provider), offered, posted, reservation] {
        assert!(w.send(&[step.clone()], &[&stranger]).is_err(), "what it rests on is of the first edition");
        w.ok(&[earlier], &[&stranger]);
    }
    let (other_job, other_offer) = (named.at("job: window open, two bids"), named.at("offer of slashed"));
    w.ok(&[migrate::job(&payer, &other_job)], &[&stranger]);
    let of_slashed = named.at("record of slashed");
    let offered = migrate::offer(&payer, &of_slashed, &other_offer);
    w.ok(&[migrate::provider(&payer, &of_slashed), offered], &[&stranger]);
    assert_eq!(w.refuse(migrate::lease(&payer, &other_job, &offer, &lease), &[&stranger]), "market Unrelated");
    assert_eq!(w.refuse(migrate::lease(&payer, &job, &other_offer, &lease), &[&stranger]), "market Unrelated");
    let mut without = step.clone();
    without.accounts[3].pubkey = payer;
    assert_eq!(w.refuse(without, &[&stranger]), "market Unrelated", "its reservation is left out");
    w.ok(&[step.clone()], &[&stranger]);
    w.changes_nothing_by(step, &[&stranger]);
}

#[test]
fn r27_a_leases_migration_empties_the_book_of_its_job_whatever_that_claims_to_hold() {
    // A book that claims more than the eight bids that it has room for ended the program in a rotation, which a fuzzer found.
    for claimed in [1, 8, 9, 255] {
        let (mut w, named) = migrated_but(false);
        let stranger = w.person();
        let lease = named.at("lease: running, settled");
        let data = bytes_of(&w, &lease);
        let (job, offer) = (key_in(&data, offset_of!(Lease, job)), key_in(&data, offset_of!(Lease, offer)));
        w.edit(&job, |data| data[8 + offset_of!(Job, book_len)] = claimed);
        let step = migrate::lease(&stranger.pubkey(), &job, &offer, &lease);
        assert_eq!(w.ok(&[step], &[&stranger]).told(), ["Migrated"], "{claimed}");
        let job: Job = w.read(&job);
        assert_eq!((job.book_len, job.automatic), (0, 0), "{claimed}");
        assert!(job.book.iter().all(|bid| *bid == BookEntry::default()), "{claimed}");
    }
}

#[test]
fn r27_a_lease_that_ran_beyond_the_end_of_its_notice_is_paid_to_its_migration_and_no_further() {
    let mut w = World::new();
    let (buyer, owner, stranger) = (w.buyer(20 * USDC), w.provider(|_| {}), w.person());
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.notice_s = 60);
    w.pass(500);
    w.settle(&keys);
    w.pass(500);
    // In the first edition a provider could stay after its notice, and its meter went on.
    w.stop_auditing(); // no transaction makes an account older
    let ended = w.now().ts.0 - 900;
    w.edit_as::<Lease>(&keys.lease, |lease| lease.notice_end = ended);
    w.edit_as::<Offer>(&keys.offer, |offer| offer.bound = 0);
    w.to_first_edition::<Lease>(&keys.lease);
    w.ok(&[migrate::lease(&stranger.pubkey(), &keys.job, &keys.offer, &keys.lease)], &[&stranger]);
    assert_eq!(w.read::<Lease>(&keys.lease).notice_end, w.now().ts.0, "from now on it is over (R30)");
    w.pass(100);
    w.expire(&keys);
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&owner.payout), 490_000, "500 atoms for each of 1,000 seconds, less the fee");
    assert_eq!((w.read::<Bond>(&owner.bond).reserved, w.read::<Offer>(&owner.offer).bound), (0, 0));
    w.ok(&[job::cancel(&buyer.key.pubkey(), &keys.job)], &[&buyer.key]);
    w.close_job(&buyer, &keys.job);
    w.withdraw(&buyer, 20 * USDC - 500_000);
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
            w.ok(&[supervision::resolve_challenge(&keys, &held.challenger)], &[]);
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
            tried(&mut w, supervision::collect_credit(&keys, &insurance), &[]);
        }
        w.settle(&keys);
        w.close_lease(&keys);
    }
    assert!(w.all::<Lease>().is_empty());

    // Sealed bids are revealed or forfeited, jobs and arrays cancelled and closed.
    w.pass(2 * 3_600);
    for (key, bid) in w.all::<Commitment>() {
        let forfeit = sealed::forfeit(&SealedKeys::from(&bid), &insurance);
        w.ok(&[forfeit.clone()], &[]);
        if w.find::<Commitment>(&key).is_some() {
            // Its revealing is long: the first call after it records the present, in case the chain stood still (R14).
            w.pass(61);
            w.ok(&[forfeit], &[]);
        }
        assert!(w.find::<Commitment>(&key).is_none(), "a sealed bid holds its bond");
    }
    for (key, state) in w.all::<Array>() {
        let owner = owner_of(&state.purse);
        w.ok(&[array::cancel(&owner.pubkey(), &key)], &[owner]);
    }
    for (key, state) in w.all::<Job>() {
        let owner = owner_of(&state.purse);
        if matches!(state.state(), Some(JobState::Open | JobState::Waiting)) {
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
    // What stake makes good for downtime is the buyer's a week after it was claimed (R6).
    for (_, reservation) in w.all::<Reservation>() {
        let (bond, lease, buyer) = (reservation.bond, reservation.lease, reservation.buyer);
        let who = if buyer == alice.pubkey() { "alice" } else { "bob" };
        let wallet = named.at(&format!("wallet of {who}"));
        let (had, claimed) = (w.tokens(&wallet), reservation.claimed);
        w.ok(&[stake::pay_claim(&bond, &lease, &buyer, &wallet, &reservation.rent_to)], &[]);
        assert_eq!(w.tokens(&wallet), had + claimed, "nothing was slashed since");
    }
    assert!(w.all::<Reservation>().is_empty());
    for (_, held) in w.all::<Delegation>() {
        let who = if held.delegator == named.at("del") { "del" } else { "eve" };
        tried(&mut w, stake::claim_revenue(&held.bond, &held.delegator, &named.at(&format!("wallet of {who}"))), &[]);
        w.ok(&[stake::close_delegation(&held.bond, &held.delegator)], &[]);
    }
    assert!(w.all::<Delegation>().is_empty());
    for (key, bond) in w.all::<Bond>() {
        assert_eq!(bond.amount, 0, "bond {key}");
        if bond.insurance_owed > 0 {
            w.ok(&[stake::pay_insurance(&key, &insurance)], &[]);
        }
        assert_eq!(w.tokens(&address::bond_vault(&key)), 0, "bond {key}");
    }
    for who in ["plain", "pool", "slashed", "idle"] {
        let (key, payout) = (named.key(&format!("cold key of {who}")), named.at(&format!("payout of {who}")));
        let has_pool = w.read::<Bond>(&named.at(&format!("bond of {who}"))).has_pool();
        w.ok(&[stake::close_bond(&key.pubkey(), &payout, has_pool), provider::close(&key.pubkey())], &[&key]);
    }
    assert!(w.all::<Bond>().is_empty() && of_kind::<Record>(&w).is_empty());
    let vaults: Vec<_> = w.all::<Purse>().into_values().map(|purse| w.tokens(&purse.vault)).collect();
    assert_eq!(vaults, [5 * USDC], "carol leaves hers");
    assert!(of_kind::<Job>(&w).is_empty());
}
