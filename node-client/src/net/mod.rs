//! The network of a lease: a bridge of its own, fenced by a table of the node's own in nftables, with names from the node's own
//! resolver. A lease that asks for none has none at all.
//!
//! | module | purpose |
//! |---|---|
//! | `rules` | the table, as a pure function of the leases that have a network |
//! | `nft` | the program that hands it to the kernel |
//! | `dns` | the resolver, and what an allow list makes of its answers |
//! | `guard`, `watch` | notices when somebody took the table away |
//! | `probe` | whether this machine can do all of it |

mod dns;
mod error;
mod guard;
mod names;
mod nft;
mod probe;
mod rules;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use gridlease_sdk::manifest::{Bandwidth, Network};
use solana_pubkey::Pubkey;
use tokio::sync::{Mutex, MutexGuard};

pub use dns::Upstream;
pub use error::NetError;
pub use rules::{DENIED, DENIED_PORTS};

use crate::driver::docker::{DockerDriver, Subnet};
use crate::driver::{DriverError, Net, container_name};
use dns::{Grant, Names, OnGrant, Resolver};
use rules::{Lane, MAX_REACHABLE, Only, Place};
use watch::Watch;

/// How often a table that is gone is set at once, and the time between, before the leases behind it are open.
const SET_TRIES: u32 = 3;
const SET_PAUSE: Duration = Duration::from_millis(300);
/// For the engine to tell of networks that it did not tell of before.
const MISSED_PATIENCE: Duration = Duration::from_secs(5);

/// A lease's network as it is leased.
type Wanted = (Pubkey, Network, Option<Bandwidth>);

/// The networks of this node's leases. Clones share them.
#[derive(Clone, Debug)]
pub struct Networks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    docker: DockerDriver,
    node: Pubkey,
    upstream: Upstream,
    /// Held while the engine makes and removes networks, which may take it minutes; taken before `state`, never after it.
    engine: Mutex<()>,
    /// Never held while the engine is asked: who looks after the fence, and who grants a place, waits for it.
    state: Mutex<State>,
    open: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    leases: BTreeMap<Pubkey, Connected>,
    /// The table as the kernel showed it when it was set last.
    stands: Option<String>,
    /// Whether it still has chains of leases that are over.
    outdated: bool,
    /// Leases of an earlier run of which the engine could not tell whether they have a network.
    missed: Vec<Wanted>,
    watch: Watch,
}

/// One lease with a network.
#[derive(Debug)]
struct Connected {
    lane: Lane,
    names: Names,
    learned: BTreeMap<Place, Instant>,
    resolver: Option<Resolver>,
    /// Its resolver could not be started, and that was said.
    deaf: bool,
}

