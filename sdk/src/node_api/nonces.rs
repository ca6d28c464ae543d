//! The nonces that a server has seen.

use super::auth::{AuthError, AuthHeaders, MAX_DRIFT_S};
use solana_pubkey::Pubkey;
use std::collections::{HashMap, HashSet, VecDeque};

/// A nonce that was used, and until when its request would be in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedNonce {
    /// Last second (Unix) at which the request would still be accepted.
    pub until: u64,
    /// Who signed it.
    pub key: Pubkey,
    /// The nonce.
    pub nonce: [u8; 16],
}

/// The nonces that a server has seen within the allowed drift; bounded, and never forgetful: when it is
/// full of nonces that could still be replayed, new requests are refused rather than old nonces dropped.
/// Each key has a share of its own, so that one cannot use up the room of all.
#[derive(Debug)]
pub struct NonceWindow {
    seen: HashSet<(Pubkey, [u8; 16])>,
    // In order of arrival.
    expiring: VecDeque<UsedNonce>,
    of_key: HashMap<Pubkey, usize>,
    capacity: usize,
    share: usize,
}

impl NonceWindow {
    /// A window for at most `capacity` requests in twice the allowed drift.
    pub fn new(capacity: usize) -> Self {
        Self { seen: HashSet::new(), expiring: VecDeque::new(), of_key: HashMap::new(), capacity, share: capacity }
    }

    /// Limits each key to `share` of the requests.
    #[must_use]
    pub fn with_share(mut self, share: usize) -> Self {
        self.share = share;
        self
    }

    /// Records the nonce of a request that [`verify`](super::auth::verify) accepted at `now`, and returns what a
    /// server has to write down where a restart must not make it forget.
    ///
    /// # Errors
    /// [`AuthError::Replayed`] or [`AuthError::TooManyRequests`].
    pub fn record(&mut self, headers: &AuthHeaders, now: u64) -> Result<UsedNonce, AuthError> {
        self.forget_expired(now);
        if self.seen.contains(&(headers.key, headers.nonce)) {
            return Err(AuthError::Replayed);
        }
        let own = self.of_key.get(&headers.key).copied().unwrap_or(0);
        if self.seen.len() >= self.capacity || own >= self.share {
            return Err(AuthError::TooManyRequests);
        }
        // A request signed as far ahead as is allowed stays valid for twice the drift from now on; counting
        // every one so keeps the queue in order of expiry.
        let until = now.saturating_add(2 * MAX_DRIFT_S);
        let used = UsedNonce { until, key: headers.key, nonce: headers.nonce };
        self.restore(used);
        Ok(used)
    }

    /// Takes back what was written down before a restart. To be called in the order of writing.
    pub fn restore(&mut self, used: UsedNonce) {
        if self.seen.insert((used.key, used.nonce)) {
            *self.of_key.entry(used.key).or_default() += 1;
            self.expiring.push_back(used);
        }
    }

    fn forget_expired(&mut self, now: u64) {
        while let Some(&UsedNonce { until, key, nonce }) = self.expiring.front() {
            if until >= now {
                break;
            }
            self.expiring.pop_front();
            self.seen.remove(&(key, nonce));
            if let Some(count) = self.of_key.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.of_key.remove(&key);
                }
            }
        }
    }
}
