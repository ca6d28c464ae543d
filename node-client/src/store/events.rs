//! What happened to a lease: told apart where its record is changed, in the same transaction, so that no step can forget it and
//! none is told twice.

use bytesize::ByteSize;
use gridlease_sdk::node_api::LeaseEvent;
use gridlease_sdk::node_api::events::kinds;
use redb::{ReadableDatabase as _, ReadableTable as _, Table, TableDefinition};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use super::{Ended, LeaseRecord, Phase, Store, StoreError};
use crate::for_buyer::plain;

/// By lease and position.
pub(super) const EVENTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("events");

/// Most events of one lease until messages and pauses, of which there can be any number, are left out. All others come once.
const MANY: u64 = 100;
/// Most characters of what an event says.
const MAX_CHARS: usize = 512;

/// What there can be any number of.
const ENDLESS: [&str; 5] = [kinds::MESSAGE, kinds::PAUSED, kinds::RESUMED, kinds::PUSHED, kinds::NOT_PUSHED];

type Happened = (&'static str, String);

/// What the change of a record means; `None` before is a lease that was just won.
fn between(before: Option<&LeaseRecord>, after: &LeaseRecord) -> Vec<Happened> {
    let mut happened = Vec::new();
    let mut tell = |kind, words: String| happened.push((kind, words));
    let Some(before) = before else {
        return vec![(kinds::WON, format!("attempt {} at job {}", after.attempt, after.job))];
    };
    let now = |such: fn(&LeaseRecord) -> bool| such(after) && !such(before);
    let came_to = |phase: &Phase| before.phase != *phase && after.phase == *phase;
    // The step to the image may take this one with it; an end that is found after a crash says nothing of it.
    let with_inputs =
        |phase: &Phase| matches!(phase, Phase::InputsReady | Phase::Pulling | Phase::Pulled | Phase::Created);
    if before.phase == Phase::Won && with_inputs(&after.phase) {
        tell(kinds::INPUTS_READY, String::new());
    }
    if came_to(&Phase::Pulling) {
        tell(kinds::PULLING, String::new());
    }
    if came_to(&Phase::Pulled) {
        let size = |bytes| format!("{} unpacked", ByteSize::b(bytes).display().iec());
        tell(kinds::PULLED, after.image_bytes.map(size).unwrap_or_default());
    }
    if came_to(&Phase::Created) {
        tell(kinds::CREATED, String::new());
    }
    if now(|it| it.started_at_ms.is_some()) {
        tell(kinds::STARTED, String::new());
    }
    if came_to(&Phase::ReadyPosted) {
        tell(kinds::READY, "the meter runs".to_owned());
    }
    if now(|it| it.paused_since_ms.is_some()) {
        tell(kinds::PAUSED, "from outside the node; this time is not billed".to_owned());
    }
    if before.paused_since_ms.is_some() && after.paused_since_ms.is_none() && after.ended.is_none() {
        tell(kinds::RESUMED, String::new());
    }
    for (n, fall) in after.falls.iter().enumerate() {
        let known = before.falls.get(n);
        if known.is_none() {
            tell(kinds::FELL, format!("{}; is started again in {} s", fall.words(), fall.pause_s));
        }
        if fall.again && known.is_none_or(|known| !known.again) {
            tell(kinds::RESTARTED, after.restart_in_words(n));
        }
    }
    if let (None, Some(why)) = (before.stop, after.stop) {
        tell(kinds::STOPPING, why.words().to_owned());
    }
    if let (None, Some(ended)) = (&before.ended, &after.ended) {
        tell(kinds::ENDED, with_code(ended, after.ending()));
    }
    if let Phase::Failed { reason } = &after.phase
        && !matches!(before.phase, Phase::Failed { .. })
    {
        tell(kinds::FAILED, reason.clone());
    }
    if now(|it| it.output_root.is_some()) {
        tell(kinds::COLLECTED, format!("{} log lines", after.log_lines));
    }
    if now(|it| it.finished_at_ms.is_some()) {
        let failed = matches!(after.phase, Phase::Failed { .. });
        tell(
            kinds::DELIVERED,
            if failed { "that it did not start" } else { "how it ended" }.to_owned() + " stands on chain",
        );
    }
    let reason = matches!(&after.phase, Phase::Failed { reason } if *reason == after.message);
    if before.message != after.message && !after.message.is_empty() && !reason {
        tell(kinds::MESSAGE, after.message.clone());
    }
    if now(LeaseRecord::is_cleared) {
        tell(kinds::WIPED, String::new());
    }
    happened
}

/// How a container ended, with its code.
pub(super) fn with_code(ended: &Ended, words: Option<String>) -> String {
    let code = format!("with code {}", ended.code);
    match words {
        Some(words) if ended.lost || words.contains(&code) => words,
        Some(words) => format!("{code}: {words}"),
        None => code,
    }
}

fn key(lease: &Pubkey, seq: u64) -> [u8; 40] {
    let mut key = [0; 40];
    let (of, at) = key.split_at_mut(32);
    of.copy_from_slice(lease.as_array());
    at.copy_from_slice(&seq.to_be_bytes());
    key
}

/// Adds what happened to the lease's events. Returns whether there is anything new.
pub(super) fn append(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    before: Option<&LeaseRecord>,
    after: &LeaseRecord,
    now_ms: i64,
) -> Result<bool, redb::Error> {
    add(table, &after.lease, &between(before, after), now_ms, false)
}

/// Adds events; with `always` also where there are too many.
fn add(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    lease: &Pubkey,
    happened: &[Happened],
    now_ms: i64,
    always: bool,
) -> Result<bool, redb::Error> {
    if happened.is_empty() {
        return Ok(false);
    }
    let (first, last) = (key(lease, 0), key(lease, u64::MAX));
    let latest = match table.range(first.as_slice()..=last.as_slice())?.next_back() {
        Some(row) => Some(row?.0.value().get(32..).and_then(|seq| seq.try_into().ok()).map_or(0, u64::from_be_bytes)),
        None => None,
    };
    let mut seq = latest.map_or(0, |seq| seq.saturating_add(1));
    for (kind, words) in happened {
        let endless = ENDLESS.contains(kind) && !always;
        let (kind, words) = match seq {
            _ if !endless => (*kind, words.as_str()),
            0..MANY => (*kind, words.as_str()),
            MANY => (kinds::LEFT_OUT, "later messages, pauses and pushes, of which there were too many"),
            _ => continue,
        };
        let event = LeaseEvent {
            seq,
            at_ms: u64::try_from(now_ms).unwrap_or(0),
            event: kind.to_owned(),
            message: plain(words, MAX_CHARS),
        };
        // Text and numbers can always be written.
        let Ok(bytes) = serde_json::to_vec(&event) else { continue };
        table.insert(key(lease, seq).as_slice(), bytes.as_slice())?;
        seq = seq.saturating_add(1);
    }
    Ok(true)
}

/// Removes a lease's events.
pub(super) fn remove(tx: &redb::WriteTransaction, lease: &Pubkey) -> Result<(), redb::Error> {
    let (first, last) = (key(lease, 0), key(lease, u64::MAX));
    tx.open_table(EVENTS)?.retain_in(first.as_slice()..=last.as_slice(), |_, _| false)?;
    Ok(())
}

impl Store {
    /// At most `most` events of a lease from number `from` on, in their order.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn events(&self, lease: &Pubkey, from: u64, most: usize) -> Result<Vec<LeaseEvent>, StoreError> {
        let tx = self.db.begin_read().map_err(|e| self.broken(e))?;
        let table = tx.open_table(EVENTS).map_err(|e| self.broken(e))?;
        let (first, last) = (key(lease, from), key(lease, u64::MAX));
        let rows = table.range(first.as_slice()..=last.as_slice()).map_err(|e| self.broken(e))?;
        rows.take(most)
            .map(|row| {
                let (_, bytes) = row.map_err(|e| self.broken(e))?;
                serde_json::from_slice(bytes.value()).map_err(|e| self.broken(format!("an event cannot be read: {e}")))
            })
            .collect()
    }

    /// Adds an event that no record shows; with `always` also where there are too many. Nothing happens to a lease that is not known.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn add_event(&self, lease: &Pubkey, kind: &'static str, words: &str, always: bool) -> Result<(), StoreError> {
        let news = self.write(|tx| {
            if tx.open_table(super::LEASES)?.get(lease.to_bytes().as_slice())?.is_none() {
                return Ok(Ok(false));
            }
            let happened = [(kind, words.to_owned())];
            Ok(Ok(add(&mut tx.open_table(EVENTS)?, lease, &happened, self.clock.now_ms(), always)?))
        })?;
        self.tell(news);
        Ok(())
    }

    /// Changes with every event of any lease.
    #[must_use]
    pub fn happenings(&self) -> watch::Receiver<u64> {
        self.happened.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::{NewLease, StopReason};

    fn store(dir: &tempfile::TempDir) -> Store {
        Store::open(&dir.path().join("node.redb")).unwrap().with_clock(Clock::manual(7_000))
    }

    fn won(store: &Store) -> Pubkey {
        let record = LeaseRecord::some();
        let new = NewLease {
            lease: record.lease,
            job: record.job,
            attempt: 2,
            buyer: record.buyer,
            poster: record.poster,
            guardian: record.guardian,
            manifest_hash: record.manifest_hash,
            gpus: vec![],
            sold: record.sold.unwrap(),
        };
        store.insert(new.clone(), 0).unwrap();
        store.insert(new, 9).unwrap();
        record.lease
    }

    fn change(store: &Store, lease: &Pubkey, change: impl FnOnce(&mut LeaseRecord)) {
        let changed = store.update(lease, |record| {
            change(record);
            Ok(())
        });
        changed.unwrap();
    }

    fn told(store: &Store, lease: &Pubkey) -> Vec<String> {
        let events = store.events(lease, 0, 1_000).unwrap();
        assert!(events.iter().zip(0..).all(|(event, seq)| event.seq == seq), "{events:?}");
        assert!(events.iter().all(|event| event.at_ms == 7_000));
        events.into_iter().map(|event| format!("{} {}", event.event, event.message).trim().to_owned()).collect()
    }

    #[test]
    fn a_lease_s_life_is_told_once_whatever_is_written_again_and_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let lease = {
            let store = store(&dir);
            let lease = won(&store);
            for _ in 0..2 {
                change(&store, &lease, |r| {
                    r.reach(Phase::InputsReady);
                    r.reach(Phase::Pulling);
                });
                store.intend(&lease, crate::store::Step::Pull).unwrap();
                change(&store, &lease, |r| (r.image_bytes, _) = (Some(3 << 20), r.reach(Phase::Pulled)));
                change(&store, &lease, |r| r.reach(Phase::Created));
            }
            // A change that fails leaves no event.
            assert!(store.update(&lease, |r| r.advance(Phase::Won)).is_err());
            lease
        };
        let store = store(&dir);
        for _ in 0..2 {
            change(&store, &lease, |r| (r.started_at_ms, _) = (Some(1), r.reach(Phase::Started)));
            change(&store, &lease, |r| r.message = "waiting for the job to become ready: GET /\u{1b}[2J".to_owned());
            change(&store, &lease, |r| r.message.clear());
        }
        change(&store, &lease, |r| r.meter_started(2));
        change(&store, &lease, |r| assert!(r.seen_paused(true, 3)));
        change(&store, &lease, |r| assert!(r.seen_paused(false, 4)));
        change(&store, &lease, |r| r.stop = Some(StopReason::OutOfFunds));
        change(&store, &lease, |r| {
            r.container_ended(Ended { code: 143, oom_killed: false, at_ms: 1, lost: false }, 5);
        });
        change(&store, &lease, |r| {
            (r.output_root, r.log_lines, _) = (Some([1; 32]), 12, r.reach(Phase::OutputsCollected))
        });
        change(&store, &lease, |r| (r.finished_at_ms, _) = (Some(6), r.reach(Phase::FinishPosted)));
        change(&store, &lease, |r| r.clear(7));
        let funds = StopReason::OutOfFunds.words();
        let waiting = "message waiting for the job to become ready: GET /\\u{1b}[2J";
        let life = [
            "won attempt 2 at job 4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi",
            "inputs_ready",
            "pulling",
            "pulled 3.0 MiB unpacked",
            "created",
            "started",
            waiting,
            waiting,
            "ready the meter runs",
            "paused from outside the node; this time is not billed",
            "resumed",
            &format!("stopping {funds}"),
            &format!("ended {funds}; it ended with code 143"),
            "collected 12 log lines",
            "delivered how it ended stands on chain",
            "wiped",
        ];
        assert_eq!(told(&store, &lease), life);
        assert_eq!(store.events(&lease, 14, 1).unwrap()[0].event, kinds::DELIVERED);
        let other = Pubkey::new_from_array([2; 32]);
        assert_eq!(store.events(&other, 0, 9).unwrap(), vec![]);
        store.forget(&lease).unwrap();
        assert_eq!(told(&store, &lease), Vec::<String>::new());
    }

    #[test]
    fn a_start_that_comes_to_nothing_is_told_with_its_reason_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let lease = won(&store);
        let reason = "there is no such image".to_owned();
        change(&store, &lease, |r| (r.message, _) = (reason.clone(), r.reach(Phase::Failed { reason })));
        change(&store, &lease, |r| r.finished_at_ms = Some(1));
        change(&store, &lease, |r| r.clear(2));
        let rest = ["failed there is no such image", "delivered that it did not start stands on chain", "wiped"];
        assert_eq!(told(&store, &lease)[1..], rest);
    }

    #[test]
    fn a_flood_of_messages_is_cut_and_the_end_is_told_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let lease = won(&store);
        for n in 0..300 {
            change(&store, &lease, |r| r.message = format!("{n} {}", "x".repeat(10_000)));
        }
        change(&store, &lease, |r| r.container_ended(Ended::lost(), 5));
        let told = told(&store, &lease);
        assert_eq!(told.len() as u64, MANY + 2);
        assert!(told[99].starts_with("message 98 ") && told[100].starts_with("left_out "), "{told:?}");
        assert!(told[101].starts_with("ended the container vanished"), "{told:?}");
        assert!(told.iter().all(|event| event.chars().count() < MAX_CHARS + 20));
    }

    #[tokio::test]
    async fn who_waits_for_events_is_woken_by_them_and_by_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        let mut happenings = store.happenings();
        let lease = won(&store);
        assert!(happenings.has_changed().unwrap());
        happenings.mark_unchanged();
        store.intend(&lease, crate::store::Step::Pull).unwrap();
        assert!(!happenings.has_changed().unwrap());
        change(&store, &lease, |r| r.reach(Phase::Pulling));
        happenings.changed().await.unwrap();
    }
}
