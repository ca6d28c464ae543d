//! The holes of the first edition, each played against the rule as it was and against the rule as it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod r19_gpu_claims;
mod r21_price_index;
mod r24_public_floor;
mod r25_nominal_memory;
mod r26_guardian;
mod r32_machines;
