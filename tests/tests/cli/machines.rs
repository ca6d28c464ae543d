//! R32: an owner's commands for several machines behind one bond.

use gridlease_cli::amount::Usdc;
use gridlease_cli::chain::Chain;
use gridlease_cli::error::Kind;
use gridlease_cli::machine::{self, NewMachine};
use gridlease_cli::provider::{self, Change, Registration};
use gridlease_sdk::account::{Offer, Provider, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, enter_offer};
use gridlease_sdk::instruction::provider::{OfferMachine, OfferTerms, SpecArgs, post_offer_of};
use gridlease_sdk::machine::MachineNumber;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::world::{ONCE, SOL, USDC, World, failed, ready};

const ONE: MachineNumber = MachineNumber::Further(1);

fn new(node_key: &Keypair) -> NewMachine {
    NewMachine {
        number: None,
        node_key: node_key.pubkey(),
        endpoint: "https://127.0.0.1:8444".to_owned(),
        fingerprint: [8; 32],
        stake_limit: 9 * USDC,
        sealing_key: None,
    }
}

/// Registers the provider of `owner`, whose first machine has the key `hot`.
async fn register(chain: &Chain, owner: &Keypair, hot: &Keypair) {
    let registration = Registration {
        payout: None,
        node_key: hot.pubkey(),
        endpoint: "https://127.0.0.1:8443".to_owned(),
        fingerprint: [7; 32],
    };
    provider::register(chain, owner, &registration).await.unwrap();
}

