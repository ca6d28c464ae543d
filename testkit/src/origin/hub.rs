//! A model hub with one repository, which speaks the part of Hugging Face's interface by which files are found and loaded. Its
//! large files lie on another host, as on the real one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Book, file, serve};

/// The commit that is the branch `main`.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Files that a page of a folder's list holds.
const PAGE: usize = 3;

/// A hub.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Its address.
    pub url: String,
    /// What it does wrong, and what it was asked.
    pub book: Book,
    /// The same of the host with the large files.
    pub large: Book,
}

#[derive(Debug)]
struct Inner {
    book: Book,
    repo: String,
    token: Option<String>,
    files: BTreeMap<String, (Vec<u8>, bool)>,
    large: String,
}

impl Hub {
    /// One with a repository (such as `org/model` or `datasets/org/set`) of these files, each large or not, which it shows to
    /// whoever has the token.
    pub async fn start(repo: &str, token: Option<&str>, files: &[(&str, &[u8], bool)]) -> Self {
        let (book, large) = (Book::default(), Book::default());
        let files: BTreeMap<String, (Vec<u8>, bool)> =
            files.iter().map(|(path, content, large)| ((*path).to_owned(), (content.to_vec(), *large))).collect();
        let (by_hash, noted) = (files.clone(), large.clone());
        let large_url = serve(Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| {
            let (by_hash, noted) = (by_hash.clone(), noted.clone());
            async move {
                let fault = noted.note(&method, &uri, &headers);
                let found = by_hash.values().find(|(content, _)| uri.path() == format!("/{}", hash(content)));
                found.map_or_else(
                    || StatusCode::NOT_FOUND.into_response(),
                    |(content, _)| file(&headers, content, fault),
                )
            }
        }))
        .await;
        let inner = Arc::new(Inner {
            book: book.clone(),
            repo: repo.to_owned(),
            token: token.map(str::to_owned),
            files,
            large: large_url,
        });
        let url = serve(Router::new().fallback(move |method, uri, headers| {
            let inner = Arc::clone(&inner);
            async move { inner.answer(&method, &uri, &headers) }
        }))
        .await;
        Self { url, book, large }
    }
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

impl Inner {
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let fault = self.book.note(method, uri, headers);
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if self.token.is_some() && shown != self.token.as_ref().map(|token| format!("Bearer {token}")).as_deref() {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        let kind = if self.repo.starts_with("datasets/") { "" } else { "models/" };
        let api = format!("/api/{kind}{}/", self.repo);
        if let Some(of) = path.strip_prefix(&format!("{api}revision/")) {
            return match of {
                "main" | COMMIT => axum::Json(json!({ "sha": COMMIT })).into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            };
        }
        if let Some(folder) = path.strip_prefix(&format!("{api}tree/{COMMIT}")) {
            return self.tree(uri, folder.trim_matches('/'));
        }
        let file_of =
            |revision: &str| path.strip_prefix(&format!("/{}/resolve/{revision}/", self.repo)).map(str::to_owned);
        let name = file_of("main").or_else(|| file_of(COMMIT)).unwrap_or_default();
        let Some((content, large)) = self.files.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
        let commit = [("x-repo-commit", COMMIT)];
        if fault.is_some() {
            return file(headers, content, fault);
        }
        if !*large {
            // The hash of a file that is not large is git's own.
            return (
                commit,
                [(header::ETAG, "\"ab0123456789abcdef0123456789abcdef012345\"")],
                file(headers, content, None),
            )
                .into_response();
        }
        let tag = [("x-linked-etag", format!("\"{}\"", hash(content))), ("x-linked-size", content.len().to_string())];
        let to = format!("{}/{}", self.large, hash(content));
        (StatusCode::FOUND, commit, tag, [(header::LOCATION, to)]).into_response()
    }

    fn tree(&self, uri: &Uri, folder: &str) -> Response {
        let after =
            uri.query().and_then(|query| query.split_once("cursor=")?.1.parse::<usize>().ok()).unwrap_or_default();
        let inside = |path: &str| folder.is_empty() || path.starts_with(&format!("{folder}/"));
        let all: Vec<_> = self.files.iter().filter(|(path, _)| inside(path)).collect();
        let mut entries = vec![json!({ "type": "directory", "path": "some", "oid": "00", "size": 0 })];
        for (path, (content, large)) in all.iter().skip(after).take(PAGE) {
            let mut entry = json!({ "type": "file", "path": path, "oid": "ab", "size": content.len() });
            if *large {
                entry["lfs"] = json!({ "oid": hash(content), "size": content.len(), "pointerSize": 134 });
            }
            entries.push(entry);
        }
        let next = after + PAGE;
        if next >= all.len() {
            return axum::Json(entries).into_response();
        }
        let link = format!("<{}?recursive=true&cursor={next}>; rel=\"next\"", uri.path());
        ([(header::LINK, link)], axum::Json(entries)).into_response()
    }
}
