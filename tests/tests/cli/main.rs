//! The command line's own code against a real local network: what it refuses, with which words and exit code, and that a
//! job is posted once whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod jobs;
mod machines;
mod money;
mod world;
