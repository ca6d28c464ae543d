//! R11: a buyer computes for 89 seconds, rejects the start, and pays nothing; twice a job, in as many jobs as it likes.

use gridlease_core::job::minute;

use crate::books::{PRICE, T, at, running, won};

#[test]
fn r11_what_ran_before_a_rejection_is_paid_for_and_nobody_gains_by_it() {
    // The first edition: all of it went back.
    let (attacker_before, victim_before) = (89_000, -89_000);
    assert_eq!(won(running().gross(at(T + 89)).unwrap()), attacker_before, "computed for nothing");
    assert_eq!(attacker_before, -victim_before);

    let minute = minute(PRICE, PRICE).unwrap();
    for (ran, buyer) in [(0, 60_000), (59, 60_000), (61, 61_000), (89, 89_000)] {
        let mut lease = running();
        let undone = lease.reject(minute, at(T + ran)).unwrap();
        assert_eq!(won(undone.buyer), buyer, "rejected after {ran} s");
        assert_eq!(won(undone.provider), 60_000, "and a dud that says ready is not free either");
        assert!(undone.buyer >= undone.provider, "a rejection never costs the other side more");
        assert_eq!(
            (lease.forfeited, lease.base.0),
            (undone.buyer, 0),
            "it goes to the insurance fund, not to the node"
        );
    }
}
