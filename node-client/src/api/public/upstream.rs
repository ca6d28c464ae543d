//! Connections into the containers of leases, over which visitors' requests go. They are kept for the next request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use solana_pubkey::Pubkey;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answers::Refusal;
use super::body::FromVisitor;
use super::lane::Lane;
use super::patient::{self, Patient};
use crate::api::sessions::{Kind, Session, Sessions};
use crate::api::{ReachAccess, Reachable};
use crate::driver::{ContainerId, DriverError};

/// How long a connection is kept that nothing goes over. Servers close them themselves, some after two seconds.
const KEPT: Duration = Duration::from_secs(20);
/// Connections that are kept: to one port, and to all.
const KEPT_PER_PORT: usize = 64;
const KEPT_IN_ALL: usize = 128;
/// Largest head of an answer, in bytes, and most headers.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
/// How long a connection that has just been used may take to be ready for the next request.
const READY: Duration = Duration::from_millis(100);

/// A connection, which ends with this: a server that has answered may still leave a request lie that comes, for ever.
#[derive(Debug)]
struct Sender {
    requests: SendRequest<FromVisitor>,
    /// Counts the connection, and knows of its container's end.
    session: Arc<Session>,
    _cut: DropGuard,
}

type Key = (Pubkey, u16);

/// The connections that are kept.
#[derive(Debug)]
pub(in crate::api) struct Upstreams {
    sessions: Arc<Sessions>,
    kept: Mutex<Kept>,
    lanes: Mutex<HashMap<Pubkey, Arc<Lane>>>,
    swept: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    total: usize,
    ports: HashMap<Key, Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    container: ContainerId,
    since: Instant,
}

/// A connection that a request went over. It is kept once its answer is complete, and cut off where this is dropped before.
#[derive(Debug)]
pub(super) struct Used {
    upstreams: Arc<Upstreams>,
    key: Key,
    container: ContainerId,
    sender: Sender,
    /// Ends when the whole request went over it.
    taken: CancellationToken,
}

