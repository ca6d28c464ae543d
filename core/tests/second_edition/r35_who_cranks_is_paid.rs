//! R35: tips began 15 s after a step was due, so whoever cranked in time paid for everyone; and a job that found nobody cost its
//! poster nothing and keepers an award for each of its windows.

use gridlease_core::UnixTs;
use gridlease_core::tip::{TIP, award_tip, tip};

use crate::books::T;

/// What a transaction with one signature costs who sends it, in lamports.
const TRANSACTION: u64 = 5_000;

/// The first edition: nothing for 15 s.
fn tip_in_the_first_edition(late: u64) -> u64 {
    if late < 15 { 0 } else { TIP + TIP * ((late - 15) / 60).min(9) }
}

#[test]
fn r35_a_keeper_in_time_is_paid_and_no_award_is_for_nothing() {
    let in_time = 3;
    assert_eq!(tip_in_the_first_edition(in_time), 0, "the keeper pays {TRANSACTION} for the parties");
    assert!(tip(UnixTs(T), UnixTs(T + in_time)) >= TRANSACTION);
    // Nine windows without a taker: nine awards at the keeper's cost in the first edition, for one that leads to something.
    let keeper_before = 10 * TRANSACTION;
    let keeper = award_tip(UnixTs(T), UnixTs(T)) - TRANSACTION;
    assert!(
        keeper_before > 0 && keeper > 0,
        "a job without bids has no window and no award (R31), and one that leases pays"
    );
}
