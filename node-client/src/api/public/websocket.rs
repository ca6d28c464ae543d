//! Websockets between visitors and containers: once both have agreed, bytes both ways.

use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::body::SILENCE;
use super::upstream::Used;
use super::visits::Visit;
use crate::api::connections::Busy;

/// How long both sides may take to turn their connections into a websocket.
const TURNING: Duration = Duration::from_secs(10);
/// How long what is still on its way may take when one side has ended.
const DRAIN: Duration = Duration::from_secs(10);
const PIECE: usize = 16 * 1024;

/// Carries a websocket to its end, its visit's or its container's, or until nothing was said for long.
pub(super) async fn carry(visitor: OnUpgrade, container: OnUpgrade, visit: Visit, busy: Option<Busy>, used: Used) {
    let turned = tokio::time::timeout(TURNING, async { tokio::try_join!(visitor, container) });
    let (visitor, container) = match turned.await {
        Ok(Ok(both)) => both,
        Ok(Err(error)) => return tracing::debug!(%error, "a websocket did not come to be"),
        Err(_) => return tracing::debug!("a websocket did not come to be in time"),
    };
    let (from_visitor, to_visitor) = tokio::io::split(TokioIo::new(visitor));
    let (from_container, to_container) = tokio::io::split(TokioIo::new(container));
    let pulse = visit.pulse();
    let mut up = std::pin::pin!(copy(from_visitor, to_container, |bytes| pulse.sent(bytes)));
    let mut down = std::pin::pin!(copy(from_container, to_visitor, |_| pulse.answered()));
    tokio::select! {
        () = &mut up => drop(tokio::time::timeout(DRAIN, down).await),
        () = &mut down => drop(tokio::time::timeout(DRAIN, up).await),
        () = visit.ended().cancelled() => {}
        () = used.ended().cancelled() => {}
        () = pulse.silence(SILENCE) => {}
    }
    drop((visit, busy, used));
}

/// Copies to the end, which is passed on, or to the first failure.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut carried: impl FnMut(usize)) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let Some(bytes) = piece.get(..count) else { return };
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
        carried(count);
    }
    let _ = to.shutdown().await;
}
