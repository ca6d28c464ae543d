//! Carries out what was planned: bounded in number and in fees, each account by one action at a time, and so that an
//! action that fails holds up no other.

mod budget;
mod effect;
mod gate;
mod ledger;
mod outcome;
mod units;
mod worker;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gridlease_core::{Now, UnixTs};
use gridlease_sdk::rpc::{Client, SendOptions};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tokio::task::{Id, JoinSet};

pub use self::budget::Budget;
pub use self::gate::{Cause, Gate};
pub use self::ledger::{Admission, Ledger};
pub use self::outcome::{Outcome, OutcomeKind};
use self::units::units;
use self::worker::{Performed, Worker};
use crate::clock::Stopwatch;
use crate::counters::{Counters, Undone};
use crate::event::{Events, KeeperEvent};
use gridlease_sdk::crank::{Action, Step, StepKey};
use gridlease_sdk::view::View;
use gridlease_sdk::view::observe::Seen;

/// The key that pays the keeper's fees.
pub type KeeperSigner = dyn Signer + Send + Sync;

/// From how many times in a row on a step that somebody else should have done, but which stays due, is worth a warning.
const SUSPICIOUS: u32 = 3;

/// What one action at a time may touch: an account, and for automatic bids the bidder in it.
type Lock = (Pubkey, Option<Pubkey>);

/// An action that has ended.
pub(crate) struct Finished {
    id: Id,
    /// Empty where its task was ended from outside.
    performed: Performed,
}

/// What is known of an action under way.
struct Running {
    locks: Vec<Lock>,
    /// Revisions of the accounts that its steps are about, when it was planned.
    revisions: HashMap<Pubkey, Option<u64>>,
    /// The gate's closings, when it began.
    closings: u64,
}

/// What was due when it was last looked.
#[derive(Debug, Default)]
struct Due {
    steps: usize,
    /// The longest overdue, in words, and since when.
    first: Option<(String, UnixTs)>,
    now: UnixTs,
}

impl Due {
    fn of(actions: &[Action], now: Now) -> Self {
        let first = actions.iter().min_by_key(|action| action.due);
        Self {
            steps: actions.iter().map(|action| action.steps.len()).sum(),
            first: first.map(|action| (action.to_string(), action.due)),
            now: now.ts,
        }
    }
}

impl std::fmt::Display for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.first {
            Some((first, due)) => {
                let late = self.now.0.saturating_sub(due.0);
                write!(f, "{} steps, the first since {} ({late} s ago): {first}", self.steps, due.0)
            }
            None => f.write_str("nothing"),
        }
    }
}

/// Carries out actions.
pub(crate) struct Executor {
    worker: Arc<Worker>,
    ledger: Ledger,
    tasks: JoinSet<Performed>,
    running: HashMap<Id, Running>,
    locked: HashSet<Lock>,
    concurrency: usize,
    gate: Gate,
    due: Due,
    /// Why nothing was sent of what was due when it was last looked.
    held_up: Option<(Cause, String)>,
    /// That the budget is used up was told.
    told_budget: bool,
    clock: Stopwatch,
    counters: Arc<Counters>,
    events: Events,
}

/// What an executor is made of.
pub(crate) struct ExecutorParts {
    pub(crate) client: Client,
    pub(crate) signer: Arc<KeeperSigner>,
    pub(crate) payer: Pubkey,
    pub(crate) options: SendOptions,
    pub(crate) concurrency: usize,
    /// Lamports an hour.
    pub(crate) fee_budget: u64,
    pub(crate) clock: Stopwatch,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: Events,
}

