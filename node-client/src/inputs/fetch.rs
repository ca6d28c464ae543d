//! Fetching over https, from the public internet only, and from the operator's own mirror of a hub.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use gridlease_sdk::manifest::InputSource;
use gridlease_sdk::source::hub::{self, HubPath};
use gridlease_sdk::source::ipfs::IpfsPath;
use gridlease_sdk::source::s3::S3Object;
use reqwest::RequestBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::ipfs::{self, Gateway};
use super::load::{Limits, load};
use super::{InputError, Missing, Origin, Room, is_public};
use crate::secrets;
use crate::state_dir::LeaseDir;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;
/// Largest input that is fetched, bytes: 1 TiB. The job's disk is nearly always less.
const MAX_FETCHED_BYTES: u64 = 1 << 40;

/// What may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPolicy {
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Longest time for one file.
    pub timeout: Duration,
    /// A source that sends fewer bytes in so much time is left.
    pub pace: (u64, Duration),
    /// Plain http and private addresses too. Only for a market on one machine; a provider on the internet never sets it,
    /// because any buyer could then read what its network shows to this machine.
    pub allow_private: bool,
    /// The operator's own mirror of the model hub, which may be anywhere; none for the public hub. It is asked for paths of
    /// repositories only, and where it sends on, the rules of every other address hold.
    pub hub: Option<Url>,
    /// The operator's gateways to IPFS, which may be anywhere; asked in order for what names no gateway of its own.
    pub gateways: Vec<Url>,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            max_bytes: MAX_FETCHED_BYTES,
            timeout: Duration::from_secs(1_800),
            pace: (1 << 20, Duration::from_secs(60)),
            allow_private: false,
            hub: None,
            gateways: Vec::new(),
        }
    }
}

/// Fetches inputs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    http: reqwest::Client,
    /// For the hub.
    own: reqwest::Client,
    hub: Url,
    /// The gateways, each with a client that may go there.
    gateways: Vec<(reqwest::Client, Url)>,
    /// For stores that are written to.
    stores: reqwest::Client,
    policy: FetchPolicy,
}

impl Fetcher {
    /// A fetcher with this policy.
    ///
    /// # Errors
    /// [`InputError::Transfer`] if TLS cannot be set up, [`InputError::Bad`] for a hub that is at no http(s) address.
    pub fn new(policy: FetchPolicy) -> Result<Self, InputError> {
        let failed = |e: reqwest::Error| InputError::Transfer { name: "(any)".to_owned(), reason: chain(&e) };
        let http = client(&policy, None).map_err(failed)?;
        let hub = policy.hub.clone().map_or_else(|| Url::parse(hub::DEFAULT_ENDPOINT), Ok);
        let hub = hub.ok().filter(|hub| matches!(hub.scheme(), "https" | "http") && hub.has_host());
        let hub = hub.ok_or_else(|| InputError::Bad {
            name: hub::ENDPOINT_VARIABLE.to_owned(),
            reason: "it is not an http(s) address".to_owned(),
        })?;
        let own = match &policy.hub {
            Some(mirror) => client(&policy, Some(mirror)).map_err(failed)?,
            None => http.clone(),
        };
        let mut gateways = Vec::new();
        for gateway in &policy.gateways {
            gateways.push((client(&policy, Some(gateway)).map_err(failed)?, gateway.clone()));
        }
        let stores = store_client(&policy).map_err(failed)?;
        Ok(Self { http, own, hub, gateways, stores, policy })
    }

