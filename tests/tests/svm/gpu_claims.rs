//! Claims of GPUs, and benchmark records.

use gridlease_core::limits::CLAIM_STALE;
use gridlease_sdk::account::{GpuClaim, Offer};
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{self, OfferTerms};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Provider, Supply, USDC, gpu_hash};
use solana_account::Account;
use solana_instruction::Instruction;
use solana_signer::Signer;

use crate::{swapped, unsigned};

/// A provider with an offer of `units` units with one GPU each, of which none is claimed.
fn unclaimed(w: &mut World, units: u16) -> Provider {
    let owner = w.registered(100 * USDC);
    let supply = Supply { units, ..Supply::default() };
    let terms = supply.terms(w.now().ts.0);
    let post = provider::post_offer(&owner.node.pubkey(), &owner.record, 1, supply.machine(), terms);
    w.ok(&[post], &[&owner.node]);
    owner
}

fn claim(owner: &Provider, hashes: &[[u8; 32]]) -> Instruction {
    provider::claim_gpus(&owner.node.pubkey(), &owner.record, &owner.bond, 1, hashes)
}

fn hashes(owner: &Provider, count: u32) -> Vec<[u8; 32]> {
    (0..count).map(|at| gpu_hash(&owner.record, 1, at)).collect()
}

#[test]
fn a_gpu_is_claimed_once_across_all_providers() {
    let mut w = World::new();
    let (first, second) = (unclaimed(&mut w, 2), unclaimed(&mut w, 2));
    let gpus = hashes(&first, 2);
    let done = w.ok(&[claim(&first, &gpus)], &[&first.node]);
    assert_eq!(done.told(), ["GpusClaimed"]);
    let claimed: GpuClaim = w.read(&address::gpu_claim(&gpus[0]));
    assert_eq!((claimed.hash, claimed.provider, claimed.offer), (gpus[0], first.record, first.offer));
    assert_eq!(claimed.payer, first.node.pubkey());
    assert_eq!(w.read::<Offer>(&first.offer).claims().check(), Ok(()));
    assert_eq!(w.refuse(claim(&second, &gpus[..1]), &[&second.node]), "market GpuClaimed");
    let terms = OfferTerms { units: 3, ..Supply::default().terms(w.now().ts.0) };
    w.refresh(&first, terms);
    assert_eq!(
        w.refuse(claim(&first, &gpus[..1]), &[&first.node]),
        "market GpuClaimed",
        "nor twice by its own provider"
    );
    let twice = claim(&second, &[[7; 32], [7; 32]]);
    assert_eq!(w.refuse(twice, &[&second.node]), "market GpuClaimed", "nor twice in one transaction");
}

#[test]
fn an_offer_claims_as_many_gpus_as_its_units_have() {
    let mut w = World::new();
    let owner = unclaimed(&mut w, 9);
    assert_eq!(w.refuse(claim(&owner, &[]), &[&owner.node]), "market ZeroAmount");
    assert_eq!(w.refuse(claim(&owner, &hashes(&owner, 9)), &[&owner.node]), "market WrongClaims", "eight at a time");
    w.ok(&[claim(&owner, &hashes(&owner, 8))], &[&owner.node]);
    assert_eq!(w.read::<Offer>(&owner.offer).claims().check(), Err(gridlease_core::RuleError::GpusUnclaimed));
    let two = [gpu_hash(&owner.record, 1, 8), gpu_hash(&owner.record, 1, 9)];
    assert_eq!(w.refuse(claim(&owner, &two), &[&owner.node]), "market GpusNotNeeded");
    w.ok(&[claim(&owner, &two[..1])], &[&owner.node]);
    assert_eq!(w.read::<Offer>(&owner.offer).claims().check(), Ok(()));
}

