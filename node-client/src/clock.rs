//! The node's time: the chain's, carried on between two readings by a clock that no one can set.
//!
//! Deadlines, the runway and the window of a request's signature are all in chain time, so a node must reckon in it
//! whatever its machine's own clock says. [`Clock::observe`] takes each reading of the chain's clock; what passes in
//! between is measured by a monotonic clock, so a step of the machine's clock (NTP, an operator, a leap second) moves
//! nothing. Before the first reading the machine's clock has to do.
//!
//! This is the only place of the node that reads the machine's clock. Times that come from there (the container
//! engine's) become chain time through [`Clock::chain_ms_of_host`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gridlease_core::Now;

/// How far the estimate may be ahead of a reading, in milliseconds. A reading is in whole seconds and as old as its
/// slot and its way here, so the chain's time is at least what was read and at most about this much more.
const READING_SPAN_MS: i64 = 3_000;
/// A reading of an older slot (another endpoint behind the same address) is ignored for this long; later the chain is
/// taken to have started anew.
const OLD_SLOT_MS: i64 = 60_000;
/// A machine's clock that is further off than this, in milliseconds, is worth a word to the operator.
const TOLERATED_MS: i64 = 20_000;

/// The machine's clock is off, or no longer; to be told to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostClock {
    /// It is this many seconds ahead of the chain's (negative: behind).
    Off {
        /// Distance.
        ahead_s: i64,
    },
    /// It was off, and is right again.
    Right,
}

/// Chain time. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Clock {
    host: Host,
    state: Arc<Mutex<State>>,
}

/// The machine's two clocks, in milliseconds: one that can be set, and one that only runs.
#[derive(Clone, Debug)]
enum Host {
    Machine { start: Instant },
    Manual(Arc<Hands>),
}

#[derive(Debug)]
struct Hands {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicI64,
}

#[derive(Debug)]
struct State {
    /// Chain time was `chain_ms` when the monotonic clock stood at `at_ms`.
    chain_ms: i64,
    at_ms: i64,
    /// Slot of the last reading, and when it came by the monotonic clock.
    last: Option<(u64, i64)>,
    told: bool,
}

impl Clock {
    /// A clock that starts with the machine's time and follows the chain's from the first reading on.
    #[must_use]
    pub fn system() -> Self {
        Self::on(Host::Machine { start: Instant::now() })
    }

    /// A clock that stands at `ms` (Unix milliseconds), on a machine whose clock says the same, until it is
    /// [`set`](Self::set) or [`advance`](Self::advance)d.
    #[must_use]
    pub fn manual(ms: i64) -> Self {
        Self::on(Host::Manual(Arc::new(Hands { wall_ms: AtomicI64::new(ms), monotonic_ms: AtomicI64::new(0) })))
    }

