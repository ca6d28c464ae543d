//! How much a fault costs and who gets it.

use crate::error::{RuleError, RuleResult};
use crate::limits::{SLASH_ABANDONED, SLASH_NO_START, SLASH_UNREACHABLE, VICTIM_HOURS};
use crate::quantity::{Atoms, PricePerHour};
use crate::rounding::share_down;

/// A fault that the programs can see by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node did not report ready before its deadline.
    NoStart,
    /// The node left a running lease without notice.
    Abandoned,
    /// The node was down for ten minutes.
    Unreachable,
}

/// What the cost of a fault depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The fault.
    pub fault: Fault,
    /// Stake reserved for the lease.
    pub reservation: Atoms,
    /// The lease's price.
    pub price: PricePerHour,
    /// What the buyer is charged for the lease, fee included, less what the stake gave back already
    /// ([`crate::lease::Lease::compensable`]).
    pub charged: Atoms,
    /// The bond of a sealed bid that won the job, forfeited by a failed start; zero in other auctions.
    pub sealed_bond: Atoms,
}

/// Where slashed stake goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlashSplit {
    /// To the buyer, seven days later: see [`crate::delegation::Stake::claim`].
    pub victim: Atoms,
    /// To the insurance fund.
    pub insurance: Atoms,
}

impl Case {
    /// What the buyer is owed for the fault: what it was charged for the lease, up to three hours of its price. What of it
    /// no stake covers is told by an event, and paid by nobody: a fault can be staged, and what pays for it by rule would be
    /// everybody's loss.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn owed(&self) -> RuleResult<Atoms> {
        let hours = self.price.0.checked_mul(VICTIM_HOURS).ok_or(RuleError::Overflow)?;
        Ok(Atoms(hours).min(self.charged))
    }
}

impl SlashSplit {
    /// Both parts together.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn total(&self) -> RuleResult<Atoms> {
        self.victim.add(self.insurance)
    }

    /// No more than `stake`, what is left of the reservation after credits were taken from it; the victim comes first.
    #[must_use]
    pub fn at_most(self, stake: Atoms) -> Self {
        let victim = self.victim.min(stake);
        Self { victim, insurance: self.insurance.min(stake.saturating_sub(victim)) }
    }

    /// The victim gets no more than the operator's part of what is left of this lease's reservation
    /// ([`crate::delegation::Stake::operators_part_down`]); the rest of its part goes to insurance.
    ///
    /// Who runs a provider can pay itself for a lease and then be down, or leave: it has the pay, and the compensation comes
    /// out of the bond. Out of its delegators' stake that would be a gain; and of its own it would take out in minutes, ahead
    /// of its delegators, what unbonding gives back in seven days. So it gets its part of this one lease, seven days later,
    /// and can lose it until then.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn out_of(self, operator: Atoms) -> RuleResult<Self> {
        let victim = self.victim.min(operator);
        Ok(Self { victim, insurance: self.insurance.add(self.victim.sub(victim)?)? })
    }
}

/// What a fault costs: the victim first, up to what it was charged for the lease and to three hours of its price; the rest
/// goes to insurance.
///
/// The victim gets back no more than it paid, because a fault can be staged: a buyer can make a start fail, and who holds
/// a node key can let a lease fail that it pays for itself. Neither may be a way to somebody else's stake, or around the
/// unbonding time to one's own. (That it is no way to delegators' stake, see [`SlashSplit::out_of`].)
///
/// # Errors
/// [`RuleError::Overflow`] where an amount does not fit.
pub fn slash_for(case: &Case) -> RuleResult<SlashSplit> {
    let total = match case.fault {
        Fault::NoStart => share_down(case.reservation, SLASH_NO_START)?.add(case.sealed_bond)?.min(case.reservation),
        Fault::Abandoned => share_down(case.reservation, SLASH_ABANDONED)?,
        Fault::Unreachable => share_down(case.reservation, SLASH_UNREACHABLE)?,
    };
    let victim = total.min(case.owed()?);
    Ok(SlashSplit { victim, insurance: total.sub(victim)? })
}
