//! How many connections into containers are being made at a time, each with a thread: no container's take what is another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of all containers.
const ALL: usize = 256;
/// Of these, of one container.
const SHARE: usize = 16;
/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What is being made.
#[derive(Debug)]
pub(super) struct Reaches {
    all: Arc<Semaphore>,
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
    patience: Duration,
}

/// A turn, as long as this is held.
#[derive(Debug)]
pub(super) struct Turn {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Default for Reaches {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), shares: Mutex::default(), patience: TURN }
    }
}

impl Reaches {
    /// Waits for the turn of a connection into `container`. `None`: it did not come in time.
    pub async fn turn(&self, container: &str) -> Option<Turn> {
        let share = self.share(container);
        let turn = async {
            // Its own first: who waits for that takes nothing of the others'.
            let share = share.acquire_owned().await.ok()?;
            let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _share: share, _all: all })
        };
        tokio::time::timeout(self.patience, turn).await.ok().flatten()
    }

    fn share(&self, container: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody uses; a permit holds its share, too.
        shares.retain(|of, share| of == container || Arc::strong_count(share) > 1);
        Arc::clone(shares.entry(container.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(SHARE))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn threat_13_connections_that_a_container_does_not_take_keep_no_other_waiting() {
        let reaches = Reaches { patience: Duration::from_millis(50), ..Reaches::default() };
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push(reaches.turn("a").await.unwrap());
        }
        assert!(reaches.turn("a").await.is_none(), "as many as one may have");
        let others = futures_util::future::join_all((0..3).map(|_| reaches.turn("b"))).await;
        assert!(others.iter().all(Option::is_some));
        held.pop();
        assert!(reaches.turn("a").await.is_some());
        drop((held, others));
        let _one = reaches.turn("c").await.unwrap();
        assert_eq!(reaches.shares.lock().unwrap().len(), 1, "what nobody uses is forgotten");
        assert_eq!(reaches.all.available_permits(), ALL - 1);
    }
}
