//! File descriptors: every connection costs one, and a process that has none left reaches neither its engine nor the chain.

/// Kept for everything but the interface's connections: the engine's and the chain's connections, the store, open logs,
/// outputs that are read or written.
const RESERVED: u64 = 512;
/// Fewest that a node is happy with.
const COMFORTABLE: u64 = 4_096;

/// Raises this process's limit of open files as far as it may, and returns what it then is. Says so where that is little.
#[must_use]
pub fn raise() -> u64 {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files cannot be raised");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(RESERVED, |(soft, _)| soft)
    });
    if limit < COMFORTABLE {
        tracing::warn!(
            "this process may open {limit} files, so it serves few buyers at a time; allow {COMFORTABLE} or more \
             (`ulimit -Hn`, or `LimitNOFILE=` in the service's unit)"
        );
    }
    limit
}

/// How many connections an interface may hold where this many files may be open.
#[must_use]
pub fn for_connections(limit: u64) -> usize {
    // Where there are few, half of them: the node's own work comes first.
    let spare = limit.saturating_sub(RESERVED.min(limit / 2));
    usize::try_from(spare).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue9_02_connections_leave_descriptors_for_the_engine_and_the_chain() {
        for (limit, connections) in [(1_024, 512), (600, 300), (20_000, 19_488)] {
            assert_eq!(for_connections(limit), connections);
        }
    }
}
