//! The holes of the first edition, each played against the rule as it was and against the rule as it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod r25_nominal_memory;