#[test]
fn only_the_node_key_claims_and_only_at_the_addresses_of_the_hashes_for_its_own_live_offer() {
    let mut w = World::new();
    let (owner, other) = (unclaimed(&mut w, 2), unclaimed(&mut w, 2));
    let gpus = hashes(&owner, 1);
    let good = claim(&owner, &gpus);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let cases = [
        ("another node", swapped(&good, &owner.node.pubkey(), other.node.pubkey()), &other.node, "market NotNodeKey"),
        (
            "the cold key",
            swapped(&good, &owner.node.pubkey(), owner.authority.pubkey()),
            &owner.authority,
            "market NotNodeKey",
        ),
        ("another offer", swapped(&good, &owner.offer, other.offer), &owner.node, "market NotNodeKey"),
        (
            "another address",
            swapped(&good, &address::gpu_claim(&gpus[0]), address::gpu_claim(&[1; 32])),
            &owner.node,
            "market WrongClaims",
        ),
    ];
    for (what, instruction, signer, reason) in cases {
        assert_eq!(w.refuse(instruction, &[signer]), reason, "{what}");
    }
    let mut cut = good.clone();
    cut.accounts.pop();
    assert_eq!(w.refuse(cut, &[&owner.node]), "market WrongClaims");
    w.ok(&[good], &[&owner.node]);
    let keep = provider::withdraw_offer(&owner.node.pubkey(), &owner.record, 1, &owner.node.pubkey());
    w.ok(&[keep], &[&owner.node]);
    let late = claim(&owner, &[gpu_hash(&owner.record, 1, 1)]);
    assert_eq!(w.refuse(late, &[&owner.node]), "market OfferNotLive", "the offer was withdrawn");
}

#[test]
fn an_address_that_somebody_sent_lamports_to_can_still_be_claimed() {
    let mut w = World::new();
    let owner = unclaimed(&mut w, 2);
    let gpus = hashes(&owner, 2);
    w.airdrop(&address::gpu_claim(&gpus[0]), 890_880);
    w.airdrop(&address::gpu_claim(&gpus[1]), 50_000_000);
    w.ok(&[claim(&owner, &gpus)], &[&owner.node]);
}

#[test]
fn claims_are_given_up_with_their_rent_but_never_those_that_open_leases_use() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let node = owner.node.pubkey();
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    let claims = w.claims_of(&owner.offer);
    let both = provider::release_gpus(&node, &owner.record, 1, &claims[0], &claims[1..]);
    assert_eq!(w.refuse(both.clone(), &[&owner.node]), "market GpusInUse");
    let one = provider::release_gpus(&node, &owner.record, 1, &claims[0], &[]);
    let (had, rent) = (w.lamports(&node), w.lamports(&address::gpu_claim(&claims[0].0)));
    assert_eq!(w.ok(&[one.clone()], &[&owner.node]).told(), ["GpusReleased"]);
    assert_eq!(w.lamports(&node), had + rent);
    assert_eq!(w.refuse(one, &[&owner.node]), "market AccountOwnedByWrongProgram", "it is gone");
    let last = provider::release_gpus(&node, &owner.record, 1, &claims[1], &[]);
    assert_eq!(w.refuse(last, &[&owner.node]), "market GpusInUse");
    let left = [claims[1]];
    let withdraw = provider::withdraw_offer_and_gpus(&node, &owner.record, 1, &node, &left);
    assert_eq!(w.refuse(withdraw.clone(), &[&owner.node]), "market GpusInUse");
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.ok(&[withdraw], &[&owner.node]).told(), ["GpusReleased", "OfferWithdrawn"]);
    assert!(w.find::<Offer>(&owner.offer).is_none());
    assert!(w.all::<GpuClaim>().is_empty());
}

#[test]
fn a_withdrawn_offer_waits_for_its_claims() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let node = owner.node.pubkey();
    let bare = provider::withdraw_offer(&node, &owner.record, 1, &node);
    w.ok(&[bare.clone()], &[&owner.node]);
    assert_eq!(w.read::<Offer>(&owner.offer).claimed, 2, "nobody can claim its GPUs while it stands");
    let claims = w.claims_of(&owner.offer);
    let release = provider::release_gpus(&node, &owner.record, 1, &claims[0], &claims[1..]);
    w.ok(&[release, bare], &[&owner.node]);
    assert!(w.find::<Offer>(&owner.offer).is_none());
}

