//! The interface, asked by the buyer's own client over TLS with a pinned certificate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod api_bench;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api_bench::{Bench, INPUT, NOW, key, manifest, piece, refused, sha};
use gridlease_node::api::{ApiLimits, ApiServer, Arrival, ServeError};
use gridlease_node::clock::Clock;
use gridlease_node::logs::{LeaseLog, LogLimits};
use gridlease_node::outputs;
use gridlease_node::state_dir::StateDir;
use gridlease_node::tls::Identity;
use gridlease_sdk::artifact::Limits;
use gridlease_sdk::node_api::auth::empty_body_hash;
use gridlease_sdk::node_api::client::NodeApi;
use gridlease_sdk::node_api::{ErrorBody, Health, LeaseStatus, LogLine, OutputListing, OutputPage, codes};
use reqwest::{Method, StatusCode};
use solana_keypair::Keypair;
use solana_signer::Signer as _;

#[tokio::test]
async fn health_needs_no_signature_and_everything_else_does() {
    let bench = Bench::start(ApiLimits::default()).await;
    let health: Health = bench.raw(Method::GET, "/v1/health", HashMap::new(), vec![]).await.json().await.unwrap();
    assert_eq!((health.provider, health.now), (key(1).to_string(), NOW as u64));
    for part in ["status", "logs", "logs/head", "stats", "events", "outputs", "outputs/file?path=x", "outputs.tar"] {
        let path = bench.lease(part);
        let refusal = refused(bench.raw(Method::GET, &path, HashMap::new(), vec![]).await).await;
        assert_eq!(refusal, (StatusCode::UNAUTHORIZED, codes::BAD_SIGNATURE.to_owned()), "{path}");
    }
    assert_eq!(refused(bench.get("/v1/nothing").await).await.0, StatusCode::NOT_FOUND);
    let status: LeaseStatus = bench.get(&bench.lease("status")).await.json().await.unwrap();
    assert_eq!(status.runway_end, 7);
}

#[tokio::test]
async fn a_stranger_a_replay_an_old_request_and_one_for_another_provider_are_refused() {
    let bench = Bench::start(ApiLimits::default()).await;
    let path = bench.lease("status");
    let ask = |signer: &Keypair, nonce, provider| {
        bench.signed(signer, &Method::GET, &path, empty_body_hash(), nonce, provider)
    };
    let stranger = ask(&Keypair::new(), [1; 16], key(1));
    assert_eq!(
        refused(bench.raw(Method::GET, &path, stranger, vec![]).await).await,
        (StatusCode::FORBIDDEN, codes::NOT_YOUR_LEASE.to_owned())
    );
    let elsewhere = ask(&bench.buyer, [2; 16], key(8));
    assert_eq!(
        refused(bench.raw(Method::GET, &path, elsewhere, vec![]).await).await,
        (StatusCode::UNAUTHORIZED, codes::BAD_SIGNATURE.to_owned())
    );

    let once = ask(&bench.buyer, [3; 16], key(1));
    assert_eq!(bench.raw(Method::GET, &path, once.clone(), vec![]).await.status(), StatusCode::OK);
    assert_eq!(
        refused(bench.raw(Method::GET, &path, once, vec![]).await).await,
        (StatusCode::UNAUTHORIZED, codes::REPLAYED.to_owned())
    );

    bench.clock.set((NOW + 60) * 1000);
    assert_eq!(
        bench.raw(Method::GET, &path, ask(&bench.poster, [4; 16], key(1)), vec![]).await.status(),
        StatusCode::OK
    );
    assert_eq!(
        bench.raw(Method::GET, &path, ask(&bench.guardian, [6; 16], key(1)), vec![]).await.status(),
        StatusCode::OK
    );
    bench.clock.set((NOW + 61) * 1000);
    let late = bench.raw(Method::GET, &path, ask(&bench.poster, [5; 16], key(1)), vec![]).await;
    assert_eq!(refused(late).await, (StatusCode::UNAUTHORIZED, codes::CLOCK_DRIFT.to_owned()));

    let other = format!("/v1/leases/{}/status", key(77));
    assert_eq!(
        refused(bench.get(&other).await).await.0,
        StatusCode::UNAUTHORIZED,
        "the clock is off for this one, too"
    );
    bench.clock.set(NOW * 1000);
    assert_eq!(refused(bench.get(&other).await).await, (StatusCode::NOT_FOUND, codes::NOT_KNOWN_YET.to_owned()));
}

