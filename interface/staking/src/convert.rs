//! Bytes of accounts ↔ values of the rules: the only place where the two meet.

use anchor_lang::prelude::Pubkey;
use gridlease_core::bond::Bond as Sums;
use gridlease_core::delegation::{self as rules, SharePool, Stake};
use gridlease_core::revenue::{Commission, Distributed, Revenue};
use gridlease_core::{Atoms, Bps, RuleError, RuleResult, UnixTs, invariant};

use crate::account::{Bond, Delegation, MARK_BYTES, OPERATOR, Unbonding};

impl Bond {
    /// The bond's amounts.
    pub fn amounts(&self) -> Sums {
        Sums { amount: Atoms(self.amount), reserved: Atoms(self.reserved), unbonding: Atoms(self.unbonding) }
    }

    /// What the operator can lose: its own stake, on its way out or not.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn operators(&self) -> RuleResult<Atoms> {
        Atoms(self.own).add(Atoms(self.exit_assets))
    }

    /// The first bytes of each delegator's address; `None` for more than there are places.
    pub fn delegator_marks(&self) -> Option<&[[u8; MARK_BYTES]]> {
        self.marks.get(..usize::from(self.delegators_len))
    }

    /// May two bonds not be taken for independent of each other: same operator, or a delegator with the same mark?
    pub fn shares_anyone_with(&self, other: &Self) -> bool {
        let marks = other.delegator_marks().unwrap_or_default();
        let own = self.delegator_marks().unwrap_or_default();
        self.authority == other.authority || own.iter().any(|mark| marks.contains(mark))
    }

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
    pub fn set_stake(&mut self, next: &Stake) -> RuleResult<()> {
        let sums = next.bond()?;
        sums.free()?;
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
    pub fn reserve(&mut self, amount: Atoms) -> RuleResult<()> {
        let (reserved, unbonding) = (Atoms(self.reserved), Atoms(self.unbonding));
        let mut sums = Sums { amount: Atoms(self.amount), reserved, unbonding };
        sums.reserve(amount)?;
        self.reserved = sums.reserved.0;
        Ok(())
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
    pub fn distribute(&mut self, vault: Atoms, now: UnixTs) -> RuleResult<Distributed> {
        let mut revenue = self.revenue_owed();
        let parts = revenue.distribute(vault, &self.stake(), self.commission().at(now))?;
        self.set_revenue_owed(&revenue);
        Ok(parts)
    }

    /// Counts added stake.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn count_added(&mut self, amount: u64) -> RuleResult<()> {
        self.added_total = Atoms(self.added_total).add(Atoms(amount))?.0;
        Ok(())
    }

    /// Counts slashed stake.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn count_slashed(&mut self, amount: Atoms) -> RuleResult<()> {
        self.slashed_total = Atoms(self.slashed_total).add(amount)?.0;
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
    pub fn count_reserved(&mut self) -> RuleResult<()> {
        self.leases = self.leases.checked_add(1).ok_or(RuleError::Overflow)?;
        Ok(())
    }

    /// Counts a released reservation. The last one leaves nothing reserved.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn count_released(&mut self) -> RuleResult<()> {
        self.leases = self.leases.checked_sub(1).ok_or(RuleError::InvariantBroken)?;
        if self.leases == 0 && self.reserved != 0 {
            return Err(RuleError::InvariantBroken);
        }
        Ok(())
    }

    /// Notes a new delegator.
    ///
    /// # Errors
    /// [`RuleError::TooManyDelegators`].
    pub fn mark(&mut self, delegator: &Pubkey) -> RuleResult<()> {
        rules::check_place(self.delegators_len)?;
        let place = self.marks.get_mut(usize::from(self.delegators_len)).ok_or(RuleError::TooManyDelegators)?;
        *place = mark_of(delegator);
        self.delegators_len = self.delegators_len.saturating_add(1);
        Ok(())
    }

    /// Strikes a delegator who is gone; the last one takes its place.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where it was not noted.
    pub fn unmark(&mut self, delegator: &Pubkey) -> RuleResult<()> {
        let mark = mark_of(delegator);
        let used = usize::from(self.delegators_len);
        let marks = self.marks.get_mut(..used).ok_or(RuleError::InvariantBroken)?;
        let at = marks.iter().position(|known| *known == mark).ok_or(RuleError::InvariantBroken)?;
        let last = used.checked_sub(1).ok_or(RuleError::InvariantBroken)?;
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
    pub fn invariant(&self, vault: u64) -> RuleResult<()> {
        let sums = self.stake().bond()?;
        let for_stake = vault.checked_sub(self.insurance_owed).ok_or(RuleError::InvariantBroken)?;
        invariant::bond(&sums, Atoms(for_stake))
    }
}

fn mark_of(delegator: &Pubkey) -> [u8; MARK_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = delegator.to_bytes();
    [a, b, c, d, e, f, g, h]
}

impl Delegation {
    /// What its stake that is not on its way out is worth in `bond`; zero for a damaged account.
    pub fn worth(&self, bond: &Bond) -> Atoms {
        bond.stake().delegated.worth_down(self.shares).unwrap_or_default()
    }

    /// What it can claim once what arrived is distributed; zero for a damaged account.
    pub fn claimable(&self, bond: &Bond) -> Atoms {
        let earned = bond.revenue_owed().earned_down(self.shares, u128::from_le_bytes(self.entry));
        earned.and_then(|earned| earned.add(Atoms(self.owed))).unwrap_or_default()
    }

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
    pub fn settle(&mut self, revenue: &Revenue) -> RuleResult<()> {
        let earned = revenue.earned_down(self.shares, u128::from_le_bytes(self.entry))?;
        self.owed = Atoms(self.owed).add(earned)?.0;
        self.entry = revenue.per_share.to_le_bytes();
        Ok(())
    }
}

impl Unbonding {
    /// Is it the operator's (and not a delegator's)?
    pub fn is_operators(&self) -> bool {
        self.kind == OPERATOR
    }

    /// What it is worth in `bond` now; slashes lower it until it is withdrawn. Zero for a damaged account.
    pub fn worth(&self, bond: &Bond) -> Atoms {
        let stake = bond.stake();
        let pool = if self.is_operators() { stake.exit } else { stake.delegated };
        pool.worth_down(self.shares).unwrap_or_default()
    }

    /// When it matures.
    pub fn matures(&self) -> UnixTs {
        UnixTs(self.header.due_ts)
    }
}
