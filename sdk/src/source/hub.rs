//! Files of a model hub that speaks Hugging Face's interface: `hf://OWNER/REPO[@REVISION]/PATH`, and
//! `hf://datasets/OWNER/REPO…` for data sets. A path that is empty or ends with a slash is a folder with all that is below it.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The variable that names another hub, as for the hub's own programs.
pub const ENDPOINT_VARIABLE: &str = "HF_ENDPOINT";
/// The secret that is shown to the hub, where a manifest names it.
pub const TOKEN: &str = "HF_TOKEN";
/// The hub where nothing else is said.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

const SCHEME: &str = "hf://";
const MAX_PATH_BYTES: usize = 1024;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

/// A file or folder of a hub's repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HubPath {
    /// What the repository holds.
    pub kind: RepoKind,
    /// Whose it is.
    pub owner: String,
    /// Its name.
    pub repo: String,
    /// Branch, tag or commit; the branch `main` where it is none.
    pub revision: Option<String>,
    /// Path in the repository; empty, or with a slash at its end, for a folder.
    pub path: String,
}

/// A text that is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HubPathError(&'static str);

impl HubPath {
    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.path.is_empty() || self.path.ends_with('/')
    }

    /// Whether it is one file of one commit: what it names never changes.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        !self.is_folder() && self.revision.as_deref().is_some_and(is_commit)
    }

    /// The revision that is meant.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// Where `endpoint` has the file.
    #[must_use]
    pub fn file_url(&self, endpoint: &Url) -> Url {
        let prefix: &[&str] = match self.kind {
            RepoKind::Model => &[],
            RepoKind::Dataset => &["datasets"],
        };
        let head = [self.owner.as_str(), &self.repo, "resolve", self.revision()];
        below(endpoint, prefix.iter().copied().chain(head).chain(self.path.split('/')))
    }

    /// A question about the repository: `words` follow its name in the hub's interface.
    pub(super) fn api_url(&self, endpoint: &Url, words: &[&str]) -> Url {
        let kind = match self.kind {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
        };
        below(endpoint, ["api", kind, &self.owner, &self.repo].into_iter().chain(words.iter().copied()))
    }
}

/// `endpoint` with these segments behind its own path, each encoded as a whole.
fn below<'a>(endpoint: &Url, segments: impl Iterator<Item = &'a str>) -> Url {
    let mut url = endpoint.clone();
    // An endpoint is http(s), which always has segments.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Whether a revision is a commit's full hash.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl fmt::Display for HubPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RepoKind::Model => "",
            RepoKind::Dataset => "datasets/",
        };
        write!(f, "{SCHEME}{kind}{}/{}", self.owner, self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{}", revision.replace('/', "%2F"))?;
        }
        write!(f, "/{}", self.path)
    }
}

impl FromStr for HubPath {
    type Err = HubPathError;

    fn from_str(text: &str) -> Result<Self, HubPathError> {
        let shape = HubPathError("write hf://OWNER/REPO@REVISION/PATH, or hf://datasets/OWNER/REPO@REVISION/PATH");
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| shape.clone())?;
        let (kind, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (RepoKind::Dataset, rest),
            None => (RepoKind::Model, rest),
        };
        let (owner, rest) = rest.split_once('/').ok_or_else(|| shape.clone())?;
        let (repo, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (repo, revision) = match repo.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision.replace("%2F", "/").replace("%2f", "/"))),
            None => (repo, None),
        };
        if owner == "spaces" || !is_name(owner) || !is_name(repo) {
            return Err(shape);
        }
        if revision.as_deref().is_some_and(|revision| !is_revision(revision)) {
            return Err(HubPathError("its revision is not the name of a branch, a tag or a commit"));
        }
        if !is_path(path.strip_suffix('/').unwrap_or(path)) {
            return Err(HubPathError("its path is not one of a file or folder in the repository"));
        }
        Ok(Self { kind, owner: owner.to_owned(), repo: repo.to_owned(), revision, path: path.to_owned() })
    }
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= 96 && text.chars().all(good) && !text.starts_with(['.', '-'])
}

fn is_revision(text: &str) -> bool {
    text.len() <= 255 && text.split('/').all(is_name)
}

/// Whether a text is a plain relative path, or empty: no part of it can lead elsewhere.
pub(super) fn is_path(text: &str) -> bool {
    let good = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
    text.len() <= MAX_PATH_BYTES
        && !text.chars().any(char::is_control)
        && (text.is_empty() || text.split('/').all(good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_hub_is_read_and_written_alike_and_leads_to_its_file() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let cases = [
            ("hf://org/model/config.json".to_owned(), "https://hub.example/org/model/resolve/main/config.json"),
            (
                format!("hf://datasets/org/set@{commit}/a b/c.bin"),
                "https://hub.example/datasets/org/set/resolve/0123456789abcdef0123456789abcdef01234567/a%20b/c.bin",
            ),
            (
                "hf://org/model@refs%2Fpr%2F1/x?y#z".to_owned(),
                "https://hub.example/org/model/resolve/refs%2Fpr%2F1/x%3Fy%23z",
            ),
        ];
        let hub = Url::parse("https://hub.example").unwrap();
        for (text, url) in cases {
            let path: HubPath = text.parse().unwrap();
            assert_eq!((path.to_string(), path.file_url(&hub).as_str()), (text.clone(), url));
            assert_eq!(path.is_pinned(), text.contains(commit), "{text}");
        }
        let mirror = Url::parse("http://127.0.0.1:80/mirror/").unwrap();
        let path: HubPath = "hf://org/model/f".parse().unwrap();
        assert_eq!(path.file_url(&mirror).as_str(), "http://127.0.0.1/mirror/org/model/resolve/main/f");
        for folder in ["hf://org/model", "hf://org/model/", "hf://org/model@v1/sub/"] {
            assert!(folder.parse::<HubPath>().unwrap().is_folder(), "{folder}");
        }
    }

    #[test]
    fn threat_10_no_address_of_the_hub_leads_out_of_its_repository() {
        for text in [
            "hf://",
            "hf://org",
            "hf:///model/x",
            "hf://../model/x",
            "hf://org/..",
            "hf://org/model/../x",
            "hf://org/model/a//b",
            "hf://org/model/./x",
            "hf://org/model@/x",
            "hf://org/model@../x",
            "hf://org/model@a%2F..%2Fb/x",
            "hf://org/model/a\\..\\b",
            "hf://org/model/a\nb",
            "hf://spaces/org/app",
            "hf://org@x/model/y",
            "s3://org/model/x",
        ] {
            assert!(text.parse::<HubPath>().is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_as_an_address_of_the_hub_is_written_so_that_it_is_read_alike(
            text in "hf://(datasets/)?[a-z./@%2F_-]{1,24}(/[ -~]{0,12}){0,3}"
        ) {
            if let Ok(path) = text.parse::<HubPath>() {
                proptest::prop_assert_eq!(path.to_string().parse::<HubPath>().unwrap(), path.clone());
                let url = path.file_url(&Url::parse("https://hub.example/base/").unwrap());
                proptest::prop_assert!(url.path().starts_with("/base/") && url.query().is_none(), "{}", url);
            }
        }
    }
}
