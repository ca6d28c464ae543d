//! What comes in from the network: the accounts of both programs, the chain's clock, the keeper's own balance. Each source
//! goes on for ever, whatever happens to the connection.

use std::time::Duration;

use anchor_lang::Discriminator as _;
use gridlease_core::Now;
use gridlease_sdk::account::{Bond, StakingConfig};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::rpc::{Client, ProgramQuery, RpcError, Watch, WatchConfig, WatchEvent};
use solana_account::Account;
use solana_pubkey::Pubkey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::execute::Seen;

/// Readings that wait to be taken in.
const READINGS: usize = 16;

/// Everything that a keeper looks at in the market program.
pub(crate) fn market() -> ProgramQuery {
    ProgramQuery::new(MARKET)
}

/// The bonds of the staking program.
pub(crate) fn bonds() -> ProgramQuery {
    ProgramQuery::new(STAKING).bytes_at(0, Bond::DISCRIMINATOR)
}

/// The staking program's configuration, which names the insurance account.
pub(crate) fn staking_config() -> ProgramQuery {
    ProgramQuery::new(STAKING).bytes_at(0, StakingConfig::DISCRIMINATOR)
}

/// News of an account or of the connection.
pub(crate) enum Observed {
    /// An account is so now, or is gone.
    Account(Pubkey, Option<Account>),
    /// Everything is followed, and everything until now was told.
    Connected,
    /// Something is not.
    Disconnected { reason: String },
}

/// Follows both programs.
pub(crate) struct Observer {
    market: Watch,
    bonds: Watch,
    staking_config: Watch,
    /// Which of the three are followed, in this order.
    up: [bool; 3],
    /// What was told last.
    told: Option<bool>,
}

impl Observer {
    pub(crate) fn new(client: &Client, config: WatchConfig) -> Result<Self, RpcError> {
        Ok(Self {
            market: client.watch_program_with(market(), config)?,
            bonds: client.watch_program_with(bonds(), config)?,
            staking_config: client.watch_program_with(staking_config(), config)?,
            up: [false; 3],
            told: None,
        })
    }

    /// Takes in what was read beside the watches; what is news comes back as such.
    pub(crate) fn saw(&self, seen: Seen) {
        let Seen { slot, address, account } = seen;
        match account.as_ref().map(|account| account.owner) {
            Some(owner) if owner == STAKING && address == address::staking_config() => {
                self.staking_config.saw(slot, address, account);
            }
            Some(owner) if owner == STAKING => self.bonds.saw(slot, address, account),
            Some(_) => self.market.saw(slot, address, account),
            None => {
                self.market.saw(slot, address, None);
                self.bonds.saw(slot, address, None);
            }
        }
    }

    /// Asks to be told once more of an account that there was no room for.
    pub(crate) fn tell_again(&self, address: Pubkey) {
        self.market.tell_again(address);
        self.bonds.tell_again(address);
    }

    /// The next news; `None` only if the runtime shuts down. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Observed> {
        loop {
            let [market, bonds, config] = &mut self.up;
            let (event, up) = tokio::select! {
                event = self.market.next_event() => (event?, market),
                event = self.bonds.next_event() => (event?, bonds),
                event = self.staking_config.next_event() => (event?, config),
            };
            match event {
                WatchEvent::Account(update) => return Some(Observed::Account(update.key, update.account)),
                WatchEvent::Connected => {
                    *up = true;
                    if self.up == [true; 3] && self.told != Some(true) {
                        self.told = Some(true);
                        return Some(Observed::Connected);
                    }
                }
                WatchEvent::Disconnected { reason } => {
                    *up = false;
                    if self.told != Some(false) {
                        self.told = Some(false);
                        return Some(Observed::Disconnected { reason });
                    }
                }
            }
        }
    }
}

/// Something read from time to time.
pub(crate) enum Reading {
    /// The chain's clock.
    Clock(Now),
    /// The keeper's balance, in lamports.
    Balance(u64),
    /// The clock could not be read.
    Silent,
}

/// Reads clock and balance until dropped.
pub(crate) struct Readings {
    receiver: mpsc::Receiver<Reading>,
    _tasks: JoinSet<()>,
}

impl Readings {
    pub(crate) fn start(client: &Client, payer: Pubkey, clock_every: Duration, balance_every: Duration) -> Self {
        let (sender, receiver) = mpsc::channel(READINGS);
        let mut tasks = JoinSet::new();
        let (reader, out) = (client.clone(), sender.clone());
        tasks.spawn(async move {
            loop {
                let reading = match reader.now().await {
                    Ok(now) => Reading::Clock(now),
                    Err(error) => {
                        tracing::debug!(%error, "the chain's clock could not be read");
                        Reading::Silent
                    }
                };
                if out.send(reading).await.is_err() {
                    return;
                }
                sleep(clock_every).await;
            }
        });
        let reader = client.clone();
        tasks.spawn(async move {
            loop {
                match reader.lamports(&payer).await {
                    Ok(lamports) if sender.send(Reading::Balance(lamports)).await.is_err() => return,
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "the keeper's balance could not be read"),
                }
                sleep(balance_every).await;
            }
        });
        Self { receiver, _tasks: tasks }
    }

    /// The next reading; `None` only if the runtime shuts down. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Reading> {
        self.receiver.recv().await
    }
}
