//! The agent's side of the market: gathers how things stand, asks the planner ([`crate::market`]), and submits what that decides.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use gridlease_core::Now;
use gridlease_core::machine::Machine as Rules;
use gridlease_sdk::account::{Bond, Lease, Offer, Provider};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, bid, enter_offer};
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::supervision::give_notice;
use gridlease_sdk::machine::ProviderMachine;
use solana_pubkey::Pubkey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Leases;
use super::chain::{Chain, Submitted};
use super::cranks::{Cranks, Own as OwnLeases};
use super::following::{Following, Unknown};
use super::health::Health;
use super::leaving::LeavingFile;
use crate::dangling::Orphans;
use crate::lease::Worker;
use crate::market::{
    self, Decision, Kept, Leaving, OfferPolicy, Own, Quote, Seen, State, Trouble, Unit, Why, is_due, may_post, plan,
};

/// The view of the market is looked at this often, and when it changes, but not more often than this.
const LOOK: Duration = market::LATER;
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Between two prunings of old leases.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// After a refused or failed submission for one job, it is left alone this long; after one that entered an automatic offer as well.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// After a bid that landed, until the view shows it.
const BID_PAUSE: Duration = Duration::from_millis(300);
/// Most bids from one look to the next: a lease that was won must not wait for them.
const BIDS_A_LOOK: usize = 4;
/// How soon a GPU that is claimed for another offer is looked at again, or a lease whose offer could not be found.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The market task.
pub(crate) struct MarketTask {
    pub(crate) chain: Chain,
    pub(crate) following: Following,
    pub(crate) health: Health,
    pub(crate) provider: Pubkey,
    /// The machine that this node is, as it was when the node started.
    pub(crate) machine: ProviderMachine,
    /// Number of the offer among the provider's.
    pub(crate) number: u32,
    pub(crate) unit: Unit,
    pub(crate) policy: OfferPolicy,
    pub(crate) orphans: Orphans,
    pub(crate) leaving: LeavingFile,
    /// What only this task knows, for whoever asks the node.
    pub(crate) gathered: Mutex<Gathered>,
    pub(crate) patience: Duration,
    pub(crate) shutdown: CancellationToken,
}

/// What the planner is told besides what is followed on chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    troubles: Vec<Trouble>,
    room_mib: Option<u64>,
    rules: Option<Rules>,
    running: u32,
    leaving: Option<Leaving>,
}

/// What is remembered between two looks.
#[derive(Default)]
pub(super) struct Memory {
    jobs: HashMap<Pubkey, Followed>,
    /// Leases of the provider, with whether they are this machine's: those of others their own nodes see to.
    pub(super) known: HashMap<Pubkey, bool>,
    /// What could not be done for a lease is left alone until then.
    pub(super) later: HashMap<Pubkey, Instant>,
    /// Notice that could not be given is tried again then.
    notices: HashMap<Pubkey, Instant>,
    /// When the offer was looked after, and what came of it.
    pub(super) offer: Option<(Instant, Kept)>,
    /// Why it is as it is, as the operator was told.
    pub(super) told: Option<Why>,
    /// Claims are left alone until then.
    claims: Option<Instant>,
}

/// What is remembered of a job between two looks.
#[derive(Clone, Copy)]
struct Followed {
    first_seen: Instant,
    not_before: Instant,
}

/// The node's own accounts.
struct OwnAccounts {
    provider: Provider,
    bond: Option<Bond>,
}

