//! The node's side of the market: its offer, its bids, and the leases that it has won.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{BookEntry, Job, Lease, Offer, Provider, Purse, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, award, bid, enter_offer};
use gridlease_sdk::machine::ProviderMachine;
use gridlease_sdk::market::JOB_STATE_AT;
use solana_pubkey::Pubkey;
use tokio_util::sync::CancellationToken;

use super::Leases;
use super::chain::{Chain, Submitted};
use super::config::{OfferPolicy, Unit};
use super::health::Health;
use super::offer::Kept;
use crate::bid_choice::{Decision, Reason, Side, decide};
use crate::dangling::Orphans;
use crate::sold::Sold;
use crate::store::NewLease;
use crate::worker::Worker;

/// How often the market is looked at.
const LOOK: Duration = Duration::from_millis(700);
/// How long an `auto_bid` offer is left to keepers before the node enters it itself.
const ENTER_AFTER: Duration = Duration::from_millis(2_500);
/// Between two prunings of old leases.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// How long an offer that cannot be made now, or that the market put to sleep, is left alone.
const SHUT_PAUSE: Duration = Duration::from_secs(5);
/// After a refused or failed submission for one job, it is left alone this long.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Most jobs remembered.
const MAX_JOBS: usize = 4_096;

/// The market task.
pub(crate) struct MarketTask {
    pub(crate) chain: Chain,
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
    /// When the offer was looked after, and what came of it.
    offer: Option<(tokio::time::Instant, Kept)>,
}

/// What is remembered of a job between two looks.
#[derive(Clone, Copy)]
struct Followed {
    first_seen: tokio::time::Instant,
    not_before: tokio::time::Instant,
}

