//! The holes of the first edition, each played against the rule as it was and against the rule as it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod money;
mod r01_sealed_bond;
mod r06_credit;
mod r10_stake_that_leaves;
mod r12_squatter;
mod r13_configuration;
mod r15_late_joiner;
mod r28_top_up;
mod r29_caps;
mod r33_shortfall;
mod r34_verdict;
