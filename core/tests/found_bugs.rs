//! Bugs that were found in the rules, each under its own name.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use gridlease_core::array::{Array, Ended, Shape, Task};
use gridlease_core::bond::Bond;
use gridlease_core::eligibility::{Bidder, Wanted};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::job::{EndReason, Job, Mode, Terms};
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::limits::DEFAULT_WAIT;
use gridlease_core::price_index::PriceIndex;
use gridlease_core::reputation::{Closed, FULL_FEE, RecentBuyers, Reputation};
use gridlease_core::requirement::{OfferSpec, Requirement, Standing, flags, satisfies};
use gridlease_core::score::{Merit, Weights, auto_bid_price, score};
use gridlease_core::slash::SlashSplit;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};

const T: u64 = 1_800_000_000;

fn at(ts: u64) -> Now {
    Now { slot: ts * 3, ts: UnixTs(ts) }
}

/// One atom a second for 1,000 seconds, ready at `T` in slot 0.
fn running() -> Lease {
    let mut lease = Lease::open(PricePerHour(3_600), Atoms(1_000), 400, Bps(0), at(T), UnixTs(T));
    lease.ready(Now { slot: 0, ts: UnixTs(T) }).unwrap();
    lease
}

/// When slots were the meter, with slots longer than 400 ms, a lease that was settled at the end of its runway paid for the slots seen until then,
/// and one that was settled later for more: the payment hung on who came when, and a stop in between decided it.
#[test]
fn slow_slots_made_the_payment_depend_on_when_somebody_settled() {
    // 500 ms slots: 2,000 of them in the 1,000 seconds of the runway, 2,500 in 1,250 seconds.
    let (at_end, late) = (Now { slot: 2_000, ts: UnixTs(T + 1_000) }, Now { slot: 2_500, ts: UnixTs(T + 1_250) });
    let (mut early, mut waited) = (running(), running());
    early.settle(at_end).unwrap();
    early.settle(late).unwrap();
    waited.settle(late).unwrap();
    assert_eq!(
        Lease { mark: waited.mark, grace_end: waited.grace_end, ..early },
        waited,
        "but for when its end was seen"
    );
    assert_eq!(early.paid, Atoms(1_000));
    let (mut stopped_at_end, mut stopped_late) = (running(), running());
    assert_eq!(stopped_at_end.stop(at_end), stopped_late.stop(late));
    // Before the end the clock counts; slots that are slower cost nobody anything (R22).
    let before = Now { slot: 1_998, ts: UnixTs(T + 999) };
    assert_eq!(running().payable(before).unwrap().net, Atoms(999));
}

/// A node in its grace period could not say "out of funds" while the clock stood a second before the runway's end.
#[test]
fn a_clock_that_went_backward_locked_a_node_into_its_grace_period() {
    let mut lease = running();
    lease.settle(Now { slot: 2_500, ts: UnixTs(T + 1_000) }).unwrap();
    assert_eq!(lease.state, LeaseState::Grace);
    assert_eq!(
        lease.finish(EndReason::OutOfFunds, Ran::WHOLE, Seconds::ZERO, Now { slot: 2_501, ts: UnixTs(T + 999) }),
        Ok(Atoms::ZERO)
    );
}

/// "Ready at time zero" was taken for "never ready", and the least charge was lost.
#[test]
fn a_lease_that_became_ready_at_the_epoch_was_not_charged_its_minute() {
    let mut lease = Lease::open(PricePerHour(3_600), Atoms(1_000), 400, Bps(0), Now::default(), UnixTs(0));
    lease.ready(Now::default()).unwrap();
    assert_eq!(lease.stop(Now::default()), Ok(Atoms(940)));
}

/// An attempt was taken off before the new window was known to fit into time.
#[test]
fn a_reopening_that_failed_used_up_an_attempt() {
    let terms = Terms {
        max_price: PricePerHour(1),
        max_duration: Seconds(60),
        window: Seconds(6),
        attempts: 2,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    };
    let mut job = Job::post(terms, at(T)).unwrap();
    job.on_bid(true, 1, at(T)).unwrap();
    let handed = job.award(PricePerHour(1), at(T + 6)).unwrap();
    let before = job;
    let end = job.on_lease_end(EndReason::NoStart, handed, PricePerHour(1), false, UnixTs::MAX);
    assert_eq!(end, Err(RuleError::Overflow));
    assert_eq!(job, before);
}

/// Averages rounded to the nearest stood still three or four short of samples that never changed: a provider without a
/// fault never reached full standing.
#[test]
fn a_provider_without_a_fault_never_reached_full_standing() {
    let full = |record: &mut Reputation, seconds| {
        let mut recent = RecentBuyers::default();
        for number in 1..=200u64 {
            let buyer = Some(number.to_le_bytes());
            let reason = EndReason::Completed;
            let lease = Closed { reason, fee: FULL_FEE, start: Seconds(seconds), buyer, went_silent: false };
            assert!(record.on_closed(&mut recent, &lease));
        }
    };
    let mut record = Reputation::default();
    full(&mut record, 45);
    assert_eq!((record.standing, record.uptime), (Bps::WHOLE, Bps::WHOLE));
    let mut slower = Reputation { start_s: 60, ..Reputation::default() };
    full(&mut slower, 45);
    assert_eq!(slower.start_s, 45);
}

