//! One connection through one websocket: bytes in both directions, each with its own end, and never more of them in memory than
//! a few frames.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::reach::{Closing, EOF, Frame, close_codes};

/// Bytes read at a time.
const PIECE: usize = 32 * 1024;
/// A side that has nothing to send says so often that it is there.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long what is left is carried over once the connection has to end.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the other side's last word is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// Carries `local`'s bytes through `socket` until both directions have ended, one side breaks off, nothing is heard for
/// `patience`, or `stop` says why it has to end; then what `local` still sends within two seconds is carried over.
/// Returns why it ended, which the other side is told, too.
pub async fn pump<S, E, L>(socket: S, local: L, patience: Duration, stop: impl Future<Output = Closing>) -> Closing
where
    S: Stream<Item = Result<Frame, E>> + Sink<Frame, Error = E>,
    L: AsyncRead + AsyncWrite,
{
    let (mut sink, mut stream) = socket.split();
    let (read, write) = tokio::io::split(local);
    let closing = carry(&mut sink, &mut stream, read, write, patience, stop).await;
    farewell(&mut sink, &mut stream, &closing).await;
    closing
}

/// Says why a websocket ends, and hears the other side out, so that nothing that is on its way is lost.
pub async fn farewell<W, R, E>(sink: &mut W, stream: &mut R, closing: &Closing)
where
    W: Sink<Frame, Error = E> + Unpin,
    R: Stream<Item = Result<Frame, E>> + Unpin,
{
    if closing.code == close_codes::LOST {
        return;
    }
    let _ = timeout(FAREWELL, async {
        // The other side may be gone, or have said its own last word: then this is not heard, and need not be.
        if sink.send(Frame::Close(closing.clone())).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    })
    .await;
}

async fn carry<S, E, L>(
    sink: &mut SplitSink<S, Frame>,
    stream: &mut SplitStream<S>,
    read: ReadHalf<L>,
    write: WriteHalf<L>,
    patience: Duration,
    stop: impl Future<Output = Closing>,
) -> Closing
where
    S: Stream<Item = Result<Frame, E>> + Sink<Frame, Error = E>,
    L: AsyncRead + AsyncWrite,
{
    let (up_end, mut up_ended) = oneshot::channel();
    let (down_end, mut down_ended) = oneshot::channel();
    let mut up = pin!(up(sink, read, up_end));
    let mut down = pin!(down(stream, write, down_end, patience));
    let mut stop = pin!(stop);
    let (mut up_done, mut down_done, mut stopping) = (false, false, None);
    loop {
        let until = stopping.as_ref().map_or_else(Instant::now, |(_, until)| *until);
        tokio::select! {
            biased;
            _ = &mut up_ended, if !up_done => up_done = true,
            _ = &mut down_ended, if !down_done => down_done = true,
            // A websocket that takes nothing any more may have said why.
            closing = &mut up => return match closing.code {
                close_codes::LOST => timeout(FAREWELL, &mut down).await.unwrap_or(closing),
                _ => closing,
            },
            closing = &mut down => return closing,
            closing = &mut stop, if stopping.is_none() => stopping = Some((closing, Instant::now() + DRAIN)),
            () = sleep_until(until), if stopping.is_some() => up_done = true,
        }
        match stopping.take_if(|_| up_done) {
            Some((closing, _)) => return closing,
            None if up_done && down_done => return Closing::done(),
            None => {}
        }
    }
}

/// From the connection into the websocket. Goes on with signs of life after the connection's end.
async fn up<S, E, L: AsyncRead>(
    sink: &mut SplitSink<S, Frame>,
    mut read: ReadHalf<L>,
    ended: oneshot::Sender<()>,
) -> Closing
where
    S: Sink<Frame, Error = E>,
{
    let mut ended = Some(ended);
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        let frame = tokio::select! {
            got = read.read_buf(&mut buffer), if ended.is_some() => match got {
                Ok(0) => Frame::Text(EOF.to_owned()),
                Ok(_) => Frame::Data(buffer.split().freeze()),
                Err(_) => return Closing::new(close_codes::RESET, "the connection behind it was broken off"),
            },
            () = sleep(PING_EVERY) => Frame::Alive,
        };
        let is_end = matches!(frame, Frame::Text(_));
        if sink.send(frame).await.is_err() {
            return Closing::lost();
        }
        if is_end && let Some(ended) = ended.take() {
            // Nobody waits for it any more where the whole is at its end.
            let _ = ended.send(());
        }
    }
}

/// From the websocket into the connection. Goes on listening for the other side's last word after its end.
async fn down<S, E, L: AsyncWrite>(
    stream: &mut SplitStream<S>,
    mut write: WriteHalf<L>,
    ended: oneshot::Sender<()>,
    patience: Duration,
) -> Closing
where
    S: Stream<Item = Result<Frame, E>>,
{
    let mut ended = Some(ended);
    loop {
        let frame = match timeout(patience, stream.next()).await {
            Err(_) => return Closing::new(close_codes::SILENT, "nothing was heard for too long"),
            Ok(None | Some(Err(_))) => return Closing::lost(),
            Ok(Some(Ok(frame))) => frame,
        };
        let over = match frame {
            Frame::Alive => false,
            Frame::Close(closing) => return closing,
            // What nobody reads any more is dropped: the answer that is on its way still counts.
            Frame::Data(_) if ended.is_none() => false,
            Frame::Data(bytes) => write.write_all(&bytes).await.is_err() || write.flush().await.is_err(),
            Frame::Text(text) if text == EOF => {
                let _ = write.shutdown().await;
                true
            }
            Frame::Text(_) => return Closing::new(close_codes::BAD_FRAME, "a text frame on a tunnel can only be eof"),
        };
        if over && let Some(ended) = ended.take() {
            let _ = ended.send(());
        }
    }
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
