//! The bounds of the interface.

use std::time::Duration;

use gridlease_sdk::node_api::MAX_INPUT_BYTES;

use crate::descriptors::for_connections;

/// Bounds of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// Open connections. A new one displaces the oldest on which nothing is being done for a lease's owner.
    pub connections: usize,
    /// Of these, from one address.
    pub connections_per_address: usize,
    /// How long a connection may stay without a request, and how long what is sent may wait for a client to take it.
    pub idle: Duration,
    /// What lasts: log followers, archive downloads and uploads at the same time. Shared evenly among keys.
    pub places: usize,
    /// Of these, for one key.
    pub places_per_key: usize,
    /// Connections into the containers of all leases: to their ports, and programs that are run in them.
    pub sessions: usize,
    /// Of these, connections to the ports of one lease. A browser opens some twenty at once.
    pub tunnels_per_lease: usize,
    /// Of these, programs in the container of one lease.
    pub execs_per_lease: usize,
    /// Visits to public ports at a time. Each lasts as long as its request and has a connection into a container; fewer than
    /// `connections`, so that a buyer always finds one.
    pub visits: usize,
    /// Of these, to the ports of one lease.
    pub visits_per_lease: usize,
    /// Of these, from one address.
    pub visits_per_address: usize,
    /// Signed requests remembered against replay (for two minutes each).
    pub nonces: usize,
    /// Of these, of one key.
    pub nonces_per_key: usize,
    /// How long a body may take besides the time that its bytes need at the lowest rate.
    pub body_grace: Duration,
    /// Largest input in bytes.
    pub input_bytes: u64,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_per_address: 128,
            idle: Duration::from_secs(30),
            places: 64,
            places_per_key: 16,
            sessions: 512,
            tunnels_per_lease: 64,
            execs_per_lease: 8,
            visits: 512,
            visits_per_lease: 256,
            visits_per_address: 96,
            nonces: 100_000,
            nonces_per_key: 4_000,
            body_grace: Duration::from_secs(20),
            input_bytes: MAX_INPUT_BYTES,
        }
    }
}

impl ApiLimits {
    /// The usual bounds, within what a process can hold that may open `files` files.
    #[must_use]
    pub fn within(files: u64) -> Self {
        let usual = Self::default();
        let spare = for_connections(files).max(2);
        // One into a container has a second end there, and so has a visit.
        let sessions = usual.sessions.min(spare / 4).max(1);
        let visits = usual.visits.min(spare / 4);
        let connections = usual.connections.min(spare - sessions - visits);
        let connections_per_address = usual.connections_per_address.min(connections);
        // The others are for who owns a lease.
        let visits = visits.min(connections / 2);
        let visits_per_lease = usual.visits_per_lease.min(visits);
        let visits_per_address = usual.visits_per_address.min(connections_per_address * 3 / 4);
        Self { connections, connections_per_address, sessions, visits, visits_per_lease, visits_per_address, ..usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_what_they_lead_to_fit_into_the_files_that_may_be_open() {
        let usual = ApiLimits::default();
        assert_eq!(ApiLimits::within(100_000), usual);
        for files in [0, 1, 10, 600, 1_024, 2_000] {
            let ApiLimits { connections, sessions, connections_per_address, visits, visits_per_address, .. } =
                ApiLimits::within(files);
            assert!(connections > 0 && sessions > 0 && connections_per_address > 0, "{files}");
            assert!(connections + sessions + visits <= for_connections(files).max(2), "{files}");
            assert!(visits < connections && visits_per_address < connections_per_address, "{files}");
        }
    }
}
