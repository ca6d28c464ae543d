//! Ports of a lease that a node shows to the public: who may visit them, at which address, and the token that opens them.

use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use url::Url;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

pub use crate::manifest::Public;

/// First part of the path of every public port.
pub const ROOT: &str = "/s";
/// The query's parameter with which a browser brings a token. The node takes it out; no container ever gets it.
pub const TOKEN_PARAMETER: &str = "gridlease_token";
/// The header with which a program brings a token where `Authorization` is the container's own.
pub const TOKEN_HEADER: &str = "x-gridlease-token";
/// Longest token that a node looks at, in characters.
pub const MAX_TOKEN: usize = 256;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 24;
/// Characters that stand for a lease in a host's name: 80 bits of its address.
const LABEL: usize = 16;

/// What a buyer's client asks for a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expose {
    /// Who may visit it.
    pub public: Public,
    /// SHA-256 of the token, hex, where it is visited by token. The token itself never comes to the node before a visitor brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
}

/// A port of a lease, and who may visit it at which address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicPort {
    /// Its number in the container.
    pub port: u16,
    /// Its name in addresses: that of the manifest, or its number.
    pub name: String,
    /// Who may visit it.
    pub public: Public,
    /// Whether a token opens it. A port that the manifest opens by token has none before the buyer's client made one.
    pub token_set: bool,
    /// Its path at the node's endpoint, with a slash at its end.
    pub path: String,
    /// Its address where the node has names for its public ports; none for the path at its endpoint.
    #[serde(default)]
    pub url: Option<String>,
}

impl PublicPort {
    /// Where it is visited: its own address, or the path at `endpoint`, which is the node's. Ends with a slash, and has nothing in it
    /// that would steer a terminal, whatever the node says.
    #[must_use]
    pub fn address(&self, endpoint: &str) -> String {
        let own = self.url.as_deref().and_then(|url| Url::parse(url).ok()).filter(|url| url.scheme() == "https");
        own.map_or_else(
            || format!("{}{}", endpoint.trim_end_matches('/'), self.path.replace(|c: char| !c.is_ascii_graphic(), "")),
            String::from,
        )
    }

    /// The same for a browser, which brings the token by it once.
    #[must_use]
    pub fn link(&self, endpoint: &str, token: &Token) -> String {
        format!("{}?{TOKEN_PARAMETER}={}", self.address(endpoint), token.text())
    }
}

/// A token that opens a port. It is shown once, to who made it; the node keeps its hash.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct Token(String);

impl Token {
    /// A new one, of 192 random bits.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let token = Self(hex::encode(bytes));
        bytes.zeroize();
        token
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What the node keeps of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        token_hash(&self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// SHA-256 of a token's text.
#[must_use]
pub fn token_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Path of a public port, without a slash at its end.
#[must_use]
pub fn prefix(lease: &Pubkey, name: &str) -> String {
    format!("{ROOT}/{lease}/{name}")
}

/// What stands for a lease in a host's name, which knows no capitals: letters and digits of 80 bits.
#[must_use]
pub fn label(lease: &Pubkey) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bits = lease.as_ref().iter().flat_map(|byte| (0..8).rev().map(move |bit| usize::from(byte >> bit & 1)));
    let mut digit = || bits.by_ref().take(5).fold(0, |value, bit| value << 1 | bit);
    (0..LABEL).map(|_| char::from(DIGITS[digit() % DIGITS.len()])).collect()
}

/// A public port's label in a host's name.
#[must_use]
pub fn host_label(lease: &Pubkey, name: &str) -> String {
    format!("{name}-{}", label(lease))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_a_label_that_a_host_can_be_called_by_with_the_longest_name_of_a_port() {
        let lease = Pubkey::new_from_array(std::array::from_fn(|n| u8::try_from(n * 7).unwrap()));
        assert_eq!(label(&lease), "aadq4fi4emvdcob7");
        assert!(host_label(&lease, &"n".repeat(32)).len() <= 63);
        assert_ne!(label(&Pubkey::new_from_array([0; 32])), label(&Pubkey::new_from_array([1; 32])));
    }

    #[test]
    fn a_token_is_never_the_same_and_shows_itself_to_no_log() {
        let (one, other) = (Token::random(), Token::random());
        assert_ne!(one, other);
        assert_eq!(one.text().len(), 48);
        assert_eq!(one.hash(), token_hash(one.text()));
        assert!(!format!("{one:?}").contains(one.text()));
    }

    #[test]
    fn what_is_asked_for_a_port_is_written_as_the_protocol_says() {
        let open: Expose = serde_json::from_str(r#"{"public":"open"}"#).unwrap();
        assert_eq!(open, Expose { public: Public::Open, token_sha256: None });
        assert!(serde_json::from_str::<Expose>(r#"{"public":"all"}"#).is_err());
    }
}
