//! Accounts of version 1 that have grown since.

use core::mem::{offset_of, size_of};

use gridlease_core::limits::BOOK_SIZE;

use super::{Array, BookEntry, Job, Purse};

/// Of a purse.
pub const PURSE: usize = 288;
/// Of a provider record.
pub const PROVIDER: usize = 520;
/// Of an offer.
pub const OFFER: usize = 280;
/// Of a job.
pub const JOB: usize = 952;
/// Of a lease.
pub const LEASE: usize = 616;
/// Of an array.
pub const ARRAY: usize = 424;

/// Where a purse held what it had received from slashes, which nothing counts any more.
pub const PURSE_COMPENSATED: usize = offset_of!(Purse, last_job);
/// Where the second half of the GPU models stands in a job.
pub const JOB_MODELS: usize = offset_of!(Job, requirement) + size_of::<u64>();
/// Where it stands in an array.
pub const ARRAY_MODELS: usize = offset_of!(Array, requirement) + size_of::<u64>();

/// Bytes of a bid in a job's book, which held the number that decides ties.
const BOOK_ENTRY: usize = 56;
/// Where that number stood in it.
const ENTRY_TIE: usize = offset_of!(BookEntry, offer);

/// Where the book stood in a job.
const JOB_BOOK: usize = offset_of!(Job, book) - size_of::<u64>();
/// What is left of a job once its bids have no tie.
pub const JOB_WITHOUT_TIES: usize = JOB - BOOK_SIZE * (BOOK_ENTRY - size_of::<BookEntry>());

/// Takes the number that decides ties out of each bid of a job of version 1; what stood behind the book moves down, and zeros are
/// left behind it.
pub fn take_ties_out(job: &mut [u8]) {
    let Some(rest) = job.get_mut(JOB_BOOK..JOB) else { return };
    let tie = size_of::<u64>();
    // What stands between one tie and the next, or the end.
    for at in 1..=BOOK_SIZE {
        let from = (at - 1) * BOOK_ENTRY + ENTRY_TIE + tie;
        let end = if at == BOOK_SIZE { rest.len() } else { from - tie + BOOK_ENTRY };
        rest.copy_within(from..end, from - tie * at);
    }
    rest.iter_mut().rev().take(tie * BOOK_SIZE).for_each(|byte| *byte = 0);
}

/// Takes the eight bytes at `at` out of what were the first `old` bytes of an account; what stood behind them moves down.
pub fn take_out(body: &mut [u8], at: usize, old: usize) {
    if let Some(rest) = body.get_mut(at..old) {
        rest.rotate_left(size_of::<u64>());
        rest.iter_mut().rev().take(size_of::<u64>()).for_each(|byte| *byte = 0);
    }
}

/// Puts eight zeros at `at` into an account whose first `old` bytes are those of version 1 and whose others are zero; what stood
/// behind them moves up.
pub fn put_in(body: &mut [u8], at: usize, old: usize) {
    if let Some(rest) = body.get_mut(at..old + size_of::<u64>()) {
        rest.rotate_right(size_of::<u64>());
    }
}