/// A requirement with the bit of the region "any" was met only by offers that do not tell their region.
#[test]
fn a_job_for_any_region_was_met_only_by_offers_without_one() {
    let anywhere = Requirement { regions: 1, ..Requirement::default() };
    for region in 0..10 {
        let offer = OfferSpec { region, ..OfferSpec::default() };
        assert_eq!(satisfies(&offer, &Standing::default(), &anywhere), Ok(()), "region {region}");
    }
    let europe = Requirement { regions: 1 << 1, ..Requirement::default() };
    assert!(satisfies(&OfferSpec::default(), &Standing::default(), &europe).is_err(), "an untold region is not Europe");
}

/// A requirement could ask for GPUs on a machine without any; nobody could ever meet it.
#[test]
fn a_gpu_on_a_machine_without_one_was_accepted_as_a_requirement() {
    let need = Requirement { gpu_count: 1, flags: flags::CPU_CLASS, ..Requirement::default() };
    assert_eq!(need.check(), Err(RuleError::InvalidSpec));
}

/// An offer without a floor was entered at a price of zero against a strong rival, which no book takes.
#[test]
fn an_automatic_bid_could_come_out_at_nothing() {
    let weights = Weights::new([0, 10_000, 0, 0]).unwrap();
    let merit = Merit { reputation: Bps(0), uptime: Bps(0), speed: Bps(0) };
    let max = PricePerHour(100);
    let best = score(&weights, &merit, PricePerHour(1), max).unwrap() - 1;
    let bid = auto_bid_price(&weights, &merit, PricePerHour(50), PricePerHour(0), max, Some(best)).unwrap();
    assert_eq!(bid, PricePerHour(1));
}

/// A bidder that withdrew its offer and posted one of less under the same number, in one transaction, was dropped at the
/// award without a fault: filling and emptying a book was free.
#[test]
fn an_offer_posted_anew_as_less_than_was_bid_with_was_nobody_s_fault() {
    let need = Requirement { memory_mib: 1_024, ..Requirement::default() };
    let wanted = Wanted { need, max_duration: Seconds(3_600), max_price: PricePerHour(1), funds: Atoms::MAX };
    let unit = OfferSpec { memory_mib: 1_024, ..OfferSpec::default() };
    let stake = Bond { amount: Atoms(10_000_000), ..Bond::default() };
    let bidder = Bidder {
        live_until: UnixTs(T + 1),
        units_free: 1,
        excluded: false,
        claims: Claims::default(),
        unit,
        reputation: Bps(5_000),
        bond: stake,
    };
    let refused = |bidder: &Bidder, wanted: &Wanted| bidder.check(wanted, PricePerHour(1), UnixTs(T)).unwrap_err();
    assert!(bidder.check(&wanted, PricePerHour(1), UnixTs(T)).is_ok());
    let smaller = Bidder { unit: OfferSpec { memory_mib: 1_023, ..unit }, ..bidder };
    assert!(refused(&smaller, &wanted).own_doing(false));
    // A reputation that fell was charged where it fell.
    let strict = Wanted { need: Requirement { min_reputation: Bps(5_001), ..need }, ..wanted };
    assert!(!refused(&bidder, &strict).own_doing(true));
}

/// Who ran a provider with delegators could rent from itself, let the node be down, and have what it was charged, and had
/// been paid, credited out of its delegators' stake: its own was lost first, but was a fifth of it.
#[test]
fn an_operator_could_take_its_delegators_stake_by_a_credit_to_itself() {
    let credit = SlashSplit { victim: Atoms(100), insurance: Atoms::ZERO };
    let own = credit.out_of(Atoms(20)).unwrap();
    assert_eq!(own, SlashSplit { victim: Atoms(20), insurance: Atoms(80) });
    assert_eq!(credit.out_of(Atoms(100)), Ok(credit), "a buyer loses nothing where the operator's stake suffices");
    assert_eq!(credit.out_of(Atoms::ZERO).unwrap().victim, Atoms::ZERO);
}

/// The fuzzer wrote an index with trades that stands at nothing, or above every price: the bounds of the next trade crossed,
/// and the rules panicked where they should refuse.
#[test]
fn an_index_that_no_trades_can_have_made_ended_the_rules_in_a_panic() {
    for stands_at in [0, u64::MAX] {
        let mut index = PriceIndex { len: 1, next: 1, price: PricePerHour(stands_at), ..PriceIndex::default() };
        assert_eq!(index.record(PricePerHour(5), [1; 8], UnixTs(T)), Err(RuleError::InvariantBroken), "{stands_at}");
    }
}

/// The fuzzer wrote an array of tasks without replicas: a task's failed jobs were compared with a number below zero.
#[test]
fn an_array_of_no_replicas_ended_the_rules_in_a_panic() {
    let shape = Shape { count: 2, quorum: 1, replicas: 1, parallel: 1, budget: Atoms(2_000) };
    let mut array = Array::post(shape, Atoms(1_000)).unwrap();
    array.open_task(0, Atoms(2_000)).unwrap();
    array.shape.replicas = 0;
    let task = Task::opened(1);
    let ended = Ended { reason: EndReason::Stopped, exit_code: None, spent: Atoms::ZERO };
    let closed = array.close_job(task, 0, &ended, Atoms::ZERO);
    assert!(closed.is_ok_and(|closed| closed.task_over), "it is told, not ended in a panic");
}
