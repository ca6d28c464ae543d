//! Every sequence of joining, leaving and losing of a pool of shares that two people hold, and every sequence of steps of a
//! bond's stake, with small amounts: all states that can be reached inside the bounds are visited.
//!
//! What a share is worth hangs on the fraction assets ÷ shares alone, and the numbers tried contain all fractions of small
//! numbers; that rounding goes against who asks is shown for all integers by `core/proofs/shares.smt2`.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::HashSet;
use std::hash::Hash;

use gridlease_core::delegation::{Delegation, SharePool, Stake};
use gridlease_core::{Atoms, RuleError, UnixTs, invariant};

/// All states that sequences of up to `longest` steps reach from the beginning, each found sound.
fn reached<S: Copy + Eq + Hash + Default>(longest: u32, steps: fn(S) -> Vec<S>, assert_sound: fn(S)) -> HashSet<S> {
    let mut seen = HashSet::from([S::default()]);
    let mut open = vec![S::default()];
    let mut taken = 0_u64;
    for _ in 0..longest {
        let mut next = Vec::new();
        for after in open.into_iter().flat_map(steps) {
            taken += 1;
            if seen.insert(after) {
                assert_sound(after);
                next.push(after);
            }
        }
        open = next;
    }
    println!("{} states, {taken} steps, sequences of up to {longest}", seen.len());
    seen
}

/// A pool held by two: shares of each, what each brought and took, and how often each came or left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Held {
    assets: u64,
    shares: [u64; 2],
    brought: [u64; 2],
    took: [u64; 2],
    moved: [u64; 2],
}

/// Largest amount of a step, the most that one person brings, the most shares.
const STEP: u64 = 3;
const BROUGHT: u64 = 6;
const SHARES: u64 = 40;
/// The longest sequence.
const LENGTH: u32 = 8;

impl Held {
    fn pool(self) -> SharePool {
        SharePool { assets: Atoms(self.assets), shares: self.shares[0] + self.shares[1] }
    }

    fn assert_sound(self) {
        let pool = self.pool();
        assert!(pool.assets.0 <= pool.shares, "a share is worth more than an atom");
        let worth = self.shares.map(|shares| pool.worth_down(shares).unwrap().0);
        assert!(worth[0] + worth[1] <= self.assets, "the shares are worth more than there is");
        for (who, worth) in worth.into_iter().enumerate() {
            // What another leaves behind by rounding, less than an atom each time it comes or leaves, is all that anybody gains.
            let dust = self.moved[1 - who];
            assert!(self.took[who] + worth <= self.brought[who] + dust, "somebody got what it did not bring");
        }
    }

    fn steps(self) -> Vec<Self> {
        let mut next = Vec::new();
        for who in 0..2 {
            for amount in 1..=STEP.min(BROUGHT - self.brought[who]) {
                let mut pool = self.pool();
                let before = pool.worth_down(self.shares[1 - who]).unwrap();
                let Ok(issued) = pool.join(Atoms(amount)) else { continue };
                assert!(issued >= amount);
                assert!(pool.worth_down(self.shares[1 - who]).unwrap() >= before, "who joins takes from who was there");
                assert!(pool.worth_down(issued).unwrap().0 <= amount, "who joins and leaves gains");
                if pool.shares <= SHARES {
                    let mut after = Self { assets: pool.assets.0, ..self };
                    after.shares[who] += issued;
                    after.brought[who] += amount;
                    after.moved[who] += 1;
                    next.push(after);
                }
            }
            for shares in 1..=self.shares[who] {
                for most in 0..=self.assets {
                    let mut pool = self.pool();
                    let other = pool.worth_down(self.shares[1 - who]).unwrap();
                    let gone = pool.leave(shares, Atoms(most)).unwrap();
                    assert!(gone.shares <= shares && gone.amount.0 <= most);
                    assert!(pool.worth_down(self.shares[1 - who]).unwrap() >= other, "who leaves takes from who stays");
                    let mut after = Self { assets: pool.assets.0, ..self };
                    after.shares[who] -= gone.shares;
                    after.took[who] += gone.amount.0;
                    after.moved[who] += 1;
                    next.push(after);
                }
            }
        }
        for loss in 1..=STEP {
            let mut pool = self.pool();
            let beyond = pool.lose(Atoms(loss));
            assert_eq!(pool.assets.0 + loss, self.assets + beyond.0);
            next.push(Self { assets: pool.assets.0, ..self });
        }
        next
    }
}

#[test]
fn no_sequence_of_joining_leaving_and_losing_gives_anybody_what_another_brought() {
    let seen = reached(LENGTH, Held::steps, Held::assert_sound);
    assert!(seen.iter().any(|held| held.assets == 0 && held.shares[0] > 0), "a pool that lost all was among them");
}

/// The stake of a bond, and all that ever went in and out of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Story {
    own: u64,
    exit: (u64, u64),
    delegated: (u64, u64),
    leaving: u64,
    pending: u64,
    claims: (u64, u64),
    reserved: u64,
    brought: u64,
    took: u64,
    slashed: u64,
}

