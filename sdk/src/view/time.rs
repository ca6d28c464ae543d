//! The chain's time between two readings of its clock.

use std::time::Duration;

use gridlease_core::limits::SLOT_MS;
use gridlease_core::{Now, UnixTs};

/// For how long a reading of the chain's clock is carried on. A chain that stands still must not seem to run away.
const MAX_CARRIED: Duration = Duration::from_secs(30);

/// The chain's time between readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct MarketTime {
    read: Option<(Now, Duration)>,
}

impl MarketTime {
    /// The chain's clock said `now` when the stopwatch showed `at`.
    pub fn set(&mut self, now: Now, at: Duration) {
        self.read = Some((now, at));
    }

    /// The chain's time when the stopwatch shows `at`: the last reading and what has passed since, in whole seconds
    /// rounded down, so that it is late rather than early. `None` before the first reading.
    pub fn now(&self, at: Duration) -> Option<Now> {
        let (now, read_at) = self.read?;
        let passed = at.saturating_sub(read_at).min(MAX_CARRIED);
        let slots = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX) / u64::from(SLOT_MS);
        Some(Now { slot: now.slot.saturating_add(slots), ts: UnixTs(now.ts.0.saturating_add(passed.as_secs())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Now = Now { slot: 100, ts: UnixTs(1_000) };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn there_is_no_market_time_before_the_chain_has_said_it() {
        assert_eq!(MarketTime::default().now(at(5)), None);
    }

    #[test]
    fn between_readings_time_goes_on_in_whole_seconds_and_slots_rounded_down() {
        let mut time = MarketTime::default();
        time.set(READ, at(500));
        for (ms, slot, ts) in [(0, 100, 1_000), (500, 100, 1_000), (1_499, 102, 1_000), (1_500, 102, 1_001)] {
            assert_eq!(time.now(at(ms)), Some(Now { slot, ts: UnixTs(ts) }), "{ms}");
        }
    }

    #[test]
    fn a_chain_that_stands_still_does_not_run_away() {
        let mut time = MarketTime::default();
        time.set(READ, at(0));
        let latest = time.now(at(30_000)).unwrap();
        assert_eq!(latest.ts, UnixTs(1_030));
        assert_eq!(time.now(at(3_600_000)), Some(latest));
        time.set(READ, at(3_600_000));
        assert_eq!(time.now(at(3_600_000)), Some(READ));
    }
}
