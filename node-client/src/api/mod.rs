//! The HTTPS interface that the node serves to the buyers of its leases.
//!
//! What is said is in [`gridlease_sdk::node_api`]; this is the server. It knows nothing of the chain: who may ask
//! for what comes from a [`LeaseDirectory`], which the node's main loop keeps up to date.

mod access;
mod body;
mod connections;
mod error;
mod exec;
mod feeds;
mod guarded;
mod jobs;
mod leases;
mod limits;
mod nonces;
mod output_files;
mod places;
mod public;
mod reach;
mod secrets;
mod sessions;
mod socket;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, put};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use gridlease_sdk::artifact::OutputListing;
use gridlease_sdk::node_api::public::Public;
use gridlease_sdk::node_api::secrets::LeaseKey;
use gridlease_sdk::node_api::{Health, LeaseStatus, SignedLogHead, paths};
use hyper_util::rt::TokioTimer;
use solana_pubkey::Pubkey;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Clock;
use crate::disk::{DiskError, Reading};
use crate::doors::{Door, DoorError};
use crate::driver::{ContainerId, Driver};
use crate::logs::LeaseLog;
use crate::secrets::NotTaken;
use crate::sold::Sold;
use crate::state_dir::{LeaseDir, StateDir};
use crate::stats::Feed;
use crate::tls::{Identity, TlsError};

use connections::Connections;
pub use error::ApiError;
pub use limits::ApiLimits;
use nonces::Nonces;
use places::Places;
pub use public::{Names, NamesError};
use public::{Upstreams, Visits};
use sessions::Sessions;

/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For the headers of a request to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two questions to an HTTP/2 client whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 32;
/// What a client may send ahead, in bytes: on a request, on a connection; and the headers of a request.
const REQUEST_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
const MAX_HEADERS: u32 = 16 * 1024;

/// Who may ask for a job or a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    /// The purse's owner.
    pub buyer: Pubkey,
    /// The purse's spender; zero for none.
    pub poster: Pubkey,
    /// The purse's guardian; zero for none.
    pub guardian: Pubkey,
}

impl Owners {
    /// May this key ask?
    #[must_use]
    pub fn include(&self, key: &Pubkey) -> bool {
        *key != Pubkey::default() && [self.buyer, self.poster, self.guardian].contains(key)
    }

    /// May this key reach into the container? A guardian watches; a port or a shell would let it take what the job knows.
    #[must_use]
    pub fn may_reach_in(&self, key: &Pubkey) -> bool {
        *key != Pubkey::default() && [self.buyer, self.poster].contains(key)
    }
}

/// A job of which this node holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAccess {
    /// Who may ask.
    pub owners: Owners,
    /// SHA-256 that its manifest must have.
    pub manifest_hash: [u8; 32],
    /// What it was posted as; `None` where that is not known yet.
    pub sold: Option<Sold>,
    /// SHA-256 of every input that its manifest names; `None` before the manifest is here.
    pub inputs: Option<Vec<[u8; 32]>>,
    /// Whether manifest and inputs are still taken: the container has not started and the lease is not over.
    pub open: bool,
    /// Where they go.
    pub dir: LeaseDir,
}

/// The log of a lease whose container has started.
#[derive(Clone, Debug)]
pub struct LogAccess {
    /// The log.
    pub log: Arc<LeaseLog>,
    /// The container has ended, and the log is complete in a moment.
    pub ending: bool,
}

/// The outputs of a lease whose container has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputsAccess {
    /// The files.
    pub listing: OutputListing,
    /// The output directories, in the order of the manifest.
    pub dirs: Vec<PathBuf>,
}

/// A lease's container that runs and can be reached into.
#[derive(Clone, Debug)]
pub struct ReachAccess {
    /// The engine.
    pub driver: Arc<dyn Driver>,
    /// The container.
    pub container: ContainerId,
    /// Its ports that the manifest names; no other is ever connected to.
    pub ports: Vec<u16>,
}

/// Whether a lease's container can be reached into.
#[derive(Clone, Debug)]
pub enum Reachable {
    /// It has not started, or the meter does not run yet: before that nothing is paid.
    NotYet,
    /// It runs.
    Now(ReachAccess),
    /// It has ended.
    Ended,
}

