//! What the stories have in common: parties with a book each, and the rules of the first edition that they were played
//! against.

use gridlease_core::limits::{MIN_STAKE_RESERVATION, STAKE_HORIZON};
use gridlease_core::rounding::cost_up;
use gridlease_core::{Atoms, PricePerHour, Seconds, UnixTs};

/// One USDC.
pub const U: u64 = 1_000_000;
/// When the stories begin.
pub const T: UnixTs = UnixTs(1_800_000_000);
/// A day.
pub const DAY: u64 = 24 * 3_600;

/// One party's book, in atoms: what it has, wherever that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book(pub i128);

impl Book {
    /// It gets this much.
    pub fn gets(&mut self, amount: Atoms) {
        self.0 += i128::from(amount.0);
    }

    /// It gives this much.
    pub fn gives(&mut self, amount: Atoms) {
        self.0 -= i128::from(amount.0);
    }
}

/// The moment `seconds` after the stories begin.
pub fn after(seconds: u64) -> UnixTs {
    UnixTs(T.0 + seconds)
}

/// The first edition's reservation: what the bid's own price asks, whatever the job is worth.
pub fn first_reservation(price: PricePerHour, duration: Seconds) -> Atoms {
    let revenue = cost_up(price, duration.min(STAKE_HORIZON)).unwrap();
    Atoms(2 * revenue.0).max(MIN_STAKE_RESERVATION)
}
