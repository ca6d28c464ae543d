//! The keeper's picture of the market: every account that its duties hang on, decoded, and bounded in number.
//!
//! A view is fed with snapshots ([`View::replace`]) and single changes ([`View::apply`]) in the order in which they
//! arrive. It may lag behind the chain; that costs an attempt, never a wrong outcome, because every step is checked again
//! by the program.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anchor_lang::Discriminator as _;
use gridlease_sdk::account::{Bond, Config, DecodeError, Job, Kind, Lease, Offer, Provider, Purse, decode};
use gridlease_sdk::address::{MARKET, STAKING, market_config};
use solana_account::Account;
use solana_pubkey::Pubkey;

/// Most accounts that a view holds unless it is told otherwise: some 150 MB of jobs.
pub const DEFAULT_LIMIT: usize = 200_000;

/// What applying one account did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The view is as it was.
    Unchanged,
    /// The account is new, or differs from what was known.
    Changed,
    /// The account is gone.
    Removed,
    /// Not an account that a keeper looks at.
    Ignored,
    /// One of ours that this version cannot read; it is not in the view (any more).
    Unreadable(DecodeError),
    /// The view is full; the account is not in it.
    Full,
}

/// How many accounts of each kind a view holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sizes {
    /// Jobs.
    pub jobs: usize,
    /// Leases.
    pub leases: usize,
    /// Offers.
    pub offers: usize,
    /// Provider records.
    pub providers: usize,
    /// Purses.
    pub purses: usize,
    /// Bonds.
    pub bonds: usize,
}

/// The picture. Iteration is in the order of addresses, so that everything computed from it is reproducible.
#[derive(Debug)]
pub struct View {
    config: Option<Config>,
    jobs: BTreeMap<Pubkey, Job>,
    leases: BTreeMap<Pubkey, Lease>,
    offers: BTreeMap<Pubkey, Offer>,
    providers: BTreeMap<Pubkey, Provider>,
    purses: BTreeMap<Pubkey, Purse>,
    bonds: BTreeMap<Pubkey, Bond>,
    revisions: HashMap<Pubkey, u64>,
    revision: u64,
    limit: usize,
}

impl Default for View {
    fn default() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }
}

