//! `registry/repository:tag@sha256:digest`, with the defaults that everybody is used to.

use std::fmt;
use std::str::FromStr;

const MAX_REFERENCE_BYTES: usize = 512;
const DOCKER_HUB: &str = "docker.io";

/// A parsed image reference with its defaults filled in: `python` is `docker.io/library/python:latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference {
    /// Host with an optional port.
    pub registry: String,
    /// Path in the registry.
    pub repository: String,
    /// Tag; none where there is a digest and no tag was given.
    pub tag: Option<String>,
    /// SHA-256 of the top-level manifest.
    pub digest: Option<[u8; 32]>,
}

/// A text that is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image reference: {reason}")]
pub struct ReferenceError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl ImageReference {
    /// Registry and repository with the digest and without the tag: the one form that manifests and nodes use.
    /// None if there is no digest.
    pub fn pinned(&self) -> Option<String> {
        let digest = self.digest?;
        Some(format!("{}/{}@sha256:{}", self.registry, self.repository, hex::encode(digest)))
    }

    /// Tag or digest as the registry's interface wants it; the digest where there are both.
    pub(super) fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("sha256:{}", hex::encode(digest)),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// Host and port at which the registry's interface is served.
    pub fn api_host(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { &self.registry }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@sha256:{}", hex::encode(digest))?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|reason| ReferenceError { text: text.chars().take(128).collect(), reason })
    }
}

fn parse(text: &str) -> Result<ImageReference, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > MAX_REFERENCE_BYTES {
        return Err("it is longer than 512 characters");
    }
    if text.contains("://") {
        return Err("it is a URL; leave out the scheme");
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    // As Docker tells a host from a path: by its dot, its port, or its name.
    let has_registry = first.contains(['.', ':']) || first == "localhost" || first.starts_with('[');
    let (registry, path) = if has_registry { (first, rest) } else { (DOCKER_HUB, name) };
    // A colon after the last slash begins the tag.
    let (repository, tag) = match path.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (path, None),
    };
    let registry = match registry {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        other => other,
    };
    check_registry(registry)?;
    check_repository(repository)?;
    tag.map_or(Ok(()), check_tag)?;
    let official = registry == DOCKER_HUB && !repository.contains('/');
    let tag = match (tag, digest) {
        (None, None) => Some("latest"),
        (tag, _) => tag,
    };
    Ok(ImageReference {
        registry: registry.to_owned(),
        repository: if official { format!("library/{repository}") } else { repository.to_owned() },
        tag: tag.map(str::to_owned),
        digest,
    })
}

fn parse_digest(text: &str) -> Result<[u8; 32], &'static str> {
    let hex_digits = text.strip_prefix("sha256:").ok_or("its digest does not begin with sha256:")?;
    let mut digest = [0; 32];
    if hex_digits.bytes().any(|byte| byte.is_ascii_uppercase())
        || hex::decode_to_slice(hex_digits, &mut digest).is_err()
    {
        return Err("its digest is not 64 lower-case hex digits");
    }
    Ok(digest)
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let reason = "its registry is not a host with an optional port";
    let url = url::Url::parse(&format!("https://{registry}/")).map_err(|_| reason)?;
    let same = url
        .host_str()
        .is_some_and(|host| registry.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':')));
    if same && url.username().is_empty() && url.path() == "/" && url.query().is_none() { Ok(()) } else { Err(reason) }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.is_empty() {
        return Err("it names no repository");
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("repository names are written in lower case");
    }
    if repository.len() > 255 {
        return Err("its repository is longer than 255 characters");
    }
    let good = repository.split('/').all(|part| {
        // Letters and digits, with single separators between them: . _ __ or dashes.
        let separator = |c: char| matches!(c, '.' | '_' | '-');
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        !part.is_empty()
            && part.chars().all(|c| word(c) || separator(c))
            && !part.starts_with(separator)
            && !part.ends_with(separator)
            && part
                .split(word)
                .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
    });
    if good {
        Ok(())
    } else {
        Err("its repository may hold lower-case letters, digits, and between them . _ __ - and /")
    }
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(good) {
        return Err("its tag may hold up to 128 letters, digits, _ . and -");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_completed_as_docker_completes_it() {
        let digest = "ab".repeat(32);
        let cases = [
            ("python", "docker.io/library/python:latest"),
            ("python:3.13-slim", "docker.io/library/python:3.13-slim"),
            ("org/app", "docker.io/org/app:latest"),
            ("index.docker.io/org/app:1", "docker.io/org/app:1"),
            ("ghcr.io/org/a/b__c-d.e:1", "ghcr.io/org/a/b__c-d.e:1"),
            ("localhost/app", "localhost/app:latest"),
            ("127.0.0.1:5000/app:x", "127.0.0.1:5000/app:x"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            (&format!("app@sha256:{digest}"), &format!("docker.io/library/app@sha256:{digest}")),
            (&format!("r.io/app:1@sha256:{digest}"), &format!("r.io/app:1@sha256:{digest}")),
        ];
        for (text, full) in cases {
            let parsed: ImageReference = text.parse().unwrap();
            assert_eq!(parsed.to_string(), full);
            assert_eq!(full.parse::<ImageReference>().unwrap(), parsed, "the full form is stable");
        }
    }

    #[test]
    fn the_pinned_form_drops_the_tag_and_exists_only_with_a_digest() {
        let digest = "ab".repeat(32);
        let reference: ImageReference = format!("r.io/app:1@sha256:{digest}").parse().unwrap();
        assert_eq!(reference.pinned().unwrap(), format!("r.io/app@sha256:{digest}"));
        assert_eq!("r.io/app:1".parse::<ImageReference>().unwrap().pinned(), None);
    }

    #[test]
    fn what_is_wrong_with_a_reference_is_said() {
        let long = "a".repeat(513);
        let cases = [
            ("", "it is empty"),
            (long.as_str(), "it is longer than 512 characters"),
            ("https://r.io/app", "it is a URL; leave out the scheme"),
            ("Org/App", "repository names are written in lower case"),
            ("r.io/", "it names no repository"),
            ("app@md5:00", "its digest does not begin with sha256:"),
            ("app@sha256:00", "its digest is not 64 lower-case hex digits"),
            ("app:", "its tag may hold up to 128 letters, digits, _ . and -"),
            ("app:a b", "its tag may hold up to 128 letters, digits, _ . and -"),
            ("a..b", "its repository may hold lower-case letters, digits, and between them . _ __ - and /"),
            ("a//b", "its repository may hold lower-case letters, digits, and between them . _ __ - and /"),
            ("r.io:x/app", "its registry is not a host with an optional port"),
            ("me@r.io/app", "its digest does not begin with sha256:"),
        ];
        for (text, reason) in cases {
            assert_eq!(text.parse::<ImageReference>().unwrap_err().reason, reason, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_what_parses_is_stable(text in "\\PC{0,80}|[a-z0-9:/@._-]{0,80}") {
            if let Ok(parsed) = text.parse::<ImageReference>() {
                let again: ImageReference = parsed.to_string().parse().unwrap();
                proptest::prop_assert_eq!(again, parsed);
            }
        }
    }
}
