//! What the keeper remembers of its attempts, so that it neither repeats what has just been done nor runs against a wall.
//!
//! A step that landed, or that somebody else did first, *waits for the view*: it is not tried again before the account
//! that it is about has changed, or a little time has passed. A step that was refused *backs off*: it waits longer each
//! time, whatever changes. Both pauses are bounded and jittered, and both concern that one step only: a payout account
//! that is frozen holds up the settlement of its lease and nothing else. A step that the endpoint did not answer waits for
//! the endpoint, not here; unless the endpoint answers others meanwhile, again and again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use gridlease_sdk::crank::StepKey;

/// First pause, doubled each time.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause of a step that was refused, before jitter.
const LONGEST: Duration = Duration::from_secs(300);
/// Longest pause of a step that the endpoint does not answer although it answers others, before jitter.
const LONGEST_UNANSWERED: Duration = Duration::from_secs(15);
/// From how many times in a row on that is the step's own matter.
const UNANSWERED: u32 = 3;
/// First wait for the view to show what was done.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Longest wait for the view, before jitter.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// May a step be tried?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Ready,
    /// Yes, and it has failed before: on its own, so that it takes nothing else down with it.
    Alone,
    /// Not yet.
    Waits,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    until: Duration,
    /// Revision of the entity for which this holds; `None`: whatever it is.
    revision: Option<Option<u64>>,
}

/// A step that the endpoint did not answer.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    /// How often, each time after others were answered.
    times: u32,
    /// How many answers there had been by then.
    answers: u64,
}

/// The memory. Pure: time and chance are passed in.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: HashMap<StepKey, Entry>,
    unanswered: HashMap<StepKey, Unanswered>,
}

impl Ledger {
    /// May the step be tried at `at`, where the account that it is about has `revision`?
    pub fn admission(&self, key: &StepKey, revision: Option<u64>, at: Duration) -> Admission {
        match self.entries.get(key) {
            Some(entry) if entry.revision.is_some_and(|known| known != revision) => Admission::Ready,
            Some(entry) if at < entry.until => Admission::Waits,
            Some(entry) if entry.failures > 0 => Admission::Alone,
            _ => Admission::Ready,
        }
    }

    /// It was done, by us or by somebody else, as far as anybody knows; `revision` is what it was planned on. Returns how
    /// often in a row the view did not change by it.
    pub fn done(&mut self, key: StepKey, revision: Option<u64>, at: Duration, chance: f64) -> u32 {
        self.unanswered.remove(&key);
        let again = self.entries.get(&key).is_some_and(|entry| entry.revision == Some(revision));
        let failures = if again { self.failures(&key).saturating_add(1) } else { 0 };
        let until = at + pause(FIRST_LOOK, LONGEST_LOOK, failures, chance);
        self.entries.insert(key, Entry { failures, until, revision: Some(revision) });
        failures
    }

    /// It was refused. Returns how often in a row, this time included.
    pub fn refused(&mut self, key: StepKey, at: Duration, chance: f64) -> u32 {
        self.unanswered.remove(&key);
        let failures = self.failures(&key).saturating_add(1);
        let until = at + pause(FIRST, LONGEST, failures - 1, chance);
        self.entries.insert(key, Entry { failures, until, revision: None });
        failures
    }

    /// The endpoint did not answer it; `answers` is how many answers to others there have been so far. Returns whether that
    /// is the step's own matter, and it waits: the endpoint has answered others each time in between.
    pub fn unanswered(&mut self, key: StepKey, answers: u64, at: Duration, chance: f64) -> bool {
        let entry = self.unanswered.entry(key).or_insert(Unanswered { times: 0, answers });
        if answers > entry.answers {
            *entry = Unanswered { times: entry.times.saturating_add(1), answers };
        }
        let Some(more) = entry.times.checked_sub(UNANSWERED) else { return false };
        let until = at + pause(FIRST, LONGEST_UNANSWERED, more, chance);
        self.entries.insert(key, Entry { failures: 1, until, revision: None });
        true
    }

    /// Is it a step that the endpoint did not answer? Others come first, or it would hold them up.
    pub fn is_unanswered(&self, key: &StepKey) -> bool {
        self.unanswered.contains_key(key)
    }

    /// Forgets what is neither planned any more nor still waiting.
    pub fn prune(&mut self, planned: &HashSet<StepKey>, at: Duration) {
        self.entries.retain(|key, entry| planned.contains(key) || at < entry.until);
        self.unanswered.retain(|key, _| planned.contains(key));
    }

