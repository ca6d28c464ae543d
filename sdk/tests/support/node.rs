//! A node's interface as a real TLS server that checks every signature, and misbehaves on request.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use gridlease_sdk::artifact::{Limits, OutputListing, pack, walk};
use gridlease_sdk::node_api::auth::{AuthHeaders, NonceWindow, SignedRequest, empty_body_hash, verify};
use gridlease_sdk::node_api::client::{NodeApi, SharedSigner};
use gridlease_sdk::node_api::{ErrorBody, Health, LeaseStatus, LogChain, LogLine, LogStream, OutputPage, codes, tls};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub struct TestNode {
    pub endpoint: String,
    pub fingerprint: [u8; 32],
    pub buyer: Arc<Keypair>,
    pub state: Arc<Inner>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub struct Inner {
    pub provider: Pubkey,
    buyer: Pubkey,
    nonces: Mutex<NonceWindow>,
    /// The time that the health check tells; requests are checked by the machine's.
    pub health_now: AtomicU64,
    /// Requests that came through TLS.
    pub requests: AtomicU32,
    /// How many of the next requests fail with 503.
    pub failing: AtomicU32,
    pub manifests: Mutex<Vec<Vec<u8>>>,
    pub inputs: Mutex<HashMap<String, Vec<u8>>>,
    pub log: Mutex<Vec<LogLine>>,
    pub log_ended: Mutex<bool>,
    /// After how many bytes each of the next log and archive transfers breaks.
    pub breaks: Mutex<VecDeque<usize>>,
    /// Sequence numbers at which log connections began.
    pub log_starts: Mutex<Vec<u64>>,
    pub outputs: TempDir,
    /// What the listing says, if not the truth.
    pub listing: Mutex<Option<OutputListing>>,
    /// How many files a part of the listing has, and how many it says there are in all; none: it comes whole, as of a node that
    /// knows no parts.
    pub pages: Mutex<Option<(usize, usize)>>,
    /// The ranges that were asked for.
    pub ranges: Mutex<Vec<String>>,
    /// By how much an answer is not the range that was asked for.
    pub shift: AtomicU32,
}

/// Unix seconds.
pub fn machine_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Certificate and key of a node, as a node makes them.
pub fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["node".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (made.cert.der().clone(), key)
}

impl TestNode {
    pub async fn start() -> Self {
        let (certificate, key) = certificate();
        Self::start_with(certificate, key).await
    }

    /// Shows `certificate`, but signs with `key`, whether they belong together or not.
    pub async fn start_with(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Self {
        let fingerprint = tls::fingerprint(&certificate);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let shown = Arc::new(rustls::sign::CertifiedKey::new(vec![certificate], key));
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        let buyer = Arc::new(Keypair::new());
        let state = Arc::new(Inner {
            provider: Pubkey::new_from_array([9; 32]),
            buyer: buyer.pubkey(),
            nonces: Mutex::new(NonceWindow::new(10_000)),
            health_now: AtomicU64::new(7),
            requests: AtomicU32::new(0),
            failing: AtomicU32::new(0),
            manifests: Mutex::default(),
            inputs: Mutex::default(),
            log: Mutex::default(),
            log_ended: Mutex::new(true),
            breaks: Mutex::default(),
            log_starts: Mutex::default(),
            outputs: tempfile::tempdir().unwrap(),
            listing: Mutex::default(),
            pages: Mutex::default(),
            ranges: Mutex::default(),
            shift: AtomicU32::new(0),
        });
        let app = Router::new()
            .route("/v1/health", get(health))
            .route("/v1/jobs/{job}/manifest", put(manifest))
            .route("/v1/jobs/{job}/inputs/{sha256}", put(input))
            .route("/v1/leases/{lease}/status", get(status))
            .route("/v1/leases/{lease}/logs", get(logs))
            .route("/v1/leases/{lease}/outputs", get(outputs))
            .route("/v1/leases/{lease}/outputs/file", get(output_file))
            .route("/v1/leases/{lease}/outputs.tar", get(archive))
            .layer(axum::middleware::from_fn_with_state(state.clone(), count))
            .with_state(state.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let tls = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        let server = tokio::spawn(async move { server.serve(app.into_make_service()).await.unwrap() });
        Self { endpoint, fingerprint, buyer, state, server }
    }

    pub fn client_of(&self, signer: SharedSigner) -> NodeApi {
        let retry = backon::ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(5))
            .with_max_delay(Duration::from_millis(20))
            .with_max_times(4);
        NodeApi::new(&self.endpoint, self.fingerprint, self.state.provider, signer).unwrap().with_retry(retry)
    }

    pub fn client(&self) -> NodeApi {
        self.client_of(self.buyer.clone())
    }

    pub fn write_log(&self, lines: &[&str]) {
        let mut log = self.state.log.lock().unwrap();
        let mut chain = log.last().map_or_else(LogChain::genesis, |last| {
            let mut value = [0; 32];
            hex::decode_to_slice(&last.chain, &mut value).unwrap();
            LogChain::resume(last.seq + 1, value)
        });
        for line in lines {
            let stream = if line.starts_with('!') { LogStream::Stderr } else { LogStream::Stdout };
            log.push(chain.append(1, stream, (*line).to_owned()).unwrap());
        }
    }

    pub fn write_output(&self, path: &str, content: &str) {
        let path = self.state.outputs.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn true_listing(&self) -> OutputListing {
        self.state.true_listing()
    }

    pub fn requests(&self) -> u32 {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Inner {
    fn true_listing(&self) -> OutputListing {
        let found = walk(&[self.outputs.path()], &Limits::default()).unwrap();
        OutputListing::with_left_out(found.files, found.left_out).unwrap()
    }

    #[allow(clippy::result_large_err, reason = "a refusal is an answer, and answers are large")]
    fn authorise(&self, method: &str, uri: &str, headers: &HeaderMap, body_sha256: [u8; 32]) -> Result<(), Response> {
        let refuse = |status: StatusCode, code: &str, message: String, hint: &str| {
            (status, Json(ErrorBody::new(code, message, hint))).into_response()
        };
        let now = machine_time();
        let request = SignedRequest { method, path_and_query: uri, body_sha256, provider: &self.provider };
        let checked = AuthHeaders::read(|name| headers.get(name)?.to_str().ok()).and_then(|signed| {
            let key = verify(&signed, &request, now)?;
            self.nonces.lock().unwrap().record(&signed, now)?;
            Ok(key)
        });
        match checked {
            Ok(key) if key == self.buyer => Ok(()),
            Ok(key) => Err(refuse(
                StatusCode::FORBIDDEN,
                codes::NOT_YOUR_LEASE,
                format!("{key} is not the buyer"),
                "use the buyer's keypair",
            )),
            Err(error) => Err(refuse(StatusCode::UNAUTHORIZED, error.code(), error.to_string(), "")),
        }
    }
}

async fn count(State(node): State<Arc<Inner>>, request: Request, next: axum::middleware::Next) -> Response {
    node.requests.fetch_add(1, Ordering::SeqCst);
    let failing = node.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if failing.is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let uri = uri.path_and_query().unwrap().as_str();
    if method == "GET"
        && uri != "/v1/health"
        && let Err(refusal) = node.authorise("GET", uri, request.headers(), empty_body_hash())
    {
        return refusal;
    }
    next.run(request).await
}

async fn health(State(node): State<Arc<Inner>>) -> Json<Health> {
    Json(Health {
        provider: node.provider.to_string(),
        version: "test".to_owned(),
        now: node.health_now.load(Ordering::SeqCst),
    })
}

async fn manifest(State(node): State<Arc<Inner>>, uri: axum::http::Uri, headers: HeaderMap, body: Bytes) -> Response {
    let hash = Sha256::digest(&body).into();
    if let Err(refusal) = node.authorise("PUT", uri.path(), &headers, hash) {
        return refusal;
    }
    node.manifests.lock().unwrap().push(body.to_vec());
    StatusCode::NO_CONTENT.into_response()
}

async fn input(
    State(node): State<Arc<Inner>>,
    Path((_, sha256)): Path<(String, String)>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut hash = [0; 32];
    hex::decode_to_slice(&sha256, &mut hash).unwrap();
    if let Err(refusal) = node.authorise("PUT", uri.path(), &headers, hash) {
        return refusal;
    }
    let content = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    assert_eq!(headers["content-length"], content.len().to_string().as_str());
    if hex::encode(Sha256::digest(&content)) != sha256 {
        let body = ErrorBody::new(codes::HASH_MISMATCH, "other bytes", "");
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response();
    }
    node.inputs.lock().unwrap().insert(sha256, content.to_vec());
    StatusCode::NO_CONTENT.into_response()
}

async fn status(Path(lease): Path<String>) -> Json<LeaseStatus> {
    Json(LeaseStatus {
        lease,
        phase: "running".to_owned(),
        container_state: Some("running".to_owned()),
        started_at_ms: Some(5),
        exit_code: None,
        runway_end: 100,
        missing_inputs: Vec::new(),
        missing_secrets: Vec::new(),
        restarts: 0,
        message: String::new(),
        log_lines: 0,
        pull: None,
        ports: vec![],
    })
}

async fn logs(State(node): State<Arc<Inner>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let from: u64 = query["from"].parse().unwrap();
    let follow = query["follow"] == "true";
    node.log_starts.lock().unwrap().push(from);
    let limit = node.breaks.lock().unwrap().pop_front();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let mut next = usize::try_from(from).unwrap();
        loop {
            let ended = *node.log_ended.lock().unwrap();
            let line = node.log.lock().unwrap().get(next).cloned();
            match line {
                Some(line) => {
                    next += 1;
                    let text = serde_json::to_string(&line).unwrap() + "\n";
                    // In pieces that respect no boundary.
                    for piece in text.as_bytes().chunks(7) {
                        if sender.send(Bytes::copy_from_slice(piece)).await.is_err() {
                            return;
                        }
                    }
                }
                None if ended || !follow => return,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    broken_after(limit, pieces)
}

/// Answers with the pieces, and breaks the connection after `limit` bytes.
fn broken_after(limit: Option<usize>, pieces: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut left = limit.unwrap_or(usize::MAX);
    let pieces = pieces.map(move |piece| {
        if piece.len() > left {
            return Err(std::io::Error::other("broken on request"));
        }
        left -= piece.len();
        Ok(piece)
    });
    Body::from_stream(pieces).into_response()
}

async fn outputs(State(node): State<Arc<Inner>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let told = node.listing.lock().unwrap().clone();
    let whole = told.unwrap_or_else(|| node.true_listing());
    let Some((size, total)) = *node.pages.lock().unwrap() else { return Json(whole).into_response() };
    let from = query["from"].parse().unwrap();
    let files = whole.files.into_iter().skip(from).take(size).collect();
    Json(OutputPage { root: whole.root, files, left_out: whole.left_out, total: Some(total) }).into_response()
}

async fn output_file(
    State(node): State<Arc<Inner>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let range = headers["range"].to_str().unwrap().to_owned();
    node.ranges.lock().unwrap().push(range.clone());
    let content = std::fs::read(node.outputs.path().join(&query["path"])).unwrap();
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let limit = node.breaks.lock().unwrap().pop_front();
    let pieces: Vec<_> = content[first..=last].chunks(1000).map(Bytes::copy_from_slice).collect();
    let mut answer = broken_after(limit, futures_util::stream::iter(pieces));
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    let shift = node.shift.load(Ordering::SeqCst) as usize;
    let range = format!("bytes {}-{last}/{}", first + shift, content.len());
    answer.headers_mut().insert("content-range", range.parse().unwrap());
    answer
}

async fn archive(State(node): State<Arc<Inner>>) -> Response {
    let mut bytes = Vec::new();
    pack(&[node.outputs.path()], &node.true_listing().files, &mut bytes).unwrap();
    let limit = node.breaks.lock().unwrap().pop_front();
    let pieces: Vec<_> = bytes.chunks(1000).map(Bytes::copy_from_slice).collect();
    broken_after(limit, futures_util::stream::iter(pieces))
}
