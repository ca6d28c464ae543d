//! One transaction after another for one action.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridlease_sdk::rpc::{Client, Prepared, SendError, SendOptions};
use solana_pubkey::Pubkey;

use super::budget::Budget;
use super::{KeeperSigner, Outcome};
use crate::clock::Stopwatch;
use crate::counters::Counters;
use crate::plan::Step;

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

impl Worker {
    /// Sends `units`, each a transaction, in their order. A bundle that is refused, or does not fit, is tried step by step.
    /// A step is skipped where one before it about the same account failed.
    pub(super) async fn perform(&self, units: Vec<Vec<Step>>) -> Vec<(Step, Outcome)> {
        let mut units = VecDeque::from(units);
        let mut reports = Vec::new();
        let mut failed: HashSet<Pubkey> = HashSet::new();
        while let Some(unit) = units.pop_front() {
            if unit.iter().any(|step| failed.contains(&step.entity())) {
                reports.extend(unit.into_iter().map(|step| (step, Outcome::Skipped)));
                continue;
            }
            let outcome = self.transact(&unit).await;
            if unit.len() > 1 && outcome.splits() {
                tracing::debug!(%outcome, steps = unit.len(), "a bundle does not go through; its steps are tried one by one");
                for step in unit.into_iter().rev() {
                    units.push_front(vec![step]);
                }
                continue;
            }
            // What concerns the keeper as a whole will not be better for the next transaction.
            let ends = matches!(outcome, Outcome::Unreachable { .. } | Outcome::Unfunded { .. } | Outcome::OverBudget);
            if !outcome.is_landed() {
                failed.extend(unit.iter().map(Step::entity));
            }
            reports.extend(unit.into_iter().map(|step| (step, outcome.clone())));
            if ends {
                break;
            }
        }
        reports
    }

    async fn transact(&self, steps: &[Step]) -> Outcome {
        let instructions: Vec<_> = steps.iter().map(|step| step.instruction(&self.payer)).collect();
        let prepared = match self.client.prepare(&instructions, &*self.signer, &[], &self.options).await {
            Ok(prepared) => prepared,
            Err(error) => return Outcome::from(error),
        };
        let most = most_fee(&prepared);
        if !self.budget().take(most, self.clock.elapsed()) {
            return Outcome::OverBudget;
        }
        match self.client.deliver(&prepared, &self.options).await {
            Ok(landed) => {
                let fee = landed.fee.unwrap_or(most);
                self.budget().give_back(most.saturating_sub(fee));
                self.counters.landed(fee);
                Outcome::Landed { signature: landed.signature, slot: landed.slot, fee }
            }
            Err(error) => {
                // A transaction that landed as failed was paid for, and one of unknown fate may have been.
                let spent = match &error {
                    SendError::Unknown { .. } => true,
                    SendError::Failed(failure) => failure.signature.is_some(),
                    _ => false,
                };
                if !spent {
                    self.budget().give_back(most);
                }
                Outcome::from(error)
            }
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
