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
    MIN_INTERVAL, Target, WatchConfig, WatchEvent, Word,
    book::{Book, Found},
    looks::{Look, look},
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

/// What a request has brought.
enum Answer {
    /// Everything that is watched.
    All(Read),
    /// What was missing there, looked at directly; and whether something else had changed.
    Missing(Look, bool),
}

struct Running {
    book: Book,
    interval: Duration,
    unsubscribed: Duration,
    unheard: Option<Duration>,
    settle: Duration,
    next_read: Instant,
    /// When is read because of [`WatchConfig::unheard`].
    unheard_read: Option<Instant>,
    failures: u32,
    /// When a read may first be trusted to cover the time before the subscription; `None` while there is none.
    covered_from: Option<Instant>,
    /// Whether the consumer was last told that all is well; `None` if it was told nothing yet.
    told: Option<bool>,
    silent: u32,
    /// That lists leave accounts out was said.
    told_short: bool,
}

/// What is to be done after an answer.
enum Next {
    Nothing,
    /// Another connection: this one seems dead.
    Renew,
    /// A direct look at what was missing, no earlier than at the list's slot.
    Look {
        missing: Vec<Pubkey>,
        slot: Option<u64>,
        changed: bool,
    },
}

/// Runs until the consumer is gone.
pub(super) async fn run(
    client: Client,
    target: Target,
    config: WatchConfig,
    out: mpsc::Sender<WatchEvent>,
    mut words: mpsc::Receiver<Word>,
) {
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
        unsubscribed: config.unsubscribed,
        unheard: config.unheard,
        settle: config.settle,
        next_read: Instant::now(),
        unheard_read: None,
        failures: 0,
        covered_from: None,
        told: None,
        silent: 0,
        told_short: false,
    };
    let mut reading: Option<(Instant, BoxFuture<'_, Answer>)> = None;
    loop {
        tokio::select! {
            never = &mut socket => match never {},
            Some(signal) = signals.recv() => running.signal(signal),
            Some(word) = words.recv() => running.word(word),
            () = sleep_until(running.wake()), if reading.is_none() => {
                running.unheard_read = None;
                running.book.read_begins();
                reading = Some((Instant::now(), read(&client, &target).map(Answer::All).boxed()));
            }
            (begun, answer) = finished(&mut reading) => {
                reading = None;
                match running.answered(begun, answer, only) {
                    Next::Nothing => {}
                    Next::Renew => renew.notify_one(),
                    Next::Look { missing, slot, changed } => {
                        running.book.look_begins();
                        let look = look(&client, &target, missing, slot);
                        reading = Some((begun, look.map(move |look| Answer::Missing(look, changed)).boxed()));
                    }
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
async fn finished(reading: &mut Option<(Instant, BoxFuture<'_, Answer>)>) -> (Instant, Answer) {
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
                self.next_read = self.next_read.min(Instant::now() + jittered(self.interval()));
                self.disconnected(reason);
            }
            Signal::Change { slot, key, account } => {
                self.silent = 0;
                self.book.notified(slot, key, account);
                self.heard(Instant::now());
            }
        }
    }

    /// Something was told: what follows unsaid is read a while later. Told again before, it is put off, never past the usual time.
    fn heard(&mut self, now: Instant) {
        let Some(unheard) = self.unheard else { return };
        self.unheard_read = Some(now + unheard);
    }

    /// When is read next: at the usual time, or sooner where what was told last was long ago.
    fn wake(&self) -> Instant {
        self.unheard_read.map_or(self.next_read, |unheard| unheard.min(self.next_read))
    }

    fn word(&mut self, word: Word) {
        match word {
            Word::Seen { slot, key, account } => self.book.told(slot, key, account),
            Word::Again(key) => self.book.tell_again(&key),
        }
    }

    /// Takes in the answer to a read that began at `begun`.
    fn answered(&mut self, begun: Instant, answer: Answer, only: Option<&Pubkey>) -> Next {
        let now = Instant::now();
        match answer {
            Answer::All(Ok(AtSlot { slot, value })) => match self.book.read(slot, value, only) {
                None => self.retry(now),
                Some(Found { changed, missing }) if missing.is_empty() => return self.complete(begun, now, changed),
                Some(Found { changed, missing }) => return Next::Look { missing, slot, changed },
            },
            Answer::All(Err(error)) => {
                self.book.read_failed();
                self.retry(now);
                self.disconnected(error.to_string());
            }
            Answer::Missing(Ok(AtSlot { slot, value }), changed) => {
                self.short(&value);
                self.book.looked(slot, value);
                return self.complete(begun, now, changed);
            }
            Answer::Missing(Err(error), _) => {
                self.book.look_failed();
                self.retry(now);
                // A node that is a little behind is no trouble.
                if !error.is_behind() {
                    self.disconnected(error.to_string());
                }
            }
        }
        Next::Nothing
    }

    /// Between two reads, as things are.
    fn interval(&self) -> Duration {
        if self.covered_from.is_some() { self.interval } else { self.interval.min(self.unsubscribed) }
    }

    /// Says it, once, where accounts that are there were missing from a list.
    fn short(&mut self, looked: &[(Pubkey, Option<Account>)]) {
        let there = looked.iter().filter(|(_, account)| account.is_some()).count();
        if there == 0 {
            self.told_short = false;
        } else if !std::mem::replace(&mut self.told_short, true) {
            tracing::warn!(
                missing = there,
                "the RPC's list of a program's accounts leaves out some that are there; they are kept. Choose another RPC if it goes on"
            );
        }
    }

    /// Everything was read that began at `begun`.
    fn complete(&mut self, begun: Instant, now: Instant, changed: bool) -> Next {
        self.failures = 0;
        self.next_read = now + jittered(self.interval());
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
            return Next::Renew;
        }
        Next::Nothing
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
