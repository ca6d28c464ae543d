//! A picture of the market, or of a part of it: the accounts that somebody's duties hang on, decoded, and bounded in number.
//!
//! A view is fed with lists ([`View::take_in`]) and single changes ([`View::apply`]) in the order in which they arrive. It
//! may lag behind the chain; that costs an attempt, never a wrong outcome, because every step is checked again by the
//! program. Where the market has more accounts than it may hold, it holds those that matter most, and remembers the
//! addresses of the others.

pub mod live;
pub mod observe;
mod ranking;
mod time;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::account::{Bond, Config, DecodeError, Job, Kind, Lease, Offer, Provider, Purse, StakingConfig, decode};
use crate::address::{MARKET, STAKING, market_config, staking_config};
use anchor_lang::Discriminator as _;
use solana_account::Account;
use solana_pubkey::Pubkey;

use self::ranking::{Rank, Ranked, Ranking};
pub use self::time::MarketTime;
use crate::crank::Shard;

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
    /// The view is full of what matters more; the account is not in it.
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
    staking_config: Option<StakingConfig>,
    jobs: BTreeMap<Pubkey, Job>,
    leases: BTreeMap<Pubkey, Lease>,
    offers: BTreeMap<Pubkey, Offer>,
    providers: BTreeMap<Pubkey, Provider>,
    purses: BTreeMap<Pubkey, Purse>,
    bonds: BTreeMap<Pubkey, Bond>,
    revisions: HashMap<Pubkey, u64>,
    revision: u64,
    limit: usize,
    shard: Shard,
    /// What is never left out for what is not among it.
    own: HashSet<Pubkey>,
    /// What is held, and what is left out because the view is full.
    held: Ranking,
    left_out: Ranking,
}

impl Default for View {
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT, Shard::WHOLE)
    }
}

impl View {
    /// An empty view that holds at most `limit` accounts, and where there are more, those first that a keeper of `shard`
    /// works on.
    pub fn new(limit: usize, shard: Shard) -> Self {
        Self {
            config: None,
            staking_config: None,
            jobs: BTreeMap::new(),
            leases: BTreeMap::new(),
            offers: BTreeMap::new(),
            providers: BTreeMap::new(),
            purses: BTreeMap::new(),
            bonds: BTreeMap::new(),
            revisions: HashMap::new(),
            revision: 0,
            limit,
            shard,
            own: HashSet::new(),
            held: Ranking::default(),
            left_out: Ranking::default(),
        }
    }