impl Networks {
    /// The networks of the leases of `node`. Nothing is made or changed before a lease needs it.
    #[must_use]
    pub fn new(docker: DockerDriver, node: Pubkey, upstream: Upstream) -> Self {
        let (engine, state, open) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { docker, node, upstream, engine, state, open }))
    }

    /// Makes a lease's network, where it is not there, fences it, and holds it to its bandwidth. Nothing for a lease that asks
    /// for none. Safe to call again.
    ///
    /// # Errors
    /// [`NetError`]; what was begun is taken up by the next call.
    pub async fn connect(
        &self,
        lease: &Pubkey,
        network: &Network,
        bandwidth: Option<Bandwidth>,
    ) -> Result<Net, NetError> {
        let Some(names) = names_of(network) else { return Ok(Net::None) };
        let this = &self.0;
        let _turn = this.engine.lock().await;
        {
            let mut state = this.state.lock().await;
            if state.stands.as_ref().is_none_or(String::is_empty) {
                // Before there is a bridge, so that none is ever without its fence.
                this.set(&mut state).await?;
            }
        }
        let bridge = names::bridge(&this.node, lease);
        let subnet = this.docker.make_network(&this.node, lease, &bridge).await?;
        let mut state = this.state.lock().await;
        state.missed.retain(|(missed, ..)| missed != lease);
        self.add(&mut state, lease, (bridge, subnet, bandwidth), names);
        this.set(&mut state).await?;
        self.listen(&mut state, Some(lease)).await?;
        Ok(Net::Bridge { name: container_name(lease), gateway: subnet.gateway })
    }

    /// Whether the lease's network was made, or taken up, by this process.
    pub async fn has(&self, lease: &Pubkey) -> bool {
        self.0.state.lock().await.leases.contains_key(lease)
    }

    /// Takes up the networks of an earlier run: those of `wanted` are fenced at once, all others of this node's are removed.
    ///
    /// # Errors
    /// The first [`NetError`]; all that could be done is done by then, and [`Networks::check`] tries the rest again. A network that
    /// is still in use stays, behind its fence. A resolver that cannot listen is no error: its lease runs on without names.
    pub async fn recover(&self, wanted: &[Wanted]) -> Result<(), NetError> {
        let this = &self.0;
        let _turn = this.engine.lock().await;
        let taken = self.take_up(wanted).await;
        let (left, listed) = match this.docker.networked(&this.node).await {
            Ok(left) => (left, Ok(())),
            Err(error) => (Vec::new(), Err(NetError::from(error))),
        };
        let mut state = this.state.lock().await;
        let set = if state.leases.is_empty() && state.missed.is_empty() && left.is_empty() {
            Ok(())
        } else {
            this.set(&mut state).await
        };
        let _ = self.listen(&mut state, None).await;
        drop(state);
        for lease in left.into_iter().filter(|lease| !wanted.iter().any(|(wanted, ..)| wanted == lease)) {
            match this.docker.remove_network(&this.node, &lease).await {
                Ok(()) => tracing::info!(%lease, "the network of a lease that is over is removed"),
                Err(error) => {
                    tracing::warn!(%lease, %error, "the network of a lease that is over stays, without a way out")
                }
            }
        }
        set.and(taken).and(listed)
    }

    /// Takes up the networks of leases of an earlier run, without setting the fence. Those of which the engine cannot tell are missed.
    async fn take_up(&self, wanted: &[Wanted]) -> Result<(), NetError> {
        let this = &self.0;
        let (mut missed, mut trouble) = (Vec::new(), Ok(()));
        for one in wanted {
            let (lease, network, bandwidth) = one;
            let Some(names) = names_of(network) else { continue };
            match this.docker.find_network(&this.node, lease).await {
                Ok(Some(subnet)) => {
                    let lane = (names::bridge(&this.node, lease), subnet, *bandwidth);
                    self.add(&mut *this.state.lock().await, lease, lane, names);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%lease, %error, "the lease's network cannot be found; until it is, it has no way out");
                    missed.push(one.clone());
                    trouble = trouble.and(Err(error.into()));
                }
            }
        }
        this.state.lock().await.missed = missed;
        trouble
    }

    /// Removes a lease's network; its container has to be gone. Safe to call again, and for a lease that never had one. One that
    /// cannot be removed has no way out any more.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn disconnect(&self, lease: &Pubkey) -> Result<(), NetError> {
        let this = &self.0;
        let _turn = this.engine.lock().await;
        let removed = this.docker.remove_network(&this.node, lease).await;
        let mut state = this.state.lock().await;
        state.missed.retain(|(missed, ..)| missed != lease);
        state.outdated |= state.leases.remove(lease).is_some();
        let set = if state.outdated { this.set(&mut state).await } else { Ok(()) };
        removed.map_err(NetError::from).and(set)
    }

    /// Removes the node's table when the node ends; kept where there is a network behind it, known or not.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn dismantle(&self) -> Result<(), NetError> {
        let this = &self.0;
        let _turn = this.engine.lock().await;
        let is_used = |state: &State| state.stands.is_none() || !state.leases.is_empty();
        if is_used(&*this.state.lock().await) || !this.docker.networked(&this.node).await?.is_empty() {
            return Ok(());
        }
        let mut state = this.state.lock().await;
        state.stands = None;
        let table = names::table(&this.node);
        nft::load(&format!("table inet {table}\ndelete table inet {table}\n")).await
    }

    /// Looks whether the fence stands as it was set, and sets it again where it does not. Restarts resolvers that ended.
    ///
    /// # Errors
    /// [`NetError`] where it is not whole and cannot be set again; [`Networks::is_open`] says so from then on, until a look finds it
    /// whole. Where it cannot be looked at, only when that lasts: what nobody sees stands as a rule as it stood.
    pub async fn check(&self) -> Result<(), NetError> {
        self.look().await?;
        if self.0.state.lock().await.missed.is_empty() {
            return Ok(());
        }
        // The fence is looked at again soon: nothing waits here for an engine that is busy.
        let Ok(_turn) = self.0.engine.try_lock() else { return Ok(()) };
        let wanted = self.0.state.lock().await.missed.clone();
        if let Ok(taken) = tokio::time::timeout(MISSED_PATIENCE, self.take_up(&wanted)).await {
            let mut state = self.0.state.lock().await;
            if state.missed.len() < wanted.len() {
                self.0.set(&mut state).await?;
                let _ = self.listen(&mut state, None).await;
            }
            return taken;
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), NetError> {
        let this = &self.0;
        let mut state = this.state.lock().await;
        let Some(stands) = state.stands.clone() else { return Ok(()) };
        let table = names::table(&this.node);
        match nft::list(&table).await {
            Ok(Some(now)) if now == stands => {
                state.watch.saw();
                this.open.store(false, Ordering::SeqCst);
            }
            Ok(_) => {
                state.watch.saw();
                tracing::error!(table, "somebody changed or removed the node's firewall table; it is set again");
                this.restore(&mut state).await?;
            }
            Err(error) => {
                if state.watch.is_blind_for_too_long(Instant::now()) {
                    this.open.store(!state.leases.is_empty(), Ordering::SeqCst);
                }
                return Err(error);
            }
        }
        self.listen(&mut state, None).await
    }

    /// Whether leases are without their fence, and it could not be put back: their containers must not run on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::SeqCst)
    }

    fn add(&self, state: &mut State, lease: &Pubkey, lane: (String, Subnet, Option<Bandwidth>), names: Names) {
        let (bridge, Subnet { range, gateway }, bandwidth) = lane;
        let only = names.places().map(|always| Only { always, learned: Vec::new() });
        let lane = Lane { mark: names::mark(lease), bridge, subnet: range, gateway, only, bandwidth };
        // One that is known keeps what it has learned, and its resolver.
        if state.leases.get(lease).is_none_or(|known| known.lane != lane || known.names != names) {
            let connected = Connected { lane, names, learned: BTreeMap::new(), resolver: None, deaf: false };
            state.leases.insert(*lease, connected);
        }
    }

    /// Starts the resolvers that do not listen. One that cannot keeps no other from it, and is an error only for the lease that is
    /// being `connected`; the others' are tried again at the next look.
    async fn listen(&self, state: &mut State, connected: Option<&Pubkey>) -> Result<(), NetError> {
        let (asked, mut outcome) = (connected, Ok(()));
        for (lease, connected) in &mut state.leases {
            if connected.resolver.as_ref().is_some_and(|resolver| !resolver.has_ended()) {
                continue;
            }
            let (lane, names) = (&connected.lane, connected.names.clone());
            let (upstream, on_grant) = (self.0.upstream.clone(), self.on_grant(*lease));
            match Resolver::start(lane.gateway, lane.subnet, names, upstream, on_grant).await {
                Ok(resolver) => {
                    connected.resolver = Some(resolver);
                    connected.deaf = false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut connected.deaf, true) {
                        tracing::error!(%lease, %error, "the lease has no names for now; the node tries again");
                    }
                    if asked == Some(lease) {
                        outcome = Err(error);
                    }
                }
            }
        }
        outcome
    }

    fn on_grant(&self, lease: Pubkey) -> OnGrant {
        // The resolver is part of what it would otherwise keep alive.
        let shared = Arc::downgrade(&self.0);
        Arc::new(move |grant| {
            let shared = shared.clone();
            async move {
                match shared.upgrade() {
                    Some(shared) => shared.learn(&lease, grant).await,
                    None => Err(NetError::NotOffered),
                }
            }
            .boxed()
        })
    }
}

