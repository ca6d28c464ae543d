//! Reads.

use gridlease_sdk::rpc::{ClientConfig, ProgramQuery, RpcError};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::{
    SOL, client, client_at,
    faults::{Fault, RpcProxy},
    funded, network,
};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found_or_not_in_the_order_asked_for_however_many() {
    let net = network().await;
    let client = client(&net);
    let rich = funded(&net).await.pubkey();
    let nobody = Pubkey::new_unique();
    assert_eq!(client.account(&rich).await.unwrap().unwrap().lamports, SOL);
    assert_eq!(client.account(&nobody).await.unwrap(), None);
    assert_eq!(client.lamports(&nobody).await.unwrap(), 0);
    let keys: Vec<Pubkey> = (0..205).map(|at| if at % 3 == 0 { rich } else { Pubkey::new_unique() }).collect();
    let found = client.accounts(&keys).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (key, account) in keys.iter().zip(found) {
        assert_eq!(account.map(|account| account.lamports), (*key == rich).then_some(SOL));
    }
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_accounts_are_filtered_and_sliced_and_a_token_balance_read() {
    let net = network().await;
    let client = client(&net);
    let mint = net.create_usdc_mint(&Keypair::new(), &Keypair::new()).await.unwrap();
    let owners = [Pubkey::new_unique(), Pubkey::new_unique()];
    let mut accounts = Vec::new();
    for (owner, atoms) in owners.iter().zip([7, 9]) {
        accounts.push(net.mint_usdc(owner, atoms).await.unwrap());
    }
    let of_mint = ProgramQuery::new(spl_token_interface::ID).data_size(165).bytes_at(0, mint.as_ref());
    let mut found: Vec<(Pubkey, Vec<u8>)> = client
        .program_accounts(&of_mint.clone().slice(64, 8))
        .await
        .unwrap()
        .into_iter()
        .map(|(key, account)| (key, account.data))
        .collect();
    found.sort_by_key(|(_, data)| data.clone());
    assert_eq!(found, [(accounts[0], 7u64.to_le_bytes().to_vec()), (accounts[1], 9u64.to_le_bytes().to_vec())]);
    let of_owner = client.program_accounts(&of_mint.bytes_at(32, owners[1].as_ref())).await.unwrap();
    assert_eq!(of_owner.len(), 1);
    assert_eq!(of_owner[0].1.data.len(), 165);

    assert_eq!(client.token_balance(&accounts[1]).await.unwrap(), Some(9));
    assert_eq!(client.token_balance(&Pubkey::new_unique()).await.unwrap(), None);
    let error = client.token_balance(&mint).await.unwrap_err().to_string();
    assert!(error.contains("is no token account"), "{error}");
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chains_clock_is_the_one_that_programs_read() {
    let net = network().await;
    let client = client(&net);
    net.pause().await.unwrap();
    let now = client.now().await.unwrap();
    assert_eq!(i64::try_from(now.ts.get()).unwrap(), net.unix_timestamp().await.unwrap());
    assert_eq!(now.slot, net.slot().await.unwrap());
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_repeated_while_the_rpc_has_trouble_but_not_for_ever() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    proxy.set(Fault::Dead);
    let (slot, ()) = tokio::join!(client.slot(), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        proxy.set(Fault::None);
    });
    slot.unwrap();
    proxy.set(Fault::Dead);
    let error = client.slot().await.unwrap_err();
    assert!(matches!(error, RpcError::Http { status: 503, .. }), "{error}");
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_the_chains_clock_come_of_one_moment_and_in_one_request() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let rich = funded(&net).await.pubkey();
    let nobody = Pubkey::new_unique();
    let before = client.now().await.unwrap();
    let requests = proxy.requests();
    let (found, now) = client.account_and_now(&rich, None).await.unwrap();
    assert_eq!(proxy.requests(), requests + 1);
    assert_eq!(found.value.map(|account| account.lamports), Some(SOL));
    assert!(now.slot >= before.slot && now.ts >= before.ts, "{now:?} {before:?}");
    let (found, later) = client.accounts_and_now(&[nobody, rich], None).await.unwrap();
    assert_eq!(found.value.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    assert!(later.slot >= now.slot && found.slot.is_some());
    proxy.set(Fault::Dead);
    assert!(client.account_and_now(&rich, None).await.is_err());
    net.shutdown().await.unwrap();
}
