//! The leases that this machine has won: told from those of the provider's other machines, and taken on, each once.

use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Job, Kind as _, Lease, Offer, Purse, decode};
use gridlease_sdk::address;
use gridlease_sdk::market::ReadError;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::Leases;
use super::market::{LOOK_AGAIN, MarketTask, Memory, RETRY_AFTER};
use crate::lease::Worker;
use crate::sold::Sold;
use crate::store::NewLease;

impl MarketTask {
    /// Takes on what was won, and remembers which leases of the provider are this machine's.
    pub(super) async fn take_on_all(&self, leases: &mut Leases, worker: &Worker, memory: &mut Memory) {
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
