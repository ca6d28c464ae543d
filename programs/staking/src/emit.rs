//! Tells events: the program calls itself with the event's bytes, which so stand in the transaction for good.
//!
//! What is sent is byte for byte what Anchor's `emit_cpi!` sends. That macro copies the bytes twice, one at a time, and
//! compares accounts before the call that nobody borrows; here they are written once, which costs a third.

use anchor_lang::Event;
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;

/// Seed of the address by which the program signs its events; Anchor's.
const EVENT_SEED: &[u8] = b"__event_authority";
/// Bytes of nearly every event; a longer one grows.
const USUAL: usize = 320;

/// Tells an event. `authority` is the account by which the program signs it, which `#[event_cpi]` has checked.
///
/// # Errors
/// That of the call.
pub fn tell<E: Event>(authority: &AccountInfo, event: &E) -> Result<()> {
    let mut data = Vec::with_capacity(USUAL);
    data.extend_from_slice(EVENT_IX_TAG_LE);
    data.extend_from_slice(E::DISCRIMINATOR);
    event.serialize(&mut data)?;
    call(authority, data)
}

/// Apart from [`tell`], so that there is one of it and not one for each event.
#[inline(never)]
fn call(authority: &AccountInfo, data: Vec<u8>) -> Result<()> {
    let accounts = vec![AccountMeta::new_readonly(*authority.key, true)];
    let instruction = Instruction { program_id: crate::ID, accounts, data };
    let (_, bump) = crate::EVENT_AUTHORITY_AND_BUMP;
    invoke_signed_unchecked(&instruction, core::slice::from_ref(authority), &[&[EVENT_SEED, &[bump]]])?;
    Ok(())
}

/// Is this call an event that the program told? Then there is nothing to do: it stands in the transaction. No other program
/// can sign with that address. Whatever only looks like an event goes on to Anchor, which says what is wrong with it.
pub fn is_told(accounts: &[AccountInfo], data: &[u8]) -> bool {
    let (expected, _) = crate::EVENT_AUTHORITY_AND_BUMP;
    data.starts_with(EVENT_IX_TAG_LE)
        && accounts.first().is_some_and(|authority| authority.is_signer && *authority.key == expected)
}
