//! Whose stake is in a bond: the operator's, which is lost first, and the delegators', which shares divide.
//!
//! Stake is never created by anything but a deposit, and never grows: what the stake earns is paid out beside it (see
//! [`crate::revenue`]), and tokens that somebody sends to the vault are not counted. So a share is worth one atom when
//! the pool is new, less after each slash, and **never more than one atom**: `assets ≤ shares`. That is what an attack
//! on the first depositor needs to break (it makes one share worth more than the victim's deposit), so the pool is out
//! of its reach without virtual shares. Virtual assets, the usual remedy, would be wrong here: after a slash they make
//! the shares' worth add up to more than there is (`virtual_assets_would_promise_more_than_there_is_after_a_slash`).
//!
//! Every division is rounded against who asks: shares given out are rounded down, shares taken for an amount up,
//! amounts paid down.
//!
//! **New stake waits a day.** What comes in earns nothing until it was activated, which anyone may do a day later; else
//! who joins a moment before a payment takes a part of what others earned. A delegator's new stake does not stand behind
//! leases before that either: it cannot make a bid good and then leave it bad. An operator's does, at once.
//!
//! **What a buyer is owed out of a bond is a claim**, a fourth part of it. It is taken out of the operator's part of the
//! one lease's reservation and leaves seven days later, whatever else is reserved; until then it is lost like the
//! operator's stake on its way out, before any delegator's. So an operator that is its own buyer has its stake back no
//! sooner than by unbonding it.

use crate::bond::Bond;
use crate::error::{RuleError, RuleResult};
use crate::limits::{
    ACTIVATION_DELAY, MAX_DELEGATORS, MAX_REQUESTS, MAX_SHARES_PER_ATOM, MIN_DELEGATION, MIN_DELEGATION_MAX,
    OPERATOR_MULTIPLE, UNBONDING_TIME,
};
use crate::quantity::{Atoms, UnixTs};
use crate::rounding::{mul_div_down, mul_div_up};

/// What left a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Paid out.
    pub amount: Atoms,
    /// Shares that it cost.
    pub shares: u64,
}

/// Assets that are divided by shares. `assets ≤ shares` at all times, and no assets without shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharePool {
    /// What there is, in atoms.
    pub assets: Atoms,
    /// What divides it.
    pub shares: u64,
}

impl SharePool {
    /// What `shares` are worth, rounded down. Nothing where there are no shares.
    ///
    /// # Errors
    /// [`RuleError::Overflow`] for more shares than fit.
    pub fn worth_down(&self, shares: u64) -> RuleResult<Atoms> {
        if self.assets.0 == self.shares || self.shares == 0 {
            return Ok(Atoms(shares.min(self.assets.0)));
        }
        mul_div_down(shares, self.assets.0, self.shares).map(Atoms)
    }

    /// Shares that `amount` costs, rounded up; every share where the pool is empty.
    ///
    /// # Errors
    /// [`RuleError::Overflow`] where they do not fit.
    pub fn cost_up(&self, amount: Atoms) -> RuleResult<u64> {
        if self.assets.0 == self.shares {
            return Ok(amount.0);
        }
        if self.assets.is_zero() {
            return Ok(self.shares);
        }
        mul_div_up(amount.0, self.shares, self.assets.0)
    }

