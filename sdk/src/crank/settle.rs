//! Pays providers what has accrued.

use crate::instruction::lease::LeaseKeys;
use gridlease_core::lease::LeaseState;
use gridlease_core::rounding::cost_down;
use gridlease_core::{Now, RuleResult, lease as rules};

use super::{Policy, Step};

/// The step where something is payable and worth it: at once for a lease that earns no more, by the policy's amounts for
/// one that runs. `lease` is moved on as the market would.
pub(super) fn step(keys: &LeaseKeys, lease: &mut rules::Lease, now: Now, policy: &Policy) -> Option<Step> {
    if !due(lease, now, policy).unwrap_or(false) {
        return None;
    }
    lease.settle(now).ok()?;
    Some(Step::Settle(*keys))
}

fn due(lease: &rules::Lease, now: Now, policy: &Policy) -> RuleResult<bool> {
    let payable = lease.payable(now)?;
    let owed = payable.net.add(payable.fee)?;
    if owed.is_zero() {
        return Ok(false);
    }
    if lease.state.is_over() || matches!(lease.state, LeaseState::Grace | LeaseState::Finished) {
        return Ok(true);
    }
    let by_time = cost_down(lease.price, policy.settle_every)?;
    Ok(owed >= policy.settle_above.min(by_time).max(policy.settle_least))
}
