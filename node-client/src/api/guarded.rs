//! A connection's stream that ends by itself: when the connection has to give way, when it has been without a request for
//! too long (a handshake without one included), and when the client does not take what is sent.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::connections::{Connection, Connections};

/// How long a connection into a container waits for its client, whose user may be reading what came before.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The stream.
pub(super) struct Guarded<S> {
    stream: S,
    connection: Arc<Connection>,
    connections: Connections,
    displaced: Pin<Box<WaitForCancellationFutureOwned>>,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    /// Whether the client has not taken what was to be sent last.
    stalled: bool,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>, connections: Connections) -> Self {
        let expires = Instant::now() + connections.idle();
        Self {
            stream,
            displaced: Box::pin(connection.displaced.clone().cancelled_owned()),
            connection,
            connections,
            reading: Box::pin(sleep_until(expires)),
            writing: Box::pin(sleep_until(expires)),
            stalled: false,
        }
    }

    /// Ready with the reason to end while there is nothing to read.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.displaced.as_mut().poll(cx).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        loop {
            ready!(self.reading.as_mut().poll(cx));
            let idle = self.connections.idle();
            match self.connection.expires(idle) {
                Some(at) if at <= Instant::now() => return Poll::Ready(io::ErrorKind::TimedOut.into()),
                Some(at) => self.reading.as_mut().reset(at),
                None => self.reading.as_mut().reset(Instant::now() + idle),
            }
        }
    }

    /// Passes a write's outcome on; one that waits for the client too long is an error.
    fn guard_write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = false;
            return written;
        }
        if self.displaced.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !self.stalled {
            self.stalled = true;
            let most = if self.connection.is_patient() { PATIENCE } else { self.connections.idle() };
            let at = Instant::now() + most;
            self.writing.as_mut().reset(at);
        }
        ready!(self.writing.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> Drop for Guarded<S> {
    fn drop(&mut self) {
        self.connections.leave(&self.connection);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // First: a client that never stops sending would keep its place otherwise.
        if let Poll::Ready(error) = this.poll_idle(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.guard_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.guard_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
