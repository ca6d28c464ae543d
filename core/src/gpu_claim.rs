//! Claims of GPUs: each GPU stands in one offer only, across all providers, and an offer takes leases only with all of its
//! GPUs claimed.

use crate::error::{RuleError, RuleResult};
use crate::limits::{CLAIM_STAKE, CLAIM_STALE};
use crate::quantity::{Atoms, UnixTs};

/// What of an offer counts for its claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Leases that fit at the same time.
    pub units: u16,
    /// Leases that fit now.
    pub units_free: u16,
    /// GPUs of one unit.
    pub gpu_count: u8,
    /// GPUs that are claimed for the offer.
    pub claimed: u16,
}

impl Claims {
    /// GPUs of all units.
    #[must_use]
    pub const fn needed(&self) -> u32 {
        self.units as u32 * self.gpu_count as u32
    }

    /// GPUs of the units in use.
    #[must_use]
    pub const fn in_use(&self) -> u32 {
        self.units.saturating_sub(self.units_free) as u32 * self.gpu_count as u32
    }

    /// May the offer bid, be entered, be taken? Asked wherever a bidder is looked at, and again at the award.
    ///
    /// # Errors
    /// [`RuleError::GpusUnclaimed`] where a GPU of its units is not claimed.
    pub const fn check(&self) -> RuleResult<()> {
        if (self.claimed as u32) < self.needed() { Err(RuleError::GpusUnclaimed) } else { Ok(()) }
    }

    /// The number of claims after `more` are added.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`] for none, [`RuleError::GpusNotNeeded`] where the offer has not that many GPUs.
    pub fn claim(&self, more: usize) -> RuleResult<u16> {
        if more == 0 {
            return Err(RuleError::ZeroAmount);
        }
        let after = usize::from(self.claimed).checked_add(more).ok_or(RuleError::Overflow)?;
        let after = u16::try_from(after).map_err(|_| RuleError::GpusNotNeeded)?;
        if u32::from(after) > self.needed() {
            return Err(RuleError::GpusNotNeeded);
        }
        Ok(after)
    }

    /// The number of claims after `less` are given up.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`] for none, [`RuleError::GpusInUse`] where open leases need them.
    pub fn release(&self, less: usize) -> RuleResult<u16> {
        if less == 0 {
            return Err(RuleError::ZeroAmount);
        }
        let after = usize::from(self.claimed).checked_sub(less).ok_or(RuleError::InvariantBroken)?;
        let after = u16::try_from(after).map_err(|_| RuleError::InvariantBroken)?;
        if u32::from(after) < self.in_use() {
            return Err(RuleError::GpusInUse);
        }
        Ok(after)
    }

    /// May anyone release the claims of an offer that expired at `expiry` (zero: it was withdrawn), and not only its
    /// provider? Only long after, and while no lease is open: so a GPU that was sold is not bound to its former owner.
    #[must_use]
    pub const fn is_stale(&self, expiry: UnixTs, now: UnixTs) -> bool {
        self.units == self.units_free && now.0 >= expiry.0.saturating_add(CLAIM_STALE.0)
    }
}

/// Is the operator's `own` stake enough for `claims` GPUs, those of all its offers?
///
/// A claim takes a GPU's hash, which is public, and rent, which comes back: without stake behind it, who wants a rival off the
/// market claims its GPUs on the day that they lapse, for nothing. The stake is not lost; it is what a thousand such claims bind.
///
/// # Errors
/// [`RuleError::ClaimsUnbacked`].
pub fn check_backing(own: Atoms, claims: u32) -> RuleResult<()> {
    let needed = CLAIM_STAKE.0.checked_mul(claims.into()).ok_or(RuleError::Overflow)?;
    if own.0 < needed { Err(RuleError::ClaimsUnbacked) } else { Ok(()) }
}
