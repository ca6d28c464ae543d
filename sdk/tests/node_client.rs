//! The buyer's client against a real TLS server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

mod support;

use futures_util::StreamExt as _;
use gridlease_sdk::node_api::client::{LogStart, NodeApi, NodeError};
use gridlease_sdk::node_api::codes;
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::node::{TestNode, certificate};

fn id() -> Pubkey {
    Pubkey::new_from_array([3; 32])
}

#[tokio::test]
async fn a_node_with_the_registered_certificate_is_talked_to() {
    let node = TestNode::start().await;
    assert_eq!(node.client().health().await.unwrap().now, 7);
    let status = node.client().status(&id()).await.unwrap();
    assert_eq!((status.lease, status.phase.as_str()), (id().to_string(), "running"));
}

#[tokio::test]
async fn a_node_with_another_certificate_is_sent_nothing() {
    let node = TestNode::start().await;
    let mut pin = node.fingerprint;
    pin[31] ^= 1;
    let client = NodeApi::new(&node.endpoint, pin, node.state.provider, node.buyer.clone()).unwrap();
    for error in [client.health().await.unwrap_err(), client.push_manifest(&id(), b"{}").await.unwrap_err()] {
        assert!(matches!(error, NodeError::WrongCertificate { .. }), "{error:?}");
    }
    assert_eq!(node.requests(), 0);
}

#[tokio::test]
async fn a_node_that_shows_the_certificate_without_holding_its_key_is_sent_nothing() {
    let (shown, _) = certificate();
    let (_, other_key) = certificate();
    let node = TestNode::start_with(shown, other_key).await;
    let error = node.client().health().await.unwrap_err();
    assert!(matches!(error, NodeError::WrongCertificate { .. }), "{error:?}");
    assert_eq!(node.requests(), 0);
}

#[test]
fn an_endpoint_that_is_no_plain_https_origin_is_refused() {
    let told =
        |endpoint: &str| NodeApi::new(endpoint, [0; 32], id(), Arc::new(Keypair::new())).unwrap_err().to_string();
    for (endpoint, reason) in [
        ("http://127.0.0.1:1", "does not begin with https://"),
        ("ftp://x", "does not begin with https://"),
        ("node.example:8443", "does not begin with https://"),
        ("", "is not a URL"),
        ("https://x/api", "has a path; only a host and a port are accepted"),
        ("https://me:pw@x", "holds credentials"),
    ] {
        assert_eq!(
            told(endpoint),
            format!("the node's endpoint {endpoint:?} {reason}; the provider must register a correct one")
        );
    }
}

#[tokio::test]
async fn a_node_of_another_provider_behind_the_same_certificate_is_noticed() {
    let node = TestNode::start().await;
    let client = NodeApi::new(&node.endpoint, node.fingerprint, id(), node.buyer.clone()).unwrap();
    assert!(matches!(client.health().await, Err(NodeError::BadAnswer { .. })));
    let error = client.status(&id()).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::Refused { status: 401, detail } if detail.code == codes::BAD_SIGNATURE),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_told_with_the_nodes_reason_and_hint_and_is_not_tried_again() {
    let node = TestNode::start().await;
    let stranger = Arc::new(Keypair::new());
    let key = solana_signer::Signer::pubkey(&*stranger);
    let error = node.client_of(stranger).status(&id()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the node refused (403 not_your_lease): {key} is not the buyer; use the buyer's keypair")
    );
    assert_eq!(node.requests(), 1);
}

#[tokio::test]
async fn a_client_whose_clock_is_off_is_told_so() {
    let node = TestNode::start().await;
    let error = node.client().with_clock(|| 1_000).status(&id()).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::Refused { status: 401, detail } if detail.code == codes::CLOCK_DRIFT),
        "{error:?}"
    );
    assert!(error.to_string().ends_with("so set the clock"), "{error}");
}

#[tokio::test]
async fn issue9_08_a_client_whose_clock_is_a_day_off_signs_in_the_nodes_time() {
    let node = TestNode::start().await;
    node.state.health_now.store(support::node::machine_time(), Ordering::SeqCst);
    node.write_log(&["one line"]);
    let late = || node.client().with_clock(|| support::node::machine_time() - 86_400);
    late().status(&id()).await.unwrap();
    late().push_manifest(&id(), b"{}").await.unwrap();
    let client = late();
    let lines: Vec<_> = client.logs(id(), LogStart::Beginning, false).collect().await;
    assert_eq!(lines.into_iter().map(|line| line.unwrap().line).collect::<Vec<_>>(), ["one line"]);
    let before = node.requests();
    client.status(&id()).await.unwrap();
    assert_eq!(node.requests(), before + 1, "once corrected, the first signature is right");
}

#[tokio::test]
async fn a_node_at_fault_is_asked_again_with_a_new_nonce_and_given_up_after_five_times() {
    let node = TestNode::start().await;
    node.state.failing.store(2, Ordering::SeqCst);
    node.client().status(&id()).await.unwrap();
    assert_eq!(node.requests(), 3);
    node.state.failing.store(100, Ordering::SeqCst);
    let error = node.client().status(&id()).await.unwrap_err();
    assert!(matches!(error, NodeError::Refused { status: 503, .. }), "{error:?}");
    assert_eq!(node.requests(), 8);
}

#[tokio::test]
async fn a_node_that_is_down_is_told_with_its_endpoint() {
    let node = TestNode::start().await;
    let endpoint = format!("https://127.0.0.1:{}", support::free_port());
    let client = NodeApi::new(&endpoint, node.fingerprint, id(), node.buyer.clone())
        .unwrap()
        .with_retry(backon::ExponentialBuilder::default().with_max_times(0));
    let told = client.health().await.unwrap_err().to_string();
    assert!(told.starts_with(&format!("the node at {endpoint} cannot be reached: ")), "{told}");
}

#[tokio::test]
async fn a_manifest_arrives_as_it_was() {
    let node = TestNode::start().await;
    node.client().push_manifest(&id(), b"{\"a\":1}").await.unwrap();
    assert_eq!(*node.state.manifests.lock().unwrap(), [b"{\"a\":1}"]);
}

#[tokio::test]
async fn an_input_arrives_whole_again_after_a_fault_and_twice_without_harm() {
    let node = TestNode::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &content).unwrap();
    let hash: [u8; 32] = Sha256::digest(&content).into();
    node.state.failing.store(1, Ordering::SeqCst);
    for _ in 0..2 {
        node.client().push_input(&id(), &path, hash).await.unwrap();
    }
    assert!(node.state.inputs.lock().unwrap()[&hex::encode(hash)] == content);
}

#[tokio::test]
async fn an_input_that_is_not_the_one_named_or_not_there_is_not_sent() {
    let node = TestNode::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    std::fs::write(&path, "changed").unwrap();
    let error = node.client().push_input(&id(), &path, [0; 32]).await.unwrap_err();
    assert!(matches!(error, NodeError::InputMismatch { .. }), "{error:?}");
    let missing = dir.path().join("missing");
    let error = node.client().push_input(&id(), &missing, [0; 32]).await.unwrap_err();
    assert!(matches!(error, NodeError::File { .. }), "{error:?}");
    assert_eq!(node.requests(), 0);
}