    /// Steps remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is nothing remembered?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn failures(&self, key: &StepKey) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.failures)
    }
}

/// `first`, doubled `times` times, at most `longest`, then up to a quarter more or less by `chance` (0 to 1).
pub(super) fn pause(first: Duration, longest: Duration, times: u32, chance: f64) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(times.min(20)).unwrap_or(u32::MAX)).min(longest);
    doubled.mul_f64(0.75 + 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_sdk::crank::Verb;
    use solana_pubkey::Pubkey;

    fn key(entity: u8) -> StepKey {
        StepKey { verb: Verb::Settle, entity: Pubkey::new_from_array([entity; 32]), bidder: None }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_done_waits_until_the_view_shows_it() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.done(key(1), Some(7), at(10), 0.5), 0);
        assert_eq!(ledger.admission(&key(1), Some(7), at(11)), Admission::Waits);
        assert_eq!(ledger.admission(&key(1), Some(8), at(11)), Admission::Ready);
        assert_eq!(ledger.admission(&key(1), None, at(11)), Admission::Ready);
        assert_eq!(ledger.admission(&key(2), Some(7), at(11)), Admission::Ready);
        // A view that never shows it does not stop the keeper, but slows it down.
        assert_eq!(ledger.admission(&key(1), Some(7), at(12)), Admission::Ready);
        assert_eq!(ledger.done(key(1), Some(7), at(12), 0.5), 1);
        assert_eq!(ledger.admission(&key(1), Some(7), at(15)), Admission::Waits);
        assert_eq!(ledger.admission(&key(1), Some(7), at(16)), Admission::Alone);
    }

    #[test]
    fn a_refused_step_waits_twice_as_long_each_time_up_to_five_minutes_whatever_the_view_shows() {
        let mut ledger = Ledger::default();
        let mut now = at(0);
        for (times, wait) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            assert_eq!(ledger.refused(key(1), now, 0.5), times);
            assert_eq!(ledger.admission(&key(1), Some(u64::from(times)), now + at(wait - 1)), Admission::Waits);
            now += at(wait);
            assert_eq!(ledger.admission(&key(1), Some(1), now), Admission::Alone);
        }
        for _ in 0..100 {
            ledger.refused(key(1), now, 1.0);
        }
        assert_eq!(ledger.admission(&key(1), None, now + at(374)), Admission::Waits);
        assert_eq!(ledger.admission(&key(1), None, now + at(375)), Admission::Alone);
    }

    #[test]
    fn issue9_17_a_step_that_the_endpoint_does_not_answer_waits_itself_only_where_others_are_answered() {
        let mut ledger = Ledger::default();
        for _ in 0..100 {
            assert!(!ledger.unanswered(key(1), 7, at(0), 0.5));
        }
        assert_eq!(ledger.admission(&key(1), None, at(0)), Admission::Ready);
        assert_eq!((ledger.is_unanswered(&key(1)), ledger.is_unanswered(&key(2))), (true, false));
        for answers in [8, 9] {
            assert!(!ledger.unanswered(key(1), answers, at(0), 0.5));
        }
        for (answers, wait) in [(10, 1), (11, 2), (12, 4), (13, 8), (14, 15), (15, 15)] {
            assert!(ledger.unanswered(key(1), answers, at(0), 0.5));
            assert_eq!(ledger.admission(&key(1), None, at(wait - 1)), Admission::Waits);
            assert_eq!(ledger.admission(&key(1), None, at(wait)), Admission::Alone);
        }
        ledger.done(key(1), None, at(20), 0.5);
        assert!(!ledger.is_unanswered(&key(1)));
    }

    #[test]
    fn pauses_differ_by_chance_so_that_keepers_do_not_move_in_step() {
        let pauses = [0.0, 0.5, 1.0].map(|chance| pause(FIRST, LONGEST, 3, chance));
        assert_eq!(pauses, [at(6), at(8), at(10)]);
    }

    #[test]
    fn only_what_is_planned_or_waits_is_remembered() {
        let mut ledger = Ledger::default();
        for entity in 0..100 {
            ledger.refused(key(entity), at(0), 0.5);
        }
        ledger.prune(&HashSet::new(), at(0));
        assert_eq!(ledger.len(), 100);
        ledger.prune(&HashSet::from([key(3)]), at(60));
        assert_eq!(ledger.len(), 1);
    }
}