/// When everything happens: no time passes, so what a day changes is a step of its own.
const NOW: UnixTs = UnixTs(0);
/// The most that is ever brought into a bond, and the length of its sequences.
const STAKE: u64 = 7;
const STEPS: u32 = 8;

impl Story {
    fn stake(self) -> Stake {
        let pool = |(assets, shares)| SharePool { assets: Atoms(assets), shares };
        Stake {
            own: Atoms(self.own),
            exit: pool(self.exit),
            delegated: pool(self.delegated),
            leaving: self.leaving,
            pending: self.pending,
            claims: pool(self.claims),
            reserved: Atoms(self.reserved),
            ..Stake::default()
        }
    }

    fn with(self, stake: &Stake) -> Self {
        let of = |pool: &SharePool| (pool.assets.0, pool.shares);
        Self {
            own: stake.own.0,
            exit: of(&stake.exit),
            delegated: of(&stake.delegated),
            leaving: stake.leaving,
            pending: stake.pending,
            claims: of(&stake.claims),
            reserved: stake.reserved.0,
            ..self
        }
    }

    fn assert_sound(self) {
        let stake = self.stake();
        let sums = stake.bond().unwrap();
        invariant::bond(&sums, sums.amount).unwrap();
        assert_eq!(self.brought, sums.amount.0 + self.took + self.slashed, "an atom was made or lost");
        assert!(stake.exit.assets.0 <= stake.exit.shares && stake.delegated.assets.0 <= stake.delegated.shares);
        assert!(stake.leaving + stake.pending <= stake.delegated.shares);
        assert!(stake.claims.assets.0 <= stake.claims.shares, "a claim grew");
        assert!(self.reserved + self.claims.0 <= sums.amount.0, "a claim waits for a lease, or a lease for a claim");
    }

    fn steps(self) -> Vec<Self> {
        let mut next = Vec::new();
        let mut take = |step: &dyn Fn(&mut Stake) -> Result<Self, RuleError>| {
            let mut stake = self.stake();
            match step(&mut stake) {
                Ok(after) => next.push(after.with(&stake)),
                Err(_) => assert_eq!(stake, self.stake(), "a refused step changed something"),
            }
        };
        for n in 0..=STAKE {
            let amount = Atoms(n);
            if self.brought + n <= STAKE {
                let brought = Self { brought: self.brought + n, ..self };
                take(&|stake| stake.add(amount, NOW).map(|()| brought));
                take(&|stake| stake.delegate(amount).map(|_| brought));
            }
            take(&|stake| stake.unbond(amount, NOW).map(|_| self));
            for pending in 0..=n.min(self.pending) {
                take(&|stake| stake.undelegate(n, pending).map(|()| self));
            }
            let waiting = Delegation { shares: n, pending: n, ..Delegation::default() };
            take(&|stake| { waiting }.activate(stake, NOW).map(|_| self));
            if n <= self.claims.1 {
                take(&|stake| stake.pay_claim(n).map(|paid| Self { took: self.took + paid.0, ..self }));
            }
            take(&|stake| stake.reserve(amount).map(|()| self));
            take(&|stake| stake.release(amount).map(|()| self));
            let took = |paid: u64| Self { took: self.took + paid, ..self };
            if n <= self.exit.1 {
                take(&|stake| stake.withdraw(n).map(|left| took(left.amount.0)));
            }
            if n <= self.leaving {
                take(&|stake| stake.withdraw_delegated(n).map(|left| took(left.amount.0)));
            }
            for reservation in n..=self.reserved {
                take(&|stake| {
                    let others = (self.delegated, self.reserved);
                    let claimed = stake.claim(Atoms(reservation), Atoms::ZERO, amount)?;
                    assert_eq!((self.delegated, self.reserved - claimed.amount.0), (others.0, stake.reserved.0));
                    assert!(
                        claimed.amount.0 <= self.own + self.exit.0 && claimed.left.0 + claimed.amount.0 == reservation
                    );
                    Ok(self)
                });
                take(&|stake| {
                    let borne = stake.slash(Atoms(reservation), amount)?;
                    assert_eq!(borne.operator.0 + borne.claims.0 + borne.delegators.0, n);
                    assert_eq!(borne.claims.0, (n - borne.operator.0).min(self.claims.0), "then what is claimed");
                    let first = self.own + self.exit.0;
                    assert_eq!(borne.operator.0, n.min(first), "the operator's stake is lost first");
                    Ok(Self { slashed: self.slashed + n, ..self })
                });
            }
        }
        next
    }
}

#[test]
fn no_sequence_of_steps_of_a_bond_makes_or_loses_an_atom_or_uncovers_a_reservation() {
    let seen = reached(STEPS, Story::steps, Story::assert_sound);
    assert!(seen.iter().any(|story| story.slashed > 0 && story.delegated.0 > 0 && story.took > 0));
    assert!(seen.iter().any(|story| story.claims.0 > 0 && story.claims.0 < story.claims.1), "a claim was slashed");
}
