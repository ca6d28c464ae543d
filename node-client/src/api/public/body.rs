//! Bodies on their way between visitors and containers: piece by piece, no faster than they are taken, until the visit ends.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as AnyBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::upstream::Used;
use super::visits::{Pulse, Visit};
use crate::api::connections::Busy;

/// How long nothing may come of a body that has begun.
pub(super) const SILENCE: Duration = Duration::from_secs(600);

type Pieces = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

/// Watches over a body that nothing comes of at the moment.
#[derive(Debug, Default)]
struct Wait {
    over: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    /// Ready with the reason to break off.
    fn poll(&mut self, pulse: &Pulse, cx: &mut Context<'_>) -> Poll<io::Error> {
        let over = self.over.get_or_insert_with(|| Box::pin(pulse.ended().clone().cancelled_owned()));
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        silence.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}

/// Lets a piece of a body through. Trailers are not handed on: they would come after everything that looks at headers.
fn guarded(
    polled: Poll<Option<Result<Frame<Bytes>, impl Into<Box<dyn std::error::Error + Send + Sync>>>>>,
    pulse: &Pulse,
    wait: &mut Wait,
    cx: &mut Context<'_>,
) -> Pieces {
    if pulse.ended().is_cancelled() {
        return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
    }
    match polled {
        Poll::Ready(Some(Ok(frame))) => {
            wait.silence = None;
            Poll::Ready(frame.is_data().then_some(Ok(frame)))
        }
        Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
        Poll::Ready(None) => Poll::Ready(None),
        Poll::Pending => wait.poll(pulse, cx).map(|error| Some(Err(error))),
    }
}

/// The body of a visitor's request.
#[derive(Debug)]
pub(super) struct FromVisitor {
    inner: Option<(AnyBody, Pulse)>,
    sent: Arc<AtomicBool>,
    wait: Wait,
}

impl FromVisitor {
    pub fn new(body: AnyBody, pulse: Pulse) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self { inner: Some((body, pulse)), sent: Arc::default(), wait: Wait::default() }
    }

    /// None.
    pub fn empty() -> Self {
        Self { inner: None, sent: Arc::new(AtomicBool::new(true)), wait: Wait::default() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// Becomes true when all of it was taken.
    pub fn sent(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.sent)
    }
}

impl Body for FromVisitor {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Pieces {
        let Self { inner, sent, wait } = &mut *self;
        let Some((body, pulse)) = inner else { return Poll::Ready(None) };
        let polled = guarded(Pin::new(&mut *body).poll_frame(cx), pulse, wait, cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                pulse.sent(frame.data_ref().map_or(0, Bytes::len));
                // One of a known length is not asked for its end.
                if body.is_end_stream() {
                    sent.store(true, Ordering::Release);
                }
            }
            Poll::Ready(None) => sent.store(true, Ordering::Release),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

/// The body of a container's answer, with everything that is held until it is complete.
#[derive(Debug)]
pub(super) struct ToVisitor {
    inner: Incoming,
    pulse: Pulse,
    wait: Wait,
    used: Option<Used>,
    /// Held to the end.
    _held: (Visit, Option<Busy>),
}

impl ToVisitor {
    pub fn new(inner: Incoming, visit: Visit, busy: Option<Busy>, used: Used) -> Self {
        let mut body =
            Self { inner, pulse: visit.pulse(), wait: Wait::default(), used: Some(used), _held: (visit, busy) };
        body.complete_at_end();
        body
    }

    fn complete_at_end(&mut self) {
        if self.inner.is_end_stream()
            && let Some(used) = self.used.take()
        {
            used.complete();
        }
    }
}

impl Body for ToVisitor {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Pieces {
        let this = &mut *self;
        let polled = guarded(Pin::new(&mut this.inner).poll_frame(cx), &this.pulse, &mut this.wait, cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) => {
                this.pulse.answered();
                this.complete_at_end();
            }
            Poll::Ready(None) => {
                if let Some(used) = this.used.take() {
                    used.complete();
                }
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
