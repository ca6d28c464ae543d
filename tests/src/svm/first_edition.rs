//! Accounts and markets of the first edition.

use core::mem::offset_of;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gridlease_core::limits::BOOK_SIZE;
use gridlease_core::{Now, UnixTs};
use gridlease_sdk::account::{
    Array, Bond, BookEntry, Delegation, Job, Kind, Lease, Offer, Provider, Purse, Reservation, first, staking_first,
};
use serde::Deserialize;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

use super::{World, key_number};

/// A market as the programs of the first edition left it.
#[derive(Deserialize)]
struct Written {
    taken: Taken,
    accounts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Taken {
    slot: u64,
    unix_timestamp: u64,
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    name: Option<String>,
    number: Option<u64>,
    owner: String,
    lamports: u64,
    data: String,
}

/// Who and what has a name in that market.
#[derive(Default)]
pub struct Named {
    addresses: BTreeMap<String, Pubkey>,
    numbers: BTreeMap<String, u64>,
}

impl Named {
    /// The address of what is called so.
    ///
    /// # Panics
    /// Where nothing is.
    #[must_use]
    #[track_caller]
    pub fn at(&self, name: &str) -> Pubkey {
        *self.addresses.get(name).unwrap_or_else(|| panic!("nothing is called {name:?}"))
    }

    /// The key of who is called so.
    ///
    /// # Panics
    /// Where no one is.
    #[must_use]
    #[track_caller]
    pub fn key(&self, name: &str) -> Keypair {
        key_number(*self.numbers.get(name).unwrap_or_else(|| panic!("no one is called {name:?}")))
    }
}

/// The market of `tests/fixtures/v1`.
pub struct FirstEdition {
    /// Its accounts.
    pub accounts: Vec<(Pubkey, Account)>,
    /// Who and what has a name.
    pub named: Named,
    /// When it was written.
    pub taken: Now,
}

impl FirstEdition {
    /// As it was written.
    ///
    /// # Panics
    /// Where the file is not as it was written.
    #[must_use]
    pub fn read() -> Self {
        let written: Written = serde_json::from_str(include_str!("../../fixtures/v1/market.json")).unwrap();
        let taken = Now { slot: written.taken.slot, ts: UnixTs(written.taken.unix_timestamp) };
        let (mut named, mut accounts) = (Named::default(), Vec::new());
        for entry in written.accounts {
            let key: Pubkey = entry.key.parse().unwrap();
            if let Some(name) = entry.name {
                if let Some(number) = entry.number {
                    named.numbers.insert(name.clone(), number);
                }
                named.addresses.insert(name, key);
            }
            let data = STANDARD.decode(entry.data).unwrap();
            let owner = entry.owner.parse().unwrap();
            let account = Account { lamports: entry.lamports, data, owner, executable: false, rent_epoch: u64::MAX };
            accounts.push((key, account));
        }
        Self { accounts, named, taken }
    }
}

impl World {
    /// The market of `tests/fixtures/v1`, under the programs as they are, at the second at which it was written.
    #[must_use]
    pub fn of_the_first_edition() -> (Self, Named) {
        let FirstEdition { accounts, named, taken } = FirstEdition::read();
        let mut w = Self::bare();
        w.stop_auditing(); // of what came before nothing is known
        for (key, account) in accounts {
            w.put(key, account);
        }
        (w.treasury, w.insurance) = (named.at("treasury"), named.at("insurance"));
        w.set_clock(taken);
        (w, named)
    }

    /// Makes an account of the present what it would have been in the first edition.
    ///
    /// # Panics
    /// Where it is of a kind that has not grown since.
    pub fn to_first_edition<T: Kind>(&mut self, address: &Pubkey) {
        self.edit(address, |data| {
            let body = &mut data[8..];
            // How long it was, and where the bytes began that were spare then and are used now.
            let (old, spare) = match T::KIND {
                Purse::KIND => {
                    body[offset_of!(Purse, guardian)..].fill(0);
                    first::put_in(body, first::PURSE_COMPENSATED, first::PURSE - 8);
                    (first::PURSE, first::PURSE)
                }
                Provider::KIND => (first::PROVIDER, offset_of!(Provider, claims)),
                Offer::KIND => (first::OFFER, offset_of!(Offer, machine)),
                Job::KIND => {
                    first::take_out(body, first::JOB_MODELS, first::JOB_WITHOUT_TIES + 8);
                    body[first::JOB_WITHOUT_TIES..].fill(0);
                    put_ties_in(body);
                    (first::JOB, first::JOB)
                }
                Array::KIND => {
                    first::take_out(body, first::ARRAY_MODELS, first::ARRAY + 8);
                    (first::ARRAY, first::ARRAY)
                }
                Lease::KIND => {
                    let every = offset_of!(Lease, checkpoint_s);
                    body[offset_of!(Lease, unit_free)] = u8::from(body[every..every + 4] != [0; 4]);
                    (first::LEASE, offset_of!(Lease, forfeited))
                }
                Bond::KIND => (staking_first::BOND, offset_of!(Bond, claims_assets)),
                Delegation::KIND => {
                    body[offset_of!(Delegation, place)] = 0;
                    (staking_first::DELEGATION, offset_of!(Delegation, pending))
                }
                Reservation::KIND => (staking_first::RESERVATION, offset_of!(Reservation, claimed)),
                other => panic!("a {other} has not grown"),
            };
            body[spare..old].fill(0);
            data.drain(8 + old..8 + size_of::<T>());
            data[8] = 1;
        });
    }
}

/// Gives each bid of a job's book the eight bytes that it had behind its price. Which they were is asked of nobody any more.
fn put_ties_in(job: &mut [u8]) {
    let book = offset_of!(Job, book) - 8;
    for at in 0..BOOK_SIZE {
        let tie = book + at * (size_of::<BookEntry>() + 8) + offset_of!(BookEntry, offer);
        job[tie..].rotate_right(8);
        job[tie..tie + 8].fill(0xEE);
    }
}
