//! Bytes of accounts ↔ values of the rules: the only place where the two meet.

use anchor_lang::prelude::*;
use gridlease_core as rules;
use gridlease_core::bidder::{Bidder, Wanted};
use gridlease_core::book::{Book, Entry};
use gridlease_core::job::{EndReason, JobState, Mode, Terms};
use gridlease_core::lease::LeaseState;
use gridlease_core::reputation::Reputation;
use gridlease_core::requirement::{OfferSpec, Requirement};
use gridlease_core::score::{Merit, Weights};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};

use crate::error::{OrRule, rule};
use crate::state::{Array, BookEntry, Job, Lease, Offer, Provider, Purse, RequirementData, SpecData, offer_state};

/// The present. A Clock before 1970 counts as zero.
pub fn now() -> Result<Now> {
    let clock = Clock::get()?;
    Ok(Now { slot: clock.slot, ts: UnixTs(u64::try_from(clock.unix_timestamp).unwrap_or(0)) })
}

impl Purse {
    /// The purse's amounts.
    pub fn amounts(&self) -> rules::purse::Purse {
        rules::purse::Purse {
            balance: Atoms(self.balance),
            reserved: Atoms(self.reserved),
            fees_owed: Atoms(self.fees_owed),
        }
    }

    /// Writes the purse's amounts back, after they were checked.
    pub fn set_amounts(&mut self, next: rules::purse::Purse) -> Result<()> {
        next.free().or_rule()?;
        self.balance = next.balance.0;
        self.reserved = next.reserved.0;
        self.fees_owed = next.fees_owed.0;
        Ok(())
    }
}

impl From<&SpecData> for OfferSpec {
    fn from(data: &SpecData) -> Self {
        Self {
            gpu_model: data.gpu_model,
            gpu_count: data.gpu_count,
            vram_mib: data.vram_mib,
            compute_capability: data.compute_capability,
            cuda: data.cuda,
            cpu_milli: data.cpu_milli,
            memory_mib: data.memory_mib,
            disk_mib: data.disk_mib,
            region: data.region,
            down_mbit: data.down_mbit,
            up_mbit: data.up_mbit,
            flags: data.flags,
        }
    }
}

impl From<&RequirementData> for Requirement {
    fn from(data: &RequirementData) -> Self {
        Self {
            gpu_models: data.gpu_models,
            gpu_count: data.gpu_count,
            vram_mib: data.vram_mib,
            compute_capability: data.compute_capability,
            cuda: data.cuda,
            cpu_milli: data.cpu_milli,
            memory_mib: data.memory_mib,
            disk_mib: data.disk_mib,
            regions: data.regions,
            down_mbit: data.down_mbit,
            up_mbit: data.up_mbit,
            flags: data.flags,
            min_stake: Atoms(data.min_stake),
            min_reputation: Bps(data.min_reputation),
        }
    }
}

impl Provider {
    /// The provider's history.
    pub fn reputation(&self) -> Reputation {
        Reputation {
            standing: Bps(self.standing),
            uptime: Bps(self.uptime),
            start_s: self.start_s,
            started: self.started,
            completed: self.completed,
            faulted: self.faulted,
        }
    }

    /// Writes the provider's history back.
    pub fn set_reputation(&mut self, next: &Reputation) {
        self.standing = next.standing.0;
        self.uptime = next.uptime.0;
        self.start_s = next.start_s;
        self.started = next.started;
        self.completed = next.completed;
        self.faulted = next.faulted;
    }

    /// What counts in a score.
    pub fn merit(&self) -> Merit {
        let history = self.reputation();
        Merit { reputation: history.standing, uptime: history.uptime, speed: history.speed() }
    }
}