    /// Takes `amount` in; returns the shares given for it, rounded down.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::Overflow`]; [`RuleError::PoolSpent`] where a share is worth less than a
    /// millionth of an atom, which would make the number of shares explode.
    pub fn join(&mut self, amount: Atoms) -> RuleResult<u64> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        let issued = if self.shares == self.assets.0 {
            amount.0
        } else {
            if u128::from(self.shares) > u128::from(self.assets.0) * u128::from(MAX_SHARES_PER_ATOM) {
                return Err(RuleError::PoolSpent);
            }
            mul_div_down(amount.0, self.shares, self.assets.0)?
        };
        let assets = self.assets.add(amount)?;
        let shares = self.shares.checked_add(issued).ok_or(RuleError::Overflow)?;
        *self = Self { assets, shares };
        Ok(issued)
    }

    /// Pays out what `shares` are worth, but no more than `most`. Where `most` is less, only the shares that it costs
    /// are taken, rounded up.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] for more shares than there are.
    pub fn leave(&mut self, shares: u64, most: Atoms) -> RuleResult<Left> {
        if shares > self.shares {
            return Err(RuleError::InvariantBroken);
        }
        let worth = self.worth_down(shares)?;
        let left = if worth <= most {
            Left { amount: worth, shares }
        } else {
            Left { amount: most, shares: self.cost_up(most)?.min(shares) }
        };
        self.assets = self.assets.sub(left.amount)?;
        self.shares = self.shares.checked_sub(left.shares).ok_or(RuleError::InvariantBroken)?;
        Ok(left)
    }

    /// Loses up to `amount`; returns what is left to lose elsewhere. Every share loses alike.
    pub fn lose(&mut self, amount: Atoms) -> Atoms {
        let part = amount.min(self.assets);
        self.assets = self.assets.saturating_sub(part);
        amount.saturating_sub(part)
    }
}

/// Who bore a slash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slash {
    /// What is left of the lease's reservation.
    pub left: Atoms,
    /// Borne by the operator.
    pub operator: Atoms,
    /// Borne by buyers' claims.
    pub claims: Atoms,
    /// Borne by the delegators.
    pub delegators: Atoms,
}

/// What a buyer, or who proved a fault, gets out of a lease's reservation, seven days later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// What is left of the lease's reservation.
    pub left: Atoms,
    /// What was claimed: as much of what was asked as the operator's part of the reservation covers.
    pub amount: Atoms,
    /// The claim, as shares of [`Stake::claims`].
    pub shares: u64,
}

/// The stake of a bond by whom it belongs to. Its sums, which the market reads, are [`Stake::bond`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// The operator's stake that is not on its way out.
    pub own: Atoms,
    /// The operator's stake on its way out; its shares belong to open requests.
    pub exit: SharePool,
    /// The delegators' stake.
    pub delegated: SharePool,
    /// Those of the delegators' shares that are on their way out.
    pub leaving: u64,
    /// Σ of the reservations of open leases.
    pub reserved: Atoms,
    /// What buyers are owed out of the bond. `reserved + claims ≤ amount`: claims leave whatever else is reserved.
    pub claims: SharePool,
    /// Those of the delegators' shares that were not activated; none of them is on its way out.
    pub pending: u64,
    /// Of [`Stake::own`], what came in and was not activated: it does not earn.
    pub fresh: Atoms,
    /// From when on that may be activated.
    pub fresh_from: UnixTs,
    /// When the operator last made stake leave: its own, or a delegator that it sent off. Zero for never.
    pub fell: UnixTs,
}

