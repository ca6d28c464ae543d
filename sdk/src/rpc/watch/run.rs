//! One watch at work: socket, reads and consumer brought together, none waiting for another.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use solana_account::Account;
use solana_pubkey::Pubkey;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{
    MIN_INTERVAL, Target, WatchConfig, WatchEvent,
    book::Book,
    socket::{self, Signal},
};
use crate::rpc::{Client, RpcError, fetch::AtSlot};

/// Notifications between socket and book.
const SIGNALS: usize = 256;
/// Pause before a failed or outdated read is repeated; doubled each time up to the usual interval.
const RETRY: Duration = Duration::from_millis(500);
/// Reads in a row that find a change which nobody notified, until the connection is taken for dead.
const MAX_SILENT: u32 = 2;

type Read = Result<AtSlot<Vec<(Pubkey, Account)>>, RpcError>;

struct Running {
    book: Book,
    interval: Duration,
    settle: Duration,
    next_read: Instant,
    failures: u32,
    /// When a read may first be trusted to cover the time before the subscription; `None` while there is none.
    covered_from: Option<Instant>,
    /// Whether the consumer was last told that all is well; `None` if it was told nothing yet.
    told: Option<bool>,
    silent: u32,
}

/// Runs until the consumer is gone.
pub(super) async fn run(client: Client, target: Target, config: WatchConfig, out: mpsc::Sender<WatchEvent>) {
    let (sender, mut signals) = mpsc::channel(SIGNALS);
    let renew = Notify::new();
    let mut socket = std::pin::pin!(socket::run(&client, &target, config, &renew, sender));
    let only = match &target {
        Target::Account(key) => Some(key),
        Target::Program(_) => None,
    };
    let mut running = Running {
        book: Book::default(),
        interval: if only.is_some() { config.poll } else { config.rescan },
        settle: config.settle,
        next_read: Instant::now(),
        failures: 0,
        covered_from: None,
        told: None,
        silent: 0,
    };
    let mut reading: Option<(Instant, BoxFuture<'_, Read>)> = None;
    loop {
        tokio::select! {
            never = &mut socket => match never {},
            Some(signal) = signals.recv() => running.signal(signal),
            () = sleep_until(running.next_read), if reading.is_none() => {
                running.book.read_begins();
                reading = Some((Instant::now(), read(&client, &target).boxed()));
            }
            (begun, result) = finished(&mut reading) => {
                reading = None;
                if running.read(begun, result, only) {
                    renew.notify_one();
                }
            }
            permit = out.reserve(), if running.book.has_pending() => match permit {
                Ok(permit) => {
                    if let Some(event) = running.book.pop() {
                        permit.send(event);
                    }
                }
                Err(_) => return,
            },
            () = out.closed() => return,
        }
    }
}

/// The result of the read under way, and when it began; never, if there is none.
async fn finished(reading: &mut Option<(Instant, BoxFuture<'_, Read>)>) -> (Instant, Read) {
    match reading {
        Some((begun, read)) => (*begun, read.await),
        None => std::future::pending().await,
    }
}

async fn read(client: &Client, target: &Target) -> Read {
    match target {
        Target::Account(key) => {
            let AtSlot { slot, value } = client.account_at(key).await?;
            let value = value.map(|account| (*key, account)).into_iter().collect();
            Ok(AtSlot { slot, value })
        }
        Target::Program(query) => client.program_accounts_at(query).await,
    }
}

impl Running {
    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Up => {
                self.book.connected();
                let covered = Instant::now() + self.settle;
                self.covered_from = Some(covered);
                self.next_read = covered;
                self.silent = 0;
            }
            Signal::Down(reason) => {
                self.covered_from = None;
                self.disconnected(reason);
            }
            Signal::Change { slot, key, account } => {
                self.silent = 0;
                self.book.notified(slot, key, account);
            }
        }
    }

    /// Takes in a read that began at `begun`. Returns whether the connection should be renewed.
    fn read(&mut self, begun: Instant, result: Read, only: Option<&Pubkey>) -> bool {
        let now = Instant::now();
        let found = match result {
            Ok(AtSlot { slot, value }) => self.book.read(slot, value, only),
            Err(error) => {
                self.book.read_failed();
                self.retry(now);
                self.disconnected(error.to_string());
                return false;
            }
        };
        let Some(changed) = found else {
            self.retry(now);
            return false;
        };
        self.failures = 0;
        self.next_read = now + jittered(self.interval);
        match self.covered_from {
            Some(covered) if begun >= covered => {
                if self.told != Some(true) {
                    self.told = Some(true);
                    self.book.notice(WatchEvent::Connected);
                } else if changed {
                    self.silent += 1;
                }
            }
            // It began before the subscription was in force, so it proves nothing about the time until then.
            Some(covered) => self.next_read = covered.max(now),
            None => {}
        }
        if self.silent >= MAX_SILENT {
            self.silent = 0;
            return true;
        }
        false
    }

    fn retry(&mut self, now: Instant) {
        let pause = RETRY.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.next_read = now + jittered(pause.min(self.interval).max(MIN_INTERVAL));
    }

    fn disconnected(&mut self, reason: String) {
        if self.told != Some(false) {
            self.told = Some(false);
            self.book.notice(WatchEvent::Disconnected { reason });
        }
    }
}

/// `interval`, a tenth more or less, so that many watches do not move in step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::Rng::random_range(&mut rand::rng(), 0.9..1.1))
}
