//! What the consumer knows, what it has still to be told, and what may be believed. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
};

use solana_account::Account;
use solana_pubkey::Pubkey;

use super::{AccountUpdate, WatchEvent};

/// How often in a row a read is dropped for being older than what is known. Not for ever: a network that stands
/// still, or begins anew, gives the same slot each time.
const MAX_STALE: u32 = 3;

/// What a read of everything has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// An account that was known is another one now.
    pub(super) changed: bool,
    /// Known, and not among what was read. That is no proof that they are gone: a list may be short, or of one page only.
    pub(super) missing: Vec<Pubkey>,
}

/// An account that exists.
struct Known {
    /// Keyed by chance, so that nobody can choose two states that look alike.
    hash: u64,
    /// The newest slot at which it was so, since the last connection.
    slot: u64,
    /// The consumer wants to be told once more, whether it has changed or not.
    again: bool,
    /// The consumer has been told of it, of this state or an earlier one.
    delivered: bool,
}

/// The states and notices of one watch.
#[derive(Default)]
pub(super) struct Book {
    hasher: RandomState,
    known: HashMap<Pubkey, Known>,
    /// What the consumer has still to be told, oldest first. At most one entry for each account.
    pending: HashMap<Pubkey, (u64, Option<Account>)>,
    order: BTreeMap<u64, Pubkey>,
    sequence: u64,
    notice: Option<(u64, WatchEvent)>,
    /// Accounts notified while a read is under way: which of the two is newer cannot be told.
    touched: Option<HashSet<Pubkey>>,
    /// The same for the direct read of single accounts.
    touched_directly: Option<HashSet<Pubkey>>,
    /// The newest slot seen since the last connection.
    slot: u64,
    stale: u32,
    /// A read has come back and was believed.
    was_read: bool,
}

impl Book {
    /// A read is sent.
    pub(super) fn read_begins(&mut self) {
        self.touched = Some(HashSet::new());
    }

    /// The read failed.
    pub(super) fn read_failed(&mut self) {
        self.touched = None;
    }

    /// A read of everything that is watched came back. `only` is the one account watched, if it is one. What is known and
    /// not among `accounts` stays known: [`Book::looked`] takes in what a direct look at it says. `None` if the answer is
    /// older than what is known and was dropped.
    pub(super) fn read(
        &mut self,
        slot: Option<u64>,
        accounts: Vec<(Pubkey, Account)>,
        only: Option<&Pubkey>,
    ) -> Option<Found> {
        let touched = self.touched.take().unwrap_or_default();
        if let Some(slot) = slot {
            if slot < self.slot && self.stale < MAX_STALE {
                self.stale += 1;
                return None;
            }
            self.stale = 0;
            self.slot = slot;
        }
        let present: HashSet<Pubkey> = accounts.iter().map(|(key, _)| *key).collect();
        let mut changed = false;
        for (key, account) in accounts {
            if !touched.contains(&key) {
                changed |= self.exists(slot.unwrap_or_default(), key, account);
            }
        }
        let missing: Vec<Pubkey> =
            self.known.keys().filter(|key| !present.contains(*key) && !touched.contains(*key)).copied().collect();
        // That the one account does not exist is news only once.
        if let Some(key) = only
            && !self.was_read
            && !present.contains(key)
            && !touched.contains(key)
            && !self.pending.contains_key(key)
        {
            self.push(*key, None);
        }
        self.was_read = true;
        Some(Found { changed, missing })
    }

    /// A direct look at single accounts is sent.
    pub(super) fn look_begins(&mut self) {
        self.touched_directly = Some(HashSet::new());
    }

    /// The look failed: what it was to tell stays as it is known.
    pub(super) fn look_failed(&mut self) {
        self.touched_directly = None;
    }

    /// A direct look came back: this is how the accounts are, `None` for one that is gone.
    pub(super) fn looked(&mut self, slot: Option<u64>, accounts: Vec<(Pubkey, Option<Account>)>) {
        let touched = self.touched_directly.take().unwrap_or_default();
        for (key, account) in accounts {
            if !touched.contains(&key) {
                self.is_now(slot.unwrap_or_default(), key, account);
            }
        }
    }