impl MarketTask {
    /// Runs until shutdown.
    pub(crate) async fn run(&self, leases: &mut Leases, worker: &Worker) {
        let mut memory = Memory::default();
        let mut cranks = Cranks::new(self.chain.clone(), self.following.clone(), self.patience);
        let mut pulse = self.following.pulse();
        let mut last_prune = Instant::now();
        while !self.shutdown.is_cancelled() {
            let looked = tokio::select! {
                () = self.shutdown.cancelled() => break,
                looked = self.look(leases, worker, &mut memory, &mut cranks) => looked,
            };
            if let Err(error) = looked {
                tracing::warn!("the market cannot be looked at: {error:#}");
            }
            if last_prune.elapsed() > PRUNE_EVERY {
                last_prune = Instant::now();
                match worker.prune().await {
                    Ok(pruned) => pruned.iter().for_each(|lease| leases.task.board.remove(lease)),
                    Err(error) => tracing::warn!(%error, "old leases cannot be pruned"),
                }
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = pulse.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        drop(cranks);
        self.suspend(Why::Stopping).await;
        if !leases.running.is_empty() {
            tracing::info!(open = leases.running.len(), "open leases run on; the next start takes them up again");
        }
    }

    async fn look(
        &self,
        leases: &mut Leases,
        worker: &Worker,
        memory: &mut Memory,
        cranks: &mut Cranks,
    ) -> anyhow::Result<()> {
        leases.reap();
        self.take_on_all(leases, worker, memory).await;
        let now = self.chain.time().context("the chain's clock was not read yet")?;
        let own = memory.known.iter().filter(|(_, ours)| **ours);
        let own = own.map(|(lease, _)| (*lease, leases.running.contains_key(lease))).collect();
        cranks.turn(&OwnLeases { provider: self.provider, number: self.number, leases: own }, now);
        let offer = match self.following.offer() {
            Ok(offer) => offer,
            Err(Unknown::NotYet) => return Ok(()),
            Err(error) => return Err(error).context("reading the offer"),
        };
        let gathered = self.gather(offer.as_ref(), now, leases, worker, memory).await?;
        let accounts = self.own_accounts();
        let decisions = {
            let own = accounts.as_ref().ok().and_then(Option::as_ref);
            self.decide(now, offer.as_ref(), own, &gathered, memory)
        };
        if decisions.is_empty() {
            accounts?;
        }
        self.carry_out(decisions, offer.as_ref(), memory).await
    }

    /// What the planner wants to know besides what is followed on chain.
    async fn gather(
        &self,
        offer: Option<&Offer>,
        now: Now,
        leases: &Leases,
        worker: &Worker,
        memory: &Memory,
    ) -> anyhow::Result<Gathered> {
        let mut next = self.gathered();
        next.troubles = self.health.troubles().await;
        next.running = u32::try_from(leases.running.len()).unwrap_or(u32::MAX);
        next.leaving = self.leaving.read();
        let looked = memory.offer.map(|(at, kept)| (at.elapsed(), kept));
        if is_due(offer, now.ts, self.policy.life, looked) {
            let open = leases.running.keys().copied().collect();
            next.room_mib = worker.disk_room(open).await?.map(|bytes| bytes / (1024 * 1024));
            if may_post(offer) {
                next.rules = self.machine_rules().await;
            }
        }
        *self.gathered.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        Ok(next)
    }

    async fn machine_rules(&self) -> Option<Rules> {
        match self.chain.client().machine(&self.provider, self.machine.number).await {
            Ok(machine) => Some(machine.rules),
            Err(error) => {
                tracing::warn!(%error, "the machine's limit of stake cannot be read");
                None
            }
        }
    }

    pub(super) fn gathered(&self) -> Gathered {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How things stand, for the planner.
    pub(super) fn state<'a>(&'a self, now: Now, offer: Option<&'a Offer>, gathered: &'a Gathered) -> State<'a> {
        State {
            now,
            policy: &self.policy,
            unit: &self.unit,
            machine: &self.machine,
            rules: gathered.rules,
            troubles: &gathered.troubles,
            room_mib: gathered.room_mib,
            running: gathered.running,
            leaving: gathered.leaving,
            looked: None,
            offer,
            own: None,
            bids_stand: 0,
        }
    }

    fn decide(
        &self,
        now: Now,
        offer: Option<&Offer>,
        accounts: Option<&OwnAccounts>,
        gathered: &Gathered,
        memory: &mut Memory,
    ) -> Vec<Decision> {
        let bond = |bond: &Option<Bond>| bond.map(|bond| bond.amounts()).unwrap_or_default();
        let own =
            accounts.map(|own| Own { provider_key: &self.provider, provider: &own.provider, bond: bond(&own.bond) });
        let looked = memory.offer.map(|(at, kept)| (at.elapsed(), kept));
        let Memory { jobs: followed, known, notices, .. } = memory;
        let at = Instant::now();
        self.following.ask(|view| {
            followed.retain(|key, _| view.job(key).is_some());
            notices.retain(|key, not_before| view.lease(key).is_some() && at < *not_before);
            let ours = |job: &gridlease_sdk::account::Job| {
                job.bids().iter().any(|bid| bid.provider == self.provider && bid.offer == self.number)
            };
            let bids_stand = gathered.leaving.map_or(0, |_| view.jobs().filter(|(_, job)| ours(job)).count());
            let state = State { looked, own, bids_stand, ..self.state(now, offer, gathered) };
            let jobs = view.jobs().filter_map(|(key, job)| {
                let seen = followed.entry(*key).or_insert(Followed { first_seen: at, not_before: at });
                (at >= seen.not_before).then(|| Seen { key, job, since: seen.first_seen.elapsed() })
            });
            let is_own = |lease: &Pubkey| known.get(lease) == Some(&true) && !notices.contains_key(lease);
            plan(&state, jobs, view.leases().filter(|(lease, _)| is_own(lease)))
        })
    }

    async fn carry_out(
        &self,
        decisions: Vec<Decision>,
        offer: Option<&Offer>,
        memory: &mut Memory,
    ) -> anyhow::Result<()> {
        let mut bids = 0;
        for decision in decisions {
            match decision {
                Decision::Notice { lease, leave } => {
                    memory.notices.insert(lease, Instant::now() + LOOK_AGAIN);
                    self.give_notice(&lease, &leave.to_string()).await;
                }
                Decision::Claim => self.claim_in_time(memory).await?,
                Decision::Bid { job, quote } if bids < BIDS_A_LOOK => {
                    bids += 1;
                    if !self.bid(&job, quote, offer, memory).await {
                        break; // what concerns the network as a whole will not be better for the next one
                    }
                    let is_new =
                        |lease: &Pubkey| !memory.known.contains_key(lease) && !memory.later.contains_key(lease);
                    if self.following.ask(|view| view.leases().any(|(lease, _)| is_new(lease))) {
                        break; // it is taken on first
                    }
                }
                Decision::Bid { .. } => {}
                Decision::Decline { job, reason } => tracing::trace!(%job, %reason, "left alone"),
                about_the_offer => {
                    self.keep_offer(about_the_offer, offer, memory).await;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn claim_in_time(&self, memory: &mut Memory) -> anyhow::Result<()> {
        if memory.claims.is_some_and(|after| Instant::now() < after) {
            return Ok(());
        }
        let claimed = self.claim().await.context("reading the claims of this machine's GPUs");
        let pause = if claimed.as_ref().is_ok_and(|claimed| !claimed) { LOOK_AGAIN } else { RETRY_AFTER };
        memory.claims = Some(Instant::now() + pause);
        self.following.read_again(&[address::offer(&self.provider, self.number)]).await;
        claimed.map(drop)
    }

    /// The provider record and the bond; `None` before they were read.
    fn own_accounts(&self) -> anyhow::Result<Option<OwnAccounts>> {
        match (self.following.provider(), self.following.bond()) {
            (Ok(provider), Ok(bond)) => {
                Ok(Some(OwnAccounts { provider: provider.context("the provider record is gone")?, bond }))
            }
            (Err(Unknown::NotYet), _) | (_, Err(Unknown::NotYet)) => Ok(None),
            (Err(error), _) => Err(error).context("reading the provider record"),
            (_, Err(error)) => Err(error).context("reading the bond"),
        }
    }

    /// Makes a bid. Returns whether the network said what became of it.
    async fn bid(&self, job: &Pubkey, quote: Quote, offer: Option<&Offer>, memory: &mut Memory) -> bool {
        let Ok(Some(provider)) = self.following.provider() else { return false };
        let keys = BidderKeys { provider: self.provider, offer: self.number, bond: provider.bond };
        let automatic = offer.is_some_and(|offer| offer.auto_bid == 1);
        let (what, instruction) = if automatic {
            ("enter_offer", enter_offer(job, &keys))
        } else {
            ("bid", bid(&self.chain.node_key(), job, &keys, quote.price.0))
        };
        let submitted = self.chain.submit_briefly(&[instruction]).await;
        let landed = matches!(submitted, Submitted::Landed(_));
        let pause = if landed && !automatic { BID_PAUSE } else { RETRY_AFTER };
        if let Some(seen) = memory.jobs.get_mut(job) {
            seen.not_before = Instant::now() + pause;
        }
        match submitted {
            Submitted::Landed(signature) => tracing::info!(%job, price = quote.price.0, %signature, "{what}: {quote}"),
            Submitted::Refused { reason, .. } => tracing::info!(%job, "{what} was refused: {reason}"),
            Submitted::Later(reason) => {
                tracing::warn!(%job, "{what} did not go through: {reason}");
                return false;
            }
        }
        self.following.read_again(&[*job]).await;
        true
    }

    /// Gives notice on a lease, by what the chain says of it now.
    async fn give_notice(&self, lease: &Pubkey, leave: &str) {
        let account = match self.chain.client().find::<Lease>(lease).await {
            Ok(Some(account)) if account.notice_end == 0 => account,
            Ok(_) => return self.following.read_again(&[*lease]).await,
            Err(error) => return tracing::warn!(%lease, %error, "a lease that is to be given notice cannot be read"),
        };
        let instruction = give_notice(&self.chain.node_key(), &LeaseKeys::new(*lease, &account));
        match self.chain.submit_briefly(&[instruction]).await {
            Submitted::Landed(signature) => tracing::info!(%lease, %signature, "notice: {leave}"),
            Submitted::Refused { reason, .. } => tracing::warn!(%lease, "the notice was refused: {reason}"),
            Submitted::Later(reason) => tracing::warn!(%lease, "the notice did not go through: {reason}"),
        }
        self.following.read_again(&[*lease]).await;
    }
}
