//! What the keeper has done so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::execute::OutcomeKind;
use crate::plan::Verb;

/// Counters; shared, and only ever growing.
#[derive(Debug, Default)]
pub struct Counters {
    steps: [[AtomicU64; OutcomeKind::ALL.len()]; Verb::ALL.len()],
    transactions: AtomicU64,
    fees: AtomicU64,
    disconnects: AtomicU64,
    violations: AtomicU64,
    audits: AtomicU64,
}

/// Steps of one verb with one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StepCount {
    /// The verb.
    pub verb: Verb,
    /// The outcome.
    pub outcome: OutcomeKind,
    /// How many.
    pub count: u64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Steps by verb and outcome; those that never happened are left out.
    pub steps: Vec<StepCount>,
    /// Transactions that landed.
    pub transactions: u64,
    /// Fees paid, in lamports.
    pub fees_lamports: u64,
    /// How often the connection was lost.
    pub disconnects: u64,
    /// Audits completed.
    pub audits: u64,
    /// Violations of an invariant found.
    pub violations: u64,
}

impl Counters {
    pub(crate) fn step(&self, verb: Verb, outcome: OutcomeKind) {
        if let Some(counter) = self.steps.get(verb as usize).and_then(|row| row.get(outcome as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn landed(&self, fee: u64) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.fees.fetch_add(fee, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.disconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn audited(&self, violations: u64) {
        self.audits.fetch_add(1, Ordering::Relaxed);
        self.violations.fetch_add(violations, Ordering::Relaxed);
    }

    /// Steps of `verb` that ended in `outcome`.
    pub fn count(&self, verb: Verb, outcome: OutcomeKind) -> u64 {
        let counter = self.steps.get(verb as usize).and_then(|row| row.get(outcome as usize));
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// All of them.
    pub fn summary(&self) -> Summary {
        let steps = Verb::ALL
            .into_iter()
            .flat_map(|verb| OutcomeKind::ALL.map(|outcome| (verb, outcome)))
            .map(|(verb, outcome)| StepCount { verb, outcome, count: self.count(verb, outcome) })
            .filter(|step| step.count > 0)
            .collect();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Summary {
            steps,
            transactions: load(&self.transactions),
            fees_lamports: load(&self.fees),
            disconnects: load(&self.disconnects),
            audits: load(&self.audits),
            violations: load(&self.violations),
        }
    }
}

impl Summary {
    /// Steps of `verb` that landed.
    pub fn landed(&self, verb: Verb) -> u64 {
        let of = |step: &&StepCount| step.verb == verb && step.outcome == OutcomeKind::Landed;
        self.steps.iter().filter(of).map(|step| step.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_outcome_has_a_counter_of_its_own() {
        let counters = Counters::default();
        for verb in Verb::ALL {
            for outcome in OutcomeKind::ALL {
                counters.step(verb, outcome);
                assert_eq!(counters.count(verb, outcome), 1, "{verb} {}", outcome.name());
            }
        }
        assert_eq!(counters.summary().steps.len(), Verb::ALL.len() * OutcomeKind::ALL.len());
        assert_eq!(counters.summary().landed(Verb::Award), 1);
    }
}
