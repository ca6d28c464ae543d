//! What a node tells line by line as long as a lease goes on, but for its log: measurements and events.

use super::lines::Lines;
use super::{NodeApi, NodeError};
use crate::node_api::{LeaseEvent, LeaseStats, paths};
use futures_util::stream::{self, Stream};
use serde::de::DeserializeOwned;
use solana_pubkey::Pubkey;

/// Something that is told line by line.
trait Told: DeserializeOwned + Send + 'static {
    /// Where it stands among the others; what comes later has a greater place.
    fn place(&self) -> u64;

    /// The path for what comes after `after`.
    fn path(lease: &Pubkey, follow: bool, after: Option<u64>) -> String;
}

impl Told for LeaseStats {
    fn place(&self) -> u64 {
        self.at_ms
    }

    fn path(lease: &Pubkey, follow: bool, after: Option<u64>) -> String {
        paths::stats(lease, follow, after)
    }
}

impl Told for LeaseEvent {
    fn place(&self) -> u64 {
        self.seq
    }

    fn path(lease: &Pubkey, follow: bool, after: Option<u64>) -> String {
        paths::events(lease, follow, after.map_or(0, |seq| seq.saturating_add(1)))
    }
}

/// Lines in a row that were told before, until the node is not listened to any more.
const MAX_STALE: u32 = 64;

impl NodeApi {
    /// What happened to the lease on its node, from event `from` on. With `follow` also what will, until nothing is left to do
    /// for it; a broken connection is resumed where it was.
    ///
    /// The stream's errors are final.
    pub fn events(
        &self,
        lease: Pubkey,
        from: u64,
        follow: bool,
    ) -> impl Stream<Item = Result<LeaseEvent, NodeError>> + Send + 'static {
        self.feed(lease, from.checked_sub(1), follow)
    }

    /// What the lease's container uses: the measurements after `since_ms` (unix milliseconds), or the last one there is. With
    /// `follow` also those to come, until the container's end; a broken connection is resumed where it was.
    ///
    /// The stream's errors are final.
    pub fn stats(
        &self,
        lease: Pubkey,
        since_ms: Option<u64>,
        follow: bool,
    ) -> impl Stream<Item = Result<LeaseStats, NodeError>> + Send + 'static {
        self.feed(lease, since_ms, follow)
    }

    fn feed<T: Told>(
        &self,
        lease: Pubkey,
        after: Option<u64>,
        follow: bool,
    ) -> impl Stream<Item = Result<T, NodeError>> + Send + 'static {
        let reader = Reader { lines: Lines::new(self, follow), lease, follow, after, stale: 0 };
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next::<T>().await?.map(|it| (it, reader))) })
    }
}

struct Reader {
    lines: Lines,
    lease: Pubkey,
    follow: bool,
    after: Option<u64>,
    /// Lines in a row that were told before.
    stale: u32,
}

impl Reader {
    async fn next<T: Told>(&mut self) -> Result<Option<T>, NodeError> {
        loop {
            let path = T::path(&self.lease, self.follow, self.after);
            let bad = |reason: String| NodeError::BadAnswer { request: format!("GET {path}"), reason };
            let Some(text) = self.lines.next(&path).await? else { return Ok(None) };
            let told: T = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
            // A node that goes back would be listened to for ever.
            if self.after.is_some_and(|after| told.place() <= after) {
                self.stale += 1;
                if self.stale > MAX_STALE {
                    return Err(bad("the node tells the same again and again".to_owned()));
                }
                continue;
            }
            self.stale = 0;
            self.after = Some(told.place());
            self.lines.progress();
            return Ok(Some(told));
        }
    }
}
