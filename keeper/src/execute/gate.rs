//! Whether anything is sent now. What is no answer of a program closes the gate for everything: once for each time that it
//! happens, however many actions ran into it. Pure: time and chance are passed in.

use std::time::Duration;

use super::ledger::pause;

/// First pause after the endpoint failed, doubled each time.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause after that, before jitter.
const LONGEST: Duration = Duration::from_secs(15);
/// Pause while the keeper cannot pay.
const POOR: Duration = Duration::from_secs(30);
/// Pause while the fee budget refills.
const BUDGET: Duration = Duration::from_secs(5);

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The RPC endpoint fails.
    Endpoint,
    /// The keeper's account cannot pay.
    Funds,
    /// The fee budget is used up.
    Budget,
}

/// The gate.
#[derive(Debug, Default)]
pub struct Gate {
    until: Duration,
    cause: Option<(Cause, String)>,
    /// How often the endpoint failed in a row.
    failures: u32,
    /// Since when it fails.
    failing_since: Option<Duration>,
    /// How often it was closed. What began before the last time has nothing new to say about it.
    closings: u64,
    /// How often something was answered.
    answers: u64,
}

impl Gate {
    /// Why nothing may be sent at `at`; `None`: it may.
    pub fn closed(&self, at: Duration) -> Option<(Cause, &str)> {
        let (cause, reason) = self.cause.as_ref().filter(|_| at < self.until)?;
        Some((*cause, reason))
    }

    /// How long it stays closed because of the endpoint.
    pub fn endpoint_pause(&self, at: Duration) -> Option<Duration> {
        matches!(self.closed(at), Some((Cause::Endpoint, _))).then(|| self.until.saturating_sub(at))
    }

    /// To be handed to [`Gate::failed`] and [`Gate::answered`] with how an action that begins now ended.
    pub fn closings(&self) -> u64 {
        self.closings
    }

    /// How often something was answered so far.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// The endpoint failed an action that began after `closings`. Returns the pause, and whether it is the first of this
    /// outage; `None` where that is known already.
    pub fn failed(&mut self, closings: u64, reason: &str, at: Duration, chance: f64) -> Option<(Duration, bool)> {
        if closings != self.closings {
            return None;
        }
        let first = self.failing_since.is_none();
        self.failing_since.get_or_insert(at);
        let pause = pause(FIRST, LONGEST, self.failures, chance);
        self.failures = self.failures.saturating_add(1);
        self.close(Cause::Endpoint, reason, at + pause);
        Some((pause, first))
    }

    /// The endpoint answered an action that began after `closings`. Returns for how long it had failed, where that ends
    /// with it.
    pub fn answered(&mut self, closings: u64, at: Duration) -> Option<Duration> {
        self.answers = self.answers.saturating_add(1);
        if closings != self.closings {
            return None;
        }
        self.failures = 0;
        self.failing_since.take().map(|since| at.saturating_sub(since))
    }

    /// Something else was answered again after it was not: reason enough to try at once.
    pub fn may_be_back(&mut self, at: Duration) {
        if self.endpoint_pause(at).is_some() {
            self.until = at;
        }
    }

    /// The keeper could not pay for an action that began after `closings`. Returns whether that is news.
    pub fn poor(&mut self, closings: u64, reason: &str, at: Duration) -> bool {
        let news = closings == self.closings;
        if news {
            self.close(Cause::Funds, reason, at + POOR);
        }
        news
    }

    /// The fee budget was used up for an action that began after `closings`.
    pub fn over_budget(&mut self, closings: u64, reason: &str, at: Duration) {
        if closings == self.closings {
            self.close(Cause::Budget, reason, at + BUDGET);
        }
    }

    fn close(&mut self, cause: Cause, reason: &str, until: Duration) {
        self.closings += 1;
        self.until = until;
        self.cause = Some((cause, reason.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn issue9_17_one_blip_closes_the_gate_once_however_many_actions_ran_into_it() {
        let mut gate = Gate::default();
        let begun = gate.closings();
        assert_eq!(gate.failed(begun, "gone", at(0), 0.5), Some((at(500), true)));
        for _ in 0..15 {
            assert_eq!(gate.failed(begun, "gone", at(1), 0.5), None);
        }
        assert_eq!(gate.closed(at(499)), Some((Cause::Endpoint, "gone")));
        assert_eq!(gate.closed(at(500)), None);
        // The next round doubles it, once, and up to a bound.
        let mut now = at(500);
        for wait in [1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
            assert_eq!(gate.failed(gate.closings(), "gone", now, 0.5), Some((at(wait), false)));
            now += at(wait);
        }
        assert_eq!(gate.answered(begun, now), None, "it began before the outage");
        assert_eq!(gate.answered(gate.closings(), now), Some(now));
        assert_eq!(gate.answered(gate.closings(), now), None);
        assert_eq!(gate.failed(gate.closings(), "gone", now, 0.5), Some((at(500), true)));
    }

    #[test]
    fn an_endpoint_that_is_back_opens_the_gate_at_once_and_money_that_is_not_there_keeps_it_closed() {
        let mut gate = Gate::default();
        gate.failed(0, "gone", at(0), 1.0);
        assert_eq!(gate.endpoint_pause(at(25)), Some(at(600)));
        gate.may_be_back(at(25));
        assert_eq!(gate.closed(at(25)), None);
        assert!(gate.poor(1, "no SOL", at(30)));
        assert!(!gate.poor(1, "no SOL", at(30)), "said already");
        gate.may_be_back(at(31));
        assert_eq!((gate.closed(at(31)), gate.endpoint_pause(at(31))), (Some((Cause::Funds, "no SOL")), None));
        gate.over_budget(2, "used up", at(40_000));
        assert_eq!(gate.closed(at(40_000)), Some((Cause::Budget, "used up")));
    }
}
