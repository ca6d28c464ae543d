//! The node's interface with one job and one lease, asked over real sockets.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gridlease_node::api::{ApiLimits, ApiServer, Arrival, JobAccess, LeaseDirectory, LogAccess, OutputsAccess, Owners};
use gridlease_node::clock::Clock;
use gridlease_node::driver::{LogPiece, RunAs};
use gridlease_node::logs::LeaseLog;
use gridlease_node::outputs;
use gridlease_node::secrets::NotTaken;
use gridlease_node::state_dir::{LeaseDir, StateDir};
use gridlease_node::tls::Identity;
use gridlease_sdk::node_api::auth::{SignedRequest, empty_body_hash, sign};
use gridlease_sdk::node_api::secrets::LeaseKey;
use gridlease_sdk::node_api::tls::pinned_client_config;
use gridlease_sdk::node_api::{ErrorBody, LeaseStatus, LogStream};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

pub const INPUT: &[u8] = b"scene data";

pub fn key(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

pub fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// One job with one lease, as the main loop would describe it.
pub struct Directory {
    pub owners: Owners,
    pub manifest_hash: [u8; 32],
    pub dir: LeaseDir,
    pub open: Mutex<bool>,
    pub inputs: Mutex<Option<Vec<[u8; 32]>>>,
    pub log: Mutex<Option<Arc<LeaseLog>>>,
    /// Whether the container has ended and its log is not complete.
    pub ending: Mutex<bool>,
    pub arrivals: Mutex<Vec<Arrival>>,
}

impl LeaseDirectory for Directory {
    fn job(&self, job: &Pubkey) -> Option<JobAccess> {
        (*job == key(2)).then(|| JobAccess {
            owners: self.owners,
            manifest_hash: self.manifest_hash,
            sold: None,
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
            missing_secrets: vec![],
            restarts: 0,
            message: String::new(),
            log_lines: 0,
            pull: None,
            ports: vec![],
        })
    }
    fn lease_key(&self, _: &Pubkey) -> Result<LeaseKey, NotTaken> {
        Err(NotTaken::NoKey)
    }
    fn take_secrets(&self, _: &Pubkey, _: &[u8]) -> Result<(), NotTaken> {
        Err(NotTaken::NoKey)
    }
    fn log(&self, _: &Pubkey, _: &str) -> Option<LogAccess> {
        let log = self.log.lock().unwrap().clone()?;
        Some(LogAccess { log, ending: *self.ending.lock().unwrap() })
    }
    fn outputs(&self, _: &Pubkey) -> Option<OutputsAccess> {
        let collected = outputs::load(&self.dir).unwrap()?;
        Some(OutputsAccess { listing: collected.listing, dirs: outputs::dirs(&self.dir, 1) })
    }
    fn arrived(&self, _: &Pubkey, what: Arrival) {
        self.arrivals.lock().unwrap().push(what);
    }
}

pub struct Bench {
    _dir: tempfile::TempDir,
    pub state: StateDir,
    pub identity: Identity,
    pub limits: ApiLimits,
    pub directory: Arc<Directory>,
    pub server: ApiServer,
    pub clock: Clock,
    pub http: reqwest::Client,
    pub buyer: Keypair,
    pub poster: Keypair,
    pub guardian: Keypair,
    pub manifest: Vec<u8>,
}

pub const NOW: i64 = 1_800_000_000;

pub fn manifest(more: &str) -> Vec<u8> {
    let yaml = format!(
        "version: 1\nname: test\nimage: 127.0.0.1:5000/x@sha256:{}\ncommand: [\"/bin/true\"]\n{more}\
         inputs: [{{ uri: \"https://example.com/scene\", sha256: {}, mount: /in/scene }}]\noutputs: [{{ path: /out }}]\n\
         resources: {{ cpu: 1, memory: 1GiB, disk: 1GiB }}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n",
        "ab".repeat(32),
        hex::encode(sha(INPUT))
    );
    let parsed = gridlease_sdk::manifest::Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    parsed.canonical().unwrap()
}

impl Bench {
    pub async fn start(limits: ApiLimits) -> Self {
        Self::with_manifest(limits, manifest("")).await
    }

    pub async fn with_manifest(limits: ApiLimits, manifest: Vec<u8>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (buyer, poster, guardian) = (Keypair::new(), Keypair::new(), Keypair::new());
        let lease_dir = state.lease(&key(3));
        lease_dir.create(1, RunAs::for_this_process()).unwrap();
        let directory = Arc::new(Directory {
            owners: Owners { buyer: buyer.pubkey(), poster: poster.pubkey(), guardian: guardian.pubkey() },
            manifest_hash: sha(&manifest),
            dir: lease_dir,
            open: Mutex::new(true),
            inputs: Mutex::new(None),
            log: Mutex::new(None),
            ending: Mutex::new(false),
            arrivals: Mutex::new(Vec::new()),
        });
        let identity = Identity::load_or_create(&state).unwrap();
        let clock = Clock::manual(NOW * 1000);
        let server = serve(&state, &identity, &directory, limits, &clock);
        let http = client(&identity).build().unwrap();
        Self { _dir: dir, state, identity, limits, directory, server, clock, http, buyer, poster, guardian, manifest }
    }

    /// Ends the server and begins another one with the same state.
    pub async fn restart(self) -> Self {
        let Self { _dir, state, identity, limits, directory, server, clock, http, buyer, poster, guardian, manifest } =
            self;
        server.shutdown(Duration::from_secs(1)).await;
        let server = serve(&state, &identity, &directory, limits, &clock);
        Self { _dir, state, identity, limits, directory, server, clock, http, buyer, poster, guardian, manifest }
    }

    pub async fn send(
        &self,
        signer: &Keypair,
        method: Method,
        path: &str,
        body_hash: [u8; 32],
        body: Vec<u8>,
    ) -> Response {
        let headers = self.signed(signer, &method, path, body_hash, rand::random(), key(1));
        self.raw(method, path, headers, body).await
    }

    pub fn signed(
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

    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: HashMap<&'static str, String>,
        body: Vec<u8>,
    ) -> Response {
        self.try_raw(method, path, headers, body).await.unwrap()
    }

    pub async fn try_raw(
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

    pub async fn get(&self, path: &str) -> Response {
        self.send(&self.buyer, Method::GET, path, empty_body_hash(), vec![]).await
    }

    /// A signed request of the buyer's through another client.
    pub async fn get_with(&self, http: &reqwest::Client, path: &str) -> reqwest::Result<Response> {
        let headers = self.signed(&self.buyer, &Method::GET, path, empty_body_hash(), rand::random(), key(1));
        let mut request = http.get(format!("https://{}{path}", self.server.address()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await
    }

    pub fn job(&self, rest: &str) -> String {
        format!("/v1/jobs/{}/{rest}", key(2))
    }

    pub fn lease(&self, rest: &str) -> String {
        format!("/v1/leases/{}/{rest}", key(3))
    }

    pub async fn push_manifest(&self) -> Response {
        self.send(&self.poster, Method::PUT, &self.job("manifest"), sha(&self.manifest), self.manifest.clone()).await
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.directory.arrivals.lock().unwrap().clone()
    }
}

pub async fn refused(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body: ErrorBody = response.json().await.unwrap();
    assert!(!body.error.message.is_empty());
    (status, body.error.code)
}

/// A client that accepts this node's certificate only.
pub fn client(identity: &Identity) -> reqwest::ClientBuilder {
    let config = pinned_client_config(identity.fingerprint()).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy()
}

fn serve(
    state: &StateDir,
    identity: &Identity,
    directory: &Arc<Directory>,
    limits: ApiLimits,
    clock: &Clock,
) -> ApiServer {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    ApiServer::start(address, state, identity, key(1), directory.clone(), limits, clock.clone()).unwrap()
}

pub fn piece(n: i64) -> LogPiece {
    LogPiece { ts_ms: n, stream: LogStream::Stdout, bytes: Bytes::from(format!("line {n}")), ends_line: true }
}
