//! What the keeper has done so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::execute::{Cause, OutcomeKind};
use gridlease_sdk::crank::Verb;

/// Counters; shared, and only ever growing.
#[derive(Debug, Default)]
pub struct Counters {
    steps: [[AtomicU64; OutcomeKind::ALL.len()]; Verb::ALL.len()],
    transactions: AtomicU64,
    failed: AtomicU64,
    without_effect: AtomicU64,
    unknown: AtomicU64,
    fees: AtomicU64,
    unknown_fees: AtomicU64,
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
    /// Transactions that landed and were paid for, whatever came of them.
    pub transactions: u64,
    /// Of these, landed as failed.
    pub failed: u64,
    /// Of these, succeeded and changed nothing, because somebody was faster.
    pub without_effect: u64,
    /// Fees paid for all that landed, in lamports.
    pub fees_lamports: u64,
    /// Transactions of which nobody knows whether they landed; not counted above.
    pub unknown: u64,
    /// The most that these may have cost, in lamports.
    pub unknown_fees_lamports: u64,
    /// How often the connection was lost.
    pub disconnects: u64,
    /// Audits completed.
    pub audits: u64,
    /// Violations of an invariant found.
    pub violations: u64,
    /// What a single pass could not do although it was due.
    pub undone: Option<Undone>,
}

/// Steps that were due and could not be taken, for no fault of theirs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Undone {
    /// How many.
    pub steps: usize,
    /// The one that is due longest, in words.
    pub first: String,
    /// Since when it is due, as a Unix time.
    pub since: u64,
    /// What stood in the way.
    pub cause: Cause,
    /// The same in words.
    pub reason: String,
}

impl std::fmt::Display for Undone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { steps, first, since, reason, .. } = self;
        write!(f, "{steps} steps are due and were not taken, the first since {since} ({first}): {reason}")
    }
}

impl Counters {
    pub(crate) fn step(&self, verb: Verb, outcome: OutcomeKind) {
        if let Some(counter) = self.steps.get(verb as usize).and_then(|row| row.get(outcome as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A transaction landed, succeeded and cost `fee`.
    pub(crate) fn landed(&self, fee: u64, effect: bool) {
        self.paid(fee);
        self.without_effect.fetch_add(u64::from(!effect), Ordering::Relaxed);
    }

    /// A transaction landed as failed and cost `fee`.
    pub(crate) fn failed(&self, fee: u64) {
        self.paid(fee);
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn paid(&self, fee: u64) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.fees.fetch_add(fee, Ordering::Relaxed);
    }

    /// A transaction may have landed, and then cost at most `most`.
    pub(crate) fn unknown(&self, most: u64) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        self.unknown_fees.fetch_add(most, Ordering::Relaxed);
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
            failed: load(&self.failed),
            without_effect: load(&self.without_effect),
            fees_lamports: load(&self.fees),
            unknown: load(&self.unknown),
            unknown_fees_lamports: load(&self.unknown_fees),
            disconnects: load(&self.disconnects),
            audits: load(&self.audits),
            violations: load(&self.violations),
            undone: None,
        }
    }
}

impl Summary {
    /// Steps of `verb` that landed and did what they were to do.
    pub fn landed(&self, verb: Verb) -> u64 {
        let of = |step: &&StepCount| step.verb == verb && step.outcome == OutcomeKind::Landed;
        self.steps.iter().filter(of).map(|step| step.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue9_16_what_failed_and_what_changed_nothing_is_in_the_books_too() {
        let counters = Counters::default();
        counters.landed(5_000, true);
        counters.landed(5_000, false);
        counters.failed(6_000);
        counters.unknown(7_000);
        let Summary { transactions, failed, without_effect, fees_lamports, unknown, unknown_fees_lamports, .. } =
            counters.summary();
        assert_eq!((transactions, failed, without_effect, fees_lamports), (3, 1, 1, 16_000));
        assert_eq!((unknown, unknown_fees_lamports), (1, 7_000));
    }

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
