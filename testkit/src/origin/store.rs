//! A store that speaks S3 and checks every signature ([`sigv4`](super::sigv4)): objects by path style, with ranges and checksums.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use super::sigv4::{Holder, check};
use super::{Book, file, serve};

/// Identifier of the key that reads everything.
pub const KEY_ID: &str = "AKIDEXAMPLE";
/// The key.
pub const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// Region of the store.
pub const REGION: &str = "eu-test-1";
/// A bucket that everybody may read.
pub const OPEN_BUCKET: &str = "open";

/// A store.
#[derive(Clone, Debug)]
pub struct Store {
    /// Its address.
    pub url: String,
    /// What it does wrong, and what it was asked.
    pub book: Book,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    book: Book,
    token: Option<String>,
    objects: Mutex<HashMap<String, (Vec<u8>, bool)>>,
}

impl Store {
    /// An empty one. `token`: of the session to which its key belongs.
    pub async fn start(token: Option<&str>) -> Self {
        let book = Book::default();
        let inner = Arc::new(Inner { book: book.clone(), token: token.map(str::to_owned), objects: Mutex::default() });
        let state = Arc::clone(&inner);
        let url = serve(Router::new().fallback(move |method, uri, headers| {
            let state = Arc::clone(&state);
            async move { state.answer(&method, &uri, &headers) }
        }))
        .await;
        Self { url, book, inner }
    }

    /// Puts an object there; with `checksum` the store keeps and tells its SHA-256.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8], checksum: bool) {
        let mut objects = self.inner.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(format!("/{bucket}/{key}"), (content.to_vec(), checksum));
    }
}

impl Inner {
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let fault = self.book.note(method, uri, headers);
        let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        if !path.starts_with(&format!("/{OPEN_BUCKET}/")) {
            let holder = Holder { id: KEY_ID, secret: KEY, token: self.token.as_deref(), region: REGION };
            if let Err(code) = check(method, uri, headers, &holder, super::clock::now()) {
                return (StatusCode::FORBIDDEN, format!("<Error><Code>{code}</Code></Error>")).into_response();
            }
        }
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((content, checksum)) = objects.get(&path) else {
            return (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response();
        };
        let mut answer = file(headers, content, fault);
        let asked = headers.get("x-amz-checksum-mode").is_some_and(|mode| mode == "ENABLED");
        if let Ok(value) = STANDARD.encode(Sha256::digest(content)).parse()
            && *checksum
            && asked
        {
            answer.headers_mut().insert("x-amz-checksum-sha256", value);
        }
        answer
    }
}