/// The posting of an offer of machine 1 with all that is left of its limit.
async fn offer(world: &World, authority: &Pubkey, node_key: &Keypair, number: u32, stake_limit: u64) -> Instruction {
    let record = address::provider(authority);
    let spec = SpecArgs {
        vram_mib: 0,
        cpu_milli: 1_000,
        memory_mib: 1_024,
        disk_mib: 1_024,
        down_mbit: 0,
        up_mbit: 0,
        flags: gridlease_core::requirement::flags::CPU_CLASS,
        compute_capability: 0,
        cuda: 0,
        gpu_model: 0,
        gpu_count: 0,
        region: 0,
    };
    let machine = OfferMachine { spec, gpu_root: [0; 32], benchmark_hash: [0; 32], benchmark: 0, stake_limit };
    let now = world.chain.client().now().await.unwrap().ts.0;
    let terms = OfferTerms { ask: 300_000, floor: 300_000, expires_ts: now + 900, units: 1, auto_bid: true };
    post_offer_of(&node_key.pubkey(), &record, Some(address::machine(&record, 1)), number, machine, terms)
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_an_owner_adds_changes_drains_retires_and_closes_a_machine() {
    let world = World::new().await;
    let owner = world.user(30 * USDC).await;
    let (chain, key) = (&world.chain, owner.pubkey());
    let [hot, second, third] = [0; 3].map(|_| Keypair::new());
    world.net.airdrop(&second.pubkey(), SOL).await.unwrap();
    failed(machine::add(chain, &owner, &new(&second)).await, Kind::Usage, &["no provider", "provider register"]);
    register(chain, &owner, &hot).await;

    // Each machine has a key of its own, which is not the cold one.
    failed(machine::add(chain, &owner, &new(&owner)).await, Kind::Usage, &["the cold key itself", "gridlease key new"]);
    failed(machine::add(chain, &owner, &new(&hot)).await, Kind::Refused, &["node key of machine first already"]);
    let added = machine::add(chain, &owner, &new(&second)).await.unwrap().machine.unwrap();
    assert_eq!((added.machine, added.stake_limit, added.state), (ONE, Some(Usdc(9 * USDC)), "live"));
    let again = NewMachine { number: Some(1), ..new(&third) };
    failed(machine::add(chain, &owner, &again).await, Kind::Refused, &["a machine 1 already", "machine update 1"]);
    failed(machine::add(chain, &owner, &new(&second)).await, Kind::Refused, &["node key of machine 1 already"]);

    // A new hot key takes the offers with it.
    let post = offer(&world, &key, &second, 1, 4 * USDC).await;
    chain.send("posting", &[post], &second).await.unwrap();
    let change = Change { node_key: Some(third.pubkey()), stake_limit: Some(12 * USDC), ..Change::default() };
    let changed = machine::update(chain, &owner, ONE, &change).await.unwrap().machine.unwrap();
    assert_eq!(
        (changed.node_key, changed.fingerprint, changed.endpoint),
        (third.pubkey(), added.fingerprint, added.endpoint)
    );
    let offer_key = address::offer(&address::provider(&key), 1);
    let offer_now: Offer = chain.client().get(&offer_key).await.unwrap();
    assert_eq!(offer_now.node_key, third.pubkey(), "no offer keeps an old key");
    let unknown = machine::update(chain, &owner, MachineNumber::Further(9), &Change::default()).await;
    failed(unknown, Kind::Refused, &["no machine 9", "first, 1"]);

    // Drained: the offer is gone, its rent is back with its payer, and no new one is allotted stake.
    let drained = machine::drain(chain, &owner, ONE).await.unwrap().machine.unwrap();
    assert_eq!((drained.stake_limit, drained.offers.len(), drained.allotted), (Some(Usdc(0)), 0, Usdc(0)));
    world.net.airdrop(&third.pubkey(), SOL).await.unwrap();
    let post = offer(&world, &key, &third, 1, 1).await;
    assert!(chain.send("posting", &[post], &third).await.is_err());

    failed(machine::close(chain, &owner, ONE).await, Kind::Refused, &["not retired", "machine retire 1"]);
    failed(machine::plan(chain, &key, MachineNumber::First).await, Kind::Usage, &["never retired", "drain first"]);
    let plan = machine::plan(chain, &key, ONE).await.unwrap();
    assert!(plan.leases.is_empty() && plan.slash == Usdc(0) && !plan.retired);
    machine::retire(chain, &owner, &plan).await.unwrap();
    let twice = machine::retire(chain, &owner, &plan).await.unwrap();
    assert!(twice.transactions.is_empty(), "done already");
    let listed = machine::list(chain, &key).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.state).collect::<Vec<_>>(), ["live", "retired"]);
    machine::close(chain, &owner, ONE).await.unwrap();
    let record: Provider = chain.client().get(&address::provider(&key)).await.unwrap();
    assert_eq!((record.machines, record.offers), (0, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_the_command_line_shows_every_machine_and_asks_for_what_is_missing() {
    let world = World::new().await;
    let owner = world.user(30 * USDC).await;
    let run = |args: &[&str]| {
        let output = world.run(&owner, args);
        let (out, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code(), out, said)
    };
    let hot = Pubkey::new_unique().to_string();
    let print = "ab".repeat(32);
    let node = ["--node-key", &hot, "--endpoint", "https://127.0.0.1:8443", "--fingerprint", &print];
    assert_eq!(run(&[&["provider", "register"], &node[..]].concat()).0, Some(0));
    let second = Pubkey::new_unique().to_string();
    let node = ["--node-key", &second, "--endpoint", "https://127.0.0.1:8444", "--fingerprint", &print];
    let add = [&["provider", "machine", "add"], &node[..]].concat();
    let (code, _, said) = run(&add);
    assert!(code == Some(2) && said.contains("--stake-limit"), "{said}");
    let (code, _, said) = run(&[&add[..], &["--stake-limit", "lots"]].concat());
    assert!(code == Some(2) && said.contains("none is no limit"), "{said}");
    let (code, out, said) = run(&[&add[..], &["--stake-limit", "25"]].concat());
    assert!(code == Some(0) && out.contains("machine 1 is added") && out.contains("25.000000"), "{out} {said}");

    let (_, out, _) = run(&["provider", "machine", "list"]);
    for part in ["MACHINE", "STAKE LIMIT", "first", "none", "1", "25.000000", &hot, &second, "https://127.0.0.1:8444"] {
        assert!(out.contains(part), "no {part:?} in: {out}");
    }
    let (_, shown, _) = run(&["provider", "show"]);
    assert!(shown.contains(&second), "{shown}");
    let (_, json, _) = run(&["provider", "show", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["machines"][0]["machine"], &json["machines"][1]["machine"]), (&"first".into(), &"1".into()));
    assert_eq!(json["machines"][0]["stake_limit"], serde_json::Value::Null);

    let (code, _, said) = run(&["provider", "machine", "update", "1"]);
    assert!(code == Some(2) && said.contains("nothing to change"), "{said}");
    let (code, _, said) = run(&["provider", "machine", "update", "one", "--stake-limit", "5"]);
    assert!(code == Some(2) && said.contains("write its number"), "{said}");
    let (code, out, _) = run(&["provider", "machine", "retire", "1", "--dry-run"]);
    assert!(code == Some(0) && out.contains("no lease is open"), "{out}");
    let (_, listed, _) = run(&["provider", "machine", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[1]["state"], "live", "a dry run changes nothing");
    let (code, out, _) = run(&["provider", "machine", "retire", "1"]);
    assert!(code == Some(0) && out.contains("machine 1 is retired"), "{out}");
    let (code, out, _) = run(&["provider", "machine", "close", "1"]);
    assert!(code == Some(0) && out.contains("its rent is back"), "{out}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_machine_whose_offer_stands_in_a_book_leaves_with_the_owner_s_word_only() {
    let (world, registry, buyer, prepared) = ready().await;
    let owner = world.user(30 * USDC).await;
    let (chain, key) = (&world.chain, owner.pubkey());
    let [hot, second] = [0; 2].map(|_| Keypair::new());
    world.net.airdrop(&second.pubkey(), SOL).await.unwrap();
    register(chain, &owner, &hot).await;
    provider::add_stake(chain, &owner, Usdc(20 * USDC)).await.unwrap();
    machine::add(chain, &owner, &new(&second)).await.unwrap();
    let post = offer(&world, &key, &second, 1, 9 * USDC).await;
    chain.send("posting", &[post], &second).await.unwrap();
    assert!(machine::books_of(chain, &key, ONE).await.unwrap().is_empty());

    let job = buyer.post(&prepared, &ONCE).await.unwrap().job;
    let bidder = BidderKeys { provider: address::provider(&key), offer: 1, bond: address::bond(&key) };
    chain.send("entering", &[enter_offer(&job, &bidder)], &second).await.unwrap();
    assert_eq!(machine::books_of(chain, &key, ONE).await.unwrap(), [job]);
    assert!(
        machine::books_of(chain, &key, MachineNumber::First).await.unwrap().is_empty(),
        "the sister's is no concern"
    );
    let said = |args: &[&str]| {
        let output = world.run(&owner, &[&["provider", "machine"], args].concat());
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code(), text)
    };
    for args in [["drain", "1"], ["retire", "1"]] {
        let (code, text) = said(&args);
        assert!(code == Some(2) && text.contains("1 open job") && text.contains("--yes"), "{args:?}: {text}");
    }
    let (_, text) = said(&["retire", "1", "--dry-run", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(plan["books"], serde_json::json!([job.to_string()]));
    let offer_key = address::offer(&address::provider(&key), 1);
    let live: Offer = chain.client().get(&offer_key).await.unwrap();
    assert_eq!(live.header.state, offer_state::LIVE, "nothing was done");
    let (code, text) = said(&["drain", "1", "--yes"]);
    assert!(code == Some(0) && text.contains("--stake-limit 9.000000"), "{text}");
    assert!(
        chain
            .client()
            .find::<Offer>(&offer_key)
            .await
            .unwrap()
            .is_none_or(|offer| offer.header.state != offer_state::LIVE)
    );
    registry.stop().await;
    world.stop().await;
}
