//! A job's turns as tables: what two looks at the chain are told as.

use bytemuck::Zeroable as _;
use gridlease_core::UnixTs;
use gridlease_sdk::account::BookEntry;

use super::*;

const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
const ALPHA: Pubkey = Pubkey::new_from_array([2; 32]);
const BETA: Pubkey = Pubkey::new_from_array([3; 32]);
const PRICE: u64 = 3_600_000;

fn job(state: JobState, leases: u8) -> Job {
    let mut job = Job::zeroed();
    (job.header.state, job.leases, job.attempts_left, job.close_ts) = (state as u8, leases, 3, 12);
    job
}

fn with_bids(mut job: Job, bids: &[(Pubkey, u64)]) -> Job {
    for (slot, (provider, price)) in job.book.iter_mut().zip(bids) {
        *slot = BookEntry { provider: *provider, price: *price, ..BookEntry::zeroed() };
    }
    job.book_len = u8::try_from(bids.len()).unwrap();
    job
}

fn lease(state: LeaseState, provider: Pubkey) -> Lease {
    let mut lease = Lease::zeroed();
    (lease.header.state, lease.provider, lease.price) = (state as u8, provider, PRICE);
    (lease.reserved, lease.slot_ms, lease.fee_bps) = (600_000, 400, 200);
    if state != LeaseState::Starting && state != LeaseState::Failed {
        (lease.ready_ts, lease.segment_ts, lease.runway_end) = (100, 100, 700);
    }
    if state == LeaseState::Failed {
        (lease.refunded, lease.ended_ts, lease.reason) = (600_000, 99, EndReason::NoStart as u8);
    }
    if state == LeaseState::Ended {
        (lease.base, lease.refunded, lease.ended_ts) = (100_000, 500_000, 200);
        (lease.reason, lease.has_exit, lease.exit_code) = (EndReason::Completed as u8, 1, 7);
    }
    lease
}

fn look(job: Option<Job>, leases: &[Lease]) -> Snapshot {
    let leases = (0u8..).zip(leases.iter().copied()).collect();
    Snapshot { job, leases, now: Now { slot: 0, ts: UnixTs(100) } }
}

/// The kinds of the events, money left out: it may be told at any time.
fn kinds(events: &[JobEvent]) -> Vec<String> {
    let name = |event: &JobEvent| serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned();
    events.iter().map(name).filter(|name| name != "money").collect()
}

fn tell(tracker: &mut Tracker, snapshot: &Snapshot) -> Vec<String> {
    kinds(&tracker.observe(snapshot, None))
}

fn gone(reason: EndReason, amounts: [u64; 5]) -> Gone {
    Gone {
        provider: ALPHA,
        price: PricePerHour(PRICE),
        stake: 5_000_000,
        start_deadline: 120,
        runway_end: if reason == EndReason::NoStart { 0 } else { 700 },
        reason,
        exit_code: (reason == EndReason::Completed).then_some(0),
        result_hash: [9; 32],
        log_hash: [8; 32],
        amounts,
    }
}

#[test]
fn each_turn_of_a_plain_job_is_told_once_and_in_order() {
    let mut tracker = Tracker::new(JOB);
    let mut paid = lease(LeaseState::Ended, ALPHA);
    (paid.paid, paid.fee) = (98_000, 2_000);
    let ended = |lease: Lease| look(Some(job(JobState::Ended, 1)), &[lease]);
    let turns: [(Snapshot, &[&str]); 7] = [
        (look(Some(job(JobState::Open, 0)), &[]), &[]),
        (look(Some(with_bids(job(JobState::Open, 0), &[(ALPHA, 5)])), &[]), &["bid_seen"]),
        (look(Some(job(JobState::Leased, 1)), &[lease(LeaseState::Starting, ALPHA)]), &["awarded"]),
        (look(Some(job(JobState::Leased, 1)), &[lease(LeaseState::Running, ALPHA)]), &["ready"]),
        (ended(lease(LeaseState::Ended, ALPHA)), &["finished", "job_ended"]),
        (ended(paid), &["settled"]),
        (look(None, &[]), &["lease_closed", "job_closed"]),
    ];
    for (snapshot, expected) in turns {
        assert!(!tracker.needs_past(&snapshot), "{expected:?}");
        assert_eq!(tell(&mut tracker, &snapshot), expected);
        assert_eq!(tell(&mut tracker, &snapshot), [""; 0], "the same look tells nothing new");
    }
    assert!(tracker.has_ended() && tracker.is_settled() && tracker.is_closed() && tracker.open_leases().is_empty());
}

