//! R4: a runner-up is awarded a job whose money is nearly gone.

use gridlease_core::bond::Bond;
use gridlease_core::eligibility::{Bidder, Refusal, Wanted};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::job::EndReason;
use gridlease_core::requirement::{OfferSpec, Requirement};
use gridlease_core::stream::runway_end;
use gridlease_core::{Atoms, Bps, PricePerHour, RuleError, UnixTs};

use crate::books::{DURATION, PRICE, T, at, job};

#[test]
fn r04_a_bid_that_the_money_does_not_pay_for_is_dropped_without_fault() {
    let mut job = job();
    job.on_bid(true, 1, at(T)).unwrap();
    // The winner bid a hundredth of what the job pays at most, and left ten minutes' worth of its own price behind.
    let low = PricePerHour(36_000);
    job.award(low, at(T + 12)).unwrap();
    job.on_ready().unwrap();
    job.on_lease_end(EndReason::Abandoned, Atoms(6_000), low, false, UnixTs(T + 7_000)).unwrap();
    assert_eq!(job.reserved, Atoms(6_000));

    // The first edition awarded the next bid at its own price, for what was there: six seconds.
    let handed = job.reserved;
    let runs = runway_end(UnixTs(T), handed, PRICE).unwrap().since(UnixTs(T));
    assert_eq!(runs.0, 6, "a provider pulled, started and bound its stake for six seconds of pay");

    assert_eq!(job.check_bid(PRICE, UnixTs(T + 7_000)), Err(RuleError::BidUnaffordable));
    assert_eq!(job.check_bid(low, UnixTs(T + 7_000)), Ok(()));
    let bidder = Bidder {
        live_until: UnixTs(T + 9_000),
        units_free: 1,
        excluded: false,
        claims: Claims::default(),
        unit: OfferSpec::default(),
        reputation: Bps(5_000),
        bond: Bond { amount: Atoms(100_000_000), ..Bond::default() },
    };
    let wanted = Wanted { need: Requirement::default(), max_duration: DURATION, funds: job.reserved, max_price: PRICE };
    let refusal = bidder.check(&wanted, PRICE, UnixTs(T + 7_000)).unwrap_err();
    assert_eq!((refusal, refusal.own_doing(false)), (Refusal::Unaffordable, false), "and nobody is faulted for it");
}
