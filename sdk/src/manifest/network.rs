//! `network`: what the container may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::read::quoted;
use crate::public_address::is_public;

/// Most entries of an allow list.
pub const MAX_ALLOWED_HOSTS: usize = 32;
/// The ports of an entry that names none: HTTP and HTTPS.
pub const USUAL_PORTS: [u16; 2] = [80, 443];

/// What the container may reach. Whatever it says, a provider's own network, its host, other leases and mail's port 25 are out of
/// reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    None,
    /// The public internet.
    Egress,
    /// These hosts of the public internet and no others, 1 to [`MAX_ALLOWED_HOSTS`].
    Allow(Vec<AllowedHost>),
}

impl Network {
    /// Whether the container has a network at all.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::None
    }
}

/// One entry of an allow list, written `host` or `host:port`: a name, `*.name`, or an IPv4 address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedHost {
    host: HostPattern,
    port: Option<u16>,
}

/// Which hosts an entry means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// The host of this name.
    Name(String),
    /// Every host whose name ends with a dot and this, at any depth; not this name itself.
    Below(String),
    /// The host at this address.
    Address(Ipv4Addr),
}

/// Why a text is no entry of an allow list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {advice}")]
pub struct BadHost {
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub advice: &'static str,
}

const ADVICE: &str =
    "write a name such as hub.example, hub.example:443 or *.hub.example, or a public IPv4 address such as 9.9.9.9:443";

impl AllowedHost {
    /// The host or hosts.
    #[must_use]
    pub fn host(&self) -> &HostPattern {
        &self.host
    }

    /// The ports, TCP and UDP: the one that is written, else [`USUAL_PORTS`].
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.port.map_or_else(|| USUAL_PORTS.to_vec(), |port| vec![port])
    }

    /// Whether a name, without the dot at its end, is meant.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        match &self.host {
            HostPattern::Name(own) => own.eq_ignore_ascii_case(name),
            HostPattern::Below(parent) => {
                let name = name.to_ascii_lowercase();
                name.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            HostPattern::Address(_) => false,
        }
    }
}

impl FromStr for AllowedHost {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let bad = |problem: String| BadHost { problem, advice: ADVICE };
        if text.contains(['[', ']']) || text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(bad(format!("{} is an IPv6 address, and containers have no IPv6", quoted(text))));
        }
        let (host, port) = match text.rsplit_once(':') {
            None => (text, None),
            Some((host, port)) => {
                // One spelling only: no sign, no leading zero.
                let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
                let port = port.parse::<u16>().ok().filter(|_| plain);
                (host, Some(port.ok_or_else(|| bad(format!("{} has no port from 1 to 65535", quoted(text))))?))
            }
        };
        if port == Some(25) {
            return Err(bad(format!("{} is mail's port 25, which no container reaches", quoted(text))));
        }
        let host = host.to_ascii_lowercase();
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            if !is_public(IpAddr::V4(address)) {
                return Err(bad(format!("{} is not on the public internet", quoted(text))));
            }
            return Ok(Self { host: HostPattern::Address(address), port });
        }
        let (name, below) = host.strip_prefix("*.").map_or((host.as_str(), false), |name| (name, true));
        if !is_name(name) {
            return Err(bad(format!("{} is not the name of a host on the internet", quoted(text))));
        }
        let name = name.to_owned();
        Ok(Self { host: if below { HostPattern::Below(name) } else { HostPattern::Name(name) }, port })
    }
}

/// At least two labels of letters, digits, `-` and `_`; the last is not a number.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    let top = name.rsplit_once('.').map(|(_, top)| top);
    name.len() <= 253
        && name.split('.').all(label)
        && top.is_some_and(|top| top.starts_with(|first: char| first.is_ascii_lowercase()))
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Name(name) => f.write_str(name)?,
            HostPattern::Below(name) => write!(f, "*.{name}")?,
            HostPattern::Address(address) => write!(f, "{address}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for AllowedHost {
    type Error = BadHost;

    fn try_from(text: String) -> Result<Self, BadHost> {
        text.parse()
    }
}

impl From<AllowedHost> for String {
    fn from(host: AllowedHost) -> Self {
        host.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> AllowedHost {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_entry_is_a_name_a_name_with_a_star_or_a_public_address_with_or_without_a_port() {
        assert_eq!(host("Hub.example").to_string(), "hub.example");
        assert_eq!(host("hub.example").ports(), [80, 443]);
        assert_eq!(host("hub.example:8443").ports(), [8443]);
        assert_eq!(host("9.9.9.9:853").host(), &HostPattern::Address(Ipv4Addr::new(9, 9, 9, 9)));
        assert_eq!(host("*.hf.co:443").to_string(), "*.hf.co:443");
        assert_eq!(host("_a.xn--bcher-kva.example").to_string(), "_a.xn--bcher-kva.example");
    }

    #[test]
    fn what_could_be_read_in_two_ways_or_leads_to_no_public_host_is_no_entry() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.a.b",
            "localhost",
            "a..b",
            "a.b.",
            ".a.b",
            "-a.b",
            "a.b:0",
            "a.b:065",
            "a.b:+1",
            "a.b:65536",
            "a.b:",
            "a.b:25",
            "10.0.0.1",
            "127.0.0.1:80",
            "169.254.169.254",
            "1.2.3",
            "1.2.3.4.5",
            "0x7f.1",
            "[::1]:443",
            "::1",
            "2606:4700::1111",
            "bücher.example",
            "a b.c",
            "http://a.b",
            "a.b/c",
        ] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
        assert!(format!("{}.b", "a".repeat(64)).parse::<AllowedHost>().is_err());
        assert!(format!("{}b", "a.".repeat(127)).parse::<AllowedHost>().is_err());
    }

    #[test]
    fn a_star_means_every_name_below_and_not_the_name_itself() {
        let below = host("*.hub.example");
        assert!(below.names("files.hub.example") && below.names("a.b.HUB.example"));
        assert!(!below.names("hub.example") && !below.names("nothub.example") && !below.names(".hub.example"));
        let exact = host("hub.example");
        assert!(
            exact.names("Hub.example") && !exact.names("files.hub.example") && !exact.names("hub.example.evil.example")
        );
        assert!(!host("9.9.9.9").names("9.9.9.9"));
    }
}
