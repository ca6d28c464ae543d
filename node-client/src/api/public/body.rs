//! Bodies on their way between visitors and containers: piece by piece, no faster than they are taken, until the visit ends.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body as AnyBody;
use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::upstream::Used;
use super::visits::{Pulse, Visit};
use crate::api::connections::Busy;

/// How long nothing may come of a body that has begun.
pub(super) const SILENCE: Duration = Duration::from_secs(600);

/// How long what is left of a request is taken after its answer.
const LINGER: Duration = Duration::from_secs(3);

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
    /// Ends when the container took all of it.
    taken: CancellationToken,
    wait: Wait,
}

impl FromVisitor {
    pub fn new(body: AnyBody, pulse: Pulse) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self { inner: Some((body, pulse)), taken: CancellationToken::new(), wait: Wait::default() }
    }

    /// None.
    pub fn empty() -> Self {
        let taken = CancellationToken::new();
        taken.cancel();
        Self { inner: None, taken, wait: Wait::default() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// Ends when the container took all of it.
    pub fn taken(&self) -> CancellationToken {
        self.taken.clone()
    }
}

impl Drop for FromVisitor {
    /// The container takes no more of it; a visitor that finds its own connection closed while it sends may never read the answer.
    fn drop(&mut self) {
        if let Some((body, _)) = self.inner.take().filter(|(body, _)| !body.is_end_stream())
            && let Ok(runtime) = Handle::try_current()
        {
            let mut rest = body.into_data_stream();
            runtime.spawn(timeout(LINGER, async move { while let Some(Ok(_)) = rest.next().await {} }));
        }
    }
}

impl Body for FromVisitor {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Pieces {
        let Self { inner, taken, wait } = &mut *self;
        let Some((body, pulse)) = inner else { return Poll::Ready(None) };
        let polled = guarded(Pin::new(&mut *body).poll_frame(cx), pulse, wait, cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                pulse.sent(frame.data_ref().map_or(0, Bytes::len));
                // One of a known length is not asked for its end.
                if body.is_end_stream() {
                    taken.cancel();
                }
            }
            Poll::Ready(None) => taken.cancel(),
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

/// An answer on its way, with everything that is held until it is complete.
#[derive(Debug)]
struct Flow {
    inner: Incoming,
    used: Option<Used>,
    /// Whether all of it is here.
    complete: bool,
    visit: Visit,
    /// Held to the end.
    _busy: Option<Busy>,
}

impl Flow {
    fn complete(&mut self) {
        self.complete = true;
        if let Some(used) = self.used.take_if(|used| used.is_sent()) {
            used.complete();
        }
    }

    /// Lets a visitor send what is left of a request that was answered before: one that finds its connection closed meanwhile may
    /// never read the answer.
    async fn linger(mut self) {
        let Some(used) = self.used.take() else { return };
        tokio::select! {
            () = used.sent() => used.complete(),
            () = self.visit.ended().cancelled() => {}
            () = sleep(LINGER) => {}
        }
    }
}

/// Where an answer on its way lies. The end of its visit takes it out, whether anybody asks for its next piece or not: of a visitor
/// that takes nothing over HTTP/2 nobody does.
#[derive(Debug)]
struct Slot {
    flow: Option<Flow>,
    /// Who waits for the next piece.
    waker: Option<Waker>,
}

/// The body of a container's answer.
#[derive(Debug)]
pub(super) struct ToVisitor {
    slot: Arc<Mutex<Slot>>,
    pulse: Pulse,
    /// Ends the visit in time.
    watch: JoinHandle<()>,
    /// Whether the answer's length is that of this.
    measured: bool,
}

impl ToVisitor {
    /// `measured`: whether the answer's length is that of its body. One to `HEAD` has none and speaks of another's.
    pub fn new(inner: Incoming, visit: Visit, busy: Option<Busy>, used: Used, measured: bool) -> Self {
        let pulse = visit.pulse();
        let mut flow = Flow { inner, used: Some(used), complete: false, visit, _busy: busy };
        if flow.inner.is_end_stream() {
            flow.complete();
        }
        let slot = Arc::new(Mutex::new(Slot { flow: Some(flow), waker: None }));
        let watch = tokio::spawn(watch(Arc::clone(&slot), pulse.clone()));
        Self { slot, pulse, watch, measured }
    }
}

async fn watch(slot: Arc<Mutex<Slot>>, pulse: Pulse) {
    tokio::select! {
        () = pulse.ended().cancelled() => {}
        () = pulse.silence(SILENCE) => {}
    }
    let (flow, waker) = {
        let mut slot = locked(&slot);
        (slot.flow.take(), slot.waker.take())
    };
    drop(flow);
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn locked(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ToVisitor {
    fn drop(&mut self) {
        self.watch.abort();
        // The task that watches may hold the slot for a moment longer.
        let flow = locked(&self.slot).flow.take();
        if let Some(flow) = flow.filter(|flow| flow.complete && flow.used.is_some())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(flow.linger());
        }
    }
}

impl Body for ToVisitor {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Pieces {
        let mut slot = locked(&self.slot);
        let Slot { flow, waker } = &mut *slot;
        let Some(flow) = flow.as_mut().filter(|_| !self.pulse.ended().is_cancelled()) else {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        };
        match Pin::new(&mut flow.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pulse.answered();
                if flow.inner.is_end_stream() {
                    flow.complete();
                }
                // Trailers are not handed on: they would come after everything that looks at headers.
                Poll::Ready(frame.is_data().then_some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => {
                flow.complete();
                Poll::Ready(None)
            }
            Poll::Pending => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        locked(&self.slot).flow.as_ref().is_some_and(|flow| flow.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if !self.measured {
            return SizeHint::default();
        }
        locked(&self.slot).flow.as_ref().map_or_else(SizeHint::default, |flow| flow.inner.size_hint())
    }
}
