//! The whole market on real parts: local network, registry, container engine, keeper and node processes, and a buyer that
//! goes through the command line's own code. Without a container engine these tests are skipped and say so; in CI and under
//! `cargo xtask test` they fail instead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod demo_walk;
mod endings;
mod examples;
mod faults;
mod issue9;
mod machines;
mod newcomer;
mod observed;
mod operator;
mod quiet;
mod reach;
mod real_jobs;
mod required;
mod world;