#[test]
fn bids_are_told_when_they_come_and_when_they_improve() {
    let mut tracker = Tracker::new(JOB);
    tell(&mut tracker, &look(Some(with_bids(job(JobState::Open, 0), &[(ALPHA, 5)])), &[]));
    let mut later = with_bids(job(JobState::Open, 0), &[(BETA, 3), (ALPHA, 4)]);
    (later.extensions, later.close_ts) = (1, 15);
    let events = tracker.observe(&look(Some(later), &[]), None);
    let bids: Vec<(Pubkey, u64, usize, bool)> = events
        .iter()
        .filter_map(|event| match event {
            JobEvent::BidSeen { provider, price, rank, improved, .. } => Some((*provider, price.0, *rank, *improved)),
            _ => None,
        })
        .collect();
    assert_eq!(bids, [(BETA, 3, 1, false), (ALPHA, 4, 2, true)]);
    assert_eq!(events.last(), Some(&JobEvent::WindowExtended { close_ts: 15, extensions: 1 }));
}

#[test]
fn a_job_that_nobody_takes_is_told_to_wait_once_and_to_end() {
    let mut tracker = Tracker::new(JOB);
    let mut waits = job(JobState::Waiting, 0);
    (waits.close_ts, waits.expires_at) = (0, 86_400);
    let events = tracker.observe(&look(Some(waits), &[]), None);
    assert_eq!(events, [JobEvent::Waiting { expires_at: 86_400, attempts_left: 3 }]);
    assert_eq!(tell(&mut tracker, &look(Some(waits), &[])), [""; 0]);
    let bid = with_bids(job(JobState::Open, 0), &[(ALPHA, 5)]);
    assert_eq!(tell(&mut tracker, &look(Some(bid), &[])), ["bid_seen"]);
    let mut over = job(JobState::Ended, 0);
    over.reason = EndReason::NoBids as u8;
    let events = tracker.observe(&look(Some(over), &[]), None);
    assert_eq!(events, [JobEvent::JobEnded { reason: EndReason::NoBids, exit_code: None }]);
    assert!(tracker.is_settled());
}

#[test]
fn what_the_node_finished_is_told_at_once_and_a_job_reopened_waits_again() {
    let mut tracker = Tracker::new(JOB);
    tell(&mut tracker, &look(Some(job(JobState::Leased, 1)), &[lease(LeaseState::Running, ALPHA)]));
    let mut finished = lease(LeaseState::Ended, ALPHA);
    finished.header.state = LeaseState::Finished as u8;
    assert_eq!(tell(&mut tracker, &look(Some(job(JobState::Review, 1)), &[finished])), ["finished"]);
    let mut reopened = lease(LeaseState::Ended, ALPHA);
    (reopened.reason, reopened.paid, reopened.fee) = (EndReason::Reopened as u8, 98_000, 2_000);
    let mut waits = job(JobState::Waiting, 1);
    waits.expires_at = 86_400;
    assert_eq!(tell(&mut tracker, &look(Some(waits), &[reopened])), ["settled", "waiting"]);
}

#[test]
fn a_runner_up_takes_over_from_a_provider_that_failed() {
    let mut tracker = Tracker::new(JOB);
    tell(&mut tracker, &look(Some(job(JobState::Leased, 1)), &[lease(LeaseState::Starting, ALPHA)]));
    let failed = lease(LeaseState::Failed, ALPHA);
    assert_eq!(tell(&mut tracker, &look(Some(job(JobState::Open, 1)), &[failed])), ["start_failed"]);
    let snapshot = look(Some(job(JobState::Leased, 2)), &[failed, lease(LeaseState::Starting, BETA)]);
    let events = tracker.observe(&snapshot, None);
    assert!(
        matches!(events.first(), Some(JobEvent::Awarded { provider, runner_up: true, .. }) if *provider == BETA),
        "{events:?}"
    );
    assert_eq!((tracker.provider(0), tracker.provider(1)), (Some(ALPHA), Some(BETA)));
}

#[test]
fn a_declined_start_is_no_end_whether_its_account_is_seen_or_gone_and_says_what_it_cost() {
    let seen = |events: &[JobEvent]| {
        events.iter().find_map(|event| match event {
            JobEvent::StartFailed { reason, money, attempts_left, .. } => {
                Some((*reason, money.forfeited, money.refunded, *attempts_left))
            }
            _ => None,
        })
    };
    let (mut here, mut waits) = (lease(LeaseState::Failed, ALPHA), job(JobState::Waiting, 1));
    (here.reason, here.refunded, here.forfeited) = (EndReason::NotGiven as u8, 540_000, 60_000);
    waits.expires_at = 86_400;
    let told = Some((EndReason::NotGiven, Usdc(60_000), Usdc(540_000), 3));
    let mut tracker = Tracker::new(JOB);
    let events = tracker.observe(&look(Some(waits), &[here]), None);
    assert_eq!(kinds(&events), ["awarded", "start_failed", "waiting"], "first what happened, then what is waited for");
    assert_eq!(seen(&events), told);
    let mut tracker = Tracker::new(JOB);
    let mut vanished = gone(EndReason::NotGiven, [600_000, 0, 0, 0, 540_000]);
    vanished.runway_end = 0;
    let past = Past { leases: vec![vanished], posted: true, ..Past::default() };
    let events = tracker.observe(&look(Some(waits), &[]), Some(&past));
    assert_eq!(kinds(&events), ["awarded", "start_failed", "lease_closed", "waiting"]);
    assert_eq!(seen(&events), told);
}