impl View {
    /// An empty view that holds at most `limit` accounts.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            config: None,
            jobs: BTreeMap::new(),
            leases: BTreeMap::new(),
            offers: BTreeMap::new(),
            providers: BTreeMap::new(),
            purses: BTreeMap::new(),
            bonds: BTreeMap::new(),
            revisions: HashMap::new(),
            revision: 0,
            limit,
        }
    }

    /// Takes in what `address` is now; `None`, or no lamports, where there is no such account.
    pub fn apply(&mut self, address: &Pubkey, account: Option<&Account>) -> Applied {
        let applied = self.apply_unmarked(address, account);
        match applied {
            Applied::Changed => {
                self.revision += 1;
                self.revisions.insert(*address, self.revision);
            }
            Applied::Removed | Applied::Unreadable(_) => {
                self.revisions.remove(address);
            }
            Applied::Unchanged | Applied::Ignored | Applied::Full => {}
        }
        applied
    }

    /// A number that is another one each time the account at `address` has changed; `None` where there is none.
    pub fn revision(&self, address: &Pubkey) -> Option<u64> {
        self.revisions.get(address).copied()
    }

    fn apply_unmarked(&mut self, address: &Pubkey, account: Option<&Account>) -> Applied {
        let Some(account) = account.filter(|account| account.lamports > 0 && !account.data.is_empty()) else {
            return if self.remove(address) { Applied::Removed } else { Applied::Unchanged };
        };
        let applied = match Which::of(account) {
            Some(which) => self.take(which, address, account),
            // Closed and opened again as something else within one look: not ours any more.
            None => return if self.remove(address) { Applied::Removed } else { Applied::Ignored },
        };
        match applied {
            Ok(applied) => applied,
            Err(error) => {
                self.remove(address);
                Applied::Unreadable(error)
            }
        }
    }

    /// Takes in all accounts of `program` at once: what is not among them is gone. Returns what could not be taken in.
    pub fn replace(&mut self, program: &Pubkey, accounts: &[(Pubkey, Account)]) -> Vec<(Pubkey, Applied)> {
        let present: BTreeSet<&Pubkey> = accounts.iter().map(|(address, _)| address).collect();
        let kept = |address: &Pubkey| present.contains(address);
        if *program == MARKET {
            self.jobs.retain(|address, _| kept(address));
            self.leases.retain(|address, _| kept(address));
            self.offers.retain(|address, _| kept(address));
            self.providers.retain(|address, _| kept(address));
            self.purses.retain(|address, _| kept(address));
            if !kept(&market_config()) {
                self.config = None;
            }
        } else if *program == STAKING {
            self.bonds.retain(|address, _| kept(address));
        }
        let kept: BTreeSet<Pubkey> = self.addresses().collect();
        self.revisions.retain(|address, _| kept.contains(address));
        let mut refused = Vec::new();
        for (address, account) in accounts {
            let applied = self.apply(address, Some(account));
            if matches!(applied, Applied::Unreadable(_) | Applied::Full) {
                refused.push((*address, applied));
            }
        }
        refused
    }

    fn take(&mut self, which: Which, address: &Pubkey, account: &Account) -> Result<Applied, DecodeError> {
        let full = self.len() >= self.limit;
        match which {
            Which::Config => {
                let config = decode::<Config>(address, &account.owner, &account.data)?;
                let old = self.config.replace(config);
                Ok(changed(old.is_some_and(|old| bytemuck::bytes_of(&old) == bytemuck::bytes_of(&config))))
            }
            Which::Job => put(&mut self.jobs, full, address, account),
            Which::Lease => put(&mut self.leases, full, address, account),
            Which::Offer => put(&mut self.offers, full, address, account),
            Which::Provider => put(&mut self.providers, full, address, account),
            Which::Purse => put(&mut self.purses, full, address, account),
            Which::Bond => put(&mut self.bonds, full, address, account),
        }
    }

    fn remove(&mut self, address: &Pubkey) -> bool {
        self.jobs.remove(address).is_some()
            || self.leases.remove(address).is_some()
            || self.offers.remove(address).is_some()
            || self.providers.remove(address).is_some()
            || self.purses.remove(address).is_some()
            || self.bonds.remove(address).is_some()
    }

    fn addresses(&self) -> impl Iterator<Item = Pubkey> + '_ {
        let market = self.jobs.keys().chain(self.leases.keys()).chain(self.offers.keys());
        let rest = self.providers.keys().chain(self.purses.keys()).chain(self.bonds.keys());
        market.chain(rest).copied().chain(self.config.is_some().then(market_config))
    }

    /// Accounts held, the configuration not counted.
    pub fn len(&self) -> usize {
        let sizes = self.sizes();
        sizes.jobs + sizes.leases + sizes.offers + sizes.providers + sizes.purses + sizes.bonds
    }

    /// Does it hold nothing?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Accounts held, by kind.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            jobs: self.jobs.len(),
            leases: self.leases.len(),
            offers: self.offers.len(),
            providers: self.providers.len(),
            purses: self.purses.len(),
            bonds: self.bonds.len(),
        }
    }

    /// The market's configuration, once it was seen.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// All jobs.
    pub fn jobs(&self) -> impl Iterator<Item = (&Pubkey, &Job)> {
        self.jobs.iter()
    }

    /// All leases.
    pub fn leases(&self) -> impl Iterator<Item = (&Pubkey, &Lease)> {
        self.leases.iter()
    }

    /// All offers.
    pub fn offers(&self) -> impl Iterator<Item = (&Pubkey, &Offer)> {
        self.offers.iter()
    }

    /// All purses.
    pub fn purses(&self) -> impl Iterator<Item = (&Pubkey, &Purse)> {
        self.purses.iter()
    }

    /// All bonds.
    pub fn bonds(&self) -> impl Iterator<Item = (&Pubkey, &Bond)> {
        self.bonds.iter()
    }

    /// The job at `address`.
    pub fn job(&self, address: &Pubkey) -> Option<&Job> {
        self.jobs.get(address)
    }

    /// The lease at `address`.
    pub fn lease(&self, address: &Pubkey) -> Option<&Lease> {
        self.leases.get(address)
    }

    /// The provider record at `address`.
    pub fn provider(&self, address: &Pubkey) -> Option<&Provider> {
        self.providers.get(address)
    }

    /// The purse at `address`.
    pub fn purse(&self, address: &Pubkey) -> Option<&Purse> {
        self.purses.get(address)
    }

    /// The bond at `address`.
    pub fn bond(&self, address: &Pubkey) -> Option<&Bond> {
        self.bonds.get(address)
    }
}

/// The kinds of accounts that a keeper looks at.
#[derive(Clone, Copy, Debug)]
enum Which {
    Config,
    Job,
    Lease,
    Offer,
    Provider,
    Purse,
    Bond,
}

impl Which {
    fn of(account: &Account) -> Option<Self> {
        let is = |discriminator: &[u8]| account.data.starts_with(discriminator);
        if account.owner == MARKET {
            [
                (Job::DISCRIMINATOR, Self::Job),
                (Lease::DISCRIMINATOR, Self::Lease),
                (Offer::DISCRIMINATOR, Self::Offer),
                (Provider::DISCRIMINATOR, Self::Provider),
                (Purse::DISCRIMINATOR, Self::Purse),
                (Config::DISCRIMINATOR, Self::Config),
            ]
            .into_iter()
            .find_map(|(discriminator, which)| is(discriminator).then_some(which))
        } else if account.owner == STAKING && is(Bond::DISCRIMINATOR) {
            Some(Self::Bond)
        } else {
            None
        }
    }
}

fn put<T: Kind>(
    map: &mut BTreeMap<Pubkey, T>,
    full: bool,
    address: &Pubkey,
    account: &Account,
) -> Result<Applied, DecodeError> {
    let value = decode::<T>(address, &account.owner, &account.data)?;
    match map.get_mut(address) {
        Some(old) => {
            let same = bytemuck::bytes_of(old) == bytemuck::bytes_of(&value);
            *old = value;
            Ok(changed(same))
        }
        None if full => Ok(Applied::Full),
        None => {
            map.insert(*address, value);
            Ok(Applied::Changed)
        }
    }
}

fn changed(same: bool) -> Applied {
    if same { Applied::Unchanged } else { Applied::Changed }
}

#[cfg(test)]
mod tests;
