//! The outputs of a lease, listed in parts and sent one by one.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use gridlease_sdk::artifact::{OutputFile, open_listed};
use gridlease_sdk::node_api::{MAX_OUTPUT_PAGE, OutputPage};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::leases::{PIECE_BYTES, PIECES, collected, lasting, lease_of};
use super::{ApiError, Context, OutputsAccess};

type Asked<T> = Result<Query<T>, QueryRejection>;

#[derive(Deserialize)]
pub(super) struct PageQuery {
    from: Option<usize>,
    most: Option<usize>,
}

/// `GET /v1/leases/{lease}/outputs?from=&most=`: the whole list, or a part of it.
pub(super) async fn outputs(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    query: Asked<PageQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let (lease, _caller) = lease_of(&context, &lease, request)?;
    let Query(query) = query.map_err(|e| ApiError::bad_body(e.body_text()))?;
    let listing = collected(&context, &lease)?.listing;
    if query.from.is_none() && query.most.is_none() {
        return Ok(Json(listing).into_response());
    }
    let total = listing.files.len();
    let most = query.most.unwrap_or(MAX_OUTPUT_PAGE).clamp(1, MAX_OUTPUT_PAGE);
    let files = listing.files.into_iter().skip(query.from.unwrap_or(0)).take(most).collect();
    let page = OutputPage { root: listing.root, files, left_out: listing.left_out, total: Some(total) };
    Ok(Json(page).into_response())
}

#[derive(Deserialize)]
pub(super) struct FileQuery {
    path: String,
}

/// `GET /v1/leases/{lease}/outputs/file?path=`: one file, or the range of it that is asked for.
pub(super) async fn file(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    query: Asked<FileQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let range = range_header(request.headers());
    let (lease, caller) = lease_of(&context, &lease, request)?;
    let Query(query) = query.map_err(|e| ApiError::bad_body(e.body_text()))?;
    let OutputsAccess { listing, dirs } = collected(&context, &lease)?;
    let listed = listing.files.binary_search_by(|file| file.path.as_bytes().cmp(query.path.as_bytes()));
    let file = listed.ok().and_then(|at| listing.files.into_iter().nth(at)).ok_or_else(|| {
        ApiError::not_found("the lease has no output of this path", "ask for the list of its outputs")
    })?;
    let common = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, format!("\"{}\"", file.sha256)),
    ];
    let (status, part) = match wanted(range.as_deref(), file.size) {
        Wanted::Nothing => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{}", file.size))];
            let refusal = ApiError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                gridlease_sdk::node_api::codes::BAD_BODY,
                format!("the output has {} bytes", file.size),
                "ask for a range within them",
            );
            return Ok((range, refusal).into_response());
        }
        Wanted::All => (StatusCode::OK, None),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
    };
    let place = context.places.take(caller.key)?;
    let (first, length) = part.as_ref().map_or((0, file.size), |part| (*part.start(), part.end() - part.start() + 1));
    let range =
        part.map(|part| [(header::CONTENT_RANGE, format!("bytes {}-{}/{}", part.start(), part.end(), file.size))]);
    let (pieces, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let opened = context.directory.open_outputs(&lease).map_err(|e| e.to_string());
        let sent = opened.and_then(|_open| send(&dirs, &file, first, length, &pieces));
        if let Err(e) = sent {
            // An error in the stream breaks the answer off, so that no client takes a part for the whole.
            tracing::warn!(%lease, "an output was not sent: {e}");
            let _ = pieces.blocking_send(Err(std::io::Error::other("the output could not be read")));
        }
    });
    let length = [(header::CONTENT_LENGTH, length.to_string())];
    let body = lasting(ReceiverStream::new(receiver), place, caller);
    Ok((status, common, length, range, body).into_response())
}

/// Sends `length` bytes of a file from byte `first` on. A client that is gone is no error.
fn send(
    dirs: &[PathBuf],
    file: &OutputFile,
    first: u64,
    length: u64,
    pieces: &mpsc::Sender<std::io::Result<Bytes>>,
) -> Result<(), String> {
    let dirs: Vec<&FilePath> = dirs.iter().map(PathBuf::as_path).collect();
    let mut content = open_listed(&dirs, file).map_err(|e| e.to_string())?;
    content.seek(SeekFrom::Start(first)).map_err(|e| e.to_string())?;
    let mut left = length;
    while left > 0 {
        let size = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let mut piece = vec![0; size];
        content.read_exact(&mut piece).map_err(|e| e.to_string())?;
        left -= size as u64;
        if pieces.blocking_send(Ok(Bytes::from(piece))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn range_header(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::RANGE)?.to_str().ok()?.to_owned())
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(RangeInclusive<u64>),
    /// No byte of the range is in the file.
    Nothing,
}

/// What a `Range` asks for of a file of this size. One that makes no sense, or several ranges, ask for all (RFC 9110, 14.2).
fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(first), Some(last), ..) if first > last => Wanted::All,
        (Some(first), last, _, open) if open || last.is_some() => {
            if first >= size {
                Wanted::Nothing
            } else {
                Wanted::Part(first..=last.unwrap_or(u64::MAX).min(size - 1))
            }
        }
        (None, Some(behind), true, _) => match behind.min(size) {
            0 => Wanted::Nothing,
            behind => Wanted::Part(size - behind..=size - 1),
        },
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_says_and_one_that_makes_no_sense_asks_for_all() {
        let asked = |text: &str| wanted(Some(text), 10);
        assert_eq!(wanted(None, 10), Wanted::All);
        for (text, part) in [
            ("bytes=0-0", 0..=0),
            ("bytes=2-5", 2..=5),
            ("bytes=7-", 7..=9),
            ("bytes=7-99", 7..=9),
            ("bytes=-3", 7..=9),
            ("bytes=-99", 0..=9),
        ] {
            assert_eq!(asked(text), Wanted::Part(part), "{text}");
        }
        for text in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(asked(text), Wanted::Nothing, "{text}");
        }
        assert_eq!(wanted(Some("bytes=-5"), 0), Wanted::Nothing);
        for text in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=+1-2",
            "lines=1-2",
            "bytes=0-1,4-5",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(asked(text), Wanted::All, "{text}");
        }
    }
}
