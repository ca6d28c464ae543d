//! The life of a job, from its posting to its end: see [`TRANSITIONS`].

use crate::bond;
use crate::error::{RuleError, RuleResult};
use crate::limits::{
    ANTI_SNIPE, CHECKPOINT_BOUNDS, MAX_ATTEMPTS, MAX_DURATION, MAX_EXTENSIONS, MAX_NOTICE, MAX_PRICE, MIN_DURATION,
    MIN_RESERVATION, MIN_RESERVATION_TIME, REVEAL_BOUNDS, SPOT_NOTICE, START_BASE, START_MAX, START_PER_GB,
    WINDOW_BOUNDS,
};
use crate::quantity::{Atoms, PricePerHour, Seconds, UnixTs};
use crate::requirement::flags;
use crate::rounding::cost_up;
use crate::transition::Transition;

/// How a job finds its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// A reverse auction with public bids.
    #[default]
    Open = 0,
    /// A standing offer is taken at its ask in the transaction that posts the job. Where that lease fails to start, the
    /// job goes on as an open auction.
    Instant = 1,
    /// Bids are committed unseen and then revealed.
    Sealed = 2,
}

impl Mode {
    /// From its byte in an account or in arguments.
    ///
    /// # Errors
    /// [`RuleError::WrongMode`] for an unknown byte.
    pub const fn from_byte(byte: u8) -> RuleResult<Self> {
        match byte {
            0 => Ok(Self::Open),
            1 => Ok(Self::Instant),
            2 => Ok(Self::Sealed),
            _ => Err(RuleError::WrongMode),
        }
    }
}

/// [`Job::extensions`] of a job whose lease failed to start: the window is over, nothing extends it, and the attempt is
/// counted already.
pub const AFTER_NO_START: u8 = MAX_EXTENSIONS + 1;
/// [`Job::sealed`] of a round with this many sealed bids or more: they are not counted down any longer, so that nobody
/// can fill a count, and the award waits for the end of the revealing.
pub const SEALED_UNCOUNTED: u8 = u8::MAX;

/// Every step that moves a job on.
pub const TRANSITIONS: &[Transition<JobState>] = &[
    Transition::begins("post", JobState::Open, "post_job"),
    Transition::new(JobState::Open, "award", JobState::Leased, "award to a bidder"),
    Transition::new(JobState::Open, "nobody left", JobState::Open, "award, nobody left, attempts left (new window)"),
    Transition::new(JobState::Open, "nobody left", JobState::Ended, "award, nobody left, no attempt left (no bids)"),
    Transition::new(JobState::Open, "cancel", JobState::Ended, "cancel_job (cancelled)"),
    Transition::new(
        JobState::Leased,
        "lease ready",
        JobState::Leased,
        "ready (what it held beside the lease goes back)",
    ),
    Transition::new(
        JobState::Leased,
        "lease failed",
        JobState::Open,
        "its lease ended before the work was done, attempts and money left, bids left (runner-up next) or not (new window)",
    ),
    Transition::new(
        JobState::Leased,
        "lease failed",
        JobState::Ended,
        "the same, with no attempt or no money left (its reason)",
    ),
    Transition::new(JobState::Leased, "lease ended", JobState::Ended, "its lease ended (its reason)"),
    Transition::ends(JobState::Ended, "close", "close_job"),
];

/// States of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum JobState {
    /// Takes bids, or waits for its award once the window is over.
    Open = 1,
    /// A lease holds its reservation.
    Leased = 2,
    /// Over; the account can be closed.
    Ended = 3,
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
            _ => Err(RuleError::WrongState),
        }
    }
}

/// Why a job or a lease ended; one list for both. Never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// Not ended.
    None = 0,
    /// The container ran to its end, whatever its exit code.
    Completed = 1,
    /// The buyer stopped it.
    Stopped = 2,
    /// The reservation was used up.
    OutOfFunds = 3,
    /// The node did not start in time, or gave up starting.
    NoStart = 4,
    /// The node left without notice.
    Abandoned = 5,
    /// The node did not answer liveness challenges.
    Unreachable = 6,
    /// A verdict ended it.
    Verdict = 7,
    /// Nobody bid.
    NoBids = 8,
    /// The buyer cancelled before an award.
    Cancelled = 9,
    /// The buyer rejected the start.
    Rejected = 10,
    /// The provider left with notice.
    Notice = 11,
    /// The job wrote more than the disk that it paid for.
    DiskFull = 12,
}

