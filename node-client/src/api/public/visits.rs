//! How many visits there are at a time, and which of them gives way to a new one: no lease's visitors take what is another's, no
//! address's what is all others', and one that only holds its place gives way to one that comes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use solana_pubkey::Pubkey;
use tokio_util::sync::CancellationToken;

use super::answers::Refusal;

/// How long nothing must have been heard of a visit before it gives way to another of its lease.
const QUIET: Duration = Duration::from_secs(10);
/// Bytes of a request after which something is said to have been heard; of an answer every piece that is taken counts.
const HEARD: u64 = 16 * 1024;

/// All visits.
#[derive(Debug)]
pub(in crate::api) struct Visits {
    all: usize,
    per_lease: usize,
    per_address: usize,
    begun: Instant,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    total: usize,
    leases: HashMap<Pubkey, HashMap<u64, Arc<Shared>>>,
    addresses: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Shared {
    id: u64,
    lease: Pubkey,
    address: IpAddr,
    begun: Instant,
    /// When something was heard last, in milliseconds after `begun`.
    heard_ms: AtomicU64,
    /// Bytes of the request since then.
    bytes: AtomicU64,
    ended: CancellationToken,
}

/// A visit, as long as this is held.
#[derive(Debug)]
pub(super) struct Visit {
    visits: Arc<Visits>,
    shared: Arc<Shared>,
}

/// What says of a visit that something of it was heard.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Shared>);

impl Visits {
    /// At most `all` visits, of them `per_lease` to the ports of one lease and `per_address` from one address.
    pub fn new(all: usize, per_lease: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { all, per_lease, per_address, begun: Instant::now(), held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a visit, which ends when `door` does, and earlier where its place is needed.
    pub(super) fn begin(
        self: &Arc<Self>,
        lease: Pubkey,
        address: IpAddr,
        door: &CancellationToken,
    ) -> Result<Visit, Refusal> {
        let mut held = self.held();
        if held.addresses.get(&address).is_some_and(|count| *count >= self.per_address) {
            return Err(Refusal::Greedy);
        }
        let own = held.leases.get(&lease).map_or(0, HashMap::len);
        if own >= self.per_lease {
            held.displace_quiet(&lease)?;
        } else if held.total >= self.all {
            // Who has most gives way, where that is more than this lease has with the new one; else one of its own.
            let greediest = held.leases.iter().max_by_key(|(_, visits)| visits.len());
            match greediest.map(|(other, visits)| (*other, visits.len())).filter(|(_, count)| *count > own + 1) {
                Some((other, _)) => held.displace_any(&other),
                None => held.displace_quiet(&lease)?,
            }
        }
        let shared = Arc::new(Shared {
            id: held.next,
            lease,
            address,
            begun: self.begun,
            heard_ms: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            ended: door.child_token(),
        });
        shared.heard();
        held.next += 1;
        held.total += 1;
        *held.addresses.entry(address).or_default() += 1;
        held.leases.entry(lease).or_default().insert(shared.id, Arc::clone(&shared));
        Ok(Visit { visits: Arc::clone(self), shared })
    }
}

impl Held {
    fn displace_quiet(&mut self, lease: &Pubkey) -> Result<(), Refusal> {
        let longest =
            self.leases.get(lease).and_then(|visits| visits.values().max_by_key(|visit| visit.quiet()).cloned());
        let longest = longest.filter(|visit| visit.quiet() >= QUIET).ok_or(Refusal::Busy)?;
        self.displace(&longest);
        Ok(())
    }

    fn displace_any(&mut self, lease: &Pubkey) {
        let visits = self.leases.get(lease);
        if let Some(visit) =
            visits.and_then(|visits| visits.values().max_by_key(|visit| (visit.quiet(), visit.id)).cloned())
        {
            self.displace(&visit);
        }
    }

    fn displace(&mut self, visit: &Shared) {
        self.remove(visit);
        visit.ended.cancel();
    }

    fn remove(&mut self, visit: &Shared) {
        let Some(visits) = self.leases.get_mut(&visit.lease) else { return };
        if visits.remove(&visit.id).is_none() {
            return;
        }
        if visits.is_empty() {
            self.leases.remove(&visit.lease);
        }
        self.total -= 1;
        if let Some(count) = self.addresses.get_mut(&visit.address) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&visit.address);
            }
        }
    }
}

