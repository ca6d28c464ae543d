//! Asking over HTTP, bounded in size and time, and without an address (which may be signed) in what is said of a failure.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::SourceFault;
use crate::node_api::client::root_cause;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For so long a source may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// A client for questions. Credentials in headers are not sent on to another host.
pub(super) fn client(redirects: redirect::Policy) -> Result<Client, SourceFault> {
    let builder =
        Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE).redirect(redirects).referer(false);
    builder.build().map_err(|error| SourceFault::Address(format!("HTTP cannot be set up: {}", root_cause(&error))))
}

/// Host and port, for messages.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Sends a request; `host` is for the message.
pub(super) async fn send(request: RequestBuilder, host: &str) -> Result<Response, SourceFault> {
    request.send().await.map_err(|error| unreachable(host, error))
}

fn unreachable(host: &str, error: reqwest::Error) -> SourceFault {
    SourceFault::Unreachable { host: host.to_owned(), reason: root_cause(&error.without_url()) }
}

/// The answer where it is one of success, else what it means.
pub(super) fn succeeded(answer: Response, host: &str, advice: &'static str) -> Result<Response, SourceFault> {
    let (host, status) = (host.to_owned(), answer.status());
    match status {
        status if status.is_success() => Ok(answer),
        StatusCode::NOT_FOUND => Err(SourceFault::NotFound { host }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(SourceFault::Refused { host, status: status.as_u16(), advice })
        }
        status => Err(SourceFault::Status { host, status: status.as_u16() }),
    }
}

/// The body of an answer of at most `limit` bytes.
pub(super) async fn body(answer: Response, host: &str, limit: u64) -> Result<Vec<u8>, SourceFault> {
    let mut bytes = Vec::new();
    read(answer, host, limit, |chunk| bytes.extend_from_slice(chunk)).await?;
    Ok(bytes)
}

/// SHA-256 of the body of an answer of at most `limit` bytes, and its size.
pub(super) async fn hash(answer: Response, host: &str, limit: u64) -> Result<([u8; 32], u64), SourceFault> {
    let (mut hasher, mut size) = (Sha256::new(), 0u64);
    read(answer, host, limit, |chunk| {
        hasher.update(chunk);
        size = size.saturating_add(chunk.len() as u64);
    })
    .await?;
    Ok((hasher.finalize().into(), size))
}

async fn read(answer: Response, host: &str, limit: u64, mut take: impl FnMut(&[u8])) -> Result<(), SourceFault> {
    let mut left = limit;
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| unreachable(host, error))?;
        left = left.checked_sub(chunk.len() as u64).ok_or(SourceFault::TooLarge { limit })?;
        take(&chunk);
    }
    Ok(())
}
