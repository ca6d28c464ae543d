//! What visitors of public ports are told, and what containers are, where it does not go smoothly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;
mod visitors;

use std::time::Duration;

use gridlease_node::driver::Driver as _;
use gridlease_sdk::node_api::codes;
use gridlease_sdk::node_api::public::{Public, prefix};
use reqwest::{Method, StatusCode};
use support::with_bench;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use visitors::{Stage, dump, seen};

const PORTS: &str = "ports: [{ container: 80, name: web, public: open }]\n";
const IDLE: &str = "while true; do sleep 1; done";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_body_says_of_its_length_what_the_server_said() {
    with_bench(|bench| async {
        let mut stage = Stage::start(bench, PORTS, IDLE).await;
        for (method, answer, status, length, body) in [
            (Method::HEAD, "200 OK\r\nETag: \"x\"\r\n\r\n", 200, None, ""),
            (Method::HEAD, "200 OK\r\nContent-Length: 1234\r\n\r\n", 200, Some("1234"), ""),
            (Method::GET, "304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, None, ""),
            (Method::GET, "204 No Content\r\n\r\n", 204, None, ""),
            (Method::GET, "200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some("0"), ""),
            (
                Method::GET,
                "206 Partial Content\r\nContent-Range: bytes 1-2/9\r\nContent-Length: 2\r\n\r\nok",
                206,
                Some("2"),
                "ok",
            ),
        ] {
            let lease = stage.add(PORTS, IDLE, gridlease_node::store::Phase::ReadyPosted).await;
            stage.serve_raw_of(&lease, 80, format!("HTTP/1.1 {answer}").leak().as_bytes(), 100).await;
            for http in [stage.http(), stage.http1()] {
                let told = http.request(method.clone(), stage.url_of(&lease, "web")).send().await.unwrap();
                let said = told.headers().get("content-length").map(|value| value.to_str().unwrap().to_owned());
                assert_eq!((told.status().as_u16(), said.as_deref()), (status, length), "{method} {told:?}");
                assert!(!told.headers().contains_key("transfer-encoding"), "{told:?}");
                assert_eq!(told.text().await.unwrap(), body);
            }
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_reaches_the_container_whatever_the_method() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        for method in [Method::GET, Method::DELETE, Method::POST] {
            let pieces = ["piece", "by piece"].map(Ok::<_, std::io::Error>);
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
            let answer = stage.http().request(method.clone(), stage.url("web")).body(body).send().await.unwrap();
            let text = answer.text().await.unwrap();
            assert!(text.ends_with("\n\npieceby piece"), "HTTP/2 {method}: {text}");
            let head =
                format!("{method} {}/ HTTP/1.1\r\nHost: n\r\nConnection: close\r\n", prefix(&stage.lease(), "web"));
            let text = stage.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\npiece\r\n0\r\n\r\n")).await;
            assert!(text.contains("\n\npiece"), "HTTP/1.1 {method}: {text}");
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_meets_a_server_as_it_resets_its_connection_is_sent_again() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let listener = stage.listen(&stage.lease(), 80).await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                // What is not read when it closes is answered with a reset.
                tokio::spawn(async move { stream.readable().await });
            }
        });
        for _ in 0..6 {
            let answer = stage.http().get(stage.url("web")).send().await.unwrap();
            assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::OK, "ok"));
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_an_upload_and_closes_without_reading_it_is_heard_all_the_same() {
    const ANSWER: &[u8] = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let listener = stage.listen(&stage.lease(), 80).await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1_024]).await;
                let _ = stream.write_all(ANSWER).await;
                // Gone with the rest of the upload in its ears.
            }
        });
        for http in [stage.http(), stage.http1()] {
            for _ in 0..20 {
                let upload = http.post(stage.url("web")).body(vec![b'x'; 2 << 20]);
                let answer = upload.send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
                assert_eq!(answer.text().await.unwrap(), "large");
            }
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_waits_hears_why_there_is_no_answer() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, IDLE).await;
        let listener = stage.listen(&stage.lease(), 80).await;
        let (arrived, mut arrivals) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4_096];
                let count = stream.read(&mut head).await.unwrap_or(0);
                if !head[..count].starts_with(b"GET /broken") {
                    let _ = arrived.send(stream).await;
                }
            }
        });
        let broken = stage.http().get(format!("{}broken", stage.url("web"))).send().await.unwrap();
        assert_eq!(broken.status(), StatusCode::BAD_GATEWAY);
        assert!(broken.text().await.unwrap().contains("broke off"));
        let wait = || tokio::spawn(stage.http().get(stage.url("web")).send());
        let waiting = wait();
        let _held = arrivals.recv().await.unwrap();
        stage.open("web", Public::Off, None).await;
        let unknown = stage.http().get(stage.url("web")).send().await.unwrap();
        assert_eq!(seen(waiting.await.unwrap().unwrap()).await, seen(unknown).await);
        stage.open("web", Public::Open, None).await;
        let waiting = wait();
        let _held = arrivals.recv().await.unwrap();
        // The engine knows that it has ended, the node's records not yet whether it is to run again.
        stage.bench.driver.stop(&stage.container(), Duration::ZERO).await.unwrap();
        let not_now = (StatusCode::SERVICE_UNAVAILABLE, codes::WRONG_STATE.to_owned());
        assert_eq!(seen(waiting.await.unwrap().unwrap()).await, not_now);
        let next = stage.http().get(stage.url("web")).send().await.unwrap();
        assert_eq!(next.headers()["retry-after"], "5");
        assert_eq!(seen(next).await, not_now);
        stage.show().await;
        assert_eq!(stage.http().get(stage.url("web")).send().await.unwrap().status(), StatusCode::GONE);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_that_come_before_a_node_that_has_started_again_looked_at_a_lease_are_asked_to_come_again() {
    with_bench(|bench| async {
        let mut stage = Stage::start(bench, PORTS, IDLE).await;
        stage.serve(80, axum::Router::new().fallback(dump)).await;
        stage.restart_before_a_look().await;
        let early = stage.http().get(stage.url("web")).send().await.unwrap();
        assert_eq!(seen(early).await, (StatusCode::SERVICE_UNAVAILABLE, codes::WRONG_STATE.to_owned()));
        stage.show().await;
        assert_eq!(stage.http().get(stage.url("web")).send().await.unwrap().status(), StatusCode::OK);
        stage.stop().await
    })
    .await;
}
