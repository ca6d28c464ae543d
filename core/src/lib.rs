//! The rules of the Gridlease market.
//!
//! Everything that decides an amount, a deadline or a state lives here and nowhere else. The programs, the SDK, the
//! keeper, the node client and the tests call these functions; none of them has a second copy of a rule.
//!
//! The crate is pure: no allocation, no clock, no randomness, no dependencies. Every function takes the state and the
//! time and returns what to do; the caller does it. Every amount is an integer, every operation is checked, and every
//! rounding is named (see [`rounding`]).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod array;
pub mod bond;
pub mod book;
pub mod deadline;
pub mod delegation;
pub mod eligibility;
pub mod end_reason;
pub mod error;
pub mod exclusion;
pub mod governance;
pub mod gpu;
pub mod gpu_claim;
pub mod invariant;
pub mod job;
pub mod job_number;
pub mod lease;
pub mod limits;
pub mod machine;
pub mod payout;
pub mod period_cap;
pub mod price_index;
pub mod purse;
pub mod purse_key;
pub mod quantity;
pub mod reputation;
pub mod requirement;
pub mod revenue;
pub mod rounding;
pub mod score;
pub mod sealed;
pub mod slash;
pub mod stream;
pub mod timelock;
pub mod tip;
pub mod transition;
pub mod verdict;

pub use error::{RuleError, RuleResult};
pub use quantity::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
