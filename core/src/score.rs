//! The score of a bid and the price of an automatic one.
//!
//! ```text
//! score = w_rep·R + w_price·(max − price)/max + w_up·U + w_speed·S
//! ```
//!
//! Weights and components are basis points, so a score is counted in 10⁻⁸ of the scale and lies in 0..=100,000,000.

use crate::error::{RuleError, RuleResult};
use crate::limits::AUTO_BID_STEP;
use crate::quantity::{Bps, PricePerHour};
use crate::rounding::{mul_div_down, mul_div_up};

/// How much each component counts; the four add up to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Reputation.
    pub reputation: Bps,
    /// Price.
    pub price: Bps,
    /// Uptime.
    pub uptime: Bps,
    /// Speed of start.
    pub speed: Bps,
}

impl Weights {
    /// From the order in which accounts and arguments hold them: reputation, price, uptime, speed.
    ///
    /// # Errors
    /// [`RuleError::WeightsNotWhole`].
    pub fn new(parts: [u16; 4]) -> RuleResult<Self> {
        let sum: u32 = parts.iter().map(|part| u32::from(*part)).sum();
        if sum != u32::from(Bps::WHOLE.0) {
            return Err(RuleError::WeightsNotWhole);
        }
        let [reputation, price, uptime, speed] = parts;
        Ok(Self { reputation: Bps(reputation), price: Bps(price), uptime: Bps(uptime), speed: Bps(speed) })
    }
}

/// What is known of a bidder besides its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merit {
    /// Reputation `R`.
    pub reputation: Bps,
    /// Uptime `U`.
    pub uptime: Bps,
    /// Speed `S`.
    pub speed: Bps,
}

fn part(weight: Bps, component: Bps) -> u32 {
    u32::from(weight.0) * u32::from(component.0.min(Bps::WHOLE.0))
}

fn merit_score(weights: &Weights, merit: &Merit) -> u32 {
    part(weights.reputation, merit.reputation) + part(weights.uptime, merit.uptime) + part(weights.speed, merit.speed)
}

/// The score of a bid of `price` for a job that pays at most `max`.
///
/// # Errors
/// [`RuleError::BidAboveMax`]; [`RuleError::PriceOutOfBounds`] for a price of zero.
pub fn score(weights: &Weights, merit: &Merit, price: PricePerHour, max: PricePerHour) -> RuleResult<u32> {
    if price.is_zero() {
        return Err(RuleError::PriceOutOfBounds);
    }
    if price > max {
        return Err(RuleError::BidAboveMax);
    }
    let full = u64::from(weights.price.0) * 10_000;
    let by_price = mul_div_down(max.0 - price.0, full, max.0)?;
    // At most 10⁸ in all, because the weights add up to the whole.
    let by_price = u32::try_from(by_price).map_err(|_| RuleError::Overflow)?;
    merit_score(weights, merit).checked_add(by_price).ok_or(RuleError::Overflow)
}

/// The price at which an `auto_bid` offer enters a book: its ask where that already leads, else the highest price that
/// beats the best score by a quarter of a per cent, never below `floor`. Where not even the floor leads, the offer stands at
/// its ask: nothing is won by being the cheaper runner-up. `best` is the best score of another provider.
///
/// # Errors
/// [`RuleError::BidAboveMax`] where even the floor is above what the job pays.
pub fn auto_bid_price(
    weights: &Weights,
    merit: &Merit,
    ask: PricePerHour,
    floor: PricePerHour,
    max: PricePerHour,
    best: Option<u32>,
) -> RuleResult<PricePerHour> {
    if floor > max {
        return Err(RuleError::BidAboveMax);
    }
    let start = ask.min(max);
    let Some(best) = best else { return Ok(start) };
    if score(weights, merit, start, max)? > best {
        return Ok(start);
    }
    let full = u64::from(weights.price.0) * 10_000;
    if full == 0 {
        return Ok(start); // the price does not count: lowering it gains nothing
    }
    let target = u64::from(best) + u64::from(AUTO_BID_STEP);
    let needed = target.saturating_sub(u64::from(merit_score(weights, merit)));
    // floor((max − p)·full/max) ≥ needed  ⇔  p ≤ max − ceil(needed·max/full)
    let discount = mul_div_up(needed, max.0, full)?;
    // One atom at least: a price of zero is no bid, whatever the floor says.
    let price = PricePerHour(max.0.saturating_sub(discount)).max(floor).max(PricePerHour(1)).min(start);
    Ok(if score(weights, merit, price, max)? > best { price } else { start })
}
