//! Machines: one bond and one standing behind many, each with a node key of its own and a limit of stake.
//!
//! A node key is hot: it lies on a machine that runs strangers' containers. Who steals it can bid, win and never start, or post
//! sealed bids and never reveal them, and each of that costs stake. So the cold key says how much stake each machine's leases may
//! bind, the machine allots that to its offers, and an offer carries its part: a bid or an award looks at the offer alone.

use crate::error::{RuleError, RuleResult};
use crate::limits::MAX_MACHINE_OFFERS;
use crate::quantity::Atoms;

/// What an offer may bind of its provider's bond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StakeLimit {
    /// The most.
    pub limit: Atoms,
    /// What its leases and sealed bids bind now, and all that was ever slashed of them.
    pub bound: Atoms,
}

impl StakeLimit {
    /// What can still be bound.
    #[must_use]
    pub fn room(&self) -> Atoms {
        self.limit.saturating_sub(self.bound)
    }

    /// After a lease or a sealed bid reserved `amount`.
    ///
    /// # Errors
    /// [`RuleError::StakeLimit`] where that is above the limit.
    pub fn bind(self, amount: Atoms) -> RuleResult<Self> {
        let bound = self.bound.add(amount)?;
        if bound > self.limit {
            return Err(RuleError::StakeLimit);
        }
        Ok(Self { bound, ..self })
    }

    /// After `left`, what is left of a reservation, was released. What was slashed of it stays bound: so a key that is stolen
    /// burns the limit once, and not once for each lease.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where less is bound.
    pub fn unbind(self, left: Atoms) -> RuleResult<Self> {
        let bound = self.bound.sub(left).map_err(|_| RuleError::InvariantBroken)?;
        Ok(Self { bound, ..self })
    }
}

/// What a machine allots to its offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The most stake that its offers may bind together. Set by the cold key, at any time to any amount: a lower one takes
    /// nothing from an offer that is there, and allots nothing more.
    pub limit: Atoms,
    /// Σ of the limits of its offers, and of what was slashed of those that are gone.
    pub allotted: Atoms,
    /// Its offers.
    pub offers: u8,
    /// It takes no lease any more.
    pub retired: bool,
}

/// How a lease of a retired machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// With the notice that was agreed, and no fault.
    Notice,
    /// At once, and as a fault: no notice was agreed.
    Abandon,
}

impl Machine {
    /// After a new offer was given `limit`.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is retired, [`RuleError::ZeroAmount`], [`RuleError::MachineLimit`] where that is more
    /// than is left, or where the machine has as many offers as it can have.
    pub fn allot(self, limit: Atoms) -> RuleResult<Self> {
        if self.retired {
            return Err(RuleError::WrongState);
        }
        if limit.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        let allotted = self.allotted.add(limit)?;
        if allotted > self.limit || self.offers >= MAX_MACHINE_OFFERS {
            return Err(RuleError::MachineLimit);
        }
        Ok(Self { allotted, offers: self.offers + 1, ..self })
    }

    /// After an offer without leases was withdrawn. What is still bound in it was slashed, and stays allotted until the cold key
    /// sets a higher limit.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] for an offer that this machine has not.
    pub fn take_back(self, offer: &StakeLimit) -> RuleResult<Self> {
        let allotted = self.allotted.sub(offer.room()).map_err(|_| RuleError::InvariantBroken)?;
        let offers = self.offers.checked_sub(1).ok_or(RuleError::InvariantBroken)?;
        Ok(Self { allotted, offers, ..self })
    }

    /// The machine as it is retired by the cold key. Once more changes nothing.
    #[must_use]
    pub fn retire(self) -> Self {
        Self { retired: true, ..self }
    }

    /// May its account be closed?
    ///
    /// # Errors
    /// [`RuleError::WrongState`] before it is retired, [`RuleError::NotEmpty`] while it has offers.
    pub fn check_close(&self) -> RuleResult<()> {
        if !self.retired {
            return Err(RuleError::WrongState);
        }
        if self.offers > 0 { Err(RuleError::NotEmpty) } else { Ok(()) }
    }
}

/// How a lease of a retired machine ends; anyone may see to it.
#[must_use]
pub const fn leaving(notice_agreed: bool) -> Leaving {
    if notice_agreed { Leaving::Notice } else { Leaving::Abandon }
}
