//! What is open into the containers of leases: connections to their ports, and programs. Counted, and ended with the container.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use solana_pubkey::Pubkey;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ApiError, ReachAccess};
use crate::driver::{ContainerState, DriverError};

/// Pause before an engine that fails is asked again whether a container has ended.
const PAUSE: Duration = Duration::from_secs(1);

/// Of what kind a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A connection to a port.
    Port,
    /// A program.
    Exec,
    /// A connection to a port for visitors of it, of whom there are few enough elsewhere.
    Visit,
}

/// What is open.
#[derive(Debug)]
pub(super) struct Sessions {
    all: usize,
    ports: usize,
    execs: usize,
    leases: Mutex<HashMap<Pubkey, Open>>,
}

#[derive(Debug)]
struct Open {
    ports: usize,
    execs: usize,
    visits: usize,
    ended: CancellationToken,
    watch: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// One thing that is open, as long as this is held.
#[derive(Debug)]
pub(super) struct Session {
    sessions: Arc<Sessions>,
    lease: Pubkey,
    kind: Kind,
    /// Ends when the lease's container has ended.
    pub ended: CancellationToken,
}

impl Sessions {
    /// At most `all` for the node, and of each lease `ports` connections and `execs` programs.
    pub(super) fn new(all: usize, ports: usize, execs: usize) -> Arc<Self> {
        Arc::new(Self { all, ports, execs, leases: Mutex::default() })
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<Pubkey, Open>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session into a lease's container. The first one begins to watch for the container's end.
    pub(super) fn open(self: &Arc<Self>, lease: Pubkey, kind: Kind, access: &ReachAccess) -> Result<Session, ApiError> {
        let mut leases = self.leases();
        let (ports, execs) = leases.get(&lease).map_or((0, 0), |open| (open.ports, open.execs));
        match kind {
            Kind::Port if ports >= self.ports => {
                return Err(ApiError::busy(&format!(
                    "{ports} connections to this lease's ports are open, as many as may be"
                )));
            }
            Kind::Exec if execs >= self.execs => {
                return Err(ApiError::busy(&format!(
                    "{execs} programs of exec run in this lease's container, as many as may be"
                )));
            }
            _ => {}
        }
        if kind != Kind::Visit && leases.values().map(|open| open.ports + open.execs).sum::<usize>() >= self.all {
            return Err(ApiError::busy("the node has as many connections into containers as it can have"));
        }
        let open = leases.entry(lease).or_insert_with(|| {
            let ended = CancellationToken::new();
            let watch = tokio::spawn(watch(access.clone(), ended.clone()));
            Open { ports: 0, execs: 0, visits: 0, ended, watch }
        });
        // It runs again, and what was open into the run before is about to go.
        if open.ended.is_cancelled() {
            open.ended = CancellationToken::new();
            open.watch = tokio::spawn(watch(access.clone(), open.ended.clone()));
        }
        *open.count(kind) += 1;
        Ok(Session { sessions: Arc::clone(self), lease, kind, ended: open.ended.clone() })
    }
}

impl Open {
    fn count(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Port => &mut self.ports,
            Kind::Exec => &mut self.execs,
            Kind::Visit => &mut self.visits,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut leases = self.sessions.leases();
        if let Some(open) = leases.get_mut(&self.lease) {
            *open.count(self.kind) -= 1;
            if open.ports + open.execs + open.visits == 0 {
                leases.remove(&self.lease);
            }
        }
    }
}

/// Waits for a container's end. An engine that cannot be asked ends nothing.
async fn watch(access: ReachAccess, ended: CancellationToken) {
    loop {
        match access.driver.wait(&access.container).await {
            Ok(_) | Err(DriverError::NoSuchContainer { .. }) => break,
            Err(error) => tracing::debug!(container = %access.container, %error, "its end cannot be waited for"),
        }
        tokio::time::sleep(PAUSE).await;
        match access.driver.inspect(&access.container).await {
            Ok(ContainerState::Running { .. }) | Err(_) => {}
            Ok(_) => break,
        }
    }
    ended.cancel();
}
