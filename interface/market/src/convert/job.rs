//! A job, its book and whom it excludes.

use anchor_lang::prelude::Pubkey;
use gridlease_core::book::{Book, Entry};
use gridlease_core::eligibility::{Bidder, Wanted};
use gridlease_core::exclusion::Excluded;
use gridlease_core::job::{EndReason, Job as Rules, JobState, Mode, Terms};
use gridlease_core::limits::BOOK_SIZE;
use gridlease_core::requirement::Requirement;
use gridlease_core::score::Weights;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, RuleResult, Seconds, UnixTs, bond};

use crate::account::{BookEntry, Job, Offer, Provider};

impl Job {
    /// The job's terms.
    pub fn terms(&self) -> Terms {
        Terms {
            max_price: PricePerHour(self.max_price),
            max_duration: Seconds(self.max_duration_s.into()),
            window: Seconds(self.window_s.into()),
            attempts: self.attempts,
            // Posting takes no other byte.
            mode: Mode::from_byte(self.mode).unwrap_or_default(),
            reveal: Seconds(self.reveal_s.into()),
            wait: Seconds(self.wait_s.into()),
            review: Seconds(self.review_s.into()),
        }
    }

    /// What the job asks of a bidder.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            need: self.need(),
            max_duration: Seconds(self.max_duration_s.into()),
            max_price: PricePerHour(self.max_price),
            funds: Atoms(self.reserved),
        }
    }

    /// A bidder for this job, for the rules.
    pub fn bidder(&self, provider_key: &Pubkey, provider: &Provider, offer: &Offer, bond: bond::Bond) -> Bidder {
        Bidder {
            live_until: offer.live_until(),
            units_free: offer.units_free,
            excluded: self.excludes(provider_key),
            claims: offer.claims(),
            unit: offer.unit(),
            reputation: Bps(provider.standing),
            bond,
        }
    }

    /// The job's moving parts.
    pub fn rules(&self) -> RuleResult<Rules> {
        Ok(Rules {
            state: JobState::from_byte(self.header.state)?,
            reason: EndReason::from_byte(self.reason)?,
            terms: self.terms(),
            reserved: Atoms(self.reserved),
            close_ts: UnixTs(self.close_ts),
            mark: Now { slot: self.mark_slot, ts: UnixTs(self.mark_ts) },
            extensions: self.extensions,
            attempts_left: self.attempts_left,
            leases: self.leases,
            bids: self.book_len,
            expires_at: UnixTs(self.expires_at),
            reveal_end: UnixTs(self.reveal_end),
            sealed: self.sealed,
            sealed_bond: Atoms(self.sealed_bond),
        })
    }

    /// Writes the job's moving parts back. A job that counts no bids shows none: whoever stood in its book is free.
    pub fn set_rules(&mut self, next: &Rules, now: Now) {
        self.header.state = next.state as u8;
        self.reason = next.reason as u8;
        self.reserved = next.reserved.0;
        self.close_ts = next.close_ts.0;
        self.mark_slot = next.mark.slot;
        self.mark_ts = next.mark.ts.0;
        self.expires_at = next.expires_at.0;
        if next.bids == 0 && self.book_len != 0 {
            self.empty_book();
        }
        self.book_len = next.bids;
        self.extensions = next.extensions;
        self.attempts_left = next.attempts_left;
        self.leases = next.leases;
        self.reveal_end = next.reveal_end.0;
        self.sealed = next.sealed;
        self.sealed_bond = next.sealed_bond.0;
        match next.state {
            JobState::Open => self.header.due_ts = next.award_ts().0,
            JobState::Waiting => self.header.due_ts = next.expires_at.0,
            // What is due then is its lease's.
            JobState::Leased | JobState::Review => self.header.due_ts = 0,
            JobState::Ended => {
                if self.ended_ts == 0 {
                    self.ended_ts = now.ts.0;
                }
                self.header.due_ts = self.ended_ts;
            }
        }
    }

    /// The score weights.
    pub fn score_weights(&self) -> RuleResult<Weights> {
        Weights::new(self.weights)
    }

    /// The book.
    pub fn book(&self) -> RuleResult<Book> {
        let mut entries = [Entry::default(); BOOK_SIZE];
        for (at, (entry, data)) in entries.iter_mut().zip(&self.book).enumerate() {
            *entry = Entry {
                provider: data.provider.to_bytes(),
                offer: data.offer,
                score: data.score,
                price: PricePerHour(data.price),
                automatic: self.is_automatic(at),
            };
        }
        let used = entries.get(..usize::from(self.book_len)).ok_or(RuleError::InvariantBroken)?;
        Book::from_sorted(used)
    }

    /// Writes the book back.
    pub fn set_book(&mut self, book: &Book) {
        let entries = book.entries();
        self.automatic = 0;
        for (at, entry) in entries.iter().enumerate() {
            self.automatic |= u8::from(entry.automatic) << at;
        }
        for (at, data) in self.book.iter_mut().enumerate() {
            *data = entries.get(at).map_or_else(BookEntry::default, |entry| BookEntry {
                provider: Pubkey::new_from_array(entry.provider),
                price: entry.price.0,
                offer: entry.offer,
                score: entry.score,
            });
        }
        // A book has at most eight entries.
        self.book_len = entries.len() as u8;
    }

    /// Was the bid at place `at` of the book entered for an automatic offer?
    pub fn is_automatic(&self, at: usize) -> bool {
        at < BOOK_SIZE && self.automatic >> at & 1 == 1
    }

    /// Frees whoever stands in the book, whatever it claims to hold.
    pub fn empty_book(&mut self) {
        self.book = Default::default();
        (self.book_len, self.automatic) = (0, 0);
    }

    /// Takes the first `count` bids out of the book, without reading the others; all that there are where it is more.
    pub fn drop_bids(&mut self, count: u8) {
        // No book is longer than its place, but an account that says so must not end the program.
        let count = count.min(self.book_len).min(self.book.len() as u8);
        self.book.rotate_left(usize::from(count));
        self.book_len -= count;
        self.automatic = self.automatic.checked_shr(count.into()).unwrap_or(0);
        // Bytes behind the end are kept clean, so that an account never shows a bid that is gone.
        self.book.iter_mut().skip(self.book_len.into()).for_each(|entry| *entry = BookEntry::default());
    }

    /// Does the job go on without this provider?
    pub fn excludes(&self, provider: &Pubkey) -> bool {
        self.exclusions().holds(&exclusion_mark(provider))
    }

    /// Goes on without a provider; the oldest of a full list may try again.
    pub fn exclude(&mut self, provider: &Pubkey) {
        let mut excluded = self.exclusions();
        excluded.put(exclusion_mark(provider));
        self.excluded = excluded.marks;
        self.excluded_len = excluded.len;
    }

    fn exclusions(&self) -> Excluded {
        Excluded { marks: self.excluded, len: self.excluded_len }
    }

    /// State; `None` for a byte that this version does not know.
    pub fn state(&self) -> Option<JobState> {
        JobState::from_byte(self.header.state).ok()
    }

    /// Why it ended.
    pub fn end_reason(&self) -> EndReason {
        EndReason::from_byte(self.reason).unwrap_or(EndReason::None)
    }

    /// Exit code, where a container ran.
    pub fn exit(&self) -> Option<i32> {
        (self.has_exit == 1).then_some(self.exit_code)
    }

    /// The bids, best first.
    pub fn bids(&self) -> &[BookEntry] {
        self.book.get(..usize::from(self.book_len)).unwrap_or_default()
    }

    /// Address of the lease opened last, where there was one.
    pub fn current_lease(&self, address: &Pubkey) -> Option<Pubkey> {
        self.leases.checked_sub(1).map(|number| crate::address::lease(address, number))
    }

    /// What it needs.
    pub fn need(&self) -> Requirement {
        Requirement::from(&self.requirement)
    }

    /// The earliest award; zero while it waits for a bid.
    pub fn award_ts(&self) -> UnixTs {
        UnixTs(if self.sealed > 0 { self.close_ts.max(self.reveal_end) } else { self.close_ts })
    }

    /// The manifest's URI, out of the account's whole data: nothing where the buyer pushes it, `None` where it is cut off or
    /// is not text.
    pub fn manifest_uri<'a>(&self, data: &'a [u8]) -> Option<&'a str> {
        let from = Self::space(0);
        core::str::from_utf8(data.get(from..from + usize::from(self.uri_len))?).ok()
    }
}

fn exclusion_mark(provider: &Pubkey) -> [u8; 8] {
    let mut mark = [0; 8];
    mark.copy_from_slice(&provider.as_ref()[..8]);
    mark
}
