//! Which registries an engine may be sent to: those on the public internet, and those that the owner names.
//!
//! A buyer names the registry and the engine stands inside the owner's network, so without this rule every job could
//! ask for what that network shows to this machine.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use gridlease_sdk::image::{Credentials, ImageError, ImageReference, ResolvedImage, examine, http_client, prove};
use url::{Host, Url};

use super::{DriverError, ImageRef};
use crate::inputs::{chain, is_public, leads_outside, public_client};

/// For one answer of a registry.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most addresses of one name that are looked at; more are refused.
const MAX_ADDRESSES: usize = 64;

/// A registry that the owner allows wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedRegistry {
    /// By name, as images name it; every port where none is given.
    Name {
        /// The host.
        host: Host<String>,
        /// The port.
        port: Option<u16>,
    },
    /// Every registry within a block of addresses.
    Block {
        /// An address of the block.
        address: IpAddr,
        /// Leading bits that an address of the block shares with it.
        bits: u8,
    },
}

/// A text that names no registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no registry; write HOST, HOST:PORT or ADDRESS/BITS, such as registry.lan:5000 or 10.1.0.0/16")]
pub struct BadRegistry(String);

impl FromStr for AllowedRegistry {
    type Err = BadRegistry;

    fn from_str(text: &str) -> Result<Self, BadRegistry> {
        let bad = || BadRegistry(text.chars().take(128).collect());
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| bad())?;
            let bits: u8 = bits.parse().map_err(|_| bad())?;
            let widest = if address.is_ipv4() { 32 } else { 128 };
            return if bits <= widest { Ok(Self::Block { address, bits }) } else { Err(bad()) };
        }
        let (host, port) = host_and_port(text).ok_or_else(bad)?;
        // A port is given where digits follow a colon that does not stand within an IPv6 address.
        let given = text.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        Ok(Self::Name { host, port: given.then_some(port) })
    }
}

/// Host and port of a registry as an image names it; the port of HTTPS where it names none.
fn host_and_port(registry: &str) -> Option<(Host<String>, u16)> {
    let url = Url::parse(&format!("https://{registry}/")).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    Some((url.host()?.to_owned(), url.port_or_known_default()?)).filter(|_| plain)
}

impl AllowedRegistry {
    fn names(&self, asked: &Host<String>, on: u16) -> bool {
        matches!(self, Self::Name { host, port } if host == asked && port.is_none_or(|port| port == on))
    }

    fn holds(&self, ip: IpAddr) -> bool {
        let Self::Block { address, bits } = self else { return false };
        let (differing, width) = match (*address, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a) ^ u32::from(b)), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b), 128u32),
            _ => return false,
        };
        // What remains after the shared bits does not matter; a block of no bits holds everything of its kind.
        differing.checked_shr(width.saturating_sub(u32::from(*bits))).unwrap_or(0) == 0
    }
}

/// Which registries the engine may be sent to. The public internet's, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPolicy {
    allowed: Vec<AllowedRegistry>,
}

/// Where a registry is.
enum Place {
    /// The owner allows it, so it is asked without further questions.
    Allowed,
    /// On the public internet.
    Public,
}

impl RegistryPolicy {
    /// The public internet, and what the owner allows besides.
    #[must_use]
    pub fn new(allowed: Vec<AllowedRegistry>) -> Self {
        Self { allowed }
    }

    /// Refuses what needs no name service to be refused: an address within the owner's network.
    ///
    /// # Errors
    /// [`DriverError::RegistryNotAllowed`].
    pub fn check_name(&self, image: &ImageRef) -> Result<(), DriverError> {
        let reference = reference(image)?;
        let (host, port) = endpoint(image, &reference)?;
        let address = match host {
            Host::Ipv4(v4) => IpAddr::V4(v4),
            Host::Ipv6(v6) => IpAddr::V6(v6),
            Host::Domain(_) => return Ok(()),
        };
        if self.is_named(&reference, &host, port) {
            return Ok(());
        }
        self.place(image, &[address]).map(|_| ())
    }

