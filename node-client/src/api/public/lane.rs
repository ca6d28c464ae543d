//! The way that visitors' connections take into a lease's container: sockets that were made in its network beforehand, and where those
//! do not lead to the server the slow way.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use solana_pubkey::Pubkey;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::api::ReachAccess;
use crate::api::sessions::Session;
use crate::driver::{ContainerId, DriverError};

/// Sockets that are made beforehand for one lease.
const BEFOREHAND: usize = 32;
/// For a connection over a loopback interface; longer only where the server takes none.
const CONNECT: Duration = Duration::from_millis(1_500);
/// Connections of one lease's visitors that are made the slow way at a time; fewer than a container may have.
const SLOW: usize = 8;
/// How long it is taken for true that nothing listens.
const REFUSED: Duration = Duration::from_millis(200);

/// How often one lease's container is said to be out of reach, at most.
const WARN: Duration = Duration::from_secs(60);

/// The way into a lease's container, as long as it is used.
#[derive(Debug)]
pub(super) struct Lane {
    pub container: ContainerId,
    pub session: Arc<Session>,
    /// Sockets in the container's network that are not connected yet.
    sockets: tokio::sync::Mutex<Vec<TcpSocket>>,
    used: Mutex<Instant>,
    /// Turns for connections that are made by the engine's word.
    slow: Semaphore,
    /// Ports of the manifest at which nothing listened, and when.
    refused: Mutex<HashMap<u16, Instant>>,
    /// When it was last said that it cannot be reached.
    warned: Mutex<Option<Instant>>,
}

impl Lane {
    pub fn new(container: ContainerId, session: Session) -> Self {
        Self {
            container,
            session: Arc::new(session),
            sockets: tokio::sync::Mutex::default(),
            used: Mutex::new(Instant::now()),
            slow: Semaphore::new(SLOW),
            refused: Mutex::default(),
            warned: Mutex::default(),
        }
    }

    /// Notes that it is used.
    pub fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long it was not used.
    pub fn unused(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Strangers come as often as they like; what they find is written down now and then.
    pub fn warn(&self, lease: &Pubkey, error: &DriverError) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= WARN) {
            *warned = Some(Instant::now());
            tracing::warn!(%lease, %error, "the container cannot be reached");
        }
    }

    /// A connection to a port in the container, to 127.0.0.1, else to ::1.
    pub async fn connect(&self, port: u16, access: &ReachAccess) -> Result<TcpStream, DriverError> {
        let socket = {
            let mut sockets = self.sockets.lock().await;
            if sockets.is_empty() {
                *sockets = access.driver.sockets(&access.container, BEFOREHAND).await?;
            }
            sockets.pop()
        };
        if let Some(socket) = socket {
            let connecting = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            match tokio::time::timeout(CONNECT, connecting).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(_)) => {}
                // It is there and takes none; the other address helps nobody.
                Err(_) => return Err(not_listening(port)),
            }
        }
        // This costs a look at the engine and a thread: a few at a time, so that probes and owners get theirs, and where nothing
        // listened a moment ago none.
        if self.was_refused(port) {
            return Err(not_listening(port));
        }
        let turn = tokio::time::timeout(CONNECT, self.slow.acquire()).await.map_err(|_| not_listening(port))?;
        if self.was_refused(port) {
            return Err(not_listening(port));
        }
        let connected = access.driver.connect(&access.container, port).await;
        drop(turn);
        if matches!(connected, Err(DriverError::NotListening { .. })) {
            self.refused().insert(port, Instant::now());
        }
        connected
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<u16, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_refused(&self, port: u16) -> bool {
        self.refused().get(&port).is_some_and(|at| at.elapsed() < REFUSED)
    }
}

fn not_listening(port: u16) -> DriverError {
    DriverError::NotListening { port, reason: "it takes no connection".to_owned() }
}
