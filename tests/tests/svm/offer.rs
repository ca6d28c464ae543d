//! Provider records and offers.

use gridlease_core::limits::{MAX_ENDPOINT, MAX_OFFER_LIFE, MAX_PRICE, MAX_UNITS};
use gridlease_core::requirement::flags;
use gridlease_core::tip::{TIP, prepaid_lease};
use gridlease_sdk::account::{Lease, Offer, Provider as Record, Reservation, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use gridlease_sdk::instruction::provider::{self, NodeArgs, OfferTerms, SpecArgs};
use gridlease_tests::svm::parties::{Supply, USDC, machine, node_args};
use gridlease_tests::svm::{GENESIS, World};
use solana_signer::Signer;

use crate::{TOKEN_2022, swapped, unsigned};

#[test]
fn a_provider_registers_once_at_the_neutral_reputation_with_a_payout_account_of_the_market_s_mint() {
    let mut w = World::new();
    let (authority, payout) = w.wallet(0);
    let (key, node) = (authority.pubkey(), w.key().pubkey());
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    let new = w.other_mint(6, TOKEN_2022);
    let of_new = w.token_account_of(new, key, TOKEN_2022);
    let other = w.person().pubkey();
    let with = |endpoint: &str| NodeArgs { endpoint: endpoint.to_owned(), ..node_args(&node) };
    let good = provider::register(&key, &payout, node_args(&node));
    let long = format!("https://{}", "a".repeat(MAX_ENDPOINT - 7));

    let cases = [
        ("payout of another mint", provider::register(&key, &of_nine, with("https://a")), "market WrongTokenAccount"),
        (
            "payout of Token-2022",
            provider::register(&key, &of_new, with("https://a")),
            "market AccountOwnedByWrongProgram",
        ),
        (
            "payout that is no token account",
            provider::register(&key, &key, with("https://a")),
            "market AccountOwnedByWrongProgram",
        ),
        ("no endpoint", provider::register(&key, &payout, with("")), "market BadString"),
        ("plain HTTP", provider::register(&key, &payout, with("http://node.example")), "market BadString"),
        ("a blank", provider::register(&key, &payout, with("https://node example")), "market BadString"),
        ("not ASCII", provider::register(&key, &payout, with("https://nöde")), "market BadString"),
        ("too long", provider::register(&key, &payout, with(&long)), "market BadString"),
        (
            "record of another",
            swapped(&good, &address::provider(&key), address::provider(&other)),
            "market ConstraintSeeds",
        ),
        ("bond of another", swapped(&good, &address::bond(&key), address::bond(&other)), "market ConstraintSeeds"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&authority]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let done = w.ok(&[good.clone()], &[&authority]);
    assert_eq!(done.told(), ["ProviderRecorded"]);
    assert_eq!(w.refuse(good, &[&authority]), "system 0", "it is registered already");
    let address = address::provider(&key);
    let record: Record = w.read(&address);
    assert_eq!((record.standing, record.uptime, record.start_s, record.offers), (5_000, 5_000, 0, 0));
    assert_eq!((record.node_key, record.payout, record.bond), (node, payout, address::bond(&key)));
    assert_eq!(gridlease_sdk::account::endpoint_url(&address, &record).unwrap(), "https://node.example:8443");
}

#[test]
fn only_the_cold_key_changes_the_hot_key_and_the_endpoint() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let new_node = w.person();
    let key = owner.authority.pubkey();
    let longest = format!("https://{}", "a".repeat(MAX_ENDPOINT - 8));
    let args = NodeArgs { endpoint: longest.clone(), ..node_args(&new_node.pubkey()) };
    let good = provider::update_node(&key, args.clone(), &[owner.offer]);
    assert_eq!(unsigned(&mut w, &good, 0), "market AccountNotSigner");
    let by_node = swapped(&good, &key, owner.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&owner.node]), "market NotAuthority");
    let bad = provider::update_node(&key, NodeArgs { endpoint: "ftp://x".to_owned(), ..args }, &[]);
    assert_eq!(w.refuse(bad, &[&owner.authority]), "market BadString");
    w.ok(&[good], &[&owner.authority]);
    let record: Record = w.read(&owner.record);
    assert_eq!(record.endpoint_url().unwrap(), longest);
    assert_eq!(record.payout, owner.payout, "the payout account stays");
    let terms = Supply::default().terms(w.now().ts.0);
    let old = provider::refresh_offer(&owner.node.pubkey(), &owner.record, 1, terms);
    assert_eq!(w.refuse(old, &[&owner.node]), "market NotNodeKey", "the old hot key is dead at once");
    let new = provider::refresh_offer(&new_node.pubkey(), &owner.record, 1, terms);
    w.ok(&[new], &[&new_node]);
}