/// Something that a buyer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The manifest.
    Manifest,
    /// The input with this SHA-256.
    Input([u8; 32]),
    /// All secrets.
    Secrets,
}

/// What the interface needs to know. Every call answers at once, from memory or from a short look at the disk.
pub trait LeaseDirectory: Send + Sync + 'static {
    /// The job, if this node holds a lease of it.
    fn job(&self, job: &Pubkey) -> Option<JobAccess>;
    /// Who may ask for a lease of this node.
    fn lease(&self, lease: &Pubkey) -> Option<Owners>;
    /// A lease's status.
    fn status(&self, lease: &Pubkey) -> Option<LeaseStatus>;
    /// A lease's log, or that of the service of this name; `None` before that container has started, and without such a service.
    fn log(&self, lease: &Pubkey, service: &str) -> Option<LogAccess>;
    /// How far a lease's log is, signed by the node; `None` before the container has started. Blocks on the file system.
    fn log_head(&self, _lease: &Pubkey) -> Option<SignedLogHead> {
        None
    }
    /// What a lease's container uses: the measurements after a moment (Unix milliseconds) or the last one, and with `follow` those to
    /// come; `None` before the first.
    fn stats(&self, _lease: &Pubkey, _since_ms: Option<u64>, _follow: bool) -> Option<Feed> {
        None
    }
    /// What happened to a lease from event `from` on, and with `follow` what will; `None` where it is not known.
    fn events(&self, _lease: &Pubkey, _from: u64, _follow: bool) -> Option<Feed> {
        None
    }
    /// A lease's outputs; `None` before they are collected.
    fn outputs(&self, lease: &Pubkey) -> Option<OutputsAccess>;
    /// Makes a lease's output directories readable for as long as the answer is kept. Blocks on the file system.
    ///
    /// # Errors
    /// [`DiskError`].
    fn open_outputs(&self, _lease: &Pubkey) -> Result<Reading, DiskError> {
        Ok(Reading::default())
    }
    /// The key to which a lease's secrets are sealed.
    ///
    /// # Errors
    /// [`NotTaken`].
    fn lease_key(&self, lease: &Pubkey) -> Result<LeaseKey, NotTaken>;
    /// Opens and keeps a lease's secrets. Blocks on the file system.
    ///
    /// # Errors
    /// [`NotTaken`].
    fn take_secrets(&self, lease: &Pubkey, sealed: &[u8]) -> Result<(), NotTaken>;
    /// Whether a lease's container can be reached into.
    fn reach(&self, _lease: &Pubkey) -> Reachable {
        Reachable::NotYet
    }
    /// The ports that a lease's manifest names, as the public finds them; `None` before the manifest is here.
    fn doors(&self, _lease: &Pubkey) -> Option<Arc<[Door]>> {
        None
    }
    /// The lease that a label in a host's name means.
    fn labelled(&self, _label: &str) -> Option<Pubkey> {
        None
    }
    /// Changes who may visit a port, durably. Blocks on the file system.
    ///
    /// # Errors
    /// [`DoorError`].
    fn change_door(
        &self,
        _lease: &Pubkey,
        _port: u16,
        _public: Public,
        _token: Option<[u8; 32]>,
    ) -> Result<Door, DoorError> {
        Err(DoorError::NotNamed)
    }
    /// Called when something that the lease was waiting for is in place.
    fn arrived(&self, job: &Pubkey, what: Arrival);
}

/// Why the interface cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken.
    #[error("{address} is in use by another program; stop it, or choose another with --listen")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What every request handler has.
struct Context {
    provider: Pubkey,
    clock: Clock,
    limits: ApiLimits,
    directory: Arc<dyn LeaseDirectory>,
    nonces: Mutex<Nonces>,
    connections: Connections,
    places: Arc<Places>,
    sessions: Arc<Sessions>,
    names: Option<Arc<Names>>,
    visits: Arc<Visits>,
    upstreams: Arc<Upstreams>,
}

/// A running interface.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
    // Ends with this.
    _certificate: JoinSet<()>,
}

