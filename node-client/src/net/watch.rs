//! What a look at the fence says about the leases behind it.

use std::time::{Duration, Instant};

/// For how long, and how often in a row, nobody may be able to look before leases are no longer trusted to be fenced: a machine
/// that is busy, or an `nft` that is being replaced, costs no lease.
const LONGEST_BLIND: Duration = Duration::from_secs(30);
const MOST_BLIND: u32 = 3;

/// Counts the looks that saw nothing.
#[derive(Debug, Default)]
pub(super) struct Watch {
    blind: Option<(Instant, u32)>,
}

impl Watch {
    /// The fence was looked at, whatever was seen.
    pub(super) fn saw(&mut self) {
        self.blind = None;
    }

    /// It could not be looked at. Whether that is so for too long.
    pub(super) fn is_blind_for_too_long(&mut self, now: Instant) -> bool {
        let (since, times) = self.blind.get_or_insert((now, 0));
        *times = times.saturating_add(1);
        *times > MOST_BLIND && now.saturating_duration_since(*since) > LONGEST_BLIND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_05_looks_that_fail_for_a_while_open_no_fence_and_those_that_fail_for_long_do() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..=30).step_by(2).all(|seconds| !watch.is_blind_for_too_long(at(seconds))));
        assert!(watch.is_blind_for_too_long(at(31)));
        // One look that sees something, and it begins anew.
        watch.saw();
        assert!(!watch.is_blind_for_too_long(at(40)));
        // Two looks with a long time between them, as on a machine that slept, are not many.
        assert!(!watch.is_blind_for_too_long(at(4_000)) && !watch.is_blind_for_too_long(at(4_002)));
        assert!(watch.is_blind_for_too_long(at(4_004)));
    }
}
