//! The buyer's escrow: one balance, of which parts are reserved or owed as fees.

use crate::error::{RuleError, RuleResult};
use crate::quantity::Atoms;

/// The recorded amounts of a purse. `balance = free + reserved + fees_owed + forfeits_owed` at all times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// Recorded holdings of the vault. What was donated to the vault beyond this does not count.
    pub balance: Atoms,
    /// Σ over open jobs and leases of what is still held for them.
    pub reserved: Atoms,
    /// Fees recorded and not swept yet.
    pub fees_owed: Atoms,
    /// Owed to the insurance fund for starts that came to nothing, and not swept yet.
    pub forfeits_owed: Atoms,
}

/// What a sweep takes out of a purse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Fees, of which the insurance fund gets its share.
    pub fees: Atoms,
    /// What the insurance fund gets whole.
    pub forfeits: Atoms,
}

impl Purse {
    /// What the buyer can reserve or withdraw.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where more is bound than there is.
    pub fn free(&self) -> RuleResult<Atoms> {
        let bound = self.reserved.add(self.fees_owed)?.add(self.forfeits_owed)?;
        self.balance.sub(bound).map_err(|_| RuleError::InvariantBroken)
    }

    /// Adds what came in (a deposit, a slash paid to the buyer).
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::Overflow`].
    pub fn deposit(&mut self, amount: Atoms) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        self.balance = self.balance.add(amount)?;
        Ok(())
    }

    /// Takes out of the free balance.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::InsufficientFree`].
    pub fn withdraw(&mut self, amount: Atoms) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        if self.free()? < amount {
            return Err(RuleError::InsufficientFree);
        }
        self.balance = self.balance.sub(amount)?;
        Ok(())
    }

    /// Binds free balance.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::InsufficientFree`].
    pub fn reserve(&mut self, amount: Atoms) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        if self.free()? < amount {
            return Err(RuleError::InsufficientFree);
        }
        self.reserved = self.reserved.add(amount)?;
        Ok(())
    }

    /// Unbinds what was reserved. Zero is fine: a cap may be used to its last atom.
    ///
    /// # Errors
    /// [`RuleError::InsufficientReserved`].
    pub fn release(&mut self, amount: Atoms) -> RuleResult<()> {
        self.reserved = self.reserved.sub(amount).map_err(|_| RuleError::InsufficientReserved)?;
        Ok(())
    }

    /// Pays `net` out of the reserved part and records `fee` as owed.
    ///
    /// # Errors
    /// [`RuleError::InsufficientReserved`].
    pub fn pay(&mut self, net: Atoms, fee: Atoms) -> RuleResult<()> {
        let gross = net.add(fee)?;
        let reserved = self.reserved.sub(gross).map_err(|_| RuleError::InsufficientReserved)?;
        let balance = self.balance.sub(net).map_err(|_| RuleError::InvariantBroken)?;
        let fees_owed = self.fees_owed.add(fee)?;
        *self = Self { balance, reserved, fees_owed, ..*self };
        Ok(())
    }

    /// Records `amount` of the reserved part as owed to the insurance fund. No token moves, so that no end of a lease depends on
    /// an account that could be frozen.
    ///
    /// # Errors
    /// [`RuleError::InsufficientReserved`].
    pub fn forfeit(&mut self, amount: Atoms) -> RuleResult<()> {
        let reserved = self.reserved.sub(amount).map_err(|_| RuleError::InsufficientReserved)?;
        let forfeits_owed = self.forfeits_owed.add(amount)?;
        *self = Self { reserved, forfeits_owed, ..*self };
        Ok(())
    }

    /// Takes out all that is owed to others; returns how much.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where the balance is smaller.
    pub fn sweep_fees(&mut self) -> RuleResult<Swept> {
        let swept = Swept { fees: self.fees_owed, forfeits: self.forfeits_owed };
        let gone = swept.fees.add(swept.forfeits)?;
        self.balance = self.balance.sub(gone).map_err(|_| RuleError::InvariantBroken)?;
        self.fees_owed = Atoms::ZERO;
        self.forfeits_owed = Atoms::ZERO;
        Ok(swept)
    }
}