impl Shared {
    fn heard(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(now, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    fn quiet(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.heard_ms.load(Ordering::Relaxed)))
    }
}

impl Visit {
    /// Ends when the visit has to.
    pub fn ended(&self) -> &CancellationToken {
        &self.shared.ended
    }

    /// What says that something was heard.
    pub fn pulse(&self) -> Pulse {
        Pulse(Arc::clone(&self.shared))
    }
}

impl Pulse {
    /// The container said something, and the visitor took what it said before.
    pub fn answered(&self) {
        self.0.heard();
    }

    /// The visitor sent this many bytes. A few now and then keep no place.
    pub fn sent(&self, bytes: usize) {
        let before = self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before + bytes as u64 >= HEARD {
            self.0.heard();
        }
    }

    /// Returns when nothing was heard for this long.
    pub async fn silence(&self, most: Duration) {
        while let Some(left) = most.checked_sub(self.0.quiet()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left).await;
        }
    }

    /// Ends when the visit has to.
    pub fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.visits.held().remove(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    fn begin(visits: &Arc<Visits>, n: u8, from: u8) -> Result<Visit, Refusal> {
        visits.begin(lease(n), address(from), &CancellationToken::new())
    }

    /// As if nothing had been heard of it for a while.
    fn quieten(visit: &mut Visit) {
        let shared = Arc::get_mut(&mut visit.shared);
        assert!(shared.is_none(), "the table has it, too");
        visit.shared.heard_ms.store(0, Ordering::Relaxed);
    }

    fn aged(all: usize, per_lease: usize, per_address: usize) -> Arc<Visits> {
        let begun = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        Arc::new(Visits { all, per_lease, per_address, begun, held: Mutex::default() })
    }

    #[test]
    fn threat_13_a_leases_visitors_take_no_place_of_anothers() {
        let visits = aged(6, 4, 9);
        let greedy: Vec<_> = (0..4).map(|n| begin(&visits, 1, n).unwrap()).collect();
        assert_eq!(begin(&visits, 1, 9).unwrap_err(), Refusal::Busy, "as many as one lease may have");
        let others: Vec<_> = (0..3).map(|n| begin(&visits, 2, n).unwrap()).collect();
        let ended = greedy.iter().filter(|visit| visit.ended().is_cancelled()).count();
        assert_eq!(ended, 1, "who has most gives way until both have the same");
        assert_eq!(begin(&visits, 2, 9).unwrap_err(), Refusal::Busy);
        let third = begin(&visits, 3, 1).unwrap();
        drop((greedy, others, third));
        let held = visits.held();
        assert_eq!((held.total, held.leases.len(), held.addresses.len()), (0, 0, 0));
    }

    #[test]
    fn threat_13_an_addresss_visitors_take_no_place_of_anothers() {
        let visits = aged(9, 9, 2);
        let held = (begin(&visits, 1, 1).unwrap(), begin(&visits, 2, 1).unwrap());
        assert_eq!(begin(&visits, 3, 1).unwrap_err(), Refusal::Greedy);
        assert!(begin(&visits, 1, 2).is_ok());
        drop(held);
        assert!(begin(&visits, 3, 1).is_ok());
    }

    #[test]
    fn threat_13_a_visit_that_only_holds_its_place_gives_way_to_a_new_one() {
        let visits = aged(9, 3, 9);
        let mut held: Vec<_> = (0..3).map(|n| begin(&visits, 1, n).unwrap()).collect();
        assert_eq!(begin(&visits, 1, 9).unwrap_err(), Refusal::Busy, "all are lively");
        quieten(&mut held[1]);
        // A byte now and then is no sign of life; what a container has to say is, and so is much.
        held[1].pulse().sent(100);
        quieten(&mut held[2]);
        held[2].pulse().answered();
        quieten(&mut held[0]);
        held[0].pulse().sent(20_000);
        let _new = begin(&visits, 1, 9).unwrap();
        let ended: Vec<_> = held.iter().map(|visit| visit.ended().is_cancelled()).collect();
        assert_eq!(ended, [false, true, false]);
    }

    #[test]
    fn visits_end_with_their_door() {
        let (visits, door) = (aged(9, 9, 9), CancellationToken::new());
        let visit = visits.begin(lease(1), address(1), &door).unwrap();
        door.cancel();
        assert!(visit.ended().is_cancelled());
    }
}
