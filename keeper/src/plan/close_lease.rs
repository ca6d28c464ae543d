//! Closes leases that are over and paid.

use gridlease_core::lease as rules;
use gridlease_sdk::instruction::lease::LeaseKeys;

use super::Step;

/// The step where the lease is over and owes nothing.
pub(super) fn step(keys: &LeaseKeys, lease: &rules::Lease) -> Option<Step> {
    lease.check_close().ok()?;
    Some(Step::CloseLease(*keys))
}
