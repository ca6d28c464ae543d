//! A [`View`] that is kept up by a task of its own and shared by many: who needs to know something asks it, who waits for a change is
//! woken, and who must be certain reads the chain and lets the view know.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use solana_account::Account;
use solana_pubkey::Pubkey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::observe::{Observer, Seen, Target, Told};
use super::{Applied, View};
use crate::account::DecodeError;
use crate::rpc::fetch::AtSlot;
use crate::rpc::{AccountUpdate, Client, RpcError, WatchConfig, WatchEvent};

/// Readings of others that wait to be taken in; beyond that, the next read of what is followed tells them.
const SEEN: usize = 1_024;
/// How often accounts that there was no room for are asked for where there is some again, and how many at a time.
const REFILL_EVERY: Duration = Duration::from_secs(1);
const REFILL: usize = 256;
/// Most accounts remembered as unreadable.
const MAX_UNREADABLE: usize = 1_024;

/// What is known of an account that is followed by its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing yet: it was not read so far.
    NotYet,
    /// It is as the view shows it; where that has none, there is none.
    Shown,
    /// It is there, and this version cannot read it.
    Unreadable(DecodeError),
}

/// A view that follows the chain. Clones share everything; it ends with the last one.
#[derive(Clone, Debug)]
pub struct LiveView {
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    targets: Vec<Target>,
    /// Counts the changes of the view.
    changes: watch::Sender<u64>,
    seen: mpsc::Sender<Seen>,
}

#[derive(Debug)]
struct State {
    view: View,
    /// Accounts that were told, there or not, of those that are targets themselves.
    told: HashSet<Pubkey>,
    unreadable: HashMap<Pubkey, DecodeError>,
    /// Of which slot an account is shown, where that is known.
    slots: HashMap<Pubkey, u64>,
    up: Vec<bool>,
    /// That not everything is followed was said.
    told_down: bool,
    /// How many accounts there was no room for when it was last said.
    told_left_out: usize,
}

/// Wakes who waits for changes of a [`LiveView`].
#[derive(Clone, Debug)]
pub struct Pulse(watch::Receiver<u64>);

impl Pulse {
    /// Waits until something has changed since the last call (or since this pulse was made). Changes in between count as one.
    /// Nothing is lost if the future is dropped.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The view is gone, so nothing changes any more.
            std::future::pending::<()>().await;
        }
    }
}

impl LiveView {
    /// Begins to feed `view` with `targets`, each followed in its own way. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Those of [`Observer::new`].
    pub fn follow(client: &Client, targets: Vec<(Target, WatchConfig)>, view: View) -> Result<Self, RpcError> {
        let kinds: Vec<Target> = targets.iter().map(|(target, _)| target.clone()).collect();
        let observer = Observer::new(client, targets)?;
        let (seen, words) = mpsc::channel(SEEN);
        let state = State {
            view,
            told: HashSet::new(),
            unreadable: HashMap::new(),
            slots: HashMap::new(),
            up: vec![false; kinds.len()],
            told_down: false,
            told_left_out: 0,
        };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), targets: kinds, changes: watch::Sender::new(0), seen });
        let task = tokio::spawn(feed(Arc::clone(&shared), observer, words));
        Ok(Self { shared, _task: Arc::new(Task(task)) })
    }

    /// Asks the view. It is locked meanwhile, so `ask` has to be quick.
    pub fn with<T>(&self, ask: impl FnOnce(&View) -> T) -> T {
        ask(&self.shared.state().view)
    }

    /// Wakes who waits for the next change.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.shared.changes.subscribe())
    }

    /// What is known of the account at `address`, one of the targets.
    pub fn known(&self, address: &Pubkey) -> Known {
        let state = self.shared.state();
        match state.unreadable.get(address) {
            Some(error) => Known::Unreadable(error.clone()),
            None if state.told.contains(address) => Known::Shown,
            None => Known::NotYet,
        }
    }

    /// Is the target of this number (from 0, in the order in which they were given) followed by a subscription now? Where not, it is
    /// only read from time to time.
    pub fn is_up(&self, target: usize) -> bool {
        self.shared.state().up.get(target).copied().unwrap_or(false)
    }

    /// Reads accounts now and lets the view know; the answer is that of the chain, whatever the view shows.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer; the view stays as it is then.
    pub async fn read_again(&self, client: &Client, addresses: &[Pubkey]) -> Result<Vec<Option<Account>>, RpcError> {
        let before = self.before(addresses);
        let AtSlot { slot, value } = client.accounts_at(addresses, None).await?;
        self.saw(slot, before, &value);
        Ok(value)
    }

    /// Of which slot an account is shown, where that is known: an answer that is older says nothing new of it.
    pub fn slot(&self, address: &Pubkey) -> Option<u64> {
        self.shared.state().slots.get(address).copied()
    }

    /// What the view showed of `addresses` before a reading of them; for [`LiveView::saw`].
    pub fn before(&self, addresses: &[Pubkey]) -> Vec<(Pubkey, Option<u64>)> {
        let state = self.shared.state();
        addresses.iter().map(|address| (*address, state.view.revision(address))).collect()
    }

    /// Takes in a reading of the accounts of `before`, in the same order. Where the view has not changed meanwhile, and shows nothing
    /// newer, it shows them at once; else whoever follows the account decides which of the two is newer.
    pub fn saw(&self, slot: Option<u64>, before: Vec<(Pubkey, Option<u64>)>, accounts: &[Option<Account>]) {
        let mut changed = false;
        for ((address, revision), account) in before.into_iter().zip(accounts) {
            let chosen = account.as_ref().filter(|account| self.shared.chooses(&address, account));
            let mut state = self.shared.state();
            let newer = state.slots.get(&address).is_some_and(|shown| slot.is_none_or(|slot| slot < *shown));
            if state.view.revision(&address) == revision && !newer {
                changed |= state.take(address, chosen, slot);
                if self.shared.is_target(&address) {
                    state.told.insert(address);
                }
            }
            drop(state);
            // A full queue loses nothing that the next read does not tell.
            let seen = Seen { slot: slot.unwrap_or_default(), address, account: account.clone() };
            let _ = self.shared.seen.try_send(seen);
        }
        if changed {
            self.shared.pulse();
        }
    }
}

