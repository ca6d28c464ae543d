//! The accounts of the program: plain old data, each with the common header, a version byte and reserved space.
//!
//! An account's owner and discriminator prove what it is: only the instruction that opens a kind of account writes its
//! discriminator, and only at its derived address. So nothing derives the address of an existing account again.

mod bond;
mod config;
mod delegation;
mod header;
mod reservation;
mod unbonding;

pub use bond::Bond;
pub use config::Config;
pub use delegation::Delegation;
pub use header::Header;
pub use reservation::Reservation;
pub use unbonding::{DELEGATOR, OPERATOR, Unbonding};

/// Version byte of every account that the program writes. It reads this one and every older one; see [`first`].
pub const ACCOUNT_VERSION: u8 = 2;
/// State byte of an account that is in use.
pub const ACTIVE: u8 = 1;
/// State byte of a reservation that was released, and stays until what was claimed out of it is paid.
pub const RELEASED: u8 = 2;
/// How many programs can be named as slashers.
pub const MAX_SLASHERS: usize = 4;
/// Bytes of a delegator's address that mark it in its bond.
pub const MARK_BYTES: usize = 8;

/// Version 1: the bytes, without discriminator, of the accounts that have grown at their end since. They are too short for every
/// instruction but their migration, which anyone may call in the same transaction; all others are as they were.
pub mod first {
    /// Of a bond.
    pub const BOND: usize = 632;
    /// Of a delegation.
    pub const DELEGATION: usize = 184;
    /// Of a reservation.
    pub const RESERVATION: usize = 184;
}
