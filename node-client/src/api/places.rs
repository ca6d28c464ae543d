//! Places for what lasts: log followers, downloads, uploads. Few of them, so they are shared evenly among keys.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use solana_pubkey::Pubkey;
use tokio_util::sync::CancellationToken;

use super::ApiError;

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    number: usize,
    per_key: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    // In order of taking.
    places: Vec<Taken>,
}

#[derive(Debug)]
struct Taken {
    id: u64,
    key: Pubkey,
    taken_back: CancellationToken,
}

/// A place, to be kept as long as what it is for lasts.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    taken_back: CancellationToken,
}

impl Places {
    /// `number` places, at most `per_key` of them for one key.
    pub(super) fn new(number: usize, per_key: usize) -> Arc<Self> {
        Arc::new(Self { number, per_key, held: Mutex::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for `key`. Where none is free, the key that holds most gives its newest back, if it holds at least two
    /// more than `key`.
    pub(super) fn take(self: &Arc<Self>, key: Pubkey) -> Result<Place, ApiError> {
        let mut held = self.held();
        let own = held.count(&key);
        if own >= self.per_key {
            return Err(ApiError::busy(&format!(
                "this key follows, loads and sends {own} things at a time already, as many as it may"
            )));
        }
        if held.places.len() >= self.number {
            let Some(newest) = held.newest_of_the_greediest(own + 1) else {
                return Err(ApiError::busy("the node answers as many requests as it can"));
            };
            held.places.remove(newest).taken_back.cancel();
        }
        let (id, taken_back) = (held.next, CancellationToken::new());
        held.next += 1;
        held.places.push(Taken { id, key, taken_back: taken_back.clone() });
        Ok(Place { places: Arc::clone(self), id, taken_back })
    }
}

impl Held {
    fn count(&self, key: &Pubkey) -> usize {
        self.places.iter().filter(|taken| taken.key == *key).count()
    }

    /// The index of the newest place of the key that holds most, where that is more than `more_than`.
    fn newest_of_the_greediest(&self, more_than: usize) -> Option<usize> {
        let newest = self.places.iter().enumerate().max_by_key(|(index, taken)| (self.count(&taken.key), *index));
        newest.filter(|(_, taken)| self.count(&taken.key) > more_than).map(|(index, _)| index)
    }
}

impl Place {
    /// Ends when the place has to be given up.
    pub(super) fn taken_back(&self) -> CancellationToken {
        self.taken_back.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.held().places.retain(|taken| taken.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    #[test]
    fn issue9_02_a_greedy_key_gives_way_to_others_until_all_hold_the_same() {
        let places = Places::new(4, 4);
        let greedy: Vec<_> = (0..4).map(|_| places.take(key(1)).unwrap()).collect();
        let (second, third) = (places.take(key(2)).unwrap(), places.take(key(3)).unwrap());
        let taken_back: Vec<_> = greedy.iter().map(|place| place.taken_back().is_cancelled()).collect();
        assert_eq!(taken_back, [false, false, true, true], "the newest go first");
        assert!(places.take(key(2)).is_err(), "nobody holds two more than this key");
        let fourth = places.take(key(4)).unwrap();
        assert!(places.take(key(5)).is_err(), "everybody holds one");
        assert!(![&second, &third, &fourth].iter().any(|place| place.taken_back().is_cancelled()));
        drop(greedy);
        assert!(places.take(key(5)).is_ok());
    }

    #[test]
    fn a_key_alone_has_as_many_as_one_may() {
        let places = Places::new(4, 2);
        let held = (places.take(key(1)).unwrap(), places.take(key(1)).unwrap());
        assert!(places.take(key(1)).is_err());
        drop(held);
        assert!(places.take(key(1)).is_ok());
    }
}
