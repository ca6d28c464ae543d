//! Asking a registry (OCI distribution interface) what a reference stands for.

use super::token::{Challenge, wants_basic};
use super::{Credentials, ImageError, ImageReference, is_loopback};
use crate::node_api::client::root_cause;
use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use zeroize::Zeroizing;

/// Registries accept manifests up to this size.
const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// What the machines of the market are.
const PLATFORM: &str = "linux/amd64";
const MAX_TOKEN: usize = 64 * 1024;
/// Largest image whose size is believed: 4 TiB.
const MAX_IMAGE_BYTES: u64 = 1 << 42;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image as its registry had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedImage {
    /// `registry/repository@sha256:…`, to be used from now on.
    pub reference_with_digest: String,
    /// SHA-256 of the top-level manifest (the index, where there is one).
    pub digest: [u8; 32],
    /// Compressed size of what a linux/amd64 machine pulls, in bytes.
    pub size_bytes: u64,
}

/// An HTTP client with the limits that [`resolve_digest`] wants. A registry on this machine is reached without
/// any proxy that the environment names.
///
/// # Errors
/// [`ImageError::Http`].
pub fn http_client(reference: &ImageReference) -> Result<Client, ImageError> {
    let mut builder = Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::limited(3));
    if loopback_registry(reference) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ImageError::Http(root_cause(&error)))
}

/// Asks the registry of `reference` for its manifest, checks that it has the digest it should have, and sums up
/// what a linux/amd64 machine would pull. The login is shown only to a registry that asks for one, or to the token service that it
/// names. Plain HTTP is spoken with this machine only.
///
/// # Errors
/// [`ImageError`], which says what to do.
pub async fn resolve_digest(
    reference: &ImageReference,
    http: &Client,
    login: Option<&Credentials>,
) -> Result<ResolvedImage, ImageError> {
    let mut session = Session { reference, http, may_ask: |_| true, login, authorization: None };
    let (body, media_type) = session.manifest(&reference.wanted()).await?;
    let digest = sha256(&body);
    let size_bytes = match session.parse(&body, media_type)? {
        Document::Image(image) => {
            session.check_platform(&image).await?;
            session.size(&image, body.len())?
        }
        Document::Index(index) => {
            let child = session.pick(&index)?;
            let (child_body, child_type) = session.manifest(&child).await?;
            match session.parse(&child_body, child_type)? {
                Document::Image(image) => session.size(&image, child_body.len())?,
                Document::Index(_) => return Err(session.not_an_image("an index of indexes")),
            }
        }
    };
    let pinned = ImageReference { digest: Some(digest), ..reference.clone() };
    Ok(ResolvedImage {
        reference_with_digest: pinned.pinned().ok_or_else(|| session.not_an_image("it has no digest"))?,
        digest,
        size_bytes,
    })
}

/// Asks the registry whether it shows the image to everyone, or to the login, in the way in which an engine asks before it pulls: no
/// manifest is fetched, so no rate limit counts it. Where the registry sends its clients elsewhere for a token, that
/// address is asked only if `may_ask` says so; redirects are the client's to check.
///
/// # Errors
/// [`ImageError`]: `Forbidden`, or what is wrong with the image or its registry.
pub async fn probe(
    reference: &ImageReference,
    http: &Client,
    may_ask: fn(&url::Url) -> bool,
    login: Option<&Credentials>,
) -> Result<(), ImageError> {
    let mut session = Session { reference, http, may_ask, login, authorization: None };
    let response = session.ask(Method::HEAD, "manifests", &reference.wanted()).await?;
    match response.status() {
        // One that does not know the question is there, all the same.
        StatusCode::METHOD_NOT_ALLOWED => Ok(()),
        status => session.admitted(status),
    }
}

