//! How much a fault costs and who gets it.

use crate::error::{RuleError, RuleResult};
use crate::limits::{SLASH_ABANDONED, SLASH_NO_START, VICTIM_HOURS};
use crate::quantity::{Atoms, PricePerHour};
use crate::rounding::share_down;

/// A fault that the programs can see by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node did not report ready before its deadline.
    NoStart,
    /// The node left a running lease without notice.
    Abandoned,
}

/// Where slashed stake goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlashSplit {
    /// To the buyer's purse.
    pub victim: Atoms,
    /// To the insurance fund.
    pub insurance: Atoms,
}

impl SlashSplit {
    /// Both parts together.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn total(&self) -> RuleResult<Atoms> {
        self.victim.add(self.insurance)
    }
}

/// What `fault` costs a lease of `price` with `reservation` of stake behind it: the victim first, up to three hours of
/// the price, the rest to insurance.
///
/// # Errors
/// [`RuleError::Overflow`] where an amount does not fit.
pub fn slash_for(fault: Fault, reservation: Atoms, price: PricePerHour) -> RuleResult<SlashSplit> {
    let part = match fault {
        Fault::NoStart => SLASH_NO_START,
        Fault::Abandoned => SLASH_ABANDONED,
    };
    let total = share_down(reservation, part)?;
    let most = price.0.checked_mul(VICTIM_HOURS).ok_or(RuleError::Overflow)?;
    let victim = total.min(Atoms(most));
    Ok(SlashSplit { victim, insurance: total.sub(victim)? })
}
