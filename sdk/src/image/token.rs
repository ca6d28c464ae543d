//! What a registry that answers 401 wants to see: a token, which public registries give to everybody, or a login.

use url::Url;

/// What a `WWW-Authenticate: Bearer …` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Where tokens are issued.
    pub realm: Url,
    /// For which service, if it says so.
    pub service: Option<String>,
    /// For which access, if it says so.
    pub scope: Option<String>,
}

impl Challenge {
    /// Reads the header; none if it asks for something else than a token from a place that can be asked safely
    /// (TLS, or this machine).
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        for (name, value) in Parameters(parameters) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
        }
        let realm = Url::parse(&realm?).ok()?;
        let safe = realm.scheme() == "https"
            || (realm.scheme() == "http" && realm.host().is_some_and(|host| super::is_loopback(&host)));
        safe.then_some(Self { realm, service, scope })
    }

    /// The address to ask.
    pub fn url(&self) -> Url {
        let mut url = self.realm.clone();
        for (name, value) in [("service", &self.service), ("scope", &self.scope)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }
}

/// Whether a `WWW-Authenticate` header asks for user and password.
pub(super) fn wants_basic(header: &str) -> bool {
    header.trim().split(' ').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

/// `a="x, y",b=z`, where a comma within quotes separates nothing.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_once('=')?;
        let name = name.trim_matches([' ', ',']);
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        self.0 = rest;
        Some((name, value.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_names_where_to_ask_for_what() {
        let challenge = Challenge::parse(
            "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\", scope=\"repository:library/a:pull,push\"",
        )
        .unwrap();
        assert_eq!(
            challenge.url().as_str(),
            "https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Alibrary%2Fa%3Apull%2Cpush"
        );
    }

    #[test]
    fn a_challenge_that_is_not_for_a_token_or_not_safe_to_ask_is_none() {
        for header in [
            "Basic realm=\"x\"",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"http://auth.example/token\"",
            "Bearer realm=\"file:///etc/passwd\"",
            "Bearer realm=\"https://unclosed",
        ] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
        assert!(Challenge::parse("bearer realm=http://127.0.0.1:5001/t,service=s").is_some());
    }
}
