//! What a keeper reads from time to time beside the accounts that it follows: the chain's clock, and its own balance.

use std::time::Duration;

use gridlease_core::Now;
use gridlease_sdk::rpc::Client;
use solana_pubkey::Pubkey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Readings that wait to be taken in.
const READINGS: usize = 16;

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
