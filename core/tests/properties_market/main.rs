//! The whole market in small: a buyer, two providers, purse, jobs, books, leases and bonds, driven by random steps and an
//! erratic clock. After each step every invariant holds and every token is somewhere.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "../common/mod.rs"]
mod common;
mod model;

use common::{Tick, brisk};
use gridlease_core::{Atoms, Now, PricePerHour, Seconds};
use model::{Market, Step};
use proptest::prelude::*;

/// What the buyer and each provider put in at the beginning.
fn funds() -> impl Strategy<Value = Atoms> {
    prop::sample::select(vec![0, 100_000_000, 1_000_000_000, 10_000_000_000]).prop_map(Atoms)
}

fn step() -> impl Strategy<Value = Step> {
    let money = || (0u32..34, any::<u64>()).prop_map(|(bits, raw)| Atoms(raw % (1u64 << bits)));
    let at = || 0usize..3;
    let job = (1u64..20_000_000, 60u64..20_000, 1u8..=4);
    prop_oneof![
        2 => money().prop_map(Step::Deposit),
        1 => money().prop_map(Step::Withdraw),
        1 => Just(Step::Sweep),
        1 => (0usize..2, money()).prop_map(|(provider, amount)| Step::Stake(provider, amount)),
        7 => job.prop_map(|(price, seconds, attempts)| Step::Post(PricePerHour(price), Seconds(seconds), attempts)),
        12 => (at(), 0usize..2, any::<u64>()).prop_map(|(job, provider, raw)| Step::Bid(job, provider, raw)),
        8 => at().prop_map(Step::Award),
        1 => (0usize..9).prop_map(Step::Cancel),
        8 => at().prop_map(Step::Ready),
        8 => at().prop_map(Step::Settle),
        3 => (at(), money()).prop_map(|(job, amount)| Step::TopUp(job, amount)),
        2 => at().prop_map(Step::Stop),
        3 => (at(), 0usize..17).prop_map(|(job, reason)| Step::Finish(job, reason)),
        4 => (at(), any::<bool>()).prop_map(|(job, given_up)| Step::FailStart(job, given_up)),
        4 => at().prop_map(Step::Expire),
        1 => at().prop_map(Step::ExpireJob),
        3 => at().prop_map(Step::Accept),
        2 => at().prop_map(Step::Reopen),
        1 => at().prop_map(Step::Reject),
        1 => (at(), any::<bool>()).prop_map(|(job, own)| Step::Decline(job, own)),
        1 => at().prop_map(Step::NotGiven),
        1 => (at(), any::<bool>()).prop_map(|(job, certain)| Step::BuyerError(job, certain)),
        4 => at().prop_map(Step::Close),
    ]
}

/// A posting that is bid for, awarded and, where it says so, becomes ready: random steps alone seldom come that far.
fn scene() -> impl Strategy<Value = Vec<(Tick, Step)>> {
    (1u64..20_000_000, 60u64..20_000, any::<(u64, u64)>(), 0u64..150, any::<bool>()).prop_map(
        |(price, duration, bids, start, ready)| {
            let wait = |seconds: u64| Tick { slots: seconds * 5 / 2, seconds: seconds as i64 };
            let mut steps = vec![(wait(0), Step::Post(PricePerHour(price), Seconds(duration), 3))];
            for job in 0..3 {
                steps.push((wait(0), Step::Bid(job, 0, bids.0)));
                steps.push((wait(0), Step::Bid(job, 1, bids.1)));
            }
            steps.push((wait(21), Step::Sweep));
            steps.extend((0..3).map(|job| (wait(1), Step::Award(job))));
            if ready {
                steps.push((wait(start), Step::Sweep));
                steps.extend((0..3).map(|job| (wait(0), Step::Ready(job))));
            }
            steps
        },
    )
}

fn story(scenes: core::ops::Range<usize>) -> impl Strategy<Value = Vec<(Tick, Step)>> {
    let one = (brisk(), step()).prop_map(|step| vec![step]);
    prop::collection::vec(prop_oneof![12 => one, 1 => scene()], scenes).prop_map(|scenes| scenes.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn not_an_atom_is_lost_or_created_whatever_happens(funds in funds(), steps in story(1..100)) {
        let mut market = Market::open(funds);
        let mut now = common::START;
        for (tick, step) in steps {
            now = tick.from(now);
            let before = market.clone();
            if market.step(step, now).is_err() {
                prop_assert!(market == before, "a refused {step:?} changed the market");
            }
            prop_assert_eq!(market.check(), Ok(()), "after {:?} at {:?}", step, now);
        }
    }

    #[test]
    fn everything_ends_and_the_buyer_gets_the_rest_once_nobody_acts_any_more(
        funds in funds(), steps in story(1..60),
    ) {
        let mut market = Market::open(funds);
        let mut now = common::START;
        for (tick, step) in steps {
            now = tick.from(now);
            let _ = market.step(step, now);
        }
        // Only steps that anybody can take, each long after it is due.
        for _ in 0..40 {
            let Some(due) = market.last_due() else { break };
            now = Now { slot: now.slot + 9_000, ts: due.max(now.ts).after(Seconds(3_600)).unwrap() };
            for job in 0..3 {
                for step in [
                    Step::Award(job), Step::ExpireJob(job), Step::FailStart(job, false), Step::Expire(job), Step::Settle(job),
                    Step::Close(job),
                ] {
                    let _ = market.step(step, now);
                    prop_assert_eq!(market.check(), Ok(()), "after {:?} at {:?}", step, now);
                }
            }
        }
        prop_assert!(market.jobs.iter().all(Option::is_none), "{:?}", market.jobs);
        prop_assert_eq!(market.purse.reserved, Atoms::ZERO);
        prop_assert!(market.bonds.iter().all(|bond| bond.reserved.is_zero()));
        let free = market.purse.free().unwrap();
        if !free.is_zero() {
            prop_assert_eq!(market.step(Step::Withdraw(free), now), Ok(()));
        }
        market.step(Step::Sweep, now).unwrap();
        prop_assert_eq!(market.purse_vault, Atoms::ZERO);
        prop_assert_eq!(market.check(), Ok(()));
    }
}
