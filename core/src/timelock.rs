//! Changes that wait between their proposal and their execution, so that whom they concern can leave before.

use crate::error::{RuleError, RuleResult};
use crate::limits::{GOVERNANCE_DELAY, UNBONDING_TIME};
use crate::quantity::UnixTs;

/// From when on a change that is proposed at `now` may be executed.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub const fn executable_from(now: UnixTs) -> RuleResult<UnixTs> {
    now.after(GOVERNANCE_DELAY)
}

/// From when on a slasher may slash that is named at `now`: 48 hours and the whole time that stake is on its way out.
/// Whoever does not trust it has left by then.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub fn slasher_from(now: UnixTs) -> RuleResult<UnixTs> {
    executable_from(now)?.after(UNBONDING_TIME)
}

/// May a change be executed at `now` that waits until `from`?
///
/// # Errors
/// [`RuleError::TooEarly`].
pub const fn check_due(from: UnixTs, now: UnixTs) -> RuleResult<()> {
    if now.0 < from.0 { Err(RuleError::TooEarly) } else { Ok(()) }
}

/// What a program does with stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Binds stake for a lease.
    Reserve,
    /// Binds more for a lease that it bound some for.
    Extend,
    /// Takes what it bound.
    Slash,
    /// Turns what it bound into a claim.
    Claim,
    /// Sets free what it bound.
    Release,
}

/// May a program do that, which the configuration names now or not (`listed`), with a reservation that it made or not
/// (`own`)? New stake is bound only by a program that is named. What is bound is finished by whoever bound it, and in the way
/// that it was bound for, named or not: no change of the configuration makes the end of a lease fail.
pub const fn may(act: Act, listed: bool, own: bool) -> bool {
    match act {
        Act::Reserve => listed,
        Act::Extend => listed && own,
        Act::Slash | Act::Claim | Act::Release => own,
    }
}

#[cfg(test)]
mod tests {
    use super::{check_due, executable_from, slasher_from};
    use crate::error::RuleError;
    use crate::quantity::UnixTs;

    #[test]
    fn a_change_waits_48_hours_to_the_second() {
        let from = executable_from(UnixTs(1_000)).unwrap_or_default();
        assert_eq!(from, UnixTs(1_000 + 172_800));
        assert_eq!(check_due(from, UnixTs(from.0 - 1)), Err(RuleError::TooEarly));
        assert_eq!(check_due(from, from), Ok(()));
        assert_eq!(check_due(from, UnixTs(from.0 + 1)), Ok(()));
        assert_eq!(slasher_from(UnixTs(1_000)), Ok(UnixTs(1_000 + 172_800 + 604_800)));
        assert_eq!(executable_from(UnixTs::MAX), Err(RuleError::Overflow));
    }
}