#[test]
fn an_offer_names_a_machine_and_terms_inside_their_bounds() {
    let mut w = World::new();
    let owner = w.registered(0);
    let node = owner.node.pubkey();
    let supply = Supply::default();
    let post = |spec: SpecArgs, terms: OfferTerms| {
        provider::post_offer(&node, &owner.record, 1, Supply { spec, ..supply }.machine(), terms)
    };
    let good = supply.terms(GENESIS);
    let spec = machine();
    let cases = [
        ("unknown GPU", post(SpecArgs { gpu_model: 200, ..spec }, good), "market InvalidSpec"),
        ("unknown region", post(SpecArgs { region: 10, ..spec }, good), "market InvalidSpec"),
        ("unknown flag", post(SpecArgs { flags: 1 << 30, ..spec }, good), "market InvalidSpec"),
        ("a GPU and the CPU class", post(SpecArgs { flags: flags::CPU_CLASS, ..spec }, good), "market InvalidSpec"),
        ("no GPU and not the CPU class", post(SpecArgs { gpu_count: 0, ..spec }, good), "market InvalidSpec"),
        ("no CPU", post(SpecArgs { cpu_milli: 0, ..spec }, good), "market InvalidSpec"),
        ("no memory", post(SpecArgs { memory_mib: 0, ..spec }, good), "market InvalidSpec"),
        ("ask of zero", post(spec, OfferTerms { ask: 0, ..good }), "market PriceOutOfBounds"),
        ("floor of zero", post(spec, OfferTerms { floor: 0, ..good }), "market PriceOutOfBounds"),
        ("ask above the ceiling", post(spec, OfferTerms { ask: MAX_PRICE.0 + 1, ..good }), "market PriceOutOfBounds"),
        ("ask below the floor", post(spec, OfferTerms { ask: good.floor - 1, ..good }), "market AskBelowFloor"),
        ("no units", post(spec, OfferTerms { units: 0, ..good }), "market BadUnits"),
        ("too many units", post(spec, OfferTerms { units: MAX_UNITS + 1, ..good }), "market BadUnits"),
        ("ends in the past", post(spec, OfferTerms { expires_ts: GENESIS - 1, ..good }), "market BadExpiry"),
        ("ends now", post(spec, OfferTerms { expires_ts: GENESIS, ..good }), "market BadExpiry"),
        (
            "lives longer than an hour",
            post(spec, OfferTerms { expires_ts: GENESIS + MAX_OFFER_LIFE.0 + 1, ..good }),
            "market BadExpiry",
        ),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.node]), reason, "{what}");
    }
    let least = post(spec, OfferTerms { expires_ts: GENESIS + 1, ask: 1, floor: 1, units: 1, auto_bid: false });
    w.ok(&[least], &[&owner.node]);
    let supply = provider::post_offer(
        &node,
        &owner.record,
        2,
        supply.machine(),
        OfferTerms { expires_ts: GENESIS + MAX_OFFER_LIFE.0, ask: MAX_PRICE.0, floor: MAX_PRICE.0, ..good },
    );
    w.ok(&[supply], &[&owner.node]);
    assert_eq!(w.read::<Record>(&owner.record).offers, 2);
}

