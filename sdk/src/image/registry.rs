//! Asking a registry (OCI distribution interface) what a reference stands for.

mod document;
mod session;

use std::time::Duration;

use reqwest::Client;

use super::{Credentials, ImageError, ImageReference};
use crate::node_api::client::root_cause;
use document::{Document, sha256};
use session::{Session, loopback_registry};

/// What the machines of the market are.
const PLATFORM: &str = "linux/amd64";

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
    /// Compressed size of what a machine of the platform pulls, in bytes.
    pub size_bytes: u64,
    /// Layers that it pulls.
    pub layers: usize,
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
    examine(reference, http, |_| true, login, PLATFORM).await
}

/// The same for a machine of another platform, `os/architecture`. Where the registry sends its clients elsewhere for a token, that
/// address is asked only if `may_ask` says so; redirects are the client's to check.
///
/// # Errors
/// [`ImageError`].
pub async fn examine(
    reference: &ImageReference,
    http: &Client,
    may_ask: fn(&url::Url) -> bool,
    login: Option<&Credentials>,
    platform: &str,
) -> Result<ResolvedImage, ImageError> {
    let mut session = Session { reference, http, may_ask, login, authorization: None };
    let (body, media_type) = session.manifest(&reference.wanted()).await?;
    let digest = sha256(&body);
    let (size_bytes, layers) = match session.parse(&body, media_type)? {
        Document::Image(image) => {
            session.check_platform(&image, platform).await?;
            session.size(&image, body.len())?
        }
        Document::Index(index) => {
            let child = session.pick(&index, platform)?;
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
        layers,
    })
}

/// Fetches the manifest that the reference's digest names, and so proves that this registry has it and shows it to whoever asks: a
/// registry's mere word could be that of an accomplice. `may_ask` as in [`examine`].
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
