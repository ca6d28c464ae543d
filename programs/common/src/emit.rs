//! Tells events: the program calls itself with the event's bytes, which so stand in the transaction for good.
//!
//! What is sent is byte for byte what Anchor's `emit_cpi!` sends. That macro copies the bytes twice, one at a time, and
//! compares accounts before the call that nobody borrows; here they are written once, which costs a third.

use std::io::Write;

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

/// What an event is written into. A `Vec` is asked for room, and told its new length, with every field of it: in a program that is
/// compiled for its size that is two calls a field.
struct Bytes {
    data: Vec<u8>,
    len: usize,
}

impl Bytes {
    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: &[u8]) {
        self.data.truncate(self.len);
        self.data.extend_from_slice(bytes);
        self.len = self.data.len();
    }
}

impl Write for Bytes {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let end = self.len.saturating_add(bytes.len());
        match self.data.get_mut(self.len..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len = end;
            }
            None => self.grow(bytes),
        }
        Ok(bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write(bytes).map(|_| ())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Teller {
    /// Tells an event. `authority` is the account by which the program signs it, which `#[event_cpi]` has checked.
    ///
    /// # Errors
    /// That of the call.
    pub fn tell<E: Event>(&self, authority: &AccountInfo, event: &E) -> Result<()> {
        let mut bytes = Bytes { data: vec![0; USUAL], len: 0 };
        bytes.write_all(EVENT_IX_TAG_LE)?;
        bytes.write_all(E::DISCRIMINATOR)?;
        event.serialize(&mut bytes)?;
        bytes.data.truncate(bytes.len);
        self.call(authority, bytes.data)
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
