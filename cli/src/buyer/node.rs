//! The conversation with the node that runs a lease: hand it what it needs, show what it does, keep what it made.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Lease, Offer};
use gridlease_sdk::artifact::ArtifactError;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::node_api::LogChain;
use gridlease_sdk::node_api::client::{LogStart, NodeApi, NodeError};
use gridlease_sdk::node_api::{LeaseStatus, codes};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tokio::sync::{mpsc, watch};

use super::Buyer;
use super::event::JobEvent;
use super::results::{fetch_outputs, hash};
use super::secrets::{secrets_of, values};
use super::store::JobRecord;
use crate::error::CliError;

/// Pause before a node that is not ready yet is asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause before a node that cannot be reached is asked again.
const LONG_PAUSE: Duration = Duration::from_secs(3);
/// How often the status is asked for before the container runs, and after.
const STATUS_EVERY: (Duration, Duration) = (Duration::from_millis(700), Duration::from_secs(5));
/// How long log and outputs are waited for once the lease is over.
const AFTERMATH: Duration = Duration::from_secs(60);
/// How long the node is asked for its last word once the lease is over: the container may still have to end.
const LAST_WORD: Duration = Duration::from_secs(15);
/// How long one answer may take then.
const ANSWER: Duration = Duration::from_secs(3);

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Before the container ended by itself: the buyer stopped it, or the money was used up.
    pub broken_off: bool,
    pub result_hash: [u8; 32],
    pub log_hash: [u8; 32],
}

/// Nobody listens any more.
struct Gone;

type Outcome = Result<(), Gone>;

/// One lease's conversation.
pub(super) struct Talk {
    pub buyer: Buyer,
    pub job: Pubkey,
    pub lease: Pubkey,
    pub provider: Pubkey,
    pub record: Option<Arc<JobRecord>>,
    pub logs: bool,
    pub outputs: Option<PathBuf>,
    /// Whether the lease started.
    pub started: watch::Receiver<bool>,
    /// How it ended; none before.
    pub end: watch::Receiver<Option<End>>,
    pub events: mpsc::Sender<Result<JobEvent, CliError>>,
    /// Whether something came that is not what the node stated on chain, or did not come.
    pub doubt: AtomicBool,
}

impl Talk {
    /// Runs until the lease is over and everything is fetched, or nobody listens.
    pub async fn run(self) {
        let Ok(node) = self.connect().await else { return };
        let (pushed, watched, read) = tokio::join!(self.push(&node), self.watch(&node), self.read(&node));
        if pushed.is_ok() && watched.is_ok() && read.is_ok() {
            let fetched = self.fetch(&node).await;
            if fetched.is_ok() && !self.doubt.load(Ordering::Relaxed) {
                let _ = self.accept().await;
            }
        }
    }

    /// Accepts what the node finished, as soon as what it gave is what it stated: the provider's stake is free and the job over.
    async fn accept(&self) -> Outcome {
        let chain = self.buyer.chain();
        let finished = match chain.client().find::<Lease>(&self.lease).await {
            Ok(lease) => lease.filter(|lease| lease.state() == Some(LeaseState::Finished)),
            Err(error) => return self.trouble(&mut false, &error, false).await,
        };
        let Some(lease) = finished else { return Ok(()) };
        let keys = LeaseKeys::new(self.lease, &lease);
        let accept = lease::accept(&self.buyer.key().pubkey(), &keys);
        match chain.send("accepting the result", &[accept], self.buyer.key()).await {
            Ok(_) => Ok(()),
            Err(error) => self.trouble(&mut false, &error, false).await,
        }
    }

    async fn connect(&self) -> Result<NodeApi, Gone> {
        let mut told = false;
        let mut tries = 0;
        loop {
            match self.buyer.node_of(&self.provider, &self.lease).await {
                Ok(node) => return Ok(node),
                Err(error) => {
                    let last = matches!(error, CliError::Node(_) | CliError::Missing { .. });
                    self.trouble(&mut told, &error, last).await?;
                    if last {
                        return Err(Gone);
                    }
                }
            }
            if self.end.borrow().is_some() {
                tries += 1;
                if tries > AFTERMATH.as_secs() / LONG_PAUSE.as_secs() {
                    return Err(Gone);
                }
            }
            tokio::time::sleep(LONG_PAUSE).await;
        }
    }

