//! Leases of a machine that its operator takes away.

use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_DURATION;
use gridlease_sdk::account::Lease;

use super::*;

const LEASE: Pubkey = Pubkey::new_from_array([6; 32]);

/// A lease that runs since a hundred seconds, of which so much notice was agreed.
fn lease(state: LeaseState, notice_s: u32) -> Lease {
    let mut lease = Lease {
        price: 300_000,
        slot_ms: 400,
        reserved: 1_000_000,
        notice_s,
        ready_ts: 900,
        segment_ts: 900,
        segment_slot: 2_250,
        runway_end: 9_000,
        duration_s: MAX_DURATION.0 as u32,
        ..Lease::zeroed()
    };
    lease.header.state = state as u8;
    lease
}

fn how(lease: &Lease, gone_from: Option<u64>) -> Option<Leave> {
    leave(lease, Leaving { gone_from }, NOW)
}

#[test]
fn each_lease_of_a_machine_that_leaves_ends_as_was_agreed_and_reads_as_a_sentence() {
    let given = Lease { notice_end: 1_500, ..lease(LeaseState::Running, 600) };
    let table = [
        (lease(LeaseState::Running, 600), Some(1_000), "Notice is given now, and the lease is over in 600 s."),
        (given, Some(1_000), "Notice was given, and the lease is over at 1500."),
        (given, None, "Notice was given, and the lease is over at 1500."),
        (lease(LeaseState::Running, 600), Some(3_000), "Notice is given at 2400, so that the lease is over in time."),
        (lease(LeaseState::Running, 600), Some(1_600), "Notice is given now, and the lease is over in 600 s."),
        (
            lease(LeaseState::Running, 0),
            Some(1_000),
            "No notice was agreed, so the lease goes on to its end, at 9000 at the latest.",
        ),
        (lease(LeaseState::Running, 600), None, "The lease goes on to its end, at 9000 at the latest."),
        (lease(LeaseState::Starting, 600), Some(1_000), "The lease starts; notice can be given once it runs."),
        (
            lease(LeaseState::Paused, 600),
            Some(1_000),
            "The lease is paused, and notice can be given once it runs again.",
        ),
    ];
    for (lease, gone_from, sentence) in table {
        assert_eq!(how(&lease, gone_from).unwrap().to_string(), sentence);
        assert!(is_sentence(sentence), "{sentence}");
    }
    for over in [LeaseState::Ended, LeaseState::Finished] {
        assert_eq!(how(&lease(over, 600), Some(1_000)), None, "{over:?}");
    }
}

#[test]
fn report_05_notice_is_given_once_for_each_lease_that_agreed_to_it_and_beside_what_the_offer_needs() {
    let world = World::with(|world| world.leaving = Some(Leaving { gone_from: Some(1_000) }));
    let decide = |world: &World, lease: &Lease| plan(&world.state(), std::iter::empty(), [(&LEASE, lease)].into_iter());
    let decisions = decide(&world, &lease(LeaseState::Running, 600));
    assert!(matches!(decisions[0], Decision::Notice { lease: LEASE, leave: Leave::Give { .. } }), "{decisions:?}");
    assert!(matches!(decisions[1], Decision::Withdraw { .. }), "{decisions:?}");
    let count = |lease: &Lease| {
        decide(&world, lease).iter().filter(|decision| matches!(decision, Decision::Notice { .. })).count()
    };
    assert_eq!(count(&Lease { notice_end: 1_600, ..lease(LeaseState::Running, 600) }), 0, "once");
    assert_eq!(count(&lease(LeaseState::Running, 0)), 0, "none was agreed: that would be a fault");
    assert!(decide(&World::new(), &lease(LeaseState::Running, 600)).is_empty(), "the machine stays");
}
