//! Accounts of the first layout: which kinds of them have grown since, and how each is migrated.

use core::mem::offset_of;

use gridlease_sdk::account::{
    Array, Bond, Delegation, Job, Kind, Lease, Offer, Provider, Purse, Reservation, first, offset, staking_first,
};
use gridlease_sdk::instruction::migrate;
use gridlease_sdk::rpc::{Client, ProgramQuery};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::error::MigrateError;

/// Version byte of the first layout.
const VERSION: u8 = 1;
/// Bytes of an account that are read: its migration needs no key behind them.
const READ: usize = 256;

/// Makes the instruction for an account, of which the first bytes are given; `None` where they are too few.
type Make = fn(payer: &Pubkey, account: &Pubkey, data: &[u8]) -> Option<Instruction>;

/// A kind of account that has grown.
#[derive(Clone, Copy)]
pub struct Grown {
    /// Its name, for many.
    pub plural: &'static str,
    /// By how many bytes.
    pub added: usize,
    program: Pubkey,
    discriminator: &'static [u8],
    make: Make,
}

impl std::fmt::Debug for Grown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.plural)
    }
}

fn grown<T: Kind>(plural: &'static str, was: usize, make: Make) -> Grown {
    Grown { plural, added: size_of::<T>() - was, program: T::owner(), discriminator: T::DISCRIMINATOR, make }
}

/// All of them, in an order in which each can be migrated after those before it.
pub fn kinds() -> [Grown; 9] {
    [
        grown::<Purse>("purses", first::PURSE, |payer, account, _| Some(migrate::purse(payer, account))),
        grown::<Provider>("provider records", first::PROVIDER, |payer, account, _| {
            Some(migrate::provider(payer, account))
        }),
        grown::<Offer>("offers", first::OFFER, |payer, account, data| {
            Some(migrate::offer(payer, &key(data, offset_of!(Offer, provider))?, account))
        }),
        grown::<Job>("jobs", first::JOB, |payer, account, _| Some(migrate::job(payer, account))),
        grown::<Array>("arrays", first::ARRAY, |payer, account, _| Some(migrate::array(payer, account))),
        grown::<Bond>("bonds", staking_first::BOND, |payer, account, _| Some(migrate::bond(payer, account))),
        grown::<Delegation>("delegations", staking_first::DELEGATION, |payer, account, data| {
            Some(migrate::delegation(payer, &key(data, offset_of!(Delegation, bond))?, account))
        }),
        grown::<Reservation>("reservations", staking_first::RESERVATION, |payer, account, _| {
            Some(migrate::reservation(payer, account))
        }),
        grown::<Lease>("leases", first::LEASE, |payer, account, data| {
            let job = key(data, offset_of!(Lease, job))?;
            Some(migrate::lease(payer, &job, &key(data, offset_of!(Lease, offer))?, account))
        }),
    ]
}

/// The key at `field`, which stands where it stood in the first layout.
fn key(data: &[u8], field: usize) -> Option<Pubkey> {
    data.get(offset(field)..)?.first_chunk::<32>().map(|bytes| Pubkey::new_from_array(*bytes))
}

impl Grown {
    /// The migrations of those that are left, each with its account. The list is as the RPC has it; that one is missing in it
    /// does no harm, as every instruction refuses an account that was not migrated.
    ///
    /// # Errors
    /// The read's.
    pub async fn left(&self, client: &Client, payer: &Pubkey) -> Result<Vec<Instruction>, MigrateError> {
        let found = client.program_accounts(&self.query().slice(0, READ)).await?;
        Ok(found.iter().filter_map(|(account, read)| (self.make)(payer, account, &read.data)).collect())
    }

    fn query(&self) -> ProgramQuery {
        ProgramQuery::new(self.program).bytes_at(0, &[self.discriminator, &[VERSION]].concat())
    }
}

/// Is any account of the first layout left?
///
/// # Errors
/// The read's.
pub async fn is_any_left(client: &Client) -> Result<bool, MigrateError> {
    for kind in kinds() {
        if !client.program_accounts(&kind.query().slice(0, 0)).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_asked_for_once_and_what_a_migration_needs_is_among_the_bytes_that_are_read() {
        let kinds = kinds();
        let mut heads: Vec<_> = kinds.iter().map(|kind| (kind.program, kind.discriminator)).collect();
        heads.sort_unstable();
        heads.dedup();
        assert_eq!(heads.len(), kinds.len());
        for kind in kinds {
            let (payer, account) = (Pubkey::new_unique(), Pubkey::new_unique());
            let made = (kind.make)(&payer, &account, &[7; READ]).unwrap_or_else(|| panic!("{kind:?}"));
            assert!(made.accounts.iter().any(|meta| meta.pubkey == account && meta.is_writable), "{kind:?}");
        }
    }
}
