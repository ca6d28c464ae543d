//! The local network as its users meet it: started, funded, steered, stopped. Every test runs a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on fails.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use gridlease_localnet::{Localnet, LocalnetConfig, LocalnetError, USDC_DECIMALS};
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_signer::Signer;

fn client(net: &Localnet) -> RpcClient {
    RpcClient::new_with_commitment(net.rpc_url().to_owned(), CommitmentConfig::confirmed())
}

fn fast() -> LocalnetConfig {
    LocalnetConfig { slot_ms: 50, ..LocalnetConfig::default() }
}

#[tokio::test]
async fn slots_advance_and_the_chain_clock_follows_the_wall_clock() {
    let net = Localnet::start(LocalnetConfig::default()).await.unwrap();
    let first = net.slot().await.unwrap();
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let passed = net.slot().await.unwrap() - first;
    let due = u64::try_from(begun.elapsed().as_millis()).unwrap() / 400;
    assert!(passed.abs_diff(due) <= 2, "{passed} slots, {due} were due");
    let chain = net.unix_timestamp().await.unwrap();
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((chain - i64::try_from(wall).unwrap()).abs() <= 2, "chain {chain}, wall {wall}");
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn sol_arrives_at_genesis_and_by_airdrop_even_twice_the_same() {
    let [at_genesis, later] = [Pubkey::new_unique(), Pubkey::new_unique()];
    let net =
        Localnet::start(LocalnetConfig { genesis_airdrops: vec![(at_genesis, 7_000_000)], ..fast() }).await.unwrap();
    for _ in 0..3 {
        net.airdrop(&later, 2_000_000).await.unwrap();
    }
    let rpc = client(&net);
    let processed = CommitmentConfig::processed();
    let balance = async |account| rpc.get_balance_with_commitment(account, processed).await.unwrap().value;
    assert_eq!(balance(&at_genesis).await, 7_000_000);
    assert_eq!(balance(&later).await, 6_000_000);
    let refused = net.airdrop(&Pubkey::new_unique(), 0).await.unwrap_err();
    assert!(refused.to_string().contains("airdrop of 0 lamports"), "{refused}");
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_genesis_airdrop_that_the_chain_refuses_ends_the_start() {
    let account = Pubkey::new_unique();
    let error = Localnet::start(LocalnetConfig { genesis_airdrops: vec![(account, 1)], ..fast() }).await.unwrap_err();
    assert!(matches!(error, LocalnetError::Start { .. }));
    assert!(error.to_string().contains(&account.to_string()), "{error}");
}

#[tokio::test]
async fn usdc_is_a_real_mint_with_six_decimals_and_adds_up() {
    let net = Localnet::start(fast()).await.unwrap();
    let owner = Pubkey::new_unique();
    assert!(matches!(net.mint_usdc(&owner, 1).await, Err(LocalnetError::NoMint)));
    let [mint, authority] = [Keypair::new(), Keypair::new()];
    assert_eq!(net.create_usdc_mint(&mint, &authority).await.unwrap(), mint.pubkey());
    assert_eq!(net.usdc_mint(), Some(mint.pubkey()));
    assert!(matches!(net.create_usdc_mint(&Keypair::new(), &authority).await, Err(LocalnetError::MintExists { .. })));
    // At the same time and equal, so in one slot: each must count.
    let (first, second, third) =
        tokio::join!(net.mint_usdc(&owner, 1_500_000), net.mint_usdc(&owner, 1_500_000), net.mint_usdc(&owner, 0));
    let account = first.unwrap();
    assert_eq!([account; 2], [second.unwrap(), third.unwrap()]);
    let balance = client(&net).get_token_account_balance(&account).await.unwrap();
    assert_eq!((balance.amount.as_str(), balance.decimals), ("3000000", USDC_DECIMALS));
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn two_networks_live_side_by_side_and_share_nothing() {
    let (one, two) = tokio::join!(Localnet::start(fast()), Localnet::start(fast()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.rpc_url(), two.rpc_url());
    let account = Pubkey::new_unique();
    one.airdrop(&account, 5_000_000).await.unwrap();
    let processed = CommitmentConfig::processed();
    for (net, expected) in [(&one, 5_000_000), (&two, 0)] {
        // Several times: the server has several threads with a socket each.
        for _ in 0..12 {
            let seen = client(net).get_balance_with_commitment(&account, processed).await.unwrap();
            assert_eq!(seen.value, expected);
        }
    }
    one.shutdown().await.unwrap();
    two.slot().await.unwrap();
    two.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named_and_nothing_is_started() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port();
    for (rpc_port, ws_port, service) in [(Some(port), None, "JSON-RPC"), (None, Some(port), "websocket")] {
        let error = Localnet::start(LocalnetConfig { rpc_port, ws_port, ..fast() }).await.unwrap_err();
        assert!(matches!(error, LocalnetError::PortInUse { port: p, .. } if p == port));
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains(service), "{text}");
    }
}

#[tokio::test]
async fn pausing_stops_slot_and_clock_and_resuming_lets_them_go_on() {
    let net = Localnet::start(fast()).await.unwrap();
    net.pause().await.unwrap();
    let slot = net.slot().await.unwrap();
    let time = net.unix_timestamp().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(net.slot().await.unwrap(), slot);
    assert_eq!(net.unix_timestamp().await.unwrap(), time);
    net.advance_slots(40).await.unwrap();
    assert_eq!(net.slot().await.unwrap(), slot + 40);
    assert_eq!(net.unix_timestamp().await.unwrap(), time + 2, "40 slots of 50 ms");
    net.resume().unwrap();
    let mut now = slot + 40;
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        now = net.slot().await.unwrap();
        if now > slot + 40 {
            break;
        }
    }
    assert!(now > slot + 40);
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_clock_can_be_sent_ahead_but_not_back_and_the_chain_still_works() {
    let net = Localnet::start(fast()).await.unwrap();
    net.create_usdc_mint(&Keypair::new(), &Keypair::new()).await.unwrap();
    net.pause().await.unwrap();
    let [slot, before] = [net.slot().await.unwrap(), net.unix_timestamp().await.unwrap().cast_unsigned()];
    let after = net.advance_time(Duration::from_secs(3_600)).await.unwrap();
    let passed = after.cast_unsigned() - before;
    assert!((3_600..=3_601).contains(&passed), "{passed} s");
    let slots = net.slot().await.unwrap() - slot;
    assert!((3_599 * 20..=3_602 * 20).contains(&slots), "{slots} slots of 50 ms in an hour");
    let back = net.time_travel(after - 10).await.unwrap_err();
    assert!(back.to_string().contains("only moves forward"), "{back}");
    let far = net.advance_time(Duration::from_secs(400 * 24 * 3_600)).await.unwrap_err();
    assert!(matches!(far, LocalnetError::Clock { .. }));
    assert_eq!(net.time_travel(after + 60).await.unwrap(), after + 60);
    net.resume().unwrap();
    let owner = Pubkey::new_unique();
    net.mint_usdc(&owner, 5).await.unwrap();
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutting_down_frees_the_ports_for_the_next_network() {
    let net = Localnet::start(fast()).await.unwrap();
    let port = |url: &str| url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let config = LocalnetConfig { rpc_port: Some(port(net.rpc_url())), ws_port: Some(port(net.ws_url())), ..fast() };
    let old = net.slot().await.unwrap();
    net.shutdown().await.unwrap();
    for _ in 0..2 {
        let again = Localnet::start(config.clone()).await.unwrap();
        assert!(again.slot().await.unwrap() <= old + 40, "a new chain");
        again.shutdown().await.unwrap();
    }
    // A network that is only dropped lets go of its ports as well, a moment later.
    drop(Localnet::start(config.clone()).await.unwrap());
    let mut attempts = 0;
    let again = loop {
        match Localnet::start(config.clone()).await {
            Err(LocalnetError::PortInUse { .. }) if attempts < 200 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => break result.unwrap(),
        }
    };
    again.shutdown().await.unwrap();
}

#[test]
fn a_whole_life_leaves_no_file_in_the_working_directory_and_prints_nothing() {
    // In a process of its own, because the working directory and the output belong to the process.
    const MARK: &str = "GRIDLEASE_LOCALNET_TEST_CHILD";
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::var_os(MARK).is_some() {
        runtime().block_on(async {
            let net = Localnet::start(fast()).await.unwrap();
            net.create_usdc_mint(&Keypair::new(), &Keypair::new()).await.unwrap();
            net.mint_usdc(&Pubkey::new_unique(), 5).await.unwrap();
            net.shutdown().await.unwrap();
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "a_whole_life_leaves_no_file_in_the_working_directory_and_prints_nothing",
            "--exact",
            "--nocapture",
            "--quiet",
        ])
        .env(MARK, "1")
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing on standard error");
    let printed = String::from_utf8_lossy(&output.stdout);
    for line in printed.lines().filter(|line| !line.trim().is_empty()) {
        // What the test runner itself prints.
        assert!(
            line.starts_with("running 1 test") || line.starts_with("test result: ok") || line == ".",
            "printed: {line}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn each_network_that_has_ended_leaves_only_its_sleeping_clock_thread() {
    const MARK: &str = "GRIDLEASE_LOCALNET_TEST_THREADS";
    let names = || -> Vec<String> {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
            .map(|name| name.trim().to_owned())
            .collect()
    };
    if std::env::var_os(MARK).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["each_network_that_has_ended_leaves_only_its_sleeping_clock_thread", "--exact"])
            .env(MARK, "1")
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let life = || {
        runtime.block_on(async {
            let net = Localnet::start(fast()).await.unwrap();
            let socket = PubsubClient::new(net.ws_url()).await.unwrap();
            let _slots = socket.slot_subscribe().await.unwrap();
            net.shutdown().await.unwrap();
        });
    };
    // The first network also starts what all of them share: the executor of the JSON-RPC library.
    life();
    std::thread::sleep(Duration::from_secs(2));
    let first = names();
    life();
    // The websocket's runtime ends a moment after its port is free.
    let mut second = names();
    for _ in 0..400 {
        if second.len() <= first.len() + 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        second = names();
    }
    assert!(second.len() <= first.len() + 1, "{first:?}, then {second:?}");
}
