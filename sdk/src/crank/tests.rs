//! Tables of (state, time) → actions, and the promise that a plan carried out leaves nothing to plan.

mod market;

use std::collections::BTreeSet;

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::GRACE;
use gridlease_core::{Atoms, Seconds};

use self::market::{ASK, DURATION, FLOOR, MAX, Market, START, WINDOW, at};
use super::*;

/// The verbs of each action, in the plan's order.
fn verbs(actions: &[Action]) -> Vec<Vec<Verb>> {
    actions.iter().map(|action| action.steps.iter().map(Step::verb).collect()).collect()
}

fn due(market: &Market, now: Now) -> Vec<Vec<Verb>> {
    verbs(&plan(&market.view(), now, &Policy::default()))
}

/// Something that is done to a market before it is looked at.
type Change = fn(&mut Market);

const NOTHING: Vec<Vec<Verb>> = Vec::new();

#[test]
fn an_automatic_offer_is_entered_while_the_window_is_open_and_the_job_awarded_when_it_is_over() {
    let mut market = Market::new();
    market.provider(1, ASK, FLOOR);
    market.job(1);
    // A job waits for its first bid, however long that takes; the bid opens the window.
    let first = START + 5 * WINDOW;
    assert_eq!(due(&market, at(START)), [[Verb::EnterOffer]]);
    assert_eq!(due(&market, at(first)), [[Verb::EnterOffer]]);
    let actions = plan(&market.view(), at(first), &Policy::default());
    market.carry_out(&actions, at(first));
    let close = first + WINDOW;
    assert_eq!(due(&market, at(close - 1)), NOTHING);
    assert_eq!(due(&market, at(close)), [[Verb::Award]]);
    assert_eq!(due(&market, at(close + 1)), [[Verb::Award]]);
}

#[test]
fn no_offer_is_entered_that_would_be_refused_or_would_change_nothing() {
    let refuses: [(&str, Change); 9] = [
        ("takes no automatic bids", |market| market.offer_of(1).auto_bid = 0),
        ("has no free unit", |market| market.offer_of(1).units_free = 0),
        ("was withdrawn", |market| market.offer_of(1).header.state = crate::account::offer_state::WITHDRAWN),
        ("has expired", |market| market.offer_of(1).header.due_ts = START),
        ("has a floor above the job's price", |market| market.offer_of(1).floor = MAX + 1),
        ("is too small", |market| market.job_of(1).requirement.memory_mib = 1 << 20),
        ("has too little stake", |market| market.bond_of(1).reserved = market::STAKE - 1),
        ("has no limit of stake left", |market| market.offer_of(1).stake_limit = 0),
        ("failed the job before", |market| market.exclude(1, 1)),
    ];
    for (name, change) in refuses {
        let mut market = Market::new();
        market.provider(1, ASK, FLOOR);
        market.job(1);
        assert_eq!(due(&market, at(START)).len(), 1);
        change(&mut market);
        assert_eq!(due(&market, at(START)), NOTHING, "an offer that {name}");
    }
    let mut paused = Market::new();
    paused.provider(1, ASK, FLOOR);
    paused.job(1);
    paused.config.paused = 1;
    assert_eq!(due(&paused, at(START)), NOTHING);
}

#[test]
fn two_automatic_offers_undercut_each_other_until_one_is_at_its_floor_and_then_rest() {
    let mut market = Market::new();
    market.provider(1, ASK, FLOOR);
    market.provider(2, ASK, FLOOR + 100_000);
    market.job(1);
    let mut rounds = 0;
    loop {
        let actions = plan(&market.view(), at(START), &Policy::default());
        if actions.is_empty() {
            break;
        }
        rounds += 1;
        assert!(rounds < 200, "the bidding does not end");
        market.carry_out(&actions, at(START));
    }
    let bids = market.job_of(1).bids().to_vec();
    assert_eq!(bids.len(), 2);
    assert_eq!(bids[0].provider, market::key("provider", 1));
    assert_eq!(bids[1].price, FLOOR + 100_000);
    assert!(bids[0].price >= FLOOR && bids[0].price < bids[1].price);
}

