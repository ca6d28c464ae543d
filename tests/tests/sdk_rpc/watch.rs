//! Subscriptions, and connections that break.

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt as _;
use gridlease_localnet::Localnet;
use gridlease_sdk::rpc::{AccountUpdate, ClientConfig, ProgramQuery, SendOptions, Watch, WatchConfig, WatchEvent};
use gridlease_sdk::view::observe::{Observer, Seen, Target};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use solana_system_interface::instruction::transfer;

use crate::{
    SOL, client, client_at,
    faults::{Fault, RpcProxy, WireProxy},
    funded, impatient, network,
};

/// Nothing is read but at the beginning and after a connection.
const NEVER: Duration = Duration::from_secs(3_600);
/// Longest that a test waits for an event that must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn no_polls() -> WatchConfig {
    WatchConfig { poll: NEVER, rescan: NEVER, ..WatchConfig::default() }
}

fn quick_polls() -> WatchConfig {
    let often = Duration::from_millis(200);
    WatchConfig { poll: often, rescan: often, ..WatchConfig::default() }
}

async fn next(watch: &mut Watch) -> WatchEvent {
    tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap()
}

/// The next state, notices left out.
async fn next_update(watch: &mut Watch) -> AccountUpdate {
    loop {
        if let WatchEvent::Account(update) = next(watch).await {
            return update;
        }
    }
}

async fn until_connected(watch: &mut Watch) {
    while next(watch).await != WatchEvent::Connected {}
}

async fn until_disconnected(watch: &mut Watch) -> String {
    loop {
        if let WatchEvent::Disconnected { reason } = next(watch).await {
            return reason;
        }
    }
}

