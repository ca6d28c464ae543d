//! Container images: naming them, and pinning them by digest.
//!
//! A manifest names its image by digest, so that what runs is what was posted. A buyer may write a tag; it is
//! resolved against the image's registry before the job is posted, by [`resolve_digest`].

mod credentials;
mod reference;
mod registry;
mod token;

pub use credentials::{BadPassword, Credentials};
pub use reference::{ImageReference, ReferenceError};
pub use registry::{ResolvedImage, examine, http_client, prove, resolve_digest};

/// Why an image cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The registry does not answer.
    #[error("registry {registry} cannot be reached: {reason}; {}", advice(reference))]
    Unreachable {
        /// Host and port.
        registry: String,
        /// What the network said.
        reason: String,
        /// The image that was asked for.
        reference: Box<ImageReference>,
    },
    /// The registry has no such image.
    #[error("{registry} has no image {wanted}; check the name, or push the image first")]
    NotFound {
        /// Host and port.
        registry: String,
        /// Repository with tag or digest.
        wanted: String,
    },
    /// The registry wants credentials.
    #[error(
        "{registry} does not show {wanted} to everybody: it does not exist or is private; for a private one write `registry_auth: {{ username: NAME, password: {{ secret: VARIABLE }} }}` into the manifest"
    )]
    Private {
        /// Host and port.
        registry: String,
        /// Repository with tag or digest.
        wanted: String,
    },
    /// The registry does not take the login, or does not show the image to it.
    #[error(
        "{registry} does not show {wanted} to {username}: check the user, the password, and that it may read this image"
    )]
    Denied {
        /// Host and port.
        registry: String,
        /// Repository with tag or digest.
        wanted: String,
        /// The user of the login.
        username: String,
    },
    /// Another refusal.
    #[error(
        "{registry} answered with status {status} when asked for {wanted}; try again {}",
        retry_after_s.map_or_else(|| "later".to_owned(), |s| format!("in {s} s"))
    )]
    Refused {
        /// Host and port.
        registry: String,
        /// Repository with tag or digest.
        wanted: String,
        /// HTTP status.
        status: u16,
        /// When it says that it may be asked again, seconds.
        retry_after_s: Option<u64>,
    },
    /// The manifest does not have the digest under which it was asked for or announced.
    #[error(
        "{registry} sent an image manifest whose SHA-256 is {found} instead of {expected}: do not use this registry"
    )]
    DigestMismatch {
        /// Host and port.
        registry: String,
        /// Digest that was due, hex.
        expected: String,
        /// Digest of what came, hex.
        found: String,
    },
    /// Something that is not an image manifest.
    #[error("{registry} sent something for {wanted} that is not an image: {reason}")]
    NotAnImage {
        /// Host and port.
        registry: String,
        /// Repository with tag or digest.
        wanted: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The image does not exist for the machines of the market.
    #[error(
        "{wanted} is not built for {platform} (it is for: {found}); build it with `docker build --platform {platform}`"
    )]
    NoPlatform {
        /// Repository with tag or digest.
        wanted: String,
        /// What it has to be built for.
        platform: String,
        /// Platforms that there are.
        found: String,
    },
    /// The registry sends its clients to an address that may not be asked.
    #[error("{registry} sends those who want {wanted} to {host} for a token, and that address may not be asked")]
    Forbidden {
        /// Host and port.
        registry: String,
        /// Repository with tag or digest.
        wanted: String,
        /// Where it sends them.
        host: String,
    },
    /// The HTTP client cannot be built.
    #[error("HTTP cannot be set up: {0}")]
    Http(String),
}

fn advice(reference: &ImageReference) -> &'static str {
    if reference.digest.is_some() {
        "try again when it is up"
    } else {
        "try again when it is up, or name the image by digest (name@sha256:…)"
    }
}

/// Whether a host is this machine, spelled in a way that needs no name service to know it.
pub(crate) fn is_loopback(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    }
}
