//! Fetching over https, from the public internet only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{InputError, Missing, is_public, place};
use crate::state_dir::LeaseDir;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;

/// What may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPolicy {
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Longest time for one file.
    pub timeout: Duration,
    /// Plain http and private addresses too. Only for a market on one machine; a provider on the internet never sets it,
    /// because any buyer could then read what its network shows to this machine.
    pub allow_private: bool,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            max_bytes: gridlease_sdk::node_api::MAX_INPUT_BYTES,
            timeout: Duration::from_secs(600),
            allow_private: false,
        }
    }
}

/// Fetches inputs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    http: reqwest::Client,
    policy: FetchPolicy,
}

impl Fetcher {
    /// A fetcher with this policy.
    ///
    /// # Errors
    /// [`InputError::Transfer`] if TLS cannot be set up.
    pub fn new(policy: FetchPolicy) -> Result<Self, InputError> {
        let http = client(&policy).map_err(|e| InputError::Transfer { name: "(any)".to_owned(), reason: chain(&e) })?;
        Ok(Self { http, policy })
    }

    /// Fetches one input into the lease's directory. An input without an address is left to the buyer to push.
    ///
    /// # Errors
    /// [`InputError`].
    pub async fn fetch(&self, lease: &LeaseDir, input: &Missing) -> Result<(), InputError> {
        self.fetch_at_most(lease, input, self.policy.max_bytes).await
    }

    /// The same for an input for which there is so much room.
    ///
    /// # Errors
    /// [`InputError`]; [`InputError::NoRoom`] where it would have been taken had there been more.
    pub async fn fetch_within(&self, lease: &LeaseDir, input: &Missing, room: u64) -> Result<(), InputError> {
        match self.fetch_at_most(lease, input, self.policy.max_bytes.min(room)).await {
            Err(InputError::TooLarge { limit, .. }) if limit == room => {
                Err(InputError::NoRoom { bytes: room.saturating_add(1), room })
            }
            fetched => fetched,
        }
    }

    /// The same for something that is at most `max_bytes` large.
    pub(crate) async fn fetch_at_most(
        &self,
        lease: &LeaseDir,
        input: &Missing,
        max_bytes: u64,
    ) -> Result<(), InputError> {
        let Some(uri) = &input.uri else { return Ok(()) };
        let bad = |reason: String| InputError::Bad { name: uri.clone(), reason };
        let url = Url::parse(uri).map_err(|e| bad(format!("it is no URL: {e}")))?;
        check_url(&url, &self.policy).map_err(|reason| bad(reason.to_owned()))?;
        let transfer = |reason: String| InputError::Transfer { name: uri.clone(), reason };
        let answer = self.http.get(url).send().await.map_err(|e| transfer(chain(&e)))?;
        let status = answer.status();
        if status.is_client_error() {
            return Err(bad(format!("its server answers {status}")));
        }
        if !status.is_success() {
            return Err(transfer(format!("its server answers {status}")));
        }
        if answer.content_length().is_some_and(|length| length > max_bytes) {
            return Err(InputError::TooLarge { name: uri.clone(), limit: max_bytes });
        }
        place(lease, &input.sha256, uri, max_bytes, answer.bytes_stream()).await?;
        Ok(())
    }
}

/// A client that is held to `policy`, redirects included.
fn client(policy: &FetchPolicy) -> reqwest::Result<reqwest::Client> {
    let checked = policy.clone();
    let redirects = reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        match check_url(attempt.url(), &checked) {
            Ok(()) => attempt.follow(),
            Err(reason) => attempt.error(reason),
        }
    });
    let mut builder = reqwest::Client::builder()
        .redirect(redirects)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(policy.timeout)
        .pool_max_idle_per_host(0);
    if !policy.allow_private {
        // A proxy would resolve names itself, past the check of their addresses.
        builder = builder.https_only(true).no_proxy().dns_resolver(Arc::new(PublicOnly));
    }
    builder.build()
}

/// A client that reaches the public internet over TLS and nothing else, for short answers.
pub(crate) fn public_client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    client(&FetchPolicy { timeout, ..FetchPolicy::default() })
}

/// Whether [`public_client`] may be sent to this address; names are checked when they are resolved.
pub(crate) fn leads_outside(url: &Url) -> bool {
    check_url(url, &FetchPolicy::default()).is_ok()
}

fn check_url(url: &Url, policy: &FetchPolicy) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds credentials");
    }
    if policy.allow_private {
        return if matches!(url.scheme(), "https" | "http") { Ok(()) } else { Err("only https addresses are fetched") };
    }
    if url.scheme() != "https" {
        return Err("only https addresses are fetched");
    }
    // Names are checked when they are resolved; literal addresses never are.
    let public = match url.host() {
        Some(Host::Ipv4(ip)) => is_public(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => is_public(IpAddr::V6(ip)),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if public { Ok(()) } else { Err("its address is not on the public internet") }
}

/// Resolves names to public addresses only, so that no name leads into the provider's own network.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = all.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(format!("{} has no address on the public internet", name.as_str()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// An error with what caused it: the outermost message alone says only that something failed.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