impl Offer {
    /// What one unit has.
    pub fn unit(&self) -> OfferSpec {
        OfferSpec::from(&self.spec)
    }
}

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
        }
    }

    /// What the job asks of a bidder.
    pub fn wanted(&self) -> Wanted {
        Wanted { need: Requirement::from(&self.requirement), max_duration: Seconds(self.max_duration_s.into()) }
    }

    /// A bidder for this job, for the rules.
    pub fn bidder(&self, provider_key: &Pubkey, provider: &Provider, offer: &Offer, bond: rules::bond::Bond) -> Bidder {
        let live = offer.header.state == offer_state::LIVE;
        Bidder {
            live_until: UnixTs(if live { offer.header.due_ts } else { 0 }),
            units_free: offer.units_free,
            excluded: self.excludes(provider_key),
            claims: offer.claims(),
            unit: offer.unit(),
            reputation: Bps(provider.standing),
            bond,
        }
    }

    /// The job's moving parts.
    pub fn rules(&self) -> Result<rules::job::Job> {
        Ok(rules::job::Job {
            state: JobState::from_byte(self.header.state).or_rule()?,
            reason: EndReason::from_byte(self.reason).or_rule()?,
            terms: self.terms(),
            reserved: Atoms(self.reserved),
            close_ts: UnixTs(self.close_ts),
            extensions: self.extensions,
            attempts_left: self.attempts_left,
            leases: self.leases,
            reveal_end: UnixTs(self.reveal_end),
            sealed: self.sealed,
            sealed_bond: Atoms(self.sealed_bond),
        })
    }

    /// Writes the job's moving parts back.
    pub fn set_rules(&mut self, next: &rules::job::Job, now: Now) {
        self.header.state = next.state as u8;
        self.reason = next.reason as u8;
        self.reserved = next.reserved.0;
        self.close_ts = next.close_ts.0;
        self.extensions = next.extensions;
        self.attempts_left = next.attempts_left;
        self.leases = next.leases;
        self.reveal_end = next.reveal_end.0;
        self.sealed = next.sealed;
        self.sealed_bond = next.sealed_bond.0;
        match next.state {
            JobState::Open => self.header.due_ts = next.award_ts().0,
            JobState::Leased => self.header.due_ts = 0,
            JobState::Ended => {
                if self.ended_ts == 0 {
                    self.ended_ts = now.ts.0;
                }
                self.header.due_ts = self.ended_ts;
            }
        }
    }

    /// The score weights.
    pub fn score_weights(&self) -> Result<Weights> {
        Weights::new(self.weights).or_rule()
    }

    /// The book.
    pub fn book(&self) -> Result<Book> {
        let mut entries = [Entry::default(); rules::limits::BOOK_SIZE];
        for (entry, data) in entries.iter_mut().zip(&self.book) {
            *entry = Entry {
                provider: data.provider.to_bytes(),
                offer: data.offer,
                score: data.score,
                price: PricePerHour(data.price),
                tie: data.tie,
            };
        }
        let used = entries.get(..usize::from(self.book_len)).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        Book::from_sorted(used).or_rule()
    }

    /// Writes the book back.
    pub fn set_book(&mut self, book: &Book) {
        let entries = book.entries();
        for (at, data) in self.book.iter_mut().enumerate() {
            *data = entries.get(at).map_or_else(BookEntry::default, |entry| BookEntry {
                provider: Pubkey::new_from_array(entry.provider),
                price: entry.price.0,
                tie: entry.tie,
                offer: entry.offer,
                score: entry.score,
            });
        }
        // A book has at most eight entries.
        self.book_len = entries.len() as u8;
    }

    /// Takes the first `count` bids out of the book, without reading the others.
    pub fn drop_bids(&mut self, count: u8) {
        let count = count.min(self.book_len);
        self.book.rotate_left(usize::from(count));
        self.book_len -= count;
        // Bytes behind the end are kept clean, so that an account never shows a bid that is gone.
        self.book.iter_mut().skip(self.book_len.into()).for_each(|entry| *entry = BookEntry::default());
    }

    /// Did this provider fail the job before?
    pub fn excludes(&self, provider: &Pubkey) -> bool {
        let mark = exclusion_mark(provider);
        self.excluded.iter().take(usize::from(self.excluded_len)).any(|seen| *seen == mark)
    }

    /// Excludes a provider that failed the job. The list has room for one failure per attempt.
    pub fn exclude(&mut self, provider: &Pubkey) {
        if let Some(slot) = self.excluded.get_mut(usize::from(self.excluded_len)) {
            *slot = exclusion_mark(provider);
            self.excluded_len += 1;
        }
    }
}

fn exclusion_mark(provider: &Pubkey) -> [u8; 8] {
    let mut mark = [0; 8];
    mark.copy_from_slice(&provider.as_ref()[..8]);
    mark
}

