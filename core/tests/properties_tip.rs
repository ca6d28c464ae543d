//! Tips grow with lateness and with nothing else, stay below their bound, and never take what an account needs.

mod common;

use common::any_u64;
use gridlease_core::UnixTs;
use gridlease_core::tip::{
    CHALLENGE_BOUNTY, LATENESS, MAX_TIP, PARTY_GRACE, TIP, award_tip, payable, prepaid, prepaid_array, prepaid_job,
    prepaid_lease, prepaid_sealed_bid, tip,
};
use proptest::prelude::*;

const DUE: u64 = 1_800_000_000;

proptest! {
    #[test]
    fn a_later_step_never_earns_less_and_none_earns_more_than_ten_tips(due in any_u64(), a in any_u64(), b in any_u64()) {
        let (early, late) = (tip(UnixTs(due), UnixTs(a.min(b))), tip(UnixTs(due), UnixTs(a.max(b))));
        prop_assert!(early <= late && late <= MAX_TIP);
        prop_assert!(late == 0 || (late >= TIP && late.is_multiple_of(TIP)));
    }

    #[test]
    fn tips_never_take_more_than_was_set_aside_and_never_the_rent(
        cranks in 1u64..20, rent in 0u64..10_000_000, lateness in prop::collection::vec(0u64..2_000, 0..40),
    ) {
        let aside = prepaid(cranks);
        let mut lamports = rent + aside;
        let mut paid = 0;
        for late in lateness {
            let part = payable(tip(UnixTs(DUE), UnixTs(DUE + late)), lamports, rent);
            lamports -= part;
            paid += part;
            prop_assert!(lamports >= rent && paid <= aside);
        }
        prop_assert_eq!(lamports + paid, rent + aside, "what is not paid goes back with the rent");
    }

    #[test]
    fn an_account_below_its_rent_pays_nothing_and_nothing_fails(wanted in any_u64(), lamports in any_u64(), rent in any_u64()) {
        let paid = payable(wanted, lamports, rent);
        prop_assert!(paid <= wanted && paid <= lamports.saturating_sub(rent));
        prop_assert!(paid == wanted || paid == lamports.saturating_sub(rent));
    }
}

#[test]
fn r35_for_two_seconds_nobody_is_tipped_then_each_minute_adds_one_tip() {
    let at = |late| tip(UnixTs(DUE), UnixTs(DUE + late));
    assert_eq!((at(0), at(PARTY_GRACE.0 - 1)), (0, 0));
    assert_eq!((at(PARTY_GRACE.0), at(PARTY_GRACE.0 + 1)), (10_000, 10_000));
    let minute = PARTY_GRACE.0 + LATENESS.0;
    assert_eq!((at(minute - 1), at(minute), at(minute + 1)), (10_000, 20_000, 20_000));
    let last = PARTY_GRACE.0 + 9 * LATENESS.0;
    assert_eq!((at(last - 1), at(last), at(last + 1), at(1_000_000)), (90_000, 100_000, 100_000, 100_000));
}

#[test]
fn r35_an_award_that_leases_earns_a_tip_at_once_and_more_where_it_is_late() {
    let at = |late| award_tip(UnixTs(DUE), UnixTs(DUE + late));
    assert_eq!((at(0), at(PARTY_GRACE.0), at(PARTY_GRACE.0 + LATENESS.0)), (TIP, TIP, 2 * TIP));
    assert_eq!(award_tip(UnixTs(DUE), UnixTs(u64::MAX)), MAX_TIP);
}

#[test]
fn a_step_that_is_not_due_earns_nothing() {
    assert_eq!(tip(UnixTs(0), UnixTs(DUE)), 0, "no due time");
    assert_eq!(tip(UnixTs(DUE), UnixTs(DUE - 1)), 0, "before it");
    assert_eq!(tip(UnixTs(u64::MAX), UnixTs(0)), 0);
}

#[test]
fn what_is_set_aside_pays_every_crank_its_flat_tip_and_one_its_highest() {
    assert_eq!(prepaid_job(3), 170_000, "three awards, three failed starts, one end, one closing");
    assert_eq!(prepaid_job(8), 270_000);
    assert_eq!(
        prepaid_lease(),
        MAX_TIP + 2 * TIP + CHALLENGE_BOUNTY,
        "a missed challenge and its bounty, the last payment, one closing"
    );
    assert_eq!((prepaid_sealed_bid(), CHALLENGE_BOUNTY), (MAX_TIP, 50_000));
    assert_eq!(prepaid_array(100, 0, 3), 101 * TIP + 9 * TIP);
    assert_eq!(prepaid_array(100, 5, 3), 101 * TIP + 9 * TIP + 5 * 170_000);
    assert_eq!(prepaid_array(u32::MAX, 0, 0), (u64::from(u32::MAX) + 1) * TIP + 9 * TIP);
}
