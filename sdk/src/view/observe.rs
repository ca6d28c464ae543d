//! What feeds a view: some queries and accounts, each followed by subscription and read again from time to time, as one stream.
//! It goes on for ever, whatever happens to the connection.
//!
//! No network tells who follows a query that an account is closed: that is noticed when the query is read again. Who follows the
//! account itself is told.
//!
//! Where several queries share an account that goes from one to another (a job that waits is then open), it is gone only when none of
//! them has it any more, in whatever order they say so.

use solana_account::Account;
use solana_pubkey::Pubkey;
use std::collections::HashMap;
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
    /// Is the account at `address`, as it is, one that this target chooses?
    pub fn chooses(&self, address: &Pubkey, account: &Account) -> bool {
        match self {
            Self::Account(key) => key == address,
            Self::Query(query) => query.covers(account),
        }
    }

    /// What `seen` says to who follows this target; `None`: nothing. An account that a query does not choose may have been one that
    /// it chose, so to it that is as good as gone.
    fn told_by<'a>(&self, seen: &'a Seen) -> Option<Option<&'a Account>> {
        let chosen = seen.account.as_ref().filter(|account| self.chooses(&seen.address, account));
        match self {
            Self::Account(key) => (*key == seen.address).then_some(chosen),
            Self::Query(_) => Some(chosen),
        }
    }
}

/// News of one target.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which of the targets, counted from 0 in the order in which they were given.
    pub target: usize,
    /// What.
    pub news: WatchEvent,
}

/// Most targets of one observer.
pub const MAX_TARGETS: usize = 64;

/// Follows some targets as one. Drop it to stop.
#[derive(Debug)]
pub struct Observer {
    followed: Vec<Followed>,
    /// Whose turn it is to be asked first, so that a busy one does not silence the others.
    turn: usize,
    /// What was told last.
    told: Option<bool>,
    /// By which targets an account was last told to be there, a bit for each.
    holders: HashMap<Pubkey, u64>,
}

#[derive(Debug)]
struct Followed {
    target: Target,
    watch: Watch,
    up: bool,
}

impl Observer {
    /// Begins to follow the targets, each once and in its own way; where an account is of two of them, either may tell of it.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`RpcError::Invalid`] where a query is out of bounds, or there are more than [`MAX_TARGETS`].
    pub fn new(client: &Client, targets: Vec<(Target, WatchConfig)>) -> Result<Self, RpcError> {
        if targets.len() > MAX_TARGETS {
            let reason = format!("{} targets, at most {MAX_TARGETS} are allowed", targets.len());
            return Err(RpcError::Invalid { doing: "following", reason });
        }
        let follow = |(target, config): (Target, WatchConfig)| {
            let watch = match &target {
                Target::Query(query) => client.watch_program_with(query.clone(), config)?,
                Target::Account(key) => client.watch_account_with(*key, config),
            };
            Ok(Followed { target, watch, up: false })
        };
        let followed = targets.into_iter().map(follow).collect::<Result<_, RpcError>>()?;
        Ok(Self { followed, turn: 0, told: None, holders: HashMap::new() })
    }

    /// Takes in what was read beside them; what is news comes back as such.
    pub fn saw(&self, seen: &Seen) {
        for followed in &self.followed {
            if let Some(account) = followed.target.told_by(seen) {
                followed.watch.saw(seen.slot, seen.address, account.cloned());
            }
        }
    }

    /// Asks to be told once more of an account that there was no room for.
    pub fn tell_again(&self, address: Pubkey) {
        for followed in &self.followed {
            followed.watch.tell_again(address);
        }
    }

    /// Is this target followed now, with everything until now told?
    pub fn is_up(&self, target: usize) -> bool {
        self.followed.get(target).is_some_and(|followed| followed.up)
    }

    /// The next news of all as one; `None` only if the runtime shuts down. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Observed> {
        loop {
            let news = match self.next_of_each().await?.news {
                WatchEvent::Account(update) => return Some(Observed::Account(update.key, update.account)),
                WatchEvent::Connected => self.turned(true).then_some(Observed::Connected),
                WatchEvent::Disconnected { reason } => self.turned(false).then_some(Observed::Disconnected { reason }),
            };
            if news.is_some() {
                return news;
            }
        }
    }

    /// The next news of any target; `None` only if the runtime shuts down. Nothing is lost if the future is dropped.
    pub async fn next_of_each(&mut self) -> Option<Told> {
        loop {
            let (target, news) = std::future::poll_fn(|context| self.poll_events(context)).await?;
            match &news {
                WatchEvent::Account(update) => {
                    if self.is_held_by_another(target, &update.key, update.account.is_some()) {
                        // The other may have told of it before this one did; what it says counts.
                        self.tell_again(update.key);
                        continue;
                    }
                }
                WatchEvent::Connected => self.set_up(target, true),
                WatchEvent::Disconnected { .. } => self.set_up(target, false),
            }
            return Some(Told { target, news });
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

    /// `target` says that the account is there, or gone. Returns whether it says that it is gone and another has it.
    fn is_held_by_another(&mut self, target: usize, key: &Pubkey, there: bool) -> bool {
        let bit = 1u64 << (target % MAX_TARGETS);
        if there {
            *self.holders.entry(*key).or_default() |= bit;
            return false;
        }
        let left = self.holders.get(key).map_or(0, |holders| holders & !bit);
        if left == 0 {
            self.holders.remove(key);
        } else {
            self.holders.insert(*key, left);
        }
        left != 0
    }

    fn set_up(&mut self, target: usize, up: bool) {
        if let Some(followed) = self.followed.get_mut(target) {
            followed.up = up;
        }
    }

    /// One of them is followed, or no longer. Returns whether that is news of them all.
    fn turned(&mut self, up: bool) -> bool {
        let all = self.followed.iter().all(|followed| followed.up);
        let news = (all || !up) && self.told != Some(all);
        if news {
            self.told = Some(all);
        }
        news
    }
}
