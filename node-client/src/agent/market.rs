//! The node's side of the market: its offer, its bids, and the leases that it has won.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{Job, Lease, Offer, Provider, Purse, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, award, bid, enter_offer};
use gridlease_sdk::instruction::provider::{OfferMachine, OfferTerms, SpecArgs, post_offer, refresh_offer};
use gridlease_sdk::market::JOB_STATE_AT;
use solana_pubkey::Pubkey;
use tokio_util::sync::CancellationToken;

use super::Leases;
use super::chain::{Chain, Submitted};
use super::config::{OfferPolicy, Unit, gpu_root};
use super::health::Health;
use crate::bid_choice::{Decision, Reason, Side, decide};
use crate::dangling::Orphans;
use crate::sold::Sold;
use crate::store::NewLease;
use crate::worker::Worker;

/// The most that one offer asks of its machine's limit of stake: a million USDC.
const STAKE_OF_OFFER: u64 = 1_000_000_000_000;
/// How often the market is looked at.
const LOOK: Duration = Duration::from_millis(700);
/// How long an `auto_bid` offer is left to keepers before the node enters it itself.
const ENTER_AFTER: Duration = Duration::from_millis(2_500);
/// Between two prunings of old leases.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// After a refused or failed submission for one job, it is left alone this long.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Life that is left to an offer with open leases when it is taken back; one that has passed would be refused.
const LAST_SECONDS: u64 = 10;
/// Most jobs remembered.
const MAX_JOBS: usize = 4_096;