#[test]
fn only_the_node_key_posts_and_refreshes_and_only_its_provider_s_offers() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    let other = w.provider(|_| {});
    let supply = Supply::default();
    let terms = supply.terms(GENESIS);
    let node = owner.node.pubkey();
    let post = provider::post_offer(&node, &owner.record, 2, supply.machine(), terms);
    assert_eq!(unsigned(&mut w, &post, 0), "market AccountNotSigner");
    let by_stranger = swapped(&post, &node, other.node.pubkey());
    assert_eq!(w.refuse(by_stranger, &[&other.node]), "market NotNodeKey");
    let by_cold = swapped(&post, &node, owner.authority.pubkey());
    assert_eq!(w.refuse(by_cold, &[&owner.authority]), "market NotNodeKey");
    let elsewhere = swapped(&post, &address::offer(&owner.record, 2), address::offer(&owner.record, 3));
    assert_eq!(w.refuse(elsewhere, &[&owner.node]), "market ConstraintSeeds");
    let again = provider::post_offer(&node, &owner.record, 1, supply.machine(), terms);
    assert_eq!(w.refuse(again, &[&owner.node]), "system 0", "the number is in use");

    let refresh = provider::refresh_offer(&node, &owner.record, 1, terms);
    assert_eq!(unsigned(&mut w, &refresh, 0), "market AccountNotSigner");
    let foreign = swapped(&refresh, &owner.offer, other.offer);
    assert_eq!(w.refuse(foreign, &[&owner.node]), "market NotNodeKey");
    let by_stranger = swapped(&refresh, &node, other.node.pubkey());
    assert_eq!(w.refuse(by_stranger, &[&other.node]), "market NotNodeKey");

    let withdraw = w.withdrawal_of(&owner);
    assert_eq!(unsigned(&mut w, &withdraw, 0), "market AccountNotSigner");
    let mut by_stranger = withdraw.clone();
    by_stranger.accounts[0].pubkey = other.node.pubkey();
    assert_eq!(w.refuse(by_stranger, &[&other.node]), "market NotNodeKey");
    let foreign = swapped(&withdraw, &owner.offer, other.offer);
    assert_eq!(w.refuse(foreign, &[&owner.node]), "market Unrelated");
    let mut to_thief = withdraw;
    to_thief.accounts[4].pubkey = other.node.pubkey();
    assert_eq!(w.refuse(to_thief, &[&owner.node]), "market Unrelated", "the rent goes to who paid it");
    let claims = w.claims_of(&owner.offer);
    let cold = provider::withdraw_offer_and_gpus(&owner.authority.pubkey(), &owner.record, 1, &node, &claims);
    w.ok(&[cold], &[&owner.authority]);
    assert!(w.find::<Offer>(&owner.offer).is_none());
}

#[test]
fn a_provider_has_at_most_256_offers() {
    let mut w = World::new();
    let owner = w.registered(0);
    w.stop_auditing();
    w.edit_as::<Record>(&owner.record, |record| record.offers = 255);
    let supply = Supply::default();
    let post = |number| {
        provider::post_offer(&owner.node.pubkey(), &owner.record, number, supply.machine(), supply.terms(GENESIS))
    };
    w.ok(&[post(1)], &[&owner.node]);
    assert_eq!(w.refuse(post(2), &[&owner.node]), "market TooMany");
}

