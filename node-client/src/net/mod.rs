//! The network of a lease: a bridge of its own, fenced by a table of the node's own in nftables, with names from the node's own
//! resolver. A lease that asks for none has none at all.
//!
//! | module | purpose |
//! |---|---|
//! | `rules` | the table, as a pure function of the leases that have a network |
//! | `nft` | the program that hands it to the kernel |
//! | `dns` | the resolver, and what an allow list makes of its answers |
//! | `guard` | notices when somebody took the table away |
//! | `probe` | whether this machine can do all of it |

mod dns;
mod error;
mod guard;
mod names;
mod nft;
mod probe;
mod rules;

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

/// The networks of this node's leases. Clones share them.
#[derive(Clone, Debug)]
pub struct Networks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    docker: DockerDriver,
    node: Pubkey,
    upstream: Upstream,
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
}

/// One lease with a network.
#[derive(Debug)]
struct Connected {
    lane: Lane,
    names: Names,
    learned: BTreeMap<Place, Instant>,
    resolver: Option<Resolver>,
}

impl Networks {
    /// The networks of the leases of `node`. Nothing is made or changed before a lease needs it.
    #[must_use]
    pub fn new(docker: DockerDriver, node: Pubkey, upstream: Upstream) -> Self {
        Self(Arc::new(Shared { docker, node, upstream, state: Mutex::default(), open: AtomicBool::new(false) }))
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
        let mut state = this.state.lock().await;
        if state.stands.is_none() {
            // Before there is a bridge, so that none is ever without its fence.
            this.set(&mut state).await?;
        }
        let bridge = names::bridge(&this.node, lease);
        let subnet = this.docker.make_network(&this.node, lease, &bridge).await?;
        self.add(&mut state, lease, (bridge, subnet, bandwidth), names);
        self.keep(&mut state).await?;
        Ok(Net::Bridge { name: container_name(lease), gateway: subnet.gateway })
    }

    /// Takes up the networks of an earlier run: those of `wanted` are fenced at once, all others of this node's are removed.
    ///
    /// # Errors
    /// [`NetError`]. A network that is still in use stays, behind its fence.
    pub async fn recover(&self, wanted: &[(Pubkey, Network, Option<Bandwidth>)]) -> Result<(), NetError> {
        let this = &self.0;
        let mut state = this.state.lock().await;
        for (lease, network, bandwidth) in wanted {
            let Some(names) = names_of(network) else { continue };
            if let Some(subnet) = this.docker.find_network(&this.node, lease).await? {
                self.add(&mut state, lease, (names::bridge(&this.node, lease), subnet, *bandwidth), names);
            }
        }
        let left: Vec<_> = this.docker.networked(&this.node).await?;
        if !state.leases.is_empty() || !left.is_empty() {
            self.keep(&mut state).await?;
        }
        for lease in left.into_iter().filter(|lease| !wanted.iter().any(|(wanted, ..)| wanted == lease)) {
            match this.docker.remove_network(&this.node, &lease).await {
                Ok(()) => tracing::info!(%lease, "the network of a lease that is over is removed"),
                Err(error) => {
                    tracing::warn!(%lease, %error, "the network of a lease that is over stays, without a way out")
                }
            }
        }
        Ok(())
    }

    /// Removes a lease's network; its container has to be gone. Safe to call again, and for a lease that never had one.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn disconnect(&self, lease: &Pubkey) -> Result<(), NetError> {
        let this = &self.0;
        let mut state = this.state.lock().await;
        this.docker.remove_network(&this.node, lease).await?;
        state.outdated |= state.leases.remove(lease).is_some();
        if state.outdated { this.set(&mut state).await } else { Ok(()) }
    }

    /// Removes the node's table when the node ends; kept where there is a network behind it, known or not.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn dismantle(&self) -> Result<(), NetError> {
        let this = &self.0;
        let mut state = this.state.lock().await;
        if state.stands.is_none() || !state.leases.is_empty() || !this.docker.networked(&this.node).await?.is_empty() {
            return Ok(());
        }
        state.stands = None;
        let table = names::table(&this.node);
        nft::load(&format!("table inet {table}\ndelete table inet {table}\n")).await
    }

    /// Looks whether the fence stands as it was set, and sets it again where it does not. Restarts resolvers that ended.
    ///
    /// # Errors
    /// [`NetError`] where it cannot be set again; [`Networks::is_open`] says so from then on, until a look finds it whole.
    pub async fn check(&self) -> Result<(), NetError> {
        let mut state = self.0.state.lock().await;
        let Some(stands) = state.stands.clone() else { return Ok(()) };
        let table = names::table(&self.0.node);
        if nft::list(&table).await.is_ok_and(|now| now == stands) {
            self.0.open.store(false, Ordering::SeqCst);
            return self.listen(&mut state).await;
        }
        tracing::error!(table, "somebody changed or removed the node's firewall table; it is set again");
        self.keep(&mut state).await
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
            let connected = Connected { lane, names, learned: BTreeMap::new(), resolver: None };
            state.leases.insert(*lease, connected);
        }
    }

    /// Sets the fence, and sees to the resolvers.
    async fn keep(&self, state: &mut State) -> Result<(), NetError> {
        self.0.set(state).await?;
        self.listen(state).await
    }

    async fn listen(&self, state: &mut State) -> Result<(), NetError> {
        for (lease, connected) in &mut state.leases {
            if connected.resolver.as_ref().is_some_and(|resolver| !resolver.has_ended()) {
                continue;
            }
            let (lane, names) = (&connected.lane, connected.names.clone());
            let (upstream, on_grant) = (self.0.upstream.clone(), self.on_grant(*lease));
            let resolver = Resolver::start(lane.gateway, lane.subnet, names, upstream, on_grant).await?;
            connected.resolver = Some(resolver);
        }
        Ok(())
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
    /// Replaces the table by that of the leases there are.
    async fn set(&self, state: &mut State) -> Result<(), NetError> {
        let now = Instant::now();
        let lanes: Vec<Lane> = state.leases.values_mut().map(|connected| connected.lane_at(now)).collect();
        let table = names::table(&self.node);
        let set = async {
            nft::load(&rules::ruleset(&self.node, &lanes)).await?;
            nft::list(&table).await
        };
        let set = set.await;
        match &set {
            Ok(stands) => {
                state.stands = Some(stands.clone());
                state.outdated = false;
                self.open.store(false, Ordering::SeqCst);
            }
            Err(_) => {
                // All or nothing: what stood before may well stand still, and then only the newest lease has to wait.
                let before = state.stands.get_or_insert_default();
                let whole = nft::list(&table).await.is_ok_and(|now| now == *before);
                self.open.store(!whole && !lanes.is_empty(), Ordering::SeqCst);
            }
        }
        set.map(|_| ())
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
    /// What of a grant is not granted already for at least half of that long. No more than there is room for.
    fn news(&mut self, grant: Grant, now: Instant) -> Grant {
        self.learned.retain(|_, until| *until > now);
        let room = MAX_REACHABLE.saturating_sub(self.learned.len());
        let mut seen = std::collections::BTreeSet::new();
        let long_enough = |until: &Instant, seconds: u64| *until >= now + Duration::from_secs(seconds / 2);
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
