//! Visitors of public ports: the buyer opens them, strangers come over the node's own interface, servers answer in the network of a
//! real container.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;
mod visitors;

use std::path::Path;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gridlease_node::api::Names;
use gridlease_node::driver::Driver as _;
use gridlease_node::public_certificate::PublicCertificate;
use gridlease_node::store::Phase;
use gridlease_sdk::node_api::client::NodeError;
use gridlease_sdk::node_api::codes;
use gridlease_sdk::node_api::public::{Public, Token, host_label};
use gridlease_sdk::node_api::tls::{fingerprint, pinned_client_config};
use reqwest::{Method, StatusCode};
use support::with_bench;
use visitors::{Stage, browser, dump, seen};

const PORTS: &str = "ports: [{ container: 80, name: web }, { container: 81, public: open }]\n";
/// A server that has everything at /tmp, on localhost only, at a low port.
const HTTPD: &str = "cd /tmp; mkdir sub; echo hello > index.html; echo deep > sub/page; \
     /bin/busybox httpd -f -p 127.0.0.1:80 -h /tmp & while true; do sleep 1; done";
const IDLE: &str = "while true; do sleep 1; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_a_container_is_visited_by_anybody_once_its_buyer_opens_its_port_and_no_longer_when_it_is_closed() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, HTTPD).await;
        let (web, http) = (stage.url("web"), stage.http());
        assert_eq!(http.get(&web).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        let told = stage.open("web", Public::Open, None).await;
        assert_eq!(format!("https://{}{}", stage.api.address(), told.path), web);
        stage.until_it_listens("web").await;
        let page = http.get(&web).send().await.unwrap();
        assert_eq!((page.status(), page.text().await.unwrap().as_str()), (StatusCode::OK, "hello\n"));
        let head = http.head(&web).send().await.unwrap();
        assert_eq!((head.status(), head.headers()["content-length"].to_str().unwrap()), (StatusCode::OK, "6"));
        let deep = http.get(format!("{web}sub/page")).send().await.unwrap();
        assert_eq!(deep.text().await.unwrap(), "deep\n");
        // Without its slash, and a folder without one, which the server itself sends to `/sub/`.
        for without in [web.trim_end_matches('/').to_owned(), format!("{web}sub")] {
            let answer = http.get(&without).send().await.unwrap();
            assert!(answer.status().is_redirection(), "{answer:?}");
            assert_eq!(
                answer.headers()["location"].to_str().unwrap(),
                format!("{without}/").split_off(web.find("/s/").unwrap())
            );
        }
        // Nothing listens at the one that the manifest itself opens.
        let other = http.get(stage.url("81")).send().await.unwrap();
        assert_eq!(seen(other).await, (StatusCode::BAD_GATEWAY, codes::NOT_LISTENING.to_owned()));
        let status = stage.client(&stage.buyer).status(&stage.lease()).await.unwrap();
        let ports: Vec<_> = status.ports.iter().map(|port| (port.port, port.name.as_str(), port.public)).collect();
        assert_eq!(ports, [(80, "web", Public::Open), (81, "81", Public::Open)]);
        stage.open("web", Public::Off, None).await;
        assert_eq!(http.get(&web).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_a_token_opens_a_port_and_its_container_never_sees_it() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        let (web, http, token) = (stage.url("web"), stage.http(), Token::random());
        stage.open("web", Public::Token, Some(&token)).await;
        let refused = http.get(&web).send().await.unwrap();
        assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"gridlease\"");
        assert_eq!(seen(refused).await, (StatusCode::UNAUTHORIZED, codes::TOKEN_REQUIRED.to_owned()));
        let with = |name: &str, value: &str| http.post(format!("{web}a?b=c")).header(name, value).body("body").send();
        let wrong = Token::random();
        assert_eq!(with("authorization", &format!("Bearer {}", wrong.text())).await.unwrap().status(), 401);
        let mut told = Vec::new();
        told.push(with("authorization", &format!("Bearer {}", token.text())).await.unwrap());
        told.push(with("x-gridlease-token", token.text()).await.unwrap());
        // As a browser does it.
        let link = format!("{web}a?gridlease_token={}&b=c", token.text());
        let sent_on = browser(http.get(&link)).send().await.unwrap();
        assert_eq!(sent_on.status(), StatusCode::SEE_OTHER);
        assert_eq!(sent_on.headers()["location"].to_str().unwrap(), format!("{web}a?b=c"));
        let cookie = sent_on.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        told.push(
            browser(http.get(format!("{web}a?b=c"))).header("cookie", format!("own=1; {cookie}")).send().await.unwrap(),
        );
        for answer in told {
            assert_eq!(answer.status(), StatusCode::OK);
            let text = answer.text().await.unwrap();
            assert!(
                text.contains("/a?b=c") && !text.contains(token.text()) && !text.contains("gridlease-token"),
                "{text}"
            );
        }
        // Another site's page may have the browser ask, but not with this cookie.
        let foreign =
            http.post(&web).header("cookie", &cookie).header("origin", "https://evil.example").send().await.unwrap();
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
        // A new one takes the old one's place.
        let newer = Token::random();
        stage.open("web", Public::Token, Some(&newer)).await;
        assert_eq!(with("x-gridlease-token", token.text()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(with("x-gridlease-token", newer.text()).await.unwrap().status(), StatusCode::OK);
        let kept = std::fs::read_to_string(stage.bench.state.lease(&stage.lease()).doors()).unwrap();
        assert!(!kept.contains(newer.text()), "the node keeps its hash only");
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_what_is_closed_unnamed_or_unknown_is_one_and_the_same_and_nothing_below_leads_to_the_nodes_own_routes()
 {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        let base = format!("https://{}", stage.api.address());
        let mut told = Vec::new();
        for path in [
            format!("/s/{}/web/", stage.lease()),
            format!("/s/{}/80/", stage.lease()),
            format!("/s/{}/other/", stage.lease()),
            "/s/11111111111111111111111111111112/web/".to_owned(),
            "/s/none/web/".to_owned(),
        ] {
            let answer = stage.http().get(format!("{base}{path}")).send().await.unwrap();
            let headers: Vec<_> =
                answer.headers().iter().filter(|(name, _)| *name != "date").map(|h| format!("{h:?}")).collect();
            told.push((answer.status(), headers, answer.text().await.unwrap()));
        }
        assert_eq!(told[0].0, StatusCode::NOT_FOUND);
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        stage.open("web", Public::Open, None).await;
        let web = format!("/s/{}/web", stage.lease());
        // Written by hand: a client would take the dots out itself.
        for path in ["/../../../v1/health", "/..", "/%2e%2e/%2E%2e/%2e%2e/v1/health", "/a/.%2e/x", "/..\\x", "/./x"] {
            let answer =
                stage.raw(&format!("GET {web}{path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        }
        for (path, container) in
            [("//v1/health", "//v1/health"), ("/%2f..%2fv1/health", "/%2f..%2fv1/health"), ("/v1/health", "/v1/health")]
        {
            let answer =
                stage.raw(&format!("GET {web}{path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")).await;
            assert!(answer.contains(&format!("GET {container}\n")), "{path}: {answer}");
        }
        let absolute = format!("GET https://node{web}/x HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
        assert!(stage.raw(&absolute).await.contains("host: node\n"));
        for method in ["TRACE", "CONNECT"] {
            let answer =
                stage.raw(&format!("{method} {web}/ HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")).await;
            assert!(!answer.starts_with("HTTP/1.1 200"), "{method}: {answer}");
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_hears_whether_a_job_is_yet_to_run_or_over_and_its_buyer_alone_opens_its_ports() {
    with_bench(|bench| async {
        let stage = Stage::at(bench, PORTS, IDLE, Phase::Started).await;
        let (web, http) = (stage.url("81"), stage.http());
        let early = http.get(&web).send().await.unwrap();
        assert_eq!(early.headers()["retry-after"], "5");
        assert_eq!(seen(early).await.0, StatusCode::SERVICE_UNAVAILABLE);
        let page = browser(http.get(&web)).send().await.unwrap();
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        for (key, code) in [(&stage.guardian, codes::NOT_YOURS_TO_REACH), (&stage.stranger, codes::NOT_YOUR_LEASE)] {
            let refused = stage.client(key).expose(&stage.lease(), 81, Public::Off, None).await.unwrap_err();
            assert!(matches!(&refused, NodeError::Refused { status: 403, detail } if detail.code == code), "{refused}");
        }
        let refused = stage.client(&stage.buyer).expose(&stage.lease(), 82, Public::Open, None).await.unwrap_err();
        assert!(matches!(&refused, NodeError::Refused { status: 404, .. }), "{refused}");
        stage.bench.driver.stop(&stage.container(), Duration::ZERO).await.unwrap();
        stage.show().await;
        assert_eq!(
            seen(http.get(&web).send().await.unwrap()).await,
            (StatusCode::GONE, codes::CONTAINER_ENDED.to_owned())
        );
        let refused = stage.client(&stage.buyer).expose(&stage.lease(), 80, Public::Open, None).await.unwrap_err();
        assert!(refused.is_container_ended(), "{refused}");
        stage.client(&stage.poster).expose(&stage.lease(), 81, Public::Off, None).await.unwrap();
        assert_eq!(http.get(&web).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_visitor_sends_and_is_sent_flows_piece_by_piece_and_ends_when_the_port_is_closed() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let echo = any(|request: Request| async { axum::body::Body::new(request.into_body()).into_response() });
        let never = any(std::future::pending::<()>);
        stage.serve(80, axum::Router::new().route("/echo", echo).route("/never", never)).await;
        stage.open("web", Public::Open, None).await;
        for http in [stage.http(), stage.http1()] {
            let (send, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
            let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(pieces));
            let asked = http.post(format!("{}echo", stage.url("web"))).body(body).send();
            let asked = tokio::spawn(asked);
            send.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
            let mut answer = asked.await.unwrap().unwrap().bytes_stream();
            assert_eq!(answer.next().await.unwrap().unwrap(), "first");
            for number in 0..20 {
                let piece = Bytes::from(number.to_string());
                send.send(Ok(piece.clone())).await.unwrap();
                assert_eq!(answer.next().await.unwrap().unwrap(), piece, "each comes before the next is sent");
            }
            stage.open("web", Public::Off, None).await;
            let end = tokio::time::timeout(Duration::from_secs(5), answer.next()).await.expect("it ends with its port");
            assert!(end.is_some_and(|end| end.is_err()), "and does not look complete");
            stage.open("web", Public::Open, None).await;
            let asked = tokio::spawn(http.get(format!("{}never", stage.url("web"))).send());
            tokio::time::sleep(Duration::from_millis(300)).await;
            stage.open("web", Public::Off, None).await;
            let told = tokio::time::timeout(Duration::from_secs(5), asked).await.expect("nor is an answer waited for");
            assert_eq!(told.unwrap().unwrap().status(), StatusCode::NOT_FOUND);
            stage.open("web", Public::Open, None).await;
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_lead_into_the_container_and_end_with_their_port_their_server_or_the_container() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let socket = get(|upgrade: axum::extract::ws::WebSocketUpgrade| async {
            upgrade.protocols(["chat"]).on_upgrade(|mut socket| async move {
                while let Some(Ok(message)) = socket.recv().await {
                    if message.to_text().is_ok_and(|text| text == "bye") {
                        return;
                    }
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            })
        });
        stage.serve(80, axum::Router::new().route("/ws", socket)).await;
        let token = Token::random();
        stage.open("web", Public::Token, Some(&token)).await;
        let link = format!("ws?gridlease_token={}", token.text());
        // With a cookie alone, only its own pages may.
        let cookie = format!("__Secure-gridlease={}", token.text());
        for origin in ["https://evil.example", "null"] {
            let refused = stage.websocket("web", "ws", &[("cookie", &cookie), ("origin", origin)]).await;
            assert_eq!(refused.err(), Some(403));
        }
        for round in 0..3 {
            let (mut socket, answer) =
                stage.websocket("web", &link, &[("sec-websocket-protocol", "chat")]).await.unwrap();
            assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
            let large = "x".repeat(200_000);
            for text in ["to and fro", &large] {
                socket.send_text(text).await;
                assert_eq!(socket.text().await, text);
            }
            match round {
                0 => drop(stage.open("web", Public::Token, Some(&token)).await),
                1 => socket.send_text("bye").await,
                _ => stage.bench.driver.stop(&stage.container(), Duration::ZERO).await.unwrap(),
            }
            assert!(socket.ends_within(Duration::from_secs(5)).await, "round {round}");
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_into_the_container_serves_many_visitors_and_one_that_its_server_closed_costs_none_an_answer() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let count = stage.serve_raw(80, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 10).await;
        stage.open("web", Public::Open, None).await;
        let begun = Instant::now();
        for _ in 0..100 {
            let answer = stage.http().get(stage.url("web")).send().await.unwrap();
            assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::OK, "ok"));
        }
        // It closes each after ten without a word.
        assert_eq!(count.accepted(), 10, "after {:?}", begun.elapsed());
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_is_as_it_was_left_after_the_node_has_started_again() {
    with_bench(|bench| async {
        let mut stage = Stage::start(bench, PORTS, IDLE).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        let token = Token::random();
        stage.open("web", Public::Token, Some(&token)).await;
        stage.open("81", Public::Off, None).await;
        stage.restart().await;
        let with = |method: Method| stage.http().request(method, stage.url("web")).bearer_auth(token.text()).send();
        assert_eq!(with(Method::GET).await.unwrap().status(), StatusCode::OK);
        assert_eq!(stage.http().get(stage.url("web")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(stage.http().get(stage.url("81")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        stage.stop().await
    })
    .await;
}

/// A certificate for everything below jobs.example.com, and its fingerprint.
fn wildcard(dir: &Path) -> (PublicCertificate, [u8; 32]) {
    let made = rcgen::generate_simple_self_signed(vec!["*.jobs.example.com".to_owned()]).unwrap();
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let names = Names::new("jobs.example.com:8443").unwrap();
    (PublicCertificate::load(names, &certificate, &key).unwrap(), fingerprint(made.cert.der()))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_domain_each_port_has_a_name_of_its_own_with_all_paths_and_the_certificate_that_browsers_know() {
    with_bench(|bench| async {
        let dir = tempfile::tempdir().unwrap();
        let (public, shown) = wildcard(dir.path());
        let mut stage = Stage::named(bench, PORTS, IDLE, public).await;
        let other = stage.add(PORTS, IDLE, Phase::ReadyPosted).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        stage.serve_of(&other, 80, axum::Router::new().fallback(|| async { "another's" })).await;
        let token = Token::random();
        let (own, others) = (
            stage.open("web", Public::Token, Some(&token)).await.url.unwrap(),
            stage.open_of(&other, "web", Public::Open, None).await.url.unwrap(),
        );
        assert_eq!(own, format!("https://{}.jobs.example.com:8443/", host_label(&stage.lease(), "web")));
        // A visitor who finds the machine by these names, and accepts that certificate only.
        let config = pinned_client_config(shown).unwrap();
        let mut visitor = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy();
        visitor = visitor.redirect(reqwest::redirect::Policy::none());
        let unknown = "https://web-aaaaaaaaaaaaaaaa.jobs.example.com:8443/".to_owned();
        for url in [&own, &others, &unknown] {
            let host = url.trim_start_matches("https://").split(':').next().unwrap();
            visitor = visitor.resolve(host, stage.api.address());
        }
        let visitor = visitor.build().unwrap();
        // By the port that the test got instead of the one that stands in the addresses.
        let at = |url: &str, path: &str| {
            visitor.get(format!("{}{path}", url.replace("8443", &stage.api.address().port().to_string())))
        };
        let answer = at(&others, "v1/health").send().await.unwrap();
        assert!(!answer.headers().contains_key("content-security-policy"), "{answer:?}");
        assert_eq!(answer.text().await.unwrap(), "another's");
        assert_eq!(at(&unknown, "v1/health").send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(at(&own, "").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let sent_on = browser(at(&own, &format!("?gridlease_token={}", token.text()))).send().await.unwrap();
        let cookie = sent_on.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-gridlease=") && cookie.contains("; Path=/; Secure; HttpOnly"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        let deep = format!("s/{other}/web/?x");
        let page = at(&own, &deep).header("cookie", cookie).send().await.unwrap().text().await.unwrap();
        assert!(page.starts_with(&format!("GET /{deep}\n")) && !page.contains("x-forwarded-prefix"), "{page}");
        // The page of a neighbouring name is of the same site, and not the port's own.
        let neighbour =
            at(&own, "").header("cookie", cookie).header("sec-fetch-site", "same-site").send().await.unwrap();
        assert_eq!(neighbour.status(), StatusCode::FORBIDDEN);
        // The node's own interface goes on with its own certificate.
        assert_eq!(
            stage.client(&stage.buyer).status(&other).await.unwrap().ports[0].url.as_deref(),
            Some(others.as_str())
        );
        stage.stop().await
    })
    .await;
}
