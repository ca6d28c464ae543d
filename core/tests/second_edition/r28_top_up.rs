//! R28. A job of a minute, topped up for a month, stands on five USDC.

use gridlease_core::bond::{extension, lease_reservation};
use gridlease_core::lease::Lease;
use gridlease_core::rounding::cost_up;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds};

use super::money::{DAY, U, after, first_reservation};

const PRICE: PricePerHour = PricePerHour(10 * U);
const MINUTE: Seconds = Seconds(60);
const MONTH: Seconds = Seconds(30 * DAY);

fn at(seconds: u64) -> Now {
    Now { slot: seconds * 5 / 2, ts: after(seconds) }
}

fn running(duration: Seconds) -> Lease {
    let funds = cost_up(PRICE, MINUTE).unwrap();
    let mut lease = Lease { duration, ..Lease::open(PRICE, funds, 400, Bps(200), at(0), after(600)) };
    lease.ready(at(0)).unwrap();
    lease
}

#[test]
fn r28_money_alone_never_lengthens_a_lease_beyond_what_its_stake_was_reserved_for() {
    let month = cost_up(PRICE, MONTH).unwrap();
    let more = month.sub(cost_up(PRICE, MINUTE).unwrap()).unwrap();
    // The first edition knew no duration of a lease: 7,200 USDC of work stood on five.
    let mut first = running(MONTH);
    assert_eq!(first.top_up(more, at(1)), Ok(false));
    assert_eq!(first_reservation(PRICE, MINUTE), Atoms(5 * U));
    assert_eq!(month, Atoms(7_200 * U));

    let mut lease = running(MINUTE);
    assert_eq!(lease.top_up(more, at(1)), Err(RuleError::BeyondDuration));
    assert_eq!(lease.top_up(Atoms(1), at(1)), Err(RuleError::BeyondDuration));
    let from = lease.extend(Seconds(MONTH.0 - MINUTE.0), at(1)).unwrap();
    let stake = extension(PRICE, PRICE, from, lease.duration).unwrap();
    assert_eq!(stake, Atoms(475 * U), "what a lease of a month reserves is reserved for it");
    assert_eq!(lease.top_up(more, at(1)), Ok(false));
    assert_eq!(lease.extend(Seconds(1), at(2)), Err(RuleError::DurationOutOfBounds), "720 hours are the most");
    assert_eq!(lease_reservation(PRICE, PRICE, MONTH), Ok(Atoms(480 * U)));
}

#[test]
fn r28_the_extension_that_a_top_up_needs_is_the_shortest_that_lets_it_through() {
    for duration in [60, 61, 3_600, 86_400] {
        for amount in [1, 999, 1_000, 1_001, 3_600_000, 86_400_001] {
            let lease = running(Seconds(duration));
            let by = lease.extension_for(Atoms(amount)).unwrap();
            let longer = |by: u64| Lease { duration: Seconds(duration + by), ..lease }.top_up(Atoms(amount), at(1));
            assert!(longer(by.0).is_ok(), "{duration} s, {amount} more: {by:?}");
            if let Some(less) = by.0.checked_sub(1) {
                assert_eq!(longer(less), Err(RuleError::BeyondDuration), "{duration} s, {amount} more");
            }
        }
    }
}
