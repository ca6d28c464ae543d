//! The address of a network: a moniker or a URL, and the websocket address that belongs to it.

use std::{fmt, str::FromStr};

use ::url::Url;

/// What the monikers stand for. The one-letter forms are those of Solana's own command line.
const MONIKERS: [(&str, &str, &str); 4] = [
    ("m", "mainnet-beta", "https://api.mainnet-beta.solana.com"),
    ("t", "testnet", "https://api.testnet.solana.com"),
    ("d", "devnet", "https://api.devnet.solana.com"),
    ("l", "localhost", "http://localhost:8899"),
];

/// Where a network answers: JSON-RPC over http(s) and subscriptions over ws(s).
///
/// `Display` and `Debug` show scheme, host and port only, because path, query and user part of an RPC address
/// are where providers put the key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterUrl {
    rpc: Url,
    ws: Url,
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither a moniker nor a URL.
    #[error(
        "`{given}` is no RPC address ({reason}); give localhost, devnet, testnet, mainnet-beta or an http(s):// URL"
    )]
    Rpc {
        /// What was given, without anything that may be a key.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a websocket URL.
    #[error("`{given}` is no websocket address ({reason}); give a ws:// or wss:// URL")]
    Ws {
        /// What was given, without anything that may be a key.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClusterUrl {
    /// Reads a moniker (`localhost`, `devnet`, `testnet`, `mainnet-beta`, or its first letter) or an http(s) URL.
    /// The websocket address is derived as Solana's command line does: `ws` for `http`, `wss` for `https`, and an
    /// explicit port plus one.
    ///
    /// # Errors
    /// [`UrlError::Rpc`] if it is neither, or has no host.
    pub fn parse(given: &str) -> Result<Self, UrlError> {
        let given = given.trim();
        let text = MONIKERS
            .iter()
            .find(|(letter, name, _)| given == *letter || given == *name)
            .map_or(given, |(_, _, url)| url);
        let refused = |reason: String| UrlError::Rpc { given: redacted_text(text), reason };
        let rpc = Url::parse(text).map_err(|error| refused(error.to_string()))?;
        let scheme = match rpc.scheme() {
            "http" => "ws",
            "https" => "wss",
            other => return Err(refused(format!("its scheme is {other}"))),
        };
        let mut ws = rpc.clone();
        let port = match rpc.port() {
            None => None,
            Some(port) => Some(
                port.checked_add(1)
                    .ok_or_else(|| refused("no port is left for the websocket; give its address too".to_owned()))?,
            ),
        };
        ws.set_scheme(scheme)
            .and_then(|()| ws.set_port(port))
            .map_err(|()| refused("no websocket address follows from it".to_owned()))?;
        Ok(Self { rpc, ws })
    }

    /// The same network with its websocket at `given` (`ws://` or `wss://`).
    ///
    /// # Errors
    /// [`UrlError::Ws`] if it is no such URL.
    pub fn with_ws(mut self, given: &str) -> Result<Self, UrlError> {
        let refused = |reason: String| UrlError::Ws { given: redacted_text(given), reason };
        let ws = Url::parse(given.trim()).map_err(|error| refused(error.to_string()))?;
        if !matches!(ws.scheme(), "ws" | "wss") {
            return Err(refused(format!("its scheme is {}", ws.scheme())));
        }
        self.ws = ws;
        Ok(self)
    }

    /// The JSON-RPC address in full. It may contain a key: do not print it.
    pub fn rpc(&self) -> &str {
        self.rpc.as_str()
    }

    /// The websocket address in full. It may contain a key: do not print it.
    pub fn ws(&self) -> &str {
        self.ws.as_str()
    }

    /// The JSON-RPC address as it may be shown.
    pub fn shown_rpc(&self) -> String {
        shown(&self.rpc)
    }

    /// The websocket address as it may be shown.
    pub fn shown_ws(&self) -> String {
        shown(&self.ws)
    }
}

impl FromStr for ClusterUrl {
    type Err = UrlError;

    fn from_str(given: &str) -> Result<Self, UrlError> {
        Self::parse(given)
    }
}

impl fmt::Display for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown_rpc())
    }
}

impl fmt::Debug for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterUrl").field("rpc", &self.shown_rpc()).field("ws", &self.shown_ws()).finish()
    }
}

/// Scheme, host and port.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// What can be shown of a text that may be a mistyped URL.
fn redacted_text(text: &str) -> String {
    const SHOWN: usize = 60;
    if let Ok(url) = Url::parse(text)
        && url.has_host()
    {
        return shown(&url);
    }
    // A key follows the host, a user part stands before it.
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{rest}").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(given: &str) -> (String, String) {
        let url = ClusterUrl::parse(given).unwrap();
        (url.rpc().to_owned(), url.ws().to_owned())
    }

    #[test]
    fn monikers_mean_what_they_mean_to_solanas_command_line() {
        let http = |s: &str| format!("https://api.{s}.solana.com/");
        let wss = |s: &str| format!("wss://api.{s}.solana.com/");
        for (given, name) in
            [("mainnet-beta", "mainnet-beta"), ("m", "mainnet-beta"), ("testnet", "testnet"), ("d", "devnet")]
        {
            assert_eq!(pair(given), (http(name), wss(name)));
        }
        for given in ["localhost", "l", "http://localhost:8899"] {
            assert_eq!(pair(given), ("http://localhost:8899/".to_owned(), "ws://localhost:8900/".to_owned()));
        }
    }

    #[test]
    fn the_websocket_keeps_host_path_and_key_and_moves_an_explicit_port_by_one() {
        assert_eq!(pair("https://rpc.example/v2/key?x=1").1, "wss://rpc.example/v2/key?x=1");
        assert_eq!(pair("https://rpc.example:8443/").1, "wss://rpc.example:8444/");
        let url = ClusterUrl::parse("http://a:1").unwrap();
        assert_eq!(url.clone().with_ws("ws://b:7").unwrap().ws(), "ws://b:7/");
        let refused = url.with_ws("http://b:7").unwrap_err().to_string();
        assert!(refused.contains("ws:// or wss://"), "{refused}");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_choices_named() {
        for given in ["", "mainnet", "ftp://host", "http://", "http://h:65535"] {
            let error = ClusterUrl::parse(given).unwrap_err().to_string();
            assert!(error.contains("mainnet-beta or an http"), "{error}");
        }
    }

    #[test]
    fn nothing_that_may_be_a_key_is_ever_shown() {
        for given in
            ["https://user:secret@rpc.example:8443/secret?api-key=secret#secret", "https://secret@rpc.example/secret"]
        {
            let url = ClusterUrl::parse(given).unwrap();
            for text in [url.to_string(), format!("{url:?}"), url.shown_ws()] {
                assert!(text.contains("rpc.example"), "{text}");
                assert!(!text.contains("secret"), "{text}");
            }
        }
        for given in [
            "htp://rpc.example/secret?secret",
            "rpc.example/secret?secret",
            "http://user:secret@rpc.example:port/secret",
        ] {
            let error = ClusterUrl::parse(given).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
