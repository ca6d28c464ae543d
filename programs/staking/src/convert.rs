//! Bytes of accounts ↔ values of the rules: the only place where the two meet.

use anchor_lang::ZeroCopy;
use anchor_lang::prelude::*;
use gridlease_core::delegation::{self as rules, SharePool, Stake};
use gridlease_core::revenue::{Commission, Distributed, Revenue};
use gridlease_core::{Atoms, Bps, RuleError, UnixTs, invariant};

use crate::constants::MARK_BYTES;
use crate::error::{OrRule, check, rule};
use crate::event::Totals;
use crate::state::{Bond, Delegation};

/// The present, as the chain's Clock tells it.
///
/// # Errors
/// The system call's.
pub fn now() -> Result<UnixTs> {
    // A clock before 1970 is none of ours.
    Ok(UnixTs(u64::try_from(Clock::get()?.unix_timestamp).unwrap_or(0)))
}

impl Bond {
    /// Whose stake is in the bond.
    pub fn stake(&self) -> Stake {
        Stake {
            own: Atoms(self.own),
            exit: SharePool { assets: Atoms(self.exit_assets), shares: self.exit_shares },
            delegated: SharePool { assets: Atoms(self.delegated_assets), shares: self.delegated_shares },
            leaving: self.leaving_shares,
            reserved: Atoms(self.reserved),
        }
    }