#[test]
fn of_two_offers_of_one_provider_the_better_is_entered_and_no_more_than_a_book_holds_at_once() {
    let mut market = Market::new();
    for provider in 1..=12 {
        market.provider(provider, ASK, FLOOR);
    }
    market.second_offer(3, ASK - 500_000, FLOOR);
    market.job(1);
    let actions = plan(&market.view(), at(START), &Policy::default());
    assert_eq!(actions.len(), 8);
    let offers: Vec<u32> = actions
        .iter()
        .filter_map(|action| match &action.steps[0] {
            Step::EnterOffer { bidder, .. } if bidder.provider == market::key("provider", 3) => Some(bidder.offer),
            _ => None,
        })
        .collect();
    assert_eq!(offers, [2]);
}

#[test]
fn a_job_without_bids_waits_with_no_clock_and_ends_when_its_wait_is_over() {
    let mut market = Market::new();
    market.job(1);
    let end = START + 86_400;
    for ts in [START + WINDOW, START + 10 * WINDOW, end - 1] {
        assert_eq!(due(&market, at(ts)), NOTHING);
    }
    assert_eq!(market.job_of(1).state(), Some(JobState::Waiting));
    let actions = plan(&market.view(), at(end + 1), &Policy::default());
    assert_eq!(verbs(&actions), [[Verb::ExpireJob]]);
    market.carry_out(&actions, at(end + 1));
    assert_eq!(due(&market, at(end + 1)), [[Verb::CloseJob]]);
}

#[test]
fn an_award_gets_the_best_bidders_in_order_and_waits_where_the_first_is_unknown() {
    let mut market = Market::new();
    for provider in 1..=7 {
        market.provider(provider, ASK - u64::from(provider) * 1_000, FLOOR);
        market.offer_of(provider).floor = ASK - u64::from(provider) * 1_000;
    }
    market.job(1);
    let entered = plan(&market.view(), at(START), &Policy::default());
    market.carry_out(&entered, at(START));
    let now = at(START + WINDOW);
    let actions = plan(&market.view(), now, &Policy::default());
    let Step::Award { bidders, .. } = &actions[0].steps[0] else { panic!("{actions:?}") };
    let book: Vec<Pubkey> = market.job_of(1).bids().iter().take(5).map(|bid| bid.provider).collect();
    assert_eq!(bidders.iter().map(|bidder| bidder.provider).collect::<Vec<_>>(), book);

    let first = book[0];
    market.providers.remove(&first);
    assert_eq!(due(&market, now), NOTHING);
}

#[test]
fn a_lease_that_is_not_ready_after_its_deadline_is_failed_and_closed_and_its_job_goes_on() {
    let mut market = Market::leased();
    let deadline = market.lease_of(1).start_deadline;
    assert_eq!(due(&market, at(deadline - 1)), NOTHING);
    assert_eq!(due(&market, at(deadline)), NOTHING);
    let actions = plan(&market.view(), at(deadline + 1), &Policy::default());
    assert_eq!(verbs(&actions), [[Verb::FailStart, Verb::CloseLease]]);
    market.carry_out(&actions, at(deadline + 1));
    assert_eq!(market.job_of(1).state(), Some(JobState::Waiting));
    assert_eq!(due(&market, at(deadline + WINDOW)), NOTHING, "nobody is left in the book: the job waits for a bid");
}

#[test]
fn a_failed_start_of_the_last_attempt_closes_the_job_with_it() {
    let mut market = Market::leased();
    market.job_of(1).attempts_left = 1;
    let now = at(market.lease_of(1).start_deadline + 1);
    let actions = plan(&market.view(), now, &Policy::default());
    assert_eq!(verbs(&actions), [[Verb::FailStart, Verb::CloseLease, Verb::CloseJob]]);
    market.carry_out(&actions, now);
    assert_eq!(due(&market, now), NOTHING);
    assert!(market.jobs.is_empty() && market.leases.is_empty());
}

