//! The life of a job, from its posting to its end: see [`TRANSITIONS`].
//!
//! A job without bids waits: no clock runs against it but that of its own `wait`, nobody has anything to do, and no attempt is
//! used. The first bid opens the window. Attempts count leases that failed, nothing else.

mod terms;

pub use terms::{Mode, Terms, check_care, check_price, least_funds, minute, notice_of, review_time, start_deadline};

use crate::bond;
use crate::deadline;
pub use crate::end_reason::EndReason;
use crate::error::{RuleError, RuleResult};
use crate::limits::{ANTI_SNIPE, MAX_EXTENSIONS};
use crate::quantity::{Atoms, Now, PricePerHour, UnixTs};
use crate::rounding::cost_up;
use crate::transition::Transition;

/// [`Job::sealed`] of a round with this many sealed bids or more: they are not counted down any longer, so that nobody
/// can fill a count, and the award waits for the end of the revealing.
pub const SEALED_UNCOUNTED: u8 = u8::MAX;

/// Every step that moves a job on.
pub const TRANSITIONS: &[Transition<JobState>] = &[
    Transition::begins("post", JobState::Waiting, "post_job"),
    Transition::new(JobState::Waiting, "bid", JobState::Open, "the first bid opens the window"),
    Transition::new(JobState::Waiting, "expire", JobState::Ended, "expire_job, it waited long enough (no bids)"),
    Transition::new(JobState::Waiting, "cancel", JobState::Ended, "cancel_job (cancelled)"),
    Transition::new(JobState::Open, "award", JobState::Leased, "award to a bidder"),
    Transition::new(JobState::Open, "nobody left", JobState::Waiting, "award, nobody left"),
    Transition::new(JobState::Open, "bid", JobState::Open, "bids"),
    Transition::new(JobState::Open, "cancel", JobState::Ended, "cancel_job (cancelled)"),
    Transition::new(
        JobState::Leased,
        "lease ready",
        JobState::Leased,
        "ready (what it held beside the lease goes back, the other bids are free)",
    ),
    Transition::new(
        JobState::Leased,
        "start failed",
        JobState::Open,
        "its lease ended before ready, attempts, money and bids left (the next bid follows)",
    ),
    Transition::new(
        JobState::Leased,
        "start failed",
        JobState::Ended,
        "its start failed, with no attempt or no money left (its reason)",
    ),
    Transition::new(
        JobState::Leased,
        "lease failed",
        JobState::Waiting,
        "its lease ended before the work was done, attempts and money left",
    ),
    Transition::new(
        JobState::Leased,
        "lease failed",
        JobState::Ended,
        "the same, with no attempt or no money left (its reason)",
    ),
    Transition::new(
        JobState::Leased,
        "lease finished",
        JobState::Review,
        "finish, the node says that the work is done",
    ),
    Transition::new(JobState::Leased, "lease ended", JobState::Ended, "its lease ended (its reason)"),
    Transition::new(JobState::Review, "lease ended", JobState::Ended, "accept, or expire once the review is over"),
    Transition::new(JobState::Review, "lease failed", JobState::Waiting, "reopen, attempts and money left"),
    Transition::new(JobState::Review, "lease failed", JobState::Ended, "reopen, no attempt or no money left"),
    Transition::ends(JobState::Ended, "close", "close_job"),
];

/// States of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum JobState {
    /// Takes bids until the end of its window, then waits for its award.
    Open = 1,
    /// A lease holds its reservation.
    Leased = 2,
    /// Over; the account can be closed.
    Ended = 3,
    /// Has no bids and waits for the first, until [`Job::expires_at`].
    Waiting = 4,
    /// Its lease is finished; the buyer may accept that or reopen the job.
    Review = 5,
}

impl JobState {
    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub const fn from_byte(byte: u8) -> RuleResult<Self> {
        match byte {
            1 => Ok(Self::Open),
            2 => Ok(Self::Leased),
            3 => Ok(Self::Ended),
            4 => Ok(Self::Waiting),
            5 => Ok(Self::Review),
            _ => Err(RuleError::WrongState),
        }
    }
}

