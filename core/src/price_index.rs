//! What an hour of one kind of GPU costs: the mean of the last cleared trades.
//!
//! An index is a witness, not a party: nothing in the market reads it to decide. It resists as far as three rules go: a trade
//! enters at most five per cent above or below the present index; it must have paid a fee, for at least ten minutes; and one
//! buyer holds at most a tenth of the ring. Where few have traded, few have spoken: a reader looks at
//! [`PriceIndex::len`] before it believes.

use crate::error::{RuleError, RuleResult};
use crate::gpu::{MODELS, REGIONS};
use crate::job::EndReason;
use crate::lease::Lease;
use crate::limits::MAX_PRICE;
use crate::quantity::{Atoms, Bps, PricePerHour, Seconds, UnixTs};
use crate::reputation::{Mark, ended_well};
use crate::rounding::{cost_down, mul_div_down, mul_div_up, share_up};

/// Trades that an index keeps.
pub const TRADES: usize = 64;
/// A trade enters at most this far from the present index: five per cent.
pub const CLAMP: Bps = Bps(500);
/// A trade counts only where its lease has paid a fee of at least this: 0.10 USDC, the fee on 5 USDC.
///
/// Who moves the index trades with itself and loses the fees alone. To halve a full ring takes 454 trades by eleven buyers, so
/// 45.40 USDC, and for each trade ten minutes with 5 USDC in it (`core/tests/second_edition/r21_price_index.rs`). A reader may
/// trust the index as far as that; nothing in the market decides by it.
pub const LEAST_FEE: Atoms = Atoms(100_000);
/// A trade counts only where its lease has paid for at least this much time.
pub const LEAST_TIME: Seconds = Seconds(600);
/// One buyer holds at most one in this many of the trades, and always may hold one.
pub const ONE_BUYER_IN: usize = 10;

/// One cleared trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trade {
    /// Price of one GPU for an hour, as it was clamped.
    pub price: PricePerHour,
    /// When its lease ended.
    pub ts: UnixTs,
    /// Its buyer.
    pub buyer: Mark,
}

/// Where and how a trade was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the ring.
    pub at: usize,
    /// The price at which it stands there.
    pub price: PricePerHour,
}

/// The index of one GPU model in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceIndex {
    /// The trades; the first [`PriceIndex::len`] are in use.
    pub trades: [Trade; TRADES],
    /// Trades in the ring.
    pub len: u8,
    /// The oldest place once the ring is full: where the next trade is written.
    pub next: u8,
    /// The mean of the ring; zero while it is empty.
    pub price: PricePerHour,
}

impl Default for PriceIndex {
    fn default() -> Self {
        Self { trades: [Trade::default(); TRADES], len: 0, next: 0, price: PricePerHour::ZERO }
    }
}

/// May there be an index for this model in this region? Not for CPU machines or models that are "other", which share no price.
///
/// # Errors
/// [`RuleError::InvalidSpec`].
pub fn check_class(gpu_model: u8, region: u8) -> RuleResult<()> {
    let known = gpu_model != 0 && usize::from(gpu_model) < MODELS.len() && usize::from(region) < REGIONS.len();
    if known { Ok(()) } else { Err(RuleError::InvalidSpec) }
}

/// Price of one of `gpus` GPUs of a lease at `price`, rounded up, so that it is never zero.
///
/// # Errors
/// [`RuleError::InvalidSpec`] where the lease has no GPU.
pub fn per_gpu_up(price: PricePerHour, gpus: u8) -> RuleResult<PricePerHour> {
    if gpus == 0 {
        return Err(RuleError::InvalidSpec);
    }
    mul_div_up(price.0, 1, gpus.into()).map(PricePerHour)
}