    /// Manifest and inputs, until the node has them or no longer needs them.
    async fn push(&self, node: &NodeApi) -> Outcome {
        let Some(record) = &self.record else {
            if !*self.started.borrow() && self.end.borrow().is_none() {
                let what = format!(
                    "the manifest of job {} is not on this machine, so it cannot be pushed to the node; follow the job on the machine that posted it",
                    self.job
                );
                self.tell(JobEvent::Trouble { what, last: true }).await?;
            }
            return Ok(());
        };
        let lease = self.lease;
        if !self.deliver(|| node.push_manifest(&self.job, record.manifest.as_bytes())).await? {
            return Ok(());
        }
        self.tell(JobEvent::ManifestPushed { lease }).await?;
        for input in &record.inputs {
            let sha256 = match hash(&input.sha256) {
                Ok(sha256) => sha256,
                Err(error) => return self.trouble(&mut false, &error, true).await,
            };
            if !self.deliver(|| node.push_input(&self.job, &input.path, sha256)).await? {
                return Ok(());
            }
            let (path, sha256, bytes) = (input.path.clone(), input.sha256.clone(), input.size);
            self.tell(JobEvent::InputPushed { lease, path, sha256, bytes }).await?;
        }
        self.push_secrets(node, record).await
    }

    /// The secrets, sealed to the lease's key. Their values are looked up now, and kept nowhere.
    async fn push_secrets(&self, node: &NodeApi, record: &JobRecord) -> Outcome {
        let read = secrets_of(record).and_then(|secrets| secrets.map(|secrets| values(&secrets)).transpose());
        let secrets = match read {
            Ok(None) => return Ok(()),
            Ok(Some(secrets)) => secrets,
            Err(error) => return self.trouble(&mut false, &error, true).await,
        };
        let mut told = false;
        let node_key = loop {
            match self.node_key().await {
                Ok(found) => break found,
                Err(error) => self.trouble(&mut told, &error, false).await?,
            }
            if !self.pause(LONG_PAUSE).await {
                return Ok(());
            }
        };
        // A lease whose account is closed waits for nothing.
        let Some(node_key) = node_key else { return Ok(()) };
        if !self.deliver(|| node.push_secrets(&self.lease, &node_key, &secrets)).await? {
            return Ok(());
        }
        self.tell(JobEvent::SecretsPushed { lease: self.lease, names: secrets.keys().cloned().collect() }).await
    }

    /// The key of the node that has the lease, as the chain knows it.
    async fn node_key(&self) -> Result<Option<Pubkey>, CliError> {
        let client = self.buyer.chain().client();
        let Some(lease) = client.find::<Lease>(&self.lease).await? else { return Ok(None) };
        Ok(client.find::<Offer>(&lease.offer).await?.map(|offer| offer.node_key))
    }

