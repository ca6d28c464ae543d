//! What the parties have won and lost, and a job and a lease as these tests post them.

use gridlease_core::job::{Job, Mode, Terms};
use gridlease_core::lease::Lease;
use gridlease_core::limits::{DEFAULT_WAIT, DEFAULT_WINDOW};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};

/// When these stories begin.
pub const T: u64 = 1_800_000_000;
/// 3.60 USDC an hour: a thousand atoms a second.
pub const PRICE: PricePerHour = PricePerHour(3_600_000);
/// Two hours.
pub const DURATION: Seconds = Seconds(7_200);

/// A chain with slots of 400 ms.
pub fn at(ts: u64) -> Now {
    Now { slot: (ts - T) * 5 / 2 + 1_000, ts: UnixTs(ts) }
}

/// What one party has won (or lost, below zero), in atoms.
pub type Won = i64;

/// An amount as it is won.
pub fn won(amount: Atoms) -> Won {
    Won::try_from(amount.0).unwrap()
}

/// A job of two hours at [`PRICE`] at most, posted at [`T`].
pub fn job() -> Job {
    let terms = Terms {
        max_price: PRICE,
        max_duration: DURATION,
        window: DEFAULT_WINDOW,
        attempts: 3,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    Job::post(terms, at(T)).unwrap()
}

/// A lease of such a job at [`PRICE`] without a fee, awarded at [`T`], two minutes to start.
pub fn lease() -> Lease {
    Lease::open(PRICE, Atoms(7_200_000), 400, Bps(0), at(T), UnixTs(T + 120))
}

/// The same, ready at [`T`].
pub fn running() -> Lease {
    let mut lease = lease();
    lease.ready(at(T)).unwrap();
    lease
}
