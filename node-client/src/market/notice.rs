//! A machine that its operator takes away: which of its leases are given notice, and when.

use core::fmt;

use gridlease_core::lease::LeaseState;
use gridlease_core::{Now, Seconds, UnixTs};
use gridlease_sdk::account::Lease;
use serde::{Deserialize, Serialize};

/// The operator's word that the machine leaves the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// From when on, at the earliest, no lease shall run any more (Unix seconds of the chain); `None`: leases go on to their end.
    pub gone_from: Option<u64>,
}

/// How a lease of a machine that leaves will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Notice is due now: the lease is over that long after it is given.
    Give {
        /// What was agreed.
        agreed: Seconds,
    },
    /// Notice was given.
    Given {
        /// When the lease is over.
        ends: UnixTs,
    },
    /// Notice is given later, so that the lease is over when the machine goes.
    GivenAt {
        /// When.
        at: UnixTs,
    },
    /// No notice was agreed, so that leaving would be a fault: it goes on to its end.
    NoneAgreed {
        /// Until when its money lasts.
        until: UnixTs,
    },
    /// It starts; what it will be is said once it runs.
    Starting,
    /// Its node is down for the chain: it resumes before it gives notice.
    Paused,
    /// The operator lets leases go on to their end.
    GoesOn {
        /// Until when its money lasts.
        until: UnixTs,
    },
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Give { agreed } => write!(f, "Notice is given now, and the lease is over in {} s.", agreed.0),
            Self::Given { ends } => write!(f, "Notice was given, and the lease is over at {}.", ends.0),
            Self::GivenAt { at } => write!(f, "Notice is given at {}, so that the lease is over in time.", at.0),
            Self::NoneAgreed { until } => {
                write!(f, "No notice was agreed, so the lease goes on to its end, at {} at the latest.", until.0)
            }
            Self::Starting => f.write_str("The lease starts; notice can be given once it runs."),
            Self::Paused => f.write_str("The lease is paused, and notice can be given once it runs again."),
            Self::GoesOn { until } => write!(f, "The lease goes on to its end, at {} at the latest.", until.0),
        }
    }
}

/// How `lease` ends where its machine leaves; `None` for one that is over. The rules have the word on whether notice can be given.
#[must_use]
pub fn leave(lease: &Lease, leaving: Leaving, now: Now) -> Option<Leave> {
    let mut rules = lease.rules().ok()?;
    if rules.state.is_over() || rules.state == LeaseState::Finished {
        return None;
    }
    let until = rules.runway_end;
    if !rules.notice_end.is_zero() {
        return Some(Leave::Given { ends: rules.notice_end });
    }
    Some(match rules.state {
        _ if rules.notice.is_zero() && leaving.gone_from.is_some() => Leave::NoneAgreed { until },
        _ if leaving.gone_from.is_none() => Leave::GoesOn { until },
        LeaseState::Starting => Leave::Starting,
        LeaseState::Paused => Leave::Paused,
        _ => {
            let at = UnixTs(leaving.gone_from.unwrap_or(0).saturating_sub(rules.notice.0));
            let agreed = rules.notice;
            if now.ts < at {
                Leave::GivenAt { at }
            } else {
                rules.give_notice(now).ok()?;
                Leave::Give { agreed }
            }
        }
    })
}
