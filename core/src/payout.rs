//! The account that a provider is paid to: how it changes, and where the money goes when it cannot be paid.

use crate::error::RuleResult;
use crate::limits::{PAYOUT_DELAY, PAYOUT_DELAY_WITH_DELEGATORS};
use crate::quantity::UnixTs;
use crate::timelock;

/// When a payout account that was proposed at `proposed` may take effect: in 48 hours; in nine days where the provider's bond
/// has `delegators`, so that whoever does not like it has its stake out before.
///
/// # Errors
/// [`RuleError::Overflow`] at the end of time.
pub const fn due(proposed: UnixTs, delegators: bool) -> RuleResult<UnixTs> {
    proposed.after(if delegators { PAYOUT_DELAY_WITH_DELEGATORS } else { PAYOUT_DELAY })
}

/// May a payout account that was proposed at `proposed` take effect at `now`, where the bond has `delegators` now? It is
/// asked again when it takes effect, so that nobody joins into a change that is nearly due.
///
/// # Errors
/// [`RuleError::TooEarly`], [`RuleError::Overflow`].
pub const fn check_apply(proposed: UnixTs, delegators: bool, now: UnixTs) -> RuleResult<()> {
    match due(proposed, delegators) {
        Ok(due) => timelock::check_due(due, now),
        Err(error) => Err(error),
    }
}

/// What became of a token account that money was recorded to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It takes money.
    Takes,
    /// It is frozen.
    Frozen,
    /// It is closed, or no token account of the mint any more.
    Closed,
    /// It is, or was, the revenue vault of a bond.
    RevenueVault,
}

/// Where anyone may have paid what is due already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the recorded account, and nowhere else.
    Recorded,
    /// To the associated token account of whom the recorded account was for.
    Associated,
}

/// Where is paid what is due to a recorded account? Only where that is closed, to the associated account of its recorded
/// owner, so that nobody blocks others, or itself, by closing an account. A frozen one waits: its issuer wants it so. In place
/// of a revenue vault nothing is paid: what is in there is the delegators'. (A purse's free balance is not due to anybody:
/// its owner alone withdraws it.)
pub const fn way(recorded: Recorded) -> Way {
    match recorded {
        Recorded::Closed => Way::Associated,
        Recorded::Takes | Recorded::Frozen | Recorded::RevenueVault => Way::Recorded,
    }
}

/// Where a lease is paid: to the account that it recorded when it opened, and only where that one cannot take money (it is
/// closed, frozen, or no token account of the market's mint any more) to the provider's present one. Where that one takes none
/// either, a closed account is passed by as [`way`] says, to the one `associated` with the provider's cold key. So a frozen
/// account binds unit and rent for the 48 hours of a change at most, a closed one keeps nobody's purse open, and a payment
/// goes nowhere else but where the provider's cold key wants it or reaches it.
pub fn destination<T>(
    recorded: T,
    recorded_state: Recorded,
    present: T,
    present_takes: bool,
    associated: impl FnOnce() -> T,
) -> T {
    match (recorded_state, way(recorded_state)) {
        (Recorded::Takes, _) => recorded,
        _ if present_takes => present,
        (_, Way::Associated) => associated(),
        (_, Way::Recorded) => recorded,
    }
}
