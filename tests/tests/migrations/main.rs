//! The migrations on a real local network: through Solana's own loader, killed wherever a run can be killed, and refused where
//! they cannot start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod killed;
mod refused;
mod second_layout;
mod world;
