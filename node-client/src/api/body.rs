//! Bodies, as long as they come at a reasonable pace.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt as _, try_unfold};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Slowest rate of a body, bytes per second.
const SLOWEST: u64 = 16 * 1024;

/// Why a body is not complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// It came too slowly, or stopped.
    #[error("it came too slowly: {received} bytes in {seconds} s")]
    TooSlow {
        /// Bytes that came.
        received: u64,
        /// In this time.
        seconds: u64,
    },
    /// Its place was needed for another buyer.
    #[error("its place was needed for another buyer; send it again")]
    TakenBack,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Transfer(axum::Error),
    /// It is larger than it may be.
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
}

/// The pieces of a body. It may take `grace` besides the time that its bytes need at the lowest rate, and ends with an
/// error when `taken_back` does.
pub(super) fn pieces(
    body: Body,
    grace: Duration,
    taken_back: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Broken>> {
    let begun = Instant::now();
    let data = Box::pin(body.into_data_stream());
    try_unfold((data, 0u64), move |(mut data, received)| {
        let taken_back = taken_back.clone();
        async move {
            let deadline = begun + grace + Duration::from_secs(received / SLOWEST);
            let piece = tokio::select! {
                () = taken_back.cancelled() => return Err(Broken::TakenBack),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(Broken::TooSlow { received, seconds: begun.elapsed().as_secs() });
                }
                piece = data.next() => piece,
            };
            match piece {
                Some(Ok(bytes)) => {
                    let received = received + bytes.len() as u64;
                    Ok(Some((bytes, (data, received))))
                }
                Some(Err(error)) => Err(Broken::Transfer(error)),
                None => Ok(None),
            }
        }
    })
}

/// The whole of a body of at most `limit` bytes.
pub(super) async fn whole(pieces: impl Stream<Item = Result<Bytes, Broken>>, limit: usize) -> Result<Bytes, Broken> {
    let mut pieces = std::pin::pin!(pieces);
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if body.len() + piece.len() > limit {
            return Err(Broken::TooLarge(limit));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
