//! The interface, asked by the buyer's own client over TLS with a pinned certificate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gridlease_node::api::{
    ApiLimits, ApiServer, Arrival, JobAccess, LeaseDirectory, OutputsAccess, Owners, ServeError,
};
use gridlease_node::clock::Clock;
use gridlease_node::driver::{LogPiece, RunAs};
use gridlease_node::layout::{LeaseDir, StateDir};
use gridlease_node::logs::{LeaseLog, LogLimits};
use gridlease_node::outputs;
use gridlease_node::tls::Identity;
use gridlease_sdk::artifact::Limits;
use gridlease_sdk::node_api::auth::{SignedRequest, empty_body_hash, sign};
use gridlease_sdk::node_api::tls::pinned_client_config;
use gridlease_sdk::node_api::{ErrorBody, Health, LeaseStatus, LogLine, LogStream, OutputListing, codes};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

const INPUT: &[u8] = b"scene data";

fn key(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// One job with one lease, as the main loop would describe it.
struct Directory {
    owners: Owners,
    manifest_hash: [u8; 32],
    dir: LeaseDir,
    open: Mutex<bool>,
    inputs: Mutex<Option<Vec<[u8; 32]>>>,
    log: Mutex<Option<Arc<LeaseLog>>>,
    arrivals: Mutex<Vec<Arrival>>,
}

impl LeaseDirectory for Directory {
    fn job(&self, job: &Pubkey) -> Option<JobAccess> {
        (*job == key(2)).then(|| JobAccess {
            owners: self.owners,
            manifest_hash: self.manifest_hash,
            inputs: self.inputs.lock().unwrap().clone(),
            open: *self.open.lock().unwrap(),
            dir: self.dir.clone(),
        })
    }
    fn lease(&self, lease: &Pubkey) -> Option<Owners> {
        (*lease == key(3)).then_some(self.owners)
    }
    fn status(&self, lease: &Pubkey) -> Option<LeaseStatus> {
        Some(LeaseStatus {
            lease: lease.to_string(),
            phase: "running".to_owned(),
            container_state: None,
            started_at_ms: None,
            exit_code: None,
            runway_end: 7,
            missing_inputs: vec![],
            message: String::new(),
            pull: None,
        })
    }
    fn log(&self, _: &Pubkey) -> Option<Arc<LeaseLog>> {
        self.log.lock().unwrap().clone()
    }
    fn outputs(&self, _: &Pubkey) -> Option<OutputsAccess> {
        let collected = outputs::load(&self.dir).unwrap()?;
        Some(OutputsAccess { listing: collected.listing, dirs: outputs::dirs(&self.dir, 1) })
    }
    fn arrived(&self, _: &Pubkey, what: Arrival) {
        self.arrivals.lock().unwrap().push(what);
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    directory: Arc<Directory>,
    server: ApiServer,
    clock: Clock,
    http: reqwest::Client,
    buyer: Keypair,
    poster: Keypair,
    manifest: Vec<u8>,
}

const NOW: i64 = 1_800_000_000;

fn manifest() -> Vec<u8> {
    let yaml = format!(
        "version: 1\nname: test\nimage: 127.0.0.1:5000/x@sha256:{}\ncommand: [\"/bin/true\"]\n\
         inputs: [{{ uri: \"https://example.com/scene\", sha256: {}, mount: /in/scene }}]\noutputs: [{{ path: /out }}]\n\
         resources: {{ cpu: 1, memory: 1GiB, disk: 1GiB }}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n",
        "ab".repeat(32),
        hex::encode(sha(INPUT))
    );
    let parsed = gridlease_sdk::manifest::Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    parsed.canonical().unwrap()
}

impl Bench {
    async fn start(limits: ApiLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (buyer, poster) = (Keypair::new(), Keypair::new());
        let lease_dir = state.lease(&key(3));
        lease_dir.create(1, RunAs::for_this_process()).unwrap();
        let manifest = manifest();
        let directory = Arc::new(Directory {
            owners: Owners { buyer: buyer.pubkey(), poster: poster.pubkey() },
            manifest_hash: sha(&manifest),
            dir: lease_dir,
            open: Mutex::new(true),
            inputs: Mutex::new(None),
            log: Mutex::new(None),
            arrivals: Mutex::new(Vec::new()),
        });
        let identity = Identity::load_or_create(&state).unwrap();
        let clock = Clock::manual(NOW * 1000);
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = ApiServer::start(address, &identity, key(1), directory.clone(), limits, clock.clone()).unwrap();
        let config = pinned_client_config(identity.fingerprint()).unwrap();
        let http = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
        Self { _dir: dir, directory, server, clock, http, buyer, poster, manifest }
    }

    async fn send(&self, signer: &Keypair, method: Method, path: &str, body_hash: [u8; 32], body: Vec<u8>) -> Response {
        let headers = self.signed(signer, &method, path, body_hash, rand::random(), key(1));
        self.raw(method, path, headers, body).await
    }

    fn signed(
        &self,
        signer: &Keypair,
        method: &Method,
        path: &str,
        body_sha256: [u8; 32],
        nonce: [u8; 16],
        provider: Pubkey,
    ) -> HashMap<&'static str, String> {
        let request = SignedRequest { method: method.as_str(), path_and_query: path, body_sha256, provider: &provider };
        sign(signer, &request, NOW as u64, nonce).unwrap().pairs().into()
    }

    async fn raw(&self, method: Method, path: &str, headers: HashMap<&'static str, String>, body: Vec<u8>) -> Response {
        self.try_raw(method, path, headers, body).await.unwrap()
    }

    async fn try_raw(
        &self,
        method: Method,
        path: &str,
        headers: HashMap<&'static str, String>,
        body: Vec<u8>,
    ) -> reqwest::Result<Response> {
        let mut request = self.http.request(method, format!("https://{}{path}", self.server.address())).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await
    }

    async fn get(&self, path: &str) -> Response {
        self.send(&self.buyer, Method::GET, path, empty_body_hash(), vec![]).await
    }

    fn job(&self, rest: &str) -> String {
        format!("/v1/jobs/{}/{rest}", key(2))
    }

    fn lease(&self, rest: &str) -> String {
        format!("/v1/leases/{}/{rest}", key(3))
    }

    async fn push_manifest(&self) -> Response {
        self.send(&self.poster, Method::PUT, &self.job("manifest"), sha(&self.manifest), self.manifest.clone()).await
    }

    fn arrivals(&self) -> Vec<Arrival> {
        self.directory.arrivals.lock().unwrap().clone()
    }
}

async fn refused(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body: ErrorBody = response.json().await.unwrap();
    assert!(!body.error.message.is_empty());
    (status, body.error.code)
}

#[tokio::test]
async fn health_needs_no_signature_and_everything_else_does() {
    let bench = Bench::start(ApiLimits::default()).await;
    let health: Health = bench.raw(Method::GET, "/v1/health", HashMap::new(), vec![]).await.json().await.unwrap();
    assert_eq!((health.provider, health.now), (key(1).to_string(), NOW as u64));
    for path in [bench.lease("status"), bench.lease("logs"), bench.lease("outputs"), bench.lease("outputs.tar")] {
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
    assert_eq!(refused(bench.get(&other).await).await, (StatusCode::NOT_FOUND, codes::NOT_FOUND.to_owned()));
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
        (StatusCode::UNAUTHORIZED, codes::BAD_SIGNATURE.to_owned()),
        "the body is not the one that was signed"
    );
    let large = vec![b' '; 65 * 1024];
    let refusal = refused(bench.send(&bench.buyer, Method::PUT, &path, sha(&large), large).await).await;
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

fn piece(n: i64) -> LogPiece {
    LogPiece { ts_ms: n, stream: LogStream::Stdout, bytes: Bytes::from(format!("line {n}")), ends_line: true }
}

#[tokio::test]
async fn the_log_is_followed_from_any_line_until_it_is_closed() {
    let bench = Bench::start(ApiLimits { streams: 1, ..ApiLimits::default() }).await;
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
async fn a_port_in_use_is_told_and_a_shutdown_frees_the_port() {
    let bench = Bench::start(ApiLimits::default()).await;
    let address = bench.server.address();
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&StateDir::open(dir.path()).unwrap()).unwrap();
    let again =
        || ApiServer::start(address, &identity, key(1), bench.directory.clone(), ApiLimits::default(), Clock::system());
    let error = again().unwrap_err();
    assert!(matches!(error, ServeError::InUse { .. }) && error.to_string().contains("--listen"), "{error}");
    bench.server.shutdown(Duration::from_secs(1)).await;
    again().unwrap().shutdown(Duration::from_secs(1)).await;
}
