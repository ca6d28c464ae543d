//! What both programs do in the same way, written once: addresses, events, tokens, lamports, refusals, the clock.
//!
//! Everything here is small on purpose. A program carries what it calls, and what is written into each of a hundred
//! instructions costs rent a hundred times; so what they share stands out of line.

pub mod account;
pub mod clock;
pub mod derive;
pub mod emit;
pub mod entrypoint;
pub mod error;
pub mod grow;
pub mod lamports;
pub mod raw_token;
pub mod token;
