//! The holes of the first edition, each played twice: against a small model of the rule as it was, where the loss is seen, and
//! against the rules as they are, where it is gone. Attacker, key thief, rival, delegator and victim are separate parties with
//! separate books: what one of them loses never hides in what another one gains.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod books;
mod money;
mod r01_sealed_bond;
mod r02_finishing_is_no_free_exit;
mod r03_losing_bidders_are_free_at_ready;
mod r04_a_lease_is_worth_starting;
mod r05_a_start_that_the_buyer_spoils;
mod r06_credit;
mod r08_a_top_up_revives_no_challenge;
mod r10_stake_that_leaves;
mod r11_rejecting_costs_both;
mod r12_squatter;
mod r13_configuration;
mod r14_a_chain_that_stands_still;
mod r15_late_joiner;
mod r16_checkpoints_follow_each_other;
mod r19_gpu_claims;
mod r21_price_index;
mod r22_the_clock_is_the_meter;
mod r24_public_floor;
mod r25_nominal_memory;
mod r26_guardian;
mod r28_top_up;
mod r29_caps;
mod r30_a_notice_ends;
mod r31_jobs_without_bids_wait;
mod r32_machines;
mod r33_shortfall;
mod r34_stake_stands_for_a_verification;
mod r34_verdict;
mod r35_who_cranks_is_paid;