impl Stake {
    /// All stake.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn amount(&self) -> RuleResult<Atoms> {
        self.own.add(self.exit.assets)?.add(self.claims.assets)?.add(self.delegated.assets)
    }

    /// Delegators' shares that are not on their way out.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn staying(&self) -> RuleResult<u64> {
        self.delegated.shares.checked_sub(self.leaving).ok_or(RuleError::InvariantBroken)
    }

    /// Delegators' stake that is not on its way out, rounded down.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn delegated_staying(&self) -> RuleResult<Atoms> {
        self.delegated.worth_down(self.staying()?)
    }

    /// Delegators' shares that earn and stand behind leases: neither on their way out nor waiting to be activated.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn active(&self) -> RuleResult<u64> {
        self.staying()?.checked_sub(self.pending).ok_or(RuleError::InvariantBroken)
    }

    /// Delegators' stake that earns and stands behind leases, rounded down.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`].
    pub fn delegated_active(&self) -> RuleResult<Atoms> {
        self.delegated.worth_down(self.active()?)
    }

    /// The operator's stake that earns.
    pub const fn own_active(&self) -> Atoms {
        self.own.saturating_sub(self.fresh)
    }

    /// The sums: all stake, what is reserved, and what can be reserved no more.
    ///
    /// What cannot be reserved is on its way out, claimed, not active yet, or more than five times the operator's stake. But
    /// for claims it stands behind `reserved` all the same, so the sum is never more than what is not reserved; whatever a
    /// lease sets free goes to those who leave before it can be reserved again.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where more is reserved and claimed than there is.
    pub fn bond(&self) -> RuleResult<Bond> {
        let amount = self.amount()?;
        let most = Atoms(self.own.0.saturating_mul(OPERATOR_MULTIPLE));
        let usable = self.own.add(self.delegated_active()?)?.min(most);
        let open = amount.sub(self.reserved).map_err(|_| RuleError::InvariantBroken)?;
        if self.claims.assets > open {
            return Err(RuleError::InvariantBroken);
        }
        Ok(Bond { amount, reserved: self.reserved, unbonding: amount.sub(usable)?.min(open) })
    }

    /// Is the operator's stake at least a fifth of itself and `others`?
    fn backs(own: Atoms, others: Atoms) -> RuleResult<()> {
        let most = own.0.saturating_mul(OPERATOR_MULTIPLE - 1);
        if others.0 > most { Err(RuleError::OperatorShareTooSmall) } else { Ok(()) }
    }

    /// The operator adds stake. It can be reserved at once; it earns from its activation on. What came in before and
    /// could have been activated is.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::Overflow`].
    pub fn add(&mut self, amount: Atoms, now: UnixTs) -> RuleResult<()> {
        if amount.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        self.amount()?.add(amount)?;
        let waiting = if now >= self.fresh_from { Atoms::ZERO } else { self.fresh };
        let next = Self {
            own: self.own.add(amount)?,
            fresh: waiting.add(amount)?,
            fresh_from: now.after(ACTIVATION_DELAY)?,
            ..*self
        };
        *self = next;
        Ok(())
    }

    /// The operator's new stake earns from now on; returns how much of it there was, which may be nothing.
    ///
    /// # Errors
    /// [`RuleError::TooEarly`] until a day after the last of it came in.
    pub fn activate(&mut self, now: UnixTs) -> RuleResult<Atoms> {
        if now < self.fresh_from {
            return Err(RuleError::TooEarly);
        }
        self.fresh_from = UnixTs::ZERO;
        Ok(core::mem::take(&mut self.fresh))
    }

    /// A delegator adds stake, which is not active yet; returns its new shares. The operator's own stake must be at least a
    /// fifth of all that is not its own on the way out.
    ///
    /// # Errors
    /// [`RuleError::OperatorShareTooSmall`], and those of [`SharePool::join`].
    pub fn delegate(&mut self, amount: Atoms) -> RuleResult<u64> {
        self.amount()?.add(amount)?;
        Self::backs(self.own, self.delegated.assets.add(amount)?)?;
        let mut next = *self;
        let issued = next.delegated.join(amount)?;
        next.pending = next.pending.checked_add(issued).ok_or(RuleError::Overflow)?;
        *self = next;
        Ok(issued)
    }

    /// The operator puts `amount` of its stake on its way out, what is not active yet first; returns the shares of the
    /// request. What is reserved may be put on its way: it stays until its leases are closed. Of what stays, at least a
    /// fifth must be the operator's.
    ///
    /// # Errors
    /// [`RuleError::PositionTooSmall`], [`RuleError::OperatorShareTooSmall`], and those of [`SharePool::join`].
    pub fn unbond(&mut self, amount: Atoms, now: UnixTs) -> RuleResult<u64> {
        let own = self.own.sub(amount).map_err(|_| RuleError::PositionTooSmall)?;
        Self::backs(own, self.delegated_staying()?)?;
        let shares = self.exit.join(amount)?;
        self.own = own;
        self.fresh = self.fresh.saturating_sub(amount);
        self.fell = now;
        Ok(shares)
    }

    /// A delegator's `shares` are put on their way out, of which `pending` were not active yet.
    ///
    /// # Errors
    /// [`RuleError::PositionTooSmall`], [`RuleError::InvariantBroken`].
    pub fn undelegate(&mut self, shares: u64, pending: u64) -> RuleResult<()> {
        let of_active = shares.checked_sub(pending).ok_or(RuleError::InvariantBroken)?;
        if self.active()? < of_active {
            return Err(RuleError::PositionTooSmall);
        }
        let waiting = self.pending.checked_sub(pending).ok_or(RuleError::PositionTooSmall)?;
        self.leaving = self.leaving.checked_add(shares).ok_or(RuleError::Overflow)?;
        self.pending = waiting;
        Ok(())
    }

    /// Did the operator make stake leave at `since` or later? Then it is its own doing where a bid made since lacks stake.
    /// A delegator that leaves by itself is not: it could else cost its operator its standing.
    pub const fn fell_since(fell: UnixTs, since: UnixTs) -> bool {
        fell.0 != 0 && fell.0 >= since.0
    }

    /// Pays out the operator's matured `shares`. The operator stands behind every reservation first, so what is reserved
    /// is kept of its own stake.
    ///
    /// # Errors
    /// [`RuleError::StakeBound`] where all of it is kept.
    pub fn withdraw(&mut self, shares: u64) -> RuleResult<Left> {
        let most = self.own.add(self.exit.assets)?.saturating_sub(self.reserved);
        Self::unless_bound(&mut self.exit, shares, most)
    }

    /// Pays out a delegator's matured `shares`, never past what is reserved or claimed.
    ///
    /// # Errors
    /// [`RuleError::StakeBound`] where all of it stands behind leases.
    pub fn withdraw_delegated(&mut self, shares: u64) -> RuleResult<Left> {
        let most = self.amount()?.saturating_sub(self.reserved).saturating_sub(self.claims.assets);
        let leaving = self.leaving;
        let left = Self::unless_bound(&mut self.delegated, shares, most)?;
        self.leaving = leaving.checked_sub(left.shares).ok_or(RuleError::InvariantBroken)?;
        Ok(left)
    }

    fn unless_bound(pool: &mut SharePool, shares: u64, most: Atoms) -> RuleResult<Left> {
        if most.is_zero() && !pool.worth_down(shares)?.is_zero() {
            return Err(RuleError::StakeBound);
        }
        pool.leave(shares, most)
    }

    /// Reserves stake for one lease.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`], [`RuleError::InsufficientStake`].
    pub fn reserve(&mut self, amount: Atoms) -> RuleResult<()> {
        let mut bond = self.bond()?;
        bond.reserve(amount)?;
        self.reserved = bond.reserved;
        Ok(())
    }

    /// Releases what is left of a lease's reservation.
    ///
    /// # Errors
    /// [`RuleError::InsufficientReserved`].
    pub fn release(&mut self, amount: Atoms) -> RuleResult<()> {
        self.reserved = self.reserved.sub(amount).map_err(|_| RuleError::InsufficientReserved)?;
        Ok(())
    }

    /// The operator's part of what is left of one lease's `reservation`, out of which `claimed` was claimed before: there is as
    /// much of the operator's in a reservation, on its way out or not, as in the whole bond. Rounded down.
    ///
    /// What was claimed counts as if it were still there, in the reservation and with the operator. A part of what is left,
    /// and again of what is left of that, would else add up to the whole reservation.
    ///
    /// Nothing where older claims were slashed to next to nothing: none can be added to them until they have left. That never
    /// stands in the way of a lease's end.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn operators_part_down(&self, reservation: Atoms, claimed: Atoms) -> RuleResult<Atoms> {
        let (amount, operator) = (self.amount()?, self.own.add(self.exit.assets)?);
        if amount.is_zero() {
            return Ok(Atoms::ZERO);
        }
        // What does not fit in 64 bits is certainly above what there is.
        let part = mul_div_down(reservation.add(claimed)?.0, operator.add(claimed)?.0, amount.0).unwrap_or(u64::MAX);
        let part = Atoms(part).saturating_sub(claimed).min(operator).min(reservation);
        Ok(if { self.claims }.join(part).is_ok() { part } else { Atoms::ZERO })
    }

    /// Turns up to `amount` of what is left of a lease's `reservation`, out of which `claimed` was claimed before, into a claim
    /// of its buyer: as much as [`Stake::operators_part_down`] has, of the operator's stake that stays first. It leaves the bond
    /// seven days later, whatever else is reserved, and can be lost until then.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] where less is reserved in all than for this lease; [`RuleError::Overflow`].
    pub fn claim(&mut self, reservation: Atoms, claimed: Atoms, amount: Atoms) -> RuleResult<Claimed> {
        let amount = amount.min(self.operators_part_down(reservation, claimed)?);
        if amount.is_zero() {
            return Ok(Claimed { left: reservation, ..Claimed::default() });
        }
        let mut next = *self;
        let shares = next.claims.join(amount)?;
        let left = reservation.sub(amount)?;
        next.reserved = next.reserved.sub(amount).map_err(|_| RuleError::InvariantBroken)?;
        let of_own = amount.min(next.own);
        next.own = next.own.sub(of_own)?;
        next.fresh = next.fresh.min(next.own);
        if !next.exit.lose(amount.sub(of_own)?).is_zero() {
            return Err(RuleError::InvariantBroken);
        }
        *self = next;
        Ok(Claimed { left, amount, shares })
    }

    /// Pays a claim out, whatever is reserved. Returns what its shares are still worth.
    ///
    /// # Errors
    /// [`RuleError::InvariantBroken`] for more shares than there are.
    pub fn pay_claim(&mut self, shares: u64) -> RuleResult<Atoms> {
        Ok(self.claims.leave(shares, Atoms::MAX)?.amount)
    }

    /// Slashes `amount` of the `reservation` of one lease: first the operator's stake, on its way out or not, then buyers'
    /// claims, then the delegators', each alike, on its way out or not.
    ///
    /// # Errors
    /// [`RuleError::SlashAboveReservation`], [`RuleError::InvariantBroken`].
    pub fn slash(&mut self, reservation: Atoms, amount: Atoms) -> RuleResult<Slash> {
        let mut bond = self.bond()?;
        let left = bond.slash(reservation, amount)?;
        let mut next = Self { reserved: bond.reserved, ..*self };
        let of_own = amount.min(next.own);
        next.own = next.own.sub(of_own)?;
        next.fresh = next.fresh.min(next.own);
        let others = next.exit.lose(amount.sub(of_own)?);
        let delegators = next.claims.lose(others);
        if !next.delegated.lose(delegators).is_zero() {
            return Err(RuleError::InvariantBroken);
        }
        *self = next;
        Ok(Slash { left, operator: amount.sub(others)?, claims: others.sub(delegators)?, delegators })
    }
}

