//! Time: the only place of this crate that reads a clock.
//!
//! Two times are kept apart. The keeper's own pauses, budgets and back-offs count a [`Stopwatch`], which never jumps.
//! Everything that the market decides by is the chain's time, read from its Clock and carried on between two readings by
//! [`MarketTime`](gridlease_sdk::view::MarketTime); the wall clock of this machine decides nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Time since the keeper started.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
