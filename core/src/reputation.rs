//! What a provider's history is worth in a score: counters and integer averages, no floats, no clock.

use crate::limits::{NEUTRAL, REFERENCE_START};
use crate::quantity::{Bps, Seconds};

/// Weight of a new sample in the averages: one eighth.
const SAMPLE: u32 = 8;

/// History of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reputation {
    /// Average over ended leases that paid a fee: 10,000 for a completed one; a fault multiplies it by 2/3.
    pub standing: Bps,
    /// Answered share of liveness challenges.
    pub uptime: Bps,
    /// Average time from award to ready in seconds; zero while unknown.
    pub start_s: u32,
    /// Leases that reached ready.
    pub started: u32,
    /// Leases that ended without a fault.
    pub completed: u32,
    /// Leases that ended with a fault.
    pub faulted: u32,
}

impl Default for Reputation {
    fn default() -> Self {
        Self { standing: NEUTRAL, uptime: NEUTRAL, start_s: 0, started: 0, completed: 0, faulted: 0 }
    }
}

fn average(old: u32, sample: u32) -> u32 {
    // The step is rounded up, so that repeated equal samples reach the sample from both sides: rounded to the nearest, an
    // average stands still three or four short of it, and no record could ever be full.
    let step = old.abs_diff(sample).div_ceil(SAMPLE);
    if sample > old { old.saturating_add(step) } else { old.saturating_sub(step) }
}

impl Reputation {
    /// A lease became ready `taken` after its award.
    pub fn on_ready(&mut self, taken: Seconds) {
        let sample = u32::try_from(taken.0.max(1)).unwrap_or(u32::MAX);
        self.start_s = if self.start_s == 0 { sample } else { average(self.start_s, sample).max(1) };
        self.started = self.started.saturating_add(1);
    }

    /// A lease ended without a fault; only one that paid a fee counts for the standing.
    pub fn on_completed(&mut self, fee_paid: bool) {
        self.completed = self.completed.saturating_add(1);
        if fee_paid {
            let next = average(u32::from(self.standing.0), u32::from(Bps::WHOLE.0));
            self.standing = Bps(u16::try_from(next).unwrap_or(Bps::WHOLE.0).min(Bps::WHOLE.0));
        }
    }

    /// A proven fault: the standing falls to two thirds.
    pub fn on_fault(&mut self) {
        self.faulted = self.faulted.saturating_add(1);
        let next = u32::from(self.standing.0) * 2 / 3;
        self.standing = Bps(u16::try_from(next).unwrap_or(0));
    }

    /// A liveness challenge was answered, or missed.
    pub fn on_challenge(&mut self, answered: bool) {
        let sample = if answered { u32::from(Bps::WHOLE.0) } else { 0 };
        let next = average(u32::from(self.uptime.0), sample);
        self.uptime = Bps(u16::try_from(next).unwrap_or(Bps::WHOLE.0).min(Bps::WHOLE.0));
    }

    /// `S = min(1, T_ref / T_start)` in basis points; neutral while unknown.
    pub fn speed(&self) -> Bps {
        if self.start_s == 0 {
            return NEUTRAL;
        }
        let share = REFERENCE_START.0 * 10_000 / u64::from(self.start_s);
        Bps(u16::try_from(share).unwrap_or(u16::MAX).min(Bps::WHOLE.0))
    }
}