/// One delegator's part of a bond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// Its shares that are not on their way out.
    pub shares: u64,
    /// Its open requests.
    pub requests: u8,
    /// Of [`Delegation::shares`], those that were not activated: they neither earn nor stand behind leases.
    pub pending: u64,
    /// From when on those may be activated.
    pub active_from: UnixTs,
}

impl Delegation {
    /// Joins with `amount`, at least the operator's `least`; returns the new shares. They earn from their activation on.
    /// What came in before and could have been activated is.
    ///
    /// # Errors
    /// [`RuleError::DelegationTooSmall`], and those of [`Stake::delegate`].
    pub fn add(&mut self, stake: &mut Stake, amount: Atoms, least: Atoms, now: UnixTs) -> RuleResult<u64> {
        if amount < least.max(MIN_DELEGATION) {
            return Err(RuleError::DelegationTooSmall);
        }
        let (mut next, mut position) = (*stake, *self);
        if now >= position.active_from {
            position.activate(&mut next, now)?;
        }
        let issued = next.delegate(amount)?;
        position.shares = position.shares.checked_add(issued).ok_or(RuleError::Overflow)?;
        position.pending = position.pending.checked_add(issued).ok_or(RuleError::Overflow)?;
        position.active_from = now.after(ACTIVATION_DELAY)?;
        (*stake, *self) = (next, position);
        Ok(issued)
    }