    /// Writes the stake and its sums back, after checking that no more is bound than there is.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn set_stake(&mut self, next: &Stake) -> Result<()> {
        let sums = next.bond().or_rule()?;
        sums.free().or_rule()?;
        self.amount = sums.amount.0;
        self.reserved = sums.reserved.0;
        self.unbonding = sums.unbonding.0;
        self.own = next.own.0;
        self.exit_assets = next.exit.assets.0;
        self.exit_shares = next.exit.shares;
        self.delegated_assets = next.delegated.assets.0;
        self.delegated_shares = next.delegated.shares;
        self.leaving_shares = next.leaving;
        Ok(())
    }

    /// Reserves free stake. Only the sum of reservations changes: what can be reserved no more is as much as before where
    /// anything was free, so the other sums need not be made anew (`a_reservation_changes_nothing_but_its_sum`).
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::InsufficientStake`].
    pub fn reserve(&mut self, amount: Atoms) -> Result<()> {
        let (reserved, unbonding) = (Atoms(self.reserved), Atoms(self.unbonding));
        let mut sums = gridlease_core::bond::Bond { amount: Atoms(self.amount), reserved, unbonding };
        sums.reserve(amount).or_rule()?;
        self.reserved = sums.reserved.0;
        Ok(())
    }

    /// The stake as events tell it.
    pub fn totals(&self) -> Totals {
        Totals {
            amount: self.amount,
            reserved: self.reserved,
            unbonding: self.unbonding,
            own: self.own,
            exit_assets: self.exit_assets,
            exit_shares: self.exit_shares,
            delegated_assets: self.delegated_assets,
            delegated_shares: self.delegated_shares,
            leaving_shares: self.leaving_shares,
        }
    }

    /// What of the revenue vault belongs to whom.
    pub fn revenue_owed(&self) -> Revenue {
        Revenue {
            operator_owed: Atoms(self.operator_owed),
            delegators_owed: Atoms(self.delegators_owed),
            per_share: u128::from_le_bytes(self.per_share),
        }
    }

    /// Writes it back.
    pub fn set_revenue_owed(&mut self, next: &Revenue) {
        self.operator_owed = next.operator_owed.0;
        self.delegators_owed = next.delegators_owed.0;
        self.per_share = next.per_share.to_le_bytes();
    }

    /// The operator's commission.
    pub fn commission(&self) -> Commission {
        Commission { rate: Bps(self.commission), next: Bps(self.next_commission), from: UnixTs(self.commission_from) }
    }

    /// Writes it back.
    pub fn set_commission(&mut self, next: &Commission) {
        self.commission = next.rate.0;
        self.next_commission = next.next.0;
        self.commission_from = next.from.0;
    }

    /// Has the operator opened a pool?
    pub fn has_pool(&self) -> bool {
        self.revenue != Pubkey::default()
    }

    /// Divides what arrived in the revenue vault, which holds `vault` atoms. Every change of somebody's stake does this
    /// first, so that nobody is paid for what arrived before.
    ///
    /// # Errors
    /// A rule's.
    pub fn distribute(&mut self, vault: Atoms, now: UnixTs) -> Result<Distributed> {
        let mut revenue = self.revenue_owed();
        let parts = revenue.distribute(vault, &self.stake(), self.commission().at(now)).or_rule()?;
        self.set_revenue_owed(&revenue);
        Ok(parts)
    }

    /// Counts added stake.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn count_added(&mut self, amount: u64) -> Result<()> {
        self.added_total = Atoms(self.added_total).add(Atoms(amount)).or_rule()?.0;
        Ok(())
    }

    /// Counts slashed stake.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn count_slashed(&mut self, amount: Atoms) -> Result<()> {
        self.slashed_total = Atoms(self.slashed_total).add(amount).or_rule()?.0;
        Ok(())
    }

    /// Counts withdrawn stake. It was added before, so the count cannot overflow.
    pub fn count_withdrawn(&mut self, amount: Atoms) {
        self.withdrawn_total = self.withdrawn_total.saturating_add(amount.0);
    }

    /// Counts a new reservation.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn count_reserved(&mut self) -> Result<()> {
        self.leases = self.leases.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
        Ok(())
    }

    /// Counts a released reservation. The last one leaves nothing reserved.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn count_released(&mut self) -> Result<()> {
        self.leases = self.leases.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        check(self.leases > 0 || self.reserved == 0, RuleError::InvariantBroken)?;
        Ok(())
    }

    /// Notes a new delegator.
    ///
    /// # Errors
    /// [`RuleError::TooManyDelegators`].
    pub fn mark(&mut self, delegator: &Pubkey) -> Result<()> {
        rules::check_place(self.delegators_len).or_rule()?;
        let place =
            self.marks.get_mut(usize::from(self.delegators_len)).ok_or_else(|| rule(RuleError::TooManyDelegators))?;
        *place = mark_of(delegator);
        self.delegators_len = self.delegators_len.saturating_add(1);
        Ok(())
    }

    /// Strikes a delegator who is gone; the last one takes its place.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where it was not noted.
    pub fn unmark(&mut self, delegator: &Pubkey) -> Result<()> {
        let mark = mark_of(delegator);
        let used = usize::from(self.delegators_len);
        let marks = self.marks.get_mut(..used).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        let at = marks.iter().position(|known| *known == mark).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        let last = used.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        marks.swap(at, last);
        if let Some(free) = marks.get_mut(last) {
            *free = [0; MARK_BYTES];
        }
        self.delegators_len = self.delegators_len.saturating_sub(1);
        Ok(())
    }

    /// What always holds of a bond, with what its vault really holds.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn invariant(&self, vault: u64) -> Result<()> {
        let sums = self.stake().bond().or_rule()?;
        let for_stake = vault.checked_sub(self.insurance_owed).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        invariant::bond(&sums, Atoms(for_stake)).or_rule()
    }
}

fn mark_of(delegator: &Pubkey) -> [u8; MARK_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = delegator.to_bytes();
    [a, b, c, d, e, f, g, h]
}

impl Delegation {
    /// The delegator's part, for the rules.
    pub fn position(&self) -> rules::Delegation {
        rules::Delegation { shares: self.shares, requests: self.requests }
    }

    /// Writes it back.
    pub fn set_position(&mut self, next: &rules::Delegation) {
        self.shares = next.shares;
        self.requests = next.requests;
    }

    /// Books what the shares earned since they last changed. Done before they change, and before a claim.
    ///
    /// # Errors
    /// A rule's.
    pub fn settle(&mut self, revenue: &Revenue) -> Result<()> {
        let earned = revenue.earned_down(self.shares, u128::from_le_bytes(self.entry)).or_rule()?;
        self.owed = Atoms(self.owed).add(earned).or_rule()?.0;
        self.entry = revenue.per_share.to_le_bytes();
        Ok(())
    }
}

/// Writes a whole new account: its discriminator, then the value. The account's length must be exactly theirs.
///
/// # Errors
/// [`RuleError::InvariantBroken`] where the length differs.
pub fn write_new<T: ZeroCopy>(account: &AccountInfo, value: &T) -> Result<()> {
    let mut data = account.try_borrow_mut_data()?;
    let split = data.split_at_mut_checked(T::DISCRIMINATOR.len()).filter(|(_, body)| body.len() == size_of::<T>());
    let (head, body) = split.ok_or_else(|| rule(RuleError::InvariantBroken))?;
    head.copy_from_slice(T::DISCRIMINATOR);
    body.copy_from_slice(bytemuck::bytes_of(value));
    Ok(())
}