    /// Repeats `call` until the node took it (`true`), or it is no longer of use (`false`).
    async fn deliver<F: Future<Output = Result<(), NodeError>>>(
        &self,
        mut call: impl FnMut() -> F,
    ) -> Result<bool, Gone> {
        let mut told = false;
        loop {
            let error = match call().await {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            if self.end.borrow().is_some() {
                return Ok(false);
            }
            let started = *self.started.borrow();
            let pause = match (code(&error), started) {
                // It runs, so it has all that it needs.
                (Some(codes::WRONG_STATE), true) => return Ok(false),
                // The node hears of its award a moment later than we do.
                (Some(codes::WRONG_STATE | codes::NOT_KNOWN_YET | codes::BUSY), _) => PAUSE,
                _ if error.is_transient() => {
                    self.trouble(&mut told, &error, false).await?;
                    LONG_PAUSE
                }
                _ => {
                    self.trouble(&mut told, &error, true).await?;
                    return Ok(false);
                }
            };
            if !self.pause(pause).await {
                return Ok(false);
            }
        }
    }

    /// The node's steps, each told once; the last is how the container ended.
    async fn watch(&self, node: &NodeApi) -> Outcome {
        let mut last: Option<LeaseStatus> = None;
        loop {
            if let Ok(status) = node.status(&self.lease).await {
                self.tell_status(&mut last, status).await?;
            }
            let every = if *self.started.borrow() { STATUS_EVERY.1 } else { STATUS_EVERY.0 };
            if !self.pause(every).await {
                break;
            }
        }
        // The chain tells of an end in one word; the reason in words is the node's.
        let since = tokio::time::Instant::now();
        while let Ok(Ok(status)) = tokio::time::timeout(ANSWER, node.status(&self.lease)).await {
            let over = status.exit_code.is_some() || status.container_state.is_none();
            self.tell_status(&mut last, status).await?;
            if over || since.elapsed() > LAST_WORD {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn tell_status(&self, last: &mut Option<LeaseStatus>, status: LeaseStatus) -> Outcome {
        let seen = |status: &LeaseStatus| (status.phase.clone(), status.pull, status.message.clone());
        let news = last.as_ref().map(seen) != Some(seen(&status));
        let (phase, pull, message) = seen(&status);
        *last = Some(status);
        if !news {
            return Ok(());
        }
        self.tell(JobEvent::NodeStatus { lease: self.lease, phase, pull, message }).await
    }

    /// The log, line by line, to its end; then its chain is held against the chain's word.
    async fn read(&self, node: &NodeApi) -> Outcome {
        if !self.logs {
            return Ok(());
        }
        let mut chain = LogChain::genesis();
        let mut told = false;
        let mut over_since = None;
        loop {
            let follow = self.end.borrow().is_none();
            let mut lines = std::pin::pin!(node.logs(self.lease, LogStart::After(chain), follow));
            let mut failure = None;
            while let Some(line) = lines.next().await {
                match line {
                    Ok(line) => {
                        // The SDK has verified the line; a value that is no hash cannot come from it.
                        let mut value = [0u8; 32];
                        if hex::decode_to_slice(&line.chain, &mut value).is_ok() {
                            chain = LogChain::resume(line.seq + 1, value);
                        }
                        let (seq, ts_ms, stream, line) = (line.seq, line.ts_ms, line.stream, line.line);
                        self.tell(JobEvent::LogLine { lease: self.lease, seq, ts_ms, stream, line }).await?;
                    }
                    Err(error) => failure = Some(error),
                }
            }
            let end = *self.end.borrow();
            match (&failure, end) {
                (None, Some(end)) if end.log_hash == [0; 32] => return Ok(()),
                (None, Some(end)) if end.log_hash == chain.last() => {
                    return self.tell(JobEvent::LogVerified { lease: self.lease, lines: chain.next_seq() }).await;
                }
                // Complete, but the chain has not told its hash yet.
                (None, _) => {}
                (Some(error), None)
                    if matches!(code(error), Some(codes::WRONG_STATE | codes::NOT_KNOWN_YET | codes::BUSY)) => {}
                (Some(error), _) if error.is_transient() => self.trouble(&mut told, error, false).await?,
                // No container ever ran.
                (Some(error), Some(_)) if code(error).is_some() => return Ok(()),
                (Some(error), _) => return self.trouble(&mut told, error, true).await,
            }
            if let Some(end) = end {
                let since = *over_since.get_or_insert_with(tokio::time::Instant::now);
                if since.elapsed() > AFTERMATH {
                    return match failure {
                        Some(error) => self.trouble(&mut told, &error, true).await,
                        None => {
                            let (lines, due) = (chain.next_seq(), hex::encode(end.log_hash));
                            let what = format!(
                                "the log of {lines} lines does not end in the hash that stands on chain ({due}): lines are missing or were altered"
                            );
                            self.tell(JobEvent::Unverified { what }).await
                        }
                    };
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The outputs, once the lease is over.
    async fn fetch(&self, node: &NodeApi) -> Outcome {
        let end = *self.end.borrow();
        let (Some(dest), Some(end)) = (&self.outputs, end) else { return Ok(()) };
        let on_chain = end.result_hash != [0; 32];
        // What a job that ran had written when it was broken off is kept by its node all the same.
        if !(on_chain || end.broken_off && *self.started.borrow()) {
            return Ok(());
        }
        let started = tokio::time::Instant::now();
        let mut told = false;
        loop {
            let error = match fetch_outputs(node, &self.lease, dest, end.result_hash).await {
                Ok((listing, root)) => {
                    let (lease, folder, files) = (self.lease, dest.clone(), listing.files.len());
                    let (bytes, left_out) = (listing.total_bytes(), listing.left_out);
                    let event = if on_chain {
                        JobEvent::OutputsVerified { lease, root, files, bytes, folder, left_out }
                    } else {
                        JobEvent::OutputsFetched { lease, root, files, bytes, folder, left_out }
                    };
                    return self.tell(event).await;
                }
                Err(error) => error,
            };
            let may_pass = error.is_transient() || matches!(code(&error), Some(codes::WRONG_STATE | codes::BUSY));
            let last = !may_pass || started.elapsed() > AFTERMATH;
            if last {
                told = false;
            }
            self.trouble(&mut told, &error, last).await?;
            if last {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn tell(&self, event: JobEvent) -> Outcome {
        if matches!(event, JobEvent::Unverified { .. } | JobEvent::Trouble { last: true, .. }) {
            self.doubt.store(true, Ordering::Relaxed);
        }
        self.events.send(Ok(event)).await.map_err(|_| Gone)
    }

    /// Tells of trouble once, and again only when it is final.
    async fn trouble(&self, told: &mut bool, error: &(dyn std::error::Error + Sync + 'static), last: bool) -> Outcome {
        if *told && !last {
            return Ok(());
        }
        *told = true;
        let what = error.to_string();
        let node_error = (error as &dyn std::error::Error).downcast_ref::<NodeError>();
        let unverified = matches!(
            node_error,
            Some(
                NodeError::Log(_)
                    | NodeError::WrongCertificate { .. }
                    | NodeError::Output(ArtifactError::RootMismatch { .. })
            )
        );
        let event = if unverified { JobEvent::Unverified { what } } else { JobEvent::Trouble { what, last } };
        self.tell(event).await
    }

    /// Waits; `false` as soon as the lease is over.
    async fn pause(&self, pause: Duration) -> bool {
        let mut end = self.end.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            _ = end.wait_for(Option::is_some) => false,
        }
    }
}

fn code(error: &NodeError) -> Option<&str> {
    match error {
        NodeError::Refused { detail, .. } => Some(&detail.code),
        _ => None,
    }
}