#[test]
fn an_offer_holds_the_rent_of_every_lease_that_it_can_open_and_gives_all_of_it_back() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let lease_rent = w.rent(8 + size_of::<Lease>()) + w.rent(8 + size_of::<Reservation>()) + prepaid_lease();
    let own = w.rent(8 + size_of::<Offer>());
    let owner = w.registered(100 * USDC);
    let node = owner.node.pubkey();
    let had = w.lamports(&node);
    let supply = Supply { units: 3, ..Supply::default() };
    let terms = supply.terms(w.now().ts.0);
    w.ok(&[provider::post_offer(&node, &owner.record, 1, supply.machine(), terms)], &[&owner.node]);
    assert_eq!(w.lamports(&owner.offer), own + 3 * lease_rent);
    assert_eq!(w.lamports(&node), had - own - 3 * lease_rent);

    w.claim_all(&owner, 1);
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    assert_eq!(w.lamports(&owner.offer), own + 2 * lease_rent + 1, "the bond lent the reservation its first lamport");
    w.refresh(&owner, OfferTerms { units: 5, ..supply.terms(w.now().ts.0) });
    assert_eq!(w.read::<Offer>(&owner.offer).units_free, 4);
    assert_eq!(w.lamports(&owner.offer), own + 4 * lease_rent + 1, "what comes back lacks that lamport");
    w.refresh(&owner, OfferTerms { units: 1, ..supply.terms(w.now().ts.0) });
    assert_eq!(w.read::<Offer>(&owner.offer).units_free, 0, "down to the open leases and no further");
    let fewer = provider::refresh_offer(&node, &owner.record, 1, OfferTerms { units: 0, ..supply.terms(w.now().ts.0) });
    assert_eq!(w.refuse(fewer, &[&owner.node]), "market BadUnits");

    w.withdraw_offer(&owner);
    assert_eq!(w.read::<Offer>(&owner.offer).header.state, offer_state::WITHDRAWN, "it waits for its lease");
    let revive = provider::refresh_offer(&node, &owner.record, 1, supply.terms(w.now().ts.0));
    assert_eq!(w.refuse(revive, &[&owner.node]), "market OfferNotLive");
    w.ready(&owner, &keys);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    w.withdraw_offer(&owner);
    assert!(w.find::<Offer>(&owner.offer).is_none());
    assert_eq!(w.lamports(&node), had + TIP, "and the award's tip, which nobody else took");
    assert_eq!(w.read::<Record>(&owner.record).offers, 0);
}

#[test]
fn an_offer_whose_units_were_raised_while_a_lease_was_open_can_open_all_of_them_once_it_is_closed() {
    let mut w = World::new();
    let buyer = w.buyer(40 * USDC);
    let owner = w.provider(|supply| supply.units = 1);
    let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
    w.refresh(&owner, Supply { units: 2, ..Supply::default() }.terms(w.now().ts.0));
    w.claim_all(&owner, 1);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    for _ in 0..2 {
        w.running(&buyer, &owner, 1_000_000, |_| {});
    }
    assert_eq!(w.read::<Offer>(&owner.offer).units_free, 0);
}

#[test]
fn fewer_units_than_open_leases_are_refused() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    w.starting(&buyer, &owner, 1_000_000, |_| {});
    w.starting(&buyer, &owner, 1_000_000, |_| {});
    let terms = OfferTerms { units: 1, ..Supply::default().terms(w.now().ts.0) };
    let fewer = provider::refresh_offer(&owner.node.pubkey(), &owner.record, 1, terms);
    assert_eq!(w.refuse(fewer, &[&owner.node]), "market BadUnits");
}

#[test]
fn a_withdrawn_offer_can_be_posted_again_under_its_number() {
    let mut w = World::new();
    let owner = w.provider(|_| {});
    w.withdraw_offer(&owner);
    assert!(w.find::<Offer>(&owner.offer).is_none());
    let supply = Supply { ask: 2_000_000, ..Supply::default() };
    let post =
        provider::post_offer(&owner.node.pubkey(), &owner.record, 1, supply.machine(), supply.terms(w.now().ts.0));
    w.ok(&[post], &[&owner.node]);
    let offer: Offer = w.read(&owner.offer);
    assert_eq!((offer.header.state, offer.ask), (offer_state::LIVE, 2_000_000));
}

#[test]
fn an_offer_address_that_somebody_sent_lamports_to_can_still_be_used() {
    let mut w = World::new();
    let owner = w.registered(0);
    w.airdrop(&owner.offer, 890_880);
    w.airdrop(&address::offer(&owner.record, 2), 100_000_000);
    let supply = Supply::default();
    for number in [1, 2] {
        let node = owner.node.pubkey();
        let post = provider::post_offer(&node, &owner.record, number, supply.machine(), supply.terms(GENESIS));
        w.ok(&[post], &[&owner.node]);
    }
    let before = w.lamports(&owner.node.pubkey());
    w.withdraw_offer(&owner);
    assert!(w.lamports(&owner.node.pubkey()) > before);
}
