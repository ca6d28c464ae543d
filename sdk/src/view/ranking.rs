//! Which accounts matter most, where there are more than can be kept in mind. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::account::{Bond, Job, Lease, Offer, Provider, Purse};
use solana_pubkey::Pubkey;

use crate::crank::Shard;

/// How much an account matters: the least value the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    class: Class,
    /// When time moves it on; the latest for what only others move.
    due: u64,
}

/// Money that runs comes first; what only earns a little later comes late; another keeper's work comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// What its holder named as its own.
    Own,
    /// A lease of this keeper's shard.
    Lease,
    /// A job of this keeper's shard.
    Job,
    /// What an award needs: the records and the stake of providers.
    Bidder,
    /// An offer, for automatic bids.
    Offer,
    /// A purse, for its fees and the audit.
    Purse,
    /// What belongs to another shard.
    Others,
}

impl Rank {
    /// Before everything else.
    pub(super) const OWN: Rank = Rank { class: Class::Own, due: 0 };
}

/// A kind of account that can be ranked.
pub(super) trait Ranked {
    /// Its rank for a keeper of `shard`.
    fn rank(&self, shard: &Shard) -> Rank;
}

fn of_shard(class: Class, due: u64, byte: u8, shard: &Shard) -> Rank {
    let due = if due == 0 { u64::MAX } else { due };
    Rank { class: if shard.owns(byte) { class } else { Class::Others }, due }
}

impl Ranked for Lease {
    fn rank(&self, shard: &Shard) -> Rank {
        of_shard(Class::Lease, self.header.due_ts, self.header.shard, shard)
    }
}

impl Ranked for Job {
    fn rank(&self, shard: &Shard) -> Rank {
        of_shard(Class::Job, self.header.due_ts, self.header.shard, shard)
    }
}

impl Ranked for Purse {
    fn rank(&self, shard: &Shard) -> Rank {
        of_shard(Class::Purse, 0, self.header.shard, shard)
    }
}

impl Ranked for Provider {
    fn rank(&self, _: &Shard) -> Rank {
        Rank { class: Class::Bidder, due: u64::MAX }
    }
}

impl Ranked for Bond {
    fn rank(&self, _: &Shard) -> Rank {
        Rank { class: Class::Bidder, due: u64::MAX }
    }
}

impl Ranked for Offer {
    fn rank(&self, _: &Shard) -> Rank {
        Rank { class: Class::Offer, due: u64::MAX }
    }
}

/// Addresses by rank.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    ranks: HashMap<Pubkey, Rank>,
    order: BTreeSet<(Rank, Pubkey)>,
}

impl Ranking {
    /// Puts an address in its place, whatever it was before.
    pub(super) fn put(&mut self, address: Pubkey, rank: Rank) {
        if let Some(old) = self.ranks.insert(address, rank) {
            self.order.remove(&(old, address));
        }
        self.order.insert((rank, address));
    }

    /// Takes an address out.
    pub(super) fn take(&mut self, address: &Pubkey) -> Option<Rank> {
        let rank = self.ranks.remove(address)?;
        self.order.remove(&(rank, *address));
        Some(rank)
    }

    /// What matters least.
    pub(super) fn last(&self) -> Option<(Rank, Pubkey)> {
        self.order.last().copied()
    }

    /// Addresses, what matters most first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Pubkey> + '_ {
        self.order.iter().map(|(_, address)| *address)
    }

    pub(super) fn len(&self) -> usize {
        self.ranks.len()
    }
}