/// The moving parts of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// State.
    pub state: JobState,
    /// Why it ended, or [`EndReason::None`].
    pub reason: EndReason,
    /// Terms posted.
    pub terms: Terms,
    /// What the purse still holds for the job itself (not for its lease).
    pub reserved: Atoms,
    /// End of the bidding window; zero while it waits for a bid.
    pub close_ts: UnixTs,
    /// When the window opened, or when the end of a long revealing was first seen over (see [`crate::deadline`]).
    pub mark: Now,
    /// Times the window was extended.
    pub extensions: u8,
    /// Attempts left.
    pub attempts_left: u8,
    /// Leases opened so far; the number of the next one.
    pub leases: u8,
    /// Bids in its book, which stands beside it.
    pub bids: u8,
    /// Until when it waits: no window opens that would end after it.
    pub expires_at: UnixTs,
    /// End of the revealing of a sealed auction; zero for the other modes. It also names the round: a sealed bid counts in
    /// the round whose end it records.
    pub reveal_end: UnixTs,
    /// Sealed bids of this round that are not revealed, or [`SEALED_UNCOUNTED`].
    pub sealed: u8,
    /// Stake that a sealed bid binds; zero for the other modes.
    pub sealed_bond: Atoms,
}

impl Job {
    /// A job posted at `now`, with its cap reserved. It waits for its first bid; an instant one is awarded at once.
    ///
    /// # Errors
    /// Those of [`Terms::check`] and [`Terms::cap`].
    pub fn post(terms: Terms, now: Now) -> RuleResult<Self> {
        terms.check()?;
        let reserved = terms.cap()?;
        let instant = terms.mode == Mode::Instant;
        let sealed_bond = if terms.mode == Mode::Sealed {
            bond::sealed_bond(reserved, terms.max_price, terms.max_duration)?
        } else {
            Atoms::ZERO
        };
        Ok(Self {
            state: if instant { JobState::Open } else { JobState::Waiting },
            reason: EndReason::None,
            terms,
            reserved,
            close_ts: if instant { now.ts } else { UnixTs::ZERO },
            mark: now,
            extensions: 0,
            attempts_left: terms.attempts,
            leases: 0,
            bids: 0,
            expires_at: now.ts.after(terms.wait)?,
            reveal_end: UnixTs::ZERO,
            sealed: 0,
            sealed_bond,
        })
    }

    /// The end of a window that opens at `now`, and of the revealing behind it (the same where nothing is sealed).
    fn window_from(&self, now: UnixTs) -> RuleResult<(UnixTs, UnixTs)> {
        let close_ts = now.after(self.terms.window)?;
        Ok((close_ts, close_ts.after(self.terms.reveal)?))
    }

