//! A job as it stands, and the list of a buyer's jobs.

use std::time::Duration;

use gridlease_core::job::{EndReason, JobState};
use gridlease_sdk::account::{Job, Lease};
use gridlease_sdk::address;
use gridlease_sdk::market::JOB_OWNER_AT;
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::Buyer;
use super::event::{Money, as_text};
use super::store::{JobRecord, Posting};
use super::track::Gone;
use crate::amount::Usdc;
use crate::error::CliError;
use crate::history;
use crate::steps::{LeaseView, view_of};

/// How long the node is waited for.
const ANSWER: Duration = Duration::from_secs(3);

/// A bid in a job's book.
#[derive(Clone, Debug, Serialize)]
pub struct BidView {
    /// Rank, 1 the best.
    pub rank: usize,
    /// The provider record.
    #[serde(serialize_with = "as_text")]
    pub provider: Pubkey,
    /// Price per hour.
    pub price: Usdc,
    /// Score in 10⁻⁸ of the scale.
    pub score: u32,
}

/// A job that is over and closed, as the history tells it.
#[derive(Clone, Debug, Serialize)]
pub struct PastLease {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// The provider record.
    #[serde(serialize_with = "as_text")]
    pub provider: Pubkey,
    /// Price per hour.
    pub price: Usdc,
    /// Why it ended.
    pub reason: &'static str,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// The amounts.
    #[serde(flatten)]
    pub money: Money,
    /// Root over the outputs, hex.
    pub result_hash: String,
}

/// A job, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// The job.
    #[serde(serialize_with = "as_text")]
    pub job: Pubkey,
    /// Name from the manifest, where the job was posted from here.
    pub name: Option<String>,
    /// Its state: open, leased, ended, closed.
    pub state: &'static str,
    /// Why it ended, in words; "running" before.
    pub reason: &'static str,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// Why and how it ended in the words of the node that ran it last; none where it says nothing or cannot be asked.
    pub node_message: Option<String>,
    /// The buyer; none where the account is closed.
    pub owner: Option<String>,
    /// The most that it pays per hour.
    pub max_price: Option<Usdc>,
    /// The longest time, seconds.
    pub max_duration_s: Option<u32>,
    /// Held by the job itself; the lease holds its own.
    pub reserved: Usdc,
    /// When it was posted, Unix seconds.
    pub posted_ts: Option<u64>,
    /// End of the bidding, Unix seconds; none where it is not open.
    pub close_ts: Option<u64>,
    /// Until when a job that waits for bids does so, Unix seconds; none for others.
    pub expires_ts: Option<u64>,
    /// Attempts left.
    pub attempts_left: Option<u8>,
    /// SHA-256 of the canonical manifest, hex.
    pub manifest_hash: Option<String>,
    /// The bids, best first.
    pub bids: Vec<BidView>,
    /// The lease opened last, while its account is there.
    pub lease: Option<LeaseView>,
    /// The leases whose accounts are gone.
    pub past_leases: Vec<PastLease>,
}

/// One line of the list of jobs.
#[derive(Clone, Debug, Serialize)]
pub struct JobLine {
    /// The job.
    pub job: String,
    /// Name from the manifest, where the job was posted from here.
    pub name: Option<String>,
    /// Its state: waiting, open, leased, finished, ended, closed, not posted.
    pub state: &'static str,
    /// Why it ended, in words.
    pub reason: &'static str,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// The most that it pays per hour.
    pub max_price: Option<Usdc>,
    /// When it was posted, Unix seconds.
    pub posted_ts: u64,
}

fn state_name(job: &Job) -> &'static str {
    match job.state() {
        Some(JobState::Open) => "open",
        Some(JobState::Leased) => "leased",
        Some(JobState::Ended) => "ended",
        Some(JobState::Waiting) => "waiting",
        Some(JobState::Review) => "finished",
        None => "unknown",
    }
}

impl Buyer {
    /// A job as it stands; one whose account is closed is told from the chain's history.
    ///
    /// # Errors
    /// [`CliError::Missing`], or the read's.
    pub async fn show(&self, job: &Pubkey) -> Result<JobView, CliError> {
        let client = self.chain().client();
        let name = self.store().find(job)?.map(|record| record.name);
        let Some(found) = client.find::<Job>(job).await? else {
            return self.show_past(job, name).await;
        };
        let now = client.now().await?;
        let mut lease = None;
        if let Some(key) = found.current_lease(job) {
            lease = client.find::<Lease>(&key).await?.map(|lease| view_of(key, &lease, now));
        }
        // Of a job that waits again, what became of its leases is what its owner wants to know.
        let past =
            if found.leases > 0 && lease.is_none() { history::of_job(client, job).await?.leases } else { Vec::new() };
        let node_message = match &lease {
            Some(lease) => self.word_of(&lease.provider, &lease.lease).await,
            None => self.last_word(job, &past).await,
        };
        let bids = (1..).zip(found.bids()).map(|(rank, bid)| BidView {
            rank,
            provider: bid.provider,
            price: Usdc(bid.price),
            score: bid.score,
        });
        Ok(JobView {
            job: *job,
            name,
            state: state_name(&found),
            reason: found.end_reason().name(),
            exit_code: found.exit(),
            node_message,
            owner: Some(found.owner.to_string()),
            max_price: Some(Usdc(found.max_price)),
            max_duration_s: Some(found.max_duration_s),
            reserved: Usdc(found.reserved),
            posted_ts: Some(found.posted_ts),
            close_ts: (found.state() == Some(JobState::Open)).then_some(found.close_ts),
            expires_ts: (found.state() == Some(JobState::Waiting)).then_some(found.expires_at),
            attempts_left: Some(found.attempts_left),
            manifest_hash: Some(hex::encode(found.manifest_hash)),
            bids: bids.collect(),
            lease,
            past_leases: past_leases(job, &past),
        })
    }