/// Is a lease a trade that counts? It is over and has been paid in full, ended without a fault, and paid enough, for long enough.
///
/// # Errors
/// Those of [`Lease::check_paid`]; [`RuleError::NotATrade`].
pub fn check_trade(lease: &Lease) -> RuleResult<()> {
    lease.check_paid()?;
    let faultless = ended_well(lease.reason) || matches!(lease.reason, EndReason::Notice);
    let ran = lease.paid.add(lease.fee)? >= cost_down(lease.price, LEAST_TIME)?;
    if faultless && ran && lease.fee >= LEAST_FEE { Ok(()) } else { Err(RuleError::NotATrade) }
}

impl PriceIndex {
    /// Trades in the ring.
    pub fn len(&self) -> usize {
        usize::from(self.len).min(TRADES)
    }

    /// Is there no trade yet?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The price at which a trade enters: at most five per cent (rounded up, so that even an index of one atom moves) away
    /// from the present index; the first one as it is.
    ///
    /// # Errors
    /// [`RuleError::PriceOutOfBounds`] for a price that cannot be quoted; [`RuleError::InvariantBroken`] for an index with
    /// trades that stands where none can bring it.
    pub fn clamp(&self, price: PricePerHour) -> RuleResult<PricePerHour> {
        if price.is_zero() || price > MAX_PRICE {
            return Err(RuleError::PriceOutOfBounds);
        }
        if self.is_empty() {
            return Ok(price);
        }
        let room = share_up(Atoms(self.price.0), CLAMP)?.0;
        let low = self.price.0.saturating_sub(room).max(1);
        let high = self.price.0.saturating_add(room).min(MAX_PRICE.0);
        if low > high {
            return Err(RuleError::InvariantBroken);
        }
        Ok(PricePerHour(price.0.clamp(low, high)))
    }

    /// Takes a trade in; returns where it stands now and at which price. A buyer that already holds its tenth of the ring takes
    /// the place of its own oldest trade; otherwise the ring grows, or forgets its oldest.
    ///
    /// # Errors
    /// Those of [`PriceIndex::clamp`].
    pub fn record(&mut self, price: PricePerHour, buyer: Mark, ts: UnixTs) -> RuleResult<Recorded> {
        let price = self.clamp(price)?;
        let at = self.place(&buyer);
        let place = self.trades.get_mut(at).ok_or(RuleError::InvariantBroken)?;
        *place = Trade { price, ts, buyer };
        if at == self.len() {
            self.len += 1; // at most TRADES
        } else if at == usize::from(self.next) && self.len() == TRADES {
            self.next = ((at + 1) % TRADES) as u8;
        }
        self.price = self.mean()?;
        Ok(Recorded { at, price })
    }

    /// Where a trade of this buyer goes.
    fn place(&self, buyer: &Mark) -> usize {
        let len = self.len();
        let full = len == TRADES;
        let due = if full { usize::from(self.next) % TRADES } else { len };
        // After it, the ring has this many trades, and the buyer these (the one that is forgotten aside).
        let after = if full { TRADES } else { len + 1 };
        let mut held = 0;
        let mut oldest: Option<(UnixTs, usize)> = None;
        for (at, trade) in self.trades.iter().take(len).enumerate() {
            if trade.buyer == *buyer && at != due {
                held += 1;
                if oldest.is_none_or(|(ts, _)| trade.ts < ts) {
                    oldest = Some((trade.ts, at));
                }
            }
        }
        match oldest {
            Some((_, at)) if held >= most_of_one_buyer(after) => at,
            _ => due,
        }
    }

    /// The mean of the ring, rounded down.
    fn mean(&self) -> RuleResult<PricePerHour> {
        let mut sum = 0u64;
        for trade in self.trades.iter().take(self.len()) {
            sum = sum.checked_add(trade.price.0).ok_or(RuleError::Overflow)?;
        }
        mul_div_down(sum, 1, self.len() as u64).map(PricePerHour)
    }
}

/// The most trades of one buyer in a ring of `len`: a tenth, rounded down, and at least one.
pub const fn most_of_one_buyer(len: usize) -> usize {
    let tenth = len / ONE_BUYER_IN;
    if tenth == 0 { 1 } else { tenth }
}