    /// Refuses an image whose registry is not on the public internet and not allowed by the owner, and one that is not for this
    /// `platform`, or that no engine takes, before anything of it is pulled. A registry on the public internet is asked the way the
    /// engine is about to ask, so that one that sends its clients into the owner's network is found before the engine follows it. One
    /// of the owner's that does not answer this node is left to the engine, which may know another way to it (`None`).
    ///
    /// # Errors
    /// [`DriverError::RegistryNotAllowed`], [`DriverError::RegistryUnreachable`], [`DriverError::ImageNotFound`] or
    /// [`DriverError::ImageUnfit`].
    pub async fn check(
        &self,
        image: &ImageRef,
        login: Option<&Credentials>,
        platform: &str,
    ) -> Result<Option<ResolvedImage>, DriverError> {
        let place = self.find(image).await?;
        let reference = reference(image)?;
        match place {
            Place::Public => {
                match examine(&reference, &public(image)?, leads_outside, login, platform).await {
                    Ok(found) => Ok(Some(found)),
                    // The engine may have a mirror of it; where Docker Hub sends its clients is known.
                    Err(ImageError::Refused { status: 429, .. }) if is_docker_hub(image) => Ok(None),
                    Err(e) => Err(refusal(image, &e)),
                }
            }
            Place::Allowed => {
                let Ok(http) = http_client(&reference) else { return Ok(None) };
                match examine(&reference, &http, |_| true, login, platform).await {
                    Ok(found) => Ok(Some(found)),
                    Err(
                        e @ (ImageError::NoPlatform { .. }
                        | ImageError::NotAnImage { .. }
                        | ImageError::DigestMismatch { .. }),
                    ) => Err(refusal(image, &e)),
                    Err(_) => Ok(None),
                }
            }
        }
    }

    /// Has the registry prove that it shows the image to this login, or to everybody: for an image that is here already.
    ///
    /// # Errors
    /// As [`RegistryPolicy::check`]; nothing is concluded from a registry that cannot be asked.
    pub async fn prove(&self, image: &ImageRef, login: Option<&Credentials>) -> Result<(), DriverError> {
        let reference = reference(image)?;
        let proved = match self.find(image).await? {
            Place::Allowed => match http_client(&reference) {
                Ok(http) => prove(&reference, &http, |_| true, login).await,
                Err(error) => Err(error),
            },
            Place::Public => prove(&reference, &public(image)?, leads_outside, login).await,
        };
        proved.map_err(|e| refusal(image, &e))
    }

    /// Where the image's registry is.
    async fn find(&self, image: &ImageRef) -> Result<Place, DriverError> {
        self.check_name(image)?;
        let reference = reference(image)?;
        let (host, port) = endpoint(image, &reference)?;
        if self.is_named(&reference, &host, port) {
            return Ok(Place::Allowed);
        }
        let unreachable = |reason: String| DriverError::RegistryUnreachable { image: image.to_string(), reason };
        let addresses: Vec<IpAddr> = match host {
            Host::Ipv4(v4) => vec![v4.into()],
            Host::Ipv6(v6) => vec![v6.into()],
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), port))
                .await
                .map_err(|e| unreachable(e.to_string()))?
                .take(MAX_ADDRESSES + 1)
                .map(|address| address.ip())
                .collect(),
        };
        self.place(image, &addresses)
    }

    fn is_named(&self, reference: &ImageReference, host: &Host<String>, port: u16) -> bool {
        // Docker Hub's interface has another name than its images.
        let named = host_and_port(&reference.registry);
        self.allowed
            .iter()
            .any(|one| one.names(host, port) || named.as_ref().is_some_and(|(host, port)| one.names(host, *port)))
    }

    /// Where the addresses of a registry lead. The engine may take any of them, so one that is refused refuses them all.
    fn place(&self, image: &ImageRef, addresses: &[IpAddr]) -> Result<Place, DriverError> {
        let refuse = |reason: String| DriverError::RegistryNotAllowed { image: image.to_string(), reason };
        if addresses.is_empty() || addresses.len() > MAX_ADDRESSES {
            return Err(refuse(format!("its name has {} addresses", addresses.len())));
        }
        let mut place = Place::Public;
        for address in addresses {
            if self.allowed.iter().any(|one| one.holds(*address)) {
                place = Place::Allowed;
            } else if !is_public(*address) {
                return Err(refuse(format!("{address} is not on the public internet")));
            }
        }
        Ok(place)
    }
}

/// Whether the image is one of Docker Hub, which every machine shares and no buyer speaks for.
pub(super) fn is_docker_hub(image: &ImageRef) -> bool {
    reference(image).is_ok_and(|reference| reference.registry == "docker.io")
}

fn reference(image: &ImageRef) -> Result<ImageReference, DriverError> {
    image
        .to_string()
        .parse()
        .map_err(|e: gridlease_sdk::image::ReferenceError| DriverError::BadSpec { reason: e.to_string() })
}

/// A client that reaches the public internet and nothing else.
fn public(image: &ImageRef) -> Result<reqwest::Client, DriverError> {
    public_client(TIMEOUT).map_err(|e| DriverError::RegistryUnreachable { image: image.to_string(), reason: chain(&e) })
}

