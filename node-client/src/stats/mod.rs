//! What the leases' containers use: measured by one task for the whole node ([`Sampler`]), kept here, shown to the buyers.
//!
//! It is in memory only: a node that is started again begins a new series. What the memory came to at the end is in the lease's
//! record ([`PeakMemory`]).

mod cgroup;
mod sampler;
mod series;
mod traffic;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, try_unfold};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

pub use sampler::Sampler;

use cgroup::Peak;
use series::{Sample, Series};

/// Most bytes of the series of leases that are over. Those of running ones are bounded by themselves.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Most measurements that are handed over at once.
const BATCH: usize = 256;

/// Lines of JSON on their way to a buyer.
pub type Feed = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// What a container's memory came to, as far as it was seen: the last measurement is up to half a second older than the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakMemory {
    /// Most bytes that were seen in use, file contents included.
    pub peak: u64,
    /// Bytes that it had.
    pub limit: Option<u64>,
    /// Processes that the limit was seen to kill.
    pub kills: u64,
}

/// The measurements of all leases. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Mutex<HashMap<Pubkey, Entry>>>);

#[derive(Debug)]
struct Entry {
    series: Series,
    peak: Peak,
    /// When the latest was made; 0 before the first. Dropped with the container's end.
    latest: Option<watch::Sender<u64>>,
}

impl Entry {
    fn new(uuids: Vec<String>) -> Self {
        Self { series: Series::of(uuids), peak: Peak::default(), latest: Some(watch::Sender::new(0)) }
    }
}

impl Stats {
    fn entries(&self) -> MutexGuard<'_, HashMap<Pubkey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lease: &Pubkey, uuids: &[String], sample: Sample) {
        let mut entries = self.entries();
        let entry = entries.entry(*lease).or_insert_with(|| Entry::new(uuids.to_vec()));
        entry.series.push(sample);
        if let Some(latest) = &entry.latest {
            latest.send_replace(entry.series.latest_ms());
        }
    }

    fn note_peak(&self, lease: &Pubkey, uuids: &[String], peak: Peak) {
        let mut entries = self.entries();
        let known = &mut entries.entry(*lease).or_insert_with(|| Entry::new(uuids.to_vec())).peak;
        *known = Peak {
            bytes: known.bytes.max(peak.bytes),
            limit: peak.limit.or(known.limit),
            kills: known.kills.max(peak.kills),
        };
    }

    /// No more measurements of it will come. Who follows them comes to an end.
    fn end(&self, lease: &Pubkey) {
        self.end_within(lease, MAX_BYTES);
    }

    fn end_within(&self, lease: &Pubkey, most: usize) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(lease) {
            entry.latest = None;
        }
        let over = entries.iter().filter(|(_, entry)| entry.latest.is_none());
        let mut over: Vec<_> =
            over.map(|(lease, entry)| (entry.series.latest_ms(), *lease, entry.series.bytes())).collect();
        over.sort_unstable();
        let mut bytes: usize = over.iter().map(|(.., bytes)| bytes).sum();
        for (_, lease, own) in over {
            if bytes <= most {
                break;
            }
            entries.remove(&lease);
            bytes -= own;
        }
    }

    /// What a lease's memory came to, as far as it was seen.
    #[must_use]
    pub fn peak_memory(&self, lease: &Pubkey) -> Option<PeakMemory> {
        let peak = self.entries().get(lease)?.peak;
        Some(PeakMemory { peak: peak.bytes?, limit: peak.limit, kills: peak.kills.unwrap_or(0) })
    }

    /// The container runs once more: what its memory came to in the run before is told of that.
    pub(crate) fn next_run(&self, lease: &Pubkey) {
        if let Some(entry) = self.entries().get_mut(lease) {
            entry.peak = Peak::default();
        }
    }

    /// Lets go of a lease that was pruned.
    pub fn forget(&self, lease: &Pubkey) {
        self.entries().remove(lease);
    }

    /// A lease's measurements after `since_ms` (Unix milliseconds), or the last one there is; with `follow` also those to come,
    /// until the container's end. One JSON object a line. `None` before the first measurement.
    #[must_use]
    pub fn stream(&self, lease: &Pubkey, since_ms: Option<u64>, follow: bool) -> Option<Feed> {
        let entries = self.entries();
        let entry = entries.get(lease)?;
        let latest = entry.series.latest_ms();
        if latest == 0 {
            return None;
        }
        let since = since_ms.unwrap_or(latest.saturating_sub(1));
        let changes = entry.latest.as_ref().filter(|_| follow).map(watch::Sender::subscribe);
        let at = Following { stats: self.clone(), lease: *lease, since, changes };
        Some(try_unfold(at, next).boxed())
    }

    fn after(&self, lease: &Pubkey, since_ms: u64) -> Vec<gridlease_sdk::node_api::LeaseStats> {
        self.entries().get(lease).map_or_else(Vec::new, |entry| entry.series.after(since_ms, BATCH))
    }
}

