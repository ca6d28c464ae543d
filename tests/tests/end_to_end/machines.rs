//! R32: one provider, one bond, two machines, each with a hot key and a node of its own.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use gridlease_cli::buyer::JobEvent;
use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_demo::market::{MarketOptions, ProviderOptions, USDC};
use gridlease_demo::process::{Process, free_port, gridlease_binary};
use gridlease_demo::wallet::write_key;
use gridlease_sdk::account::{Bond, Kind, Lease, Machine, Offer};
use gridlease_sdk::address;
use gridlease_sdk::node_api::client::{NodeApi, NodeError};
use gridlease_sdk::node_api::codes;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::world::{Story, World, world};

const SOL: u64 = 1_000_000_000;

/// A provider with a second machine, whose leases may bind 25 of its 50 USDC.
fn two_machines() -> MarketOptions {
    let second = ProviderOptions::new("second", 310_000, 250_000, true);
    MarketOptions {
        providers: vec![
            ProviderOptions::new("first", 300_000, 200_000, true),
            ProviderOptions { machine_of: Some(0), stake: 25 * USDC, ..second },
        ],
        ..MarketOptions::default()
    }
}

impl World {
    /// Runs the binary with this key.
    pub async fn run(&self, key: &Keypair, args: &[&str]) -> Output {
        let file = self.market.dir().join(format!("key-{}.json", key.pubkey()));
        write_key(&file, key).unwrap();
        let localnet = &self.market.localnet;
        let command = tokio::process::Command::new(gridlease_binary().unwrap())
            .args(args)
            .args(["--url", localnet.rpc_url(), "--ws", localnet.ws_url()])
            .args(["--keypair".as_ref(), file.as_os_str()])
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(120), command).await.expect("the command hangs").unwrap();
        eprintln!("{args:?}: {:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Runs the binary with the owner's cold key and returns the JSON that it prints.
    async fn owner(&self, args: &[&str]) -> serde_json::Value {
        let output = self.run(&self.market.providers[0].authority, &[args, &["--json"]].concat()).await;
        assert!(output.status.success(), "{args:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub async fn read<T: Kind>(&self, address: &Pubkey) -> T {
        self.market.client.get(address).await.unwrap()
    }

    /// The machine of a lease, as its offer names it.
    async fn machine_of(&self, lease: &Pubkey) -> Pubkey {
        let lease: Lease = self.read(lease).await;
        self.read::<Offer>(&lease.offer).await.machine
    }

    async fn state(&self, lease: &Pubkey) -> Option<LeaseState> {
        self.read::<Lease>(lease).await.state()
    }

    fn log(&self, at: usize) -> String {
        let name = &self.market.providers[at].options.name;
        std::fs::read_to_string(self.market.dir().join(format!("node-{name}.log"))).unwrap()
    }

    /// Waits until the log of the node says this.
    pub async fn said(&self, at: usize, what: &str) {
        for _ in 0..150 {
            if self.log(at).contains(what) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("no {what:?} in: {}", self.log(at));
    }

    pub async fn bond(&self) -> Bond {
        self.read(&address::bond(&self.market.providers[0].authority.pubkey())).await
    }
}

/// Reads on until the job's container wrote a line; its lease.
pub async fn running(story: &mut Story) -> Pubkey {
    let awarded = story.until("the award", |event| matches!(event, JobEvent::Awarded { .. })).await;
    let JobEvent::Awarded { lease, .. } = awarded else { unreachable!() };
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    story.until_a_line().await;
    lease
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_two_machines_run_two_jobs_at_once_and_one_that_is_retired_takes_the_other_s_lease_not_with_it() {
    let Some(mut world) = world(two_machines()).await else { return };
    let [first, second] = [0, 1].map(|at| world.market.providers[at].machine);
    let script = "echo up; sleep 75; echo result > /out/file";
    let jobs = [world.post(script, "10m").await, world.post(script, "10m").await];
    let [mut one, mut two] = jobs.map(|job| world.follow(job));
    let (mut lease_one, mut lease_two) = tokio::join!(running(&mut one), running(&mut two));
    if world.machine_of(&lease_one).await == second {
        // Which job came first is the keeper's choice.
        (one, two, lease_one, lease_two) = (two, one, lease_two, lease_one);
    }
    assert_eq!([world.machine_of(&lease_one).await, world.machine_of(&lease_two).await], [first, second]);
    // One bond stands behind both.
    assert_eq!(world.bond().await.reserved, 10 * USDC);
    let listed = world.owner(&["provider", "machine", "list"]).await;
    for (at, name) in ["first", "1"].into_iter().enumerate() {
        let machine = &listed[at];
        assert_eq!((&machine["machine"], &machine["open_leases"]), (&name.into(), &1.into()), "{machine}");
        assert_eq!((&machine["bound"], &machine["offers"][0]), (&"5.000000".into(), &at.into()), "{machine}");
    }

    // A third job finds no unit and waits; a power cut of the first machine is none of the second's business.
    let third = world.post("echo third > /out/file; echo done", "10m").await;
    world.market.kill_node(0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.market.start_node(0).unwrap();
    world.said(0, "taken up again").await;
    assert_eq!(world.state(&lease_two).await, Some(LeaseState::Running));
    for (at, sister) in [(0, lease_two), (1, lease_one)] {
        assert!(
            !world.log(at).contains(&sister.to_string()),
            "node {at} spoke of its sister's lease: {}",
            world.log(at)
        );
    }

    // Nobody can be asked: what costs stake wants a word more.
    let owner = world.market.providers[0].authority.insecure_clone();
    let asked = world.run(&owner, &["provider", "machine", "retire", "1"]).await;
    let told = String::from_utf8(asked.stderr).unwrap();
    assert_eq!(asked.status.code(), Some(2), "{told}");
    for part in [&lease_two.to_string(), "no notice was agreed", "0.500000 USDC of stake would be lost", "drain 1"] {
        assert!(told.contains(part), "no {part:?} in: {told}");
    }
    assert!(!told.contains(&lease_one.to_string()), "{told}");
    assert_eq!(world.state(&lease_two).await, Some(LeaseState::Running), "nothing was done");

    let done = world.owner(&["provider", "machine", "retire", "1", "--yes"]).await;
    assert_eq!((&done["slash"], &done["abandoned"][0]["lease"]), (&"0.500000".into(), &lease_two.to_string().into()));
    two.until("the end", |event| matches!(event, JobEvent::Finished { reason: EndReason::Abandoned, .. })).await;
    let bond = world.bond().await;
    assert_eq!(bond.slashed_total + bond.claims_assets, 500_000, "a tenth of the five USDC behind the lease");
    assert_eq!(world.state(&lease_one).await, Some(LeaseState::Running), "the sister's lease goes on");
    world.said(1, "The machine is retired").await;

    one.until("the verified outputs", |event| matches!(event, JobEvent::OutputsVerified { files: 1, .. })).await;
    one.until_the_end().await;
    let ended = one.told.iter().find(|event| matches!(event, JobEvent::Finished { .. })).unwrap();
    assert!(matches!(ended, JobEvent::Finished { reason: EndReason::Completed, exit_code: Some(0), .. }), "{ended:?}");
    let mut story = world.follow(third);
    story.until_the_end().await;
    let machine = story.told.iter().find_map(|event| match event {
        JobEvent::OutputsVerified { files, .. } => Some(*files),
        _ => None,
    });
    assert_eq!(machine, Some(1), "the third job ran on the machine that is left");

    // What is left of the money pays for no second lease, so the job that was left is over.
    two.until_the_end().await;
    let before = world.market.client.lamports(&owner.pubkey()).await.unwrap();
    world.owner(&["provider", "machine", "close", "1"]).await;
    assert!(world.market.client.find::<Machine>(&second).await.unwrap().is_none());
    assert!(world.market.client.lamports(&owner.pubkey()).await.unwrap() > before, "its rent is back");
    let offers = world.market.client.offers_of(&world.market.providers[0].record).await.unwrap();
    assert!(offers.iter().all(|(_, offer)| offer.machine == first), "the first machine's offers are left alone");
    let books = world.books().await;
    assert_eq!((books.held_atoms, world.bond().await.reserved), (0, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_second_machine_serves_alone_and_leaves_with_the_notice_that_was_agreed() {
    let mut options = two_machines();
    options.providers[0].start = false;
    // Nobody but the node takes a step that anybody can take.
    options.keeper = false;
    options.providers[1].node_args = ["--patience", "2"].map(str::to_owned).to_vec();
    let Some(mut world) = world(options).await else { return };
    let job = world.post("echo up; echo result > /out/file", "10m").await;
    let mut story = world.follow(job);
    let lease = running(&mut story).await;
    story.until("the verified outputs", |event| matches!(event, JobEvent::OutputsVerified { .. })).await;
    story.until("its end on chain", |event| matches!(event, JobEvent::LeaseClosed { .. })).await;
    assert!(
        world.market.client.find::<Lease>(&lease).await.unwrap().is_none(),
        "nothing on chain names its machine now"
    );
    let fetched = world.buyer.outputs(&job, &world.market.dir().join("again")).await.unwrap();
    assert_eq!(fetched.files, 1, "its node is found among the provider's");

    let agreed = world.post_with("echo up; sleep 600", "10m", |args| args.notice_s = 120).await;
    let mut story = world.follow(agreed);
    let lease = running(&mut story).await;
    let done = world.owner(&["provider", "machine", "retire", "1"]).await;
    assert_eq!((&done["slash"], &done["notice"][0]["lease"]), (&"0.000000".into(), &lease.to_string().into()));
    assert_eq!(world.state(&lease).await, Some(LeaseState::Running), "until the notice is over");
    // What is left of a retired machine survives a power cut.
    world.market.kill_node(1).await.unwrap();
    world.market.start_node(1).unwrap();
    world.said(1, "taken up again").await;
    world.market.localnet.advance_time(Duration::from_secs(121)).await.unwrap();
    story.until("the end", |event| matches!(event, JobEvent::Finished { reason: EndReason::Notice, .. })).await;
    let bond = world.bond().await;
    assert_eq!((bond.amount, bond.slashed_total, bond.claims_assets), (50 * USDC, 0, 0), "no fault");
    story.until("its end on chain", |event| matches!(event, JobEvent::LeaseClosed { .. })).await;
    assert_eq!(world.books().await.held_atoms, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_node_with_the_wrong_key_or_number_starts_nothing_and_says_what_its_owner_types() {
    let Some(world) = world(two_machines()).await else { return };
    let owner = world.market.providers[0].authority.pubkey().to_string();
    let state = world.market.dir().join("stray");
    let start = ["node", "run", "--cpu", "--authority", &owner, "--ask", "0.30", "--listen", "127.0.0.1:0"];
    let start = [&start[..], &["--state-dir", state.to_str().unwrap()]].concat();
    let stray = Keypair::new();
    let second = &world.market.providers[1].node_key;
    let (key, taken) = (stray.pubkey().to_string(), second.pubkey().to_string());
    for (node_key, more, parts) in [
        (
            &stray,
            vec![],
            vec!["no machine of the provider names node key", "first: ", "1: ", "machine add --node-key", &key],
        ),
        (&stray, vec!["--machine", "1"], vec!["machine 1 of the provider names node key", &taken, "machine update 1"]),
        (second, vec!["--machine", "first"], vec!["the provider record names node key", "gridlease provider update"]),
        (second, vec!["--machine", "7"], vec!["no machine 7", "machine add --number 7"]),
        // The right key with a certificate that the machine does not name.
        (second, vec![], vec!["machine 1 of the provider names certificate", "machine update 1 --fingerprint"]),
    ] {
        let output = world.run(node_key, &[start.clone(), more].concat()).await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{told}");
        for part in parts {
            assert!(told.contains(part), "no {part:?} in: {told}");
        }
    }
    let offers = world.market.client.offers_of(&world.market.providers[0].record).await.unwrap();
    assert_eq!(offers.len(), 2, "the offers of the right nodes stand");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_machine_that_is_drained_offers_again_when_it_may_and_one_that_is_retired_never() {
    let Some(mut world) = world(two_machines()).await else { return };
    let (first, second) = (&world.market.providers[0], &world.market.providers[1]);
    let (record, machine) = (first.record, second.machine);
    let (key, state) = (second.node_key.insecure_clone(), second.state_dir.clone());
    let (authority, number) = (first.authority.pubkey().to_string(), [0, 1].map(|at| address::offer(&record, at)));
    world.owner(&["provider", "machine", "drain", "1"]).await;
    world.said(1, "The machine's limit of stake is used up").await;
    let [theirs, own] = [number[0], number[1]];
    assert!(world.market.client.find::<Offer>(&own).await.unwrap().is_none(), "it offers nothing");
    assert_eq!(world.read::<Offer>(&theirs).await.machine, record, "its sister does");
    world.owner(&["provider", "machine", "update", "1", "--stake-limit", "30"]).await;
    world.market.await_offers().await.unwrap();
    assert_eq!(world.read::<Offer>(&own).await.stake_limit, 30 * USDC);

    // What a buyer signed for one machine, a thief on it cannot use at its sister.
    let account: Machine = world.read(&machine).await;
    let endpoint = account.endpoint_url().unwrap().to_owned();
    let status = async |signed_for| {
        let buyer = Arc::new(Keypair::new());
        let node = NodeApi::new(&endpoint, account.cert_fingerprint, signed_for, buyer).unwrap();
        match node.status(&Pubkey::new_unique()).await.unwrap_err() {
            NodeError::Refused { detail, .. } => detail.code,
            other => panic!("{other}"),
        }
    };
    assert_eq!(status(record).await, codes::BAD_SIGNATURE);
    assert_ne!(status(machine).await, codes::BAD_SIGNATURE);

    // Started with its sister's number, and once it is retired.
    world.market.stop_node(1).await;
    let start = ["node", "run", "--cpu", "--authority", &authority, "--ask", "0.30", "--listen", "127.0.0.1:0"];
    let start = [&start[..], &["--state-dir", state.to_str().unwrap(), "--public-url", &endpoint]].concat();
    let refused = async |more: &[&str], part: &str| {
        let output = world.run(&key, &[&start, more].concat()).await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(3) && told.contains(part), "no {part:?} in: {told}");
    };
    refused(&["--offer", "0"], "offer 0 is that of another machine").await;
    assert_eq!(world.read::<Offer>(&theirs).await.machine, record, "and is left alone");
    world.owner(&["provider", "machine", "retire", "1"]).await;
    refused(&[], "machine 1 of the provider is retired and has nothing left to do").await;
    world.stop().await;
}

/// The commands of the operators' guide, as they stand there but for addresses and ports.
#[tokio::test(flavor = "multi_thread")]
async fn r32_the_guide_s_commands_bring_two_machines_up_and_one_that_stops_takes_its_own_offer_alone() {
    let options = MarketOptions { providers: Vec::new(), ..MarketOptions::default() };
    let Some(world) = world(options).await else { return };
    let owner = Keypair::new();
    let cold = owner.pubkey();
    let (dir, localnet) = (world.market.dir(), &world.market.localnet);
    localnet.airdrop(&cold, SOL).await.unwrap();
    localnet.mint_usdc(&cold, 50 * USDC).await.unwrap();
    let mut nodes = Vec::new();
    for name in ["one", "two"] {
        let hot = Keypair::new();
        localnet.airdrop(&hot.pubkey(), SOL).await.unwrap();
        let state = dir.join(format!("state-{name}"));
        let (state, port) = (state.to_str().unwrap(), free_port().unwrap());
        assert!(world.run(&hot, &["node", "init", "--state-dir", state]).await.status.success());
        let (key, endpoint) = (hot.pubkey().to_string(), format!("https://127.0.0.1:{port}"));
        let certificate = format!("{state}/cert.pem");
        let node = ["--node-key", &key, "--endpoint", &endpoint, "--cert", &certificate];
        if name == "one" {
            assert!(world.run(&owner, &[&["provider", "register"], &node[..]].concat()).await.status.success());
            assert!(world.run(&owner, &["provider", "stake", "50"]).await.status.success());
        } else {
            let add = [&["provider", "machine", "add"], &node[..], &["--stake-limit", "25"]].concat();
            assert!(world.run(&owner, &add).await.status.success());
        }
        let (listen, file) = (format!("127.0.0.1:{port}"), dir.join(format!("key-{key}.json")));
        let run = ["node", "run", "--keypair", file.to_str().unwrap(), "--state-dir", state, "--listen", &listen];
        let offer = ["--cpu", "--ask", "0.30", "--cpu-cores", "1", "--memory", "1GiB", "--disk", "4GiB"];
        let network = ["--url", localnet.rpc_url(), "--ws", localnet.ws_url(), "--authority"];
        let args = [&run[..], &offer, &network].concat().into_iter().map(str::to_owned).chain([cold.to_string()]);
        let log = dir.join(format!("node-{name}.log"));
        nodes.push(Process::start(name, &gridlease_binary().unwrap(), args, &[], &log).unwrap());
    }
    let record = address::provider(&cold);
    let second = address::machine(&record, 1);
    let stand = async |machines: &[Pubkey]| {
        for _ in 0..150 {
            let offers = world.market.client.offers_of(&record).await.unwrap();
            let mut found: Vec<Pubkey> = offers.iter().map(|(_, offer)| offer.machine).collect();
            found.sort_by_key(|machine| *machine != record);
            if found == machines {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("not the offers of {machines:?}");
    };
    stand(&[record, second]).await;
    let offers = world.market.client.offers_of(&record).await.unwrap();
    let limit = offers.iter().find(|(_, offer)| offer.machine == second).map(|(_, offer)| offer.stake_limit);
    assert_eq!(limit, Some(25 * USDC), "all of its machine's");
    let two = nodes.pop().unwrap();
    two.stop(Duration::from_secs(15)).await;
    stand(&[record]).await;
    nodes.pop().unwrap().stop(Duration::from_secs(15)).await;
    stand(&[]).await;
    world.stop().await;
}
