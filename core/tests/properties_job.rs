//! Jobs under any sequence of steps: what the purse holds is the job's part plus its leases' at all times.

mod common;

use common::{brisk, price};
use gridlease_core::job::{EndReason, Job, JobState, Mode, Terms, minute};
use gridlease_core::lease::{Lease, LeaseState, Ran, Undone};
use gridlease_core::limits::{DEFAULT_WAIT, MAX_EXTENSIONS, MIN_RESERVATION, SLOT_MS};
use gridlease_core::purse::Purse;
use gridlease_core::rounding::cost_up;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleResult, Seconds, UnixTs, invariant};
use proptest::prelude::*;

fn terms() -> impl Strategy<Value = Terms> {
    (price(), 60u64..=100_000, 6u64..=3_600, 1u8..=8).prop_map(|(max_price, duration, window, attempts)| Terms {
        max_price,
        max_duration: Seconds(duration),
        window: Seconds(window),
        attempts,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Bid,
    Drop,
    Award(u64),
    Unawarded,
    Cancel,
    Ready,
    Settle,
    TopUp(Atoms),
    Stop,
    Finish(EndReason),
    FailStart(bool),
    Expire,
    ExpireJob,
    Accept,
    Reopen,
    Reject,
    Decline,
    NotGiven,
    BuyerError(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Bid),
        1 => Just(Step::Drop),
        5 => any::<u64>().prop_map(Step::Award),
        1 => Just(Step::Unawarded),
        1 => Just(Step::Cancel),
        4 => Just(Step::Ready),
        4 => Just(Step::Settle),
        2 => (0u64..1_000_000_000).prop_map(|atoms| Step::TopUp(Atoms(atoms))),
        1 => Just(Step::Stop),
        1 => prop::sample::select(EndReason::ALL.to_vec()).prop_map(Step::Finish),
        2 => any::<bool>().prop_map(Step::FailStart),
        2 => Just(Step::Expire),
        1 => Just(Step::ExpireJob),
        2 => Just(Step::Accept),
        2 => Just(Step::Reopen),
        1 => Just(Step::Reject),
        1 => Just(Step::Decline),
        1 => Just(Step::NotGiven),
        1 => any::<bool>().prop_map(Step::BuyerError),
    ]
}

/// One job of one buyer, and the leases that it had. Each step is done as an instruction does it: all or nothing.
#[derive(Clone, Debug, PartialEq)]
struct World {
    purse: Purse,
    job: Job,
    leases: Vec<Lease>,
}

impl World {
    fn post(terms: Terms, now: Now) -> RuleResult<Self> {
        let job = Job::post(terms, now)?;
        let mut purse = Purse::default();
        purse.deposit(job.reserved.add(Atoms(5_000_000))?)?;
        purse.reserve(job.reserved)?;
        Ok(Self { purse, job, leases: Vec::new() })
    }

    fn step(&mut self, step: Step, now: Now) -> RuleResult<()> {
        let mut next = self.clone();
        next.apply(step, now)?;
        *self = next;
        Ok(())
    }

    fn apply(&mut self, step: Step, now: Now) -> RuleResult<()> {
        match step {
            Step::Bid => {
                self.job.check_bid(PricePerHour(1), now.ts)?;
                return self.job.on_bid(true, (usize::from(self.job.bids) + 1).min(8), now);
            }
            Step::Drop => {
                self.job.drop_bids(1);
                return Ok(());
            }
            Step::ExpireJob => {
                let back = self.job.expire(now.ts)?;
                return self.purse.release(back);
            }
            Step::Award(raw) => {
                let price = PricePerHour(raw % self.job.terms.max_price.0 + 1);
                let handed = self.job.award(price, now)?;
                let deadline = now.ts.after(Seconds(120))?;
                self.leases.push(Lease::open(price, handed, SLOT_MS, Bps(200), now, deadline));
                return Ok(());
            }
            Step::Unawarded => {
                return self.job.unawarded(now);
            }
            Step::Cancel => {
                let back = self.job.cancel()?;
                return self.purse.release(back);
            }
            _ => {}
        }
        let Some(lease) = self.leases.last_mut() else {
            return Ok(());
        };
        match step {
            Step::Ready => {
                lease.ready(now)?;
                self.purse.release(self.job.on_ready()?)
            }
            Step::Settle => {
                let payment = lease.settle(now)?;
                self.purse.pay(payment.net, payment.fee)
            }
            Step::TopUp(amount) => {
                lease.top_up(amount, now)?;
                self.purse.reserve(amount)
            }
            Step::FailStart(given_up) => {
                let back = lease.fail_start(given_up, now)?;
                self.purse.release(self.job.on_lease_end(EndReason::NoStart, back, lease.price, false, now.ts)?)
            }
            Step::Stop => {
                let back = lease.stop(now)?;
                self.purse.release(self.job.on_lease_end(EndReason::Stopped, back, lease.price, false, now.ts)?)
            }
            Step::Finish(reason) => {
                let back = lease.finish(reason, Ran::WHOLE, Seconds::ZERO, now)?;
                if lease.state == LeaseState::Finished {
                    return self.job.on_finished(back);
                }
                self.purse.release(self.job.on_lease_end(reason, back, lease.price, false, now.ts)?)
            }
            Step::Expire => match lease.expire(now)? {
                Some(back) if lease.state == LeaseState::Ended => {
                    self.purse.release(self.job.on_lease_end(lease.reason, back, lease.price, false, now.ts)?)
                }
                _ => Ok(()),
            },
            Step::Accept => {
                lease.accept(now)?;
                self.end(Atoms::ZERO, false, now)
            }
            Step::Reopen => {
                let back = lease.reopen(now)?;
                self.end(back, false, now)
            }
            Step::Reject => {
                let undone = lease.reject(minute(lease.price, self.job.terms.max_price)?, now)?;
                self.undo(undone, false, now)
            }
            Step::Decline => {
                let undone = lease.decline(true, minute(lease.price, self.job.terms.max_price)?, now)?;
                self.undo(undone, false, now)
            }
            Step::NotGiven => {
                let undone = lease.not_given(minute(lease.price, self.job.terms.max_price)?, now)?;
                self.undo(undone, false, now)
            }
            Step::BuyerError(certain) => {
                let undone = lease.buyer_error(127, minute(lease.price, self.job.terms.max_price)?, now)?;
                self.undo(undone, certain, now)
            }
            Step::Bid | Step::Drop | Step::ExpireJob | Step::Award(_) | Step::Unawarded | Step::Cancel => Ok(()),
        }
    }

    fn undo(&mut self, undone: Undone, certain: bool, now: Now) -> RuleResult<()> {
        self.purse.forfeit(undone.buyer)?;
        self.end(undone.back, certain, now)
    }

    fn end(&mut self, back: Atoms, certain: bool, now: Now) -> RuleResult<()> {
        let Some(lease) = self.leases.last() else { return Ok(()) };
        self.purse.release(self.job.on_lease_end(lease.reason, back, lease.price, certain, now.ts)?)
    }

    fn check(&self) -> RuleResult<()> {
        let held: Vec<Atoms> = self.leases.iter().map(Lease::held).collect::<RuleResult<_>>()?;
        invariant::purse_holds(&self.purse, held.into_iter().chain([self.job.reserved]))?;
        invariant::purse(&self.purse, self.purse.balance)?;
        self.leases.iter().try_for_each(invariant::lease)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_purse_holds_what_the_job_and_its_leases_hold(
        terms in terms(), steps in prop::collection::vec((brisk(), step()), 1..80),
    ) {
        let mut world = World::post(terms, common::START).unwrap();
        let mut now = common::START;
        for (tick, step) in steps {
            now = tick.from(now);
            let before = world.clone();
            if world.step(step, now).is_ok() {
                prop_assert!(before.job.state != JobState::Ended || world.job == before.job, "it came back from its end");
            }
            prop_assert_eq!(world.check(), Ok(()), "after {:?} at {:?}", step, now);
            let job = &world.job;
            let failed = world.leases.iter().filter(|lease| lease.reason.costs_attempt()).count();
            prop_assert_eq!(usize::from(terms.attempts - job.attempts_left), failed, "attempts count leases that failed");
            prop_assert!(job.extensions <= MAX_EXTENSIONS);
            prop_assert_eq!(job.state == JobState::Waiting, job.close_ts.is_zero() && job.state != JobState::Ended);
            prop_assert!(job.state != JobState::Open || job.close_ts <= job.expires_at, "a window past the wait");
            let ready = world.leases.last().is_some_and(|lease| !lease.ready_ts.is_zero() && !lease.state.is_over());
            prop_assert!(!ready || job.bids == 0, "a bid is bound while another provider runs");
            prop_assert_eq!(job.state == JobState::Ended, job.reason != EndReason::None);
            prop_assert!(job.state != JobState::Ended || job.reserved.is_zero());
            let held = matches!(job.state, JobState::Leased | JobState::Review);
            prop_assert_eq!(held, world.leases.last().is_some_and(|lease| !lease.state.is_over()));
            let finished = world.leases.last().is_some_and(|lease| lease.state == LeaseState::Finished);
            prop_assert_eq!(job.state == JobState::Review, finished);
            let open = matches!(job.state, JobState::Open | JobState::Waiting);
            if open && world.leases.iter().all(|lease| lease.ready_ts.is_zero()) {
                let forfeited = world.leases.iter().fold(0, |sum, lease| sum + lease.forfeited.0);
                prop_assert_eq!(job.reserved.0 + forfeited, terms.cap().unwrap().0, "a runner-up can always be paid");
            }
        }
    }

    #[test]
    fn every_refusal_leaves_the_job_as_it_was(
        terms in terms(), steps in prop::collection::vec((brisk(), step(), any::<u64>()), 1..60),
    ) {
        let mut job = Job::post(terms, common::START).unwrap();
        let mut now = common::START;
        for (tick, step, raw) in steps {
            now = tick.from(now);
            let before = job;
            let failed = match step {
                Step::Bid => job.check_bid(PricePerHour(raw), now.ts).is_err(),
                Step::ExpireJob => job.expire(now.ts).is_err(),
                Step::Drop => job.on_bid(true, 1, Now { ts: UnixTs(raw), ..now }).is_err(),
                Step::Award(price) => job.award(PricePerHour(price >> (raw % 64)), now).is_err(),
                Step::Unawarded => job.unawarded(Now { ts: UnixTs(now.ts.0.max(raw)), ..now }).is_err(),
                Step::Cancel => job.cancel().is_err(),
                Step::Ready => job.on_ready().is_err(),
                Step::FailStart(_) => job.on_lease_end(EndReason::NoStart, Atoms(raw), job.terms.max_price, false, now.ts).is_err(),
                Step::Stop | Step::Expire | Step::Finish(_) => job.on_lease_end(EndReason::Completed, Atoms(raw), job.terms.max_price, false, now.ts).is_err(),
                Step::Settle => job.check_award(now).is_err(),
                Step::Accept | Step::Reopen | Step::Reject => job.on_finished(Atoms(raw)).is_err(),
                Step::Decline | Step::NotGiven | Step::BuyerError(_) => {
                    job.on_lease_end(EndReason::NotGiven, Atoms(raw), job.terms.max_price, false, now.ts).is_err()
                }
                Step::TopUp(_) => job.check_close().is_err(),
            };
            if failed {
                prop_assert_eq!(job, before, "{:?}", step);
            }
        }
    }

    #[test]
    fn a_match_never_fails_for_want_of_money(terms in terms(), raw in any::<u64>()) {
        let mut job = Job::post(terms, common::START).unwrap();
        let cap = job.reserved;
        prop_assert!(cap >= MIN_RESERVATION && cap >= cost_up(terms.max_price, Seconds(600)).unwrap());
        let price = PricePerHour(raw % terms.max_price.0 + 1);
        job.on_bid(true, 1, common::START).unwrap();
        let handed = job.award(price, Now { ts: job.close_ts, ..common::START }).unwrap();
        prop_assert_eq!(handed, cost_up(price, terms.max_duration).unwrap());
        prop_assert_eq!(handed.add(job.reserved).unwrap(), cap);
        let mut lease = Lease::open(price, handed, SLOT_MS, Bps(200), common::START, common::START.ts);
        lease.ready(common::START).unwrap();
        prop_assert!(lease.runway_end.since(common::START.ts) >= terms.max_duration);
    }

    #[test]
    fn terms_are_accepted_exactly_inside_their_bounds(
        price in common::any_u64(), duration in common::any_u64(), window in 0u64..4_000, attempts in any::<u8>(),
    ) {
        let terms = Terms {
            max_price: PricePerHour(price), max_duration: Seconds(duration), window: Seconds(window), attempts,
            mode: Mode::Open, reveal: Seconds::ZERO,
            wait: DEFAULT_WAIT,
            review: Seconds::ZERO,
        };
        let inside = (1..=100_000_000_000).contains(&price)
            && (60..=2_592_000).contains(&duration)
            && (6..=3_600).contains(&window)
            && (1..=8).contains(&attempts);
        prop_assert_eq!(terms.check().is_ok(), inside);
        prop_assert_eq!(Job::post(terms, common::START).is_ok(), inside);
    }
}