    /// Its shares that earn.
    pub const fn earning(&self) -> u64 {
        self.shares.saturating_sub(self.pending)
    }

    /// Its new shares earn and stand behind leases from now on; returns how many of them there were, which may be none. What
    /// arrived before must be divided, and what its other shares earned booked, before.
    ///
    /// # Errors
    /// [`RuleError::TooEarly`] until a day after the last of them came in; [`RuleError::InvariantBroken`].
    pub fn activate(&mut self, stake: &mut Stake, now: UnixTs) -> RuleResult<u64> {
        if now < self.active_from {
            return Err(RuleError::TooEarly);
        }
        stake.pending = stake.pending.checked_sub(self.pending).ok_or(RuleError::InvariantBroken)?;
        self.active_from = UnixTs::ZERO;
        Ok(core::mem::take(&mut self.pending))
    }

    /// Does it take a place of the pool? Not once all of its stake is out, whatever it is still owed: a delegator that
    /// cannot, or will not, take its revenue blocks nobody.
    pub const fn holds_place(&self) -> bool {
        self.shares != 0 || self.requests != 0
    }

    /// Does it make its bond kin to others that it delegates to? From the operator's `least` on, which it sets: dust that a
    /// stranger delegates to every pool would else make all of them kin.
    pub const fn makes_kin(&self, least: Atoms) -> bool {
        self.shares != 0 && self.shares >= least.0
    }

