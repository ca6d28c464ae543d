//! The program's entrypoint: looks at the layout version of every account before any instruction does. An event, which the
//! program tells by calling itself, has arrived when it is here.

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::entrypoint::ProgramResult;

use crate::emit::is_told;
use crate::error::MarketError;
use crate::instruction::{MigrateArray, MigrateJob, MigrateLease, MigrateOffer, MigrateProvider, MigratePurse};
use crate::state::{ACCOUNT_VERSION, Array, Job, Lease, Offer, Provider, Purse};
use program_common::grow::VERSION_AT;

/// Every account of this program that is passed to an instruction, whether named or behind the named ones, shall have a layout that
/// this program reads: the present one, or an older one of a kind that has not grown since. One that has grown is taken by its
/// migration alone. Else no instruction begins. Here and not in the instructions, so that none can forget it.
///
/// # Errors
/// [`MarketError::WrongVersion`], [`MarketError::Outdated`], or the instruction's.
pub fn process<'info>(
    program: &'info Pubkey,
    accounts: &'info [AccountInfo<'info>],
    data: &'info [u8],
) -> ProgramResult {
    if is_told(accounts, data) {
        return Ok(());
    }
    for account in accounts {
        // Eight bytes of the owner suffice: a foreign program with the same ones could only be refused by mistake.
        if head(account.owner) == head(&crate::ID) {
            let bytes = account.try_borrow_data()?;
            let refusal = match bytes.get(VERSION_AT).copied() {
                None | Some(ACCOUNT_VERSION) => continue,
                Some(1..ACCOUNT_VERSION) if !has_grown(&bytes) || migrates(data) => continue,
                Some(1..ACCOUNT_VERSION) => MarketError::Outdated,
                Some(_) => MarketError::WrongVersion,
            };
            let refusal = Error::from(refusal);
            refusal.log(); // what the instructions refuse, Anchor logs
            return Err(refusal.into());
        }
    }
    crate::entry(program, accounts, data)
}

/// Is it of a kind that has grown since version 1?
fn has_grown(account: &[u8]) -> bool {
    let grown = [
        Purse::DISCRIMINATOR,
        Provider::DISCRIMINATOR,
        Offer::DISCRIMINATOR,
        Job::DISCRIMINATOR,
        Lease::DISCRIMINATOR,
        Array::DISCRIMINATOR,
    ];
    grown.iter().any(|kind| account.starts_with(kind))
}

/// Is the instruction a migration?
fn migrates(data: &[u8]) -> bool {
    let migrations = [
        MigratePurse::DISCRIMINATOR,
        MigrateProvider::DISCRIMINATOR,
        MigrateOffer::DISCRIMINATOR,
        MigrateJob::DISCRIMINATOR,
        MigrateLease::DISCRIMINATOR,
        MigrateArray::DISCRIMINATOR,
    ];
    migrations.iter().any(|instruction| data.starts_with(instruction))
}

fn head(key: &Pubkey) -> Option<u64> {
    key.as_ref().first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

// Not on the host, where tools link both programs into one binary.
#[cfg(target_os = "solana")]
program_common::entrypoint!(process);

// Whom to tell of a hole, for who finds the program on a chain. A deployment of your own names your own contact here.
#[cfg(target_os = "solana")]
solana_security_txt::security_txt! {
    name: "Gridlease market",
    project_url: "the repository that this program was built from",
    contacts: "other:the private vulnerability form of that repository",
    policy: "SECURITY.md of that repository",
    preferred_languages: "en",
    source_release: env!("CARGO_PKG_VERSION"),
    auditors: "None"
}
