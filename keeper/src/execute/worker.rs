//! One transaction after another for one action.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridlease_sdk::rpc::fetch::AtSlot;
use gridlease_sdk::rpc::{Client, Fresh, Prepared, SendError, SendOptions};
use solana_pubkey::Pubkey;

use super::budget::Budget;
use super::effect::effects;
use super::{KeeperSigner, Outcome};
use crate::clock::Stopwatch;
use crate::counters::Counters;
use gridlease_sdk::crank::Step;
use gridlease_sdk::view::observe::Seen;

/// What the network takes for each signature, in lamports.
const SIGNATURE_FEE: u64 = 5_000;

/// What sends; shared by all actions under way.
pub(super) struct Worker {
    pub(super) client: Client,
    pub(super) signer: Arc<KeeperSigner>,
    pub(super) payer: Pubkey,
    pub(super) options: SendOptions,
    pub(super) budget: Mutex<Budget>,
    pub(super) clock: Stopwatch,
    pub(super) counters: Arc<Counters>,
}

/// What an action has brought.
#[derive(Debug, Default)]
pub(super) struct Performed {
    pub(super) reports: Vec<(Step, Outcome)>,
    pub(super) seen: Vec<Seen>,
}

impl Worker {
    /// Sends `units`, each a transaction, in their order. A bundle that is refused, or does not fit, is tried step by step.
    /// A step is skipped where one before it about the same account failed. What the steps touch is read afterwards.
    pub(super) async fn perform(&self, units: Vec<Vec<Step>>) -> Performed {
        let mut units = VecDeque::from(units);
        let mut reports: Vec<(Step, Outcome)> = Vec::new();
        let mut failed: HashSet<Pubkey> = HashSet::new();
        while let Some(unit) = units.pop_front() {
            if unit.iter().any(|step| failed.contains(&step.entity())) {
                reports.extend(unit.into_iter().map(|step| (step, Outcome::Skipped)));
                continue;
            }
            let outcomes = self.transact(&unit).await;
            if let Some(outcome) = outcomes.first().filter(|outcome| unit.len() > 1 && outcome.splits()) {
                tracing::debug!(%outcome, steps = unit.len(), "a bundle does not go through; its steps are tried one by one");
                for step in unit.into_iter().rev() {
                    units.push_front(vec![step]);
                }
                continue;
            }
            // What concerns the keeper as a whole will not be better for the next transaction.
            let ends = outcomes.iter().any(Outcome::is_of_all);
            for (step, outcome) in unit.iter().zip(&outcomes) {
                if !outcome.is_in_the_chain() {
                    failed.insert(step.entity());
                }
            }
            reports.extend(unit.into_iter().zip(outcomes));
            if ends {
                break;
            }
        }
        let seen = self.look_after(&reports).await;
        Performed { reports, seen }
    }

    /// Reads what the steps have touched, or were too late for, as of the slot in which the last of them landed: the
    /// subscription may be slow or dead, and what it does not tell would be done again.
    async fn look_after(&self, reports: &[(Step, Outcome)]) -> Vec<Seen> {
        let told = |outcome: &Outcome| outcome.is_in_the_chain() || matches!(outcome, Outcome::LostRace { .. });
        let touched = reports.iter().filter(|(_, outcome)| told(outcome)).flat_map(|(step, _)| step.touches());
        let touched: Vec<Pubkey> = touched.collect::<BTreeSet<_>>().into_iter().collect();
        if touched.is_empty() {
            return Vec::new();
        }
        let landed = reports.iter().filter_map(|(_, outcome)| outcome.slot()).max();
        match self.client.accounts_at(&touched, landed).await {
            Ok(AtSlot { slot: Some(slot), value }) => {
                touched.into_iter().zip(value).map(|(address, account)| Seen { slot, address, account }).collect()
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::debug!(%error, "what was touched could not be read; the next look shows it");
                Vec::new()
            }
        }
    }

    /// Sends `steps` in one transaction; an outcome for each. An RPC that does not know the blockhash that it gave is asked
    /// for another one at once.
    async fn transact(&self, steps: &[Step]) -> Vec<Outcome> {
        let all = |outcome: Outcome| vec![outcome; steps.len()];
        let instructions: Vec<_> = steps.iter().map(|step| step.instruction(&self.payer)).collect();
        let mut fresh = Fresh::default();
        loop {
            let prepared = match self.client.prepare(&instructions, &*self.signer, &[], &self.options).await {
                Ok(prepared) => prepared,
                Err(error) => return all(Outcome::from(error)),
            };
            let simulated = effects(prepared.simulated_logs(), steps.len());
            if simulated.as_ref().is_some_and(|effects| !effects.contains(&true)) {
                let reason = "it would change nothing now; nothing was sent".to_owned();
                return all(Outcome::LostRace { reason });
            }
            let most = most_fee(&prepared);
            if !self.budget().take(most, self.clock.elapsed()) {
                return all(Outcome::OverBudget);
            }
            let error = match self.client.deliver(&prepared, &self.options).await {
                Ok(landed) => {
                    let fee = landed.fee.unwrap_or(most);
                    self.budget().give_back(most.saturating_sub(fee));
                    let told = landed.logs.as_ref().and_then(|logs| effects(logs, steps.len())).or(simulated);
                    let told = told.unwrap_or_else(|| vec![true; steps.len()]);
                    self.counters.landed(fee, told.contains(&true));
                    let (signature, slot) = (landed.signature, landed.slot);
                    let outcome = |effect: bool| {
                        if effect {
                            Outcome::Landed { signature, slot, fee }
                        } else {
                            Outcome::NoEffect { signature, slot, fee }
                        }
                    };
                    return told.into_iter().map(outcome).collect();
                }
                Err(error) => error,
            };
            self.book(&error, most);
            if !(matches!(error, SendError::StaleBlockhash { .. }) && fresh.again().await) {
                return all(Outcome::from(error));
            }
        }
    }

    /// Puts a transaction that came to nothing into the books; `most` is what was set aside for it. One that landed as failed
    /// was paid for, and one of unknown fate may have been.
    fn book(&self, error: &SendError, most: u64) {
        match error {
            SendError::Failed(failure) if failure.signature.is_some() => {
                let fee = failure.fee.unwrap_or(most);
                self.budget().give_back(most.saturating_sub(fee));
                self.counters.failed(fee);
            }
            SendError::Unknown { .. } => self.counters.unknown(most),
            _ => self.budget().give_back(most),
        }
    }

    pub(super) fn budget(&self) -> MutexGuard<'_, Budget> {
        // Every change of it is complete in itself.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most that a transaction can cost, in lamports.
fn most_fee(prepared: &Prepared) -> u64 {
    let signatures = u64::try_from(prepared.transaction().signatures.len()).unwrap_or(u64::MAX);
    let priority = u128::from(prepared.compute_unit_price()) * u128::from(prepared.compute_unit_limit());
    let priority = u64::try_from(priority.div_ceil(1_000_000)).unwrap_or(u64::MAX);
    signatures.saturating_mul(SIGNATURE_FEE).saturating_add(priority)
}
