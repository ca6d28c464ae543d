//! The account that a provider is paid to: how it changes, and where the money goes when it cannot be paid.

use crate::error::RuleResult;
use crate::limits::PAYOUT_DELAY;
use crate::quantity::UnixTs;
use crate::timelock;

/// When a payout account that is proposed at `now` may take effect.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub const fn due(now: UnixTs) -> RuleResult<UnixTs> {
    now.after(PAYOUT_DELAY)
}

/// May a payout account that is due at `due` take effect at `now`?
///
/// # Errors
/// [`RuleError::TooEarly`].
pub const fn check_apply(due: UnixTs, now: UnixTs) -> RuleResult<()> {
    timelock::check_due(due, now)
}

/// Where a lease is paid: to the account that it recorded when it opened, and only where that one cannot take money (it is
/// closed, frozen, or no token account of the market's mint any more) to the provider's present one. So a frozen account
/// binds stake, unit and rent for the 48 hours of a change at most, and nobody but the provider's cold key moves a
/// payment anywhere else.
pub fn destination<T>(recorded: T, recorded_takes_money: bool, present: T) -> T {
    if recorded_takes_money { recorded } else { present }
}
