//! Bytes of accounts ↔ values of the rules: the only place where the two meet.

use anchor_lang::ZeroCopy;
use anchor_lang::prelude::*;
use gridlease_core::{Atoms, bond as rules, invariant};

use crate::error::{OrRule, StakingError};
use crate::state::Bond;

impl Bond {
    /// The bond's amounts.
    pub fn totals(&self) -> rules::Bond {
        rules::Bond { amount: Atoms(self.amount), reserved: Atoms(self.reserved), unbonding: Atoms(self.unbonding) }
    }

    /// Writes the bond's amounts back, after checking that no more is bound than there is.
    ///
    /// # Errors
    /// [`StakingError::RuleInvariantBroken`].
    pub fn set_totals(&mut self, next: &rules::Bond) -> Result<()> {
        next.free().or_rule()?;
        self.amount = next.amount.0;
        self.reserved = next.reserved.0;
        self.unbonding = next.unbonding.0;
        Ok(())
    }

    /// Counts added stake.
    ///
    /// # Errors
    /// [`StakingError::RuleOverflow`].
    pub fn count_added(&mut self, amount: u64) -> Result<()> {
        self.added_total = Atoms(self.added_total).add(Atoms(amount)).or_rule()?.0;
        Ok(())
    }

    /// Counts slashed stake.
    ///
    /// # Errors
    /// [`StakingError::RuleOverflow`].
    pub fn count_slashed(&mut self, amount: Atoms) -> Result<()> {
        self.slashed_total = Atoms(self.slashed_total).add(amount).or_rule()?.0;
        Ok(())
    }

    /// Counts a new reservation.
    ///
    /// # Errors
    /// [`StakingError::RuleOverflow`].
    pub fn count_reserved(&mut self) -> Result<()> {
        self.leases = self.leases.checked_add(1).ok_or(StakingError::RuleOverflow)?;
        Ok(())
    }

    /// Counts a released reservation. The last one leaves nothing reserved.
    ///
    /// # Errors
    /// [`StakingError::RuleInvariantBroken`].
    pub fn count_released(&mut self) -> Result<()> {
        self.leases = self.leases.checked_sub(1).ok_or(StakingError::RuleInvariantBroken)?;
        require!(self.leases > 0 || self.reserved == 0, StakingError::RuleInvariantBroken);
        Ok(())
    }

    /// What always holds of a bond, with what its vault really holds.
    ///
    /// # Errors
    /// [`StakingError::RuleInvariantBroken`].
    pub fn invariant(&self, vault: u64) -> Result<()> {
        invariant::bond(&self.totals(), Atoms(vault)).or_rule()
    }
}

/// Writes a whole new account: its discriminator, then the value. The account's length must be exactly theirs.
///
/// # Errors
/// [`StakingError::RuleInvariantBroken`] where the length differs.
pub fn write_new<T: ZeroCopy>(account: &AccountInfo, value: &T) -> Result<()> {
    let mut data = account.try_borrow_mut_data()?;
    let split = data.split_at_mut_checked(T::DISCRIMINATOR.len()).filter(|(_, body)| body.len() == size_of::<T>());
    let (head, body) = split.ok_or(StakingError::RuleInvariantBroken)?;
    head.copy_from_slice(T::DISCRIMINATOR);
    body.copy_from_slice(bytemuck::bytes_of(value));
    Ok(())
}