    /// A notification came: this is how the account is now.
    pub(super) fn notified(&mut self, slot: u64, key: Pubkey, account: Account) {
        self.slot = self.slot.max(slot);
        self.touch(key);
        self.is_now(slot, key, Some(account));
    }

    /// The consumer has seen by itself how the account is. What is known of a later slot stays.
    pub(super) fn told(&mut self, slot: u64, key: Pubkey, account: Option<Account>) {
        if self.known.get(&key).is_some_and(|known| known.slot > slot) {
            return;
        }
        self.touch(key);
        self.is_now(slot, key, account);
    }

    /// The consumer wants to be told of this account once more.
    pub(super) fn tell_again(&mut self, key: &Pubkey) {
        if let Some(known) = self.known.get_mut(key) {
            known.again = true;
        }
    }

    fn touch(&mut self, key: Pubkey) {
        for touched in [&mut self.touched, &mut self.touched_directly].into_iter().flatten() {
            touched.insert(key);
        }
    }

    fn is_now(&mut self, slot: u64, key: Pubkey, account: Option<Account>) {
        // Without lamports there is no account; that is how a closure is notified.
        match account.filter(|account| account.lamports > 0) {
            Some(account) => {
                self.exists(slot, key, account);
            }
            None => self.is_gone(key),
        }
    }

    /// A new connection, perhaps to another node: its slots say nothing about those before.
    pub(super) fn connected(&mut self) {
        self.slot = 0;
        self.stale = 0;
        for known in self.known.values_mut() {
            known.slot = 0;
        }
    }

    /// Puts a notice behind everything that is pending. It replaces one that the consumer has not seen yet.
    pub(super) fn notice(&mut self, event: WatchEvent) {
        self.sequence += 1;
        self.notice = Some((self.sequence, event));
    }

    /// Whether [`Book::pop`] has something.
    pub(super) fn has_pending(&self) -> bool {
        self.notice.is_some() || !self.order.is_empty()
    }

    /// The oldest thing that the consumer has not been told.
    pub(super) fn pop(&mut self) -> Option<WatchEvent> {
        let first = self.order.first_key_value().map(|(sequence, _)| *sequence);
        if let Some((at, _)) = &self.notice
            && first.is_none_or(|first| *at < first)
        {
            return self.notice.take().map(|(_, event)| event);
        }
        let (_, key) = self.order.pop_first()?;
        let (_, account) = self.pending.remove(&key)?;
        let mut slot = None;
        if let Some(known) = self.known.get_mut(&key) {
            known.delivered = true;
            slot = (known.slot > 0).then_some(known.slot);
        }
        Some(WatchEvent::Account(AccountUpdate { key, account, slot }))
    }

    /// Returns whether it is another one than was known, or new.
    fn exists(&mut self, slot: u64, key: Pubkey, account: Account) -> bool {
        let hash =
            self.hasher.hash_one((account.lamports, &account.data, account.owner.to_bytes(), account.executable));
        // A closure that the consumer has not been told means that it still knows the account.
        let told = matches!(self.pending.get(&key), Some((_, None)));
        let known = self.known.entry(key).or_insert(Known { hash: !hash, slot, again: false, delivered: told });
        known.slot = known.slot.max(slot);
        let changed = std::mem::replace(&mut known.hash, hash) != hash;
        if changed || std::mem::take(&mut known.again) {
            self.push(key, Some(account));
        }
        changed
    }

    fn is_gone(&mut self, key: Pubkey) {
        let Some(known) = self.known.remove(&key) else {
            return;
        };
        if known.delivered {
            self.push(key, None);
        } else if let Some((sequence, _)) = self.pending.remove(&key) {
            // Came and went unseen: were it kept, a consumer that stands still would make this grow.
            self.order.remove(&sequence);
        }
    }