impl EndReason {
    /// All of them, in order of their numbers.
    pub const ALL: [EndReason; 13] = [
        Self::None,
        Self::Completed,
        Self::Stopped,
        Self::OutOfFunds,
        Self::NoStart,
        Self::Abandoned,
        Self::Unreachable,
        Self::Verdict,
        Self::NoBids,
        Self::Cancelled,
        Self::Rejected,
        Self::Notice,
        Self::DiskFull,
    ];

    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub fn from_byte(byte: u8) -> RuleResult<Self> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(RuleError::WrongState)
    }

    /// Was the work left undone in a way that another provider may take it over?
    pub const fn is_retried(self) -> bool {
        matches!(self, Self::NoStart | Self::Rejected | Self::Abandoned | Self::Unreachable | Self::Notice)
    }

    /// The words that a person reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "running",
            Self::Completed => "completed",
            Self::Stopped => "stopped by the buyer",
            Self::OutOfFunds => "out of funds",
            Self::NoStart => "did not start",
            Self::Abandoned => "abandoned by the node",
            Self::Unreachable => "unreachable",
            Self::Verdict => "ended by a verdict",
            Self::NoBids => "no bids",
            Self::Cancelled => "cancelled",
            Self::Rejected => "start rejected",
            Self::Notice => "left with notice",
            Self::DiskFull => "disk full",
        }
    }
}

/// What a buyer asks for when it posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most it pays per hour.
    pub max_price: PricePerHour,
    /// The longest that the lease runs on this reservation.
    pub max_duration: Seconds,
    /// Length of the bidding window; of the committing in a sealed auction.
    pub window: Seconds,
    /// Attempts: windows without a bidder and failed starts together.
    pub attempts: u8,
    /// How it finds its provider.
    pub mode: Mode,
    /// Length of the revealing in a sealed auction, zero in every other.
    pub reveal: Seconds,
}

impl Terms {
    /// Are the terms inside their bounds?
    ///
    /// # Errors
    /// [`RuleError::PriceOutOfBounds`], [`RuleError::DurationOutOfBounds`], [`RuleError::AttemptsOutOfBounds`].
    pub fn check(&self) -> RuleResult<()> {
        check_price(self.max_price)?;
        if self.max_duration < MIN_DURATION || self.max_duration > MAX_DURATION {
            return Err(RuleError::DurationOutOfBounds);
        }
        if self.window < WINDOW_BOUNDS.0 || self.window > WINDOW_BOUNDS.1 {
            return Err(RuleError::DurationOutOfBounds);
        }
        let reveal = if self.mode == Mode::Sealed { REVEAL_BOUNDS } else { (Seconds::ZERO, Seconds::ZERO) };
        if self.reveal < reveal.0 || self.reveal > reveal.1 {
            return Err(RuleError::DurationOutOfBounds);
        }
        if self.attempts == 0 || self.attempts > MAX_ATTEMPTS {
            return Err(RuleError::AttemptsOutOfBounds);
        }
        Ok(())
    }

    /// What posting reserves: the maximum price for the longest duration, at least 0.10 USDC and at least ten minutes
    /// at that price.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn cap(&self) -> RuleResult<Atoms> {
        let full = cost_up(self.max_price, self.max_duration)?;
        let least = cost_up(self.max_price, MIN_RESERVATION_TIME)?.max(MIN_RESERVATION);
        Ok(full.max(least))
    }
}

/// Is a price one that can be quoted?
///
/// # Errors
/// [`RuleError::PriceOutOfBounds`].
pub fn check_price(price: PricePerHour) -> RuleResult<()> {
    if price.is_zero() || price > MAX_PRICE { Err(RuleError::PriceOutOfBounds) } else { Ok(()) }
}

/// Are the agreed notice and the time between checkpoints inside their bounds? Zero stands for "none" in both.
///
/// # Errors
/// [`RuleError::DurationOutOfBounds`].
pub fn check_care(notice: Seconds, checkpoint: Seconds) -> RuleResult<()> {
    let outside = !checkpoint.is_zero() && (checkpoint < CHECKPOINT_BOUNDS.0 || checkpoint > CHECKPOINT_BOUNDS.1);
    if notice > MAX_NOTICE || outside { Err(RuleError::DurationOutOfBounds) } else { Ok(()) }
}

/// The notice with which a provider may leave: two minutes from a spot offer, else what the job agrees to.
pub fn notice_of(offer_flags: u32, agreed: Seconds) -> Seconds {
    if offer_flags & flags::SPOT != 0 { SPOT_NOTICE } else { agreed }
}

