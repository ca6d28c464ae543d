//! Accounts of version 1 that have grown since.

use core::mem::{offset_of, size_of};

use super::{Array, Job, Purse};

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
