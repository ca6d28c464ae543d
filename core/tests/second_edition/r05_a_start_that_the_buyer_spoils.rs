//! R5: a buyer withholds its manifest, or asks for what no container can do, and provider after provider is slashed.

use gridlease_core::bond::lease_reservation;
use gridlease_core::exclusion::{Excluded, Reporter};
use gridlease_core::job::{EndReason, JobState, minute};
use gridlease_core::reputation::Reputation;
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, PricePerHour, RuleError, UnixTs};

use crate::books::{DURATION, PRICE, T, Won, at, job, lease, won};

/// Stake slashed and standing lost by one provider whose start a buyer spoils, in the first edition; the buyer lost nothing.
fn first_edition() -> (Won, u16) {
    let reservation = lease_reservation(PRICE, PRICE, DURATION).unwrap();
    let case =
        Case { fault: Fault::NoStart, reservation, price: PRICE, charged: Atoms::ZERO, sealed_bond: Atoms::ZERO };
    let mut victim = Reputation::default();
    victim.on_fault();
    (-won(slash_for(&case).unwrap().total().unwrap()), victim.standing.0)
}

#[test]
fn r05_a_buyer_that_withholds_its_manifest_pays_as_much_as_the_provider_it_hurts() {
    assert_eq!(
        first_edition(),
        (-144_000, 3_333),
        "0.144 USDC and a third of its standing, at no cost to the attacker"
    );

    let minute = minute(PRICE, PRICE).unwrap();
    let mut start = lease();
    let undone = start.not_given(minute, at(T + 60)).unwrap();
    let (attacker, victim) = (-won(undone.buyer), -won(undone.provider));
    assert_eq!((attacker, victim), (-60_000, -60_000), "the minute each, to the insurance fund");
    assert_eq!(undone.back, Atoms(7_200_000 - 60_000));

    let mut job = job();
    job.on_bid(true, 2, at(T)).unwrap();
    job.award(PRICE, at(T + 12)).unwrap();
    assert_eq!(job.on_lease_end(start.reason, undone.back, PRICE, false, UnixTs(T + 60)), Ok(Atoms::ZERO));
    assert_eq!((job.state, job.attempts_left), (JobState::Open, 3), "the next bidder follows, no attempt is used");
    assert!(!EndReason::NotGiven.costs_attempt());
    assert_eq!(lease().not_given(minute, at(T + 61)), Err(RuleError::TooLate), "later it is the provider's fault");
}

#[test]
fn r05_declining_a_bid_of_its_own_costs_the_minute_and_an_automatic_award_nothing() {
    let minute = minute(PricePerHour(1), PRICE).unwrap();
    assert_eq!(minute, Atoms(6_000), "a bid of an atom does not make it free");
    let provider = |own| lease().decline(own, minute, at(T + 29)).unwrap().provider;
    assert_eq!((provider(true), provider(false)), (minute, Atoms::ZERO));
    assert_eq!(lease().decline(true, minute, at(T + 30)), Err(RuleError::TooLate));
    // Eight sybils hold a job up for four minutes at most, and it costs them eight minutes.
    let held_up = 8 * 30;
    assert!(8 * won(minute) >= won(Atoms(PRICE.0 * held_up / 3_600 / 10)), "no less than a tenth of what they hold up");
}

#[test]
fn r05_an_error_of_the_buyer_s_is_certain_when_a_second_stranger_reports_it() {
    let marks = |first: u8| [[first; 8], [first + 1; 8], [first + 2; 8]];
    let mut reporter = Reporter::default();
    assert!(!reporter.report(marks(10)), "one provider's word ends no job");
    assert!(!reporter.report(marks(12)), "nor does that of a second one of the same owner");
    assert!(reporter.report(marks(20)));
    for (code, taken) in [(124, false), (125, true), (126, true), (127, true), (128, false), (1, false)] {
        let said = lease().buyer_error(code, Atoms(1_000), at(T + 100));
        assert_eq!(said.is_ok(), taken, "exit code {code}");
    }
    // In the first edition every attempt of such a job slashed another provider.
    let (before, _) = first_edition();
    let undone = lease().buyer_error(127, minute(PRICE, PRICE).unwrap(), at(T + 100)).unwrap();
    assert!(won(undone.provider) < -before && undone.provider == undone.buyer);
}

#[test]
fn r05_the_list_of_excluded_providers_overwrites_its_oldest() {
    let mut excluded = Excluded::default();
    for provider in 1..=9u8 {
        excluded.put([provider; 8]);
    }
    assert!(!excluded.holds(&[1; 8]), "the oldest may try again");
    assert!((2..=9u8).all(|provider| excluded.holds(&[provider; 8])));
    assert!(!Excluded::default().holds(&[0; 8]), "an empty place is nobody");
}
