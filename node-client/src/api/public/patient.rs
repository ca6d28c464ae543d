//! A connection into a container that goes on being read when nothing can be written to it any more.

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A server that has answered may close without reading the rest of a request: what it said lies there all the same. So once a write
/// meets a closed connection, what is written is dropped, and reading tells what came, or that nothing did.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    deaf: bool,
}

impl<S> Patient<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, deaf: false }
    }

    /// What came of writing, where `dropped` stands for what a closed connection has taken.
    fn heard<T>(&mut self, outcome: Result<T>, dropped: T) -> Result<T> {
        match outcome {
            Err(error) if is_closed(error.kind()) => {
                self.deaf = true;
                Ok(dropped)
            }
            outcome => outcome,
        }
    }
}

/// Whether an error of a connection says that its other end has closed it.
pub(super) fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        Poll::Ready(this.heard(written, buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let flushed = ready!(Pin::new(&mut this.stream).poll_flush(cx));
        Poll::Ready(this.heard(flushed, ()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let shut = ready!(Pin::new(&mut this.stream).poll_shutdown(cx));
        Poll::Ready(this.heard(shut, ()))
    }
}