/// Fetches the manifest that the reference's digest names, and so proves that this registry has it and shows it to whoever asks: a
/// registry's mere word could be that of an accomplice. `may_ask` as in [`probe`].
///
/// # Errors
/// [`ImageError`].
pub async fn prove(
    reference: &ImageReference,
    http: &Client,
    may_ask: fn(&url::Url) -> bool,
    login: Option<&Credentials>,
) -> Result<(), ImageError> {
    let mut session = Session { reference, http, may_ask, login, authorization: None };
    if reference.digest.is_none() {
        return Err(session.not_an_image("it is not named by digest"));
    }
    session.manifest(&reference.wanted()).await.map(|_| ())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A header that no trace of the HTTP client shows.
fn sensitive(value: &str) -> Result<HeaderValue, ImageError> {
    let mut header =
        HeaderValue::from_str(value).map_err(|_| ImageError::Http("no header holds the login".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

fn loopback_registry(reference: &ImageReference) -> bool {
    url::Url::parse(&format!("https://{}/", reference.api_host()))
        .ok()
        .and_then(|url| url.host().map(|host| is_loopback(&host)))
        .unwrap_or(false)
}

struct Session<'a> {
    reference: &'a ImageReference,
    http: &'a Client,
    may_ask: fn(&url::Url) -> bool,
    login: Option<&'a Credentials>,
    authorization: Option<Zeroizing<String>>,
}

impl Session<'_> {
    /// Body and media type of a manifest by tag or digest; a digest is verified.
    async fn manifest(&mut self, wanted: &str) -> Result<(Vec<u8>, Option<String>), ImageError> {
        let response = self.ask(Method::GET, "manifests", wanted).await?;
        self.admitted(response.status())?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let announced = header("docker-content-digest");
        let media_type = header(CONTENT_TYPE.as_str());
        let body = self.body(response, MAX_MANIFEST).await?;
        let found = format!("sha256:{}", hex::encode(sha256(&body)));
        let due = [Some(wanted), announced.as_deref()]
            .into_iter()
            .flatten()
            .find(|due| due.starts_with("sha256:") && *due != found);
        if let Some(due) = due {
            return Err(ImageError::DigestMismatch {
                registry: self.registry(),
                expected: due.trim_start_matches("sha256:").to_owned(),
                found: found.trim_start_matches("sha256:").to_owned(),
            });
        }
        Ok((body, media_type))
    }

    /// The answer to a question about one of the `manifests` or `blobs`, with a token or the login where the registry wants one.
    async fn ask(&mut self, method: Method, kind: &str, wanted: &str) -> Result<Response, ImageError> {
        let scheme = if loopback_registry(self.reference) { "http" } else { "https" };
        let url = format!("{scheme}://{}/v2/{}/{kind}/{wanted}", self.reference.api_host(), self.reference.repository);
        let response = self.try_to(method.clone(), &url).await?;
        if response.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(response);
        }
        self.authorization = Some(self.authorize(&response).await?);
        self.try_to(method, &url).await
    }

    fn admitted(&self, status: StatusCode) -> Result<(), ImageError> {
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => Err(ImageError::NotFound { registry: self.registry(), wanted: self.wanted() }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.private()),
            other => Err(self.refused(other)),
        }
    }

    async fn try_to(&self, method: Method, url: &str) -> Result<Response, ImageError> {
        let attempt = || async {
            let kinds = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
            let mut request = self.http.request(method.clone(), url).header(ACCEPT, kinds);
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, sensitive(authorization)?);
            }
            self.send(request).await
        };
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(200))
                    .with_max_times(2)
                    .with_jitter(),
            )
            .when(|error| match error {
                ImageError::Unreachable { .. } => true,
                ImageError::Refused { status, .. } => *status == 429 || *status >= 500,
                _ => false,
            })
            .await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, ImageError> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.refused(status));
        }
        Ok(response)
    }

    /// What the registry wants to see: a token from where it says, or the login itself.
    async fn authorize(&self, refusal: &Response) -> Result<Zeroizing<String>, ImageError> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let asked = || refusal.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = asked().find_map(Challenge::parse) else {
            let basic = self.login.filter(|_| asked().any(wants_basic)).map(Credentials::basic);
            return basic.ok_or_else(|| self.private());
        };
        let realm = challenge.url();
        if !(self.may_ask)(&realm) {
            return Err(ImageError::Forbidden {
                registry: self.registry(),
                wanted: self.wanted(),
                host: realm.host_str().unwrap_or_default().to_owned(),
            });
        }
        let mut request = self.http.get(realm);
        if let Some(login) = self.login {
            request = request.header(AUTHORIZATION, sensitive(&login.basic())?);
        }
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(self.private());
        }
        let body = self.body(response, MAX_TOKEN).await?;
        serde_json::from_slice::<Answer>(&body)
            .ok()
            .and_then(|answer| answer.token.or(answer.access_token))
            .map(|token| Zeroizing::new(format!("Bearer {token}")))
            .ok_or_else(|| self.not_an_image("the token service gave no token"))
    }

    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, ImageError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + chunk.len() > limit {
                return Err(self.not_an_image(&format!("it is larger than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn parse(&self, body: &[u8], header: Option<String>) -> Result<Document, ImageError> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "mediaType")]
            media_type: Option<String>,
        }
        let wrong = |error: serde_json::Error| self.not_an_image(&error.to_string());
        // The document's own word is covered by the digest; the header is not.
        let inside: Kind = serde_json::from_slice(body).map_err(wrong)?;
        let kind = inside.media_type.or(header).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim() {
            OCI_INDEX | DOCKER_LIST => serde_json::from_slice(body).map(Document::Index).map_err(wrong),
            OCI_MANIFEST | DOCKER_MANIFEST => serde_json::from_slice(body).map(Document::Image).map_err(wrong),
            other => Err(self.not_an_image(&format!(
                "its type is {:?}; push it again with a current tool",
                other.chars().take(100).collect::<String>()
            ))),
        }
    }

    /// Digest of the manifest for the machines of the market.
    fn pick(&self, index: &Index) -> Result<String, ImageError> {
        let platform_of = |entry: &Descriptor| {
            let platform = entry.platform.as_ref()?;
            Some(format!("{}/{}", platform.os, platform.architecture))
        };
        let chosen = index.manifests.iter().find(|entry| platform_of(entry).as_deref() == Some(PLATFORM));
        let Some(chosen) = chosen else {
            let mut found: Vec<_> = index.manifests.iter().filter_map(platform_of).collect();
            found.sort();
            found.dedup();
            found.truncate(16);
            return Err(ImageError::NoPlatform { wanted: self.wanted(), found: found.join(", ") });
        };
        let hex_digits = chosen.digest.strip_prefix("sha256:").unwrap_or_default();
        if hex::decode(hex_digits).is_ok_and(|bytes| bytes.len() == 32) {
            Ok(chosen.digest.to_ascii_lowercase())
        } else {
            Err(self.not_an_image("its index holds something that is not a SHA-256 digest"))
        }
    }

    /// An image that stands alone says only in its configuration what it is built for.
    async fn check_platform(&mut self, image: &Image) -> Result<(), ImageError> {
        let digest = &image.config.digest;
        let plain = digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if !plain {
            return Err(self.not_an_image("its configuration has no SHA-256 digest"));
        }
        let response = self.ask(Method::GET, "blobs", digest).await?;
        self.admitted(response.status())?;
        let body = self.body(response, MAX_MANIFEST).await?;
        if !digest.eq_ignore_ascii_case(&format!("sha256:{}", hex::encode(sha256(&body)))) {
            return Err(self.not_an_image("its configuration has another digest than its manifest says"));
        }
        let built: Platform = serde_json::from_slice(&body).map_err(|error| self.not_an_image(&error.to_string()))?;
        let found = format!("{}/{}", built.os, built.architecture);
        if found == PLATFORM { Ok(()) } else { Err(ImageError::NoPlatform { wanted: self.wanted(), found }) }
    }

    fn size(&self, image: &Image, manifest_bytes: usize) -> Result<u64, ImageError> {
        image
            .layers
            .iter()
            .chain([&image.config])
            .try_fold(manifest_bytes as u64, |sum, part| sum.checked_add(part.size))
            .filter(|size| *size <= MAX_IMAGE_BYTES)
            .ok_or_else(|| self.not_an_image("its layers claim an impossible size"))
    }

    fn registry(&self) -> String {
        self.reference.registry.clone()
    }

    fn wanted(&self) -> String {
        let separator = if self.reference.digest.is_some() { '@' } else { ':' };
        format!("{}{separator}{}", self.reference.repository, self.reference.wanted())
    }

    fn unreachable(&self, error: &reqwest::Error) -> ImageError {
        ImageError::Unreachable {
            registry: self.registry(),
            reason: if error.is_timeout() { "it did not answer in time".to_owned() } else { root_cause(error) },
            reference: Box::new(self.reference.clone()),
        }
    }

    fn private(&self) -> ImageError {
        let (registry, wanted) = (self.registry(), self.wanted());
        match self.login {
            Some(login) => ImageError::Denied { registry, wanted, username: login.username().to_owned() },
            None => ImageError::Private { registry, wanted },
        }
    }

    fn refused(&self, status: StatusCode) -> ImageError {
        ImageError::Refused { registry: self.registry(), wanted: self.wanted(), status: status.as_u16() }
    }

    fn not_an_image(&self, reason: &str) -> ImageError {
        ImageError::NotAnImage { registry: self.registry(), wanted: self.wanted(), reason: reason.to_owned() }
    }
}

enum Document {
    Image(Image),
    Index(Index),
}

#[derive(Deserialize)]
struct Image {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}
