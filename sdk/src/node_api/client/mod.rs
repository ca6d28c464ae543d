//! The buyer's side of the node's interface.

mod error;
mod exec;
mod feed;
mod inputs;
mod lines;
mod logs;
mod output_file;
mod outputs;
mod ports;
mod public;
mod secrets;
pub(super) mod socket;

pub use error::NodeError;
pub(crate) use error::root_cause;
pub use exec::{ExecEvent, ExecInput, ExecOutput};
pub use logs::LogStart;
pub use ports::PortTunnel;

use super::auth::{SignedRequest, empty_body_hash, sign};
use super::types::{MAX_OUTPUT_PAGE, OutputPage};
use super::{ErrorBody, ErrorDetail, Health, LeaseStatus, OutputListing, SignedLogHead, paths, tls};
use crate::artifact::{ArtifactError, Limits};
use crate::clock::unix_now;
use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For an answer to begin, and for a short one to be complete.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// A small JSON answer.
const SMALL_ANSWER: usize = 64 * 1024;
/// The list of outputs: 10,000 files with long paths.
const LISTING_ANSWER: usize = 32 * 1024 * 1024;

/// A key that signs requests, shared between calls.
pub type SharedSigner = Arc<dyn Signer + Send + Sync>;

/// Calls the node of one machine over TLS with a pinned certificate; every call but `health` is signed.
///
/// All calls are idempotent, so each is tried again, with a growing, jittered pause, when the node cannot be
/// reached or is at fault. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct NodeApi {
    http: reqwest::Client,
    /// For websockets, which this interface has over HTTP/1.1 only.
    http1: reqwest::Client,
    endpoint: Arc<str>,
    provider: Pubkey,
    signer: SharedSigner,
    clock: fn() -> u64,
    /// What has to be added to this machine's clock, where the node found it off; in seconds.
    correction: Arc<AtomicI64>,
    retry: ExponentialBuilder,
    log_retry: ExponentialBuilder,
}

