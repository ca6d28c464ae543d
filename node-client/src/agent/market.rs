//! The node's side of the market: its offer, its bids, and the leases that it has won.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::{PricePerHour, UnixTs};
use gridlease_sdk::account::{Job, Kind as _, Lease, Offer, Purse, decode, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, bid, enter_offer};
use gridlease_sdk::machine::ProviderMachine;
use gridlease_sdk::market::ReadError;
use solana_pubkey::Pubkey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Leases;
use super::chain::{Chain, Submitted};
use super::config::{OfferPolicy, Unit};
use super::cranks::{Cranks, Own};
use super::following::{Following, Unknown};
use super::health::Health;
use super::offer::Kept;
use crate::bid_choice::{Decision, Reason, Side, decide};
use crate::dangling::Orphans;
use crate::lease::Worker;
use crate::sold::Sold;
use crate::store::NewLease;

/// The view of the market is looked at this often, and when it changes, but not more often than this.
const LOOK: Duration = Duration::from_millis(700);
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long an `auto_bid` offer is left to keepers before the node enters it itself.
const ENTER_AFTER: Duration = Duration::from_millis(2_500);
/// Between two prunings of old leases.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// How long an offer that cannot be made now, or that the market put to sleep, is left alone.
const SHUT_PAUSE: Duration = Duration::from_secs(5);
/// After a refused or failed submission for one job, it is left alone this long; after one that entered an automatic offer as well.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// After a bid that landed, until the view shows it.
const BID_PAUSE: Duration = Duration::from_millis(300);
/// Most bids from one look to the next: a lease that was won must not wait for them.
const BIDS_A_LOOK: usize = 4;
/// How soon a GPU that is claimed for another offer is looked at again, or a lease whose offer could not be found.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

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
    pub(crate) patience: Duration,
    pub(crate) shutdown: CancellationToken,
}

/// What is remembered between two looks.
#[derive(Default)]
struct Memory {
    jobs: HashMap<Pubkey, Followed>,
    /// Leases of the provider, with whether they are this machine's: those of others their own nodes see to.
    known: HashMap<Pubkey, bool>,
    /// What could not be done for a lease is left alone until then.
    later: HashMap<Pubkey, Instant>,
    /// When the offer was looked after, and what came of it.
    offer: Option<(Instant, Kept)>,
    /// Claims are left alone until then.
    claims: Option<Instant>,
}

/// What is remembered of a job between two looks.
#[derive(Clone, Copy)]
struct Followed {
    first_seen: Instant,
    not_before: Instant,
}

