//! Names of hosts below which every public port has one of its own.

use gridlease_sdk::node_api::public::host_label;
use solana_pubkey::Pubkey;

/// A domain of which every name of one more label leads to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// In small letters, without a dot at its ends.
    domain: String,
    /// The port that stands in addresses; none for 443.
    port: Option<u16>,
}

/// Why a domain cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text:?} is not a domain; write it as in jobs.example.com, or jobs.example.com:8443 where visitors come by another port than 443"
)]
pub struct NamesError {
    text: String,
}

impl Names {
    /// Reads `jobs.example.com`, or with the port that visitors come by where that is not 443: `jobs.example.com:8443`.
    ///
    /// # Errors
    /// [`NamesError`].
    pub fn new(text: &str) -> Result<Self, NamesError> {
        let bad = || NamesError { text: text.to_owned() };
        let (domain, port) = match text.rsplit_once(':') {
            Some((domain, port)) => (domain, Some(port.parse::<u16>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let domain = domain.trim_start_matches("*.").to_ascii_lowercase();
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(letters)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A label of 63 and a dot have to fit before it.
        let ends_in_a_name = domain.rsplit('.').next().is_some_and(|last| last.chars().any(|c| c.is_ascii_lowercase()));
        if domain.len() > 253 - 64 || port == Some(0) || !ends_in_a_name || !domain.split('.').all(good) {
            return Err(bad());
        }
        Ok(Self { domain, port: port.filter(|port| *port != 443) })
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The label before the domain in a `Host`; `None` where it is no name below the domain.
    #[must_use]
    pub fn label_of(&self, host: &str) -> Option<String> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name);
        let at = name.len().checked_sub(self.domain.len())?;
        let (before, domain) = (name.get(..at)?, name.get(at..)?);
        if !domain.eq_ignore_ascii_case(&self.domain) {
            return None;
        }
        before.strip_suffix('.').map(str::to_ascii_lowercase)
    }

    /// Where a port is visited, with a slash at its end.
    #[must_use]
    pub fn url(&self, lease: &Pubkey, name: &str) -> String {
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("https://{}.{}{port}/", host_label(lease, name), self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_read_with_and_without_a_port_and_what_is_none_is_refused() {
        let lease = Pubkey::new_from_array([0; 32]);
        let url = |text: &str| Names::new(text).unwrap().url(&lease, "web");
        assert_eq!(url("Jobs.example.com"), "https://web-aaaaaaaaaaaaaaaa.jobs.example.com/");
        assert_eq!(url("*.jobs.example.com:443"), "https://web-aaaaaaaaaaaaaaaa.jobs.example.com/");
        assert_eq!(url("localhost:8443"), "https://web-aaaaaaaaaaaaaaaa.localhost:8443/");
        let long = format!("{}.example", "a.".repeat(100));
        for bad in ["", ".", "a..b", "-a.b", "https://a.b", "a.b/", "a b", "10.0.0.1", "a.b:0", "a.b:x", "[::1]", &long]
        {
            assert!(Names::new(bad).is_err(), "{bad}");
        }
    }
}
