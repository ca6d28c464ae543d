//! The accounts of the program: zero-copy, each with the common header, a version byte and reserved space.
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