/// Deadline for `ready` of a lease awarded at `awarded` whose image has `image_mb` megabytes (10⁶ bytes):
/// 120 s + 20 s for each gigabyte begun, at most 900 s.
///
/// # Errors
/// [`RuleError::Overflow`].
pub fn start_deadline(awarded: UnixTs, image_mb: u32) -> RuleResult<UnixTs> {
    let gigabytes = u64::from(image_mb).div_ceil(1_000);
    let allowed = START_BASE.0 + START_PER_GB.0 * gigabytes;
    awarded.after(Seconds(allowed).min(START_MAX))
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
    /// End of the bidding window.
    pub close_ts: UnixTs,
    /// Times the window was extended, or [`AFTER_NO_START`].
    pub extensions: u8,
    /// Attempts left.
    pub attempts_left: u8,
    /// Leases opened so far; the number of the next one.
    pub leases: u8,
    /// End of the revealing of a sealed auction; zero for the other modes. It also names the round: a sealed bid counts in
    /// the round whose end it records.
    pub reveal_end: UnixTs,
    /// Sealed bids of this round that are not revealed, or [`SEALED_UNCOUNTED`].
    pub sealed: u8,
    /// Stake that a sealed bid binds; zero for the other modes.
    pub sealed_bond: Atoms,
}

/// What a failed award does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unawarded {
    /// The job takes bids again.
    Reopened,
    /// The job ended; this much goes back to the purse's free balance.
    Refunded(Atoms),
}

impl Job {
    /// A job posted at `now`, with its cap reserved.
    ///
    /// # Errors
    /// Those of [`Terms::check`] and [`Terms::cap`].
    pub fn post(terms: Terms, now: UnixTs) -> RuleResult<Self> {
        terms.check()?;
        let reserved = terms.cap()?;
        let mut job = Self {
            state: JobState::Open,
            reason: EndReason::None,
            terms,
            reserved,
            close_ts: now,
            extensions: 0,
            attempts_left: terms.attempts,
            leases: 0,
            reveal_end: UnixTs::ZERO,
            sealed: 0,
            sealed_bond: Atoms::ZERO,
        };
        match terms.mode {
            // The offer is taken at once; only after a failed start is there a window.
            Mode::Instant => {}
            Mode::Open => job.open_window(now)?,
            Mode::Sealed => {
                job.sealed_bond = bond::sealed_bond(reserved, terms.max_price, terms.max_duration)?;
                job.open_window(now)?;
            }
        }
        Ok(job)
    }

    fn open_window(&mut self, now: UnixTs) -> RuleResult<()> {
        let close_ts = now.after(self.terms.window)?;
        if self.terms.mode == Mode::Sealed {
            self.reveal_end = close_ts.after(self.terms.reveal)?;
        }
        self.close_ts = close_ts;
        self.extensions = 0;
        self.sealed = 0;
        Ok(())
    }

    /// May a public bid of `price` be entered at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongMode`], [`RuleError::WrongState`], [`RuleError::WindowClosed`], [`RuleError::PriceOutOfBounds`],
    /// [`RuleError::BidAboveMax`].
    pub fn check_bid(&self, price: PricePerHour, now: UnixTs) -> RuleResult<()> {
        if self.terms.mode == Mode::Sealed {
            return Err(RuleError::WrongMode);
        }
        self.check_window(now)?;
        self.check_bid_price(price)
    }

    fn check_window(&self, now: UnixTs) -> RuleResult<()> {
        if self.state != JobState::Open {
            return Err(RuleError::WrongState);
        }
        if now >= self.close_ts {
            return Err(RuleError::WindowClosed);
        }
        Ok(())
    }

    /// Is a price one that this job takes?
    ///
    /// # Errors
    /// [`RuleError::PriceOutOfBounds`], [`RuleError::BidAboveMax`].
    pub fn check_bid_price(&self, price: PricePerHour) -> RuleResult<()> {
        check_price(price)?;
        if price > self.terms.max_price {
            return Err(RuleError::BidAboveMax);
        }
        Ok(())
    }

    /// May a sealed bid be committed at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongMode`], [`RuleError::WrongState`], [`RuleError::WindowClosed`].
    pub fn check_commit(&self, now: UnixTs) -> RuleResult<()> {
        if self.terms.mode != Mode::Sealed {
            return Err(RuleError::WrongMode);
        }
        self.check_window(now)
    }

    /// A sealed bid was committed.
    pub fn on_commit(&mut self) {
        self.sealed = self.sealed.saturating_add(1);
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

    /// The best bid was taken or improved at `now`: in the last three seconds this extends the window, at most three times.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn on_lead(&mut self, now: UnixTs) -> RuleResult<()> {
        // Nobody can answer a revealed bid, so a sealed auction needs no time for it.
        if self.terms.mode != Mode::Sealed && self.close_ts.since(now) <= ANTI_SNIPE && self.extensions < MAX_EXTENSIONS
        {
            self.close_ts = self.close_ts.after(ANTI_SNIPE)?;
            self.extensions += 1;
        }
        Ok(())
    }

