//! Accounts as the SDK decodes them → values of the rules. `None` where an account contradicts itself or was written by a
//! newer version of the market: the keeper leaves such an account alone.

use gridlease_core::book::{Book, Entry};
use gridlease_core::job::{self, Mode, Terms};
use gridlease_core::limits::BOOK_SIZE;
use gridlease_core::score::Weights;
use gridlease_core::{Atoms, PricePerHour, Seconds, UnixTs};
use gridlease_sdk::account::Job;

/// The moving parts of a job.
pub fn job(job: &Job) -> Option<job::Job> {
    Some(job::Job {
        state: job.state()?,
        reason: job.end_reason(),
        terms: Terms {
            max_price: PricePerHour(job.max_price),
            max_duration: Seconds(job.max_duration_s.into()),
            window: Seconds(job.window_s.into()),
            attempts: job.attempts,
            mode: Mode::from_byte(job.mode).ok()?,
            reveal: Seconds(job.reveal_s.into()),
        },
        reserved: Atoms(job.reserved),
        close_ts: UnixTs(job.close_ts),
        extensions: job.extensions,
        attempts_left: job.attempts_left,
        leases: job.leases,
        reveal_end: UnixTs(job.reveal_end),
        sealed: job.sealed,
        sealed_bond: Atoms(job.sealed_bond),
    })
}

/// How a job weighs the parts of a score.
pub fn weights(job: &Job) -> Option<Weights> {
    Weights::new(job.weights).ok()
}

/// A job's book.
pub fn book(job: &Job) -> Option<Book> {
    let mut entries = [Entry::default(); BOOK_SIZE];
    for (entry, bid) in entries.iter_mut().zip(&job.book) {
        *entry = Entry {
            provider: bid.provider.to_bytes(),
            offer: bid.offer,
            score: bid.score,
            price: PricePerHour(bid.price),
            tie: bid.tie,
        };
    }
    Book::from_sorted(entries.get(..usize::from(job.book_len))?).ok()
}