    fn push(&mut self, key: Pubkey, account: Option<Account>) {
        self.sequence += 1;
        if let Some((old, _)) = self.pending.insert(key, (self.sequence, account)) {
            self.order.remove(&old);
        }
        self.order.insert(self.sequence, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Pubkey = Pubkey::new_from_array([1; 32]);
    const OTHER: Pubkey = Pubkey::new_from_array([2; 32]);

    fn account(lamports: u64) -> Account {
        Account { lamports, ..Account::default() }
    }

    fn update(key: Pubkey, lamports: Option<u64>) -> WatchEvent {
        WatchEvent::Account(AccountUpdate { key, account: lamports.map(account), slot: None })
    }

    /// Everything that is pending, whatever its slots.
    fn drain(book: &mut Book) -> Vec<WatchEvent> {
        let events = std::iter::from_fn(|| book.pop());
        let slotless = events.map(|event| match event {
            WatchEvent::Account(update) => WatchEvent::Account(AccountUpdate { slot: None, ..update }),
            notice => notice,
        });
        slotless.collect()
    }

    #[test]
    fn what_is_told_says_of_which_slot_it_is() {
        let mut book = Book::default();
        let slot = |book: &mut Book| match book.pop() {
            Some(WatchEvent::Account(update)) => update.slot,
            other => panic!("{other:?}"),
        };
        book.notified(5, KEY, account(5));
        assert_eq!(slot(&mut book), Some(5));
        book.read(None, vec![(OTHER, account(1))], None);
        assert_eq!(slot(&mut book), None, "the server did not say");
        book.told(7, KEY, Some(account(7)));
        assert_eq!(slot(&mut book), Some(7));
    }

    #[test]
    fn the_same_state_is_told_once_whoever_tells_it() {
        let mut book = Book::default();
        book.notified(1, KEY, account(5));
        assert_eq!(book.read(Some(1), vec![(KEY, account(5))], None), Some(Found::default()));
        book.notified(1, KEY, account(5));
        assert_eq!(drain(&mut book), [update(KEY, Some(5))]);
        assert!(!book.has_pending());
    }

    #[test]
    fn a_slow_consumer_gets_the_newest_state_of_each_account_and_no_backlog() {
        let mut book = Book::default();
        for lamports in 1..1_000 {
            book.notified(1, KEY, account(lamports));
            book.notified(1, OTHER, account(lamports));
        }
        assert_eq!(drain(&mut book), [update(KEY, Some(999)), update(OTHER, Some(999))]);
    }

    #[test]
    fn issue9_15_an_account_missing_from_a_read_is_gone_only_when_a_direct_look_says_so() {
        let mut book = Book::default();
        book.read(None, vec![(KEY, account(1)), (OTHER, account(1))], None);
        drain(&mut book);
        let missing = Some(Found { changed: false, missing: vec![KEY] });
        // A short list: it is there.
        assert_eq!(book.read(None, vec![(OTHER, account(1))], None), missing);
        assert_eq!(drain(&mut book), []);
        book.look_begins();
        book.looked(None, vec![(KEY, Some(account(1)))]);
        assert_eq!(drain(&mut book), []);
        // A look that fails says nothing.
        book.look_begins();
        book.look_failed();
        assert_eq!(book.read(None, vec![(OTHER, account(1))], None), missing);
        book.look_begins();
        book.looked(None, vec![(KEY, None)]);
        assert_eq!(drain(&mut book), [update(KEY, None)]);
        assert_eq!(book.read(None, vec![(OTHER, account(1))], None), Some(Found::default()));
    }

    #[test]
    fn a_direct_look_does_not_overrule_a_notification_that_came_while_it_was_under_way() {
        let mut book = Book::default();
        book.read(Some(1), vec![(KEY, account(1))], None);
        book.look_begins();
        book.notified(3, KEY, account(3));
        book.looked(Some(2), vec![(KEY, None)]);
        assert_eq!(drain(&mut book), [update(KEY, Some(3))]);
    }

    #[test]
    fn what_the_consumer_saw_by_itself_counts_like_a_notification_unless_a_later_one_is_known() {
        let mut book = Book::default();
        book.notified(5, KEY, account(5));
        book.told(4, KEY, None);
        book.told(4, OTHER, Some(account(4)));
        assert_eq!(drain(&mut book), [update(KEY, Some(5)), update(OTHER, Some(4))]);
        book.read_begins();
        book.told(6, KEY, None);
        // The read began before, so it says nothing about either.
        assert_eq!(book.read(Some(6), vec![(KEY, account(5)), (OTHER, account(4))], None), Some(Found::default()));
        assert_eq!(drain(&mut book), [update(KEY, None)]);
    }

    #[test]
    fn an_account_is_told_once_more_to_a_consumer_that_asks_for_it() {
        let mut book = Book::default();
        book.read(Some(1), vec![(KEY, account(1)), (OTHER, account(1))], None);
        drain(&mut book);
        book.tell_again(&KEY);
        assert_eq!(drain(&mut book), []);
        for told in [vec![update(KEY, Some(1))], vec![]] {
            let read = book.read(Some(2), vec![(KEY, account(1)), (OTHER, account(1))], None);
            assert_eq!((read, drain(&mut book)), (Some(Found::default()), told));
        }
    }

    #[test]
    fn an_account_that_came_and_went_unseen_leaves_nothing_behind() {
        let mut book = Book::default();
        for _ in 0..100 {
            book.notified(1, KEY, account(1));
            book.notified(1, KEY, account(0));
        }
        assert!(!book.has_pending());
        assert!(book.known.is_empty() && book.pending.is_empty() && book.order.is_empty());
    }

    #[test]
    fn an_account_closed_and_opened_again_unseen_and_closed_is_told_as_closed() {
        let mut book = Book::default();
        book.notified(1, KEY, account(1));
        drain(&mut book);
        for lamports in [0, 2, 0] {
            book.notified(1, KEY, account(lamports));
        }
        assert_eq!(drain(&mut book), [update(KEY, None)]);
    }

    #[test]
    fn that_a_single_account_does_not_exist_is_told_once() {
        let mut book = Book::default();
        book.notice(WatchEvent::Connected);
        for _ in 0..2 {
            book.read(None, vec![], Some(&KEY));
        }
        assert_eq!(drain(&mut book), [WatchEvent::Connected, update(KEY, None)]);
    }

    #[test]
    fn a_read_does_not_overrule_a_notification_that_came_while_it_was_under_way() {
        let mut book = Book::default();
        book.read_begins();
        book.notified(1, KEY, account(2));
        book.read(Some(1), vec![(KEY, account(1)), (OTHER, account(1))], None);
        assert_eq!(drain(&mut book), [update(KEY, Some(2)), update(OTHER, Some(1))]);
        book.read_begins();
        book.read(Some(1), vec![(KEY, account(3)), (OTHER, account(1))], None);
        assert_eq!(drain(&mut book), [update(KEY, Some(3))]);
    }

    #[test]
    fn a_read_from_a_node_that_lags_is_dropped_but_not_for_ever() {
        let mut book = Book::default();
        book.notified(9, KEY, account(2));
        for _ in 0..MAX_STALE {
            assert_eq!(book.read(Some(8), vec![(KEY, account(1))], None), None);
        }
        let found = Found { changed: true, missing: vec![] };
        assert_eq!(book.read(Some(8), vec![(KEY, account(1))], None), Some(found));
    }

    #[test]
    fn a_notice_comes_after_what_was_pending_and_only_the_last_one_counts() {
        let mut book = Book::default();
        let lost = || WatchEvent::Disconnected { reason: "gone".to_owned() };
        book.notice(lost());
        book.notified(1, KEY, account(1));
        book.notice(WatchEvent::Connected);
        book.notified(1, OTHER, account(1));
        assert_eq!(drain(&mut book), [update(KEY, Some(1)), WatchEvent::Connected, update(OTHER, Some(1))]);
    }
}