impl Lease {
    /// The lease's moving parts.
    pub fn rules(&self) -> Result<rules::lease::Lease> {
        Ok(rules::lease::Lease {
            state: LeaseState::from_byte(self.header.state).or_rule()?,
            reason: EndReason::from_byte(self.reason).or_rule()?,
            price: PricePerHour(self.price),
            slot_ms: self.slot_ms,
            fee_bps: Bps(self.fee_bps),
            reserved: Atoms(self.reserved),
            base: Atoms(self.base),
            paid: Atoms(self.paid),
            fee: Atoms(self.fee),
            refunded: Atoms(self.refunded),
            segment: Now { slot: self.segment_slot, ts: UnixTs(self.segment_ts) },
            start_deadline: UnixTs(self.start_deadline),
            ready_ts: UnixTs(self.ready_ts),
            runway_end: UnixTs(self.runway_end),
            grace_end: UnixTs(self.grace_end),
            ended_ts: UnixTs(self.ended_ts),
            durable: self.durable == 1,
            confirmed: Atoms(self.confirmed),
            challenge_end: UnixTs(self.challenge_end),
            challenge_gross: Atoms(self.challenge_gross),
            down_since: UnixTs(self.down_since),
            credited: Seconds(self.credited_s.into()),
            credit: Atoms(self.credit),
            collected: Atoms(self.collected),
            notice: Seconds(self.notice_s.into()),
            notice_end: UnixTs(self.notice_end),
        })
    }

    /// Writes the lease's moving parts back, after the invariant was checked.
    pub fn set_rules(&mut self, next: &rules::lease::Lease) -> Result<()> {
        rules::invariant::lease(next).or_rule()?;
        self.header.state = next.state as u8;
        self.header.due_ts = next.due().0;
        self.reason = next.reason as u8;
        self.price = next.price.0;
        self.slot_ms = next.slot_ms;
        self.fee_bps = next.fee_bps.0;
        self.reserved = next.reserved.0;
        self.base = next.base.0;
        self.paid = next.paid.0;
        self.fee = next.fee.0;
        self.refunded = next.refunded.0;
        self.segment_slot = next.segment.slot;
        self.segment_ts = next.segment.ts.0;
        self.start_deadline = next.start_deadline.0;
        self.ready_ts = next.ready_ts.0;
        self.runway_end = next.runway_end.0;
        self.grace_end = next.grace_end.0;
        self.ended_ts = next.ended_ts.0;
        self.durable = next.durable.into();
        self.confirmed = next.confirmed.0;
        self.challenge_end = next.challenge_end.0;
        self.challenge_gross = next.challenge_gross.0;
        self.down_since = next.down_since.0;
        // Both are bounded far below 32 bits: a day of credit, 720 hours of notice.
        self.credited_s = u32::try_from(next.credited.0).map_err(|_| rule(RuleError::Overflow))?;
        self.credit = next.credit.0;
        self.collected = next.collected.0;
        self.notice_s = u32::try_from(next.notice.0).map_err(|_| rule(RuleError::Overflow))?;
        self.notice_end = next.notice_end.0;
        Ok(())
    }
}

impl Array {
    /// The terms of each of its jobs.
    pub fn terms(&self) -> Terms {
        Terms {
            max_price: PricePerHour(self.max_price),
            max_duration: Seconds(self.max_duration_s.into()),
            window: Seconds(self.window_s.into()),
            attempts: self.attempts,
            mode: Mode::Open,
            reveal: Seconds(self.reveal_s.into()),
        }
    }

    /// The array's moving parts.
    pub fn rules(&self) -> Result<rules::array::Array> {
        Ok(rules::array::Array {
            state: rules::array::ArrayState::from_byte(self.header.state).or_rule()?,
            reason: rules::array::ArrayEnd::from_byte(self.reason).or_rule()?,
            shape: rules::array::Shape {
                count: self.count,
                quorum: self.quorum,
                replicas: self.replicas,
                parallel: self.parallel,
                budget: Atoms(self.budget),
            },
            cap: Atoms(self.cap),
            reserved: Atoms(self.reserved),
            spent: Atoms(self.spent),
            next: self.next,
            open: self.open,
            jobs: self.jobs,
            completed: self.completed,
            failed: self.failed,
            not_before: UnixTs(self.not_before),
            quiet: self.quiet,
        })
    }

    /// Writes the array's moving parts back, after the invariant was checked.
    pub fn set_rules(&mut self, next: &rules::array::Array, now: Now) -> Result<()> {
        rules::invariant::array(next).or_rule()?;
        self.header.state = next.state as u8;
        self.reason = next.reason as u8;
        self.reserved = next.reserved.0;
        self.spent = next.spent.0;
        self.next = next.next;
        self.open = next.open;
        self.jobs = next.jobs;
        self.completed = next.completed;
        self.failed = next.failed;
        self.not_before = next.not_before.0;
        self.quiet = next.quiet;
        if next.state == rules::array::ArrayState::Over {
            if self.ended_ts == 0 {
                self.ended_ts = now.ts.0;
            }
            self.header.due_ts = self.ended_ts;
        } else {
            self.header.due_ts = if next.openable() { now.ts.max(next.not_before).0 } else { 0 };
        }
        Ok(())
    }
}
