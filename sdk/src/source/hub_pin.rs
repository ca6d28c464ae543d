//! From a revision to its commit, and from a file to its SHA-256, as the hub says. The hub is believed only here: what the node
//! loads has to have the hash.

use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, LINK, LOCATION};
use serde::Deserialize;
use url::Url;

use super::hub::{HubPath, is_commit, is_path};
use super::pin::{Pinned, Sources};
use super::{SourceFault, ask};

/// Largest file that is loaded to be hashed: those that a hub keeps without saying their hash are small (at most 10 MB).
const MAX_PLAIN_BYTES: u64 = 64 << 20;
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Most pages of a folder's list.
const MAX_PAGES: usize = 16;
/// Most times a hub may send on to where a repository is now.
const MAX_MOVES: usize = 3;
const ADVICE: &str = "check its name; for a private or gated repository accept its terms, and write `HF_TOKEN: { from: env }` into secrets";

/// One entry of a folder.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    size: Option<u64>,
    lfs: Option<Large>,
}

/// What the hub says of a file that it keeps as a large one.
#[derive(Deserialize)]
struct Large {
    oid: String,
    size: Option<u64>,
}

/// A file of one commit.
pub(super) struct HubFile {
    /// Its address, pinned.
    pub at: HubPath,
    /// Its content.
    pub content: Pinned,
}

impl Sources {
    /// Pins a file.
    pub(super) async fn pin_hub_file(&self, file: &HubPath, token: Option<&str>) -> Result<HubFile, SourceFault> {
        let mut url = file.file_url(&self.hub);
        let host = ask::host(&url);
        let unusable = |reason: &str| SourceFault::Unusable { host: host.clone(), reason: reason.to_owned() };
        for _ in 0..=MAX_MOVES {
            let answer = ask::send(with_token(self.asking.head(url.clone()), token), &host).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let commit = header(&headers, "x-repo-commit").filter(|commit| is_commit(commit));
            // The redirect to a large file's own store says what is asked here already.
            let Some(commit) = commit.filter(|_| status.is_success() || status.is_redirection()) else {
                if status.is_redirection() {
                    url = moved(&url, &headers).ok_or_else(|| unusable("it sends on to another host"))?;
                    continue;
                }
                ask::succeeded(answer, &host, ADVICE)?;
                return Err(unusable("it does not say of which commit the file is"));
            };
            let at = HubPath { revision: Some(commit.to_owned()), ..file.clone() };
            let said = header(&headers, "x-linked-etag").and_then(sha256);
            let content = match said {
                Some(sha256) => {
                    let size = header(&headers, "x-linked-size").and_then(|size| size.parse().ok());
                    Pinned { sha256, size }
                }
                None => self.hash_hub_file(&at, token).await?,
            };
            return Ok(HubFile { at, content });
        }
        Err(unusable("it sends in circles"))
    }

    /// Pins every file below a folder, at most `most`.
    pub(super) async fn pin_hub_folder(
        &self,
        folder: &HubPath,
        token: Option<&str>,
        most: usize,
    ) -> Result<Vec<HubFile>, SourceFault> {
        let host = ask::host(&self.hub);
        let unusable = |reason: String| SourceFault::Unusable { host: host.clone(), reason };
        let commit = self.hub_commit(folder, token).await?;
        let within = folder.path.trim_end_matches('/');
        let mut words = vec!["tree", commit.as_str()];
        words.extend(within.split('/').filter(|part| !part.is_empty()));
        let mut next = Some(folder.api_url(&self.hub, &words));
        if let Some(url) = &mut next {
            url.query_pairs_mut().append_pair("recursive", "true");
        }
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { break };
            let answer = ask::send(with_token(self.asking.get(url.clone()), token), &host).await?;
            let answer = ask::succeeded(answer, &host, ADVICE)?;
            next = next_page(&url, answer.headers());
            let body = ask::body(answer, &host, MAX_ANSWER_BYTES).await?;
            let entries: Vec<Entry> =
                serde_json::from_slice(&body).map_err(|error| unusable(format!("its list of the folder: {error}")))?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                let inside =
                    within.is_empty() || entry.path.strip_prefix(within).is_some_and(|rest| rest.starts_with('/'));
                if !inside || entry.path.is_empty() || !is_path(&entry.path) {
                    return Err(unusable("it lists a file that is not in the folder".to_owned()));
                }
                if files.len() == most {
                    return Err(SourceFault::TooMany { most });
                }
                files.push(entry);
            }
        }
        if next.is_some() {
            return Err(unusable("its list of the folder does not end".to_owned()));
        }
        if files.is_empty() {
            return Err(SourceFault::NotFound { host });
        }
        let mut pinned = Vec::new();
        for entry in files {
            let at = HubPath { revision: Some(commit.clone()), path: entry.path, ..folder.clone() };
            let content = match entry.lfs {
                Some(large) => {
                    let sha256 = sha256(&large.oid).ok_or_else(|| unusable("a hash that is none".to_owned()))?;
                    Pinned { sha256, size: large.size.or(entry.size) }
                }
                None => self.hash_hub_file(&at, token).await?,
            };
            pinned.push(HubFile { at, content });
        }
        pinned.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(pinned)
    }

    /// The commit that a revision is now.
    async fn hub_commit(&self, of: &HubPath, token: Option<&str>) -> Result<String, SourceFault> {
        #[derive(Deserialize)]
        struct Revision {
            sha: String,
        }
        let url = of.api_url(&self.hub, &["revision", of.revision()]);
        let host = ask::host(&url);
        let answer = ask::send(with_token(self.asking.get(url), token), &host).await?;
        let body = ask::body(ask::succeeded(answer, &host, ADVICE)?, &host, MAX_ANSWER_BYTES).await?;
        let revision: Option<Revision> = serde_json::from_slice(&body).ok();
        let commit = revision.map(|revision| revision.sha).filter(|sha| is_commit(sha));
        commit
            .ok_or_else(|| SourceFault::Unusable { host, reason: "it does not name the revision's commit".to_owned() })
    }

    /// Loads a small file to hash it.
    async fn hash_hub_file(&self, file: &HubPath, token: Option<&str>) -> Result<Pinned, SourceFault> {
        let url = file.file_url(&self.hub);
        let host = ask::host(&url);
        let answer = ask::send(with_token(self.loading.get(url), token), &host).await?;
        let (sha256, size) = ask::hash(ask::succeeded(answer, &host, ADVICE)?, &host, MAX_PLAIN_BYTES).await?;
        Ok(Pinned { sha256, size: Some(size) })
    }
}

fn with_token(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A SHA-256 as an entity tag or a plain word.
fn sha256(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let text = text.trim_start_matches("W/").trim_matches('"');
    hex::decode_to_slice(text, &mut hash).is_ok().then_some(hash)
}

/// Where a repository is now that was renamed, on the same host: the token goes nowhere else.
fn moved(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let to = from.join(header(headers, LOCATION.as_str())?).ok()?;
    (to.origin() == from.origin()).then_some(to)
}

/// The next page of a list, on the same host.
fn next_page(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = header(headers, LINK.as_str())?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let to = from.join(next.trim().strip_prefix('<')?.split_once('>')?.0).ok()?;
    (to.origin() == from.origin()).then_some(to)
}
