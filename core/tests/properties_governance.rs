//! Bounds of the configuration, the wait of a change, the cap of a spender, numbers of jobs, claims of GPUs, payouts.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::any_u64;
use gridlease_core::governance::{Caps, Parameters, check_execute, due, stands};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::limits::{
    CAP_PERIOD_BOUNDS, CLAIM_STALE, GOVERNANCE_DELAY, GOVERNANCE_WINDOW, MAX_FEE_BPS, PAYOUT_DELAY,
    PAYOUT_DELAY_WITH_DELEGATORS, SLOT_MS_BOUNDS, UNBONDING_TIME,
};
use gridlease_core::payout::{Recorded, Way, way};
use gridlease_core::period_cap::PeriodCap;
use gridlease_core::timelock::{Act, may};
use gridlease_core::{Atoms, Bps, RuleError, Seconds, UnixTs, job_number, payout};
use proptest::prelude::*;

/// A life of purses of one owner: what happens, and in how many slots the next thing does.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// Posts under a number of this distance from the last.
    Post(u64),
    /// Closes the purse and opens it again.
    Revive,
}

fn life() -> impl Strategy<Value = Vec<(u64, Life)>> {
    let step = prop_oneof![
        4 => (1u64..40_000).prop_map(Life::Post),
        2 => Just(Life::Post(u64::MAX)), // the highest that is allowed
        3 => Just(Life::Revive),
    ];
    prop::collection::vec((prop_oneof![3 => Just(0u64), 1 => 1u64..4], step), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn parameters_are_accepted_exactly_inside_their_bounds(fee in any::<u16>(), slot_ms in any::<u32>()) {
        let (least, most) = SLOT_MS_BOUNDS;
        let inside = fee <= MAX_FEE_BPS.0 && (least..=most).contains(&slot_ms);
        prop_assert_eq!(Parameters { fee: Bps(fee), slot_ms }.check().is_ok(), inside);
    }

    #[test]
    fn a_change_is_executed_only_between_its_day_and_its_lapse(now in any_u64(), later in any_u64()) {
        let Ok(ripe) = due(UnixTs(now)) else { return Ok(()) };
        let then = UnixTs(now.saturating_add(later));
        let age = then.0 - now;
        let may = check_execute(ripe, then).is_ok();
        if age < GOVERNANCE_DELAY.0 {
            prop_assert!(!may);
        }
        if may {
            prop_assert!(stands(ripe, then));
            prop_assert!(age < GOVERNANCE_DELAY.0 + GOVERNANCE_WINDOW.0);
        }
        prop_assert!(!stands(UnixTs(0), then), "no proposal never stands");
    }

    #[test]
    fn r29_caps_admit_exactly_up_to_themselves_and_a_change_waits_where_it_raises_one(
        now in (any_u64(), any_u64(), any_u64()), next in (any_u64(), any_u64(), any_u64()), amount in any_u64(),
    ) {
        let caps = |(purse, bond, job)| Caps { purse: Atoms(purse), bond: Atoms(bond), job: Atoms(job) };
        let (caps, other) = (caps(now), caps(next));
        let amount = Atoms(amount);
        prop_assert_eq!(caps.check_deposit(amount).is_ok(), amount <= caps.purse);
        prop_assert_eq!(caps.check_stake(amount).is_ok(), amount <= caps.bond);
        prop_assert_eq!(caps.check_job(amount).is_ok(), amount <= caps.job);
        let admits = |caps: &Caps| [caps.check_deposit(amount), caps.check_stake(amount), caps.check_job(amount)].map(|r| r.is_ok());
        if caps.lower_to(&other).is_ok() {
            for (before, after) in admits(&caps).into_iter().zip(admits(&other)) {
                prop_assert!(before || !after, "what holds at once admits nothing new");
            }
        }
        let raises = other.purse > caps.purse || other.bond > caps.bond || other.job > caps.job;
        prop_assert_eq!(caps.lower_to(&caps), caps.check());
        prop_assert_eq!(caps.lower_to(&other), other.check().and(if raises { Err(RuleError::RaisesCap) } else { Ok(()) }));
        let written = Caps::written(caps.purse, caps.bond, caps.job);
        prop_assert_eq!(written.check(), Ok(()), "a configuration that has none written has those of genesis");
        prop_assert!(caps.check().is_err() || written == caps);
    }

    /// However the clock goes forward, no period of the grid sees more than the cap.
    #[test]
    fn a_spender_never_reserves_more_than_its_cap_in_a_period(
        cap in 1u64..1_000_000_000, period in 60u64..100_000, start in 0u64..u64::from(u32::MAX),
        steps in prop::collection::vec((0u64..50_000, 0u64..600_000_000), 1..120),
    ) {
        let mut spender = PeriodCap::set(Atoms(cap), Seconds(period), UnixTs(start)).unwrap();
        let (mut now, mut spent) = (start, std::collections::BTreeMap::<u64, u64>::new());
        for (wait, amount) in steps {
            now += wait;
            let left = spender.left(UnixTs(now));
            match spender.spend(Atoms(amount), UnixTs(now)) {
                Some(next) => {
                    prop_assert!(Atoms(amount) <= left);
                    *spent.entry((now - start) / period).or_default() += amount;
                    prop_assert_eq!((next.period_start.0 - start) % period, 0, "on the grid");
                    prop_assert!(next.period_start.0 <= now && now - next.period_start.0 < period);
                    spender = next;
                }
                None => prop_assert!(Atoms(amount) > left),
            }
        }
        prop_assert!(spent.values().all(|sum| *sum <= cap));
    }

    #[test]
    fn a_spender_survives_any_clock_and_any_amount(
        cap in any_u64(), period in any_u64(), start in any_u64(), times in prop::collection::vec((any_u64(), any_u64()), 1..40),
    ) {
        let Ok(mut spender) = PeriodCap::set(Atoms(cap), Seconds(period), UnixTs(start)) else { return Ok(()) };
        for (now, amount) in times {
            let before = spender.period_start;
            if let Some(next) = spender.spend(Atoms(amount), UnixTs(now)) {
                spender = next;
            }
            prop_assert!(spender.spent <= spender.cap);
            prop_assert!(spender.period_start >= before, "no period comes back");
        }
    }

    /// Over any number of lives of a purse, in any slots, no number is used twice.
    #[test]
    fn no_number_is_ever_used_twice(from in 0u64..1_000, story in life()) {
        let (mut slot, mut last) = (from, job_number::first(from).unwrap());
        let mut used = std::collections::BTreeSet::new();
        for (wait, step) in story {
            slot += wait;
            match step {
                Life::Post(distance) => {
                    let most = job_number::first(slot + 1).unwrap() - 1;
                    let next = last.saturating_add(distance).min(most.max(last + 1));
                    if job_number::check(next, slot).is_ok() {
                        prop_assert!(used.insert(next), "{} was used before", next);
                        last = next;
                    }
                }
                Life::Revive if job_number::check_close(last, slot).is_ok() => last = job_number::first(slot).unwrap(),
                Life::Revive => {}
            }
        }
    }

    #[test]
    fn claims_cover_what_leases_use_and_never_more_than_an_offer_has(
        units in 0u16..=1_024, gpus in any::<u8>(), moves in prop::collection::vec((any::<bool>(), 0usize..20), 0..80),
        taken in any::<u16>(),
    ) {
        let mut claims = Claims { units, units_free: units - taken % (units + 1), gpu_count: gpus, claimed: 0 };
        if let Ok(all) = u16::try_from(claims.needed()) {
            claims.claimed = all;
            prop_assert_eq!(claims.check(), Ok(()));
        }
        for (more, count) in moves {
            let before = claims.claimed;
            let next = if more { claims.claim(count) } else { claims.release(count) };
            if let Ok(next) = next {
                prop_assert!(count > 0 && next != before);
                claims.claimed = next;
                prop_assert!(u32::from(next) <= claims.needed().max(before.into()));
                if !more {
                    prop_assert!(u32::from(next) >= claims.in_use());
                }
            }
            prop_assert_eq!(claims.check().is_ok(), u32::from(claims.claimed) >= claims.needed());
        }
    }
}

#[test]
fn a_change_ripens_at_48_hours_to_the_second_and_lapses_two_weeks_later() {
    let ripe = due(UnixTs(1_000)).unwrap();
    assert_eq!(ripe, UnixTs(1_000 + 48 * 3_600));
    let lapse = UnixTs(ripe.0 + 14 * 24 * 3_600);
    assert_eq!(check_execute(ripe, UnixTs(ripe.0 - 1)), Err(RuleError::TooEarly));
    assert_eq!(check_execute(ripe, ripe), Ok(()));
    assert_eq!(check_execute(ripe, UnixTs(lapse.0 - 1)), Ok(()));
    assert_eq!(check_execute(ripe, lapse), Err(RuleError::TooLate));
    assert_eq!(due(UnixTs::MAX), Err(RuleError::Overflow));
}

#[test]
fn a_market_begins_inside_its_bounds() {
    assert_eq!(Parameters::GENESIS.check(), Ok(()));
    let (least, most) = SLOT_MS_BOUNDS;
    let with = |fee, slot_ms| Parameters { fee: Bps(fee), slot_ms }.check();
    assert_eq!(with(500, least), Ok(()));
    assert_eq!(with(0, most), Ok(()));
    assert_eq!(with(501, 400), Err(RuleError::BpsOutOfBounds));
    assert_eq!(with(200, least - 1), Err(RuleError::ParameterOutOfBounds));
    assert_eq!(with(200, most + 1), Err(RuleError::ParameterOutOfBounds));
}

#[test]
fn a_spender_s_period_rolls_to_the_second() {
    let spender = PeriodCap::set(Atoms(10), Seconds(60), UnixTs(100)).unwrap().spend(Atoms(10), UnixTs(100)).unwrap();
    assert_eq!(spender.left(UnixTs(159)), Atoms::ZERO);
    assert_eq!(spender.left(UnixTs(160)), Atoms(10));
    assert_eq!(spender.at(UnixTs(219)).period_start, UnixTs(160));
    assert_eq!(spender.at(UnixTs(220)).period_start, UnixTs(220));
    assert_eq!(spender.left(UnixTs(0)), Atoms::ZERO, "a clock that went backward");
    assert_eq!(spender.spend(Atoms(11), UnixTs(160)), None);
    let (least, most) = CAP_PERIOD_BOUNDS;
    let set = |cap, period| PeriodCap::set(Atoms(cap), Seconds(period), UnixTs(0));
    assert_eq!(set(0, 60), Err(RuleError::ZeroAmount));
    assert_eq!(set(1, least.0 - 1), Err(RuleError::DurationOutOfBounds));
    assert_eq!(set(1, most.0 + 1), Err(RuleError::DurationOutOfBounds));
    assert!(set(1, least.0).is_ok() && set(1, most.0).is_ok());
}

#[test]
fn the_numbers_of_a_slot_end_where_those_of_the_next_begin() {
    let (first, next) = (job_number::first(7).unwrap(), job_number::first(8).unwrap());
    assert_eq!(job_number::check(next - 1, 7), Ok(()));
    assert_eq!(job_number::check(next, 7), Err(RuleError::NumberOutOfBounds));
    assert_eq!(job_number::check_close(first, 7), Ok(()), "nothing was posted since it was opened");
    assert_eq!(job_number::check_close(first + 1, 7), Err(RuleError::TooEarly));
    assert_eq!(job_number::check_close(next - 1, 8), Ok(()));
    assert_eq!(job_number::first(u64::MAX), Err(RuleError::Overflow));
    assert_eq!(job_number::check_close(0, u64::MAX), Err(RuleError::Overflow));
}

#[test]
fn r19_claims_become_stale_a_week_after_the_expiry_and_only_without_a_lease() {
    let idle = Claims { units: 2, units_free: 2, gpu_count: 1, claimed: 2 };
    let busy = Claims { units_free: 1, ..idle };
    let (expiry, stale) = (UnixTs(1_000), UnixTs(1_000 + CLAIM_STALE.0));
    assert!(!idle.is_stale(expiry, UnixTs(stale.0 - 1)));
    assert!(idle.is_stale(expiry, stale));
    assert!(!busy.is_stale(expiry, UnixTs::MAX));
    assert_eq!(idle.claim(1), Err(RuleError::GpusNotNeeded));
    assert_eq!(busy.release(2), Err(RuleError::GpusInUse));
    assert_eq!(busy.release(1), Ok(1));
    assert_eq!(idle.release(3), Err(RuleError::InvariantBroken));
    assert_eq!(Claims::default().check(), Ok(()), "a machine without a GPU needs no claim");
}

#[test]
fn r15_a_payout_account_ripens_at_48_hours_and_with_delegators_at_nine_days() {
    let proposed = UnixTs(5);
    for (delegators, delay) in [(false, 48 * 3_600), (true, 9 * 24 * 3_600)] {
        let ripe = payout::due(proposed, delegators).unwrap();
        assert_eq!(ripe, UnixTs(5 + delay));
        let apply = |ts| payout::check_apply(proposed, delegators, UnixTs(ts));
        assert_eq!(apply(ripe.0 - 1), Err(RuleError::TooEarly));
        assert_eq!((apply(ripe.0), apply(ripe.0 + 1)), (Ok(()), Ok(())));
        assert_eq!(payout::due(UnixTs::MAX, delegators), Err(RuleError::Overflow));
    }
    // Whoever joins while a change waits still has the time to leave.
    assert_eq!(payout::check_apply(proposed, true, UnixTs(5 + PAYOUT_DELAY.0)), Err(RuleError::TooEarly));
    assert_eq!(PAYOUT_DELAY_WITH_DELEGATORS.0, PAYOUT_DELAY.0 + UNBONDING_TIME.0);
}

#[test]
fn a_payment_goes_to_the_provider_s_present_account_where_the_recorded_one_takes_no_money() {
    let to = |state, takes| payout::destination("recorded", state, "present", takes, || "associated");
    for takes in [true, false] {
        assert_eq!(to(Recorded::Takes, takes), "recorded");
    }
    for state in [Recorded::Frozen, Recorded::Closed, Recorded::RevenueVault] {
        assert_eq!(to(state, true), "present");
    }
    // r20: a payout account that is closed, and the provider names no other, keeps no purse open.
    let without = [Recorded::Frozen, Recorded::Closed, Recorded::RevenueVault].map(|state| to(state, false));
    assert_eq!(without, ["recorded", "associated", "recorded"]);
}

#[test]
fn r29_each_cap_refuses_with_its_own_number() {
    let none = Caps { purse: Atoms(0), bond: Atoms(0), job: Atoms(0) };
    let refused = [none.check_deposit(Atoms(1)), none.check_stake(Atoms(1)), none.check_job(Atoms(1))];
    assert_eq!(refused, [Err(RuleError::PurseCap), Err(RuleError::BondCap), Err(RuleError::JobCap)]);
}

#[test]
fn r13_what_a_program_bound_it_can_finish_whether_it_is_named_any_more_or_not() {
    let table = [
        // named and its own, named and another's, not named and its own, neither
        (Act::Reserve, [true, true, false, false]),
        (Act::Extend, [true, false, false, false]),
        (Act::Slash, [true, false, true, false]),
        (Act::Claim, [true, false, true, false]),
        (Act::Release, [true, false, true, false]),
    ];
    for (act, expected) in table {
        let found =
            [(true, true), (true, false), (false, true), (false, false)].map(|(listed, own)| may(act, listed, own));
        assert_eq!(found, expected, "{act:?}");
    }
}

#[test]
fn r09_only_a_closed_account_is_passed_by_and_never_a_revenue_vault() {
    let ways = [Recorded::Takes, Recorded::Frozen, Recorded::Closed, Recorded::RevenueVault].map(way);
    assert_eq!(ways, [Way::Recorded, Way::Recorded, Way::Associated, Way::Recorded]);
}
