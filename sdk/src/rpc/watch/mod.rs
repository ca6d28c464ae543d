//! The state of an account, or of a program's accounts, as a stream that does not miss anything.
//!
//! A [`Watch`] begins with the present state and goes on with every later one, each account's last state winning: a
//! consumer that is slow sees fewer steps in between, but always the newest, and memory stays bounded by the
//! accounts themselves. It listens to a websocket, which it connects again for ever (with growing, jittered pauses)
//! until it is dropped; after each connection it reads the state again, because changes may have happened in
//! between; and it reads it from time to time anyway, because a server may be silent about a closed account or a
//! dead connection look alive. What is equal to what was delivered is not delivered again.
//!
//! [`WatchEvent::Connected`] and [`WatchEvent::Disconnected`] tell how fresh it is: between them the stream is as
//! quick as the network, else only as quick as the reading in between.
//!
//! An account that is missing from a read of a program's accounts is not taken for gone: a list may be short, cut off at a
//! page, or of a server that indexes only some. It is gone when a read of that account itself says so, at a slot that is
//! not before the list's.
//!
//! Dropping a [`Watch`] ends everything that it runs. Waiting for its next event can be abandoned at any point
//! without losing one.

mod book;
mod looks;
mod run;
mod socket;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use solana_account::Account;
use solana_pubkey::Pubkey;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{Client, ProgramQuery, RpcError};

/// Events that wait for the consumer; beyond that, states are merged.
const QUEUE: usize = 64;
/// What the consumer has said and the watch has not yet heard; beyond that, the next read has to tell it.
const WORDS: usize = 1_024;
/// No reading is more frequent than this.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// How a [`Watch`] behaves.
#[derive(Clone, Copy, Debug)]
pub struct WatchConfig {
    /// How often a single account is read anyway. Default 2 s, at least 50 ms.
    pub poll: Duration,
    /// How often a program's accounts are read anyway. Default 15 s, at least 50 ms.
    pub rescan: Duration,
    /// How often either is read at least while there is no subscription. Default 15 s, at least 50 ms.
    pub unsubscribed: Duration,
    /// Where a subscription has told something and then nothing for this long, the state is read once, before its usual time:
    /// what comes last is often what no server tells, an account closed or out of the query. Default: not. At least 50 ms.
    pub unheard: Option<Duration>,
    /// How long after a subscription was answered the state is read: some servers answer a moment before the
    /// subscription is in force. Default 200 ms.
    pub settle: Duration,
    /// Pause before the first attempt to connect again; doubled each time, with jitter. Default 250 ms.
    pub reconnect: Duration,
    /// Longest pause before an attempt to connect again, before jitter. Default 15 s.
    pub max_reconnect: Duration,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            rescan: Duration::from_secs(15),
            unsubscribed: Duration::from_secs(15),
            unheard: None,
            settle: Duration::from_millis(200),
            reconnect: Duration::from_millis(250),
            max_reconnect: Duration::from_secs(15),
        }
    }
}

/// The newest state of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// Its address.
    pub key: Pubkey,
    /// The account, its data cut where the query says so. `None` if it does not exist (any more), or no longer
    /// matches the query.
    pub account: Option<Account>,
    /// The newest slot at which it was known to be so, where that was told; of a node that may have been another one before.
    pub slot: Option<u64>,
}

/// What a [`Watch`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A state that differs from the one before.
    Account(AccountUpdate),
    /// The subscription is up, and everything until now has been delivered. Said anew after each
    /// [`WatchEvent::Disconnected`].
    Connected,
    /// No subscription, or no answers to reads, for now. The stream goes on as well as it can.
    Disconnected {
        /// What happened.
        reason: String,
    },
}

/// What is watched.
#[derive(Clone, Debug)]
enum Target {
    Account(Pubkey),
    Program(ProgramQuery),
}

/// What the consumer says to the watch.
#[derive(Debug)]
enum Word {
    /// It has seen how an account is.
    Seen { slot: u64, key: Pubkey, account: Option<Account> },
    /// It wants to be told of an account once more.
    Again(Pubkey),
}

/// A stream of [`WatchEvent`]s that ends only if its runtime does. Drop it to stop watching.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
    words: mpsc::Sender<Word>,
    task: JoinHandle<()>,
}

impl Watch {
    /// The next event. Nothing is lost if the future is dropped. `None` only if the runtime shuts down.
    pub async fn next_event(&mut self) -> Option<WatchEvent> {
        self.events.recv().await
    }

    /// Takes in what the consumer has read by itself, of `slot`: an account as it is, `None` for one that is gone. It comes
    /// back as an event where it is news. Where too much was said at once it is left out, and the next read tells it.
    pub fn saw(&self, slot: u64, key: Pubkey, account: Option<Account>) {
        let _ = self.words.try_send(Word::Seen { slot, key, account });
    }

    /// Asks to be told of an account once more with the next read, whether it has changed or not. Returns whether that was
    /// heard; it is not while too much else waits to be.
    pub fn tell_again(&self, key: Pubkey) -> bool {
        self.words.try_send(Word::Again(key)).is_ok()
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.events.poll_recv(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Watches the account at `key`; its first state, or that there is none, comes at once. Must be called within a
    /// tokio runtime.
    pub fn watch_account(&self, key: Pubkey) -> Watch {
        self.watch_account_with(key, WatchConfig::default())
    }

    /// As [`Client::watch_account`], with other settings.
    pub fn watch_account_with(&self, key: Pubkey, config: WatchConfig) -> Watch {
        self.start(Target::Account(key), config)
    }

    /// Watches the accounts that `query` chooses; those that there are come first. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`RpcError::Invalid`] if the query is out of bounds.
    pub fn watch_program(&self, query: ProgramQuery) -> Result<Watch, RpcError> {
        self.watch_program_with(query, WatchConfig::default())
    }

    /// As [`Client::watch_program`], with other settings.
    ///
    /// # Errors
    /// [`RpcError::Invalid`] if the query is out of bounds.
    pub fn watch_program_with(&self, query: ProgramQuery, config: WatchConfig) -> Result<Watch, RpcError> {
        query.config("watching a program", self.config.commitment)?;
        Ok(self.start(Target::Program(query), config))
    }

    fn start(&self, target: Target, config: WatchConfig) -> Watch {
        let config = WatchConfig {
            poll: config.poll.max(MIN_INTERVAL),
            rescan: config.rescan.max(MIN_INTERVAL),
            unsubscribed: config.unsubscribed.max(MIN_INTERVAL),
            unheard: config.unheard.map(|unheard| unheard.max(MIN_INTERVAL)),
            reconnect: config.reconnect.max(MIN_INTERVAL),
            max_reconnect: config.max_reconnect.max(config.reconnect),
            ..config
        };
        let mut client = self.clone();
        // The watch repeats its reads by itself.
        client.config.retries = 0;
        let (sender, events) = mpsc::channel(QUEUE);
        let (words, heard) = mpsc::channel(WORDS);
        let task = tokio::spawn(run::run(client, target, config, sender, heard));
        Watch { events, words, task }
    }
}
