//! A store that is written to and read from, whatever it does: bounded in memory and in time.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use gridlease_sdk::manifest::Output;
use gridlease_sdk::node_api::secrets::Secrets;
use gridlease_sdk::source::s3::{Credentials, S3Access, S3Object, S3Prefix};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::PushError;
use crate::inputs::{Fetcher, chain};

/// Bytes that are read at once; two of them wait at most.
const PIECE: usize = 256 * 1024;
/// The slowest transfer, bytes per second, besides a minute.
const SLOWEST: u64 = 16 * 1024;
/// For a short answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A store, with the credentials of one output.
#[derive(Clone)]
pub(super) struct Bucket {
    fetcher: Fetcher,
    access: S3Access,
    credentials: Option<Credentials>,
    /// Below which everything lies.
    pub at: S3Prefix,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Bucket {
    /// That of an output which is pushed.
    ///
    /// # Errors
    /// [`PushError::Address`].
    pub(super) fn of(output: &Output, secrets: &Secrets, fetcher: Fetcher) -> Result<Self, PushError> {
        let address = |error: &dyn std::fmt::Display| PushError::Address(error.to_string());
        let at = output.push.as_deref().unwrap_or_default().parse().map_err(|e| address(&e))?;
        let access = output.s3.clone().unwrap_or_default();
        let credentials = access.credentials(secrets).map_err(|e| address(&e))?;
        Ok(Self { fetcher, access, credentials, at })
    }

    fn object(&self, key: &str) -> S3Object {
        S3Object { bucket: self.at.bucket.clone(), key: key.to_owned() }
    }

    fn request(&self, method: Method, key: &str) -> Result<RequestBuilder, PushError> {
        let (object, credentials) = (self.object(key), self.credentials.as_ref());
        let url = match method {
            Method::PUT => self.access.put_url(&object, credentials),
            Method::DELETE => self.access.delete_url(&object, credentials),
            _ => self.access.object_url(&object, credentials, false),
        };
        let url = url.map_err(|e| PushError::Address(e.to_string()))?;
        self.fetcher.to_store(method, url).map_err(|reason| PushError::Address(reason.to_owned()))
    }

    /// Writes some bytes as an object.
    ///
    /// # Errors
    /// [`PushError`].
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), PushError> {
        let put = || async {
            let length = bytes.len() as u64;
            let request = self.request(Method::PUT, key)?.header(CONTENT_LENGTH, length).body(bytes.clone());
            succeeded(send(request.timeout(time_for(length))).await?).map(drop)
        };
        put.retry(patience()).when(PushError::is_transient).await
    }

    /// Writes `length` bytes of a file, from byte `from` on, as an object. `before` is the hash of what is before them; the answer is
    /// that with them.
    ///
    /// # Errors
    /// [`PushError`]; also where the file has not so many bytes any more.
    pub(super) async fn put_part(
        &self,
        key: &str,
        file: &Arc<File>,
        from: u64,
        length: u64,
        before: &Sha256,
    ) -> Result<Sha256, PushError> {
        let put = || async {
            let hasher = Arc::new(Mutex::new(before.clone()));
            let sent = Arc::new(AtomicU64::new(0));
            let body = body(Arc::clone(file), from, length, Arc::clone(&hasher), Arc::clone(&sent));
            let request = self.request(Method::PUT, key)?.header(CONTENT_LENGTH, length).body(body);
            let answer = tokio::select! {
                answer = send(request.timeout(time_for(length))) => answer?,
                () = stalled(self.fetcher.pace(), &sent) => {
                    return Err(PushError::Transfer("it took too little in too long a time".to_owned()));
                }
            };
            succeeded(answer)?;
            let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(hasher)
        };
        put.retry(patience()).when(PushError::is_transient).await
    }

    /// An object of at most `limit` bytes; none where there is none.
    ///
    /// # Errors
    /// [`PushError`].
    pub(super) async fn get(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, PushError> {
        let get = || async {
            let answer = send(self.request(Method::GET, key)?.timeout(time_for(limit))).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            let mut body = succeeded(answer)?.bytes_stream();
            while let Some(chunk) = tokio::time::timeout(ANSWER, body.next()).await.map_err(|_| silent())? {
                let chunk = chunk.map_err(|e| PushError::Transfer(chain(&e.without_url())))?;
                if bytes.len() as u64 + chunk.len() as u64 > limit {
                    let reason = format!("its list has more than {limit} bytes");
                    return Err(gridlease_sdk::artifact::ArtifactError::BadArchive(reason).into());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(bytes))
        };
        get.retry(patience()).when(PushError::is_transient).await
    }

    /// A request for an object from byte `from` on.
    ///
    /// # Errors
    /// [`PushError::Address`].
    pub(super) fn read(&self, key: &str) -> Result<RequestBuilder, PushError> {
        self.request(Method::GET, key)
    }

    /// Removes an object, once; one that is not there is removed.
    ///
    /// # Errors
    /// [`PushError`].
    pub(super) async fn remove(&self, key: &str) -> Result<(), PushError> {
        let answer = send(self.request(Method::DELETE, key)?.timeout(ANSWER)).await?;
        if answer.status() == StatusCode::NOT_FOUND { Ok(()) } else { succeeded(answer).map(drop) }
    }
}

fn silent() -> PushError {
    PushError::Transfer("nothing came".to_owned())
}

fn time_for(bytes: u64) -> Duration {
    ANSWER + Duration::from_secs(bytes / SLOWEST)
}

/// How often a store is asked again, and after which pauses.
pub(super) fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(15))
        .with_max_times(4)
        .with_jitter()
}

async fn send(request: RequestBuilder) -> Result<Response, PushError> {
    // An address is signed: it is in no message.
    request.send().await.map_err(|error| PushError::Transfer(chain(&error.without_url())))
}

fn succeeded(answer: Response) -> Result<Response, PushError> {
    let status = answer.status();
    let later = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    match status {
        status if status.is_success() => Ok(answer),
        status if later || status.is_server_error() => Err(PushError::Transfer(format!("it answers {status}"))),
        status => Err(PushError::Refused { status: status.as_u16() }),
    }
}

/// A part of a file as a body. It holds no thread while the store does not take it.
fn body(file: Arc<File>, from: u64, length: u64, hasher: Arc<Mutex<Sha256>>, sent: Arc<AtomicU64>) -> Body {
    Body::wrap_stream(try_unfold(0u64, move |done| {
        let (file, hasher, sent) = (Arc::clone(&file), Arc::clone(&hasher), Arc::clone(&sent));
        async move {
            // What was taken before is on its way.
            sent.store(done, Ordering::Relaxed);
            let left = length.saturating_sub(done);
            if left == 0 {
                return Ok::<_, std::io::Error>(None);
            }
            let size = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let read = move || {
                let mut piece = vec![0; size];
                file.read_exact_at(&mut piece, from + done).map(|()| piece)
            };
            let piece = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)??;
            hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&piece);
            Ok(Some((Bytes::from(piece), done + size as u64)))
        }
    }))
}

/// Comes to an end when too little is taken in too long a time.
async fn stalled((least, window): (u64, Duration), sent: &AtomicU64) {
    let mut patience = 0;
    let mut before = 0;
    loop {
        tokio::time::sleep(window).await;
        let now = sent.load(Ordering::Relaxed);
        // The end of it, and the answer, take their time, too.
        patience = if now.saturating_sub(before) < least { patience + 1 } else { 0 };
        if patience == 2 {
            return;
        }
        before = now;
    }
}
