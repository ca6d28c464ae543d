//! What a buyer asks for when it posts, its bounds, and the amounts and times that follow from it.

use crate::error::{RuleError, RuleResult};
use crate::limits::{
    CHECKPOINT_BOUNDS, LEAST_SHARE_OF_MAX, MAX_ATTEMPTS, MAX_DURATION, MAX_NOTICE, MAX_PRICE, MAX_WAIT, MIN_DURATION,
    MIN_RESERVATION, MIN_RESERVATION_TIME, MINUTE, REVEAL_BOUNDS, REVIEW_BOUNDS, SPOT_NOTICE, START_BASE, START_MAX,
    START_PER_GB, WINDOW_BOUNDS,
};
use crate::quantity::{Atoms, PricePerHour, Seconds, UnixTs};
use crate::requirement::flags;
use crate::rounding::{cost_up, share_up};

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

/// What a buyer asks for when it posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most it pays per hour.
    pub max_price: PricePerHour,
    /// The longest that the lease runs on this reservation.
    pub max_duration: Seconds,
    /// Length of the bidding window; of the committing in a sealed auction.
    pub window: Seconds,
    /// Attempts: leases that may fail before the job is given up.
    pub attempts: u8,
    /// How it finds its provider.
    pub mode: Mode,
    /// Length of the revealing in a sealed auction, zero in every other.
    pub reveal: Seconds,
    /// How long it waits for a window to end with a winner: since its posting, and anew since a lease that failed.
    ///
    /// Counted from the posting alone, a job of a month that waits a day could not be taken up again after its first day.
    pub wait: Seconds,
    /// For how long the buyer may reopen it after the node finished; zero for as long as the lease ran, see
    /// [`review_time`].
    pub review: Seconds,
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
        if self.wait < Seconds(self.window.0 + self.reveal.0) || self.wait > MAX_WAIT {
            return Err(RuleError::DurationOutOfBounds);
        }
        let outside = self.review < REVIEW_BOUNDS.0 || self.review > REVIEW_BOUNDS.2;
        if !self.review.is_zero() && outside {
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

/// What a job must hold for a lease at `price`: ten minutes' worth, or the whole of a shorter job. A lease for less helps nobody:
/// the provider would pull and start for money that is used up when it is ready.
///
/// # Errors
/// [`RuleError::Overflow`].
pub fn least_funds(price: PricePerHour, max_duration: Seconds) -> RuleResult<Atoms> {
    cost_up(price, max_duration.min(MIN_RESERVATION_TIME))
}

/// **The minute**: sixty seconds at the lease's price or at a tenth of the job's maximum, whichever is more, rounded up. What a
/// start costs each side that ends it without a fault; it goes to the insurance fund, never to the other side, so that nobody
/// gains by an end that can be staged, and a price of an atom does not make it free.
///
/// # Errors
/// [`RuleError::Overflow`].
pub fn minute(price: PricePerHour, max_price: PricePerHour) -> RuleResult<Atoms> {
    let least = share_up(Atoms(max_price.0), LEAST_SHARE_OF_MAX)?;
    cost_up(price.max(PricePerHour(least.0)), MINUTE)
}

/// For how long a buyer may reopen a job whose node finished it after `ran`: what the job `posted`, else for as long as it
/// ran, at least a minute, at most ten.
pub fn review_time(ran: Seconds, posted: Seconds) -> Seconds {
    let (least, most, _) = REVIEW_BOUNDS;
    if posted.is_zero() { Seconds(ran.0.clamp(least.0, most.0)) } else { posted }
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