impl ApiServer {
    /// Begins to serve at `address` (port 0: any free one). `provider` is the machine's address (the
    /// provider record's for a first one), to which requests must be signed. What must survive a restart is kept in `state`.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start(
        address: SocketAddr,
        state: &StateDir,
        identity: &Identity,
        provider: Pubkey,
        directory: Arc<dyn LeaseDirectory>,
        limits: ApiLimits,
        clock: Clock,
    ) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address, source };
        let listener = match TcpListener::bind(address) {
            Ok(listener) => listener,
            Err(e) if e.kind() == ErrorKind::AddrInUse => return Err(ServeError::InUse { address }),
            Err(e) => return Err(failed(e)),
        };
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let connections = Connections::new(limits.connections, limits.connections_per_address, limits.idle);
        let sessions = Sessions::new(limits.sessions, limits.tunnels_per_lease, limits.execs_per_lease);
        let context = Arc::new(Context {
            provider,
            clock,
            limits,
            directory,
            nonces: Mutex::new(Nonces::open(&state.nonces(), limits.nonces, limits.nonces_per_key)),
            connections: connections.clone(),
            places: Places::new(limits.places, limits.places_per_key),
            names: identity.public().map(|public| public.names()),
            visits: Visits::new(limits.visits, limits.visits_per_lease, limits.visits_per_address),
            upstreams: Upstreams::new(Arc::clone(&sessions)),
            sessions,
        });
        let handle = Handle::new();
        let tls = RustlsAcceptor::new(RustlsConfig::from_config(identity.server_config()?))
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .acceptor(connections);
        let mut server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(tls).handle(handle.clone());
        let http = server.http_builder();
        // A client that says nothing does not keep its place, and one that says much is not listened to for long.
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADERS as usize * 4);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(KEEP_ALIVE))
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(REQUEST_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADERS);
        let service = router(context).into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(server.serve(service));
        let mut certificate = JoinSet::new();
        if let Some(public) = identity.public() {
            certificate.spawn(Arc::clone(public).watch());
        }
        Ok(Self { address: bound, handle, task, _certificate: certificate })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connections, lets the open ones finish for at most `grace`, then ends.
    pub async fn shutdown(self, grace: Duration) {
        self.handle.graceful_shutdown(Some(grace));
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::warn!("the interface ended with an error: {e}"),
            Err(e) => tracing::warn!("the interface's task failed: {e}"),
        }
    }
}

fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route(paths::HEALTH, get(health))
        .route("/v1/jobs/{job}/manifest", put(jobs::put_manifest))
        .route("/v1/jobs/{job}/inputs/{sha256}", put(jobs::put_input))
        .route("/v1/leases/{lease}/key", get(secrets::key))
        .route("/v1/leases/{lease}/secrets", put(secrets::put))
        .route("/v1/leases/{lease}/status", get(leases::status))
        .route("/v1/leases/{lease}/logs", get(leases::logs))
        .route("/v1/leases/{lease}/logs/head", get(leases::log_head))
        .route("/v1/leases/{lease}/stats", get(feeds::stats))
        .route("/v1/leases/{lease}/events", get(feeds::events))
        .route("/v1/leases/{lease}/outputs", get(output_files::outputs))
        .route("/v1/leases/{lease}/outputs/file", get(output_files::file))
        .route("/v1/leases/{lease}/outputs.tar", get(leases::outputs_tar))
        .route("/v1/leases/{lease}/ports/{port}", get(reach::port))
        .route("/v1/leases/{lease}/ports/{port}/public", put(public::set::put))
        .route("/v1/leases/{lease}/exec", get(reach::run))
        .route("/v1/leases/{lease}/attach", get(reach::attach))
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&context), public::gate))
        .layer(middleware::from_fn_with_state(Arc::clone(&context), touch))
        .with_state(context)
}

/// Notes that a connection is in use.
async fn touch(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    if let Some(connection) = peer.and_then(|peer| context.connections.of(peer)) {
        connection.touch();
    }
    next.run(request).await
}

async fn health(State(context): State<Arc<Context>>) -> axum::Json<Health> {
    axum::Json(Health {
        provider: context.provider.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: u64::try_from(context.clock.now()).unwrap_or(0),
    })
}