    async fn show_past(&self, job: &Pubkey, name: Option<String>) -> Result<JobView, CliError> {
        let past = history::of_job(self.chain().client(), job).await?;
        if !past.posted && past.leases.is_empty() {
            return Err(self.no_job(job));
        }
        let last = past.leases.last();
        let reason = past.reason.or(last.map(|gone| gone.reason)).unwrap_or(EndReason::None);
        let node_message = self.last_word(job, &past.leases).await;
        Ok(JobView {
            job: *job,
            name,
            state: "closed",
            reason: reason.name(),
            exit_code: last.and_then(|gone| gone.exit_code),
            node_message,
            owner: None,
            max_price: None,
            max_duration_s: None,
            reserved: Usdc(0),
            posted_ts: None,
            close_ts: None,
            expires_ts: None,
            attempts_left: None,
            manifest_hash: None,
            bids: Vec::new(),
            lease: None,
            past_leases: past_leases(job, &past.leases),
        })
    }

    /// What the node that had the last of a job's leases has to say about it.
    async fn last_word(&self, job: &Pubkey, past: &[Gone]) -> Option<String> {
        let (number, gone) = (0u8..).zip(past).last()?;
        self.word_of(&gone.provider, &address::lease(job, number)).await
    }

    /// What the node has to say about a lease. It keeps that for a while after the end; one that does not answer soon, or not
    /// to this key, says nothing.
    pub(super) async fn word_of(&self, provider: &Pubkey, lease: &Pubkey) -> Option<String> {
        let ask = async { self.node_of(provider, lease).await.ok()?.status(lease).await.ok() };
        let status = tokio::time::timeout(ANSWER, ask).await.ok().flatten()?;
        (!status.message.is_empty()).then_some(status.message)
    }

    /// The buyer's jobs, the newest first: those on chain, and with `all` those that this machine remembers.
    ///
    /// # Errors
    /// [`CliError`].
    pub async fn jobs(&self, all: bool) -> Result<Vec<JobLine>, CliError> {
        let owner = self.address();
        let on_chain = self.chain().client().all::<Job>(&[(JOB_OWNER_AT, owner.as_ref())]).await?;
        let (cluster, owner) = (self.chain().cluster(), owner.to_string());
        let mut records = self.store().list()?;
        records.retain(|record| record.cluster == cluster && record.owner == owner);
        let name_of = |job: &str| records.iter().find(|record| record.job == job).map(|record| record.name.clone());
        let mut lines: Vec<JobLine> = on_chain
            .iter()
            .map(|(key, job)| JobLine {
                job: key.to_string(),
                name: name_of(&key.to_string()),
                state: state_name(job),
                reason: job.end_reason().name(),
                exit_code: job.exit(),
                max_price: Some(Usdc(job.max_price)),
                posted_ts: job.posted_ts,
            })
            .collect();
        if all {
            let missing = |record: &&JobRecord| !lines.iter().any(|line| line.job == record.job);
            let remembered: Vec<JobLine> = records.iter().filter(missing).map(remembered).collect();
            lines.extend(remembered);
        }
        lines.sort_by_key(|line| std::cmp::Reverse(line.posted_ts));
        Ok(lines)
    }
}

fn past_leases(job: &Pubkey, past: &[Gone]) -> Vec<PastLease> {
    let view = |(number, gone): (u8, &Gone)| PastLease {
        lease: address::lease(job, number),
        provider: gone.provider,
        price: gone.price.into(),
        reason: gone.reason.name(),
        exit_code: gone.exit_code,
        money: gone.money(),
        result_hash: hex::encode(gone.result_hash),
    };
    (0u8..).zip(past).map(view).collect()
}

fn remembered(record: &JobRecord) -> JobLine {
    let ending = record.ending.as_ref();
    let reason =
        ending.map_or(EndReason::None, |ending| EndReason::from_byte(ending.reason).unwrap_or(EndReason::None));
    let state = if record.posting == Posting::Intended { "not posted" } else { "closed" };
    JobLine {
        job: record.job.clone(),
        name: Some(record.name.clone()),
        state,
        reason: if reason == EndReason::None { "" } else { reason.name() },
        exit_code: ending.and_then(|ending| ending.exit_code),
        max_price: None,
        posted_ts: record.created_ms / 1_000,
    }
}