impl MarketTask {
    /// Runs until shutdown.
    pub(crate) async fn run(&self, leases: &mut Leases, worker: &Worker) {
        let mut memory = Memory::default();
        let mut last_prune = tokio::time::Instant::now();
        while !self.shutdown.is_cancelled() {
            let looked = tokio::select! {
                () = self.shutdown.cancelled() => break,
                looked = self.look(leases, worker, &mut memory) => looked,
            };
            if let Err(error) = looked {
                tracing::warn!("the market cannot be looked at: {error:#}");
            }
            if last_prune.elapsed() > PRUNE_EVERY {
                last_prune = tokio::time::Instant::now();
                match worker.prune().await {
                    Ok(pruned) => pruned.iter().for_each(|lease| leases.task.board.remove(lease)),
                    Err(error) => tracing::warn!(%error, "old leases cannot be pruned"),
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.suspend().await;
        if !leases.running.is_empty() {
            tracing::info!(open = leases.running.len(), "open leases run on; the next start takes them up again");
        }
    }

    async fn look(&self, leases: &mut Leases, worker: &Worker, memory: &mut Memory) -> anyhow::Result<()> {
        leases.reap();
        let client = self.chain.client();
        let all = client.leases_of(&self.provider).await.context("reading this provider's leases")?;
        memory.known.retain(|lease, _| all.iter().any(|(key, _)| key == lease));
        for (key, lease) in all {
            if leases.running.contains_key(&key) || self.is_ours(&key, &lease, memory).await? {
                self.take_on(&key, &lease, leases, worker).await;
            }
        }
        let offer_key = address::offer(&self.provider, self.number);
        let offer: Option<Offer> = client.find(&offer_key).await.context("reading the offer")?;
        if let Some(offer) = offer.as_ref().filter(|offer| !self.machine.has(offer)) {
            self.tell_foreign(offer, memory);
            return Ok(());
        }
        let now = self.chain.now().await.context("reading the chain's clock")?;
        if let Some(problem) = self.health.problem().await {
            if offer.as_ref().is_some_and(|offer| offer.is_live(now.ts) && offer.units_free > 0) {
                tracing::error!("the machine is not well, its offer is taken back: {problem}");
                self.suspend().await;
            }
            memory.offer = None; // the offer is made anew once the machine is well
            return Ok(());
        }
        if self.is_due(offer.as_ref(), now.ts, memory) {
            let open = leases.running.keys().copied().collect();
            let room_mib = worker.disk_room(open).await?.map_or(u64::MAX, |bytes| bytes / (1024 * 1024));
            let before = memory.offer.map(|(_, kept)| kept);
            let kept = self.keep_offer(offer.as_ref(), now, room_mib, before).await;
            memory.offer = Some((tokio::time::Instant::now(), kept));
            return Ok(());
        }
        let Some(offer) = offer else { return Ok(()) };
        if !self.keep_claims(&offer).await.context("reading the claims of this machine's GPUs")? {
            tokio::time::sleep(RETRY_AFTER).await;
            return Ok(());
        }
        // Those that wait for a first bid, and those whose window is open or over.
        let mut jobs = Vec::new();
        for state in [JobState::Waiting, JobState::Open] {
            let filter = [state as u8];
            jobs.extend(client.all::<Job>(&[(JOB_STATE_AT, &filter)]).await.context("reading the open jobs")?);
        }
        memory.jobs.retain(|key, _| jobs.iter().any(|(job, _)| job == key));
        if jobs.is_empty() {
            return Ok(());
        }
        let provider: Provider = client.provider_at(&self.provider).await.context("reading the provider record")?;
        let bond = client.bond_of(&provider.authority).await.context("reading the bond")?;
        let bond = bond.map(|bond| bond.amounts()).unwrap_or_default();
        let side = Side {
            provider_key: &self.provider,
            provider: &provider,
            offer: &offer,
            bond,
            free_units: u32::from(self.policy.units)
                .saturating_sub(u32::try_from(leases.running.len()).unwrap_or(u32::MAX)),
        };
        for (key, job) in jobs.into_iter().take(MAX_JOBS) {
            let seen = memory.jobs.entry(key).or_insert_with(|| {
                let now = tokio::time::Instant::now();
                Followed { first_seen: now, not_before: now }
            });
            if tokio::time::Instant::now() < seen.not_before {
                continue;
            }
            if job.state() == Some(JobState::Open) && now.ts.0 >= job.close_ts {
                self.award_own(&key, &job, now, seen).await;
            } else {
                self.bid(&side, &key, &job, now, seen).await;
            }
        }
        Ok(())
    }

    async fn bid(&self, side: &Side<'_>, key: &Pubkey, job: &Job, now: Now, seen: &mut Followed) {
        let price = match decide(side, job, now.ts) {
            Decision::Bid(price) => price,
            Decision::Leave(Reason::Standing | Reason::NotOpen) => return,
            Decision::Leave(reason) => {
                tracing::debug!(job = %key, ?reason, "left alone");
                return;
            }
        };
        let bidder = BidderKeys { provider: self.provider, offer: self.number, bond: side.provider.bond };
        let (what, instruction) = if self.policy.auto_bid {
            // Entering it is keepers' work; where there is none, the node does it itself in time.
            let left = job.close_ts.saturating_sub(now.ts.0);
            let waits = job.state() == Some(JobState::Waiting);
            if seen.first_seen.elapsed() < ENTER_AFTER && (waits || left > 4) {
                return;
            }
            ("enter_offer", enter_offer(key, &bidder))
        } else {
            ("bid", bid(&self.chain.node_key(), key, &bidder, price.0))
        };
        seen.not_before = tokio::time::Instant::now() + RETRY_AFTER;
        match self.chain.submit(&[instruction]).await {
            Submitted::Landed(signature) => {
                seen.not_before = tokio::time::Instant::now();
                tracing::info!(job = %key, price = price.0, %signature, "{what}");
            }
            Submitted::Refused { reason, .. } => tracing::info!(job = %key, "{what} was refused: {reason}"),
            Submitted::Later(reason) => tracing::warn!(job = %key, "{what} did not go through: {reason}"),
        }
    }

    /// Awards a job that this node leads, where nobody else did it for a while.
    async fn award_own(&self, key: &Pubkey, job: &Job, now: Now, seen: &mut Followed) {
        // A bid of another machine of this provider is that one's to award.
        let own = |bid: &BookEntry| bid.provider == self.provider && bid.offer == self.number;
        let leads = job.bids().first().is_some_and(own);
        if !leads || now.ts < UnixTs(job.close_ts.saturating_add(self.patience.as_secs())) {
            return;
        }
        seen.not_before = tokio::time::Instant::now() + RETRY_AFTER;
        let bidder = match self.chain.client().provider_at(&self.provider).await {
            Ok(provider) => BidderKeys { provider: self.provider, offer: self.number, bond: provider.bond },
            Err(error) => {
                tracing::warn!(job = %key, %error, "the award waits for the chain");
                return;
            }
        };
        match self.chain.submit(&[award(key, &job.purse, job.leases, &[bidder])]).await {
            Submitted::Landed(signature) => tracing::info!(job = %key, %signature, "awarded by the node itself"),
            Submitted::Refused { reason, .. } => tracing::info!(job = %key, "award was refused: {reason}"),
            Submitted::Later(reason) => tracing::warn!(job = %key, "award did not go through: {reason}"),
        }
    }

    /// Is a lease of this provider one of this machine? An offer stays as long as it has leases, and each is asked about once.
    async fn is_ours(&self, key: &Pubkey, lease: &Lease, memory: &mut Memory) -> anyhow::Result<bool> {
        if let Some(ours) = memory.known.get(key) {
            return Ok(*ours);
        }
        let offer: Option<Offer> =
            self.chain.client().find(&lease.offer).await.context("reading the offer of a lease")?;
        let Some(offer) = offer else { return Ok(false) };
        let ours = self.machine.has(&offer);
        memory.known.insert(*key, ours);
        Ok(ours)
    }

    /// Is it time to look after the offer?
    fn is_due(&self, offer: Option<&Offer>, now: UnixTs, memory: &Memory) -> bool {
        let Some((at, kept)) = memory.offer else { return true };
        // An award by its automatic bid that came to nothing takes it off the market until it is refreshed.
        let asleep = offer.is_some_and(|offer| !offer.is_live(now));
        let pause = match kept {
            Kept::Stands if asleep => SHUT_PAUSE,
            Kept::Stands => self.policy.life / 3,
            Kept::Later => Duration::ZERO,
            Kept::Waits | Kept::Shut => SHUT_PAUSE,
        };
        // Its owner may take it back at any time.
        let live = offer.is_some_and(|offer| offer.header.state == offer_state::LIVE);
        kept == Kept::Stands && !live || at.elapsed() > pause
    }

    /// Another machine of the provider took the offer's number: that offer is left alone.
    fn tell_foreign(&self, offer: &Offer, memory: &mut Memory) {
        let known = memory.offer.replace((tokio::time::Instant::now(), Kept::Shut));
        if known.is_none_or(|(_, kept)| kept != Kept::Shut) {
            tracing::error!(
                number = self.number,
                machine = %offer.machine,
                "the offer's number is taken by another machine of this provider; restart the node with another --offer"
            );
        }
    }

    /// Takes a lease of this machine on, once. One that is over is taken on only if it is remembered.
    async fn take_on(&self, key: &Pubkey, lease: &Lease, leases: &mut Leases, worker: &Worker) {
        if leases.running.contains_key(key) {
            return;
        }
        let known = match leases.task.store.get(key) {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(lease = %key, %error, "the node's memory cannot be read");
                return;
            }
        };
        if let Some(record) = known {
            if !record.is_cleared() {
                leases.start(record);
            }
            return;
        }
        if lease.state() != Some(LeaseState::Starting) && !self.was_forgotten(key, lease, worker).await {
            return; // over, or another node of this machine runs it: the deadlines decide
        }
        let in_use = leases.gpus_in_use();
        let free = self.unit.gpus.iter().find(|unit| unit.iter().all(|gpu| !in_use.contains(&gpu)));
        let Some(gpus) = free.cloned() else {
            tracing::error!(lease = %key, "a lease was won for which no GPU is free; its start deadline will pass");
            return;
        };
        let job: Job = match self.chain.client().get(&lease.job).await {
            Ok(job) => job,
            Err(error) => {
                tracing::warn!(lease = %key, %error, "the job of a new lease cannot be read yet");
                return;
            }
        };
        let purse: Purse = match self.chain.client().get(&lease.purse).await {
            Ok(purse) => purse,
            Err(error) => {
                tracing::warn!(lease = %key, %error, "the purse of a new lease cannot be read yet");
                return;
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
            }
            Err(error) => tracing::error!(lease = %key, %error, "a new lease cannot be written down; will try again"),
        }
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