impl Executor {
    pub(crate) fn new(parts: ExecutorParts) -> Self {
        let ExecutorParts { client, signer, payer, options, concurrency, fee_budget, clock, counters, events } = parts;
        let budget = Mutex::new(Budget::new(fee_budget, clock.elapsed()));
        let worker = Worker { client, signer, payer, options, budget, clock, counters: counters.clone() };
        Self {
            worker: Arc::new(worker),
            ledger: Ledger::default(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            locked: HashSet::new(),
            concurrency,
            gate: Gate::default(),
            due: Due::default(),
            held_up: None,
            told_budget: false,
            clock,
            counters,
            events,
        }
    }

    /// Starts what of `actions` may be started now, as long as there is room. Returns how many were started.
    pub(crate) fn dispatch(&mut self, actions: &[Action], view: &View, now: Now) -> usize {
        let at = self.clock.elapsed();
        let planned: HashSet<StepKey> = actions.iter().flat_map(Action::keys).collect();
        self.ledger.prune(&planned, at);
        self.due = Due::of(actions, now);
        self.held_up = self.gate.closed(at).map(|(cause, reason)| (cause, reason.to_owned()));
        if self.held_up.is_some() {
            return 0;
        }
        let unanswered = |action: &&Action| action.keys().any(|key| self.ledger.is_unanswered(&key));
        let (last, first): (Vec<&Action>, Vec<&Action>) = actions.iter().partition(unanswered);
        let mut started = 0;
        for action in first.into_iter().chain(last) {
            if self.tasks.len() >= self.concurrency {
                break;
            }
            let locks: Vec<Lock> = action.keys().map(|key| (key.entity, key.bidder)).collect();
            if locks.iter().any(|lock| self.locked.contains(lock)) {
                continue;
            }
            let units = units(action, |key| self.ledger.admission(key, view.revision(&key.entity), at));
            if units.is_empty() {
                continue;
            }
            let revisions = locks.iter().map(|(entity, _)| (*entity, view.revision(entity))).collect();
            let worker = self.worker.clone();
            let id = self.tasks.spawn(async move { worker.perform(units).await }).id();
            self.locked.extend(locks.iter().copied());
            self.running.insert(id, Running { locks, revisions, closings: self.gate.closings() });
            started += 1;
        }
        started
    }

    /// Are actions under way?
    pub(crate) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// The next action to end; `None` where none is under way. Nothing is lost if the future is dropped.
    pub(crate) async fn next_finished(&mut self) -> Option<Finished> {
        match self.tasks.join_next_with_id().await? {
            Ok((id, performed)) => Some(Finished { id, performed }),
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "an action ended by a bug; the keeper goes on");
                }
                Some(Finished { id: error.id(), performed: Performed::default() })
            }
        }
    }

    /// Takes in how an action ended. Returns how what it touched was read afterwards.
    pub(crate) fn absorb(&mut self, finished: Option<Finished>) -> Vec<Seen> {
        let Some(Finished { id, performed: Performed { reports, seen } }) = finished else { return Vec::new() };
        let Some(Running { locks, revisions, closings }) = self.running.remove(&id) else { return seen };
        for lock in locks {
            self.locked.remove(&lock);
        }
        for (step, outcome) in reports {
            let revision = revisions.get(&step.entity()).copied().flatten();
            self.learn(&step, revision, closings, &outcome);
            self.counters.step(step.verb(), outcome.kind());
            self.events.tell(KeeperEvent::Step { step: Box::new(step), outcome });
        }
        seen
    }

    /// Something else was answered again after it was not. Returns whether anything is tried at once because of it.
    pub(crate) fn endpoint_may_be_back(&mut self) -> bool {
        let at = self.clock.elapsed();
        let waited = self.gate.endpoint_pause(at).is_some();
        self.gate.may_be_back(at);
        waited
    }

    /// How long nothing is sent because the endpoint fails.
    pub(crate) fn endpoint_pause(&self) -> Option<Duration> {
        self.gate.endpoint_pause(self.clock.elapsed())
    }

    /// What was due and not done because nothing could be sent.
    pub(crate) fn undone(&self) -> Option<Undone> {
        let (cause, reason) = self.held_up.clone()?;
        let (first, since) = self.due.first.clone()?;
        Some(Undone { steps: self.due.steps, first, since: since.0, cause, reason })
    }

    /// Ends everything that is under way.
    pub(crate) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    fn learn(&mut self, step: &Step, revision: Option<u64>, closings: u64, outcome: &Outcome) {
        let (verb, entity, key) = (step.verb().name(), step.entity(), step.key());
        let (at, chance) = (self.clock.elapsed(), rand::random::<f64>());
        if !outcome.is_of_all() && !matches!(outcome, Outcome::Skipped) {
            self.answered(closings, at);
        }
        match outcome {
            Outcome::Landed { signature, slot, fee } => {
                self.told_budget = false;
                self.ledger.done(key, revision, at, chance);
                tracing::info!(verb, %entity, %signature, slot, fee, "{step}");
            }
            Outcome::NoEffect { signature, slot, fee } => {
                self.ledger.done(key, revision, at, chance);
                tracing::info!(verb, %entity, %signature, slot, fee, "somebody was faster, and the fee is spent: {step}");
            }
            Outcome::LostRace { reason } => {
                let times = self.ledger.done(key, revision, at, chance);
                if times >= SUSPICIOUS {
                    tracing::warn!(verb, %entity, times, reason, "due, but the market does not take it");
                } else {
                    tracing::debug!(verb, %entity, reason, "not needed any more, or not yet");
                }
            }
            Outcome::Refused { .. } | Outcome::TooLarge { .. } => {
                let times = self.ledger.refused(key, at, chance);
                tracing::warn!(verb, %entity, outcome = outcome.kind().name(), times, reason = %outcome, "a step failed");
            }
            // It took its time already, and is made anew.
            Outcome::Expired { signature } => {
                tracing::warn!(verb, %entity, %signature, "a step expired and is made anew")
            }
            Outcome::Unreachable { reason } | Outcome::Unknown { reason, .. } => {
                if self.ledger.unanswered(key, self.gate.answers(), at, chance) {
                    tracing::warn!(verb, %entity, reason, "the RPC answers others, and this step again and again not");
                } else {
                    self.endpoint_failed(closings, reason, at, chance);
                }
            }
            Outcome::Unfunded { reason } => {
                if self.gate.poor(closings, &outcome.to_string(), at) {
                    tracing::error!(payer = %self.worker.payer, reason, due = %self.due, "the keeper cannot pay its fees; fund its account");
                }
            }
            Outcome::OverBudget => {
                self.gate.over_budget(closings, &outcome.to_string(), at);
                if !std::mem::replace(&mut self.told_budget, true) {
                    let (per_hour, left) = {
                        let mut budget = self.worker.budget();
                        (budget.per_hour(), budget.left(at))
                    };
                    tracing::warn!(
                        per_hour,
                        left,
                        due = %self.due,
                        "the fee budget of this hour is used up; work waits until it refills"
                    );
                    self.events.tell(KeeperEvent::BudgetExhausted { per_hour });
                }
            }
            Outcome::Skipped => {}
        }
    }

    fn endpoint_failed(&mut self, closings: u64, reason: &str, at: Duration, chance: f64) {
        match self.gate.failed(closings, reason, at, chance) {
            Some((pause, true)) => {
                let due = self.due.to_string();
                tracing::warn!(reason, due, "the RPC endpoint fails; nothing is sent until it answers");
                tracing::debug!(?pause, "the first pause");
                self.events.tell(KeeperEvent::EndpointFails { reason: reason.to_owned(), due });
            }
            Some((pause, false)) => tracing::debug!(reason, ?pause, "the RPC endpoint still fails"),
            None => {}
        }
    }

    fn answered(&mut self, closings: u64, at: Duration) {
        if let Some(after) = self.gate.answered(closings, at) {
            tracing::info!(after_s = after.as_secs(), "the RPC endpoint answers again");
            self.events.tell(KeeperEvent::EndpointAnswers { after });
        }
    }
}
