//! Following a job: one stream of everything that happens to it, on chain and on the node.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use gridlease_core::job::EndReason;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{Job, Lease, decode};
use gridlease_sdk::address;
use gridlease_sdk::rpc::Watch;
use solana_pubkey::Pubkey;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use super::Buyer;
use super::event::JobEvent;
use super::node::{End, Talk};
use super::store::Ending;
use super::track::{Gone, Past, Snapshot, Tracker};
use crate::error::CliError;
use crate::history;

/// Events that wait for the listener.
const QUEUE: usize = 256;
/// The chain is looked at this often even if nothing calls.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// No two looks are closer than this.
const LOOK_PAUSE: Duration = Duration::from_millis(150);
/// How often in a row a look may find less than the history has to tell: a server that lags behind.
const MAX_BLIND: u32 = 15;
/// Longest pause between looks while the network does not answer.
const MAX_PAUSE: Duration = Duration::from_secs(15);
/// Length of a slot, for the money in between two looks.
const SLOT: Duration = Duration::from_millis(400);

/// How far a job is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until it has ended.
    Ended,
    /// Until the provider is paid.
    Settled,
    /// Until its accounts are gone.
    Closed,
}

/// How to follow a job.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Read the container's log.
    pub logs: bool,
    /// Fetch the outputs into this folder, which must not exist, be empty, or hold these very outputs.
    pub outputs: Option<PathBuf>,
    /// How far.
    pub until: Until,
    /// How long what `until` asks for is waited for once the job has ended: nobody may be there to do it.
    pub patience: Duration,
    /// How often the money is told while the lease runs.
    pub money_every: Duration,
}

impl Default for FollowOptions {
    /// With logs, without outputs, until settled or a minute after the end, the money with each slot.
    fn default() -> Self {
        Self { logs: true, outputs: None, until: Until::Settled, patience: Duration::from_secs(60), money_every: SLOT }
    }
}

/// What happens to a job. An error is the last item. Dropping it ends everything that it runs.
#[derive(Debug)]
pub struct JobEvents {
    events: mpsc::Receiver<Result<JobEvent, CliError>>,
    task: AbortHandle,
}

impl Stream for JobEvents {
    type Item = Result<JobEvent, CliError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context)
    }
}