    /// Puts `amount` on its way out (all of it for [`Atoms::MAX`]), what is not active yet first; returns its shares. What
    /// stays must be nothing, or shares for the protocol's least delegation. The operator may send a delegator off
    /// (`by_operator`), but only whole, and then one request more may be open than a delegator can have, so that nobody can
    /// prevent it; that it did is remembered as its doing.
    ///
    /// # Errors
    /// [`RuleError::TooManyRequests`], [`RuleError::PositionTooSmall`], [`RuleError::DelegationTooSmall`],
    /// [`RuleError::ZeroAmount`].
    pub fn request(&mut self, stake: &mut Stake, amount: Atoms, by_operator: bool, now: UnixTs) -> RuleResult<u64> {
        if self.shares == 0 {
            return Err(RuleError::PositionTooSmall);
        }
        if self.requests >= MAX_REQUESTS + u8::from(by_operator) {
            return Err(RuleError::TooManyRequests);
        }
        let shares = if amount == Atoms::MAX { self.shares } else { stake.delegated.cost_up(amount)? };
        if shares == 0 {
            return Err(RuleError::ZeroAmount);
        }
        let stays = self.shares.checked_sub(shares).ok_or(RuleError::PositionTooSmall)?;
        if stays != 0 && (stays < MIN_DELEGATION.0 || by_operator) {
            return Err(RuleError::DelegationTooSmall);
        }
        let pending = self.pending.min(shares);
        stake.undelegate(shares, pending)?;
        if by_operator {
            stake.fell = now;
        }
        let requests = self.requests.saturating_add(1);
        *self = Self { shares: stays, requests, pending: self.pending.saturating_sub(pending), ..*self };
        Ok(shares)
    }
}

/// When stake matures that is put on its way out at `now`.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub fn matures(now: UnixTs) -> RuleResult<UnixTs> {
    now.after(UNBONDING_TIME)
}

/// May the request be withdrawn? At `matures` and later, or at once where a slash left nothing of it.
///
/// # Errors
/// [`RuleError::NotMatured`].
pub fn check_matured(pool: &SharePool, shares: u64, matures: UnixTs, now: UnixTs) -> RuleResult<()> {
    if now < matures && !pool.worth_down(shares)?.is_zero() {
        return Err(RuleError::NotMatured);
    }
    Ok(())
}

/// Is there a place for another delegator?
///
/// # Errors
/// [`RuleError::TooManyDelegators`].
pub fn check_place(delegators: u8) -> RuleResult<()> {
    if delegators >= MAX_DELEGATORS { Err(RuleError::TooManyDelegators) } else { Ok(()) }
}

/// Is this a least delegation that an operator may ask for?
///
/// # Errors
/// [`RuleError::MinimumOutOfBounds`].
pub fn check_minimum(least: Atoms) -> RuleResult<()> {
    let fine = least >= MIN_DELEGATION && least <= MIN_DELEGATION_MAX;
    if fine { Ok(()) } else { Err(RuleError::MinimumOutOfBounds) }
}
