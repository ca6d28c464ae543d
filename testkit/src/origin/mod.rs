//! Servers on loopback that a job's inputs come from, honest and hostile: a model hub, a store that speaks S3, and a gateway to IPFS.

mod clock;
pub mod hub;
pub mod ipfs;
pub mod sigv4;
pub mod store;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

/// What a server does wrong, once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It answers with this status.
    Status(u16),
    /// It sends so many bytes and breaks off.
    Cut(usize),
    /// It sends other bytes, as many.
    Lie,
    /// It sends so many bytes of nothing behind the end.
    Longer(usize),
    /// It says and sends so many bytes too few, and looks well.
    Shorter(usize),
    /// It sends a byte each time that this has passed.
    Trickle(Duration),
    /// It sends on to this address.
    SendOn(String),
    /// It takes no range, and sends the whole.
    Whole,
    /// It says that it goes on where it was asked to, and sends other bytes.
    LieBehind,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
}

impl Seen {
    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a server does wrong, and what it was asked.
#[derive(Clone, Debug, Default)]
pub struct Book(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    faults: HashMap<String, VecDeque<Fault>>,
    seen: Vec<Seen>,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next requests for a path go wrong like this, one each.
    pub fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.pages().faults.entry(path.to_owned()).or_default().extend(faults);
    }

    /// What was asked so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.pages().seen.clone()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.pages().seen.clear();
    }

    fn note(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Fault> {
        let mut pages = self.pages();
        pages.seen.push(Seen { method: method.clone(), uri: uri.clone(), headers: headers.clone() });
        pages.faults.get_mut(uri.path())?.pop_front()
    }
}

/// Serves on a free port of loopback, until the test's runtime ends. Returns the address, without a slash at its end.
///
/// # Panics
/// There is no free port.
#[allow(clippy::expect_used, reason = "a test that cannot run ends here")]
pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// An answer with a file, or the part of it that was asked for, or what a fault makes of it.
pub(crate) fn file(headers: &HeaderMap, content: &[u8], fault: Option<Fault>) -> Response {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let from = from.filter(|_| !matches!(fault, Some(Fault::Whole)));
    let Some(part) = content.get(from.unwrap_or_default()..).filter(|part| from.is_none() || !part.is_empty()) else {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    };
    let mut part = part.to_vec();
    let mut said = part.len();
    let body = match fault {
        Some(Fault::Status(status)) => return StatusCode::from_u16(status).unwrap_or_default().into_response(),
        Some(Fault::SendOn(to)) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Fault::Cut(at)) => {
            let sent = Bytes::copy_from_slice(part.get(..at).unwrap_or(&part));
            let cut = stream::once(async {
                // What came before has to be on its way by then.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(stream::iter([Ok(sent)]).chain(cut))
        }
        Some(Fault::Trickle(pause)) => Body::from_stream(stream::iter(part).then(move |byte| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::copy_from_slice(&[byte]))
        })),
        Some(Fault::Lie) => Body::from(vec![b'?'; part.len()]),
        Some(Fault::LieBehind) if from.is_some() => Body::from(vec![b'?'; part.len()]),
        Some(Fault::Longer(by)) => {
            part.resize(part.len().saturating_add(by), 0);
            said = part.len();
            Body::from(part)
        }
        Some(Fault::Shorter(by)) => {
            part.truncate(part.len().saturating_sub(by));
            said = part.len();
            Body::from(part)
        }
        Some(Fault::Whole | Fault::LieBehind) | None => Body::from(part),
    };
    let length = [(header::CONTENT_LENGTH, said.to_string())];
    match from {
        None => (length, body).into_response(),
        Some(from) => {
            let last = content.len().saturating_sub(1);
            let range = [(header::CONTENT_RANGE, format!("bytes {from}-{last}/{}", content.len()))];
            (StatusCode::PARTIAL_CONTENT, length, range, body).into_response()
        }
    }
}