fn endpoint(image: &ImageRef, reference: &ImageReference) -> Result<(Host<String>, u16), DriverError> {
    host_and_port(reference.api_host())
        .ok_or_else(|| DriverError::BadSpec { reason: format!("{image} names no registry") })
}

/// What a registry's refusal means for the lease.
fn refusal(image: &ImageRef, error: &ImageError) -> DriverError {
    let (image, reason) = (image.to_string(), crate::for_buyer::plain(&error.to_string(), 512));
    match error {
        ImageError::Forbidden { .. } => DriverError::RegistryNotAllowed { image, reason },
        ImageError::Unreachable { .. } | ImageError::Http(_) => DriverError::RegistryUnreachable { image, reason },
        ImageError::Refused { status, .. } if *status >= 500 || *status == 429 => {
            DriverError::RegistryUnreachable { image, reason }
        }
        ImageError::NoPlatform { .. } | ImageError::NotAnImage { .. } => DriverError::ImageUnfit { image, reason },
        _ => DriverError::ImageNotFound { image, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(registry: &str) -> ImageRef {
        ImageRef::parse(&format!("{registry}/x/y@sha256:{}", "ab".repeat(32))).unwrap()
    }

    fn policy(allowed: &[&str]) -> RegistryPolicy {
        RegistryPolicy::new(allowed.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[tokio::test]
    async fn issue9_03_a_registry_in_the_owners_network_is_refused_by_address_and_by_name() {
        for registry in [
            "127.0.0.1:5000",
            "127.1:80",
            "0x7f000001:80",
            "10.0.0.1",
            "192.168.1.1:22",
            "169.254.169.254",
            "[::1]:5000",
            "[::ffff:10.0.0.1]:5000",
            "[fd00:ec2::254]",
            "localhost:1",
        ] {
            // A spelling that is no reference is refused even earlier.
            let Ok(image) = ImageRef::parse(&format!("{registry}/x/y@sha256:{}", "ab".repeat(32))) else { continue };
            let error = policy(&[]).check(&image, None, "linux/amd64").await.unwrap_err();
            assert!(matches!(error, DriverError::RegistryNotAllowed { .. }) && !error.is_transient(), "{error}");
        }
        assert!(policy(&[]).check_name(&image("127.0.0.1:5000")).is_err());
        assert!(policy(&[]).check_name(&image("registry.example")).is_ok(), "a name is checked when it is resolved");
    }

    #[tokio::test]
    async fn a_registry_that_the_owner_allows_by_name_or_by_block_is_left_to_the_engine_where_it_does_not_answer() {
        const P: &str = "linux/amd64";
        for allowed in ["127.0.0.1:5000", "127.0.0.1", "127.0.0.0/8", "0.0.0.0/0"] {
            policy(&[allowed]).check(&image("127.0.0.1:5000"), None, P).await.unwrap();
        }
        policy(&["localhost"]).check(&image("localhost:5000"), None, P).await.unwrap();
        policy(&["127.0.0.0/8", "::1/128"]).check(&image("localhost:5000"), None, P).await.unwrap();
        policy(&["docker.io"]).check(&image("docker.io"), None, P).await.unwrap();
        for allowed in ["127.0.0.1:5001", "127.0.0.2", "128.0.0.0/8", "::/1", "localhost"] {
            let error = policy(&[allowed]).check(&image("127.0.0.1:5000"), None, P).await.unwrap_err();
            assert!(matches!(error, DriverError::RegistryNotAllowed { .. }), "{allowed}: {error}");
        }
    }

    #[test]
    fn a_registry_is_written_as_images_name_it_or_as_a_block_of_addresses() {
        let name = |text: &str| match text.parse::<AllowedRegistry>().unwrap() {
            AllowedRegistry::Name { host, port } => (host.to_string(), port),
            block @ AllowedRegistry::Block { .. } => panic!("{block:?}"),
        };
        assert_eq!(name("Registry.LAN"), ("registry.lan".to_owned(), None));
        assert_eq!(name("registry.lan:443"), ("registry.lan".to_owned(), Some(443)));
        assert_eq!(name("[::1]:5000"), ("[::1]".to_owned(), Some(5000)));
        assert_eq!(name("[fe80::1]"), ("[fe80::1]".to_owned(), None));
        assert!(matches!("10.1.0.0/16".parse(), Ok(AllowedRegistry::Block { bits: 16, .. })));
        for bad in ["", "https://x", "10.0.0.0/33", "x/8", "10.0.0.0/", "a b", "u@h", "h:99999"] {
            assert!(bad.parse::<AllowedRegistry>().is_err(), "{bad}");
        }
    }
}
