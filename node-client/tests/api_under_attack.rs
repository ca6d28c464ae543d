//! Strangers, and one greedy buyer, against the interface over real sockets; beside them an honest buyer, who is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod api_bench;

use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use api_bench::{Bench, client, key, piece, refused, sha};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gridlease_node::api::ApiLimits;
use gridlease_node::logs::{LeaseLog, LogLimits};
use gridlease_node::tls::Identity;
use gridlease_sdk::node_api::auth::empty_body_hash;
use gridlease_sdk::node_api::codes;
use gridlease_sdk::node_api::tls::pinned_client_config;
use reqwest::{Method, Response, StatusCode};
use solana_keypair::Keypair;

/// A body that says it has 60,000 bytes, sends one, and then nothing.
fn one_byte_of_many() -> reqwest::Body {
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    reqwest::Body::wrap_stream(first.chain(futures_util::stream::pending()))
}

fn slow_put(bench: &Bench, http: &reqwest::Client, path: &str, signer: Option<&Keypair>) -> reqwest::RequestBuilder {
    let url = format!("https://{}{path}", bench.server.address());
    let mut request = http.put(url).header("content-length", "60000").body(one_byte_of_many());
    let signed = signer.map(|s| bench.signed(s, &Method::PUT, path, sha(&bench.manifest), rand::random(), key(1)));
    for (name, value) in signed.into_iter().flatten() {
        request = request.header(name, value);
    }
    request
}

/// Completes a TLS handshake and says nothing.
fn shake_hands(identity: &Identity, address: SocketAddr) -> (TcpStream, rustls::ClientConnection) {
    let config = Arc::new(pinned_client_config(identity.fingerprint()).unwrap());
    let mut connection = rustls::ClientConnection::new(config, "node".try_into().unwrap()).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // One that was displaced meanwhile is as good.
    while connection.is_handshaking() && connection.complete_io(&mut socket).is_ok() {}
    (socket, connection)
}

async fn text_of(response: reqwest::Result<Response>) -> String {
    match response {
        Ok(response) => refused(response).await.1,
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_02_bodies_of_strangers_are_not_waited_for() {
    let bench = Bench::start(ApiLimits::default()).await;
    let http = client(&bench.identity).http1_only().build().unwrap();
    let anywhere = format!("/v1/jobs/{}/manifest", key(77));
    let stranger = Keypair::new();
    let attacks = (0..128).map(|n| {
        let signer = (n % 2 == 0).then_some(&stranger);
        let path = if n % 4 < 2 { bench.job("manifest") } else { anywhere.clone() };
        let request = slow_put(&bench, &http, &path, signer).timeout(Duration::from_secs(60));
        async move { text_of(request.send().await).await }
    });
    // Each is answered although its body never comes.
    let answers = futures_util::future::join_all(attacks).await;
    for answer in &answers {
        let expected = [codes::BAD_SIGNATURE, codes::NOT_YOUR_LEASE, codes::NOT_KNOWN_YET];
        assert!(expected.contains(&answer.as_str()), "{answer}");
    }
    assert_eq!(bench.push_manifest().await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_02_a_buyers_own_bodies_take_only_its_share_and_end_after_a_while() {
    let limits = ApiLimits { places: 4, places_per_key: 4, body_grace: Duration::from_secs(2), ..ApiLimits::default() };
    let bench = Bench::start(limits).await;
    let http = client(&bench.identity).http1_only().build().unwrap();
    let path = bench.job("manifest");
    let slow = (0..4).map(|_| slow_put(&bench, &http, &path, Some(&bench.buyer)).send());
    let slow = tokio::spawn(futures_util::future::join_all(slow.collect::<Vec<_>>()));
    // As soon as they hold all places, the other key takes one of them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bench.push_manifest().await.status(), StatusCode::NO_CONTENT);
    let mut ends = Vec::new();
    for answer in slow.await.unwrap() {
        ends.push(text_of(answer).await);
    }
    ends.sort();
    assert_eq!(ends, [codes::BAD_BODY, codes::BAD_BODY, codes::BAD_BODY, codes::BUSY]);
}

/// Reads what there is. `true` if the other side has closed, `false` if it has not within the socket's patience.
fn is_closed(socket: &mut TcpStream) -> bool {
    let mut bytes = [0; 4_096];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_02_a_thousand_silent_handshakes_lock_nobody_out() {
    let limits = ApiLimits { connections: 64, connections_per_address: 48, ..ApiLimits::default() };
    let bench = Bench::start(limits).await;
    let (identity, address) = (Identity::load_or_create(&bench.state).unwrap(), bench.server.address());
    let attack =
        tokio::task::spawn_blocking(move || (0..1_010).map(|_| shake_hands(&identity, address)).collect::<Vec<_>>());
    // Beside it, each time with a new connection.
    let mut served = 0;
    while !attack.is_finished() {
        let elsewhere = client(&bench.identity).local_address(Some([127, 0, 0, 2].into())).build().unwrap();
        assert_eq!(bench.get_with(&elsewhere, &bench.lease("status")).await.unwrap().status(), StatusCode::OK);
        served += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(served > 0);
    let silent = attack.await.unwrap();
    let complete = silent.iter().filter(|(_, tls)| !tls.is_handshaking()).count();
    assert!(complete > 900, "only {complete} handshakes were completed");
    // And once they lie there, from the very address of the attack.
    assert_eq!(bench.get(&bench.lease("status")).await.status(), StatusCode::OK);
    let mut open = 0;
    for (mut socket, _) in silent {
        socket.set_nonblocking(true).unwrap();
        open += usize::from(!is_closed(&mut socket));
    }
    assert!(open <= 48, "{open} connections of one address are open");
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_02_a_connection_without_a_request_is_closed() {
    let bench = Bench::start(ApiLimits { idle: Duration::from_secs(1), ..ApiLimits::default() }).await;
    let (identity, address) = (Identity::load_or_create(&bench.state).unwrap(), bench.server.address());
    let silent = tokio::task::spawn_blocking(move || is_closed(&mut shake_hands(&identity, address).0));
    assert!(silent.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_02_one_buyers_sixty_four_followers_leave_room_for_another() {
    let limits = ApiLimits { places_per_key: 64, ..ApiLimits::default() };
    let bench = Bench::start(limits).await;
    let log = Arc::new(LeaseLog::open(&bench.directory.dir.log(), LogLimits::default()).unwrap());
    log.writer().await.append(&[piece(0)]).unwrap();
    *bench.directory.log.lock().unwrap() = Some(Arc::clone(&log));
    let greedy = client(&bench.identity).http1_only().build().unwrap();
    let mut followers = Vec::new();
    for _ in 0..64 {
        let mut follower = bench.get_with(&greedy, &bench.lease("logs?follow=true")).await.unwrap();
        assert!(follower.chunk().await.unwrap().is_some());
        followers.push(follower);
    }
    let path = bench.lease("logs");
    let other = bench.send(&bench.poster, Method::GET, &path, empty_body_hash(), vec![]).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_eq!(other.text().await.unwrap().lines().count(), 1);
    // The one that gave way breaks off, so that it is not taken for complete; the others go on to the end.
    // Another reading begins with what the log has.
    log.writer().await.append(&[piece(0), piece(1)]).unwrap();
    log.close().unwrap();
    let mut broken = 0;
    for follower in followers {
        match follower.text().await {
            Ok(text) => assert_eq!(text.lines().count(), 1),
            Err(_) => broken += 1,
        }
    }
    assert_eq!(broken, 1);
}
