//! A lease's events on their way to a buyer: those in the store, and those to come.

use bytes::Bytes;
use futures_util::stream::{StreamExt as _, try_unfold};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::stats::Feed;
use crate::store::{Store, StoreError};

/// Most events that are handed over at once.
const BATCH: usize = 128;

struct Following {
    store: Store,
    lease: Pubkey,
    from: u64,
    /// None where only what is there is wanted.
    happenings: Option<watch::Receiver<u64>>,
}

/// The lease's events from number `from` on, one JSON object a line; with `follow` until nothing is left to do for it.
#[must_use]
pub fn stream(store: Store, lease: Pubkey, from: u64, follow: bool) -> Feed {
    let happenings = follow.then(|| store.happenings());
    try_unfold(Following { store, lease, from, happenings }, next).boxed()
}

async fn next(mut at: Following) -> Result<Option<(Bytes, Following)>, std::io::Error> {
    loop {
        if let Some(happenings) = &mut at.happenings {
            happenings.mark_unchanged();
        }
        let (store, lease, from) = (at.store.clone(), at.lease, at.from);
        let look = move || {
            // In this order: what comes in between is read.
            let over = store.get(&lease)?.is_none_or(|record| record.is_cleared() && !record.push_due);
            Ok::<_, StoreError>((over, store.events(&lease, from, BATCH)?))
        };
        let looked = tokio::task::spawn_blocking(look).await.map_err(std::io::Error::other)?;
        let (over, events) = looked.map_err(std::io::Error::other)?;
        if let Some(last) = events.last() {
            at.from = last.seq.saturating_add(1);
            let mut text = Vec::new();
            for event in &events {
                serde_json::to_writer(&mut text, event)?;
                text.push(b'\n');
            }
            return Ok(Some((Bytes::from(text), at)));
        }
        let Some(happenings) = at.happenings.as_mut().filter(|_| !over) else { return Ok(None) };
        if happenings.changed().await.is_err() {
            return Ok(None);
        }
    }
}