#[test]
fn only_the_provider_gives_up_its_claims_before_they_are_stale() {
    let mut w = World::new();
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let stranger = w.person();
    let claims = w.claims_of(&owner.offer);
    let by = |key: &solana_pubkey::Pubkey| provider::release_gpus(key, &owner.record, 1, &claims[0], &[]);
    assert_eq!(unsigned(&mut w, &by(&owner.node.pubkey()), 0), "market AccountNotSigner");
    assert_eq!(w.refuse(by(&stranger.pubkey()), &[&stranger]), "market NotNodeKey");
    let expiry = w.read::<Offer>(&owner.offer).header.due_ts;
    w.at(expiry + CLAIM_STALE.0 - 1);
    assert_eq!(w.refuse(by(&stranger.pubkey()), &[&stranger]), "market NotNodeKey");
    let of_other = w.claims_of(&other.offer);
    let node = owner.node.pubkey();
    let foreign = provider::release_gpus(&node, &owner.record, 1, &of_other[0], &[]);
    assert_eq!(w.refuse(foreign, &[&owner.node]), "market WrongClaims");
    let twice = provider::release_gpus(&node, &owner.record, 1, &claims[0], &claims[..1]);
    assert!(w.send(&[twice], &[&owner.node]).is_err(), "the same claim twice");
    let to_thief = provider::release_gpus(&node, &owner.record, 1, &(claims[0].0, stranger.pubkey()), &[]);
    assert_eq!(w.refuse(to_thief, &[&owner.node]), "market WrongClaims", "the rent goes to who paid it");
    let odd = {
        let mut odd = by(&node);
        odd.accounts.push(odd.accounts[3].clone());
        odd
    };
    assert!(w.send(&[odd], &[&owner.node]).is_err(), "a claim without its payer");
    let forged = w.key().pubkey();
    let good = w.account(&address::gpu_claim(&claims[0].0)).unwrap();
    w.put(forged, Account { owner: stranger.pubkey(), ..good });
    let mut with_forged = provider::release_gpus(&node, &owner.record, 1, &claims[1], &claims[..1]);
    let at = with_forged.accounts.len() - 2;
    with_forged.accounts[at].pubkey = forged;
    assert_eq!(w.refuse(with_forged, &[&owner.node]), "market WrongClaims", "a claim of another program");

    w.at(expiry + CLAIM_STALE.0);
    w.ok(&[by(&stranger.pubkey())], &[&stranger]);
    assert_eq!(w.read::<Offer>(&owner.offer).claimed, 1, "so a GPU that was sold can be offered by its new owner");
}

#[test]
fn claims_of_an_expired_offer_with_an_open_lease_are_not_stale() {
    let mut w = World::new();
    let buyer = w.buyer(200 * USDC);
    let owner = w.provider(|_| {});
    w.running(&buyer, &owner, 1_000_000, |args| args.max_duration_s = 72 * 3_600);
    let claims = w.claims_of(&owner.offer);
    w.pass(3_600 + CLAIM_STALE.0);
    let stranger = w.person();
    let release = provider::release_gpus(&stranger.pubkey(), &owner.record, 1, &claims[0], &[]);
    assert_eq!(w.refuse(release, &[&stranger]), "market NotNodeKey");
}

#[test]
fn a_benchmark_is_stamped_with_the_slot_of_the_chain() {
    let mut w = World::new();
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let node = owner.node.pubkey();
    assert_eq!(w.read::<Offer>(&owner.offer).benchmark_slot, w.now().slot, "that of the posting too");
    w.pass(100);
    let good = provider::record_benchmark(&node, &owner.record, 1, 4_200, [9; 32]);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let cases = [
        ("no result", provider::record_benchmark(&node, &owner.record, 1, 0, [9; 32]), "market EmptyBenchmark"),
        ("no record", provider::record_benchmark(&node, &owner.record, 1, 1, [0; 32]), "market EmptyBenchmark"),
        ("another offer", swapped(&good, &owner.offer, other.offer), "market NotNodeKey"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.node]), reason, "{what}");
    }
    let by_other = swapped(&good, &node, other.node.pubkey());
    assert_eq!(w.refuse(by_other, &[&other.node]), "market NotNodeKey");
    assert_eq!(w.ok(&[good.clone()], &[&owner.node]).told(), ["BenchmarkRecorded"]);
    let offer: Offer = w.read(&owner.offer);
    assert_eq!((offer.benchmark, offer.benchmark_hash, offer.benchmark_slot), (4_200, [9; 32], w.now().slot));
    w.ok(&[provider::withdraw_offer(&node, &owner.record, 1, &node)], &[&owner.node]);
    assert_eq!(w.refuse(good, &[&owner.node]), "market OfferNotLive");
}
