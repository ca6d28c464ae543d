//! One lease from its award to its end: ask what to do, do it, look again. What was done is found on disk, in the engine
//! and on the chain, so that the task can be begun again at any point.
//!
//! How the chain stands is asked of the view that the node keeps up by subscription, which may lag behind; before anything that cannot
//! be undone, the chain itself is asked.

use std::sync::Arc;
use std::time::Duration;

use gridlease_core::UnixTs;
use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::Lease;
use gridlease_sdk::instruction::lease::{LeaseKeys, Outcome};
use gridlease_sdk::instruction::{lease as instruction, supervision};
use gridlease_sdk::view::live::Pulse;
use solana_pubkey::Pubkey;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chain::{Chain, Submitted};
use super::following::Following;
use crate::clock::Clock;
use crate::driver::ContainerState;
use crate::for_buyer::{ForBuyer, plain};
use crate::lease::StageName;
use crate::lease::reconcile::{Action, ChainLease, ChainState, DEADLINE_SLACK_S, Note, next, want_until};
use crate::lease::{WorkError, Worker};
use crate::lease_board::LeaseBoard;
use crate::store::{Blame, LeaseRecord, Phase, Step, StopReason, Store};

/// Pause after a failure that may pass; doubled each time up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(20);
/// How often the machine's own side of a lease is looked at while nothing happens. It asks the chain nothing.
const LOOK: Duration = Duration::from_millis(1_000);
/// For how long the chain has to answer that a lease is not there until that is believed.
const MISSING: Duration = Duration::from_millis(1_500);
/// How soon the chain is asked again where it has to say more.
const ASK_AGAIN: Duration = Duration::from_millis(400);
/// How long something is loaded before the chain is looked at, where the time for it is over.
const LATE: Duration = Duration::from_secs(30);
/// How soon it is asked again where it did not answer.
const UNANSWERED: Duration = Duration::from_secs(2);

/// Everything that a lease's task works with.
#[derive(Clone)]
pub struct LeaseTask {
    /// The chain.
    pub chain: Chain,
    /// The chain as it is followed.
    pub following: Following,
    /// Local work.
    pub worker: Worker,
    /// Memory.
    pub store: Store,
    /// What the API shows.
    pub board: Arc<LeaseBoard>,
    /// Woken when a buyer brought something.
    pub arrivals: Arc<Notify>,
    /// Time.
    pub clock: Clock,
    /// Set when the node shuts down; the container runs on.
    pub shutdown: CancellationToken,
}

/// What the task remembers between two looks.
struct Seen {
    chain: ChainLease,
    account: Option<Lease>,
    uri: Option<String>,
    uri_known: bool,
    /// The view will not do for the next look: something was posted, or has to show.
    ask: bool,
    /// The chain did not answer: it is not asked before this.
    not_before: Instant,
    /// Since when the chain answers that there is no such lease.
    missing_since: Option<Instant>,
    /// Which revision of the account was looked at.
    revision: Option<u64>,
    pulse: Pulse,
}

/// What goes on beside the steps while the container runs. Ended when it is dropped.
#[derive(Default)]
struct Beside {
    log: Option<JoinHandle<()>>,
    services: Option<JoinHandle<()>>,
    pauses: Option<JoinHandle<()>>,
    pushes: Option<JoinHandle<()>>,
}

impl Beside {
    /// Begins what is not under way.
    fn keep_up(&mut self, worker: &Worker, record: &LeaseRecord) {
        let ended = |task: &Option<JoinHandle<()>>| task.as_ref().is_none_or(JoinHandle::is_finished);
        if ended(&self.log) {
            let (worker, record) = (worker.clone(), record.clone());
            self.log = Some(tokio::spawn(async move {
                if let Err(error) = worker.follow_log(&record).await {
                    tracing::warn!(lease = %record.lease, %error, "the container's log cannot be followed; it is read again at the end");
                }
            }));
        }
        self.watch_pauses(worker, record);
        if ended(&self.pushes) {
            let (worker, record) = (worker.clone(), record.clone());
            self.pushes = Some(tokio::spawn(async move { worker.push_while_running(&record).await }));
        }
    }