    /// A request to a store that a job names, held to the rules of every address. Nothing is sent yet.
    ///
    /// # Errors
    /// Why the address may not be asked, in words for the buyer.
    pub(crate) fn to_store(&self, method: reqwest::Method, url: Url) -> Result<RequestBuilder, &'static str> {
        check_url(&url, &self.policy, None)?;
        Ok(self.stores.request(method, url))
    }

    /// Fewer bytes in so much time are too few.
    pub(crate) fn pace(&self) -> (u64, Duration) {
        self.policy.pace
    }

    /// Fetches one input into the lease's directory. An input without an origin is left to the buyer to push.
    ///
    /// # Errors
    /// [`InputError`].
    pub async fn fetch(&self, lease: &LeaseDir, input: &Missing) -> Result<(), InputError> {
        self.fetch_within(lease, input, &Room::new(u64::MAX)).await
    }

    /// The same where all inputs together have so much room.
    ///
    /// # Errors
    /// [`InputError`]; [`InputError::NoRoom`] where it would have been taken had there been more.
    pub async fn fetch_within(&self, lease: &LeaseDir, input: &Missing, room: &Room) -> Result<(), InputError> {
        self.fetch_at_most(lease, input, self.policy.max_bytes, room).await
    }

    /// The same for something that is at most `max_bytes` large.
    pub(crate) async fn fetch_at_most(
        &self,
        lease: &LeaseDir,
        input: &Missing,
        max_bytes: u64,
        room: &Room,
    ) -> Result<(), InputError> {
        let Some(origin) = &input.from else { return Ok(()) };
        let name = String::from(origin.uri.clone());
        if let InputSource::Ipfs(uri) = &origin.uri {
            let limits = Limits { max_bytes, pace: self.policy.pace, room };
            return self.fetch_ipfs(lease, &input.sha256, origin, uri, &limits).await;
        }
        let request = self.request(lease, origin, &name).await?;
        let limits = Limits { max_bytes, pace: self.policy.pace, room };
        load(lease, &input.sha256, &name, &limits, request).await
    }

    async fn fetch_ipfs(
        &self,
        lease: &LeaseDir,
        sha256: &[u8; 32],
        origin: &Origin,
        uri: &str,
        limits: &Limits<'_>,
    ) -> Result<(), InputError> {
        let bad = |reason: String| InputError::Bad { name: uri.to_owned(), reason };
        let path: IpfsPath = uri.parse().map_err(|e| bad(format!("it is no file of IPFS: {e}")))?;
        let gateways = match &origin.gateway {
            Some(gateway) => {
                let url = Url::parse(gateway).map_err(|e| bad(format!("its gateway is no URL: {e}")))?;
                check_url(&url, &self.policy, None).map_err(|reason| bad(format!("its gateway: {reason}")))?;
                vec![Gateway { client: &self.http, url }]
            }
            None => self.gateways.iter().map(|(client, url)| Gateway { client, url: url.clone() }).collect(),
        };
        ipfs::load(lease, sha256, &path, limits, gateways).await
    }

    /// The request by which an input is loaded, as it is when it begins at its first byte.
    async fn request(&self, lease: &LeaseDir, origin: &Origin, name: &str) -> Result<RequestBuilder, InputError> {
        let bad = |reason: String| InputError::Bad { name: name.to_owned(), reason };
        let secrets = {
            let (lease, names) = (lease.clone(), origin.secrets.clone());
            let read = tokio::task::spawn_blocking(move || secrets::read(&lease, &names)).await;
            read.map_err(|e| InputError::Transfer { name: name.to_owned(), reason: e.to_string() })??
        };
        match &origin.uri {
            InputSource::Https(uri) => {
                let url = Url::parse(uri).map_err(|e| bad(format!("it is no URL: {e}")))?;
                check_url(&url, &self.policy, None).map_err(|reason| bad(reason.to_owned()))?;
                Ok(self.http.get(url))
            }
            InputSource::Hub(uri) => {
                let path: HubPath = uri.parse().map_err(|e| bad(format!("it is no file of a hub: {e}")))?;
                let request = self.own.get(path.file_url(&self.hub));
                match secrets.get(hub::TOKEN).map(|token| std::str::from_utf8(token)) {
                    Some(Ok(token)) => Ok(request.bearer_auth(token.trim())),
                    Some(Err(_)) => Err(bad(format!("secret {} is no text", hub::TOKEN))),
                    None => Ok(request),
                }
            }
            InputSource::S3(uri) => {
                let object: S3Object = uri.parse().map_err(|e| bad(format!("it is no object: {e}")))?;
                let access = origin.s3.clone().unwrap_or_default();
                let credentials = access.credentials(&secrets).map_err(|e| bad(e.to_string()))?;
                let url = access.object_url(&object, credentials.as_ref(), false).map_err(|e| bad(e.to_string()))?;
                check_url(&url, &self.policy, None).map_err(|reason| bad(reason.to_owned()))?;
                Ok(self.http.get(url))
            }
            InputSource::Ipfs(_) | InputSource::Push | InputSource::Local(_) => {
                Err(bad("it is not to be loaded".to_owned()))
            }
        }
    }
}

/// A client that is held to `policy`, redirects included. `own` is the one address of the operator's that it may go to besides.
fn client(policy: &FetchPolicy, own: Option<&Url>) -> reqwest::Result<reqwest::Client> {
    builder(policy, own).pool_max_idle_per_host(0).build()
}

/// A client for stores that are written to: many small requests to one host, which sends nowhere else.
fn store_client(policy: &FetchPolicy) -> reqwest::Result<reqwest::Client> {
    let builder = builder(policy, None).redirect(reqwest::redirect::Policy::none());
    builder.pool_max_idle_per_host(4).pool_idle_timeout(Duration::from_secs(30)).build()
}

fn builder(policy: &FetchPolicy, own: Option<&Url>) -> reqwest::ClientBuilder {
    let (checked, own) = (policy.clone(), own.cloned());
    let own_name = own.as_ref().and_then(|own| own.host_str()).map(str::to_owned);
    let https_only = own.is_none();
    let redirects = reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        match check_url(attempt.url(), &checked, own.as_ref()) {
            Ok(()) => attempt.follow(),
            Err(reason) => attempt.error(reason),
        }
    });
    let mut builder = reqwest::Client::builder()
        .redirect(redirects)
        // An address may be signed; where it leads is not told where it was asked.
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(policy.timeout);
    if !policy.allow_private {
        // A proxy would resolve names itself, past the check of their addresses.
        builder = builder.https_only(https_only).no_proxy().dns_resolver(Arc::new(PublicOnly { own: own_name }));
    }
    builder
}

/// A client that reaches the public internet over TLS and nothing else, for short answers.
pub(crate) fn public_client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    client(&FetchPolicy { timeout, ..FetchPolicy::default() }, None)
}

/// Whether [`public_client`] may be sent to this address; names are checked when they are resolved.
pub(crate) fn leads_outside(url: &Url) -> bool {
    check_url(url, &FetchPolicy::default(), None).is_ok()
}

fn check_url(url: &Url, policy: &FetchPolicy, own: Option<&Url>) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds credentials");
    }
    if let Some(own) = own.filter(|own| own.host() == url.host()) {
        // The host is resolved wherever it is, so that no other of its services may be asked.
        if own.origin() == url.origin() {
            return Ok(());
        }
        if !policy.allow_private {
            return Err("it is another service on the operator's own host");
        }
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

/// Resolves names to public addresses only, so that no name leads into the provider's own network. What is resolved here is what is
/// connected to.
#[derive(Debug)]
struct PublicOnly {
    /// The operator's own host, which may be anywhere.
    own: Option<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let own = self.own.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = all.filter(|address| own || is_public(address.ip())).collect();
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