#[test]
fn grace_and_top_up_are_told_and_the_lease_goes_on() {
    let mut tracker = Tracker::new(JOB);
    let leased = |lease: Lease| look(Some(job(JobState::Leased, 1)), &[lease]);
    tell(&mut tracker, &leased(lease(LeaseState::Running, ALPHA)));
    assert_eq!(tell(&mut tracker, &leased(lease(LeaseState::Grace, ALPHA))), ["grace"]);
    let mut resumed = lease(LeaseState::Running, ALPHA);
    resumed.reserved += 50;
    let events = tracker.observe(&leased(resumed), None);
    assert!(matches!(events.first(), Some(JobEvent::ToppedUp { amount: Usdc(50), .. })), "{events:?}");
    let mut grace = lease(LeaseState::Grace, ALPHA);
    grace.reserved += 50;
    assert_eq!(tell(&mut tracker, &leased(grace)), ["grace"], "a second grace period is another one");
}

#[test]
fn money_between_two_looks_follows_the_chains_rule() {
    let mut tracker = Tracker::new(JOB);
    let mut snapshot = look(Some(job(JobState::Leased, 1)), &[lease(LeaseState::Running, ALPHA)]);
    tracker.observe(&snapshot, None);
    // Ten slots of 400 ms are 4 s, at 1,000 atoms a second.
    snapshot.now = Now { slot: 10, ts: UnixTs(104) };
    let events = tracker.observe(&snapshot, None);
    let [JobEvent::Money { money, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((money.accrued, money.paid, money.reserved), (Usdc(4_000), Usdc(0), Usdc(600_000)));
}

#[test]
fn what_happened_between_two_looks_is_told_from_the_history() {
    let mut tracker = Tracker::new(JOB);
    tell(&mut tracker, &look(Some(job(JobState::Open, 0)), &[]));
    let snapshot = look(None, &[]);
    assert!(tracker.needs_past(&snapshot));
    let past = Past {
        leases: vec![
            gone(EndReason::NoStart, [600_000, 0, 0, 0, 600_000]),
            gone(EndReason::Completed, [600_000, 100_000, 98_000, 2_000, 500_000]),
        ],
        reason: Some(EndReason::Completed),
        posted: true,
        closed: true,
    };
    let events = tracker.observe(&snapshot, Some(&past));
    let expected = [
        "awarded",
        "start_failed",
        "lease_closed",
        "awarded",
        "ready",
        "finished",
        "settled",
        "lease_closed",
        "job_ended",
        "job_closed",
    ];
    assert_eq!(kinds(&events), expected);
    let finished = events.iter().find_map(|event| match event {
        JobEvent::Finished { exit_code, result_hash, money, .. } => Some((*exit_code, *result_hash, money.paid)),
        _ => None,
    });
    assert_eq!(finished, Some((Some(0), [9; 32], Usdc(98_000))));
    assert_eq!(tell(&mut tracker, &snapshot), [""; 0]);
}

#[test]
fn a_lease_settled_and_closed_between_two_looks_is_told_to_be_paid_in_full() {
    let mut tracker = Tracker::new(JOB);
    let over = Some(job(JobState::Ended, 1));
    tell(&mut tracker, &look(over, &[lease(LeaseState::Ended, ALPHA)]));
    let events = tracker.observe(&look(over, &[]), None);
    let [JobEvent::Settled { money, .. }, JobEvent::LeaseClosed { .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((money.paid, money.fee, money.refunded), (Usdc(98_000), Usdc(2_000), Usdc(500_000)));
}

#[test]
fn a_start_that_the_buyer_rejected_is_told_as_an_end_and_not_as_a_fault() {
    let mut tracker = Tracker::new(JOB);
    tell(&mut tracker, &look(Some(job(JobState::Leased, 1)), &[lease(LeaseState::Running, ALPHA)]));
    let mut rejected = lease(LeaseState::Failed, ALPHA);
    (rejected.ready_ts, rejected.reason) = (100, EndReason::Rejected as u8);
    let told = tell(&mut tracker, &look(Some(job(JobState::Open, 1)), &[rejected]));
    assert_eq!(told, ["finished", "settled"]);
}
