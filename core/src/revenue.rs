//! What a bond's stake earns: the split between operator and delegators, and the commission.
//!
//! Everything that arrives in the revenue vault is revenue. [`Revenue::distribute`] moves no tokens: it says to whom
//! what arrived since the last time belongs. The operator's part is one number; the delegators' part raises a sum per
//! share, so that any number of delegators costs the same, and each claims its own when it likes. So nobody's frozen
//! account is in anybody's way, and `operator_owed + delegators_owed ≤ tokens in the vault` is all of the accounting.
//! Paying out instead of adding to the stake keeps a share from ever being worth more than an atom (see
//! [`crate::delegation`]).
//!
//! Stake earns from its activation on, a day after it came in at the earliest, the operator's as the delegators'. It
//! would else be worth joining a moment before a lease that ran for a month is settled.

use crate::delegation::Stake;
use crate::error::{RuleError, RuleResult};
use crate::limits::{COMMISSION_NOTICE, MAX_COMMISSION};
use crate::quantity::{Atoms, Bps, UnixTs};
use crate::rounding::{mul_div_down, share_up};

/// Binary digits behind the point of [`Revenue::per_share`].
const FRACTION: u32 = 64;

/// What one distribution gave to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distributed {
    /// To the operator: for its stake, and its commission.
    pub operator: Atoms,
    /// To the delegators.
    pub delegators: Atoms,
}

/// What of the tokens in the revenue vault belongs to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revenue {
    /// The operator's.
    pub operator_owed: Atoms,
    /// The delegators', all together.
    pub delegators_owed: Atoms,
    /// What one share earned since the pool was opened, in 2⁻⁶⁴ atoms.
    pub per_share: u128,
}

impl Revenue {
    /// What the vault must hold.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn owed(&self) -> RuleResult<Atoms> {
        self.operator_owed.add(self.delegators_owed)
    }

    /// Divides what the `vault` holds beyond what is owed, by the stake that is active: neither on its way out nor new; of the
    /// delegators' part the operator keeps `commission`, rounded up. Where no delegator's stake is active, all is the
    /// operator's. The sum per share is rounded down; what it cannot tell, less than an atom for each claim, stays owed
    /// until the bond is closed.
    ///
    /// # Errors
    /// [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn distribute(&mut self, vault: Atoms, stake: &Stake, commission: Bps) -> RuleResult<Distributed> {
        let arrived = vault.saturating_sub(self.owed()?);
        let (active, delegated) = (stake.active()?, stake.delegated_active()?);
        let all = stake.own_active().add(delegated)?;
        if arrived.is_zero() {
            return Ok(Distributed::default());
        }
        let gross = if delegated.is_zero() { Atoms::ZERO } else { Atoms(mul_div_down(arrived.0, delegated.0, all.0)?) };
        let net = gross.sub(share_up(gross, commission)?)?;
        let mut next = *self;
        if !net.is_zero() {
            let rise = (u128::from(net.0) << FRACTION) / u128::from(active);
            next.per_share = next.per_share.checked_add(rise).ok_or(RuleError::Overflow)?;
        }
        let parts = Distributed { operator: arrived.sub(net)?, delegators: net };
        next.operator_owed = next.operator_owed.add(parts.operator)?;
        next.delegators_owed = next.delegators_owed.add(parts.delegators)?;
        *self = next;
        Ok(parts)
    }

    /// What `shares` earned since the sum per share stood at `entry`, rounded down: of a delegation those that earn, see
    /// [`crate::delegation::Delegation::earning`].
    ///
    /// # Errors
    /// [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn earned_down(&self, shares: u64, entry: u128) -> RuleResult<Atoms> {
        let rise = self.per_share.checked_sub(entry).ok_or(RuleError::InvariantBroken)?;
        // A share has its part of every rise and all parts together are tokens: the product fits (see the properties).
        let earned = rise.checked_mul(u128::from(shares)).ok_or(RuleError::Overflow)? >> FRACTION;
        u64::try_from(earned).map(Atoms).map_err(|_| RuleError::Overflow)
    }

    /// Takes out all that the operator is owed; returns how much.
    ///
    /// # Errors
    /// [`RuleError::NothingToClaim`].
    pub fn claim_operator(&mut self) -> RuleResult<Atoms> {
        let amount = self.operator_owed;
        if amount.is_zero() {
            return Err(RuleError::NothingToClaim);
        }
        self.operator_owed = Atoms::ZERO;
        Ok(amount)
    }

    /// Takes out what one delegator is owed.
    ///
    /// # Errors
    /// [`RuleError::NothingToClaim`], [`RuleError::InvariantBroken`].
    pub fn claim_delegator(&mut self, owed: Atoms) -> RuleResult<()> {
        if owed.is_zero() {
            return Err(RuleError::NothingToClaim);
        }
        self.delegators_owed = self.delegators_owed.sub(owed).map_err(|_| RuleError::InvariantBroken)?;
        Ok(())
    }
}

/// What an operator keeps of the delegators' revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commission {
    /// What holds until the next one does.
    pub rate: Bps,
    /// What will hold.
    pub next: Bps,
    /// From when on; zero where no change is announced.
    pub from: UnixTs,
}

impl Commission {
    /// The commission of a new pool.
    ///
    /// # Errors
    /// [`RuleError::CommissionOutOfBounds`].
    pub fn new(rate: Bps) -> RuleResult<Self> {
        if rate > MAX_COMMISSION {
            return Err(RuleError::CommissionOutOfBounds);
        }
        Ok(Self { rate, next: rate, from: UnixTs::ZERO })
    }

    /// What holds at `now`.
    pub fn at(&self, now: UnixTs) -> Bps {
        if self.from != UnixTs::ZERO && now >= self.from { self.next } else { self.rate }
    }

    /// Sets the commission: a lower one holds at once, a higher one in three days. Either takes the place of a change
    /// that was announced and does not hold yet; the one that holds changes nothing else.
    ///
    /// # Errors
    /// [`RuleError::CommissionOutOfBounds`], [`RuleError::Overflow`].
    pub fn set(&mut self, rate: Bps, now: UnixTs) -> RuleResult<()> {
        if rate > MAX_COMMISSION {
            return Err(RuleError::CommissionOutOfBounds);
        }
        let holds = self.at(now);
        *self = if rate <= holds {
            Self { rate, next: rate, from: UnixTs::ZERO }
        } else if rate == self.next && self.from != UnixTs::ZERO && now < self.from {
            *self
        } else {
            Self { rate: holds, next: rate, from: now.after(COMMISSION_NOTICE)? }
        };
        Ok(())
    }
}