fn lamports(update: &AccountUpdate) -> Option<u64> {
    update.account.as_ref().map(|account| account.lamports)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_begins_with_the_present_and_tells_each_change_once() {
    let net = network().await;
    let key = Pubkey::new_unique();
    let mut watch = client(&net).watch_account_with(key, no_polls());
    let first = next(&mut watch).await;
    assert!(
        matches!(&first, WatchEvent::Account(update) if update.key == key && update.account.is_none()),
        "{first:?}"
    );
    assert_eq!(next(&mut watch).await, WatchEvent::Connected);
    for total in 1..=3 {
        net.airdrop(&key, SOL).await.unwrap();
        assert_eq!(lamports(&next_update(&mut watch).await), Some(total * SOL));
    }
    let again = tokio::time::timeout(Duration::from_millis(500), watch.next()).await;
    assert!(again.is_err(), "{again:?}");
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_closed_is_told_as_gone() {
    let net = network().await;
    let client = client(&net);
    let (payer, leaving) = (funded(&net).await, funded(&net).await);
    let mut watch = client.watch_account_with(leaving.pubkey(), quick_polls());
    assert_eq!(lamports(&next_update(&mut watch).await), Some(SOL));
    until_connected(&mut watch).await;
    let all = [transfer(&leaving.pubkey(), &payer.pubkey(), SOL)];
    client.send(&all, &payer, &[&leaving], &SendOptions::default()).await.unwrap();
    assert_eq!(next_update(&mut watch).await.account, None);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_told_and_what_happened_meanwhile_is_not_missed() {
    let net = network().await;
    let wire = WireProxy::start(net.ws_url()).await;
    let client = client_at(net.rpc_url(), &wire.url, ClientConfig::default());
    let key = funded(&net).await.pubkey();
    let mut watch = client.watch_account_with(key, no_polls());
    until_connected(&mut watch).await;
    for round in 1..=3 {
        wire.cut();
        until_disconnected(&mut watch).await;
        net.airdrop(&key, SOL).await.unwrap();
        wire.mend();
        assert_eq!(lamports(&next_update(&mut watch).await), Some((2 * round) * SOL));
        assert_eq!(next(&mut watch).await, WatchEvent::Connected);
        // And it listens again.
        net.airdrop(&key, SOL).await.unwrap();
        assert_eq!(lamports(&next_update(&mut watch).await), Some((2 * round + 1) * SOL));
    }
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_websocket_a_watch_reads_from_time_to_time() {
    let net = network().await;
    let client = client_at(net.rpc_url(), "ws://127.0.0.1:1", impatient());
    let key = funded(&net).await.pubkey();
    let mut watch = client.watch_account_with(key, quick_polls());
    let reason = until_disconnected(&mut watch).await;
    assert!(reason.contains("cannot connect to ws://127.0.0.1:1"), "{reason}");
    net.airdrop(&key, SOL).await.unwrap();
    while lamports(&next_update(&mut watch).await) != Some(2 * SOL) {}
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_looks_alive_and_is_dead_is_noticed_and_replaced() {
    let net = network().await;
    let wire = WireProxy::start(net.ws_url()).await;
    let client = client_at(net.rpc_url(), &wire.url, ClientConfig::default());
    let key = funded(&net).await.pubkey();
    let mut watch = client.watch_account_with(key, quick_polls());
    until_connected(&mut watch).await;
    wire.stall();
    for total in 2..=3 {
        net.airdrop(&key, SOL).await.unwrap();
        assert_eq!(lamports(&next_update(&mut watch).await), Some(total * SOL));
    }
    let reason = until_disconnected(&mut watch).await;
    assert!(reason.contains("silent"), "{reason}");
    until_connected(&mut watch).await;
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_fail_are_told_although_the_subscription_is_up() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), impatient());
    let key = funded(&net).await.pubkey();
    let mut watch = client.watch_account_with(key, quick_polls());
    until_connected(&mut watch).await;
    proxy.set(Fault::Dead);
    let reason = until_disconnected(&mut watch).await;
    assert!(reason.contains("503"), "{reason}");
    net.airdrop(&key, SOL).await.unwrap();
    assert_eq!(lamports(&next_update(&mut watch).await), Some(2 * SOL));
    proxy.set(Fault::None);
    until_connected(&mut watch).await;
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_watch_closes_its_connection() {
    let net = network().await;
    let wire = WireProxy::start(net.ws_url()).await;
    let client = client_at(net.rpc_url(), &wire.url, ClientConfig::default());
    let mut watch = client.watch_account(Pubkey::new_unique());
    until_connected(&mut watch).await;
    assert_eq!(wire.open(), 1);
    drop(watch);
    let closed = async {
        while wire.open() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secure_websocket_to_a_server_without_tls_is_an_error_and_no_panic() {
    let net = network().await;
    let client = client_at(net.rpc_url(), &net.ws_url().replace("ws://", "wss://"), impatient());
    let mut watch = client.watch_account(Pubkey::new_unique());
    let reason = until_disconnected(&mut watch).await;
    assert!(reason.contains("wss://127.0.0.1"), "{reason}");
    net.shutdown().await.unwrap();
}

/// The token accounts of the network's USDC, eight bytes of each: the amount.
fn balances(mint: &Pubkey) -> ProgramQuery {
    ProgramQuery::new(spl_token_interface::ID).data_size(165).bytes_at(0, mint.as_ref()).slice(64, 8)
}

fn amount(update: &AccountUpdate) -> Option<u64> {
    let data = update.account.as_ref()?.data.as_slice();
    Some(u64::from_le_bytes(data.try_into().unwrap()))
}

/// Reads on until every account is as wanted (`None`: gone).
async fn until_balances(watch: &mut Watch, wanted: &[(Pubkey, Option<u64>)]) {
    let mut seen: HashMap<Pubkey, Option<u64>> = HashMap::new();
    while !wanted.iter().all(|(key, amount)| seen.get(key) == Some(amount)) {
        let update = next_update(watch).await;
        seen.insert(update.key, amount(&update));
    }
}

fn close(account: &Pubkey, owner: &Pubkey) -> Instruction {
    spl_token_interface::instruction::close_account(&spl_token_interface::ID, account, owner, owner, &[]).unwrap()
}

async fn usdc(net: &Localnet) -> Pubkey {
    net.create_usdc_mint(&Keypair::new(), &Keypair::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_accounts_are_followed_through_a_broken_connection() {
    let net = network().await;
    let wire = WireProxy::start(net.ws_url()).await;
    let client = client_at(net.rpc_url(), &wire.url, ClientConfig::default());
    let mint = usdc(&net).await;
    let owners = [Pubkey::new_unique(), Pubkey::new_unique(), Pubkey::new_unique()];
    let first = net.mint_usdc(&owners[0], 1).await.unwrap();
    let mut watch = client.watch_program_with(balances(&mint), no_polls()).unwrap();
    until_balances(&mut watch, &[(first, Some(1))]).await;
    until_connected(&mut watch).await;
    // By notification: a new one and a changed one.
    let second = net.mint_usdc(&owners[1], 2).await.unwrap();
    net.mint_usdc(&owners[0], 10).await.unwrap();
    until_balances(&mut watch, &[(second, Some(2)), (first, Some(11))]).await;
    // While nobody listens: the same.
    wire.cut();
    until_disconnected(&mut watch).await;
    let third = net.mint_usdc(&owners[2], 3).await.unwrap();
    net.mint_usdc(&owners[1], 20).await.unwrap();
    wire.mend();
    until_balances(&mut watch, &[(third, Some(3)), (second, Some(22))]).await;
    until_connected(&mut watch).await;
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_account_that_is_closed_is_told_as_gone() {
    let net = network().await;
    let client = client(&net);
    let mint = usdc(&net).await;
    let owner = funded(&net).await;
    let account = net.mint_usdc(&owner.pubkey(), 0).await.unwrap();
    let mut watch = client.watch_program_with(balances(&mint), quick_polls()).unwrap();
    until_balances(&mut watch, &[(account, Some(0))]).await;
    client.send(&[close(&account, &owner.pubkey())], &owner, &[], &SendOptions::default()).await.unwrap();
    until_balances(&mut watch, &[(account, None)]).await;
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_of_is_read_once_more_when_it_falls_silent() {
    let net = network().await;
    let client = client(&net);
    let mint = usdc(&net).await;
    let owner = funded(&net).await;
    let unheard = Some(Duration::from_millis(1_500));
    let mut watch = client.watch_program_with(balances(&mint), WatchConfig { unheard, ..no_polls() }).unwrap();
    until_connected(&mut watch).await;
    // No server tells who follows the query that this one is closed, and there are no other reads.
    let account = net.mint_usdc(&owner.pubkey(), 0).await.unwrap();
    until_balances(&mut watch, &[(account, Some(0))]).await;
    client.send(&[close(&account, &owner.pubkey())], &owner, &[], &SendOptions::default()).await.unwrap();
    until_balances(&mut watch, &[(account, None)]).await;
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_goes_from_one_query_to_another_is_not_taken_for_gone() {
    let net = network().await;
    let client = client(&net);
    let mint = usdc(&net).await;
    let owner = Pubkey::new_unique();
    let with = |amount: u64| Target::Query(balances(&mint).bytes_at(64, &amount.to_le_bytes()));
    let account = net.mint_usdc(&owner, 1).await.unwrap();
    // Only the first is read again, so it alone says that it has the account no more, long after the second had it.
    let targets = vec![(with(1), quick_polls()), (with(3), no_polls())];
    let mut observer = Observer::new(&client, targets).unwrap();
    let told = async |observer: &mut Observer| loop {
        match tokio::time::timeout(Duration::from_secs(2), observer.next_of_each()).await {
            Ok(told) => {
                if let WatchEvent::Account(update) = told.unwrap().news {
                    return Some(amount(&update));
                }
            }
            Err(_) => return None,
        }
    };
    assert_eq!(told(&mut observer).await, Some(Some(1)));
    while !(observer.is_up(0) && observer.is_up(1)) {
        let told = tokio::time::timeout(PATIENCE, observer.next_of_each()).await.unwrap();
        assert!(!matches!(told.unwrap().news, WatchEvent::Account(_)));
    }
    net.mint_usdc(&owner, 2).await.unwrap();
    assert_eq!(told(&mut observer).await, Some(Some(3)));
    assert_eq!(told(&mut observer).await, None, "nobody says that it is gone");
    // Read by somebody, it is of neither.
    let gone = Seen { slot: client.slot().await.unwrap() + 1, address: account, account: None };
    observer.saw(&gone);
    assert_eq!(told(&mut observer).await, Some(None));
    net.shutdown().await.unwrap();
}
