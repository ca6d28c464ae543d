//! What the runtime calls.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::entrypoint::{ProgramResult, SUCCESS, deserialize_into};

/// Hands what the runtime put at `input` to `process`, and returns what the runtime wants to hear.
///
/// It is what the usual macro does, with two differences. The accounts are written where they stay, which costs 30 CU less for each;
/// and nothing of them is dropped at the end: the memory of a program is gone with it, and counting references down cost 20 CU for
/// each.
///
/// # Safety
/// `input` is what the runtime passes to a program's entrypoint, and nothing else reads or writes it.
#[allow(unsafe_code, reason = "the runtime passes a pointer")]
#[inline(always)]
pub unsafe fn run(
    input: *mut u8,
    process: impl FnOnce(&'static Pubkey, &'static [AccountInfo<'static>], &'static [u8]) -> ProgramResult,
) -> u64 {
    // SAFETY: the input begins with the number of accounts, aligned as the memory of a program is.
    let count = unsafe { input.cast::<u64>().read() } as usize;
    let room = Box::leak(Box::<[AccountInfo]>::new_uninit_slice(count));
    // SAFETY: the caller's word. The room has as many places as there are accounts.
    let (program, count, data) = unsafe { deserialize_into(input, room) };
    // SAFETY: the first `count` of the room were written, which is all of it.
    let accounts = unsafe { core::slice::from_raw_parts(room.as_ptr().cast::<AccountInfo>(), count) };
    match process(program, accounts, data) {
        Ok(()) => SUCCESS,
        Err(error) => error.into(),
    }
}

/// The entrypoint of a program, which calls the function that is named; see [`run`].
#[macro_export]
macro_rules! entrypoint {
    ($process:path) => {
        /// Called by the runtime.
        ///
        /// # Safety
        /// As [`program_common::entrypoint::run`].
        #[allow(unsafe_code, reason = "the runtime calls it by this name, and passes a pointer")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn entrypoint(input: *mut u8) -> u64 {
            // SAFETY: the caller's word.
            unsafe { $crate::entrypoint::run(input, $process) }
        }
        ::anchor_lang::solana_program::entrypoint::custom_heap_default!();
        ::anchor_lang::solana_program::entrypoint::custom_panic_default!();
    };
}
