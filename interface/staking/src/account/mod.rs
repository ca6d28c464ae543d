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

/// Version byte of every account that the program writes.
pub const ACCOUNT_VERSION: u8 = 1;
/// State byte of an account that is in use.
pub const ACTIVE: u8 = 1;
/// State byte of a reservation that was released, and stays until what was claimed out of it is paid.
pub const RELEASED: u8 = 2;
/// How many programs can be named as slashers.
pub const MAX_SLASHERS: usize = 4;
/// Bytes of a delegator's address that mark it in its bond.
pub const MARK_BYTES: usize = 8;