#[tokio::test]
async fn the_manifest_is_taken_once_when_its_hash_is_the_jobs() {
    let bench = Bench::start(ApiLimits::default()).await;
    let path = bench.job("manifest");
    let wrong = b"{}".to_vec();
    let refusal = refused(bench.send(&bench.buyer, Method::PUT, &path, sha(&wrong), wrong.clone()).await).await;
    assert_eq!(refusal, (StatusCode::UNPROCESSABLE_ENTITY, codes::HASH_MISMATCH.to_owned()));
    let refusal = refused(bench.send(&bench.buyer, Method::PUT, &path, sha(&bench.manifest), wrong).await).await;
    assert_eq!(
        refusal,
        (StatusCode::UNPROCESSABLE_ENTITY, codes::HASH_MISMATCH.to_owned()),
        "the body is not the one that was signed"
    );
    let large = vec![b' '; 65 * 1024];
    let refusal = refused(bench.send(&bench.buyer, Method::PUT, &path, sha(&bench.manifest), large).await).await;
    assert_eq!(refusal, (StatusCode::PAYLOAD_TOO_LARGE, codes::TOO_LARGE.to_owned()));
    assert!(!bench.directory.dir.manifest().exists() && bench.arrivals().is_empty());

    for _ in 0..2 {
        assert_eq!(bench.push_manifest().await.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(std::fs::read(bench.directory.dir.manifest()).unwrap(), bench.manifest);
    assert_eq!(bench.arrivals(), [Arrival::Manifest], "the second push changes nothing");
}

#[tokio::test]
async fn an_input_is_taken_when_the_manifest_names_it_and_its_hash_is_right() {
    let bench = Bench::start(ApiLimits { input_bytes: 1_000, ..ApiLimits::default() }).await;
    let path = bench.job(&format!("inputs/{}", hex::encode(sha(INPUT))));
    let put = |body: &[u8]| bench.send(&bench.poster, Method::PUT, &path, sha(INPUT), body.to_vec());
    assert_eq!(
        refused(put(INPUT).await).await,
        (StatusCode::CONFLICT, codes::WRONG_STATE.to_owned()),
        "the manifest comes first"
    );
    *bench.directory.inputs.lock().unwrap() = Some(vec![sha(INPUT)]);

    let other = bench.job(&format!("inputs/{}", hex::encode(sha(b"other"))));
    let refusal = refused(bench.send(&bench.poster, Method::PUT, &other, sha(b"other"), b"other".to_vec()).await).await;
    assert_eq!(refusal, (StatusCode::NOT_FOUND, codes::NOT_FOUND.to_owned()));
    assert_eq!(
        refused(put(b"changed").await).await,
        (StatusCode::UNPROCESSABLE_ENTITY, codes::HASH_MISMATCH.to_owned())
    );
    assert_eq!(refused(put(&[0; 1_001]).await).await, (StatusCode::PAYLOAD_TOO_LARGE, codes::TOO_LARGE.to_owned()));
    assert_eq!(
        std::fs::read_dir(bench.directory.dir.inputs()).unwrap().count(),
        0,
        "nothing is left of a refused body"
    );

    assert_eq!(put(INPUT).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(put(INPUT).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(std::fs::read(bench.directory.dir.input(&sha(INPUT))).unwrap(), INPUT);
    assert_eq!(bench.arrivals(), [Arrival::Input(sha(INPUT))]);
}

#[tokio::test]
async fn nothing_is_taken_any_more_once_the_container_started() {
    let bench = Bench::start(ApiLimits::default()).await;
    *bench.directory.open.lock().unwrap() = false;
    assert_eq!(refused(bench.push_manifest().await).await, (StatusCode::CONFLICT, codes::WRONG_STATE.to_owned()));
}

#[tokio::test]
async fn the_log_is_followed_from_any_line_until_it_is_closed() {
    let bench = Bench::start(ApiLimits { places: 1, ..ApiLimits::default() }).await;
    assert_eq!(
        refused(bench.get(&bench.lease("logs")).await).await,
        (StatusCode::CONFLICT, codes::WRONG_STATE.to_owned())
    );
    let log = Arc::new(LeaseLog::open(&bench.directory.dir.log(), LogLimits::default()).unwrap());
    let mut writer = log.writer().await;
    writer.append(&[piece(0), piece(1)]).unwrap();
    *bench.directory.log.lock().unwrap() = Some(Arc::clone(&log));

    let mut follower = bench.get(&bench.lease("logs?follow=true&from=1")).await;
    let first = follower.chunk().await.unwrap().unwrap();
    let line: LogLine = serde_json::from_slice(&first).unwrap();
    assert_eq!((line.seq, line.line.as_str()), (1, "line 1"));
    let refusal = refused(bench.get(&bench.lease("logs?follow=true")).await).await;
    assert_eq!(refusal, (StatusCode::TOO_MANY_REQUESTS, codes::BUSY.to_owned()), "there is room for one follower");
    writer.append(&[piece(2)]).unwrap();
    log.close().unwrap();
    let mut rest = Vec::new();
    while let Some(chunk) = follower.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(serde_json::from_slice::<LogLine>(&rest).unwrap().seq, 2);
    drop(follower);

    let text = bench.get(&bench.lease("logs")).await.text().await.unwrap();
    assert_eq!(text.lines().count(), 3);
    assert_eq!(refused(bench.get(&bench.lease("logs?from=x")).await).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn outputs_are_listed_and_sent_as_an_archive_that_matches_the_listing() {
    let bench = Bench::start(ApiLimits::default()).await;
    assert_eq!(
        refused(bench.get(&bench.lease("outputs")).await).await,
        (StatusCode::CONFLICT, codes::WRONG_STATE.to_owned())
    );
    let out: PathBuf = bench.directory.dir.output(0);
    std::fs::create_dir(out.join("frames")).unwrap();
    std::fs::write(out.join("frames/1.png"), vec![7; 300_000]).unwrap();
    std::fs::write(out.join("report.txt"), "ok").unwrap();
    let collected = outputs::collect(&bench.directory.dir, 1, &Limits::default()).unwrap();

    let listing: OutputListing = bench.get(&bench.lease("outputs")).await.json().await.unwrap();
    assert_eq!(listing, collected.listing);
    let archive = bench.get(&bench.lease("outputs.tar")).await.bytes().await.unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let files = gridlease_sdk::artifact::unpack(&archive[..], fresh.path(), &Limits::default()).unwrap();
    assert_eq!(files, listing.files);

    std::fs::write(out.join("report.txt"), "tampered").unwrap();
    let path = bench.lease("outputs.tar");
    let headers = bench.signed(&bench.buyer, &Method::GET, &path, empty_body_hash(), [9; 16], key(1));
    let broken = match bench.try_raw(Method::GET, &path, headers, vec![]).await {
        Ok(response) => response.bytes().await,
        Err(e) => Err(e),
    };
    assert!(broken.is_err(), "an archive that cannot be completed breaks off");
}

#[tokio::test]
async fn outputs_are_listed_in_parts_and_sent_one_by_one_whole_and_in_ranges() {
    let bench = Bench::start(ApiLimits::default()).await;
    let out: PathBuf = bench.directory.dir.output(0);
    let content: Vec<u8> = (0..300_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let name = "a file & more, 100 %?.bin";
    std::fs::write(out.join(name), &content).unwrap();
    std::fs::write(out.join("b"), "").unwrap();
    std::fs::write(out.join("c"), "ok").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", out.join("link")).unwrap();
    std::fs::write(out.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"no\xfftext")), "x")
        .unwrap();
    let socket = std::os::unix::net::UnixListener::bind(out.join("socket")).unwrap();
    assert_eq!(
        refused(bench.get(&bench.lease("outputs/file?path=c")).await).await,
        (StatusCode::CONFLICT, codes::WRONG_STATE.to_owned()),
        "not before they are collected"
    );
    let collected = outputs::collect(&bench.directory.dir, 1, &Limits::default()).unwrap().listing;
    drop(socket);

    let page: OutputPage = bench.get(&bench.lease("outputs?from=1&most=1")).await.json().await.unwrap();
    assert_eq!((page.total, page.root, &page.files[..]), (Some(3), collected.root.clone(), &collected.files[1..2]));
    let told: Vec<_> = page.left_out.entries.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "link (it is a link)",
            "no\\xfftext (its name is not UTF-8; rename it)",
            "socket (it is a device, a pipe or a socket)"
        ]
    );

    let client = NodeApi::new(
        &format!("https://{}", bench.server.address()),
        bench.identity.fingerprint(),
        key(1),
        Arc::new(bench.buyer.insecure_clone()),
    );
    let client = client.unwrap().with_clock(|| NOW as u64);
    assert_eq!(client.outputs(&key(3)).await.unwrap(), collected);
    let dir = tempfile::tempdir().unwrap();
    for file in &collected.files {
        client.fetch_output(&key(3), file, &dir.path().join(&file.path)).await.unwrap();
    }
    assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), content);
    client
        .fetch_output_range(&key(3), &collected.files[0], &(70_000..=140_000), &dir.path().join("part"))
        .await
        .unwrap();
    assert_eq!(std::fs::read(dir.path().join("part")).unwrap(), content[70_000..=140_000]);

    let path = bench.lease("outputs/file?path=c");
    let ranged = |range: &'static str, nonce| {
        let mut headers = bench.signed(&bench.buyer, &Method::GET, &path, empty_body_hash(), [nonce; 16], key(1));
        headers.insert("range", range.to_owned());
        bench.raw(Method::GET, &path, headers, vec![])
    };
    let last = ranged("bytes=-1", 1).await;
    assert_eq!(
        (last.status(), last.headers()["content-range"].to_str().unwrap()),
        (StatusCode::PARTIAL_CONTENT, "bytes 1-1/2")
    );
    assert_eq!(last.text().await.unwrap(), "k");
    let behind = ranged("bytes=2-", 2).await;
    assert_eq!(
        (behind.status(), behind.headers()["content-range"].to_str().unwrap()),
        (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */2")
    );
    assert_eq!(ranged("bytes=0-0,1-1", 3).await.text().await.unwrap(), "ok");

    for path in [
        "outputs/file?path=link",
        "outputs/file?path=../manifest.json",
        "outputs/file?path=%2Fetc%2Fpasswd",
        "outputs/file?path=",
    ] {
        let refusal = refused(bench.get(&bench.lease(path)).await).await;
        assert_eq!(refusal, (StatusCode::NOT_FOUND, codes::NOT_FOUND.to_owned()), "{path}");
    }
    // Another file, or a link, in the place of a listed one.
    std::fs::write(out.join("c"), "longer").unwrap();
    std::fs::remove_file(out.join(name)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", out.join(name)).unwrap();
    let encoded = "outputs/file?path=a+file+%26+more%2C+100+%25%3F.bin";
    for path in [encoded, "outputs/file?path=c"] {
        let answer = bench.get_with(&bench.http, &bench.lease(path)).await;
        let broken = match answer {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        assert!(broken.is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_and_a_shutdown_frees_the_port() {
    let bench = Bench::start(ApiLimits::default()).await;
    let address = bench.server.address();
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&StateDir::open(dir.path()).unwrap()).unwrap();
    let again = || {
        let (state, directory, limits) = (&bench.state, bench.directory.clone(), ApiLimits::default());
        ApiServer::start(address, state, &identity, key(1), directory, limits, Clock::system())
    };
    let error = again().unwrap_err();
    assert!(matches!(error, ServeError::InUse { .. }) && error.to_string().contains("--listen"), "{error}");
    bench.server.shutdown(Duration::from_secs(1)).await;
    again().unwrap().shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn issue9_13_the_log_of_a_container_that_has_just_ended_is_sent_to_its_end() {
    let bench = Bench::start(ApiLimits::default()).await;
    let log = Arc::new(LeaseLog::open(&bench.directory.dir.log(), LogLimits::default()).unwrap());
    *bench.directory.log.lock().unwrap() = Some(Arc::clone(&log));
    *bench.directory.ending.lock().unwrap() = true;
    let answer = bench.get(&bench.lease("logs")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    log.writer().await.append(&[piece(0), piece(1)]).unwrap();
    log.close().unwrap();
    assert_eq!(answer.text().await.unwrap().lines().count(), 2);
}

#[tokio::test]
async fn issue9_13_a_body_that_does_not_hash_to_its_path_is_told_so() {
    let bench = Bench::start(ApiLimits::default()).await;
    *bench.directory.inputs.lock().unwrap() = Some(vec![sha(INPUT)]);
    let path = bench.job(&format!("inputs/{}", hex::encode(sha(INPUT))));
    let other = b"other bytes".to_vec();
    let mismatch = (StatusCode::UNPROCESSABLE_ENTITY, codes::HASH_MISMATCH.to_owned());
    for signed_for in [sha(&other), sha(INPUT)] {
        let answer = bench.send(&bench.buyer, Method::PUT, &path, signed_for, other.clone()).await;
        assert_eq!(refused(answer).await, mismatch);
    }
    let capitals = bench.job(&format!("inputs/{}", hex::encode_upper(sha(INPUT))));
    let answer = bench.send(&bench.buyer, Method::PUT, &capitals, sha(INPUT), INPUT.to_vec()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "hex is hex");
}

#[tokio::test]
async fn issue9_13_a_nonce_in_capitals_is_accepted_and_is_the_same_nonce() {
    let bench = Bench::start(ApiLimits::default()).await;
    let path = bench.lease("status");
    let text = format!(
        "gridlease-api-v1\nGET\n{path}\n{NOW}\n{}\n{}\n{}",
        "AB".repeat(16),
        hex::encode(empty_body_hash()),
        key(1)
    );
    let headers = HashMap::from([
        ("x-gridlease-key", bench.buyer.pubkey().to_string()),
        ("x-gridlease-timestamp", NOW.to_string()),
        ("x-gridlease-nonce", "AB".repeat(16)),
        ("x-gridlease-signature", bench.buyer.sign_message(text.as_bytes()).to_string()),
    ]);
    assert_eq!(bench.raw(Method::GET, &path, headers, vec![]).await.status(), StatusCode::OK);
    let small = bench.signed(&bench.buyer, &Method::GET, &path, empty_body_hash(), [0xab; 16], key(1));
    let again = refused(bench.raw(Method::GET, &path, small, vec![]).await).await;
    assert_eq!(again, (StatusCode::UNAUTHORIZED, codes::REPLAYED.to_owned()));
}

#[tokio::test]
async fn issue9_13_a_nonce_is_refused_after_a_restart_of_the_node_as_well() {
    let bench = Bench::start(ApiLimits::default()).await;
    let path = bench.lease("status");
    let once = bench.signed(&bench.buyer, &Method::GET, &path, empty_body_hash(), [7; 16], key(1));
    assert_eq!(bench.raw(Method::GET, &path, once.clone(), vec![]).await.status(), StatusCode::OK);
    let bench = bench.restart().await;
    let again = refused(bench.raw(Method::GET, &path, once, vec![]).await).await;
    assert_eq!(again, (StatusCode::UNAUTHORIZED, codes::REPLAYED.to_owned()));
    assert_eq!(
        bench.get(&path).await.status(),
        StatusCode::OK,
        "what was signed before the restart and not used is good"
    );
}

#[tokio::test]
async fn issue9_14_a_manifest_that_would_not_be_run_is_refused_at_the_push_by_its_keys() {
    let bench = Bench::with_manifest(ApiLimits::default(), manifest("array: { count: 2 }\n")).await;
    let answer = bench.push_manifest().await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let body: ErrorBody = answer.json().await.unwrap();
    assert_eq!(body.error.code, codes::NOT_RUNNABLE);
    assert!(body.error.message.contains("array: "), "{}", body.error.message);
    assert!(!bench.directory.dir.manifest().exists() && bench.arrivals().is_empty());
}

#[tokio::test]
async fn issue9_08_an_honest_request_is_accepted_by_a_node_whose_machine_is_a_day_off() {
    let bench = Bench::start(ApiLimits::default()).await;
    for host_ms in [NOW * 1000 + 86_400_000, NOW * 1000 - 86_400_000] {
        bench.clock.set_host(host_ms);
        assert_eq!(bench.get(&bench.lease("status")).await.status(), StatusCode::OK);
        let health: Health = bench.raw(Method::GET, "/v1/health", HashMap::new(), vec![]).await.json().await.unwrap();
        assert_eq!(health.now, NOW as u64);
    }
}
