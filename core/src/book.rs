//! The book of a job: at most eight bids, best first, worst displaced by a better one.

use crate::error::{RuleError, RuleResult};
use crate::limits::BOOK_SIZE;
use crate::quantity::PricePerHour;

/// One bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Address of the provider record.
    pub provider: [u8; 32],
    /// Number of the provider's offer that stands behind the bid.
    pub offer: u32,
    /// Score, see [`crate::score`].
    pub score: u32,
    /// Price bid.
    pub price: PricePerHour,
    /// It was entered for an automatic offer, not by its node.
    pub automatic: bool,
}

impl Entry {
    /// Does this bid stand before `other`? Where the scores are the same, the smaller `tie` of the provider's address does, never
    /// the earlier bid. In the market it is the first eight bytes of SHA-256(job ‖ provider), big endian; nothing asks for it where
    /// scores differ, so that a book need not hold it.
    pub fn beats(&self, other: &Entry, tie: impl Fn(&[u8; 32]) -> u64) -> bool {
        if self.score != other.score {
            return self.score > other.score;
        }
        // Two providers with the same eight tie bytes are told apart by their addresses.
        (tie(&self.provider), &self.provider) < (tie(&other.provider), &other.provider)
    }
}

/// What an insertion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Where the bid stands now; 0 is the best.
    pub rank: usize,
    /// It became, or improved, the best bid.
    pub leads: bool,
    /// The bid that was displaced by it out of a full book.
    pub displaced: Option<Entry>,
}

/// A book: entries `0..len` are in use, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Book {
    entries: [Entry; BOOK_SIZE],
    len: usize,
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// The book with `entries`, which are in order already.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where there are too many, a worse score stands before a better one, or a provider behind
    /// itself.
    pub fn from_sorted(entries: &[Entry]) -> RuleResult<Self> {
        let mut book = Self::new();
        let slots = book.entries.get_mut(..entries.len()).ok_or(RuleError::InvariantBroken)?;
        slots.copy_from_slice(entries);
        if entries
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.score < b.score || a.score == b.score && a.provider == b.provider))
        {
            return Err(RuleError::InvariantBroken);
        }
        book.len = entries.len();
        Ok(book)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bids, best first.
    pub fn entries(&self) -> &[Entry] {
        self.entries.get(..self.len).unwrap_or(&[])
    }

    /// The best bid.
    pub fn best(&self) -> Option<&Entry> {
        self.entries().first()
    }

    /// The best bid of anybody but `provider`.
    pub fn best_other(&self, provider: &[u8; 32]) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.provider != *provider)
    }

    /// Enters a bid. A provider stands in the book once; a second bid must be lower than its first. `tie` as in [`Entry::beats`].
    ///
    /// # Errors
    /// [`RuleError::BidNotImproved`], [`RuleError::BookFull`]; the book is unchanged then.
    pub fn insert(&mut self, entry: Entry, tie: impl Fn(&[u8; 32]) -> u64) -> RuleResult<Inserted> {
        let mut next = *self;
        if let Some(at) = next.entries().iter().position(|other| other.provider == entry.provider) {
            if next.entries().get(at).is_some_and(|old| entry.price >= old.price) {
                return Err(RuleError::BidNotImproved);
            }
            next.remove(at);
        }
        // They are in order, so that three or four are compared, and as many ties asked for.
        let rank = next.entries().partition_point(|other| !entry.beats(other, &tie));
        let mut displaced = None;
        if next.len == BOOK_SIZE {
            if rank == BOOK_SIZE {
                return Err(RuleError::BookFull);
            }
            displaced = next.entries.last().copied();
            next.len -= 1;
        }
        if let Some(tail) = next.entries.get_mut(rank..=next.len) {
            tail.rotate_right(1);
        }
        if let Some(slot) = next.entries.get_mut(rank) {
            *slot = entry;
        }
        next.len += 1;
        *self = next;
        Ok(Inserted { rank, leads: rank == 0, displaced })
    }

    /// Lets every bidder go.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Takes the best bid out.
    pub fn pop_best(&mut self) -> Option<Entry> {
        let best = self.best().copied();
        if best.is_some() {
            self.remove(0);
        }
        best
    }

    fn remove(&mut self, at: usize) {
        if let Some(tail) = self.entries.get_mut(at..self.len) {
            tail.rotate_left(1);
            self.len -= 1;
        }
        // Bytes behind the end are kept clean, so that an account never shows a bid that is gone.
        if let Some(last) = self.entries.get_mut(self.len) {
            *last = Entry::default();
        }
    }
}
