//! The steps that anybody may take, for this node's own leases and for the jobs that it leads: taken by the node itself where nobody
//! else did for a while. The planner is the keepers' ([`gridlease_sdk::crank`]); here is only what a node leaves to itself.
//!
//! Others are given [`Cranks::patience`](Cranks) first. Then the accounts are read, so that no fee is paid for what somebody else has
//! done meanwhile, and what is still due is sent. What fails is tried again with growing pauses, for as long as it is due.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use gridlease_core::Now;
use gridlease_sdk::account::Lease;
use gridlease_sdk::crank::{Action, Policy, Step, StepKey, award_of, of_lease};
use gridlease_sdk::view::View;
use solana_pubkey::Pubkey;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::chain::{Chain, Submitted};
use super::following::Following;

/// Most actions under way at the same time.
const AT_ONCE: usize = 4;
/// Pause after an attempt; four times as long after each further one, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(3_600);

/// What is this node's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// The provider record.
    pub(super) provider: Pubkey,
    /// Number of the offer among the provider's.
    pub(super) number: u32,
    /// Leases of this machine, with whether the node is still at work on them.
    pub(super) leases: HashMap<Pubkey, bool>,
}

/// Everything that is due for what is the node's own.
pub(super) fn duties(view: &View, own: &Own, now: Now) -> Vec<Action> {
    let policy = Policy::default();
    let of_leases = own.leases.iter().filter_map(|(key, at_work)| {
        let lease = view.lease(key)?;
        let action = of_lease(view, key, lease, now, &policy)?;
        if *at_work { beside_the_work(&action, lease, now) } else { Some(action) }
    });
    // A job that another machine of this provider leads is that one's to award.
    let leads = |bid: &gridlease_sdk::account::BookEntry| bid.provider == own.provider && bid.offer == own.number;
    let led = view.jobs().filter(|(_, job)| job.bids().first().is_some_and(leads));
    let awards = led.filter_map(|(key, job)| award_of(view, key, job, now));
    of_leases.chain(awards).collect()
}

/// What of `action` may be done while the node is at work on the lease. How a lease goes on after the end of its money its task says,
/// after a look for a top-up; but from the end of a notice on it is paid nothing, and nothing else ends it.
fn beside_the_work(action: &Action, lease: &Lease, now: Now) -> Option<Action> {
    let first = action.steps.first()?;
    let may = match first {
        Step::Settle(_) => true,
        Step::Expire(_) => lease.notice_end != 0 && now.ts.0 >= lease.notice_end,
        _ => false,
    };
    may.then(|| Action::single(first.clone(), action.due))
}

/// What is remembered of a step that is due.
#[derive(Clone, Copy, Debug)]
struct Duty {
    not_before: Instant,
    tries: u32,
}

/// Takes those steps.
pub(super) struct Cranks {
    chain: Chain,
    following: Following,
    /// How long others are given.
    patience: Duration,
    duties: HashMap<StepKey, Duty>,
    tasks: JoinSet<()>,
    busy: HashMap<Id, Pubkey>,
}

impl Cranks {
    pub(super) fn new(chain: Chain, following: Following, patience: Duration) -> Self {
        Self { chain, following, patience, duties: HashMap::new(), tasks: JoinSet::new(), busy: HashMap::new() }
    }

    /// Begins what has been due for long enough, as far as there is room. Never waits.
    pub(super) fn turn(&mut self, own: &Own, now: Now) {
        self.reap();
        let actions = self.following.ask(|view| duties(view, own, now));
        for action in self.begin(actions, Instant::now()) {
            let Some(entity) = action.steps.first().map(Step::entity) else { continue };
            let (chain, following, own) = (self.chain.clone(), self.following.clone(), own.clone());
            let task = self.tasks.spawn(async move { take(&chain, &following, &own, &action).await });
            self.busy.insert(task.id(), entity);
        }
    }

    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = match ended {
                Ok((id, ())) => id,
                Err(error) => {
                    tracing::error!(%error, "a step for the node's own lease broke off; it is tried again");
                    error.id()
                }
            };
            self.busy.remove(&id);
        }
    }

    /// Of what is due, what is begun now.
    fn begin(&mut self, actions: Vec<Action>, at: Instant) -> Vec<Action> {
        let planned: HashSet<StepKey> = actions.iter().filter_map(|action| action.keys().next()).collect();
        self.duties.retain(|key, _| planned.contains(key));
        let mut room = AT_ONCE.saturating_sub(self.tasks.len());
        let mut begun = Vec::new();
        for action in actions {
            let Some(key) = action.keys().next() else { continue };
            let duty = self.duties.entry(key).or_insert(Duty { not_before: at + self.patience, tries: 0 });
            if room == 0 || at < duty.not_before || self.busy.values().any(|entity| *entity == key.entity) {
                continue;
            }
            duty.not_before = at + pause(duty.tries).mul_f64(rand::random_range(0.9..1.1));
            duty.tries = duty.tries.saturating_add(1);
            room -= 1;
            begun.push(action);
        }
        begun
    }
}

/// The pause after the attempt of this number, from 0.
fn pause(tries: u32) -> Duration {
    PAUSE.saturating_mul(4u32.saturating_pow(tries)).min(MAX_PAUSE)
}

/// Looks, and takes the action if it is still due.
async fn take(chain: &Chain, following: &Following, own: &Own, action: &Action) {
    let Some(first) = action.steps.first() else { return };
    let entity = first.entity();
    let addresses = match first {
        Step::Award { job, .. } => vec![*job, own.provider],
        Step::Settle(keys) | Step::Expire(keys) | Step::CloseLease(keys) => vec![keys.lease, keys.job],
        _ => return, // none of them is ever first
    };
    let (view, now) = match following.certain_view(&addresses).await {
        Ok(read) => read,
        Err(error) => {
            tracing::debug!(%entity, %error, "a step waits for the chain");
            return;
        }
    };
    let is_of = |action: &Action| action.steps.first().map(Step::entity) == Some(entity);
    let Some(action) = duties(&view, own, now).into_iter().find(is_of) else { return };
    let touched: BTreeSet<Pubkey> = action.steps.iter().flat_map(Step::touches).collect();
    submit(chain, &action).await;
    following.read_again(&touched.into_iter().collect::<Vec<_>>()).await;
}

/// Sends all of it in one transaction; where that is refused, one step after the other, as far as they go.
async fn submit(chain: &Chain, action: &Action) {
    let payer = chain.node_key();
    let together: Vec<_> = action.steps.iter().map(|step| step.instruction(&payer)).collect();
    match chain.submit(&together).await {
        Submitted::Landed(signature) => tracing::info!(%signature, "by the node itself: {action}"),
        Submitted::Later(reason) => tracing::warn!("{action} did not go through: {reason}"),
        Submitted::Refused { reason, .. } if action.steps.len() == 1 => {
            tracing::info!("{action} was refused: {reason}")
        }
        Submitted::Refused { reason, .. } => {
            tracing::debug!("{action} was refused: {reason}; its steps are tried one by one");
            for step in &action.steps {
                match chain.submit(&[step.instruction(&payer)]).await {
                    Submitted::Landed(signature) => tracing::info!(%signature, "by the node itself: {step}"),
                    Submitted::Refused { reason, .. } | Submitted::Later(reason) => {
                        tracing::info!("{step} came to nothing: {reason}");
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
