//! Sending, and every way in which it can end.

use std::time::Duration;

use gridlease_sdk::rpc::{Client, ClientConfig, RpcError, SendError, SendOptions};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use solana_system_interface::instruction::transfer;

use crate::{
    SOL, client, client_at,
    faults::{Fault, RpcProxy},
    funded, impatient, network,
};

const AMOUNT: u64 = 5_000_000;

/// Options with which an expiry is noticed soon.
fn quick() -> SendOptions {
    SendOptions { rebroadcast: Duration::from_millis(200), poll: Duration::from_millis(100), ..SendOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_lands_and_says_what_it_cost() {
    let net = network().await;
    let client = client(&net);
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    let landed =
        client.send(&[transfer(&payer.pubkey(), &to, AMOUNT)], &payer, &[], &SendOptions::default()).await.unwrap();
    assert_eq!(client.lamports(&to).await.unwrap(), AMOUNT);
    let fee = landed.fee.unwrap();
    assert_eq!(client.lamports(&payer.pubkey()).await.unwrap(), SOL - AMOUNT - fee);
    // The transfer and the compute limit, 150 units each.
    assert_eq!(landed.units_consumed, Some(300));
    assert!(landed.slot > 0);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_transfers_at_the_same_time_are_two_transactions() {
    let net = network().await;
    let client = client(&net);
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    let instructions = [transfer(&payer.pubkey(), &to, AMOUNT)];
    let options = SendOptions::default();
    let (first, second) = tokio::join!(
        client.send(&instructions, &payer, &[], &options),
        client.send(&instructions, &payer, &[], &options)
    );
    assert_ne!(first.unwrap().signature, second.unwrap().signature);
    assert_eq!(client.lamports(&to).await.unwrap(), 2 * AMOUNT);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_that_would_fail_is_not_sent_and_its_logs_are_shown() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    let instructions = [transfer(&payer.pubkey(), &to, AMOUNT), transfer(&payer.pubkey(), &to, 2 * SOL)];
    let error = client.send(&instructions, &payer, &[], &SendOptions::default()).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.instruction, Some(1), "{failure:?}");
    assert_eq!(failure.program, Some(solana_sdk_ids::system_program::ID));
    assert_eq!(failure.code, Some(1));
    assert_eq!(failure.signature, None);
    let text = error.to_string();
    assert!(text.contains("insufficient lamports") && text.contains("nothing was sent"), "{text}");
    assert_eq!(proxy.sendings(), 0);
    assert_eq!(client.lamports(&payer.pubkey()).await.unwrap(), SOL);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_without_sol_is_told_to_fund_it() {
    let net = network().await;
    let payer = Keypair::new();
    let instructions = [transfer(&payer.pubkey(), &Pubkey::new_unique(), AMOUNT)];
    let error = client(&net).send(&instructions, &payer, &[], &SendOptions::default()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("too little SOL") && text.contains(&payer.pubkey().to_string()), "{text}");
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_only_when_it_lands_is_reported_with_signature_and_logs() {
    let net = network().await;
    let client = client(&net);
    let (payer, other, to) = (funded(&net).await, funded(&net).await, Pubkey::new_unique());
    let options = SendOptions::default();
    let instructions = [transfer(&other.pubkey(), &to, SOL / 2)];
    let late = client.prepare(&instructions, &payer, &[&other], &options).await.unwrap();
    client.send(&[transfer(&other.pubkey(), &to, SOL)], &payer, &[&other], &options).await.unwrap();
    let error = client.deliver(&late, &options).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.signature, Some(late.signature()));
    assert_eq!((failure.instruction, failure.code), (Some(0), Some(1)));
    assert!(error.to_string().contains("it landed as failed"), "{error}");
    assert!(failure.detail().unwrap().contains("insufficient lamports"), "{failure:?}");
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_that_is_lost_is_repeated_until_it_lands() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    proxy.set(Fault::SwallowSome(3));
    client.send(&[transfer(&payer.pubkey(), &to, AMOUNT)], &payer, &[], &quick()).await.unwrap();
    assert!(proxy.sendings() > 3);
    assert_eq!(client.lamports(&to).await.unwrap(), AMOUNT);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_repetitions_still_pay_once() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    proxy.set(Fault::LoseAnswers);
    // While the clock stands still nothing is confirmed, so that the same bytes are certainly sent again.
    net.pause().await.unwrap();
    let sending = tokio::spawn({
        let (client, payer) = (client.clone(), payer.insecure_clone());
        async move { client.send(&[transfer(&payer.pubkey(), &to, AMOUNT)], &payer, &[], &quick()).await }
    });
    while proxy.sendings() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    proxy.set(Fault::None);
    while proxy.sendings() < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    net.resume().unwrap();
    sending.await.unwrap().unwrap();
    assert_eq!(client.lamports(&to).await.unwrap(), AMOUNT);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_never_arrives_expires_and_can_never_land_afterwards() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    let prepared = client.prepare(&[transfer(&payer.pubkey(), &to, AMOUNT)], &payer, &[], &quick()).await.unwrap();
    proxy.set(Fault::SwallowSendings);
    let (error, ()) = tokio::join!(async { client.deliver(&prepared, &quick()).await.unwrap_err() }, async {
        net.advance_slots(200).await.unwrap();
    });
    assert!(matches!(&error, SendError::Expired { signature, .. } if *signature == prepared.signature()), "{error}");
    assert!(error.is_safe_to_retry() && error.to_string().contains("safe to send it again"), "{error}");
    // The promise: these bytes are refused from now on.
    proxy.set(Fault::None);
    let again = client.deliver(&prepared, &quick()).await.unwrap_err();
    assert!(matches!(again, SendError::Expired { .. }), "{again}");
    assert_eq!(client.lamports(&to).await.unwrap(), 0);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_transaction_is_made_anew_and_lands_once() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    proxy.set(Fault::SwallowSendings);
    let instructions = [transfer(&payer.pubkey(), &to, AMOUNT)];
    let options = quick();
    let (landed, ()) = tokio::join!(client.send_with_retry(&instructions, &payer, &[], &options, 5), async {
        while proxy.sendings() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        net.advance_slots(200).await.unwrap();
        // Let the first one be given up before anything gets through.
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.set(Fault::None);
    });
    landed.unwrap();
    assert_eq!(client.lamports(&to).await.unwrap(), AMOUNT);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_learnt_is_unknown_and_can_be_asked_for_later() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    let client = client_at(&proxy.url, net.ws_url(), ClientConfig::default());
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    let options = SendOptions { lost_after: Duration::from_secs(1), ..quick() };
    let prepared = client.prepare(&[transfer(&payer.pubkey(), &to, AMOUNT)], &payer, &[], &options).await.unwrap();
    proxy.set(Fault::Dead);
    let error = client.deliver(&prepared, &options).await.unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }) && !error.is_safe_to_retry(), "{error}");
    assert!(error.to_string().contains(&format!("solana confirm {}", prepared.signature())), "{error}");
    proxy.set(Fault::None);
    client.deliver(&prepared, &options).await.unwrap();
    assert_eq!(client.lamports(&to).await.unwrap(), AMOUNT);
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_stands_still_gives_an_unknown_outcome_in_bounded_time() {
    let net = network().await;
    let client = client(&net);
    let (payer, to) = (funded(&net).await, Pubkey::new_unique());
    net.pause().await.unwrap();
    let options = SendOptions { max_wait: Duration::from_secs(1), ..quick() };
    let error = client.send(&[transfer(&payer.pubkey(), &to, AMOUNT)], &payer, &[], &options).await.unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }), "{error}");
    net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_that_is_down_is_named_with_advice_and_without_its_key() {
    // A port that nobody listens on: it was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client =
        client_at(&format!("http://user:secret@{free}/secret?api-key=secret"), "ws://127.0.0.1:1", impatient());
    let payer = Keypair::new();
    let instructions = [transfer(&payer.pubkey(), &Pubkey::new_unique(), AMOUNT)];
    let errors = [
        client.send(&instructions, &payer, &[], &quick()).await.unwrap_err().to_string(),
        client.slot().await.unwrap_err().to_string(),
    ];
    for text in errors {
        assert!(text.contains(&format!("RPC at http://{free} cannot be reached")), "{text}");
        assert!(text.contains("check --url") && !text.contains("secret"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_rpc_meets_the_time_limit() {
    let net = network().await;
    let proxy = RpcProxy::start(net.rpc_url()).await;
    proxy.set(Fault::Slow);
    let config = ClientConfig { request_timeout: Duration::from_millis(200), retries: 2, ..ClientConfig::default() };
    let client = client_at(&proxy.url, net.ws_url(), config);
    let error = client.slot().await.unwrap_err();
    assert!(matches!(error, RpcError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("did not answer within 200 ms"), "{error}");
    let payer = Keypair::new();
    let instructions = [transfer(&payer.pubkey(), &Pubkey::new_unique(), AMOUNT)];
    let error = client.send(&instructions, &payer, &[], &quick()).await.unwrap_err();
    assert!(matches!(error, SendError::Rpc(RpcError::Timeout { .. })), "{error}");
    net.shutdown().await.unwrap();
}

#[test]
fn a_sending_future_can_be_spawned() {
    fn is_send(_: impl Send) {}
    fn all(client: &Client, payer: &Keypair, options: &SendOptions) {
        is_send(client.send(&[], payer, &[], options));
        is_send(client.send_with_retry(&[], payer, &[payer], options, 3));
    }
    let _ = all;
}