/// The market task.
pub(crate) struct MarketTask {
    pub(crate) chain: Chain,
    pub(crate) health: Health,
    pub(crate) provider: Pubkey,
    pub(crate) unit: Unit,
    pub(crate) policy: OfferPolicy,
    pub(crate) orphans: Orphans,
    pub(crate) patience: Duration,
    pub(crate) shutdown: CancellationToken,
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
        let mut followed = HashMap::new();
        let mut last_refresh: Option<tokio::time::Instant> = None;
        let mut last_prune = tokio::time::Instant::now();
        while !self.shutdown.is_cancelled() {
            let looked = tokio::select! {
                () = self.shutdown.cancelled() => break,
                looked = self.look(leases, worker, &mut followed, &mut last_refresh) => looked,
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

    async fn look(
        &self,
        leases: &mut Leases,
        worker: &Worker,
        followed: &mut HashMap<Pubkey, Followed>,
        last_refresh: &mut Option<tokio::time::Instant>,
    ) -> anyhow::Result<()> {
        leases.reap();
        let client = self.chain.client();
        for (key, lease) in client.leases_of(&self.provider).await.context("reading this provider's leases")? {
            self.take_on(&key, &lease, leases, worker).await;
        }
        let offer_key = address::offer(&self.provider, self.policy.number);
        let offer: Option<Offer> = client.find(&offer_key).await.context("reading the offer")?;
        let now = self.chain.now().await.context("reading the chain's clock")?;
        if let Some(problem) = self.health.problem().await {
            if offer.as_ref().is_some_and(|offer| offer.is_live(now.ts) && offer.units_free > 0) {
                tracing::error!("the machine is not well, its offer is taken back: {problem}");
                self.suspend().await;
            }
            *last_refresh = None; // the offer is made anew once the machine is well
            return Ok(());
        }
        if last_refresh.is_none_or(|at| at.elapsed() > self.policy.life / 3) || offer.is_none() {
            let open = leases.running.keys().copied().collect();
            let room_mib = worker.disk_room(open).await?.map_or(u64::MAX, |bytes| bytes / (1024 * 1024));
            if self.keep_offer(offer.as_ref(), now, room_mib).await {
                *last_refresh = Some(tokio::time::Instant::now());
            }
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
        followed.retain(|key, _| jobs.iter().any(|(job, _)| job == key));
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
            let seen = followed.entry(key).or_insert_with(|| {
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
        let bidder = BidderKeys { provider: self.provider, offer: self.policy.number, bond: side.provider.bond };
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
        let leads = job.bids().first().is_some_and(|best| best.provider == self.provider);
        if !leads || now.ts < UnixTs(job.close_ts.saturating_add(self.patience.as_secs())) {
            return;
        }
        seen.not_before = tokio::time::Instant::now() + RETRY_AFTER;
        let bidder = match self.chain.client().provider_at(&self.provider).await {
            Ok(provider) => BidderKeys { provider: self.provider, offer: self.policy.number, bond: provider.bond },
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

    /// Takes a lease of this provider on, once. One that is over is taken on only if it is remembered.
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
            return; // over, or another node of this provider runs it: the deadlines decide
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

    fn terms(&self, now: Now) -> OfferTerms {
        OfferTerms {
            ask: self.policy.ask,
            floor: self.policy.floor,
            expires_ts: now.ts.0.saturating_add(self.policy.life.as_secs()),
            units: self.policy.units,
            auto_bid: self.policy.auto_bid,
        }
    }

    /// Posts, refreshes or revives the offer; `true` where it stands. `room_mib`: what the disk has for all units.
    async fn keep_offer(&self, offer: Option<&Offer>, now: Now, room_mib: u64) -> bool {
        let (node_key, number) = (self.chain.node_key(), self.policy.number);
        let instructions = match offer {
            // After a change of the machine or of its units' size, what the chain says must not be sold any longer.
            Some(offer) if offer.header.state == offer_state::LIVE && !self.is_of_this_machine(offer, room_mib) => {
                let mut anew = vec![self.withdrawal(offer).await];
                if offer.units_free == offer.units {
                    anew.push(self.post(now, room_mib).await);
                }
                anew
            }
            Some(offer) if offer.header.state == offer_state::LIVE => {
                vec![refresh_offer(&node_key, &self.provider, number, self.terms(now))]
            }
            // Withdrawn earlier: it has to be closed before it can be posted again.
            Some(offer) if offer.units_free < offer.units => {
                tracing::info!("the withdrawn offer waits for its open leases");
                return false;
            }
            Some(offer) => vec![self.withdrawal(offer).await, self.post(now, room_mib).await],
            None => vec![self.post(now, room_mib).await],
        };
        match self.chain.submit(&instructions).await {
            Submitted::Landed(signature) => {
                tracing::info!(%signature, ask = self.policy.ask, floor = self.policy.floor, "the offer stands");
                true
            }
            Submitted::Refused { reason, .. } => {
                tracing::error!("the offer was refused: {reason}");
                false
            }
            Submitted::Later(reason) => {
                tracing::warn!("the offer did not go through: {reason}");
                false
            }
        }
    }

    /// Does the offer on chain promise what this machine has? Free disk varies, so less than there is will do, but never more
    /// than there is room for beside the results that are kept.
    fn is_of_this_machine(&self, offer: &Offer, room_mib: u64) -> bool {
        let (promised, own) = (offer.unit(), self.unit.spec);
        let uuids: Vec<String> = self.unit.gpus.iter().flatten().cloned().collect();
        let disk_fits = promised.disk_mib <= own.disk_mib || self.policy.disk_mib.is_none();
        let same = gridlease_core::requirement::OfferSpec { disk_mib: own.disk_mib, ..promised } == own;
        same && disk_fits && !self.policy.oversells(&promised, room_mib) && offer.gpu_root == gpu_root(&uuids)
    }

    async fn post(&self, now: Now, room_mib: u64) -> solana_instruction::Instruction {
        let spec = &self.policy.within(self.unit.spec, room_mib);
        let uuids: Vec<String> = self.unit.gpus.iter().flatten().cloned().collect();
        let machine = OfferMachine {
            spec: SpecArgs {
                vram_mib: spec.vram_mib,
                cpu_milli: spec.cpu_milli,
                memory_mib: spec.memory_mib,
                disk_mib: spec.disk_mib,
                down_mbit: spec.down_mbit,
                up_mbit: spec.up_mbit,
                flags: spec.flags,
                compute_capability: spec.compute_capability,
                cuda: spec.cuda,
                gpu_model: spec.gpu_model,
                gpu_count: spec.gpu_count,
                region: spec.region,
            },
            gpu_root: gpu_root(&uuids),
            benchmark_hash: [0; 32],
            benchmark: 0,
            stake_limit: self.stake_limit().await,
        };
        post_offer(&self.chain.node_key(), &self.provider, self.policy.number, machine, self.terms(now))
    }

    /// What the offer may bind of the bond: what the machine has left, at most [`STAKE_OF_OFFER`], so that other offers of the same
    /// machine have theirs. Where it cannot be read, the chain has the last word.
    async fn stake_limit(&self) -> u64 {
        match self.chain.client().provider_at(&self.provider).await {
            Ok(record) => record.stake_limit.saturating_sub(record.allotted).min(STAKE_OF_OFFER),
            Err(error) => {
                tracing::warn!(%error, "the machine's limit of stake cannot be read");
                STAKE_OF_OFFER
            }
        }
    }

    /// Takes the offer off the market: withdrawn where no lease is open, else left without a free unit and soon to
    /// expire, because a withdrawn offer could not be revived while its leases run. What fails here, its expiry does.
    async fn suspend(&self) {
        let key = address::offer(&self.provider, self.policy.number);
        let client = self.chain.client();
        let Ok(Some(offer)) = client.find::<Offer>(&key).await else { return };
        let (node_key, number) = (self.chain.node_key(), self.policy.number);
        let open = offer.units.saturating_sub(offer.units_free);
        let instruction = if open == 0 {
            self.withdrawal(&offer).await
        } else {
            let Ok(now) = self.chain.now().await else { return };
            let expires_ts = now.ts.0.saturating_add(LAST_SECONDS);
            let terms = OfferTerms { units: open, auto_bid: false, expires_ts, ..self.terms(now) };
            refresh_offer(&node_key, &self.provider, number, terms)
        };
        match self.chain.submit(&[instruction]).await {
            Submitted::Landed(signature) if open == 0 => {
                tracing::info!(%signature, "the offer is withdrawn, its rent returned");
            }
            Submitted::Landed(signature) => {
                tracing::info!(%signature, open, "the offer takes no more leases; the open ones run on");
            }
            Submitted::Refused { reason, .. } | Submitted::Later(reason) => {
                tracing::warn!("the offer could not be taken back ({reason}); it expires by itself");
            }
        }
    }
}
