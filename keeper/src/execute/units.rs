//! How an action is cut into transactions, by what is remembered of its steps. Pure.

use std::collections::HashSet;

use solana_pubkey::Pubkey;

use super::Admission;
use gridlease_sdk::crank::{Action, Step, StepKey};

/// The transactions to send for `action`, in their order: all steps in one while nothing speaks against it; one by one
/// where a step has failed before; without a step that waits, and without those that need it.
pub(super) fn units(action: &Action, admission: impl Fn(&StepKey) -> Admission) -> Vec<Vec<Step>> {
    let admissions: Vec<Admission> = action.keys().map(|key| admission(&key)).collect();
    if admissions.iter().all(|admission| *admission == Admission::Ready) {
        return vec![action.steps.clone()];
    }
    let mut held_up: HashSet<Pubkey> = HashSet::new();
    let mut units = Vec::new();
    for (step, admission) in action.steps.iter().zip(admissions) {
        if admission == Admission::Waits {
            held_up.insert(step.entity());
        }
        if !held_up.contains(&step.entity()) {
            units.push(vec![step.clone()]);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_core::UnixTs;
    use gridlease_sdk::crank::Verb;
    use gridlease_sdk::instruction::lease::LeaseKeys;

    fn ended_lease() -> Action {
        let key = Pubkey::new_unique;
        let keys = LeaseKeys {
            lease: key(),
            job: key(),
            purse: key(),
            provider: key(),
            offer: key(),
            bond: key(),
            payout: key(),
        };
        let close_job = Step::CloseJob { job: keys.job, purse: keys.purse, payer: key() };
        Action { steps: vec![Step::Settle(keys), Step::CloseLease(keys), close_job], due: UnixTs(1) }
    }

    fn verbs(units: &[Vec<Step>]) -> Vec<Vec<Verb>> {
        units.iter().map(|unit| unit.iter().map(Step::verb).collect()).collect()
    }

    #[test]
    fn an_action_without_a_history_is_one_transaction() {
        let units = units(&ended_lease(), |_| Admission::Ready);
        assert_eq!(verbs(&units), [vec![Verb::Settle, Verb::CloseLease, Verb::CloseJob]]);
    }

    #[test]
    fn an_action_with_a_step_that_failed_is_sent_step_by_step() {
        let admission = |key: &StepKey| if key.verb == Verb::Settle { Admission::Alone } else { Admission::Ready };
        let units = units(&ended_lease(), admission);
        assert_eq!(verbs(&units), [vec![Verb::Settle], vec![Verb::CloseLease], vec![Verb::CloseJob]]);
    }

    #[test]
    fn a_settlement_that_waits_holds_up_its_lease_and_not_the_job() {
        let admission = |key: &StepKey| if key.verb == Verb::Settle { Admission::Waits } else { Admission::Ready };
        assert_eq!(verbs(&units(&ended_lease(), admission)), [vec![Verb::CloseJob]]);
        assert!(units(&ended_lease(), |_| Admission::Waits).is_empty());
    }
}
