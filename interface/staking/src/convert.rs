//! Bytes of accounts ↔ values of the rules: the only place where the two meet.

use anchor_lang::prelude::Pubkey;
use gridlease_core::array::kin;
use gridlease_core::bond::Bond as Sums;
use gridlease_core::delegation::{self as rules, SharePool, Stake};
use gridlease_core::governance::Caps;
use gridlease_core::revenue::{Commission, Distributed, Revenue};
use gridlease_core::{Atoms, Bps, RuleError, RuleResult, UnixTs, invariant};

use crate::account::{Bond, Config, Delegation, MARK_BYTES, OPERATOR, Reservation, Unbonding};

impl Config {
    /// The cap of bonds; those of purses and jobs are the market's.
    pub fn caps(&self) -> Caps {
        Caps::written(Atoms::ZERO, Atoms(self.bond_cap), Atoms::ZERO)
    }
}

impl Bond {
    /// The bond's amounts.
    pub fn amounts(&self) -> Sums {
        Sums { amount: Atoms(self.amount), reserved: Atoms(self.reserved), unbonding: Atoms(self.unbonding) }
    }

    /// Did the operator make stake leave at `since` or later?
    pub fn fell_since(&self, since: UnixTs) -> bool {
        Stake::fell_since(UnixTs(self.fell), since)
    }

    /// May two bonds not be taken for independent of each other: same operator, or a delegator with the same mark?
    pub fn shares_anyone_with(&self, other: &Self) -> bool {
        self.authority == other.authority || kin(&self.marks, &other.marks)
    }

    /// Whose stake is in the bond.
    pub fn stake(&self) -> Stake {
        Stake {
            own: Atoms(self.own),
            exit: SharePool { assets: Atoms(self.exit_assets), shares: self.exit_shares },
            delegated: SharePool { assets: Atoms(self.delegated_assets), shares: self.delegated_shares },
            leaving: self.leaving_shares,
            reserved: Atoms(self.reserved),
            claims: SharePool { assets: Atoms(self.claims_assets), shares: self.claims_shares },
            pending: self.pending_shares,
            fresh: Atoms(self.fresh),
            fresh_from: UnixTs(self.fresh_from),
            fell: UnixTs(self.fell),
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
        self.claims_assets = next.claims.assets.0;
        self.claims_shares = next.claims.shares;
        self.pending_shares = next.pending;
        self.fresh = next.fresh.0;
        self.fresh_from = next.fresh_from.0;
        self.fell = next.fell.0;
        self.header.due_ts = next.fresh_from.0;
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

    /// Counts what was paid to a buyer. It was added before, so the count cannot overflow.
    pub fn count_claimed(&mut self, amount: Atoms) {
        self.claimed_total = self.claimed_total.saturating_add(amount.0);
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

    /// Gives a delegator a place, without a mark; returns it, counted from one.
    ///
    /// # Errors
    /// [`RuleError::TooManyDelegators`].
    pub fn take_place(&mut self) -> RuleResult<u8> {
        rules::check_place(self.delegators_len)?;
        let free = self.places.trailing_ones();
        let bit = 1u32.checked_shl(free).ok_or(RuleError::TooManyDelegators)?;
        self.places |= bit;
        self.delegators_len = self.delegators_len.saturating_add(1);
        u8::try_from(free.saturating_add(1)).map_err(|_| RuleError::TooManyDelegators)
    }

    /// Writes whether the delegator at `place` makes this bond kin to others of it.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] for a place that there is not.
    pub fn mark(&mut self, place: u8, delegator: &Pubkey, position: &rules::Delegation) -> RuleResult<()> {
        let mark = if position.makes_kin(Atoms(self.kin_least)) { mark_of(delegator) } else { [0; MARK_BYTES] };
        *self.mark_at(place)? = mark;
        Ok(())
    }

    /// Frees the place of a delegator whose stake is all out.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] for a place that nobody has.
    pub fn free_place(&mut self, place: u8) -> RuleResult<()> {
        let bit = 1u32.checked_shl(u32::from(place).wrapping_sub(1)).filter(|bit| self.places & bit != 0);
        let bit = bit.ok_or(RuleError::InvariantBroken)?;
        let others = self.delegators_len.checked_sub(1).ok_or(RuleError::InvariantBroken)?;
        *self.mark_at(place)? = [0; MARK_BYTES];
        self.places ^= bit;
        self.delegators_len = others;
        Ok(())
    }

    /// The place, counted from one, of the delegator that has this mark.
    pub fn place_of(&self, delegator: &Pubkey) -> Option<u8> {
        let at = self.marks.iter().position(|mark| *mark == mark_of(delegator))?;
        u8::try_from(at + 1).ok()
    }

    fn mark_at(&mut self, place: u8) -> RuleResult<&mut [u8; MARK_BYTES]> {
        let at = usize::from(place).checked_sub(1);
        at.and_then(|at| self.marks.get_mut(at)).ok_or(RuleError::InvariantBroken)
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
        let earned = bond.revenue_owed().earned_down(self.position().earning(), u128::from_le_bytes(self.entry));
        earned.and_then(|earned| earned.add(Atoms(self.owed))).unwrap_or_default()
    }

    /// The delegator's part, for the rules.
    pub fn position(&self) -> rules::Delegation {
        rules::Delegation {
            shares: self.shares,
            requests: self.requests,
            pending: self.pending,
            active_from: UnixTs(self.active_from),
        }
    }

    /// Writes it back.
    pub fn set_position(&mut self, next: &rules::Delegation) {
        self.shares = next.shares;
        self.requests = next.requests;
        self.pending = next.pending;
        self.active_from = next.active_from.0;
        self.header.due_ts = next.active_from.0;
    }

    /// Books what the shares earned since they last changed. Done before they change, and before a claim.
    ///
    /// # Errors
    /// A rule's.
    pub fn settle(&mut self, revenue: &Revenue) -> RuleResult<()> {
        let earned = revenue.earned_down(self.position().earning(), u128::from_le_bytes(self.entry))?;
        self.owed = Atoms(self.owed).add(earned)?.0;
        self.entry = revenue.per_share.to_le_bytes();
        Ok(())
    }
}

impl Reservation {
    /// What is left of it for its lease, in atoms, and of that the operator's part in `bond`: the most that can be claimed.
    ///
    /// # Errors
    /// A rule's.
    pub fn operators_part(&self, bond: &Bond) -> RuleResult<Atoms> {
        bond.stake().operators_part_down(Atoms(self.amount), Atoms(self.claimed))
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
