//! The connection that everything else uses: address, commitment, time limits, retries of reads.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use solana_commitment_config::CommitmentConfig;
use solana_rpc_client::{http_sender::HttpSender, nonblocking::rpc_client::RpcClient, rpc_client::RpcClientConfig};
use solana_rpc_client_api::client_error::{Result as ClientResult, reqwest};

use super::{ClusterUrl, RpcError};

/// Longest time limit that a configuration may ask for.
const MAX_LIMIT: Duration = Duration::from_secs(600);
/// Most retries of a read that a configuration may ask for.
const MAX_RETRIES: usize = 20;

/// How a [`Client`] behaves. `Default` is right for people and for daemons.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// How sure the network must be of what is read and of what is taken as landed. Default: confirmed.
    pub commitment: CommitmentConfig,
    /// Time limit of a connection attempt. Default 5 s.
    pub connect_timeout: Duration,
    /// Time limit of one request. Default 15 s, at most 600 s.
    pub request_timeout: Duration,
    /// Time limit of one request for all accounts of a program. Default 60 s, at most 600 s.
    pub scan_timeout: Duration,
    /// How often a failed read is repeated. Default 4, at most 20. Transactions have rules of their own.
    pub retries: usize,
    /// Pause before the first repetition; doubled each time, with jitter. Default 200 ms.
    pub retry_pause: Duration,
    /// Longest pause between repetitions, before jitter. Default 3 s.
    pub max_retry_pause: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            commitment: CommitmentConfig::confirmed(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            scan_timeout: Duration::from_secs(60),
            retries: 4,
            retry_pause: Duration::from_millis(200),
            max_retry_pause: Duration::from_secs(3),
        }
    }
}

/// A network to read from, send to and watch. Clones share one connection pool.
#[derive(Clone)]
pub struct Client {
    pub(super) rpc: Arc<RpcClient>,
    pub(super) url: Arc<ClusterUrl>,
    pub(super) config: ClientConfig,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).field("config", &self.config).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for `url` with the default settings. Nothing is asked yet.
    ///
    /// # Errors
    /// [`RpcError::Invalid`] if this system offers no TLS.
    pub fn new(url: ClusterUrl) -> Result<Self, RpcError> {
        Self::with_config(url, ClientConfig::default())
    }

    /// A client for `url` with the given settings. Values out of bounds are brought to the nearest bound.
    ///
    /// # Errors
    /// [`RpcError::Invalid`] if this system offers no TLS.
    pub fn with_config(url: ClusterUrl, config: ClientConfig) -> Result<Self, RpcError> {
        let limit = |given: Duration| given.clamp(Duration::from_millis(1), MAX_LIMIT);
        let config = ClientConfig {
            connect_timeout: limit(config.connect_timeout),
            request_timeout: limit(config.request_timeout),
            scan_timeout: limit(config.scan_timeout),
            retries: config.retries.min(MAX_RETRIES),
            ..config
        };
        let http = reqwest::Client::builder()
            .default_headers(HttpSender::default_headers())
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout.max(config.scan_timeout))
            .build()
            .map_err(|error| RpcError::Invalid {
                doing: "setting up a connection",
                reason: error.without_url().to_string(),
            })?;
        let rpc = RpcClient::new_sender(
            HttpSender::new_with_client(url.rpc(), http),
            RpcClientConfig::with_commitment(config.commitment),
        );
        Ok(Self { rpc: Arc::new(rpc), url: Arc::new(url), config })
    }

    /// Where this client connects to.
    pub fn url(&self) -> &ClusterUrl {
        &self.url
    }

    /// The settings in force.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Solana's own client on the same connection, for requests that have no method here. It neither repeats nor
    /// redacts: its errors may show the address in full.
    pub fn inner(&self) -> &RpcClient {
        &self.rpc
    }

    /// One request under a time limit.
    pub(super) async fn once<T>(
        &self,
        doing: &'static str,
        limit: Duration,
        request: impl Future<Output = ClientResult<T>>,
    ) -> Result<T, RpcError> {
        match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer.map_err(|error| RpcError::from_client(error, &self.url, doing, limit)),
            Err(_) => Err(RpcError::Timeout { url: self.url.shown_rpc(), doing, after: limit }),
        }
    }

    /// An idempotent request, repeated after transient errors.
    pub(super) async fn read<T, R>(
        &self,
        doing: &'static str,
        limit: Duration,
        mut request: impl FnMut() -> R,
    ) -> Result<T, RpcError>
    where
        R: Future<Output = ClientResult<T>>,
    {
        (|| self.once(doing, limit, request()))
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(self.config.retry_pause)
                    .with_max_delay(self.config.max_retry_pause)
                    .with_max_times(self.config.retries)
                    .with_jitter(),
            )
            .when(RpcError::is_transient)
            .notify(|error, pause| tracing::debug!(%error, ?pause, "a read is repeated"))
            .await
    }
}