impl std::fmt::Debug for NodeApi {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NodeApi")
            .field("endpoint", &self.endpoint)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl NodeApi {
    /// A client for the node at `endpoint` (`https://host[:port]`, from its machine's account), which must show the certificate
    /// with the given fingerprint. `provider` is the machine's address: of the provider record for a provider's first one.
    ///
    /// # Errors
    /// [`NodeError::BadEndpoint`] or [`NodeError::Tls`]; nothing is sent yet.
    pub fn new(
        endpoint: &str,
        fingerprint: [u8; 32],
        provider: Pubkey,
        signer: SharedSigner,
    ) -> Result<Self, NodeError> {
        let bad = |reason| NodeError::BadEndpoint { endpoint: endpoint.to_owned(), reason };
        let url = Url::parse(endpoint).map_err(|_| bad("is not a URL"))?;
        if url.scheme() != "https" {
            return Err(bad("does not begin with https://"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has a path; only a host and a port are accepted"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("holds credentials"));
        }
        let host = url.host().ok_or_else(|| bad("has no host"))?;
        let config = tls::pinned_client_config(fingerprint).map_err(|e| NodeError::Tls(e.to_string()))?;
        let loopback = crate::image::is_loopback(&host);
        let builder = || {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(config.clone())
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_keepalive(Duration::from_secs(15))
                .pool_idle_timeout(Duration::from_secs(30));
            if loopback { builder.no_proxy() } else { builder }
        };
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error: reqwest::Error| NodeError::Tls(root_cause(&error)))
        };
        Ok(Self {
            http: built(builder())?,
            http1: built(builder().http1_only())?,
            endpoint: url.as_str().trim_end_matches('/').into(),
            provider,
            signer,
            clock: unix_now,
            correction: Arc::default(),
            retry: ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(5))
                .with_max_times(4)
                .with_jitter(),
            // Long enough for a node that restarts.
            log_retry: ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(10))
                .with_max_times(8)
                .with_jitter(),
        })
    }

    /// Replaces the clock (unix seconds), for programs that have one of their own.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> u64) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the schedules by which calls are tried again and broken logs are resumed.
    #[must_use]
    pub fn with_retry(mut self, retry: ExponentialBuilder) -> Self {
        self.retry = retry;
        self.log_retry = retry;
        self
    }

    /// Which node answers, and what time it has.
    ///
    /// # Errors
    /// [`NodeError`]; a node of another machine is [`NodeError::BadAnswer`].
    pub async fn health(&self) -> Result<Health, NodeError> {
        self.repeated(|| async {
            let request = self.http.get(format!("{}{}", self.endpoint, paths::HEALTH)).timeout(ANSWER_TIMEOUT);
            let name = format!("GET {}", paths::HEALTH);
            let health: Health = self.json(&name, self.dispatch(request).await?, SMALL_ANSWER).await?;
            if health.provider == self.provider.to_string() {
                Ok(health)
            } else {
                Err(NodeError::BadAnswer { request: name, reason: format!("it is the node of {}", health.provider) })
            }
        })
        .await
    }

    /// Hands over the canonical manifest of a job.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn push_manifest(&self, job: &Pubkey, canonical: &[u8]) -> Result<(), NodeError> {
        let path = paths::manifest(job);
        self.put(&path, "application/json", Bytes::copy_from_slice(canonical), async |_| Ok(())).await
    }

    /// How a lease is doing on the node.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn status(&self, lease: &Pubkey) -> Result<LeaseStatus, NodeError> {
        self.get(&paths::status(lease), SMALL_ANSWER).await
    }

    /// How far a lease's log is, in the node's signed word; see [`SignedLogHead::verify`].
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn log_head(&self, lease: &Pubkey) -> Result<SignedLogHead, NodeError> {
        self.get(&paths::log_head(lease), SMALL_ANSWER).await
    }

    /// The list of a lease's outputs, as the node states it; see [`OutputListing::verify`].
    ///
    /// # Errors
    /// [`NodeError`]; of more files than [`Limits`] allows [`NodeError::Output`], and of parts that are not those of one list
    /// [`NodeError::BadAnswer`].
    pub async fn outputs(&self, lease: &Pubkey) -> Result<OutputListing, NodeError> {
        let most = Limits::default().files;
        let mut whole: Option<OutputListing> = None;
        loop {
            let from = whole.as_ref().map_or(0, |list| list.files.len());
            let path = paths::outputs(lease, from, MAX_OUTPUT_PAGE);
            let page: OutputPage = self.get(&path, LISTING_ANSWER).await?;
            let bad = |reason: &str| NodeError::BadAnswer { request: format!("GET {path}"), reason: reason.to_owned() };
            let list = whole.get_or_insert_with(|| OutputListing {
                root: page.root.clone(),
                files: Vec::new(),
                left_out: page.left_out.tamed(),
            });
            if list.root != page.root {
                return Err(bad("the list changed while it was read"));
            }
            let came = page.files.len();
            list.files.extend(page.files);
            let total = page.total.unwrap_or(list.files.len());
            if total.max(list.files.len()) > most {
                return Err(ArtifactError::TooManyFiles(most).into());
            }
            if list.files.len() > total || (came == 0 && list.files.len() < total) {
                return Err(bad("it has another number of files than it says"));
            }
            if list.files.len() == total
                && let Some(list) = whole
            {
                return Ok(list);
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<T, NodeError> {
        self.retrying(|| async {
            let request = self.signed(Method::GET, path, empty_body_hash())?.timeout(ANSWER_TIMEOUT);
            let response = self.dispatch(request).await?;
            self.json(&format!("GET {path}"), response, limit).await
        })
        .await
    }

    /// Hands over a small body, and reads the answer.
    async fn put<T>(
        &self,
        path: &str,
        kind: &'static str,
        body: Bytes,
        read: impl AsyncFn(Response) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let hash = Sha256::digest(&body).into();
        self.retrying(|| async {
            let request = self
                .signed(Method::PUT, path, hash)?
                .header("content-type", kind)
                .timeout(ANSWER_TIMEOUT)
                .body(body.clone());
            read(self.dispatch(request).await?).await
        })
        .await
    }

    /// Repeats a signed call; one that was refused because this machine's clock is off is signed anew by the node's.
    async fn retrying<T, F, Fut>(&self, mut call: F) -> Result<T, NodeError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, NodeError>>,
    {
        match self.repeated(&mut call).await {
            Err(error) if error.is_clock_drift() && self.correct_clock().await => self.repeated(&mut call).await,
            outcome => outcome,
        }
    }

    /// Takes the time from the node; `true` where it told it. Such a signature serves for this machine only, so a node
    /// that lies about the time gains nothing by it.
    async fn correct_clock(&self) -> bool {
        let Ok(health) = self.health().await else { return false };
        let correction = i64::try_from(health.now).unwrap_or(0).saturating_sub_unsigned((self.clock)());
        let before = self.correction.swap(correction, Ordering::Relaxed);
        if before.abs_diff(correction) > 1 {
            tracing::warn!(
                "this machine's clock and the node's are {} s apart; requests are signed in the node's time",
                correction.unsigned_abs()
            );
        }
        true
    }

    async fn repeated<T, F, Fut>(&self, call: F) -> Result<T, NodeError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, NodeError>>,
    {
        call.retry(self.retry)
            .when(NodeError::is_transient)
            .notify(|error, pause| {
                tracing::debug!(%error, ?pause, "call to the node failed, trying again");
            })
            .await
    }

    /// A request with its signature; the nonce is fresh, so every attempt needs its own.
    fn signed(&self, method: Method, path: &str, body_sha256: [u8; 32]) -> Result<RequestBuilder, NodeError> {
        self.signed_by(&self.http, method, path, body_sha256)
    }

    fn signed_by(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &str,
        body_sha256: [u8; 32],
    ) -> Result<RequestBuilder, NodeError> {
        let request =
            SignedRequest { method: method.as_str(), path_and_query: path, body_sha256, provider: &self.provider };
        let now = (self.clock)().saturating_add_signed(self.correction.load(Ordering::Relaxed));
        let headers = sign(&*self.signer, &request, now, rand::random()).map_err(NodeError::Sign)?;
        let mut builder = http.request(method, format!("{}{path}", self.endpoint));
        for (name, value) in headers.pairs() {
            builder = builder.header(name, value);
        }
        Ok(builder)
    }

    /// Sends, and turns every status but 2xx into an error.
    async fn dispatch(&self, request: RequestBuilder) -> Result<Response, NodeError> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let body = self.body("", response, SMALL_ANSWER).await.ok();
        let detail = body.and_then(|bytes| serde_json::from_slice::<ErrorBody>(&bytes).ok()).map_or_else(
            || ErrorDetail { code: "unknown".to_owned(), message: "it gave no reason".to_owned(), hint: String::new() },
            |body| printable(body.error),
        );
        Err(NodeError::Refused { status: status.as_u16(), detail })
    }

    async fn json<T: DeserializeOwned>(&self, request: &str, response: Response, limit: usize) -> Result<T, NodeError> {
        let body = self.body(request, response, limit).await?;
        serde_json::from_slice(&body)
            .map_err(|error| NodeError::BadAnswer { request: request.to_owned(), reason: error.to_string() })
    }

    async fn body(&self, request: &str, mut response: Response, limit: usize) -> Result<Vec<u8>, NodeError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failed(&e))? {
            if body.len() + chunk.len() > limit {
                return Err(NodeError::AnswerTooLarge { request: request.to_owned(), limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failed(&self, error: &reqwest::Error) -> NodeError {
        NodeError::from_reqwest(&self.endpoint, error)
    }
}

/// The node's words go to a terminal: no control characters, no novels.
fn printable(detail: ErrorDetail) -> ErrorDetail {
    let clean =
        |text: String| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect() };
    ErrorDetail { code: clean(detail.code), message: clean(detail.message), hint: clean(detail.hint) }
}
