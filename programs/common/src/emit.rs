//! Tells events: the program calls itself with the event's bytes, which so stand in the transaction for good.
//!
//! What is sent is byte for byte what Anchor's `emit_cpi!` sends. That macro copies the bytes twice, one at a time, and
//! compares accounts before the call that nobody borrows; here they are written once, which costs a third.

use anchor_lang::Event;
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;

/// Seed of the address by which a program signs its events; Anchor's.
const EVENT_SEED: &[u8] = b"__event_authority";
/// Bytes of nearly every event; a longer one grows.
const USUAL: usize = 320;

/// The program that tells, and the bump of the address by which it signs its events.
#[derive(Clone, Copy)]
pub struct Teller {
    /// Its address.
    pub program: Pubkey,
    /// The address by which it signs its events.
    pub authority: Pubkey,
    /// The bump of that.
    pub bump: u8,
}

impl Teller {
    /// Tells an event. `authority` is the account by which the program signs it, which `#[event_cpi]` has checked.
    ///
    /// # Errors
    /// That of the call.
    pub fn tell<E: Event>(&self, authority: &AccountInfo, event: &E) -> Result<()> {
        let mut data = Vec::with_capacity(USUAL);
        data.extend_from_slice(EVENT_IX_TAG_LE);
        data.extend_from_slice(E::DISCRIMINATOR);
        event.serialize(&mut data)?;
        self.call(authority, data)
    }

    /// Apart from [`Teller::tell`], so that there is one of it and not one for each event.
    #[inline(never)]
    fn call(&self, authority: &AccountInfo, data: Vec<u8>) -> Result<()> {
        let accounts = vec![AccountMeta::new_readonly(*authority.key, true)];
        let instruction = Instruction { program_id: self.program, accounts, data };
        invoke_signed_unchecked(&instruction, core::slice::from_ref(authority), &[&[EVENT_SEED, &[self.bump]]])?;
        Ok(())
    }

    /// Is this call an event that the program told? Then there is nothing to do: it stands in the transaction. No other
    /// program can sign with that address. Whatever only looks like an event goes on to Anchor, which says what is wrong
    /// with it.
    pub fn is_told(&self, accounts: &[AccountInfo], data: &[u8]) -> bool {
        data.starts_with(EVENT_IX_TAG_LE)
            && accounts.first().is_some_and(|authority| authority.is_signer && *authority.key == self.authority)
    }
}
