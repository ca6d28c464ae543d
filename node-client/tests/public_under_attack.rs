//! Visitors of public ports, and servers behind them, that mean harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;
mod visitors;

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::AppendHeaders;
use futures_util::StreamExt as _;
use gridlease_node::store::Phase;
use gridlease_sdk::node_api::codes;
use gridlease_sdk::node_api::public::{Public, prefix};
use reqwest::StatusCode;
use support::with_bench;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use visitors::{Stage, dump, seen};

const PORTS: &str = "ports: [{ container: 80, name: web, public: open }]\n";
const IDLE: &str = "while true; do sleep 1; done";

/// The requests in what came to a server, by the one length that each may tell.
fn requests(mut came: &str) -> Vec<String> {
    let mut requests = Vec::new();
    while !came.is_empty() {
        let (head, rest) = came.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {came:?}"));
        let told = |name: &str| -> Vec<String> {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
        };
        let (lengths, codings) = (told("content-length"), told("transfer-encoding"));
        assert!(lengths.len() + codings.len() <= 1, "{head}");
        let bytes = match (lengths.first(), codings.first()) {
            (Some(length), _) => length.parse().unwrap(),
            (_, Some(coding)) => {
                assert_eq!(coding, "chunked");
                rest.find("0\r\n\r\n").map_or(rest.len(), |at| at + 5)
            }
            _ => 0,
        };
        requests.push(format!("{head}\r\n\r\n"));
        came = rest.get(bytes..).unwrap_or_default();
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_a_request_that_two_servers_could_read_differently_reaches_the_container_as_one_or_not_at_all() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let server = stage.serve_raw(80, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1_000).await;
        let path = format!("{}/x", prefix(&stage.lease(), "web"));
        let mut through = 0;
        let hidden = "GET /smuggled HTTP/1.1\r\nHost: c\r\n\r\n";
        let chunked = format!("0\r\n\r\n{hidden}");
        for (headers, body) in [
            (format!("Content-Length: 4\r\nContent-Length: {}\r\n", hidden.len()), hidden),
            (format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunked.len()), &chunked),
            (format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", chunked.len()), &chunked),
            ("Transfer-Encoding: xchunked\r\n".to_owned(), &chunked),
            ("Transfer-Encoding: chunked, identity\r\n".to_owned(), &chunked),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n".to_owned(), &chunked),
            ("Transfer-Encoding : chunked\r\n".to_owned(), &chunked),
            ("Transfer_Encoding: chunked\r\n".to_owned(), &chunked),
            ("X: y\r\n Transfer-Encoding: chunked\r\n".to_owned(), &chunked),
            ("Content-Length: +38\r\n".to_owned(), hidden),
            ("Content-Length: 0x26\r\n".to_owned(), hidden),
            ("Content-Length : 38\r\n".to_owned(), hidden),
            ("Content-Length: 0\r\nConnection: content-length\r\n".to_owned(), hidden),
            ("X: a\rContent-Length: 38\r\n".to_owned(), hidden),
            ("X: a\0b\r\n".to_owned(), hidden),
            ("Expect: 100-continue\r\n".to_owned(), hidden),
            ("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n".to_owned(), hidden),
            ("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 38\r\n".to_owned(), hidden),
        ] {
            let method = if headers.contains("websocket") { "GET" } else { "POST" };
            // The last request of the connection, so that it ends.
            let more = "GET /v1/health HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n";
            let answer = stage.raw(&format!("{method} {path} HTTP/1.1\r\nHost: n\r\n{headers}\r\n{body}{more}")).await;
            let came = server.read();
            let requests = requests(&came);
            through += requests.len();
            assert!(requests.len() <= 1, "{headers}: {came}");
            for request in requests {
                assert!(request.starts_with(&format!("{method} /x HTTP/1.1\r\n")), "{headers}: {came}\n{answer}");
                assert!(!request.to_lowercase().contains("h2c"), "{headers}: {came}");
            }
        }
        assert!(through >= 6, "only {through} came through at all");
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_what_a_container_answers_that_is_no_whole_answer_is_never_taken_for_one() {
    with_bench(|bench| async {
        let mut stage = Stage::start(bench, PORTS, IDLE).await;
        let big: &'static [u8] = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(200_000)).leak().as_bytes();
        let many: &'static [u8] = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(500)).leak().as_bytes();
        for answer in [
            b"SSH-2.0-OpenSSH_9.6\r\n\r\n".as_slice(),
            b"\0\0\0\0",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"",
            big,
            many,
        ] {
            let lease = stage.add(PORTS, IDLE, Phase::ReadyPosted).await;
            stage.serve_raw_of(&lease, 80, answer, 1).await;
            let told = stage.http().get(stage.url_of(&lease, "web")).send().await.unwrap();
            let start = String::from_utf8_lossy(&answer[..answer.len().min(40)]);
            assert_eq!(seen(told).await, (StatusCode::BAD_GATEWAY, codes::BAD_ANSWER.to_owned()), "{start}");
        }
        for cut in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz",
        ] {
            let lease = stage.add(PORTS, IDLE, Phase::ReadyPosted).await;
            stage.serve_raw_of(&lease, 80, cut, 1).await;
            for http in [stage.http(), stage.http1()] {
                let told = http.get(stage.url_of(&lease, "web")).send().await.unwrap();
                assert!(told.text().await.is_err(), "{}", String::from_utf8_lossy(cut));
            }
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_a_page_below_the_nodes_path_gets_no_origin_and_leaves_nothing_behind_in_a_browser() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let hostile = || async {
            AppendHeaders([
                ("content-security-policy", "sandbox allow-same-origin allow-scripts"),
                ("set-cookie", "mine=1; Path=/; Domain=node"),
                ("set-cookie", "__Secure-gridlease=stolen; Path=/"),
                ("clear-site-data", "\"*\""),
                ("service-worker-allowed", "/"),
                ("strict-transport-security", "max-age=9999999; includeSubDomains"),
                ("alt-svc", "h3=\"evil.example:443\""),
                ("report-to", "{}"),
                ("nel", "{}"),
                ("location", "/../../v1/health"),
                ("x-kept", "1"),
            ])
        };
        stage.serve(80, axum::Router::new().fallback(hostile)).await;
        let answer = stage.http().get(stage.url("web")).send().await.unwrap();
        let all = |name: &str| -> Vec<String> {
            answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        let policies = all("content-security-policy");
        assert!(
            policies.len() == 2 && policies[1].starts_with("sandbox ") && !policies[1].contains("allow-same-origin")
        );
        assert_eq!(all("set-cookie"), [format!("mine=1; Path={}/", prefix(&stage.lease(), "web"))]);
        assert_eq!(all("location"), [format!("{}/v1/health", prefix(&stage.lease(), "web"))]);
        for name in
            ["clear-site-data", "service-worker-allowed", "strict-transport-security", "alt-svc", "report-to", "nel"]
        {
            assert_eq!(all(name), [""; 0], "{name}");
        }
        assert_eq!(all("x-kept"), ["1"]);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_heads_that_are_too_large_are_refused_and_cost_no_container_anything() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let server = stage.serve_raw(80, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1_000).await;
        let path = prefix(&stage.lease(), "web");
        let large = "y".repeat(100_000);
        for (target, headers) in [
            ("/".to_owned(), format!("X: {large}\r\n")),
            (format!("/{large}"), String::new()),
            ("/".to_owned(), "X: y\r\n".repeat(300)),
        ] {
            let answer = stage.raw(&format!("GET {path}{target} HTTP/1.1\r\nHost: n\r\n{headers}\r\n")).await;
            assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert_eq!(server.accepted(), 0);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_a_thousand_visitors_that_only_hold_their_place_keep_out_neither_a_buyer_nor_another_leases_nor_new_ones()
 {
    with_bench(|bench| async {
        let mut stage = Stage::start(bench, PORTS, IDLE).await;
        let other = stage.add(PORTS, IDLE, Phase::ReadyPosted).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        stage.serve_of(&other, 80, axum::Router::new().fallback(dump)).await;
        let path = prefix(&stage.lease(), "web");
        let head = format!("POST {path}/ HTTP/1.1\r\nHost: n\r\nContent-Length: 60000\r\n\r\nx");
        let elsewhere = stage.visitor().local_address(Some([127, 0, 0, 2].into())).build().unwrap();
        let attack = futures_util::stream::iter(0..1_000u16).map(|number| {
            let from = Ipv4Addr::new(127, 0, 1, u8::try_from(number % 20).unwrap() + 1);
            let (connection, head) = (stage.connection(from), head.clone());
            async move {
                let mut connection = connection.await.ok()?;
                // One that was displaced meanwhile is as good.
                let _ = connection.write_all(head.as_bytes());
                Some(connection)
            }
        });
        let attack = attack.buffer_unordered(16).collect::<Vec<_>>();
        let served = async {
            let mut served = 0;
            loop {
                let answer = elsewhere.get(stage.url_of(&other, "web")).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                let ports = stage.client(&stage.buyer).status(&other).await.unwrap().ports;
                assert_eq!(ports[0].public, Public::Open);
                served += 1;
                if served == 1 {
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let silent = tokio::select! {
            silent = attack => silent,
            never = served => never,
        };
        assert!(silent.iter().flatten().count() > 500);
        // And once all of them hold what they can get, for its own new visitors, too.
        tokio::time::sleep(Duration::from_secs(11)).await;
        for _ in 0..20 {
            let answer = elsewhere.get(stage.url("web")).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.text().await);
        }
        drop(silent);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_visitors_that_take_nothing_over_http2_keep_neither_their_visits_nor_their_connections() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let endless = move || {
            let held = Arc::clone(&held);
            let pieces = futures_util::stream::repeat_with(move || {
                let _held = &held;
                Ok::<_, std::io::Error>(vec![b'x'; 4_096])
            });
            async { axum::body::Body::from_stream(pieces) }
        };
        stage.serve(80, axum::Router::new().fallback(endless)).await;
        let before = Arc::strong_count(&alive);
        let mut silent = Vec::new();
        // In all more than the connections that one address may have.
        for _ in 0..2 {
            stage.open("web", Public::Open, None).await;
            for _ in 0..70 {
                let visitor = stage.visitor().http2_initial_stream_window_size(0).build().unwrap();
                let answer = visitor.get(stage.url("web")).send().await.unwrap();
                assert_eq!((answer.status(), answer.version()), (StatusCode::OK, reqwest::Version::HTTP_2));
                silent.push(answer);
            }
            assert!(Arc::strong_count(&alive) >= before + 70);
            stage.open("web", Public::Off, None).await;
            let begun = Instant::now();
            while Arc::strong_count(&alive) > before {
                let left = Arc::strong_count(&alive) - before;
                assert!(
                    begun.elapsed() < Duration::from_secs(5),
                    "the server still answers {left} visits that have ended"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        drop(silent);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_a_server_that_answers_before_it_has_read_and_then_reads_no_more_keeps_no_connection() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let listener = stage.listen(&stage.lease(), 80).await;
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1_024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                kept.push(stream);
            }
        });
        for http in [stage.http(), stage.http(), stage.http1(), stage.http1()] {
            let answer = http.post(stage.url("web")).body(vec![b'x'; 16 << 20]).send().await.unwrap();
            assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::OK, "ok"));
        }
        let process = stage.process().await;
        // Those that are made to port 80 and stand.
        let open = || {
            let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
            let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            columns.filter(|line| line[2].ends_with(":0050") && line[3] == "01").count()
        };
        let begun = Instant::now();
        while open() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "{} connections are left", open());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage.stop().await
    })
    .await;
}