    /// The end of the auction in which a bid at `now` would stand: that of the open window, or of the one that it opens.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn auction_end(&self, now: UnixTs) -> RuleResult<UnixTs> {
        if self.state == JobState::Waiting { Ok(self.window_from(now)?.1) } else { Ok(self.award_ts()) }
    }

    fn open_window(&mut self, now: Now) -> RuleResult<()> {
        let (close_ts, end) = self.window_from(now.ts)?;
        self.mark = now;
        self.reveal_end = if self.terms.mode == Mode::Sealed { end } else { UnixTs::ZERO };
        self.close_ts = close_ts;
        self.extensions = 0;
        self.sealed = 0;
        self.state = JobState::Open;
        Ok(())
    }

    /// Waits for a bid, with an empty book.
    fn wait(&mut self) {
        self.state = JobState::Waiting;
        self.close_ts = UnixTs::ZERO;
        self.reveal_end = UnixTs::ZERO;
        self.sealed = 0;
        self.extensions = 0;
        self.bids = 0;
    }

    /// May a public bid of `price` be entered at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongMode`], [`RuleError::WrongState`], [`RuleError::WindowClosed`]; [`RuleError::WaitOver`] where the
    /// window that it opens would end after the job's wait; those of [`Job::check_bid_price`].
    pub fn check_bid(&self, price: PricePerHour, now: UnixTs) -> RuleResult<()> {
        if self.terms.mode == Mode::Sealed {
            return Err(RuleError::WrongMode);
        }
        self.check_window(now)?;
        self.check_bid_price(price)
    }

    fn check_window(&self, now: UnixTs) -> RuleResult<()> {
        match self.state {
            JobState::Waiting if self.window_from(now)?.1 > self.expires_at => Err(RuleError::WaitOver),
            JobState::Waiting => Ok(()),
            JobState::Open if now >= self.close_ts => Err(RuleError::WindowClosed),
            JobState::Open => Ok(()),
            _ => Err(RuleError::WrongState),
        }
    }

    /// Is a price one that this job takes?
    ///
    /// # Errors
    /// [`RuleError::PriceOutOfBounds`], [`RuleError::BidAboveMax`], [`RuleError::BidUnaffordable`].
    pub fn check_bid_price(&self, price: PricePerHour) -> RuleResult<()> {
        check_price(price)?;
        if price > self.terms.max_price {
            return Err(RuleError::BidAboveMax);
        }
        if !self.affords(price)? {
            return Err(RuleError::BidUnaffordable);
        }
        Ok(())
    }

    /// Does what the job holds pay for a lease at `price`? See [`least_funds`].
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn affords(&self, price: PricePerHour) -> RuleResult<bool> {
        Ok(self.reserved >= least_funds(price, self.terms.max_duration)?)
    }

    /// May a sealed bid be committed at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongMode`], [`RuleError::WrongState`], [`RuleError::WindowClosed`], [`RuleError::WaitOver`].
    pub fn check_commit(&self, now: UnixTs) -> RuleResult<()> {
        if self.terms.mode != Mode::Sealed {
            return Err(RuleError::WrongMode);
        }
        self.check_window(now)
    }

    /// A sealed bid was committed at `now`; the first one opens the window.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn on_commit(&mut self, now: Now) -> RuleResult<()> {
        if self.state == JobState::Waiting {
            self.open_window(now)?;
        }
        self.sealed = self.sealed.saturating_add(1);
        Ok(())
    }

    /// A sealed bid of the round that ends at `round` was revealed, forfeited or let go.
    pub fn on_unsealed(&mut self, round: UnixTs) {
        if round == self.reveal_end && self.sealed != SEALED_UNCOUNTED {
            self.sealed = self.sealed.saturating_sub(1);
        }
    }

    /// The earliest time of the award: the end of the window; in a sealed auction with bids that are not revealed, the end
    /// of the revealing.
    pub fn award_ts(&self) -> UnixTs {
        if self.sealed > 0 { self.close_ts.max(self.reveal_end) } else { self.close_ts }
    }

    /// A bid stands in the book, which holds `bids` now. The first one opens the window; one that took or improved the lead
    /// (`leads`) in its last three seconds extends it, at most three times and never past the job's wait.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn on_bid(&mut self, leads: bool, bids: usize, now: Now) -> RuleResult<()> {
        let mut next = *self;
        next.bids = u8::try_from(bids).map_err(|_| RuleError::Overflow)?;
        if next.state == JobState::Waiting {
            next.open_window(now)?;
        }
        // Nobody can answer a revealed bid, so a sealed auction needs no time for it.
        let open = next.terms.mode != Mode::Sealed;
        if leads && open && next.close_ts.since(now.ts) <= ANTI_SNIPE && next.extensions < MAX_EXTENSIONS {
            next.close_ts = next.close_ts.after(ANTI_SNIPE)?.min(next.expires_at);
            next.extensions += 1;
        }
        *self = next;
        Ok(())
    }

    /// The earliest time at which a bid that stands in the book now can have been made: the opening of its window. After a failed
    /// start the book is that of the same window, whose end is moved to the present; a revealing whose end was seen late moves the mark.
    pub fn book_began(&self) -> UnixTs {
        let extended = u64::from(self.extensions) * ANTI_SNIPE.0;
        let length = self.terms.window.0.saturating_add(extended);
        UnixTs(self.close_ts.0.saturating_sub(length)).min(self.mark.ts)
    }

    /// May the job be awarded at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::WindowOpen`], [`RuleError::RevealOpen`].
    pub fn check_award(&self, now: Now) -> RuleResult<()> {
        if self.state != JobState::Open {
            return Err(RuleError::WrongState);
        }
        if now.ts < self.close_ts {
            return Err(RuleError::WindowOpen);
        }
        // A bid that is not revealed by then costs its bond.
        if self.sealed > 0 && !deadline::reached(self.award_ts(), self.mark, now) {
            return Err(RuleError::RevealOpen);
        }
        Ok(())
    }

    /// The revealing of a sealed auction is over by the clock, but began too long ago to tell whether the chain stood still near its
    /// end: the first call after it records the present, and it is over a minute and sixty slots later. Returns whether this was
    /// that call.
    pub fn see_reveal_end(&mut self, now: Now) -> bool {
        let end = UnixTs(self.reveal_end.0.saturating_sub(1));
        let seen = self.state == JobState::Open
            && self.sealed > 0
            && deadline::stands(end, self.mark, now) == deadline::Deadline::Seen;
        if seen {
            self.mark = now;
        }
        seen
    }

    /// The best `count` bids were dropped because they are no longer good.
    pub fn drop_bids(&mut self, count: usize) {
        self.bids = self.bids.saturating_sub(u8::try_from(count).unwrap_or(u8::MAX));
    }

    /// Hands the winner's part of the reservation to a lease; returns it. The rest stays with the job until the lease is
    /// ready, so that a dearer runner-up can always take over.
    ///
    /// # Errors
    /// Those of [`Job::check_award`] and [`Job::check_bid_price`]; [`RuleError::Overflow`].
    pub fn award(&mut self, price: PricePerHour, now: Now) -> RuleResult<Atoms> {
        self.check_award(now)?;
        self.check_bid_price(price)?;
        let handed = cost_up(price, self.terms.max_duration)?.min(self.reserved);
        let leases = self.leases.checked_add(1).ok_or(RuleError::Overflow)?;
        self.reserved = self.reserved.sub(handed)?;
        self.leases = leases;
        self.bids = self.bids.saturating_sub(1); // none where an instant job is awarded
        self.state = JobState::Leased;
        Ok(handed)
    }

    /// Nobody in the book can take the job at `now`: the book is empty and the job waits again, for as long as it would have.
    /// No attempt is used; nobody has tried.
    ///
    /// # Errors
    /// Those of [`Job::check_award`].
    pub fn unawarded(&mut self, now: Now) -> RuleResult<()> {
        self.check_award(now)?;
        self.wait();
        Ok(())
    }

    /// A job that waited until [`Job::expires_at`] ends, whoever says so; returns what goes back to the purse.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it does not wait, [`RuleError::TooEarly`].
    pub fn expire(&mut self, now: UnixTs) -> RuleResult<Atoms> {
        if self.state != JobState::Waiting {
            return Err(RuleError::WrongState);
        }
        if now < self.expires_at {
            return Err(RuleError::TooEarly);
        }
        Ok(self.end(EndReason::NoBids))
    }

    /// The buyer takes the job back before an award; returns what goes back to the purse.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn cancel(&mut self) -> RuleResult<Atoms> {
        if !matches!(self.state, JobState::Open | JobState::Waiting) {
            return Err(RuleError::WrongState);
        }
        Ok(self.end(EndReason::Cancelled))
    }

    /// The lease is ready: what the job held beside it goes back to the purse, and whoever lost is free. A bid binds a provider
    /// to a start, not for as long as another one runs: a book that stayed would be awarded days later, to providers that have
    /// long sold their machines and would be faulted for it.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn on_ready(&mut self) -> RuleResult<Atoms> {
        if self.state != JobState::Leased {
            return Err(RuleError::WrongState);
        }
        self.bids = 0;
        Ok(core::mem::take(&mut self.reserved))
    }

    /// The node says that the work is done; `returned` is what the lease gives back. The job keeps it until the buyer accepts or
    /// the time to reopen is over, so that a reopened job has its money.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::Overflow`].
    pub fn on_finished(&mut self, returned: Atoms) -> RuleResult<()> {
        if self.state != JobState::Leased {
            return Err(RuleError::WrongState);
        }
        self.reserved = self.reserved.add(returned)?;
        self.bids = 0;
        self.state = JobState::Review;
        Ok(())
    }

    /// The lease ended for `reason` and hands `returned` back. Where the work was not done, the job goes on while attempts remain
    /// and the money pays for ten more minutes (or for the whole of a shorter job) at `price`, the lease's: with the next bid of
    /// the book at once, or waiting for new ones where there is none. Returns what goes back to the purse (zero while the job
    /// goes on).
    ///
    /// `certain`: a second provider, unrelated to the first, reported the same error of the buyer's; then the job ends by it.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::Overflow`].
    pub fn on_lease_end(
        &mut self,
        reason: EndReason,
        returned: Atoms,
        price: PricePerHour,
        certain: bool,
        now: UnixTs,
    ) -> RuleResult<Atoms> {
        if !matches!(self.state, JobState::Leased | JobState::Review) {
            return Err(RuleError::WrongState);
        }
        let mut next = *self;
        next.reserved = next.reserved.add(returned)?;
        if reason.costs_attempt() {
            next.attempts_left = next.attempts_left.saturating_sub(1);
        }
        let goes_on = reason.is_retried() && !(reason == EndReason::BuyerError && certain);
        // Leases are numbered in a byte; a job that wore out so many ends instead of standing still.
        if goes_on && next.attempts_left > 0 && next.leases < u8::MAX && next.affords(price)? {
            next.expires_at = now.after(next.terms.wait)?;
            if next.bids > 0 {
                // The window stays closed: the next of the book follows at once.
                next.state = JobState::Open;
                next.close_ts = now;
            } else {
                next.wait();
            }
            *self = next;
            return Ok(Atoms::ZERO);
        }
        let back = next.end(reason);
        *self = next;
        Ok(back)
    }

    /// The job is over and can be closed.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn check_close(&self) -> RuleResult<()> {
        if self.state != JobState::Ended {
            return Err(RuleError::WrongState);
        }
        Ok(())
    }

    fn end(&mut self, reason: EndReason) -> Atoms {
        self.state = JobState::Ended;
        self.reason = reason;
        self.bids = 0;
        core::mem::take(&mut self.reserved)
    }
}
