//! What a buyer asks: status, log and outputs.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use gridlease_sdk::artifact::pack;
use gridlease_sdk::node_api::{LeaseStatus, SignedLogHead};
use serde::Deserialize;
use solana_pubkey::Pubkey;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::access::{Caller, address, authorise};
use super::places::Place;
use super::public;
use super::{ApiError, Context, LogAccess, OutputsAccess};

/// Pieces of an archive on their way to a client that is slower than the disk.
pub(super) const PIECES: usize = 8;
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// The lease of a signed request without a body.
pub(super) fn lease_of(context: &Context, lease: &str, request: Request) -> Result<(Pubkey, Caller), ApiError> {
    let lease = address(lease)?;
    let (parts, _) = request.into_parts();
    let caller = authorise(context, &parts, context.directory.lease(&lease), "lease")?;
    Ok((lease, caller))
}

/// An answer that lasts: it keeps its place and its connection as long as it goes on, and breaks off, so that no client
/// takes a part for the whole, when its place is taken back.
pub(super) fn lasting<E: std::error::Error + Send + Sync + 'static>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    place: Place,
    caller: Caller,
) -> Body {
    let taken_back = place.taken_back();
    let broken = taken_back.clone();
    let end = futures_util::stream::once(async move {
        let reason = "its place was needed for another buyer";
        broken.is_cancelled().then(|| Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, reason)))
    });
    let pieces = pieces
        .map_err(std::io::Error::other)
        .take_until(taken_back.cancelled_owned())
        .chain(end.filter_map(std::future::ready));
    Body::from_stream(pieces.inspect(move |_| {
        // Held until the stream is dropped.
        let _ = (&place, &caller);
    }))
}

/// `GET /v1/leases/{lease}/status`
pub(super) async fn status(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<Json<LeaseStatus>, ApiError> {
    let (lease, _caller) = lease_of(&context, &lease, request)?;
    let mut status = context.directory.status(&lease).ok_or_else(|| ApiError::not_known_yet("lease"))?;
    let doors = context.directory.doors(&lease);
    let told = |door| public::set::told(&lease, door, context.names.as_deref());
    status.ports = doors.iter().flat_map(|doors| doors.iter()).map(told).collect();
    Ok(Json(status))
}

#[derive(Deserialize)]
pub(super) struct LogQuery {
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    from: u64,
    /// Whose; empty for the job's own container.
    #[serde(default)]
    service: String,
}

/// `GET /v1/leases/{lease}/logs?follow=&from=&service=`
pub(super) async fn logs(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    query: Result<Query<LogQuery>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let (lease, caller) = lease_of(&context, &lease, request)?;
    let Query(query) = query.map_err(|e| ApiError::bad_body(e.body_text()))?;
    let LogAccess { log, ending } = context.directory.log(&lease, &query.service).ok_or_else(no_log)?;
    let place = context.places.take(caller.key)?;
    // The last lines of a container that has ended are on their way, and who asks now wants them, too.
    let lines = log.stream(query.from, query.follow || ending);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lasting(lines, place, caller)).into_response())
}

fn no_log() -> ApiError {
    ApiError::wrong_state(
        "there is no log yet: the container has not started, or the job has no such service",
        "ask for the status, and try again once it runs",
    )
}

/// `GET /v1/leases/{lease}/logs/head`
pub(super) async fn log_head(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<Json<SignedLogHead>, ApiError> {
    let (lease, caller) = lease_of(&context, &lease, request)?;
    // It waits for the disk, so not for any number at a time.
    let _place = context.places.take(caller.key)?;
    let directory = Arc::clone(&context.directory);
    let head = tokio::task::spawn_blocking(move || directory.log_head(&lease)).await;
    head.ok().flatten().map(Json).ok_or_else(no_log)
}

/// The outputs of a lease whose container has ended.
pub(super) fn collected(context: &Context, lease: &Pubkey) -> Result<OutputsAccess, ApiError> {
    context.directory.outputs(lease).ok_or_else(|| {
        ApiError::wrong_state("the outputs are not collected yet", "try again a moment after the container has ended")
    })
}

/// `GET /v1/leases/{lease}/outputs.tar`
pub(super) async fn outputs_tar(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (lease, caller) = lease_of(&context, &lease, request)?;
    let outputs = collected(&context, &lease)?;
    let place = context.places.take(caller.key)?;
    let (pieces, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let dirs: Vec<&std::path::Path> = outputs.dirs.iter().map(PathBuf::as_path).collect();
        let _open = match context.directory.open_outputs(&lease) {
            Ok(open) => open,
            Err(e) => {
                tracing::warn!(%lease, "the outputs cannot be opened: {e}");
                let _ = pieces.blocking_send(Err(std::io::Error::other("the outputs could not be read")));
                return;
            }
        };
        let mut writer = Pieces { pieces: pieces.clone(), buffer: Vec::with_capacity(PIECE_BYTES) };
        let done = pack(&dirs, &outputs.listing.files, &mut writer);
        if let Err(e) = done {
            // An error in the stream breaks the answer off, so that no client takes a part for the whole.
            tracing::warn!(%lease, "the outputs were not sent: {e}");
            let _ = pieces.blocking_send(Err(std::io::Error::other("the outputs could not be read")));
        }
    });
    let pieces = ReceiverStream::new(receiver);
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], lasting(pieces, place, caller)).into_response())
}

/// Hands what is written to the answer's body, piece by piece; fails when the client is gone.
struct Pieces {
    pieces: mpsc::Sender<Result<Bytes, std::io::Error>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = PIECE_BYTES - self.buffer.len().min(PIECE_BYTES);
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES)));
        self.pieces.blocking_send(Ok(piece)).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}
