//! Every short life of a lease: all sequences of steps with all of a few waits between them. What is owed, paid and returned
//! adds up in each, nothing that was paid is ever taken back, and nobody pays for time that did not pass.
//!
//! The waits are those at which anything changes: nothing, a second, the minute of a challenge and of the least charge, the
//! ninety seconds in which a start can be rejected, the whole runway, the whole grace period. At one atom a second amounts are
//! seconds, so an atom too many shows.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::limits::MIN_CHARGE_TIME;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs, invariant};

const START: Now = Now { slot: 1_000, ts: UnixTs(1_000_000) };
/// One atom a second.
const PRICE: PricePerHour = PricePerHour(3_600);
const FUNDS: u64 = 130;
const WAITS: [u64; 6] = [0, 1, 61, 90, 130, 601];
/// Steps after `ready`.
const LENGTH: u32 = 4;

/// A lease, the present, and how it came there.
#[derive(Clone)]
struct Life {
    lease: Lease,
    now: Now,
    added: u64,
    story: Vec<(u64, &'static str)>,
}

type Step = (&'static str, fn(&mut Life) -> bool);

const STEPS: [Step; 14] = [
    ("settle", |life| life.lease.settle(life.now).is_ok()),
    ("stop", |life| life.lease.stop(life.now).is_ok()),
    ("complete", |life| life.lease.finish(EndReason::Completed, Ran::WHOLE, Seconds::ZERO, life.now).is_ok()),
    ("abandon", |life| life.lease.finish(EndReason::Abandoned, Ran::WHOLE, Seconds::ZERO, life.now).is_ok()),
    ("accept", |life| life.lease.accept(life.now).is_ok()),
    ("reopen", |life| life.lease.reopen(life.now).is_ok()),
    ("reject", |life| life.lease.reject(Atoms(60), life.now).is_ok()),
    ("expire", |life| life.lease.expire(life.now).is_ok()),
    ("top up", |life| {
        let done = life.lease.top_up(Atoms(70), life.now).is_ok();
        life.added += if done { 70 } else { 0 };
        done
    }),
    ("challenge", |life| life.lease.challenge(life.now).is_ok()),
    ("answer", |life| life.lease.answer(life.now).is_ok()),
    ("resolve", |life| life.lease.resolve_challenge(life.now).is_ok()),
    ("resume", |life| life.lease.resume(life.now).is_ok()),
    ("collect", |life| life.lease.collect_credit(Atoms(1_000)).is_ok()),
];

impl Life {
    fn assert_sound(&self, before: &Lease) {
        let lease = &self.lease;
        let told = || format!("{:?}\n{lease:?}", self.story);
        assert!(invariant::lease(lease).is_ok(), "{}", told());
        assert_eq!(lease.reserved.0, FUNDS + self.added, "{}", told());
        assert!(lease.paid >= before.paid && lease.fee >= before.fee, "what was paid was taken back: {}", told());
        let settled = lease.paid.0 + lease.fee.0;
        // No more is ever owed than seconds passed since it was ready, but for the minute of a buyer that stops.
        let passed = self.now.ts.0 - START.ts.0;
        let least = if lease.reason == EndReason::Stopped { MIN_CHARGE_TIME.0 } else { 0 };
        let owed = lease.gross(self.now).unwrap().0;
        assert!(owed <= passed.max(least) && owed <= lease.reserved.0, "more is owed than ran: {}", told());
        assert!(settled <= owed.max(settled), "{}", told());
        // Credit and fault together never give back more than was charged.
        assert!(lease.collected.0 + lease.credit.0 <= settled, "more is credited than was paid: {}", told());
        assert!(lease.collected.0 + lease.credit.0 + lease.compensable().0 <= owed.max(lease.base.0), "{}", told());
        // Settling once more now, or twice, is all the same.
        let mut once = *lease;
        if once.settle(self.now).is_ok() {
            let mut twice = once;
            twice.settle(self.now).unwrap();
            assert_eq!(once, twice, "{}", told());
        }
    }

    /// Whoever wants to can end it, and then everything is paid or returned.
    fn assert_ends(&self) {
        let mut lease = self.lease;
        if lease.state == LeaseState::Finished {
            lease.accept(self.now).unwrap();
        } else if !lease.state.is_over() {
            lease.stop(self.now).unwrap_or_else(|error| panic!("it cannot be stopped: {error:?} {:?}", self.story));
        }
        if lease.state == LeaseState::Ended {
            lease.settle(self.now).unwrap();
        }
        assert_eq!(lease.held(), Ok(Atoms::ZERO), "{:?}", self.story);
        assert_eq!(lease.paid.0 + lease.fee.0 + lease.refunded.0 + lease.forfeited.0, FUNDS + self.added);
    }
}

fn go_on(life: &Life, length: u32, durable: bool, count: &mut u64) {
    if length == 0 {
        return;
    }
    for wait in WAITS {
        let now = Now { slot: life.now.slot + wait * 5 / 2, ts: UnixTs(life.now.ts.0 + wait) };
        for (name, step) in STEPS {
            let mut next = Life { now, ..life.clone() };
            next.story.push((wait, name));
            if durable && name == "settle" {
                // A durable lease is paid to its last checkpoint: let there be one where that is taken.
                let _ = next.lease.checkpoint(1, 0, now);
            }
            let before = next.lease;
            if !step(&mut next) {
                assert_eq!(next.lease, before, "a refused step changed something: {:?}", next.story);
                continue;
            }
            *count += 1;
            next.assert_sound(&before);
            next.assert_ends();
            go_on(&next, length - 1, durable, count);
        }
    }
}

#[test]
fn every_short_life_of_a_lease_adds_up() {
    for (durable, fee) in [(false, Bps(0)), (false, Bps(500)), (true, Bps(200))] {
        let mut lease = Lease::open(PRICE, Atoms(FUNDS), 400, fee, START, START.ts.after(Seconds(120)).unwrap());
        lease.checkpoint_every = Seconds(if durable { 60 } else { 0 });
        lease.ready(START).unwrap();
        let mut count = 0;
        go_on(&Life { lease, now: START, added: 0, story: Vec::new() }, LENGTH, durable, &mut count);
        println!("{count} lives of up to {LENGTH} steps, durable: {durable}, fee {fee:?}");
        assert!(count > 100_000);
    }
}
