//! What a provider's history is worth in a score: counters and integer averages, no floats, no clock.
//!
//! A history is worth what it cost. It grows when a lease closes, by the fee that was paid, and for each buyer at most once
//! in ten samples; it falls at once, by any proven fault, whoever the buyer was. What a history can be bought for is stated at
//! [`FULL_FEE`].

use crate::job::EndReason;
use crate::limits::{NEUTRAL, RECENT_BUYERS, REFERENCE_START};
use crate::quantity::{Atoms, Bps, Seconds};
use crate::rounding::mul_div_down;

/// Weight of a full sample in the averages: one eighth.
const SAMPLE: u32 = 8;

/// A lease whose fee is at least this (0.10 USDC, the fee on 5 USDC) is a full sample; a smaller fee weighs in proportion.
///
/// So fees of 0.10 USDC close at most an eighth of the gap to the full mark, however they are split and whoever pays them: from
/// the neutral 5,000 to 9,000 takes 13 full samples, 1.30 USDC in fees that are gone, on 65 USDC of leases that really ran,
/// by ten buyers, behind stake that any fault puts at risk. Renting from oneself costs the same as being rented.
pub const FULL_FEE: Atoms = Atoms(100_000);

/// A lease whose fee is below this (0.01 USDC, the fee on 0.50 USDC) is no sample at all: otherwise a handful of leases of a
/// few atoms would make the provider's memory forget a buyer. Nine such fees, from nine buyers, are what that costs.
pub const LEAST_FEE: Atoms = Atoms(10_000);

/// Whom a provider's memory recognises: the first eight bytes of a buyer's address. Zero marks an empty place.
pub type Mark = [u8; 8];

/// The buyers that counted last, oldest overwritten first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentBuyers {
    /// Their marks.
    pub marks: [Mark; RECENT_BUYERS],
    /// Where the next one is written.
    pub next: u8,
}

impl RecentBuyers {
    /// Does this buyer stand here?
    pub fn holds(&self, buyer: &Mark) -> bool {
        self.marks.contains(buyer)
    }

    fn note(&mut self, buyer: Mark) {
        let at = usize::from(self.next) % RECENT_BUYERS;
        if let Some(place) = self.marks.get_mut(at) {
            *place = buyer;
        }
        // At most RECENT_BUYERS, which fits.
        self.next = ((at + 1) % RECENT_BUYERS) as u8;
    }
}

/// A lease that became ready and is now closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Why it ended.
    pub reason: EndReason,
    /// Fee recorded over its life.
    pub fee: Atoms,
    /// From its award to ready.
    pub start: Seconds,
    /// The buyer; `None` where it is the provider itself (its authority or its node key), who never counts.
    pub buyer: Option<Mark>,
    /// A liveness challenge went unanswered while it ran.
    pub went_silent: bool,
}

/// History of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reputation {
    /// Average over leases that count, weighted by their fees: 10,000 for a completed one; a fault multiplies it by 2/3.
    pub standing: Bps,
    /// Average over leases that count: 10,000 for one that answered whenever it was asked; silence takes an eighth.
    pub uptime: Bps,
    /// Average time from award to ready in seconds, over leases that count; zero while unknown.
    pub start_s: u32,
    /// Leases that reached ready and are closed.
    pub started: u32,
    /// Of these, the ones that ended as agreed.
    pub completed: u32,
    /// Leases that ended with a fault.
    pub faulted: u32,
}

impl Default for Reputation {
    fn default() -> Self {
        Self { standing: NEUTRAL, uptime: NEUTRAL, start_s: 0, started: 0, completed: 0, faulted: 0 }
    }
}

/// Did a lease end as agreed? Leaving with notice is no fault, and no merit either: it counts neither way.
pub const fn ended_well(reason: EndReason) -> bool {
    matches!(reason, EndReason::Completed | EndReason::Stopped | EndReason::OutOfFunds | EndReason::DiskFull)
}

/// Part of `gap` that a sample with this fee closes: one eighth of it for a full sample, rounded up, so that repeated full
/// samples reach their end; in proportion to the fee for a smaller one, rounded down.
fn step(gap: u32, fee: Atoms) -> u32 {
    if fee >= FULL_FEE {
        return gap.div_ceil(SAMPLE);
    }
    // A gap has 32 bits and a fee below the full one 17, so this cannot fail.
    let part = mul_div_down(gap.into(), fee.0, FULL_FEE.0 * u64::from(SAMPLE)).unwrap_or(0);
    u32::try_from(part).unwrap_or(0)
}

fn towards(old: u32, sample: u32, fee: Atoms) -> u32 {
    let step = step(old.abs_diff(sample), fee);
    if sample > old { old.saturating_add(step) } else { old.saturating_sub(step) }
}

fn raised(old: Bps, fee: Atoms) -> Bps {
    let next = towards(old.0.into(), Bps::WHOLE.0.into(), fee);
    Bps(u16::try_from(next).unwrap_or(Bps::WHOLE.0).min(Bps::WHOLE.0))
}

impl Reputation {
    /// A lease that became ready is closed. Counters grow always; the averages move only where the lease ended as agreed,
    /// its fee is at least [`LEAST_FEE`], and its buyer is neither the provider itself nor one of the last nine that counted.
    /// Returns whether it was such a sample.
    pub fn on_closed(&mut self, recent: &mut RecentBuyers, lease: &Closed) -> bool {
        self.started = self.started.saturating_add(1);
        if !ended_well(lease.reason) {
            return false;
        }
        self.completed = self.completed.saturating_add(1);
        let Some(buyer) = lease.buyer else { return false };
        if lease.fee < LEAST_FEE || recent.holds(&buyer) {
            return false;
        }
        recent.note(buyer);
        self.standing = raised(self.standing, lease.fee);
        if !lease.went_silent {
            self.uptime = raised(self.uptime, lease.fee);
        }
        let start = u32::try_from(lease.start.0.max(1)).unwrap_or(u32::MAX);
        self.start_s = if self.start_s == 0 { start } else { towards(self.start_s, start, lease.fee).max(1) };
        true
    }

    /// A proven fault: the standing falls to two thirds, rounded down.
    pub fn on_fault(&mut self) {
        self.faulted = self.faulted.saturating_add(1);
        let next = u32::from(self.standing.0) * 2 / 3;
        self.standing = Bps(u16::try_from(next).unwrap_or(0));
    }

    /// A liveness challenge was decided. Silence takes an eighth of the uptime, rounded up, at once. An answer changes nothing
    /// here: anybody can challenge, the provider too, so answers would be free to make. They count when the lease closes, as
    /// all that is good does ([`Reputation::on_closed`]).
    pub fn on_challenge(&mut self, answered: bool) {
        if !answered {
            let less = self.uptime.0.div_ceil(8);
            self.uptime = Bps(self.uptime.0.saturating_sub(less));
        }
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
