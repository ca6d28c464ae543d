//! What feeds a view: some queries and accounts, each followed by subscription and read again from time to time, as one stream.
//! It goes on for ever, whatever happens to the connection.
//!
//! No network tells who follows a query that an account is closed: that is noticed when the query is read again. Who follows the
//! account itself is told.

use solana_account::Account;
use solana_pubkey::Pubkey;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream as _;

use crate::account::{Bond, StakingConfig};
use crate::address::MARKET;
use crate::market::all_of;
use crate::rpc::{Client, ProgramQuery, RpcError, Watch, WatchConfig, WatchEvent};

/// Every account of the market program.
pub fn market() -> ProgramQuery {
    ProgramQuery::new(MARKET)
}

/// The bonds of the staking program.
pub fn bonds() -> ProgramQuery {
    all_of::<Bond>()
}

/// The staking program's configuration, which names the insurance account.
pub fn staking_config() -> ProgramQuery {
    all_of::<StakingConfig>()
}

/// How an account was read beside what is followed, after a transaction that is about it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Slot of the answer.
    pub slot: u64,
    /// Its address.
    pub address: Pubkey,
    /// `None`: there is none.
    pub account: Option<Account>,
}

/// News of an account or of the connection.
#[derive(Clone, Debug)]
pub enum Observed {
    /// An account is so now, or is gone.
    Account(Pubkey, Option<Account>),
    /// Everything is followed, and everything until now was told.
    Connected,
    /// Something is not.
    Disconnected {
        /// What happened.
        reason: String,
    },
}

/// What is followed.
#[derive(Clone, Debug)]
pub enum Target {
    /// The accounts that a query chooses.
    Query(ProgramQuery),
    /// One account.
    Account(Pubkey),
}

impl Target {
    fn covers(&self, seen: &Seen) -> bool {
        match (self, &seen.account) {
            (Self::Account(key), _) => *key == seen.address,
            (Self::Query(query), Some(account)) => query.covers(account),
            // Of an account that is gone nobody can say which query it was of.
            (Self::Query(_), None) => true,
        }
    }
}

/// Follows some targets as one. Drop it to stop.
#[derive(Debug)]
pub struct Observer {
    followed: Vec<Followed>,
    /// Whose turn it is to be asked first, so that a busy one does not silence the others.
    turn: usize,
    /// What was told last.
    told: Option<bool>,
}

#[derive(Debug)]
struct Followed {
    target: Target,
    watch: Watch,
    up: bool,
}

impl Observer {
    /// Begins to follow `targets`, each once; where an account is of two of them, either may tell of it. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// [`RpcError::Invalid`] where a query is out of bounds.
    pub fn new(client: &Client, targets: Vec<Target>, config: WatchConfig) -> Result<Self, RpcError> {
        let follow = |target: Target| {
            let watch = match &target {
                Target::Query(query) => client.watch_program_with(query.clone(), config)?,
                Target::Account(key) => client.watch_account_with(*key, config),
            };
            Ok(Followed { target, watch, up: false })
        };
        let followed = targets.into_iter().map(follow).collect::<Result<_, RpcError>>()?;
        Ok(Self { followed, turn: 0, told: None })
    }

    /// Takes in what was read beside them; what is news comes back as such.
    pub fn saw(&self, seen: &Seen) {
        for followed in self.followed.iter().filter(|followed| followed.target.covers(seen)) {
            followed.watch.saw(seen.slot, seen.address, seen.account.clone());
        }
    }

    /// Asks to be told once more of an account that there was no room for.
    pub fn tell_again(&self, address: Pubkey) {
        for followed in &self.followed {
            followed.watch.tell_again(address);
        }
    }

    /// The next news; `None` only if the runtime shuts down. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Observed> {
        loop {
            let (at, event) = std::future::poll_fn(|context| self.poll_events(context)).await?;
            let news = match event {
                WatchEvent::Account(update) => return Some(Observed::Account(update.key, update.account)),
                WatchEvent::Connected => self.turned(at, true).then_some(Observed::Connected),
                WatchEvent::Disconnected { reason } => {
                    self.turned(at, false).then_some(Observed::Disconnected { reason })
                }
            };
            if news.is_some() {
                return news;
            }
        }
    }

    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, WatchEvent)>> {
        let count = self.followed.len();
        for offset in 0..count {
            let at = (self.turn + offset) % count;
            let Some(followed) = self.followed.get_mut(at) else { continue };
            if let Poll::Ready(event) = Pin::new(&mut followed.watch).poll_next(context) {
                self.turn = (at + 1) % count;
                return Poll::Ready(event.map(|event| (at, event)));
            }
        }
        Poll::Pending
    }

    /// One of them is followed, or no longer. Returns whether that is news of them all.
    fn turned(&mut self, at: usize, up: bool) -> bool {
        if let Some(followed) = self.followed.get_mut(at) {
            followed.up = up;
        }
        let all = self.followed.iter().all(|followed| followed.up);
        let news = (all || !up) && self.told != Some(all);
        if news {
            self.told = Some(all);
        }
        news
    }
}