/// A bid that is to be made.
struct Wanted {
    job: Pubkey,
    price: PricePerHour,
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
        self.suspend().await;
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
        cranks.turn(&Own { provider: self.provider, number: self.number, leases: own }, now);
        let offer = match self.following.offer() {
            Ok(offer) => offer,
            Err(Unknown::NotYet) => return Ok(()),
            Err(error) => return Err(error).context("reading the offer"),
        };
        if let Some(offer) = offer.as_ref().filter(|offer| !self.machine.has(offer)) {
            self.tell_foreign(offer, memory);
            return Ok(());
        }
        let offer_key = address::offer(&self.provider, self.number);
        if let Some(problem) = self.health.problem().await {
            if offer.as_ref().is_some_and(|offer| offer.is_live(now.ts) && offer.units_free > 0) {
                tracing::error!("the machine is not well, its offer is taken back: {problem}");
                self.suspend().await;
                self.following.read_again(&[offer_key]).await;
            }
            memory.offer = None; // the offer is made anew once the machine is well
            return Ok(());
        }
        if self.is_due(offer.as_ref(), now.ts, memory) {
            let open = leases.running.keys().copied().collect();
            let room_mib = worker.disk_room(open).await?.map_or(u64::MAX, |bytes| bytes / (1024 * 1024));
            let before = memory.offer.map(|(_, kept)| kept);
            let kept = self.keep_offer(offer.as_ref(), now, room_mib, before).await;
            memory.offer = Some((Instant::now(), kept));
            self.following.read_again(&[offer_key]).await;
            return Ok(());
        }
        let Some(offer) = offer else { return Ok(()) };
        if offer.claims().check().is_err() {
            if memory.claims.is_none_or(|after| Instant::now() >= after) {
                let claimed = self.claim().await.context("reading the claims of this machine's GPUs");
                let pause = if claimed.as_ref().is_ok_and(|claimed| !claimed) { LOOK_AGAIN } else { RETRY_AFTER };
                memory.claims = Some(Instant::now() + pause);
                self.following.read_again(&[offer_key]).await;
                claimed?;
            }
            return Ok(());
        }
        self.bid_all(&offer, leases.running.len(), now.ts, memory).await
    }

    /// Takes on what was won, and remembers which leases of the provider are this machine's.
    async fn take_on_all(&self, leases: &mut Leases, worker: &Worker, memory: &mut Memory) {
        let all = self.following.leases();
        memory.known.extend(leases.running.keys().map(|lease| (*lease, true)));
        memory.known.retain(|lease, _| all.iter().any(|(key, _)| key == lease) || leases.running.contains_key(lease));
        memory.later.retain(|lease, after| all.iter().any(|(key, _)| key == lease) && Instant::now() < *after);
        for (key, lease) in all {
            if memory.later.contains_key(&key) {
                continue;
            }
            let pause = match self.is_ours(&key, &lease, memory).await {
                Ok(Some(true)) if !self.take_on(&key, &lease, leases, worker).await => RETRY_AFTER,
                Ok(Some(_)) => continue,
                Ok(None) => LOOK_AGAIN,
                Err(error) => {
                    tracing::warn!(lease = %key, %error, "the offer of a lease cannot be read");
                    RETRY_AFTER
                }
            };
            memory.later.insert(key, Instant::now() + pause);
        }
    }

    /// Bids on the jobs that take bids, as far as that is worth it.
    async fn bid_all(&self, offer: &Offer, running: usize, now: UnixTs, memory: &mut Memory) -> anyhow::Result<()> {
        let (provider, bond) = match (self.following.provider(), self.following.bond()) {
            (Ok(provider), Ok(bond)) => (provider.context("the provider record is gone")?, bond),
            (Err(Unknown::NotYet), _) | (_, Err(Unknown::NotYet)) => return Ok(()),
            (Err(error), _) => return Err(error).context("reading the provider record"),
            (_, Err(error)) => return Err(error).context("reading the bond"),
        };
        let side = Side {
            provider_key: &self.provider,
            provider: &provider,
            offer,
            bond: bond.map(|bond| bond.amounts()).unwrap_or_default(),
            free_units: u32::from(self.policy.units).saturating_sub(u32::try_from(running).unwrap_or(u32::MAX)),
        };
        let wanted = self.following.ask(|view| {
            memory.jobs.retain(|key, _| view.job(key).is_some());
            let chosen = view.jobs().filter_map(|(key, job)| self.choose(&side, key, job, now, memory));
            chosen.take(BIDS_A_LOOK).collect::<Vec<_>>()
        });
        for Wanted { job, price } in wanted {
            let keys = BidderKeys { provider: self.provider, offer: self.number, bond: provider.bond };
            if !self.bid(&job, &keys, price, memory).await {
                break; // what concerns the network as a whole will not be better for the next one
            }
            let is_new = |lease: &Pubkey| !memory.known.contains_key(lease) && !memory.later.contains_key(lease);
            if self.following.ask(|view| view.leases().any(|(lease, _)| is_new(lease))) {
                break; // it is taken on first
            }
        }
        Ok(())
    }

    /// Is this a job to bid on now?
    fn choose(&self, side: &Side<'_>, key: &Pubkey, job: &Job, now: UnixTs, memory: &mut Memory) -> Option<Wanted> {
        let at = Instant::now();
        let seen = memory.jobs.entry(*key).or_insert(Followed { first_seen: at, not_before: at });
        if at < seen.not_before {
            return None;
        }
        let price = match decide(side, key, job, now) {
            Decision::Bid(price) => price,
            Decision::Leave(Reason::Standing | Reason::NotOpen) => return None,
            Decision::Leave(reason) => {
                tracing::trace!(job = %key, ?reason, "left alone");
                return None;
            }
        };
        if self.policy.auto_bid {
            // Entering it is keepers' work; where there is none, the node does it itself in time.
            let left = job.close_ts.saturating_sub(now.0);
            let waits = job.state() == Some(JobState::Waiting);
            if seen.first_seen.elapsed() < ENTER_AFTER && (waits || left > 4) {
                return None;
            }
        }
        Some(Wanted { job: *key, price })
    }

    /// Makes a bid. Returns whether the network said what became of it.
    async fn bid(&self, job: &Pubkey, keys: &BidderKeys, price: PricePerHour, memory: &mut Memory) -> bool {
        let (what, instruction) = if self.policy.auto_bid {
            ("enter_offer", enter_offer(job, keys))
        } else {
            ("bid", bid(&self.chain.node_key(), job, keys, price.0))
        };
        let submitted = self.chain.submit_briefly(&[instruction]).await;
        let landed = matches!(submitted, Submitted::Landed(_));
        let pause = if landed && !self.policy.auto_bid { BID_PAUSE } else { RETRY_AFTER };
        if let Some(seen) = memory.jobs.get_mut(job) {
            seen.not_before = Instant::now() + pause;
        }
        match submitted {
            Submitted::Landed(signature) => tracing::info!(%job, price = price.0, %signature, "{what}"),
            Submitted::Refused { reason, .. } => tracing::info!(%job, "{what} was refused: {reason}"),
            Submitted::Later(reason) => {
                tracing::warn!(%job, "{what} did not go through: {reason}");
                return false;
            }
        }
        self.following.read_again(&[*job]).await;
        true
    }

    /// Is a lease of this provider one of this machine? An offer stays as long as it has leases, and each is asked about once. `None`
    /// where there is no such offer, so the lease is closed, although the view may still show it.
    async fn is_ours(&self, key: &Pubkey, lease: &Lease, memory: &mut Memory) -> Result<Option<bool>, ReadError> {
        // Those that run were inserted when they were taken on, or up again.
        if let Some(ours) = memory.known.get(key) {
            return Ok(Some(*ours));
        }
        let own = (lease.offer == address::offer(&self.provider, self.number)).then(|| self.following.offer().ok());
        let offer: Option<Offer> = match own.flatten().flatten() {
            Some(offer) => Some(offer),
            None => self.chain.client().find(&lease.offer).await?,
        };
        let Some(offer) = offer else { return Ok(None) };
        let ours = self.machine.has(&offer);
        memory.known.insert(*key, ours);
        Ok(Some(ours))
    }

    /// Is it time to look after the offer?
    fn is_due(&self, offer: Option<&Offer>, now: UnixTs, memory: &Memory) -> bool {
        let Some((at, kept)) = memory.offer else { return true };
        // An award by its automatic bid that came to nothing takes it off the market until it is refreshed.
        let asleep = offer.is_some_and(|offer| !offer.is_live(now));
        let pause = match kept {
            Kept::Stands if asleep => SHUT_PAUSE,
            Kept::Stands => self.policy.life / 3,
            Kept::Later => LOOK,
            Kept::Waits | Kept::Shut => SHUT_PAUSE,
        };
        // Its owner may take it back at any time.
        let live = offer.is_some_and(|offer| offer.header.state == offer_state::LIVE);
        kept == Kept::Stands && !live && at.elapsed() > RETRY_AFTER || at.elapsed() > pause
    }

    /// Another machine of the provider took the offer's number: that offer is left alone.
    fn tell_foreign(&self, offer: &Offer, memory: &mut Memory) {
        let known = memory.offer.replace((Instant::now(), Kept::Shut));
        if known.is_none_or(|(_, kept)| kept != Kept::Shut) {
            tracing::error!(
                number = self.number,
                machine = %offer.machine,
                "the offer's number is taken by another machine of this provider; restart the node with another --offer"
            );
        }
    }

    /// Takes a lease of this machine on, once. One that is over is taken on only if it is remembered. Returns `false` where that has to
    /// be tried again.
    async fn take_on(&self, key: &Pubkey, lease: &Lease, leases: &mut Leases, worker: &Worker) -> bool {
        if leases.running.contains_key(key) {
            return true;
        }
        let known = match leases.task.store.get(key) {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(lease = %key, %error, "the node's memory cannot be read");
                return false;
            }
        };
        if let Some(record) = known {
            if !record.is_cleared() {
                leases.start(record);
            }
            return true;
        }
        if lease.state() != Some(LeaseState::Starting) && !self.was_forgotten(key, lease, worker).await {
            return true; // over, or another node of this machine runs it: the deadlines decide
        }
        let in_use = leases.gpus_in_use();
        let free = self.unit.gpus.iter().find(|unit| unit.iter().all(|gpu| !in_use.contains(&gpu)));
        let Some(gpus) = free.cloned() else {
            tracing::error!(lease = %key, "a lease was won for which no GPU is free; its start deadline will pass");
            return false;
        };
        let (job, purse) = match self.job_and_purse(lease).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(lease = %key, %error, "the job and the purse of a new lease cannot be read yet");
                return false;
            }
        };
        let new = NewLease {
            lease: *key,
            job: lease.job,
            attempt: lease.number.saturating_add(1),
            buyer: lease.owner,
            poster: purse.spender,
            guardian: purse.guardian,
            manifest_hash: job.manifest_hash,
            gpus,
            sold: Sold::from(&job),
        };
        match worker.adopt(new).await {
            Ok(record) => {
                tracing::info!(lease = %key, job = %lease.job, price = lease.price, "won");
                leases.start(record);
                true
            }
            Err(error) => {
                tracing::error!(lease = %key, %error, "a new lease cannot be written down; will try again");
                false
            }
        }
    }

    /// What a new lease is of, in one request.
    async fn job_and_purse(&self, lease: &Lease) -> Result<(Job, Purse), ReadError> {
        let accounts = self.chain.client().accounts(&[lease.job, lease.purse]).await?;
        let mut accounts = accounts.into_iter().map(|account| account.filter(|account| account.lamports > 0));
        let missing = |kind, address| ReadError::Missing { kind, address };
        let job = accounts.next().flatten().ok_or(missing(Job::KIND, lease.job))?;
        let purse = accounts.next().flatten().ok_or(missing(Purse::KIND, lease.purse))?;
        let job = decode(&lease.job, &job.owner, &job.data)?;
        Ok((job, decode(&lease.purse, &purse.owner, &purse.data)?))
    }

    /// Is this an open lease that runs (or ran) here, although the store does not know it? With its container and its manifest
    /// it goes on as if nothing had happened; where its container had to be ended without a lease, it is taken on to tell
    /// the chain so, instead of letting the meter run for nothing.
    async fn was_forgotten(&self, key: &Pubkey, lease: &Lease, worker: &Worker) -> bool {
        if lease.state().is_none_or(LeaseState::is_over) {
            return false;
        }
        if self.orphans.contains(key) {
            return true;
        }
        // Which GPUs the container has is not known any more: there must be no choice.
        if self.unit.gpus.len() > 1 && self.unit.gpus.iter().any(|unit| !unit.is_empty()) {
            return false;
        }
        match worker.can_go_on(key).await {
            Ok(can) => can,
            Err(error) => {
                tracing::warn!(lease = %key, %error, "a lease that the store does not know cannot be looked at yet");
                false
            }
        }
    }
}
