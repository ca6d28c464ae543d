//! Carries out what was planned: bounded in number and in fees, each account by one action at a time, and so that an
//! action that fails holds up no other.

mod budget;
mod ledger;
mod outcome;
mod units;
mod worker;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gridlease_sdk::rpc::{Client, SendOptions};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tokio::task::{Id, JoinSet};

pub use self::budget::Budget;
pub use self::ledger::{Admission, Ledger};
pub use self::outcome::{Outcome, OutcomeKind};
use self::units::units;
use self::worker::Worker;
use crate::clock::Stopwatch;
use crate::counters::Counters;
use crate::event::{Events, KeeperEvent};
use crate::plan::{Action, Step, StepKey};
use crate::view::View;

/// The key that pays the keeper's fees.
pub type KeeperSigner = dyn Signer + Send + Sync;

/// First pause of everything after the RPC did not answer, doubled each time.
const GATE_FIRST: Duration = Duration::from_millis(500);
/// Longest pause of everything, before jitter.
const GATE_LONGEST: Duration = Duration::from_secs(15);
/// Pause of everything while the keeper cannot pay.
const GATE_POOR: Duration = Duration::from_secs(30);
/// Pause of everything while the fee budget refills.
const GATE_BUDGET: Duration = Duration::from_secs(5);
/// From how many times in a row on a step that somebody else should have done, but which stays due, is worth a warning.
const SUSPICIOUS: u32 = 3;

/// What one action at a time may touch: an account, and for automatic bids the bidder in it.
type Lock = (Pubkey, Option<Pubkey>);

/// An action that has ended.
pub(crate) struct Finished {
    id: Id,
    /// Empty where its task was ended from outside.
    reports: Vec<(Step, Outcome)>,
}

/// What is known of an action under way.
struct Running {
    locks: Vec<Lock>,
    /// Revisions of the accounts that its steps are about, when it was planned.
    revisions: HashMap<Pubkey, Option<u64>>,
}

/// Carries out actions.
pub(crate) struct Executor {
    worker: Arc<Worker>,
    ledger: Ledger,
    tasks: JoinSet<Vec<(Step, Outcome)>>,
    running: HashMap<Id, Running>,
    locked: HashSet<Lock>,
    concurrency: usize,
    /// Nothing is sent before.
    gate: Duration,
    gate_failures: u32,
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
            gate: Duration::ZERO,
            gate_failures: 0,
            told_budget: false,
            clock,
            counters,
            events,
        }
    }

    /// Starts what of `actions` may be started now, as long as there is room. Returns how many were started.
    pub(crate) fn dispatch(&mut self, actions: &[Action], view: &View) -> usize {
        let at = self.clock.elapsed();
        let planned: HashSet<StepKey> = actions.iter().flat_map(Action::keys).collect();
        self.ledger.prune(&planned, at);
        if at < self.gate {
            return 0;
        }
        let mut started = 0;
        for action in actions {
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
            self.running.insert(id, Running { locks, revisions });
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
            Ok((id, reports)) => Some(Finished { id, reports }),
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "an action ended by a bug; the keeper goes on");
                }
                Some(Finished { id: error.id(), reports: Vec::new() })
            }
        }
    }

    /// Takes in how an action ended.
    pub(crate) fn absorb(&mut self, finished: Option<Finished>) {
        let Some(finished) = finished else { return };
        let Some(Running { locks, revisions }) = self.running.remove(&finished.id) else { return };
        for lock in locks {
            self.locked.remove(&lock);
        }
        for (step, outcome) in finished.reports {
            let revision = revisions.get(&step.entity()).copied().flatten();
            self.learn(&step, revision, &outcome);
            self.counters.step(step.verb(), outcome.kind());
            self.events.tell(KeeperEvent::Step { step: Box::new(step), outcome });
        }
    }

    /// Ends everything that is under way.
    pub(crate) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    fn learn(&mut self, step: &Step, revision: Option<u64>, outcome: &Outcome) {
        let (verb, entity, key) = (step.verb().name(), step.entity(), step.key());
        let (at, chance) = (self.clock.elapsed(), rand::random::<f64>());
        match outcome {
            Outcome::Landed { signature, slot, fee } => {
                (self.gate_failures, self.told_budget) = (0, false);
                self.ledger.done(key, revision, at, chance);
                tracing::info!(verb, %entity, %signature, slot, fee, "{step}");
            }
            Outcome::LostRace { reason } => {
                let times = self.ledger.done(key, revision, at, chance);
                if times >= SUSPICIOUS {
                    tracing::warn!(verb, %entity, times, reason, "due, but the market does not take it");
                } else {
                    tracing::debug!(verb, %entity, reason, "not needed any more, or not yet");
                }
            }
            Outcome::Refused { .. } | Outcome::TooLarge { .. } | Outcome::Expired { .. } | Outcome::Unknown { .. } => {
                let times = self.ledger.refused(key, at, chance);
                tracing::warn!(verb, %entity, outcome = outcome.kind().name(), times, reason = %outcome, "a step failed");
            }
            Outcome::Unreachable { reason } => {
                let pause = ledger::pause(GATE_FIRST, GATE_LONGEST, self.gate_failures, chance);
                self.gate_failures = self.gate_failures.saturating_add(1);
                self.gate = at + pause;
                tracing::warn!(verb, %entity, reason, ?pause, "the RPC does not answer; nothing is sent for a while");
            }
            Outcome::Unfunded { reason } => {
                self.gate = at + GATE_POOR;
                tracing::error!(payer = %self.worker.payer, reason, "the keeper cannot pay its fees; fund its account");
            }
            Outcome::OverBudget => {
                self.gate = at + GATE_BUDGET;
                if !std::mem::replace(&mut self.told_budget, true) {
                    let (per_hour, left) = {
                        let mut budget = self.worker.budget();
                        (budget.per_hour(), budget.left(at))
                    };
                    tracing::warn!(
                        per_hour,
                        left,
                        "the fee budget of this hour is used up; work waits until it refills"
                    );
                    self.events.tell(KeeperEvent::BudgetExhausted { per_hour });
                }
            }
            Outcome::Skipped => {}
        }
    }
}