struct Following {
    stats: Stats,
    lease: Pubkey,
    since: u64,
    changes: Option<watch::Receiver<u64>>,
}

async fn next(mut at: Following) -> Result<Option<(Bytes, Following)>, std::io::Error> {
    loop {
        let open = at.changes.as_mut().is_some_and(|changes| {
            changes.mark_unchanged();
            changes.has_changed().is_ok()
        });
        let samples = at.stats.after(&at.lease, at.since);
        if let Some(last) = samples.last() {
            at.since = last.at_ms;
            let mut text = Vec::new();
            for sample in &samples {
                serde_json::to_writer(&mut text, sample)?;
                text.push(b'\n');
            }
            return Ok(Some((Bytes::from(text), at)));
        }
        let Some(changes) = at.changes.as_mut().filter(|_| open) else { return Ok(None) };
        // An error is the end; what came right before it is still to be handed over.
        let _ = changes.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_sdk::node_api::LeaseStats;

    const LEASE: Pubkey = Pubkey::new_from_array([1; 32]);

    fn sample(at_ms: u64) -> Sample {
        Sample::alone(LeaseStats { at_ms, every_s: 5, ..LeaseStats::default() }, Box::new([]))
    }

    async fn times(feed: Feed) -> Vec<u64> {
        let pieces: Vec<Bytes> = feed.map(Result::unwrap).collect().await;
        let text = String::from_utf8(pieces.concat()).unwrap();
        text.lines().map(|line| serde_json::from_str::<LeaseStats>(line).unwrap().at_ms).collect()
    }

    #[tokio::test]
    async fn the_last_one_is_told_or_all_since_a_moment() {
        let stats = Stats::default();
        assert!(stats.stream(&LEASE, None, false).is_none());
        stats.note_peak(&LEASE, &[], Peak::default());
        assert!(stats.stream(&LEASE, None, true).is_none(), "nothing was measured yet");
        for at_ms in (1..=600).map(|n| n * 5_000) {
            stats.push(&LEASE, &[], sample(at_ms));
        }
        assert_eq!(times(stats.stream(&LEASE, None, false).unwrap()).await, [3_000_000]);
        assert_eq!(times(stats.stream(&LEASE, Some(2_990_000), false).unwrap()).await, [2_995_000, 3_000_000]);
        assert_eq!(times(stats.stream(&LEASE, Some(0), false).unwrap()).await.len(), 600);
        assert!(times(stats.stream(&LEASE, Some(u64::MAX), false).unwrap()).await.is_empty());
    }

    #[tokio::test]
    async fn who_follows_gets_each_once_and_comes_to_an_end_with_the_container() {
        let stats = Stats::default();
        stats.push(&LEASE, &[], sample(1));
        let follower = tokio::spawn(times(stats.stream(&LEASE, Some(0), true).unwrap()));
        for at_ms in 2..=50 {
            stats.push(&LEASE, &[], sample(at_ms));
            tokio::task::yield_now().await;
        }
        stats.end(&LEASE);
        assert_eq!(follower.await.unwrap(), (1..=50).collect::<Vec<_>>());
        assert_eq!(times(stats.stream(&LEASE, Some(48), true).unwrap()).await, [49, 50], "after the end, too");
    }

    #[tokio::test]
    async fn the_peak_is_the_highest_that_was_seen_and_stays_after_the_end() {
        let stats = Stats::default();
        assert_eq!(stats.peak_memory(&LEASE), None);
        let peak = |bytes, kills| Peak { bytes: Some(bytes), limit: Some(100), kills };
        stats.note_peak(&LEASE, &[], peak(90, Some(1)));
        // The control group is gone, or the container was made anew.
        stats.note_peak(&LEASE, &[], Peak::default());
        stats.note_peak(&LEASE, &[], peak(10, None));
        stats.end(&LEASE);
        assert_eq!(stats.peak_memory(&LEASE), Some(PeakMemory { peak: 90, limit: Some(100), kills: 1 }));
        stats.forget(&LEASE);
        assert_eq!(stats.peak_memory(&LEASE), None);
    }

    #[test]
    fn leases_that_are_over_leave_when_they_take_too_much_room_the_oldest_first() {
        let stats = Stats::default();
        let lease = |n: u64| Pubkey::new_from_array([u8::try_from(n).unwrap(); 32]);
        for n in 1..=5 {
            (0..10).for_each(|at_ms| stats.push(&lease(n), &[], sample(n * 1_000 + at_ms)));
            if n != 1 {
                stats.end_within(&lease(n), 30 * size_of::<Sample>());
            }
        }
        let left: Vec<bool> = (1..=5).map(|n| stats.entries().contains_key(&lease(n))).collect();
        assert_eq!(left, [true, false, true, true, true], "the first one runs");
    }
}
