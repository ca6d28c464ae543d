//! The open connections. Whoever connects gets in; when there is no room, the oldest connection on which nothing is
//! being done for a lease's owner gives way. So connections that only lie there lock nobody out, and a transfer that an
//! owner asked for is never cut off by strangers.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum_server::accept::Accept;
use futures_util::future::{Ready, ready};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::guarded::Guarded;

/// The connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    most: usize,
    per_address: usize,
    idle: Duration,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    // In order of age.
    open: BTreeMap<u64, Arc<Connection>>,
    by_peer: HashMap<SocketAddr, u64>,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    peer: SocketAddr,
    busy: AtomicUsize,
    /// Whether what is sent may wait long for the client to take it.
    patient: AtomicBool,
    quiet_since: Mutex<Instant>,
    /// Ends when the connection has to give way.
    pub(super) displaced: CancellationToken,
}

/// As long as this is held, something is done for a lease's owner on a connection.
#[derive(Debug)]
pub(super) struct Busy(Arc<Connection>);

impl Connections {
    /// At most `most` connections, `per_address` of them from one address. One without a request for `idle` is closed.
    pub(super) fn new(most: usize, per_address: usize, idle: Duration) -> Self {
        Self { most, per_address, idle, table: Arc::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, displacing another where there is no room. `None`: everything is in use by owners.
    fn enter(&self, peer: SocketAddr) -> Option<Arc<Connection>> {
        let mut table = self.table();
        let same_address = |connection: &Connection| address(connection.peer) == address(peer);
        if table.open.values().filter(|connection| same_address(connection)).count() >= self.per_address {
            let oldest = table.open.values().find(|connection| connection.is_idle() && same_address(connection));
            let oldest = oldest?.id;
            table.displace(oldest);
        }
        if table.open.len() >= self.most {
            let oldest = table.oldest_of_the_greediest()?;
            table.displace(oldest);
        }
        let id = table.next;
        table.next += 1;
        let connection = Arc::new(Connection {
            id,
            peer,
            busy: AtomicUsize::new(0),
            patient: AtomicBool::new(false),
            quiet_since: Mutex::new(Instant::now()),
            displaced: CancellationToken::new(),
        });
        table.open.insert(id, Arc::clone(&connection));
        table.by_peer.insert(peer, id);
        Some(connection)
    }

    /// Forgets a connection that was closed.
    pub(super) fn leave(&self, connection: &Connection) {
        self.table().remove(connection.id);
    }

    /// The connection of a request.
    pub(super) fn of(&self, peer: SocketAddr) -> Option<Arc<Connection>> {
        let table = self.table();
        table.by_peer.get(&peer).and_then(|id| table.open.get(id)).cloned()
    }

    /// How long a connection may be without a request.
    pub(super) fn idle(&self) -> Duration {
        self.idle
    }
}

/// What counts as one address: an IPv6 customer has a /64, and an IPv4 address may come dressed as IPv6.
pub(super) fn address(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
        let connection = self.open.remove(&id)?;
        // The same peer may have come anew in the meantime.
        if self.by_peer.get(&connection.peer) == Some(&id) {
            self.by_peer.remove(&connection.peer);
        }
        Some(connection)
    }

    fn displace(&mut self, id: u64) {
        if let Some(connection) = self.remove(id) {
            connection.displaced.cancel();
        }
    }

    /// The oldest idle connection of the address that has most of them.
    fn oldest_of_the_greediest(&self) -> Option<u64> {
        let mut idle: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for connection in self.open.values().filter(|connection| connection.is_idle()) {
            idle.entry(address(connection.peer)).or_insert((0, connection.id)).0 += 1;
        }
        idle.into_values().max_by_key(|&(count, oldest)| (count, std::cmp::Reverse(oldest))).map(|(_, oldest)| oldest)
    }
}

impl Connection {
    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::SeqCst) == 0
    }

    /// A request came, or was answered.
    pub(super) fn touch(&self) {
        *self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Marks that something is done for a lease's owner.
    pub(super) fn busy(self: Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self)
    }

    /// Whether what is sent may wait long for the client to take it.
    pub(super) fn is_patient(&self) -> bool {
        self.patient.load(Ordering::SeqCst)
    }

    /// When the connection has been without a request for `idle`; `None` while something is done on it.
    pub(super) fn expires(&self, idle: Duration) -> Option<Instant> {
        self.is_idle().then(|| *self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) + idle)
    }
}

impl Busy {
    /// What is sent may from now on wait long for the client to take it.
    pub(super) fn be_patient(&self) {
        self.0.patient.store(true, Ordering::SeqCst);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Guarded<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let entered = stream
            .set_nodelay(true)
            .and_then(|()| stream.peer_addr())
            .and_then(|peer| self.enter(peer).ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused)));
        ready(entered.map(|connection| (Guarded::new(stream, connection, self.clone()), service)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    fn connections(most: usize, per_address: usize) -> Connections {
        Connections::new(most, per_address, Duration::from_secs(30))
    }

    #[test]
    fn issue9_02_a_new_connection_displaces_the_oldest_idle_one_of_its_address() {
        let connections = connections(10, 2);
        let first = connections.enter(peer(1, 1)).unwrap();
        let second = connections.enter(peer(1, 2)).unwrap();
        let busy = Arc::clone(&first).busy();
        connections.enter(peer(1, 3)).unwrap();
        assert!(!first.displaced.is_cancelled(), "an owner is served on it");
        assert!(second.displaced.is_cancelled());
        drop(busy);
        connections.enter(peer(1, 4)).unwrap();
        assert!(first.displaced.is_cancelled());
        assert_eq!(connections.table().open.len(), 2);
    }

    #[test]
    fn issue9_02_a_full_node_displaces_a_connection_of_the_address_that_has_most() {
        let connections = connections(4, 4);
        let quiet = connections.enter(peer(1, 1)).unwrap();
        let greedy: Vec<_> = (1..4).map(|port| connections.enter(peer(2, port)).unwrap()).collect();
        connections.enter(peer(3, 1)).unwrap();
        assert!(!quiet.displaced.is_cancelled() && greedy[0].displaced.is_cancelled());
        assert!(!greedy[1].displaced.is_cancelled());
    }

    #[test]
    fn a_connection_is_refused_where_owners_use_all() {
        let connections = connections(1, 1);
        let _busy = connections.enter(peer(1, 1)).unwrap().busy();
        assert!(connections.enter(peer(1, 2)).is_none() && connections.enter(peer(2, 1)).is_none());
    }

    #[test]
    fn a_peer_that_came_anew_is_not_forgotten_with_its_old_connection() {
        let connections = connections(4, 4);
        let old = connections.enter(peer(1, 1)).unwrap();
        let new = connections.enter(peer(1, 1)).unwrap();
        connections.leave(&old);
        assert_eq!(connections.of(peer(1, 1)).unwrap().id, new.id);
    }

    #[test]
    fn an_ipv6_customers_addresses_count_as_one() {
        let of = |text: &str| address(SocketAddr::new(text.parse().unwrap(), 1));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