#[test]
fn a_running_lease_is_settled_by_amount_or_by_time_and_not_for_dust() {
    let mut market = Market::running();
    let price = market.lease_of(1).price;
    let start = market.lease_of(1).segment_ts;
    // By time: an hour, at a price at which an hour is less than the amount.
    let hour = Policy { settle_above: Atoms(price * 2), ..Policy::default() };
    let settles =
        |market: &Market, policy: &Policy, seconds: u64| !plan(&market.view(), at(start + seconds), policy).is_empty();
    assert!(!settles(&market, &hour, 3_599));
    assert!(settles(&market, &hour, 3_600));
    // By amount: two minutes' worth.
    let minutes = Policy { settle_above: Atoms(price / 30), ..Policy::default() };
    assert!(!settles(&market, &minutes, 119));
    assert!(settles(&market, &minutes, 120));
    // Whatever the two say, not for less than the least.
    let dust = Policy { settle_every: Seconds(0), settle_least: Atoms(price / 30), ..Policy::default() };
    assert!(!settles(&market, &dust, 119));
    assert!(settles(&market, &dust, 120));
    // And nothing in the time in which the buyer may reject the start.
    let eager = Policy { settle_above: Atoms(1), settle_least: Atoms(0), ..Policy::default() };
    assert!(!settles(&market, &eager, 89));
    assert!(settles(&market, &eager, 90));
    let nothing_owed = Policy { settle_above: Atoms(0), settle_every: Seconds(0), settle_least: Atoms(0), ..dust };
    assert!(!settles(&market, &nothing_owed, 0));
    let actions = plan(&market.view(), at(start + 120), &minutes);
    assert_eq!(verbs(&actions), [[Verb::Settle]]);
    market.carry_out(&actions, at(start + 120));
    assert!(plan(&market.view(), at(start + 120), &minutes).is_empty());
}

#[test]
fn an_ended_lease_is_settled_and_closed_with_its_job_at_once_in_one_action() {
    let mut market = Market::running();
    let now = at(market.lease_of(1).ready_ts + 30);
    market.finish(1, EndReason::Completed, now);
    let actions = plan(&market.view(), now, &Policy::default());
    assert_eq!(verbs(&actions), [[Verb::Settle, Verb::CloseLease, Verb::CloseJob]]);
    market.carry_out(&actions, now);
    assert_eq!(due(&market, now), NOTHING);
    assert!(market.jobs.is_empty() && market.leases.is_empty());
}

#[test]
fn a_lease_whose_runway_has_ended_is_paid_and_one_whose_grace_has_ended_is_over() {
    let mut market = Market::running();
    let runway_end = market.lease_of(1).runway_end;
    assert_eq!(runway_end, market.lease_of(1).ready_ts + DURATION);
    let patient = Policy { settle_above: Atoms(u64::MAX), settle_every: Seconds(1_000_000), ..Policy::default() };
    let due = |market: &Market, now| verbs(&plan(&market.view(), now, &patient));
    assert_eq!(due(&market, at(runway_end - 1)), NOTHING);
    assert_eq!(due(&market, at(runway_end)), [[Verb::Expire, Verb::Settle]]);
    // Nobody looked for the whole grace period: the first look begins it, and leaves the buyer a minute.
    let grace_end = runway_end + GRACE.0;
    for late in [grace_end, grace_end + 1, grace_end + 10_000] {
        assert_eq!(due(&market, at(late)), [[Verb::Expire, Verb::Settle]]);
    }
    // Somebody looked.
    let actions = plan(&market.view(), at(runway_end), &patient);
    market.carry_out(&actions, at(runway_end));
    assert_eq!(market.lease_of(1).state(), Some(LeaseState::Grace));
    assert_eq!(due(&market, at(grace_end)), NOTHING);
    assert_eq!(due(&market, at(grace_end + 1)), [[Verb::Expire, Verb::CloseLease, Verb::CloseJob]]);
    let actions = plan(&market.view(), at(grace_end + 1), &patient);
    market.carry_out(&actions, at(grace_end + 1));
    assert_eq!(due(&market, at(grace_end + 1)), NOTHING);
    market.check();
}

