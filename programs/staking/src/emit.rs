//! Tells this program's events; see [`program_common::emit`].

use anchor_lang::Event;
use anchor_lang::prelude::*;
use program_common::emit::Teller;

/// This program.
const TELLER: Teller = {
    let (authority, bump) = crate::EVENT_AUTHORITY_AND_BUMP;
    Teller { program: crate::ID, authority, bump }
};

/// Tells an event. `authority` is the account by which the program signs it, which `#[event_cpi]` has checked.
///
/// # Errors
/// That of the call.
pub fn tell<E: Event>(authority: &AccountInfo, event: &E) -> Result<()> {
    TELLER.tell(authority, event)
}

/// Is this call an event that the program told?
pub fn is_told(accounts: &[AccountInfo], data: &[u8]) -> bool {
    TELLER.is_told(accounts, data)
}
