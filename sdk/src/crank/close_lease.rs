//! Closes leases that are over and paid.

use crate::instruction::lease::LeaseKeys;
use gridlease_core::{Now, lease as rules};

use super::Step;

/// The step where the lease is over and owes nothing.
pub(super) fn step(keys: &LeaseKeys, lease: &rules::Lease, now: Now) -> Option<Step> {
    lease.check_close(now).ok()?;
    Some(Step::CloseLease(*keys))
}
