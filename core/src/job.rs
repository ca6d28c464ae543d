//! The life of a job, from its posting to its end: see [`TRANSITIONS`].

use crate::error::{RuleError, RuleResult};
use crate::limits::{
    ANTI_SNIPE, MAX_ATTEMPTS, MAX_DURATION, MAX_EXTENSIONS, MAX_PRICE, MIN_DURATION, MIN_RESERVATION,
    MIN_RESERVATION_TIME, START_BASE, START_MAX, START_PER_GB, WINDOW_BOUNDS,
};
use crate::quantity::{Atoms, PricePerHour, Seconds, UnixTs};
use crate::rounding::cost_up;
use crate::transition::Transition;

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
        "lease failed to start",
        JobState::Open,
        "fail_start, attempts left (runner-up next)",
    ),
    Transition::new(
        JobState::Leased,
        "lease failed to start",
        JobState::Ended,
        "fail_start, no attempt left (no start)",
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
}

impl EndReason {
    /// All of them, in order of their numbers.
    pub const ALL: [EndReason; 12] = [
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
    ];

    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub fn from_byte(byte: u8) -> RuleResult<Self> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(RuleError::WrongState)
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
    /// Length of the bidding window.
    pub window: Seconds,
    /// Attempts: windows without a bidder and failed starts together.
    pub attempts: u8,
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
    /// Times the window was extended.
    pub extensions: u8,
    /// Attempts left.
    pub attempts_left: u8,
    /// Leases opened so far; the number of the next one.
    pub leases: u8,
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
        Ok(Self {
            state: JobState::Open,
            reason: EndReason::None,
            terms,
            reserved: terms.cap()?,
            close_ts: now.after(terms.window)?,
            extensions: 0,
            attempts_left: terms.attempts,
            leases: 0,
        })
    }

    /// May a bid of `price` be entered at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::WindowClosed`], [`RuleError::PriceOutOfBounds`], [`RuleError::BidAboveMax`].
    pub fn check_bid(&self, price: PricePerHour, now: UnixTs) -> RuleResult<()> {
        if self.state != JobState::Open {
            return Err(RuleError::WrongState);
        }
        if now >= self.close_ts {
            return Err(RuleError::WindowClosed);
        }
        check_price(price)?;
        if price > self.terms.max_price {
            return Err(RuleError::BidAboveMax);
        }
        Ok(())
    }

    /// The best bid was taken or improved at `now`: in the last three seconds this extends the window, at most three times.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn on_lead(&mut self, now: UnixTs) -> RuleResult<()> {
        if self.close_ts.since(now) <= ANTI_SNIPE && self.extensions < MAX_EXTENSIONS {
            self.close_ts = self.close_ts.after(ANTI_SNIPE)?;
            self.extensions += 1;
        }
        Ok(())
    }

    /// May the job be awarded at `now`?
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::WindowOpen`].
    pub fn check_award(&self, now: UnixTs) -> RuleResult<()> {
        if self.state != JobState::Open {
            return Err(RuleError::WrongState);
        }
        if now < self.close_ts {
            return Err(RuleError::WindowOpen);
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

    /// Nobody in the book can take the job at `now`.
    ///
    /// # Errors
    /// Those of [`Job::check_award`].
    pub fn unawarded(&mut self, now: UnixTs) -> RuleResult<Unawarded> {
        self.check_award(now)?;
        let attempts_left = self.attempts_left.saturating_sub(1);
        if attempts_left > 0 {
            self.close_ts = now.after(self.terms.window)?;
            self.attempts_left = attempts_left;
            self.extensions = 0;
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

    /// The lease failed to start and hands `returned` back: the runner-up is next, at once, while attempts remain.
    /// Returns what goes back to the purse (zero while the job goes on).
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::Overflow`].
    pub fn on_no_start(&mut self, returned: Atoms, now: UnixTs) -> RuleResult<Atoms> {
        if self.state != JobState::Leased {
            return Err(RuleError::WrongState);
        }
        self.reserved = self.reserved.add(returned)?;
        self.attempts_left = self.attempts_left.saturating_sub(1);
        if self.attempts_left == 0 {
            return Ok(self.end(EndReason::NoStart));
        }
        self.state = JobState::Open;
        self.close_ts = now;
        self.extensions = MAX_EXTENSIONS; // the window is over; nothing extends it
        Ok(Atoms::ZERO)
    }

    /// The lease ended for `reason`; returns what the job still held.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn on_lease_end(&mut self, reason: EndReason) -> RuleResult<Atoms> {
        if self.state != JobState::Leased {
            return Err(RuleError::WrongState);
        }
        Ok(self.end(reason))
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