/// What may be asked for; `None` without a network.
fn names_of(network: &Network) -> Option<Names> {
    match network {
        Network::None => None,
        Network::Egress => Some(Names::Public),
        Network::Allow(hosts) => Some(Names::Only(hosts.clone())),
    }
}

impl Shared {
    /// Sets a table that is gone or changed. Where that fails again and again, the leases behind it are open.
    async fn restore(&self, state: &mut State) -> Result<(), NetError> {
        for _ in 1..SET_TRIES {
            if self.set(state).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(SET_PAUSE).await;
        }
        let set = self.set(state).await;
        if set.is_err() {
            self.open.store(!state.leases.is_empty(), Ordering::SeqCst);
        }
        set
    }

    /// Replaces the table by that of the leases there are: all of it, or nothing. Where it cannot, what stood before may well stand
    /// still, and only the newest lease has to wait; the next look says more of the others.
    async fn set(&self, state: &mut State) -> Result<(), NetError> {
        let now = Instant::now();
        let lanes: Vec<Lane> = state.leases.values_mut().map(|connected| connected.lane_at(now)).collect();
        let table = names::table(&self.node);
        let set = async {
            nft::load(&rules::ruleset(&self.node, &lanes)).await?;
            let gone = || NetError::Firewall { what: "keep its rules", reason: "the table is gone again".to_owned() };
            nft::list(&table).await?.ok_or_else(gone)
        };
        match set.await {
            Ok(stands) => {
                state.stands = Some(stands);
                state.outdated = false;
                state.watch.saw();
                self.open.store(false, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => {
                // So that it is looked at.
                state.stands.get_or_insert_default();
                Err(error)
            }
        }
    }

    /// Makes places reachable for a lease.
    async fn learn(&self, lease: &Pubkey, grant: Grant) -> Result<(), NetError> {
        let mut state: MutexGuard<'_, State> = self.state.lock().await;
        let Some(connected) = state.leases.get_mut(lease) else { return Err(NetError::NotOffered) };
        let now = Instant::now();
        let news = connected.news(grant, now);
        if news.is_empty() {
            return Ok(());
        }
        nft::load(&rules::learn(&self.node, &connected.lane.mark, &news)).await?;
        for (place, seconds) in news {
            connected.learned.insert(place, now + Duration::from_secs(seconds));
        }
        Ok(())
    }
}

impl Connected {
    /// What of a grant is not granted already for nearly as long, which is three quarters: an answer may be used for half of it. No
    /// grant makes one shorter. No more than there is room for.
    fn news(&mut self, grant: Grant, now: Instant) -> Grant {
        self.learned.retain(|_, until| *until > now);
        let room = MAX_REACHABLE.saturating_sub(self.learned.len());
        let mut seen = std::collections::BTreeSet::new();
        let long_enough = |until: &Instant, seconds: u64| *until >= now + Duration::from_secs(seconds - seconds / 4);
        let fresh = grant.into_iter().filter(|(place, seconds)| {
            seen.insert(*place) && !self.learned.get(place).is_some_and(|until| long_enough(until, *seconds))
        });
        fresh.take(room).collect()
    }

    /// The lane with what was learned and still holds.
    fn lane_at(&mut self, now: Instant) -> Lane {
        self.learned.retain(|_, until| *until > now + Duration::from_secs(1));
        let mut lane = self.lane.clone();
        if let Some(only) = &mut lane.only {
            only.learned =
                self.learned.iter().map(|(place, until)| (*place, (*until - now).as_secs().max(1))).collect();
        }
        lane
    }
}

/// A driver's error within that of a network.
impl NetError {
    /// Whether trying again can help without anybody changing something.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Driver(DriverError::NameTaken { .. }) | Self::NotOffered => false,
            Self::Driver(error) => error.is_transient(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_place_that_is_asked_for_again_stays_open_for_as_long_as_the_new_answer_may_be_used() {
        let (range, place) = ("172.18.0.0/16".parse().unwrap(), (Ipv4Addr::new(8, 8, 4, 4), 443));
        let lane = Lane {
            mark: "m".to_owned(),
            bridge: "glm".to_owned(),
            subnet: range,
            gateway: Ipv4Addr::new(172, 18, 0, 1),
            only: Some(Only::default()),
            bandwidth: None,
        };
        let (learned, names) = (BTreeMap::new(), Names::Public);
        let mut lease = Connected { lane, names, learned, resolver: None, deaf: false };
        let start = Instant::now();
        let mut grant = |after: u64, ttl: u64| {
            let now = start + Duration::from_secs(after);
            for (place, seconds) in lease.news(vec![(place, 2 * ttl)], now) {
                lease.learned.insert(place, now + Duration::from_secs(seconds));
            }
            lease.learned[&place].saturating_duration_since(start).as_secs()
        };
        let mut until = 0;
        for (after, ttl) in [(0, 300), (1, 300), (100, 300), (299, 300), (300, 60), (580, 300), (2_000, 3_600)] {
            let now = grant(after, ttl);
            assert!(now >= until && now >= after + ttl, "{after}: {now} after {until}");
            until = now;
        }
    }
}