    /// Begins to look whether the job is paused from outside, while it runs and between two runs.
    fn watch_pauses(&mut self, worker: &Worker, record: &LeaseRecord) {
        if self.pauses.as_ref().is_none_or(JoinHandle::is_finished) {
            let (worker, record) = (worker.clone(), record.clone());
            self.pauses = Some(tokio::spawn(async move {
                if let Err(error) = worker.watch_pauses(&record).await {
                    tracing::warn!(lease = %record.lease, %error, "whether the container is paused cannot be seen; it is looked at again");
                }
            }));
        }
    }

    /// Begins to watch the services, from their start on.
    fn watch_services(&mut self, worker: &Worker, record: &LeaseRecord) {
        if self.services.is_none() {
            let (worker, record) = (worker.clone(), record.clone());
            self.services = Some(tokio::spawn(async move {
                while let Err(error) = worker.watch_services(&record).await {
                    tracing::warn!(lease = %record.lease, %error, "the job's services cannot be looked at; they are looked at again");
                    tokio::time::sleep(UNANSWERED).await;
                }
            }));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.log.iter().chain(&self.services).chain(&self.pauses).chain(&self.pushes).for_each(JoinHandle::abort);
    }
}

impl LeaseTask {
    /// Runs a lease to its end, or until the node shuts down. Never fails: what fails is tried again.
    pub async fn run(self, record: LeaseRecord) {
        let lease = record.lease;
        let mut seen = Seen {
            chain: ChainLease {
                state: ChainState::Unknown,
                start_deadline: i64::MAX / 4,
                want_deadline: i64::MAX / 4,
                runway_end: 0,
                seen_at: 0,
            },
            account: None,
            uri: None,
            uri_known: false,
            ask: false,
            not_before: Instant::now(),
            missing_since: None,
            revision: None,
            pulse: self.following.pulse(),
        };
        let mut pause = PAUSE;
        let mut beside = Beside::default();
        while !self.shutdown.is_cancelled() {
            let step = tokio::select! {
                () = self.shutdown.cancelled() => break,
                step = self.step(&lease, &mut seen, &mut beside) => step,
            };
            match step {
                Ok(true) => break,
                Ok(false) => pause = PAUSE,
                Err(error) => {
                    tracing::warn!(%lease, error = plain(&error.to_string(), 1_024), "will try again in {pause:?}");
                    self.say(&lease, &error);
                    let jitter = pause.mul_f64(rand::random_range(0.8..1.2));
                    tokio::select! {
                        () = self.shutdown.cancelled() => break,
                        () = tokio::time::sleep(jitter) => {}
                    }
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    /// One look and one action; `true` when nothing is left to do.
    async fn step(&self, lease: &Pubkey, seen: &mut Seen, beside: &mut Beside) -> Result<bool, WorkError> {
        let Some(record) = self.store.get(lease)? else { return Ok(true) };
        let mut certain = self.look_at_chain(&record, seen).await;
        let container = self.worker.observe(&record).await?;
        let local = self.worker.local(&record, seen.uri.is_some(), false).await?;
        let mut action = next(&record, &container, &seen.chain, &local, self.clock.now());
        if !certain && needs_certainty(&action, &record) {
            certain = self.be_certain(&record, seen).await;
            action = next(&record, &container, &seen.chain, &local, self.clock.now());
        }
        self.board.show(&record, &container, &seen.chain).await;
        let runs = matches!(container, ContainerState::Running { .. });
        if runs || record.is_about_to_run(self.clock.now_ms()) {
            self.show_life(&record, seen).await;
        }
        let down = record.down().is_some();
        if runs {
            beside.keep_up(&self.worker, &record);
        } else if down {
            beside.watch_pauses(&self.worker, &record);
        }
        if runs || down || matches!(action, Action::Do(StageName::Services) | Action::AwaitProbe) {
            beside.watch_services(&self.worker, &record);
        }
        tracing::debug!(%lease, phase = record.phase.name(), ?action, certain, "next");
        match &action {
            Action::Nothing => return Ok(true),
            Action::Do(StageName::Manifest) => {
                let uri = seen.uri.clone().unwrap_or_default();
                self.until(want_until(&seen.chain), self.worker.fetch_manifest(&record, &uri)).await?;
            }
            Action::Do(StageName::Inputs | StageName::Restore) => {
                self.until(want_until(&seen.chain), self.worker.take(&record, &action)).await?;
            }
            Action::Do(StageName::Image) => {
                let too_late = seen.chain.start_deadline.saturating_add(DEADLINE_SLACK_S);
                self.until(too_late, self.worker.take(&record, &action)).await?;
            }
            Action::AwaitBuyer { .. } => self.wait(lease, seen, LOOK).await,
            Action::Watch { .. } => {
                // The end of the container is the news that matters most.
                tokio::select! {
                    ended = self.worker.wait(&record) => ended?,
                    () = self.wait(lease, seen, LOOK) => {}
                }
            }
            Action::AwaitRestart { due_ms } => {
                let left = u64::try_from(due_ms.saturating_sub(self.clock.now_ms())).unwrap_or(0);
                self.wait(lease, seen, LOOK.min(Duration::from_millis(left))).await;
            }
            // The chain is asked again; it may show the runway's end, or what was posted, only a moment later.
            Action::RefreshChain | Action::AwaitChain => {
                self.wait(lease, seen, ASK_AGAIN).await;
                seen.ask = true;
            }
            Action::PostReady => self.post_ready(&record, seen).await?,
            Action::PostFinish => self.post_finish(&record, seen).await?,
            Action::PostFailed => self.post_failed(&record, seen).await?,
            _ => {
                self.worker.take(&record, &action).await?;
            }
        }
        Ok(false)
    }

    /// Carries out what takes somebody else's servers, until this time of the chain. What came until then stays.
    async fn until<T>(&self, end: i64, step: impl Future<Output = Result<T, WorkError>>) -> Result<(), WorkError> {
        let left = u64::try_from(end.saturating_sub(self.clock.now())).unwrap_or_default();
        // Where it is late and the chain cannot be asked, it goes on, and looks again at times.
        let at_most = if left == 0 { LATE } else { Duration::from_secs(left) };
        tokio::time::timeout(at_most, step).await.map_or(Ok(()), |done| done.map(drop))
    }

    /// Waits until the lease's account changes, a buyer brings something, or this time is over.
    async fn wait(&self, lease: &Pubkey, seen: &mut Seen, at_most: Duration) {
        let end = tokio::time::sleep(at_most);
        tokio::pin!(end);
        while self.following.revision(lease) == seen.revision {
            tokio::select! {
                () = self.arrivals.notified() => return,
                () = &mut end => return,
                () = seen.pulse.changed() => {}
            }
        }
    }

    /// What the chain shows: by the view where that knows the lease and nothing else is wanted. Returns whether it is the chain's own word.
    async fn look_at_chain(&self, record: &LeaseRecord, seen: &mut Seen) -> bool {
        let asks = std::mem::take(&mut seen.ask);
        seen.revision = self.following.revision(&record.lease);
        let certain = match self.following.lease(&record.lease).filter(|_| !asks) {
            Some(account) => {
                seen.show(account);
                false
            }
            // It may be closed, or not be in the view yet.
            None => self.be_certain(record, seen).await,
        };
        self.learn(record, seen).await;
        certain
    }

    /// Asks the chain itself. One that does not answer leaves the last known times and an unknown state. Returns whether it answered.
    async fn be_certain(&self, record: &LeaseRecord, seen: &mut Seen) -> bool {
        if Instant::now() < seen.not_before {
            seen.chain.state = ChainState::Unknown;
            return false;
        }
        let answer = self.following.certain_lease(&record.lease).await;
        seen.revision = self.following.revision(&record.lease);
        match answer {
            Ok((account, now)) => {
                match account {
                    Some(account) => {
                        seen.missing_since = None;
                        seen.show(account);
                    }
                    // One answer may come from a network that has not seen the lease yet; it is not what a container ends for.
                    None if seen.missing_since.get_or_insert_with(Instant::now).elapsed() < MISSING => {
                        seen.chain.state = ChainState::Unknown;
                        seen.not_before = Instant::now() + ASK_AGAIN;
                        return false;
                    }
                    None => seen.chain.state = ChainState::Closed,
                }
                seen.chain.seen_at = to_i64(now.ts.0);
                true
            }
            Err(error) => {
                tracing::warn!(lease = %record.lease, %error, "the chain cannot be asked; the lease goes on");
                seen.chain.state = ChainState::Unknown;
                seen.not_before = Instant::now() + UNANSWERED;
                false
            }
        }
    }

    /// What stays as it is, once.
    async fn learn(&self, record: &LeaseRecord, seen: &mut Seen) {
        if record.sold.is_none() {
            self.learn_sold(record).await;
        }
        if !seen.uri_known && seen.account.is_some() {
            match self.chain.manifest_uri(&record.job).await {
                Ok(uri) => (seen.uri, seen.uri_known) = (uri, true),
                Err(error) => tracing::warn!(job = %record.job, %error, "the job cannot be read"),
            }
        }
    }

    /// What a record of an earlier version does not tell.
    async fn learn_sold(&self, record: &LeaseRecord) {
        match self.chain.sold(&record.job).await {
            Ok(sold) => {
                let kept = self.store.update(&record.lease, |record| {
                    record.sold = Some(sold);
                    Ok(())
                });
                if let Err(error) = kept {
                    tracing::warn!(lease = %record.lease, %error, "what was sold cannot be written down");
                }
            }
            Err(error) => tracing::warn!(job = %record.job, %error, "the job cannot be read"),
        }
    }

    /// Answers a challenge that asks for a sign of life, and says that it lives again where one was missed: the container runs, or
    /// is about to run again.
    async fn show_life(&self, record: &LeaseRecord, seen: &mut Seen) {
        let Some(account) = &seen.account else { return };
        let (node_key, keys) = (self.chain.node_key(), LeaseKeys::new(record.lease, account));
        let (what, instructions) = match account.state() {
            Some(LeaseState::Running) if account.challenge_end != 0 => {
                ("answer_challenge", vec![supervision::answer_challenge(&node_key, &keys, account.challenge_nonce)])
            }
            Some(LeaseState::Paused) => {
                let resume = supervision::resume(&node_key, &keys);
                let resolve =
                    account.open_challenger().map(|challenger| supervision::resolve_challenge(&keys, &challenger));
                ("resume", resolve.into_iter().chain([resume]).collect())
            }
            _ => return,
        };
        seen.ask = true;
        match self.chain.submit(&instructions).await {
            Submitted::Landed(signature) => tracing::info!(lease = %record.lease, %signature, "{what}"),
            other => self.chain.note(what, &record.lease, &other).await,
        }
    }

    /// Leaves a word for the buyer, which is never the error's own text.
    fn say(&self, lease: &Pubkey, error: &impl ForBuyer) {
        let message = error.for_buyer();
        let said = self.store.update(lease, |record| {
            record.message = message;
            Ok(())
        });
        if let Err(error) = said {
            tracing::warn!(%lease, %error, "the lease's message cannot be written down");
        }
    }

    async fn post_ready(&self, record: &LeaseRecord, seen: &mut Seen) -> Result<(), WorkError> {
        seen.ask = true; // whatever becomes of it
        let Some(account) = &seen.account else { return Ok(()) };
        self.store.intend(&record.lease, Step::PostReady)?;
        // Of the image that runs, not of the one that the chain names: the program compares the two.
        let digest = self.worker.image_digest(&record.lease).await?;
        let keys = LeaseKeys::new(record.lease, account);
        let ready = instruction::ready(&self.chain.node_key(), &keys, digest, crate::market::gpu_root(&record.gpus));
        match self.chain.submit(&[ready]).await {
            Submitted::Landed(signature) => {
                tracing::info!(lease = %record.lease, %signature, "ready: the meter runs");
                let now_ms = self.clock.now_ms();
                self.store.done(&record.lease, |record| {
                    record.ready_signature = Some(signature);
                    record.meter_started(now_ms);
                    Ok(())
                })?;
            }
            other => self.chain.note("ready", &record.lease, &other).await,
        }
        Ok(())
    }

    /// Posts the end, together with the settlement where the payout account takes it.
    async fn post_finish(&self, record: &LeaseRecord, seen: &mut Seen) -> Result<(), WorkError> {
        seen.ask = true; // whatever becomes of it
        let Some(account) = &seen.account else { return Ok(()) };
        self.store.intend(&record.lease, Step::PostFinish)?;
        let keys = LeaseKeys::new(record.lease, account);
        let node_key = self.chain.node_key();
        let ended = record.ended.as_ref().filter(|ended| !ended.lost);
        // Only what ran is billed, however late this arrives.
        let outcome = Outcome {
            exit_code: ended.map(|ended| i32::try_from(ended.code).unwrap_or(i32::MAX)),
            result_hash: record.output_root.unwrap_or_default(),
            log_hash: record.log_hash,
            ended_ts: record.ended_at(),
            stood_s: record.stood_s(),
        };
        let reason = record.end_reason(self.has_money_again(&seen.chain));
        let end = if reason == EndReason::Abandoned {
            match self.chain.insurance().await {
                Ok(insurance) => instruction::abandon(&node_key, &keys, &insurance, outcome),
                Err(error) => {
                    tracing::warn!(lease = %record.lease, %error, "the end waits for the chain");
                    tokio::time::sleep(PAUSE).await;
                    return Ok(());
                }
            }
        } else {
            instruction::finish(&node_key, &keys, reason, outcome)
        };
        let settle = instruction::settle(&keys);
        let mut submitted = self.chain.submit(&[end.clone(), settle]).await;
        if let Submitted::Refused { .. } = submitted {
            // A payout account that is frozen or gone holds up the payment, never the end.
            submitted = self.chain.submit(&[end]).await;
        }
        match submitted {
            Submitted::Landed(signature) => {
                tracing::info!(lease = %record.lease, %signature, reason = reason.name(), exit = ?outcome.exit_code, "finished");
                let now_ms = self.clock.now_ms();
                self.store.done(&record.lease, |record| {
                    record.finish_signature = Some(signature);
                    record.finished_at_ms = Some(now_ms);
                    record.reach(Phase::FinishPosted);
                    Ok(())
                })?;
                self.tell_what_is_free_again(&keys).await;
            }
            other => self.chain.note("finish", &record.lease, &other).await,
        }
        Ok(())
    }

    /// The end of a lease changes offer, bond and record of its provider; the market task need not wait until that is heard.
    async fn tell_what_is_free_again(&self, keys: &LeaseKeys) {
        self.following.read_again(&[keys.offer, keys.bond, keys.provider]).await;
    }

    fn has_money_again(&self, chain: &ChainLease) -> bool {
        chain.state == ChainState::Running && self.clock.now() < chain.runway_end
    }

    async fn post_failed(&self, record: &LeaseRecord, seen: &mut Seen) -> Result<(), WorkError> {
        seen.ask = true; // whatever becomes of it
        let Some(account) = &seen.account else { return Ok(()) };
        let keys = LeaseKeys::new(record.lease, account);
        let submitted = match self.chain.insurance().await {
            Ok(insurance) => {
                let node_key = self.chain.node_key();
                let now = self.clock.now();
                let declines = account.rules().is_ok_and(|rules| rules.can_be_declined(UnixTs(now.unsigned_abs())));
                let end = match word(record.blame, now <= seen.chain.want_deadline, declines) {
                    Word::Want => instruction::want(&node_key, &keys, &insurance),
                    Word::BuyerError(exit_code) => {
                        instruction::report_buyer_error(&node_key, &keys, &insurance, exit_code)
                    }
                    Word::Decline => instruction::decline(&node_key, &keys, &insurance),
                    Word::FailStart => instruction::fail_start(&node_key, &keys, &insurance),
                };
                self.chain.submit(&[end]).await
            }
            Err(error) => Submitted::Later(error.to_string()),
        };
        match submitted {
            Submitted::Landed(signature) => {
                tracing::warn!(lease = %record.lease, %signature, message = record.message, "the start was given up");
                let now_ms = self.clock.now_ms();
                self.store.done(&record.lease, |record| {
                    record.finish_signature = Some(signature);
                    record.finished_at_ms = Some(now_ms);
                    Ok(())
                })?;
                self.tell_what_is_free_again(&keys).await;
            }
            other => self.chain.note("fail_start", &record.lease, &other).await,
        }
        Ok(())
    }
}

impl Seen {
    /// The account, from wherever.
    fn show(&mut self, account: Lease) {
        self.chain = ChainLease {
            state: state_of(&account),
            start_deadline: to_i64(account.start_deadline),
            want_deadline: account.rules().map_or(0, |rules| to_i64(rules.want_deadline().0)),
            runway_end: to_i64(account.runway_end),
            seen_at: self.chain.seen_at,
        };
        self.account = Some(account);
    }
}

/// Is this something that a view which lags behind must not decide: does it end a container, remove files, or give up money?
fn needs_certainty(action: &Action, record: &LeaseRecord) -> bool {
    match action {
        Action::Stop(StopReason::LeaseOver | StopReason::OutOfFunds | StopReason::TooLate) => record.stop.is_none(),
        Action::Do(StageName::Wipe) => !record.is_cleared(),
        Action::Record(Note::Ended(ended)) => ended.lost,
        Action::Record(Note::Failed(..) | Note::Unready) | Action::PostFailed | Action::RefreshChain => true,
        _ => false,
    }
}

/// How the chain is told of a start that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// The node was not given what it needs: no fault.
    Want,
    /// The engine refuses what the buyer asks for: no fault, but for who says so alone.
    BuyerError(i32),
    /// The node gives it back at once: no fault, and at most a minute's price.
    Decline,
    /// The provider's fault.
    FailStart,
}

/// The word that costs an honest provider the least. Said too late, it is the provider's fault, whoever is to blame.
fn word(blame: Blame, wants: bool, declines: bool) -> Word {
    match blame {
        Blame::Buyer if wants => Word::Want,
        Blame::Engine { exit_code } => Word::BuyerError(exit_code),
        Blame::Buyer | Blame::Provider if declines => Word::Decline,
        Blame::Buyer | Blame::Provider => Word::FailStart,
    }
}

fn to_i64(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn state_of(account: &Lease) -> ChainState {
    match account.state() {
        Some(LeaseState::Starting) => ChainState::Starting,
        Some(LeaseState::Running) => ChainState::Running,
        Some(LeaseState::Paused) => ChainState::Paused,
        Some(LeaseState::Grace) => ChainState::Grace,
        // For the machine it is over: what is left is the buyer's word, and money.
        Some(LeaseState::Ended | LeaseState::Finished) => ChainState::Ended,
        Some(LeaseState::Failed) => ChainState::Failed,
        None => ChainState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Ended;

    #[test]
    fn r05_a_start_that_comes_to_nothing_at_once_is_declined_and_no_fault_of_the_provider_s() {
        assert_eq!(word(Blame::Provider, true, true), Word::Decline);
        assert_eq!(word(Blame::Provider, true, false), Word::FailStart);
        assert_eq!(word(Blame::Buyer, true, true), Word::Want);
        assert_eq!(word(Blame::Buyer, false, false), Word::FailStart);
        assert_eq!(word(Blame::Engine { exit_code: 127 }, true, true), Word::BuyerError(127));
    }

    #[test]
    fn threat_17_a_view_that_lags_ends_no_container_removes_no_file_and_gives_up_no_money() {
        let fresh = LeaseRecord::some();
        for action in [
            Action::Stop(StopReason::LeaseOver),
            Action::Stop(StopReason::OutOfFunds),
            Action::Stop(StopReason::TooLate),
            Action::Do(StageName::Wipe),
            Action::PostFailed,
            Action::RefreshChain,
            Action::Record(Note::Failed("words".to_owned(), Blame::Provider)),
            Action::Record(Note::Unready),
            Action::Record(Note::Ended(Ended::lost())),
        ] {
            assert!(needs_certainty(&action, &fresh), "{action:?}");
        }
        let exited = Ended { lost: false, ..Ended::lost() };
        for action in [
            Action::Do(StageName::Image),
            Action::Do(StageName::Start),
            Action::PostReady,
            Action::Watch { until: None },
            Action::Do(StageName::Collect),
            Action::PostFinish,
            Action::Record(Note::Ended(exited)),
            // By the machine's own word.
            Action::Stop(StopReason::DiskFull),
            Action::Stop(StopReason::Operator),
        ] {
            assert!(!needs_certainty(&action, &fresh), "{action:?}");
        }
        // What was decided with certainty is carried through.
        let stopping = LeaseRecord { stop: Some(StopReason::OutOfFunds), ..LeaseRecord::some() };
        assert!(!needs_certainty(&Action::Stop(StopReason::OutOfFunds), &stopping));
    }
}
