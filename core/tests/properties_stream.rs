//! Streaming: what a lease owes grows with time, never above its reservation, whoever settles and however often.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{Tick, any_u64, fee, forward, price};
use gridlease_core::lease::{Lease, LeaseState};
use gridlease_core::limits::SLOT_MS;
use gridlease_core::rounding::accrued_down;
use gridlease_core::stream::{accrued, billable_ms, runway_end, split};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
use proptest::prelude::*;

fn running(price: PricePerHour, reserved: Atoms, fee: Bps) -> Lease {
    let mut lease =
        Lease::open(price, reserved, SLOT_MS, fee, common::START, common::START.ts.after(Seconds(120)).unwrap());
    lease.ready(common::START).unwrap();
    lease
}

fn moments(ticks: &[Tick]) -> Vec<Now> {
    ticks
        .iter()
        .scan(common::START, |now, tick| {
            *now = tick.from(*now);
            Some(*now)
        })
        .collect()
}

/// Funds for 0 to 40,000 seconds at a price, so that a story reaches the end of its runway now and then.
fn priced_funds() -> impl Strategy<Value = (PricePerHour, Atoms)> {
    (price(), 1u64..40_000).prop_map(|(price, seconds)| {
        let funds = gridlease_core::rounding::cost_up(price, Seconds(seconds)).unwrap();
        (price, funds)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_payable_grows_until_the_runway_ends_and_then_stands(
        (price, funds) in priced_funds(), fee in fee(), ticks in prop::collection::vec(forward(), 1..60),
    ) {
        let lease = running(price, funds, fee);
        let mut before = split(Atoms::ZERO, fee).unwrap();
        let mut at_end = None;
        for now in moments(&ticks) {
            let due = lease.payable(now).unwrap();
            prop_assert!(due.net >= before.net && due.fee >= before.fee, "{due:?} after {before:?}");
            prop_assert!(due.net.add(due.fee).unwrap() <= funds);
            if now.ts >= lease.runway_end {
                prop_assert_eq!(due, *at_end.get_or_insert(due));
            }
            before = due;
        }
    }

    #[test]
    fn any_schedule_of_settlements_pays_exactly_what_one_settlement_pays(
        (price, funds) in priced_funds(), fee in fee(),
        steps in prop::collection::vec((forward(), any::<bool>()), 1..60),
    ) {
        let ticks: Vec<Tick> = steps.iter().map(|(tick, _)| *tick).collect();
        let moments = moments(&ticks);
        let mut often = running(price, funds, fee);
        let mut sum = Atoms::ZERO;
        for (now, settles) in moments.iter().zip(steps.iter().map(|(_, settles)| settles)) {
            if *settles {
                let payment = often.settle(*now).unwrap();
                sum = sum.add(payment.net).unwrap().add(payment.fee).unwrap();
            }
        }
        let last = *moments.last().unwrap();
        let payment = often.settle(last).unwrap();
        sum = sum.add(payment.net).unwrap().add(payment.fee).unwrap();
        let mut once = running(price, funds, fee);
        let single = once.settle(last).unwrap();
        prop_assert_eq!(sum, single.net.add(single.fee).unwrap());
        prop_assert_eq!(Lease { mark: once.mark, grace_end: once.grace_end, ..often }, once, "but for when the end of its funds was seen");
        prop_assert_eq!(often.settle(last).unwrap(), split(Atoms::ZERO, fee).unwrap());
    }

    #[test]
    fn r22_slots_of_any_length_change_the_price_of_a_lease_by_less_than_a_second_of_it(
        price in price(), slot_length in 100u64..=1_000, seconds in 0u64..100_000,
    ) {
        let funds = gridlease_core::rounding::cost_up(price, Seconds(200_000)).unwrap();
        let lease = running(price, funds, Bps(0));
        let now = Tick { slots: (seconds * 1_000).div_ceil(slot_length), seconds: seconds as i64 }.from(common::START);
        let due = lease.gross(now).unwrap();
        let wall = accrued_down(price, seconds * 1_000).unwrap();
        prop_assert!(due >= wall && due <= accrued_down(price, seconds * 1_000 + 999).unwrap());
        if slot_length > u64::from(SLOT_MS) {
            prop_assert!(due <= accrued_down(price, seconds * 1_000 + u64::from(SLOT_MS)).unwrap());
        }
    }

    #[test]
    fn r22_a_clock_that_jumps_bills_a_second_for_each_slot_at_most(
        price in price(), slots in 0u64..100_000, ahead in 0u64..1_000_000,
    ) {
        let funds = gridlease_core::rounding::cost_up(price, Seconds(2_000_000)).unwrap();
        let lease = running(price, funds, Bps(0));
        let now = Tick { slots, seconds: (slots + ahead) as i64 }.from(common::START);
        prop_assert_eq!(lease.gross(now).unwrap(), accrued_down(price, slots * 1_000).unwrap());
    }

    #[test]
    fn a_runway_that_ended_pays_the_same_however_long_its_slots_were(
        (price, funds) in priced_funds(), slots in 0u64..1_000_000, late in prop_oneof![Just(0u64), 0u64..1_000_000],
    ) {
        let lease = running(price, funds, Bps(200));
        let now = Now { slot: common::START.slot + slots, ts: UnixTs(lease.runway_end.0 + late) };
        let runway = lease.runway_end.since(common::START.ts);
        let whole = accrued_down(price, runway.0 * 1_000).unwrap();
        prop_assert_eq!(lease.gross(now).unwrap(), whole);
        // What stays behind is less than one second's worth and goes back to the buyer.
        prop_assert!(funds.sub(whole).unwrap() <= gridlease_core::rounding::cost_up(price, Seconds(1)).unwrap());
    }

    #[test]
    fn a_clock_that_stands_pays_less_than_a_second_and_slots_that_stand_pay_nothing(price in price(), slots in any_u64(), seconds in 0u64..1_000) {
        let lease = running(price, Atoms(1_000_000_000_000_000), Bps(200));
        let still_clock = Now { slot: common::START.slot.saturating_add(slots), ts: common::START.ts };
        prop_assert!(lease.gross(still_clock).unwrap() <= accrued_down(price, 999).unwrap());
        let still_slots = Now { slot: common::START.slot, ts: UnixTs(common::START.ts.0 + seconds) };
        prop_assert_eq!(lease.gross(still_slots).unwrap(), Atoms::ZERO);
    }

    #[test]
    fn amounts_of_any_size_never_panic(
        numbers in (any_u64(), any_u64(), any_u64(), any_u64(), any_u64(), any_u64()), slot_ms in any::<u32>(), fee in any::<u16>(),
    ) {
        let (a, b, c, d, e, f) = numbers;
        let (start, now) = (Now { slot: a, ts: UnixTs(b) }, Now { slot: c, ts: UnixTs(d) });
        let ms = billable_ms(start, now, UnixTs(e), slot_ms);
        prop_assert!(accrued(PricePerHour(f), ms, Atoms(a)).unwrap() <= Atoms(a));
        let _ = runway_end(UnixTs(a), Atoms(b), PricePerHour(c));
        match split(Atoms(a), Bps(fee)) {
            Ok(parts) => prop_assert_eq!(parts.net.add(parts.fee).unwrap(), Atoms(a)),
            Err(_) => prop_assert!(fee > 10_000),
        }
        let mut lease = Lease::open(PricePerHour(a), Atoms(b), slot_ms, Bps(fee.min(500)), Now::default(), UnixTs(c));
        let _ = lease.ready(Now { slot: d, ts: UnixTs(e) });
        let _ = lease.settle(now);
        let _ = lease.top_up(Atoms(f), now);
        let _ = lease.payable(Now { slot: u64::MAX, ts: UnixTs::MAX });
        let _ = lease.expire(Now { slot: f, ts: UnixTs(f) });
        let _ = lease.stop(now);
        gridlease_core::invariant::lease(&lease).unwrap();
    }
}

#[test]
fn an_atom_an_hour_is_paid_after_exactly_one_hour() {
    let lease = running(PricePerHour(1), Atoms(3), Bps(0));
    assert_eq!(lease.runway_end, UnixTs(common::START.ts.0 + 3 * 3_600));
    for (seconds, paid) in
        [(0, 0), (3_599, 0), (3_600, 1), (7_199, 1), (7_200, 2), (10_799, 2), (10_800, 3), (99_999, 3)]
    {
        let now = Tick { slots: seconds * 10, seconds: seconds as i64 }.from(common::START);
        assert_eq!(lease.payable(now).unwrap().net, Atoms(paid), "after {seconds} s");
    }
}

#[test]
fn money_moves_with_every_slot() {
    let lease = running(PricePerHour(3_600_000), Atoms(3_600_000), Bps(0));
    for slots in 0..=10u64 {
        let now = Now { slot: common::START.slot + slots, ts: UnixTs(common::START.ts.0 + slots * 2 / 5) };
        assert_eq!(lease.gross(now).unwrap(), Atoms(slots * 400), "after {slots} slots");
    }
}

#[test]
fn the_dearest_lease_of_the_longest_duration_does_not_overflow() {
    let price = gridlease_core::limits::MAX_PRICE;
    let funds = gridlease_core::rounding::cost_up(price, gridlease_core::limits::MAX_DURATION).unwrap();
    let mut lease = running(price, funds, Bps(500));
    let end = Now { slot: u64::MAX, ts: lease.runway_end };
    let payment = lease.settle(end).unwrap();
    assert_eq!(payment.net.add(payment.fee).unwrap(), funds);
    assert_eq!(lease.state, LeaseState::Grace);
}
