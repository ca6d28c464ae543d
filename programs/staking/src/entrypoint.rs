//! The program's entrypoint. An event, which the program tells by calling itself, has arrived when it is here; everything else is
//! Anchor's affair.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::entrypoint::ProgramResult;

use crate::emit::is_told;

/// Lets an event stand, and hands everything else to the instructions.
///
/// # Errors
/// The instruction's.
pub fn process<'info>(
    program: &'info Pubkey,
    accounts: &'info [AccountInfo<'info>],
    data: &'info [u8],
) -> ProgramResult {
    if is_told(accounts, data) {
        return Ok(());
    }
    crate::entry(program, accounts, data)
}

// Not on the host, where tools link both programs into one binary.
#[cfg(target_os = "solana")]
program_common::entrypoint!(process);

// Whom to tell of a hole, for who finds the program on a chain. A deployment of your own names your own contact here.
#[cfg(target_os = "solana")]
solana_security_txt::security_txt! {
    name: "Gridlease staking",
    project_url: "the repository that this program was built from",
    contacts: "other:the private vulnerability form of that repository",
    policy: "SECURITY.md of that repository",
    preferred_languages: "en",
    source_release: env!("CARGO_PKG_VERSION"),
    auditors: "None"
}