    /// The same view, which leaves out anything else before the accounts at `addresses`.
    #[must_use]
    pub fn holding(mut self, addresses: impl IntoIterator<Item = Pubkey>) -> Self {
        self.own.extend(addresses);
        self
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
            return if self.forget(address) { Applied::Removed } else { Applied::Unchanged };
        };
        let applied = match Which::of(account) {
            Some(which) => self.take(which, address, account),
            // Closed and opened again as something else within one look: not ours any more.
            None => return if self.forget(address) { Applied::Removed } else { Applied::Ignored },
        };
        match applied {
            Ok(applied) => applied,
            Err(error) => {
                self.forget(address);
                Applied::Unreadable(error)
            }
        }
    }

    /// Takes in a list of the accounts of `program`. Returns those that could not be taken in, and those that are known and
    /// not in the list: the list may be short, so only a look at them tells whether they are gone.
    pub fn take_in(
        &mut self,
        program: &Pubkey,
        accounts: &[(Pubkey, Account)],
    ) -> (Vec<(Pubkey, Applied)>, Vec<Pubkey>) {
        let mut refused = Vec::new();
        for (address, account) in accounts {
            let applied = self.apply(address, Some(account));
            if matches!(applied, Applied::Unreadable(_) | Applied::Full) {
                refused.push((*address, applied));
            }
        }
        let present: HashSet<&Pubkey> = accounts.iter().map(|(address, _)| address).collect();
        let missing = self.addresses(program).filter(|address| !present.contains(address)).collect();
        (refused, missing)
    }

    fn take(&mut self, which: Which, address: &Pubkey, account: &Account) -> Result<Applied, DecodeError> {
        match which {
            Which::Config => {
                let config = decode::<Config>(address, &account.owner, &account.data)?;
                let old = self.config.replace(config);
                Ok(changed(old.is_some_and(|old| bytemuck::bytes_of(&old) == bytemuck::bytes_of(&config))))
            }
            Which::StakingConfig => {
                let config = decode::<StakingConfig>(address, &account.owner, &account.data)?;
                let old = self.staking_config.replace(config);
                Ok(changed(old.is_some_and(|old| bytemuck::bytes_of(&old) == bytemuck::bytes_of(&config))))
            }
            Which::Job => self.put(|view| &mut view.jobs, address, account),
            Which::Lease => self.put(|view| &mut view.leases, address, account),
            Which::Offer => self.put(|view| &mut view.offers, address, account),
            Which::Provider => self.put(|view| &mut view.providers, address, account),
            Which::Purse => self.put(|view| &mut view.purses, address, account),
            Which::Bond => self.put(|view| &mut view.bonds, address, account),
        }
    }

    fn put<T: Kind + Ranked>(
        &mut self,
        map: fn(&mut Self) -> &mut BTreeMap<Pubkey, T>,
        address: &Pubkey,
        account: &Account,
    ) -> Result<Applied, DecodeError> {
        let value = decode::<T>(address, &account.owner, &account.data)?;
        let rank = if self.own.contains(address) { Rank::OWN } else { value.rank(&self.shard) };
        if let Some(old) = map(self).get_mut(address) {
            let same = bytemuck::bytes_of(old) == bytemuck::bytes_of(&value);
            *old = value;
            self.held.put(*address, rank);
            return Ok(changed(same));
        }
        if self.len() >= self.limit {
            match self.held.last() {
                Some((least, evicted)) if rank < least => {
                    self.remove(&evicted);
                    self.revisions.remove(&evicted);
                    self.left_out.put(evicted, least);
                }
                _ => {
                    self.left_out.put(*address, rank);
                    return Ok(Applied::Full);
                }
            }
        }
        self.left_out.take(address);
        self.held.put(*address, rank);
        map(self).insert(*address, value);
        Ok(Applied::Changed)
    }

    /// How many accounts are left out because the view is full.
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }

    /// Of those that are left out, as many as there is room for again, at most `most`; what matters most first.
    pub fn room_for(&self, most: usize) -> Vec<Pubkey> {
        self.left_out.iter().take(self.limit.saturating_sub(self.len()).min(most)).collect()
    }

    /// Takes `address` out because it is gone. Returns whether it was held.
    fn forget(&mut self, address: &Pubkey) -> bool {
        self.left_out.take(address);
        self.remove(address)
    }

    fn remove(&mut self, address: &Pubkey) -> bool {
        self.held.take(address);
        if *address == market_config() {
            return self.config.take().is_some();
        }
        if *address == staking_config() {
            return self.staking_config.take().is_some();
        }
        self.jobs.remove(address).is_some()
            || self.leases.remove(address).is_some()
            || self.offers.remove(address).is_some()
            || self.providers.remove(address).is_some()
            || self.purses.remove(address).is_some()
            || self.bonds.remove(address).is_some()
    }

    /// Everything held of `program`.
    fn addresses(&self, program: &Pubkey) -> impl Iterator<Item = Pubkey> + '_ {
        let (market, staking) = (*program == MARKET, *program == STAKING);
        let of_market = self.jobs.keys().chain(self.leases.keys()).chain(self.offers.keys());
        let of_market = of_market.chain(self.providers.keys()).chain(self.purses.keys()).copied();
        let config = self.config.is_some().then(market_config);
        let of_market = of_market.chain(config).filter(move |_| market);
        of_market.chain(self.bonds.keys().copied().filter(move |_| staking))
    }

    /// Accounts held, the configurations not counted.
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

    /// The account of the insurance fund, once the staking program's configuration, which alone names it, was seen.
    pub fn insurance(&self) -> Option<Pubkey> {
        self.staking_config.as_ref().map(|config| config.insurance)
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

    /// The offer at `address`.
    pub fn offer(&self, address: &Pubkey) -> Option<&Offer> {
        self.offers.get(address)
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
    StakingConfig,
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
        } else if account.owner == STAKING {
            [(Bond::DISCRIMINATOR, Self::Bond), (StakingConfig::DISCRIMINATOR, Self::StakingConfig)]
                .into_iter()
                .find_map(|(discriminator, which)| is(discriminator).then_some(which))
        } else {
            None
        }
    }
}

fn changed(same: bool) -> Applied {
    if same { Applied::Unchanged } else { Applied::Changed }
}

#[cfg(test)]
mod tests;
