//! A store that speaks S3 and checks every signature ([`sigv4`](super::sigv4)): objects by path style, with ranges and checksums, read,
//! written and removed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use super::sigv4::{Holder, check};
use super::{Book, Fault, file, serve};

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
    denied: AtomicBool,
    objects: Mutex<HashMap<String, (Vec<u8>, bool)>>,
}

impl Store {
    /// An empty one. `token`: of the session to which its key belongs.
    pub async fn start(token: Option<&str>) -> Self {
        let book = Book::default();
        let inner = Arc::new(Inner {
            book: book.clone(),
            token: token.map(str::to_owned),
            denied: AtomicBool::new(false),
            objects: Mutex::default(),
        });
        let state = Arc::clone(&inner);
        let url = serve(Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Body| {
            let state = Arc::clone(&state);
            async move {
                if method == Method::PUT {
                    return state.take(&method, &uri, &headers, body).await;
                }
                state.answer(&method, &uri, &headers)
            }
        }))
        .await;
        Self { url, book, inner }
    }

    /// The objects of a bucket, by key.
    #[must_use]
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let objects = self.inner.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let of_bucket = |path: &String| Some(path.strip_prefix(&format!("/{bucket}/"))?.to_owned());
        objects.iter().filter_map(|(path, (content, _))| Some((of_bucket(path)?, content.clone()))).collect()
    }

    /// Says no to everything from now on.
    pub fn deny(&self) {
        self.inner.denied.store(true, Ordering::Relaxed);
    }

    /// Takes an object away.
    pub fn lose(&self, bucket: &str, key: &str) {
        let mut objects = self.inner.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.remove(&format!("/{bucket}/{key}"));
    }

    /// Puts an object there; with `checksum` the store keeps and tells its SHA-256.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8], checksum: bool) {
        let mut objects = self.inner.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(format!("/{bucket}/{key}"), (content.to_vec(), checksum));
    }
}

impl Inner {
    /// Why a request is not answered.
    fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        if self.denied.load(Ordering::Relaxed) {
            return Some(StatusCode::FORBIDDEN.into_response());
        }
        if *method == Method::GET && uri.path().starts_with(&format!("/{OPEN_BUCKET}/")) {
            return None;
        }
        let holder = Holder { id: KEY_ID, secret: KEY, token: self.token.as_deref(), region: REGION };
        let code = check(method, uri, headers, &holder, super::clock::now()).err()?;
        Some((StatusCode::FORBIDDEN, format!("<Error><Code>{code}</Code></Error>")).into_response())
    }

    /// Takes an object. One whose body breaks off, or is not as long as it says, is not taken.
    async fn take(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Body) -> Response {
        let fault = self.book.note(method, uri, headers);
        if let Some(refusal) = self.refusal(method, uri, headers) {
            return refusal;
        }
        match fault {
            Some(Fault::Status(status)) => return StatusCode::from_u16(status).unwrap_or_default().into_response(),
            Some(Fault::SendOn(to)) => {
                return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response();
            }
            Some(Fault::Trickle(pause)) => {
                let mut pieces = body.into_data_stream();
                while pieces.next().await.is_some() {
                    tokio::time::sleep(pause).await;
                }
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
            _ => {}
        }
        let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let Some(length) = length else { return StatusCode::LENGTH_REQUIRED.into_response() };
        let Ok(bytes) = axum::body::to_bytes(body, length).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let content = if matches!(fault, Some(Fault::Lie)) { vec![b'?'; bytes.len()] } else { bytes.to_vec() };
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(path, (content, false));
        StatusCode::OK.into_response()
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let fault = self.book.note(method, uri, headers);
        let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        if let Some(refusal) = self.refusal(method, uri, headers) {
            return refusal;
        }
        if *method == Method::DELETE {
            self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
            return StatusCode::NO_CONTENT.into_response();
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