/// Feeds the view for ever.
async fn feed(shared: Arc<Shared>, mut observer: Observer, mut words: mpsc::Receiver<Seen>) {
    let mut refill = interval(REFILL_EVERY);
    refill.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            told = observer.next_of_each() => match told {
                Some(told) => shared.told(told),
                None => return,
            },
            Some(seen) = words.recv() => observer.saw(&seen),
            _ = refill.tick() => shared.room().into_iter().for_each(|address| observer.tell_again(address)),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is complete in itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulse(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn chooses(&self, address: &Pubkey, account: &Account) -> bool {
        self.targets.iter().any(|target| target.chooses(address, account))
    }

    fn is_target(&self, address: &Pubkey) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Account(key) if key == address))
    }

    fn told(&self, Told { target, news }: Told) {
        match news {
            WatchEvent::Account(AccountUpdate { key, account, slot }) => {
                let mut state = self.state();
                let mut changed = state.take(key, account.as_ref(), slot);
                if self.is_target(&key) {
                    changed |= state.told.insert(key);
                }
                drop(state);
                if changed {
                    self.pulse();
                }
            }
            WatchEvent::Connected => self.turned(target, None),
            WatchEvent::Disconnected { reason } => self.turned(target, Some(&reason)),
        }
    }

    fn turned(&self, target: usize, down: Option<&str>) {
        let mut state = self.state();
        if let Some(up) = state.up.get_mut(target) {
            *up = down.is_none();
        }
        let all = state.up.iter().all(|up| *up);
        match down {
            Some(reason) if !std::mem::replace(&mut state.told_down, true) => {
                tracing::warn!(
                    reason,
                    "not everything is followed by subscription; what is not is read from time to time"
                );
            }
            Some(reason) => tracing::debug!(which = target, reason, "not followed"),
            None if all && std::mem::take(&mut state.told_down) => {
                tracing::info!("everything is followed by subscription again");
            }
            None => tracing::debug!(which = target, "followed"),
        }
    }

    /// What was left out and has room again.
    fn room(&self) -> Vec<Pubkey> {
        let mut state = self.state();
        let left_out = state.view.left_out();
        if left_out > state.told_left_out.saturating_mul(2) {
            state.told_left_out = left_out;
            tracing::warn!(left_out, "more accounts than can be kept in mind; those that matter least are left out");
        } else if left_out == 0 {
            state.told_left_out = 0;
        }
        state.view.room_for(REFILL)
    }
}

impl State {
    /// Returns whether the view is another one now.
    fn take(&mut self, address: Pubkey, account: Option<&Account>, slot: Option<u64>) -> bool {
        let applied = self.view.apply(&address, account);
        let was_unreadable = self.unreadable.remove(&address).is_some();
        match slot.filter(|_| self.view.revision(&address).is_some()) {
            Some(slot) => self.slots.insert(address, slot),
            None => self.slots.remove(&address),
        };
        match applied {
            Applied::Changed | Applied::Removed => true,
            Applied::Unreadable(error) => {
                tracing::warn!(%address, %error, "an account cannot be read");
                if self.unreadable.len() < MAX_UNREADABLE {
                    self.unreadable.insert(address, error);
                }
                true
            }
            Applied::Unchanged | Applied::Ignored | Applied::Full => was_unreadable,
        }
    }
}

#[cfg(test)]
mod tests;
