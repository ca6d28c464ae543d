//! How long the container ran, as far as this machine knows it: what the bill is made of.

use super::{Ended, LeaseRecord, Phase};

impl LeaseRecord {
    /// The chain has the `ready`: from now on time is billed, and what stood still before does not matter.
    pub fn meter_started(&mut self, now_ms: i64) {
        if self.ready_missing() {
            self.stood_ms = 0;
            self.metered_ms = Some(now_ms);
            self.paused_since_ms = self.paused_since_ms.map(|_| now_ms);
        }
        self.reach(Phase::ReadyPosted);
    }

    /// The container was seen paused, or not. Returns whether that is news.
    pub fn seen_paused(&mut self, paused: bool, now_ms: i64) -> bool {
        match (paused, self.paused_since_ms) {
            (true, None) if self.ended.is_none() => self.paused_since_ms = Some(now_ms),
            (false, Some(since)) => {
                self.stood_ms = self.stood_ms.saturating_add(now_ms.saturating_sub(since).max(0));
                self.paused_since_ms = None;
            }
            _ => return false,
        }
        true
    }

    /// The container ended, at `at_ms` of the node's clock. A pause ended with it.
    pub fn container_ended(&mut self, ended: Ended, at_ms: i64) {
        self.seen_paused(false, at_ms);
        self.ended = Some(ended);
        self.ended_ms = Some(at_ms);
        self.reach(Phase::Exited);
    }

    /// For how many seconds the container stood still since the meter started.
    #[must_use]
    pub fn stood_s(&self) -> u32 {
        u32::try_from(self.stood_ms / 1000).unwrap_or(0)
    }

    /// When the container ended, Unix seconds of the chain's clock; 0 where nobody knows. A second that was begun counts as run.
    #[must_use]
    pub fn ended_at(&self) -> u64 {
        let seconds = |ms: i64| ms.div_euclid(1000) + i64::from(ms.rem_euclid(1000) != 0);
        self.ended_ms.and_then(|ms| u64::try_from(seconds(ms)).ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> LeaseRecord {
        LeaseRecord::some()
    }

    fn ended() -> Ended {
        // By the machine's clock, which may be far off; the bill is not made of it.
        Ended { code: 0, oom_killed: false, at_ms: 86_400_000, lost: false }
    }

    #[test]
    fn issue9_11_time_in_which_the_container_stood_still_is_counted_from_ready_on() {
        let mut record = record();
        assert!(record.seen_paused(true, 10_000));
        assert!(!record.seen_paused(true, 11_000), "no news");
        record.meter_started(15_000);
        assert!(record.seen_paused(false, 20_000));
        assert_eq!(record.stood_s(), 5, "what was before ready was not billed");
        record.seen_paused(true, 30_000);
        record.meter_started(35_000);
        record.seen_paused(false, 90_999);
        assert_eq!(record.stood_s(), 65, "a second look at ready changes nothing");
    }

    #[test]
    fn issue9_11_a_container_that_is_killed_while_paused_stood_until_its_end() {
        let mut record = record();
        record.meter_started(1_000);
        record.seen_paused(true, 2_000);
        record.container_ended(ended(), 9_500);
        assert_eq!((record.stood_s(), record.ended_at()), (7, 10));
        assert!(!record.seen_paused(true, 70_000), "after its end nothing stands still");
    }

    #[test]
    fn issue9_11_the_end_is_told_in_the_chains_time_and_a_second_that_was_begun_counts() {
        let mut record = record();
        assert_eq!(record.ended_at(), 0, "not ended");
        for (at_ms, ended_at) in [(9_000, 9), (9_001, 10), (9_999, 10)] {
            record.container_ended(ended(), at_ms);
            assert_eq!(record.ended_at(), ended_at);
        }
    }

    #[test]
    fn issue9_11_a_clock_that_is_set_back_takes_nothing_away() {
        let mut record = record();
        record.seen_paused(true, 10_000);
        record.seen_paused(false, 4_000);
        assert_eq!(record.stood_s(), 0);
    }
}
