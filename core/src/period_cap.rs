//! The most that a hot key of a purse reserves in one period: its spender by posting, its guardian by topping up and extending.

use crate::error::{RuleError, RuleResult};
use crate::limits::CAP_PERIOD_BOUNDS;
use crate::quantity::{Atoms, Seconds, UnixTs};

/// A key's cap and what it used of it. Periods lie on a fixed grid that begins when the cap is set. What is reserved counts in
/// the period in which that happens; what comes back of it later gives no cap back. The default is no cap at all: nothing can be
/// reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodCap {
    /// The most that is reserved in one period.
    pub cap: Atoms,
    /// What was reserved in the running period; never above the cap.
    pub spent: Atoms,
    /// Start of the running period.
    pub period_start: UnixTs,
    /// Length of a period.
    pub period: Seconds,
}

impl PeriodCap {
    /// A cap set at `now`, with all of it left.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`] for a cap of nothing, [`RuleError::DurationOutOfBounds`].
    pub fn set(cap: Atoms, period: Seconds, now: UnixTs) -> RuleResult<Self> {
        if cap.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        if period < CAP_PERIOD_BOUNDS.0 || period > CAP_PERIOD_BOUNDS.1 {
            return Err(RuleError::DurationOutOfBounds);
        }
        Ok(Self { cap, spent: Atoms::ZERO, period_start: now, period })
    }

    /// The cap as it stands at `now`: in the period of the grid that holds `now`. A clock that went backward opens no
    /// new period.
    #[must_use]
    pub fn at(self, now: UnixTs) -> Self {
        let passed = now.since(self.period_start).0;
        match passed.checked_div(self.period.0) {
            None | Some(0) => self,
            // At most `passed`, so that the start stays at or before `now`.
            Some(periods) => Self {
                spent: Atoms::ZERO,
                period_start: UnixTs(self.period_start.0.saturating_add(periods.saturating_mul(self.period.0))),
                ..self
            },
        }
    }

    /// What its key can still reserve at `now`.
    #[must_use]
    pub fn left(self, now: UnixTs) -> Atoms {
        let at = self.at(now);
        at.cap.saturating_sub(at.spent)
    }

    /// The cap after its key reserved `amount` at `now`; `None` where that is more than is left of its cap.
    #[must_use]
    pub fn spend(self, amount: Atoms, now: UnixTs) -> Option<Self> {
        let at = self.at(now);
        let spent = at.spent.add(amount).ok().filter(|spent| *spent <= at.cap)?;
        Some(Self { spent, ..at })
    }
}