impl Upstreams {
    pub fn new(sessions: Arc<Sessions>) -> Arc<Self> {
        Arc::new(Self { sessions, kept: Mutex::default(), lanes: Mutex::default(), swept: AtomicBool::new(false) })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to a port of a lease's container.
    pub(super) async fn send(
        self: &Arc<Self>,
        key: Key,
        access: &ReachAccess,
        request: Request<FromVisitor>,
    ) -> Result<(Used, Response<Incoming>), Refusal> {
        let taken = request.body().taken();
        let used = |sender| Used {
            upstreams: Arc::clone(self),
            key,
            container: access.container.clone(),
            sender,
            taken: taken.clone(),
        };
        let mut request = request;
        if let Some(mut sender) = self.take(key, &access.container).await {
            // A server may close a connection at the moment at which it is used again. What has not been sent is sent over a new
            // one; so is what may be sent twice.
            let spare = may_be_sent_twice(&request).then(|| copy(&request));
            match sender.requests.try_send_request(request).await {
                Ok(response) => return Ok((used(sender), response)),
                Err(mut failed) => {
                    let unsent = failed.take_message();
                    let error = failed.into_error();
                    request = unsent.or(spare.filter(|_| is_closed(&error))).ok_or_else(|| sender.refusal(&error))?;
                    self.forget(|of| *of == key);
                }
            }
        }
        let mut sender = self.connect(key, access).await?;
        match sender.requests.try_send_request(request).await {
            Ok(response) => Ok((used(sender), response)),
            Err(failed) => {
                tracing::debug!(lease = %key.0, port = key.1, error = %failed.error(), "a container's answer cannot be read");
                Err(sender.refusal(failed.error()))
            }
        }
    }

    /// A connection that is kept, if it still can be used.
    async fn take(&self, key: Key, container: &ContainerId) -> Option<Sender> {
        loop {
            let mut idle = {
                let mut kept = self.kept();
                let idle = kept.ports.get_mut(&key).and_then(Vec::pop)?;
                kept.total -= 1;
                idle
            };
            if idle.container != *container || idle.sender.requests.is_closed() || idle.since.elapsed() > KEPT {
                continue;
            }
            if idle.sender.requests.is_ready()
                || matches!(tokio::time::timeout(READY, idle.sender.requests.ready()).await, Ok(Ok(())))
            {
                return Some(idle.sender);
            }
        }
    }

    /// Closes what is kept for these ports.
    fn forget(&self, which: impl Fn(&Key) -> bool) {
        let mut kept = self.kept();
        kept.ports.retain(|key, _| !which(key));
        kept.total = kept.ports.values().map(Vec::len).sum();
    }

    /// The way into a lease's container. The first one begins to watch for the container's end.
    fn lane(self: &Arc<Self>, lease: Pubkey, access: &ReachAccess) -> Result<Arc<Lane>, Refusal> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&lease)
            && lane.container == access.container
            && !lane.session.ended.is_cancelled()
        {
            lane.touch();
            return Ok(Arc::clone(lane));
        }
        // What is left of one that has ended would keep the watch over it.
        lanes.remove(&lease);
        self.forget(|(of, _)| *of == lease);
        // Only tunnels and programs are ever too many.
        let session = self.sessions.open(lease, Kind::Visit, access).map_err(|_| Refusal::Busy)?;
        let lane = Arc::new(Lane::new(access.container.clone(), session));
        lanes.insert(lease, Arc::clone(&lane));
        drop(lanes);
        self.begin_to_sweep();
        Ok(lane)
    }

    async fn connect(self: &Arc<Self>, (lease, port): Key, access: &ReachAccess) -> Result<Sender, Refusal> {
        let lane = self.lane(lease, access)?;
        let stream = match lane.connect(port, access).await {
            Ok(stream) => stream,
            Err(DriverError::NotListening { .. }) => return Err(Refusal::NotListening),
            // It may be about to run again.
            Err(DriverError::NotRunningContainer { .. } | DriverError::NoSuchContainer { .. }) => {
                return Err(Refusal::NotYet);
            }
            Err(error) => {
                lane.warn(&lease, &error);
                return Err(Refusal::NotListening);
            }
        };
        let session = Arc::clone(&lane.session);
        let (counted, cut) = (Arc::clone(&session), CancellationToken::new());
        let mut builder = Builder::new();
        builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
        let (requests, connection) =
            builder.handshake(TokioIo::new(Patient::new(stream))).await.map_err(|_| Refusal::Garbled)?;
        let over = cut.clone();
        tokio::spawn(async move {
            tokio::select! {
                // What a server does with its connections is its own business.
                _ = connection.with_upgrades() => {}
                () = counted.ended.cancelled() => {}
                () = over.cancelled() => {}
            }
        });
        Ok(Sender { requests, session, _cut: cut.drop_guard() })
    }

    fn keep(self: &Arc<Self>, key: Key, idle: Idle) {
        {
            let mut kept = self.kept();
            let full = kept.total >= KEPT_IN_ALL;
            let port = kept.ports.entry(key).or_default();
            if full || port.len() >= KEPT_PER_PORT {
                return;
            }
            port.push(idle);
            kept.total += 1;
        }
        self.begin_to_sweep();
    }

    /// One sweeper, as long as there is anything to sweep.
    fn begin_to_sweep(self: &Arc<Self>) {
        if !self.swept.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(KEPT / 4).await;
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            let mut kept = self.kept();
            lanes.retain(|_, lane| !lane.session.ended.is_cancelled() && lane.unused() <= KEPT);
            for port in kept.ports.values_mut() {
                port.retain(|idle| !idle.sender.requests.is_closed() && idle.since.elapsed() <= KEPT);
            }
            kept.ports.retain(|_, idle| !idle.is_empty());
            kept.total = kept.ports.values().map(Vec::len).sum();
            if kept.total == 0 && lanes.is_empty() {
                // While both are locked: what is kept next begins another.
                self.swept.store(false, Ordering::Release);
                return;
            }
        }
    }
}

/// Whether the server closed the connection before it said anything. With a request in its ears that it did not read it resets it.
fn is_closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || is_broken(error)
}

fn is_broken(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return patient::is_closed(error.kind());
        }
        source = error.source();
    }
    false
}

impl Sender {
    /// What a visitor is told that waited for an answer in vain.
    fn refusal(&self, error: &hyper::Error) -> Refusal {
        if self.session.ended.is_cancelled() {
            Refusal::NotYet
        } else if is_closed(error) {
            Refusal::Broken
        } else {
            Refusal::Garbled
        }
    }
}

fn may_be_sent_twice(request: &Request<FromVisitor>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) && request.body().is_empty()
}

fn copy(request: &Request<FromVisitor>) -> Request<FromVisitor> {
    let mut copy = Request::new(FromVisitor::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

impl Used {
    /// Ends with the lease's container.
    pub fn ended(&self) -> &CancellationToken {
        &self.sender.session.ended
    }

    /// Whether the container took the whole request.
    pub fn is_sent(&self) -> bool {
        self.taken.is_cancelled()
    }

    /// Returns when it did.
    pub async fn sent(&self) {
        self.taken.cancelled().await;
    }

    /// The answer is complete.
    pub fn complete(self) {
        let Self { upstreams, key, container, sender, taken } = self;
        // What is left of the request would be taken for the beginning of the next one; it is cut off.
        if taken.is_cancelled() && !sender.requests.is_closed() {
            upstreams.keep(key, Idle { sender, container, since: Instant::now() });
        }
    }
}

/// What a visitor is told where a lease's container cannot be reached.
pub(super) fn reachable(found: Reachable) -> Result<ReachAccess, Refusal> {
    match found {
        Reachable::Now(access) => Ok(access),
        Reachable::NotYet => Err(Refusal::NotYet),
        Reachable::Ended => Err(Refusal::Ended),
    }
}
