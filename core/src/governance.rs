//! What governance may set, between which bounds, and when a change that was proposed may take effect.

use crate::error::{RuleError, RuleResult};
use crate::limits::{BOND_CAP, FEE_BPS, GOVERNANCE_WINDOW, JOB_CAP, MAX_FEE_BPS, PURSE_CAP, SLOT_MS, SLOT_MS_BOUNDS};
use crate::quantity::{Atoms, Bps, UnixTs};
use crate::timelock;

/// The numbers of the market that can be changed. A lease copies them when it opens: a change never reaches one that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Fee on what is paid; at most [`MAX_FEE_BPS`].
    pub fee: Bps,
    /// Milliseconds that one slot is billed at most; inside [`SLOT_MS_BOUNDS`].
    pub slot_ms: u32,
}

impl Parameters {
    /// What a market begins with.
    pub const GENESIS: Self = Self { fee: FEE_BPS, slot_ms: SLOT_MS };

    /// Is every number inside its bounds?
    ///
    /// # Errors
    /// [`RuleError::BpsOutOfBounds`], [`RuleError::ParameterOutOfBounds`].
    pub const fn check(&self) -> RuleResult<()> {
        if self.fee.0 > MAX_FEE_BPS.0 {
            return Err(RuleError::BpsOutOfBounds);
        }
        let (least, most) = SLOT_MS_BOUNDS;
        if self.slot_ms < least || self.slot_ms > most {
            return Err(RuleError::ParameterOutOfBounds);
        }
        Ok(())
    }
}

/// The most that a market holds of anybody's while it is young. Asked only where something comes in: of a deposit, of added
/// stake, of a posting. Never of what goes out, or comes back: a refund above a cap is a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of a purse's balance.
    pub purse: Atoms,
    /// Of a bond's stake, its delegators' included.
    pub bond: Atoms,
    /// Of what a job reserves.
    pub job: Atoms,
}

impl Caps {
    /// What a market begins with.
    pub const GENESIS: Self = Self { purse: PURSE_CAP, bond: BOND_CAP, job: JOB_CAP };

    /// May a deposit take a purse's balance to `balance`?
    ///
    /// # Errors
    /// [`RuleError::PurseCap`].
    pub fn check_deposit(&self, balance: Atoms) -> RuleResult<()> {
        if balance > self.purse { Err(RuleError::PurseCap) } else { Ok(()) }
    }

    /// May added stake take a bond's to `stake`?
    ///
    /// # Errors
    /// [`RuleError::BondCap`].
    pub fn check_stake(&self, stake: Atoms) -> RuleResult<()> {
        if stake > self.bond { Err(RuleError::BondCap) } else { Ok(()) }
    }

    /// May a job be posted that reserves `cap`?
    ///
    /// # Errors
    /// [`RuleError::JobCap`].
    pub fn check_job(&self, cap: Atoms) -> RuleResult<()> {
        if cap > self.job { Err(RuleError::JobCap) } else { Ok(()) }
    }

    /// May these be set? A cap of nothing is none; intake is closed by pausing it.
    ///
    /// # Errors
    /// [`RuleError::ParameterOutOfBounds`].
    pub fn check(&self) -> RuleResult<()> {
        if self.purse.is_zero() || self.bond.is_zero() || self.job.is_zero() {
            return Err(RuleError::ParameterOutOfBounds);
        }
        Ok(())
    }

    /// May `next` be set at once? One that raises none of them may; any other waits as every change does.
    ///
    /// # Errors
    /// [`RuleError::RaisesCap`], and those of [`Caps::check`].
    pub fn lower_to(&self, next: &Self) -> RuleResult<()> {
        next.check()?;
        if next.purse > self.purse || next.bond > self.bond || next.job > self.job {
            return Err(RuleError::RaisesCap);
        }
        Ok(())
    }

    /// These caps as a configuration writes them. One of the first edition has none written, which is zero: the genesis value holds.
    pub fn written(purse: Atoms, bond: Atoms, job: Atoms) -> Self {
        let or = |cap: Atoms, genesis| if cap.is_zero() { genesis } else { cap };
        let genesis = Self::GENESIS;
        Self { purse: or(purse, genesis.purse), bond: or(bond, genesis.bond), job: or(job, genesis.job) }
    }
}

/// When a change that is proposed at `now` may be executed.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub const fn due(now: UnixTs) -> RuleResult<UnixTs> {
    timelock::executable_from(now)
}

/// Does a proposal that is due at `due` (zero: there is none) still stand at `now`? One that nobody executed within
/// [`GOVERNANCE_WINDOW`] has lapsed, so that none can lie in wait until it is forgotten.
pub const fn stands(due: UnixTs, now: UnixTs) -> bool {
    due.0 != 0 && now.0 < due.0.saturating_add(GOVERNANCE_WINDOW.0)
}

/// May a proposal that is due at `due` be executed at `now`?
///
/// # Errors
/// [`RuleError::TooEarly`] before it is due, [`RuleError::TooLate`] once it has lapsed.
pub fn check_execute(due: UnixTs, now: UnixTs) -> RuleResult<()> {
    timelock::check_due(due, now)?;
    if !stands(due, now) {
        return Err(RuleError::TooLate);
    }
    Ok(())
}