    /// The earliest time at which a bid that stands in the book now can have been made. After a failed start the book is that of
    /// an earlier window: every start before has had fifteen minutes at most.
    pub fn book_began(&self) -> UnixTs {
        let (extensions, starts) =
            if self.extensions == AFTER_NO_START { (MAX_EXTENSIONS, self.leases) } else { (self.extensions, 0) };
        let window = self.terms.window.0.saturating_add(u64::from(extensions) * ANTI_SNIPE.0);
        let before = window.saturating_add(u64::from(starts) * START_MAX.0);
        UnixTs(self.close_ts.0.saturating_sub(before))
    }

    /// May the job be awarded at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::WindowOpen`], [`RuleError::RevealOpen`].
    pub fn check_award(&self, now: UnixTs) -> RuleResult<()> {
        if self.state != JobState::Open {
            return Err(RuleError::WrongState);
        }
        if now < self.close_ts {
            return Err(RuleError::WindowOpen);
        }
        if now < self.award_ts() {
            return Err(RuleError::RevealOpen);
        }
        Ok(())
    }

    /// Hands the winner's part of the reservation to a lease; returns it. The rest stays with the job until the lease is
    /// ready, so that a dearer runner-up can always take over.
    ///
    /// # Errors
    /// Those of [`Job::check_award`]; [`RuleError::BidAboveMax`], [`RuleError::Overflow`].
    pub fn award(&mut self, price: PricePerHour, now: UnixTs) -> RuleResult<Atoms> {
        self.check_award(now)?;
        if price > self.terms.max_price {
            return Err(RuleError::BidAboveMax);
        }
        let handed = cost_up(price, self.terms.max_duration)?.min(self.reserved);
        let leases = self.leases.checked_add(1).ok_or(RuleError::Overflow)?;
        self.reserved = self.reserved.sub(handed)?;
        self.leases = leases;
        self.state = JobState::Leased;
        Ok(handed)
    }

    /// Nobody in the book can take the job at `now`. A window without a winner costs an attempt; a runner-up that is not
    /// there after a failed start costs none, because that start has cost one already.
    ///
    /// # Errors
    /// Those of [`Job::check_award`].
    pub fn unawarded(&mut self, now: UnixTs) -> RuleResult<Unawarded> {
        self.check_award(now)?;
        let counted = self.extensions == AFTER_NO_START;
        let attempts_left = self.attempts_left.saturating_sub(if counted { 0 } else { 1 });
        if attempts_left > 0 {
            self.open_window(now)?;
            self.attempts_left = attempts_left;
            return Ok(Unawarded::Reopened);
        }
        self.attempts_left = 0;
        Ok(Unawarded::Refunded(self.end(EndReason::NoBids)))
    }

    /// The buyer takes the job back before an award; returns what goes back to the purse.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn cancel(&mut self) -> RuleResult<Atoms> {
        if self.state != JobState::Open {
            return Err(RuleError::WrongState);
        }
        Ok(self.end(EndReason::Cancelled))
    }

    /// The lease is ready: what the job held beside it goes back to the purse.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn on_ready(&mut self) -> RuleResult<Atoms> {
        if self.state != JobState::Leased {
            return Err(RuleError::WrongState);
        }
        Ok(core::mem::take(&mut self.reserved))
    }

    /// The lease ended for `reason` and hands `returned` back. Where the work was not done and the provider is to blame, or
    /// left with notice, the job goes on while attempts remain and the money pays for ten more minutes (or for the whole of a
    /// shorter job) at `price`, the lease's: to the next of the `bidders` in the book at once, or to a new window where there
    /// is none. Returns what goes back to the purse (zero while the job goes on).
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::Overflow`].
    pub fn on_lease_end(
        &mut self,
        reason: EndReason,
        returned: Atoms,
        price: PricePerHour,
        bidders: usize,
        now: UnixTs,
    ) -> RuleResult<Atoms> {
        if self.state != JobState::Leased {
            return Err(RuleError::WrongState);
        }
        let mut next = *self;
        next.reserved = next.reserved.add(returned)?;
        if reason.is_retried() {
            next.attempts_left = next.attempts_left.saturating_sub(1);
            let enough = cost_up(price, next.terms.max_duration.min(MIN_RESERVATION_TIME))?;
            if next.attempts_left > 0 && next.reserved >= enough {
                next.state = JobState::Open;
                if bidders > 0 {
                    next.close_ts = now;
                    next.extensions = AFTER_NO_START;
                } else {
                    next.open_window(now)?;
                }
                *self = next;
                return Ok(Atoms::ZERO);
            }
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
        core::mem::take(&mut self.reserved)
    }
}
