//! Errors of posting jobs.

use gridlease_core::job_number;
use gridlease_sdk::account::Job;
use gridlease_sdk::instruction::job::{self, JobArgs};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::steps::job_args;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market NumberUsed", number_used),
    ("market NumberOutOfBounds", number_out_of_bounds),
    ("market NotTaken", not_taken),
    ("market BadOffers", bad_offers),
    ("market DurationOutOfBounds", duration_out_of_bounds),
    ("market WeightsNotWhole", weights_not_whole),
    ("market AttemptsOutOfBounds", attempts_out_of_bounds),
    ("market WrongMode", wrong_mode),
    ("market WrongState", wrong_state),
];

#[test]
fn the_errors_of_posting_come_as_they_are_named() {
    play(ALL);
}

/// The refusal of a job that asks for something else than those of the tests.
fn refused(edit: impl FnOnce(&mut JobArgs)) -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (post, _) = w.post(&buyer, edit);
    w.refuse(post, &[&buyer.key])
}

/// The refusal of a job with the number `above` the first of the present slot.
fn numbered(above: u64) -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let number = job_number::first(w.now().slot).unwrap() + above;
    w.refuse(job::post(&buyer.key.pubkey(), number, job_args()), &[&buyer.key])
}

fn number_used() -> String {
    numbered(0)
}

fn number_out_of_bounds() -> String {
    numbered(1 << 16)
}

fn not_taken() -> String {
    refused(|args| args.verify_class = 1)
}

fn bad_offers() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let number = w.next_number();
    let none = job::post_instant(&buyer.key.pubkey(), number, JobArgs { mode: 1, ..job_args() }, &[]);
    w.refuse(none, &[&buyer.key])
}

fn duration_out_of_bounds() -> String {
    refused(|args| args.window_s = 5)
}

fn weights_not_whole() -> String {
    refused(|args| args.weights = [1; 4])
}

fn attempts_out_of_bounds() -> String {
    refused(|args| args.attempts = 9)
}

fn wrong_mode() -> String {
    refused(|args| args.mode = 1)
}

/// A job that takes bids is not closed.
fn wrong_state() -> String {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let posted = w.job(&buyer, |_| {});
    let payer = w.read::<Job>(&posted).payer;
    w.refuse(job::close(&posted, &buyer.purse, &payer), &[])
}