#[test]
fn a_lease_whose_node_missed_a_challenge_is_not_expired_over_and_over() {
    let mut market = Market::running();
    let now = at(market.lease_of(1).ready_ts + 100);
    market.change_lease(1, |lease| lease.challenge(now).unwrap());
    let patient = Policy { settle_above: Atoms(u64::MAX), settle_every: Seconds(1_000_000), ..Policy::default() };
    for seconds in [60, 61, 10_000] {
        let verbs = verbs(&plan(&market.view(), at(now.ts.0 + seconds), &patient));
        assert!(!verbs.concat().contains(&Verb::Expire), "{seconds} s after the challenge");
    }
}

#[test]
fn fees_are_swept_from_the_threshold_on_and_never_without_fees() {
    let mut market = Market::new();
    market.purse.fees_owed = 999_999;
    assert_eq!(due(&market, at(START)), NOTHING);
    market.purse.fees_owed = 1_000_000;
    assert_eq!(due(&market, at(START)), [[Verb::SweepFees]]);
    market.purse.fees_owed = 0;
    let eager = Policy { sweep_above: Atoms(0), ..Policy::default() };
    assert!(plan(&market.view(), at(START), &eager).is_empty());
}

#[test]
fn without_the_markets_configuration_nothing_is_planned_that_needs_it() {
    let mut market = Market::leased();
    market.purse.fees_owed = 5_000_000;
    let now = at(market.lease_of(1).start_deadline + 1);
    assert_eq!(due(&market, now).len(), 2);
    market.known_config = false;
    assert_eq!(due(&market, now), NOTHING);
}

#[test]
fn the_most_urgent_comes_first_and_the_order_depends_on_nothing_else() {
    let mut market = Market::leased();
    let now = at(market.lease_of(1).start_deadline + 1);
    market.purse.fees_owed = 5_000_000;
    market.ended_job(2);
    market.open_job(3, now.ts.0 + 5);
    market.open_job(4, now.ts.0 + 5);
    market.bid_for(4, 1, now.ts.0);
    market.offer_of(1).header.due_ts = now.ts.0 + 100;
    let expected = [
        vec![Verb::EnterOffer],
        vec![Verb::Award],
        vec![Verb::FailStart, Verb::CloseLease],
        vec![Verb::CloseJob],
        vec![Verb::SweepFees],
    ];
    let first = plan(&market.view(), now, &Policy::default());
    assert_eq!(verbs(&first), expected);
    assert_eq!(plan(&market.view(), now, &Policy::default()), first);
}

#[test]
fn shards_share_all_the_work_and_no_two_do_the_same() {
    let mut market = Market::leased();
    let now = at(market.lease_of(1).start_deadline + 1);
    market.offer_of(1).header.due_ts = now.ts.0 + 100;
    for job in 2..40 {
        market.open_job(job, now.ts.0 + 5);
    }
    for job in 40..60 {
        market.ended_job(job);
    }
    let all: BTreeSet<StepKey> = plan(&market.view(), now, &Policy::default()).iter().flat_map(Action::keys).collect();
    let mut seen = BTreeSet::new();
    for index in 0..3 {
        let policy = Policy { shard: Shard::new(index, 3).unwrap(), ..Policy::default() };
        let mine: Vec<StepKey> = plan(&market.view(), now, &policy).iter().flat_map(Action::keys).collect();
        assert!(!mine.is_empty());
        for key in mine {
            assert!(seen.insert(key), "{key:?} is planned by two shards");
        }
    }
    assert_eq!(seen, all);
    assert!(Shard::new(3, 3).is_err() && Shard::new(0, 0).is_err());
}

#[test]
fn a_job_of_another_shard_is_left_to_its_own_keeper() {
    let mut market = Market::running();
    let now = at(market.lease_of(1).ready_ts + 30);
    market.finish(1, EndReason::Completed, now);
    market.lease_of(1).header.shard = 0;
    market.job_of(1).header.shard = 1;
    let of = |index| {
        let policy = Policy { shard: Shard::new(index, 2).unwrap(), ..Policy::default() };
        let actions = plan(&market.view(), now, &policy);
        verbs(&actions.into_iter().filter(|action| action.steps[0].verb() != Verb::SweepFees).collect::<Vec<_>>())
    };
    assert_eq!(of(0), [[Verb::Settle, Verb::CloseLease]]);
    assert_eq!(of(1), [[Verb::CloseJob]]);
}