    fn on(host: Host) -> Self {
        let state = State { chain_ms: host.wall_ms(), at_ms: host.monotonic_ms(), last: None, told: false };
        Self { host, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a manual clock, and its machine's, to `ms` (Unix milliseconds). Does nothing to the system clock.
    pub fn set(&self, ms: i64) {
        if let Host::Manual(hands) = &self.host {
            let mut state = self.state();
            (state.chain_ms, state.at_ms) = (ms, hands.monotonic_ms.load(Ordering::SeqCst));
            hands.wall_ms.store(ms, Ordering::SeqCst);
        }
    }

    /// Lets time pass on a manual clock. Does nothing to the system clock.
    pub fn advance(&self, ms: i64) {
        if let Host::Manual(hands) = &self.host {
            hands.monotonic_ms.fetch_add(ms, Ordering::SeqCst);
            hands.wall_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Sets the clock of a manual clock's machine, as an operator or NTP would. Does nothing to the system clock.
    pub fn set_host(&self, ms: i64) {
        if let Host::Manual(hands) = &self.host {
            hands.wall_ms.store(ms, Ordering::SeqCst);
        }
    }

    /// Now, in Unix milliseconds of the chain.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.state().at(self.host.monotonic_ms())
    }

    /// Now, in Unix seconds of the chain.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// The machine's clock at this moment, in Unix milliseconds; for comparing with times of the same clock only.
    #[must_use]
    pub fn host_ms(&self) -> i64 {
        self.host.wall_ms()
    }

    /// A past moment of the machine's clock (a container's start or end, as its engine tells it) in milliseconds of
    /// chain time; never later than now. A clock that was set since that moment cannot be told from one that was not,
    /// so the result is as wrong as that step was long: hold it against what the chain itself knows.
    #[must_use]
    pub fn chain_ms_of_host(&self, host_ms: i64) -> i64 {
        let now_ms = self.now_ms();
        host_ms.saturating_add(now_ms.saturating_sub(self.host_ms())).min(now_ms)
    }

    /// Takes a reading of the chain's clock. Returns what the operator should be told about the machine's own clock:
    /// each finding once.
    pub fn observe(&self, reading: Now) -> Option<HostClock> {
        let (monotonic_ms, wall_ms) = (self.host.monotonic_ms(), self.host.wall_ms());
        let mut state = self.state();
        if !state.is_news(reading.slot, monotonic_ms) {
            return None;
        }
        state.last = Some((reading.slot, monotonic_ms));
        let read_ms = i64::try_from(reading.ts.0).unwrap_or(i64::MAX).saturating_mul(1000);
        let estimate = state.at(monotonic_ms);
        state.chain_ms = estimate.clamp(read_ms, read_ms.saturating_add(READING_SPAN_MS));
        state.at_ms = monotonic_ms;
        let ahead_ms = wall_ms.saturating_sub(state.chain_ms);
        let off = ahead_ms.saturating_abs() > TOLERATED_MS;
        if off == state.told {
            return None;
        }
        state.told = off;
        Some(if off { HostClock::Off { ahead_s: ahead_ms / 1000 } } else { HostClock::Right })
    }
}

impl State {
    fn at(&self, monotonic_ms: i64) -> i64 {
        self.chain_ms.saturating_add(monotonic_ms.saturating_sub(self.at_ms))
    }

    /// A chain that stands still says nothing new about the time, and an older slot something old.
    fn is_news(&self, slot: u64, monotonic_ms: i64) -> bool {
        match self.last {
            None => true,
            Some((last, at_ms)) => slot > last || (slot < last && monotonic_ms.saturating_sub(at_ms) > OLD_SLOT_MS),
        }
    }
}

impl Host {
    fn wall_ms(&self) -> i64 {
        match self {
            // A machine clock set before 1970 reads as 0.
            Self::Machine { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(hands) => hands.wall_ms.load(Ordering::SeqCst),
        }
    }

    fn monotonic_ms(&self) -> i64 {
        match self {
            Self::Machine { start } => i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX),
            Self::Manual(hands) => hands.monotonic_ms.load(Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
    use gridlease_core::UnixTs;

    use super::*;

    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    const CHAIN_S: u64 = 1_800_000_000;
    const CHAIN_MS: i64 = 1_800_000_000_000;

    fn reading(slot: u64, ts: u64) -> Now {
        Now { slot, ts: UnixTs(ts) }
    }

    /// A clock on a machine that is `off_ms` ahead, with one reading.
    fn read_on_a_machine_off_by(off_ms: i64) -> (Clock, Option<HostClock>) {
        let clock = Clock::manual(CHAIN_MS + off_ms);
        let told = clock.observe(reading(1, CHAIN_S));
        (clock, told)
    }

    #[test]
    fn threat_18_a_machine_a_day_off_reckons_in_chain_time_and_says_so_once() {
        for (off_ms, ahead_s) in [(DAY_MS, 86_397), (-DAY_MS, -86_400)] {
            let (clock, told) = read_on_a_machine_off_by(off_ms);
            assert!((0..=3).contains(&(clock.now() - CHAIN_MS / 1000)), "{}", clock.now());
            assert_eq!(told, Some(HostClock::Off { ahead_s }));
            clock.advance(5_000);
            assert_eq!(clock.observe(reading(13, CHAIN_S + 5)), None, "it was told");
            assert!((5..=8).contains(&(clock.now() - CHAIN_MS / 1000)), "{}", clock.now());
            clock.set_host(CHAIN_MS + 6_000);
            assert_eq!(clock.observe(reading(14, CHAIN_S + 5)), Some(HostClock::Right));
        }
    }

    #[test]
    fn threat_18_a_step_of_the_machines_clock_moves_nothing() {
        let (clock, told) = read_on_a_machine_off_by(1_000);
        assert_eq!(told, None, "a second is within what a reading can tell");
        let before = clock.now_ms();
        clock.set_host(CHAIN_MS - DAY_MS);
        assert_eq!(clock.now_ms(), before);
        clock.advance(700);
        assert_eq!(clock.now_ms(), before + 700, "time passes all the same");
    }

    #[test]
    fn threat_18_a_containers_times_are_told_in_chain_time_and_never_in_the_future() {
        let (clock, _) = read_on_a_machine_off_by(DAY_MS);
        clock.advance(60_000);
        let ended_on_host = clock.host_ms() - 20_000;
        assert_eq!(clock.chain_ms_of_host(ended_on_host), clock.now_ms() - 20_000);
        assert_eq!(clock.chain_ms_of_host(clock.host_ms() + DAY_MS), clock.now_ms());
        assert_eq!(clock.chain_ms_of_host(i64::MAX), clock.now_ms());
    }

    #[test]
    fn a_reading_within_its_own_coarseness_moves_nothing_and_one_beyond_it_does() {
        let (clock, _) = read_on_a_machine_off_by(0);
        clock.advance(2_900);
        assert_eq!(clock.observe(reading(2, CHAIN_S)), None);
        assert_eq!(clock.now_ms(), CHAIN_MS + 2_900);
        clock.advance(200);
        clock.observe(reading(3, CHAIN_S));
        assert_eq!(clock.now_ms(), CHAIN_MS + 3_000, "the chain is slower than the machine");
        clock.observe(reading(4, CHAIN_S + 3_600));
        assert_eq!(clock.now_ms(), CHAIN_MS + 3_600_000, "the chain went ahead");
    }

    #[test]
    fn a_chain_that_stands_still_does_not_stop_the_clock() {
        let (clock, _) = read_on_a_machine_off_by(0);
        for _ in 0..600 {
            clock.advance(1_000);
            clock.observe(reading(1, CHAIN_S));
        }
        assert_eq!(clock.now_ms(), CHAIN_MS + 600_000);
    }

    #[test]
    fn threat_17_an_older_slot_is_ignored_for_a_minute_and_then_taken_for_a_new_chain() {
        let (clock, _) = read_on_a_machine_off_by(0);
        clock.observe(reading(1_000, CHAIN_S));
        clock.observe(reading(5, CHAIN_S - 500));
        assert_eq!(clock.now_ms(), CHAIN_MS);
        clock.advance(60_001);
        clock.observe(reading(6, CHAIN_S - 400));
        assert_eq!(clock.now_ms(), CHAIN_MS - 400_000 + 3_000);
    }
}