impl Drop for JobEvents {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Buyer {
    /// Follows `job` from where it stands: what happened before is told first, as far as the chain still knows it. Manifest
    /// and inputs are pushed to the winner, and to a runner-up, where this machine has them. Must be called within a tokio
    /// runtime.
    pub fn follow(&self, job: Pubkey, options: FollowOptions) -> JobEvents {
        let (sender, events) = mpsc::channel(QUEUE);
        let buyer = self.clone();
        let task = tokio::spawn(async move {
            let failures = sender.clone();
            let follower = Follower {
                tracker: Tracker::new(job),
                buyer,
                job,
                options,
                events: sender,
                talk: None,
                lease_watch: None,
                ended_at: None,
            };
            if let Err(Stop::Failed(error)) = follower.run().await {
                // Nobody may be listening.
                let _ = failures.send(Err(error)).await;
            }
        });
        JobEvents { events, task: task.abort_handle() }
    }
}

/// Why following ends before its time.
enum Stop {
    Gone,
    Failed(CliError),
}

struct Running {
    lease: Pubkey,
    started: watch::Sender<bool>,
    end: watch::Sender<Option<End>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    buyer: Buyer,
    job: Pubkey,
    options: FollowOptions,
    tracker: Tracker,
    events: mpsc::Sender<Result<JobEvent, CliError>>,
    talk: Option<Running>,
    lease_watch: Option<(Pubkey, Watch)>,
    ended_at: Option<Instant>,
}

impl Follower {
    async fn run(mut self) -> Result<(), Stop> {
        let mut job_watch = self.buyer.chain().client().watch_account(self.job);
        let mut pause = LOOK_PAUSE;
        let mut silent = false;
        let mut known = false;
        let mut blind = 0;
        loop {
            match self.look(known).await {
                Ok(Some((snapshot, past))) => {
                    (pause, silent, blind) = (LOOK_PAUSE, false, 0);
                    known = true;
                    for mut event in self.tracker.observe(&snapshot, past.as_ref()) {
                        self.react(&event)?;
                        self.ask_why(&mut event).await;
                        self.tell(event).await?;
                    }
                    if self.is_done().await? {
                        break;
                    }
                    tokio::time::sleep(LOOK_PAUSE).await;
                    self.wait(&mut job_watch, &snapshot).await?;
                }
                Ok(None) => {
                    blind += 1;
                    if blind > MAX_BLIND {
                        return Err(Stop::Failed(self.no_history()));
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error @ (CliError::Missing { .. } | CliError::Store(_))) => return Err(Stop::Failed(error)),
                Err(error) => {
                    if !silent {
                        silent = true;
                        self.tell(JobEvent::Trouble { what: error.to_string(), last: false }).await?;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
        if let Some(mut talk) = self.talk.take() {
            // Its own waits are bounded.
            let _ = (&mut talk.task).await;
        }
        Ok(())
    }

    /// One look at the chain; none where a server lags behind and nothing can be told.
    async fn look(&self, known: bool) -> Result<Option<(Snapshot, Option<Past>)>, CliError> {
        let client = self.buyer.chain().client();
        let mut numbers = self.tracker.open_leases();
        numbers.push(self.tracker.leases());
        let mut keys = vec![self.job];
        keys.extend(numbers.iter().map(|number| address::lease(&self.job, *number)));
        let (now, accounts) = tokio::join!(client.now(), client.accounts(&keys));
        let mut accounts = accounts?.into_iter().map(|account| account.filter(|account| account.lamports > 0));
        let job: Option<Job> = match accounts.next().flatten() {
            Some(account) => Some(decode(&self.job, &account.owner, &account.data)?),
            None => None,
        };
        let mut leases = Vec::new();
        for ((number, key), account) in numbers.iter().zip(keys.iter().skip(1)).zip(accounts) {
            if let Some(account) = account {
                leases.push((*number, decode::<Lease>(key, &account.owner, &account.data)?));
            }
        }
        // More leases than one look expects: the others were over before this one began.
        for number in numbers.last().map_or(0, |last| last + 1)..job.map_or(0, |job| job.leases) {
            if let Some(lease) = client.find::<Lease>(&address::lease(&self.job, number)).await? {
                leases.push((number, lease));
            }
        }
        let snapshot = Snapshot { job, leases, now: now? };
        if !self.tracker.needs_past(&snapshot) {
            return Ok(Some((snapshot, None)));
        }
        let past = history::of_job(client, &self.job).await?;
        if job.is_none() && !past.closed {
            if !known && !past.posted {
                return Err(self.buyer.no_job(&self.job));
            }
            return Ok(None);
        }
        let untold = |number: u8, gone: &Gone| {
            gone.reason == EndReason::None && !snapshot.leases.iter().any(|(here, _)| *here == number)
        };
        let complete = (0..).zip(&past.leases).all(|(number, gone)| !untold(number, gone));
        if !complete || past.leases.len() < job.map_or(0, |job| job.leases.into()) {
            return Ok(None);
        }
        Ok(Some((snapshot, Some(past))))
    }

    fn no_history(&self) -> CliError {
        CliError::State(format!(
            "accounts of job {} are closed and {} does not tell what became of them; choose an RPC that keeps transactions with --url",
            self.job,
            self.buyer.chain().cluster()
        ))
    }

    /// Waits for a change, telling the money meanwhile.
    async fn wait(&mut self, job_watch: &mut Watch, snapshot: &Snapshot) -> Result<(), Stop> {
        let started = Instant::now();
        let running =
            snapshot.leases.iter().any(|(_, lease)| lease.state() == Some(gridlease_core::lease::LeaseState::Running));
        let mut ticks = tokio::time::interval(self.options.money_every.max(LOOK_PAUSE));
        ticks.tick().await;
        loop {
            let lease_changed = async {
                match &mut self.lease_watch {
                    Some((_, watch)) => watch.next_event().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = job_watch.next_event() => return Ok(()),
                _ = lease_changed => return Ok(()),
                () = tokio::time::sleep_until(started + LOOK_EVERY) => return Ok(()),
                () = self.events.closed() => return Err(Stop::Gone),
                _ = ticks.tick(), if running => {
                    let now = Snapshot { now: later(snapshot.now, started.elapsed()), ..snapshot.clone() };
                    for event in self.tracker.observe(&now, None) {
                        self.tell(event).await?;
                    }
                }
            }
        }
    }

    async fn tell(&self, event: JobEvent) -> Result<(), Stop> {
        self.events.send(Ok(event)).await.map_err(|_| Stop::Gone)
    }

    /// What an event asks of us, before it is told.
    fn react(&mut self, event: &JobEvent) -> Result<(), Stop> {
        match event {
            JobEvent::Awarded { lease, provider, .. } => {
                self.lease_watch = Some((*lease, self.buyer.chain().client().watch_account(*lease)));
                self.talk = Some(self.talk_about(*lease, *provider)?);
            }
            JobEvent::Ready { lease, .. } => {
                if let Some(talk) = self.talk.as_ref().filter(|talk| talk.lease == *lease) {
                    talk.started.send_replace(true);
                }
            }
            JobEvent::StartFailed { lease, .. } => {
                self.talk.take_if(|talk| talk.lease == *lease);
            }
            JobEvent::Finished { lease, provider, reason, exit_code, result_hash, log_hash, .. } => {
                let broken_off = matches!(reason, EndReason::Stopped | EndReason::OutOfFunds);
                let end = End { broken_off, result_hash: *result_hash, log_hash: *log_hash };
                if let Some(talk) = self.talk.as_ref().filter(|talk| talk.lease == *lease) {
                    talk.end.send_replace(Some(end));
                }
                let ending = Ending {
                    lease: Some(lease.to_string()),
                    provider: Some(provider.to_string()),
                    reason: *reason as u8,
                    exit_code: *exit_code,
                    result_hash: hex::encode(result_hash),
                    log_hash: hex::encode(log_hash),
                };
                self.remember(ending)?;
            }
            JobEvent::LeaseClosed { lease } => {
                self.lease_watch.take_if(|(watched, _)| watched == lease);
            }
            JobEvent::JobEnded { .. } => {
                self.ended_at.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Why nothing started is what the buyer can do something about, and only the node can say it.
    async fn ask_why(&self, event: &mut JobEvent) {
        if let JobEvent::StartFailed { lease, provider, node_message, .. } = event {
            *node_message = self.buyer.word_of(provider, lease).await;
        }
    }

    fn talk_about(&self, lease: Pubkey, provider: Pubkey) -> Result<Running, Stop> {
        let store_failed = |error| Stop::Failed(CliError::Store(error));
        let record = self.buyer.store().find(&self.job).map_err(store_failed)?.map(Arc::new);
        let (started, started_seen) = watch::channel(false);
        let (end, end_seen) = watch::channel(None);
        let talk = Talk {
            buyer: self.buyer.clone(),
            job: self.job,
            lease,
            provider,
            record,
            logs: self.options.logs,
            outputs: self.options.outputs.clone(),
            started: started_seen,
            end: end_seen,
            events: self.events.clone(),
            doubt: AtomicBool::new(false),
        };
        Ok(Running { lease, started, end, task: tokio::spawn(talk.run()) })
    }

    /// Log and outputs are found by it once the accounts are gone.
    fn remember(&self, ending: Ending) -> Result<(), Stop> {
        let store = self.buyer.store();
        let saved = store.find(&self.job).and_then(|record| match record {
            Some(mut record) => {
                record.ending = Some(ending);
                store.save(&record)
            }
            None => Ok(()),
        });
        saved.map_err(|error| Stop::Failed(CliError::Store(error)))
    }

    async fn is_done(&mut self) -> Result<bool, Stop> {
        let Some(ended_at) = self.ended_at else { return Ok(false) };
        let done = match self.options.until {
            Until::Ended => true,
            Until::Settled => self.tracker.is_settled(),
            Until::Closed => self.tracker.is_closed() && self.tracker.open_leases().is_empty(),
        };
        if done {
            return Ok(true);
        }
        if ended_at.elapsed() < self.options.patience {
            return Ok(false);
        }
        let what = match self.options.until {
            Until::Closed => {
                "the job ended, but its accounts are not closed yet; anyone can do this with `gridlease lease close` and `gridlease job close`"
            }
            _ => "the job ended, but the provider is not paid yet; anyone can do this with `gridlease lease settle`",
        };
        self.tell(JobEvent::Trouble { what: what.to_owned(), last: true }).await?;
        Ok(true)
    }
}

/// The chain's clock `elapsed` later.
fn later(now: Now, elapsed: Duration) -> Now {
    let slots = u64::try_from(elapsed.as_millis() / SLOT.as_millis()).unwrap_or(0);
    Now { slot: now.slot + slots, ts: UnixTs(now.ts.0 + elapsed.as_secs()) }
}
