//! Every sequence of steps of a purse with small amounts, of whatever length: all states that can be reached are visited, and
//! from each every step with every amount is taken. What was deposited is always paid out, withdrawn, swept, or still there.
//!
//! The steps compare and add, and nothing else: whether one is taken hangs on the order of sums of the amounts, which a
//! dozen atoms can stand in as any number can. `core/proofs/purse.smt2` shows each step for all integers.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::HashSet;

use gridlease_core::purse::Purse;
use gridlease_core::{Atoms, RuleError, invariant};

/// The most that comes in, and the largest amount of a step.
const MOST: u64 = 12;

/// A purse, and all that ever went in and out of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Story {
    balance: u64,
    reserved: u64,
    fees: u64,
    forfeits: u64,
    deposited: u64,
    withdrawn: u64,
    paid: u64,
    swept: u64,
}

impl Story {
    fn purse(self) -> Purse {
        let (balance, reserved) = (Atoms(self.balance), Atoms(self.reserved));
        Purse { balance, reserved, fees_owed: Atoms(self.fees), forfeits_owed: Atoms(self.forfeits) }
    }

    fn with(self, purse: Purse) -> Self {
        let (balance, reserved) = (purse.balance.0, purse.reserved.0);
        Self { balance, reserved, fees: purse.fees_owed.0, forfeits: purse.forfeits_owed.0, ..self }
    }

    fn assert_whole(self) {
        let purse = self.purse();
        invariant::purse(&purse, Atoms(self.balance)).unwrap();
        assert_eq!(self.deposited, self.balance + self.withdrawn + self.paid + self.swept);
        assert_eq!(purse.free().unwrap().0 + self.reserved + self.fees + self.forfeits, self.balance);
    }

    /// The story after every step that can follow; what is refused must have changed nothing.
    fn steps(self) -> Vec<Self> {
        let mut next = Vec::new();
        let free = self.purse().free().unwrap().0;
        let mut take =
            |expected: Result<(), RuleError>, step: &dyn Fn(&mut Purse) -> Result<(), RuleError>, after: Self| {
                let mut purse = self.purse();
                let result = step(&mut purse);
                assert_eq!(result, expected);
                match result {
                    Ok(()) => next.push(after.with(purse)),
                    Err(_) => assert_eq!(purse, self.purse(), "a refused step changed something"),
                }
            };
        let needs = |amount: u64| match amount {
            0 => Err(RuleError::ZeroAmount),
            amount if amount > free => Err(RuleError::InsufficientFree),
            _ => Ok(()),
        };
        for n in 0..=MOST {
            let amount = Atoms(n);
            if self.deposited + n <= MOST {
                let expected = if n == 0 { Err(RuleError::ZeroAmount) } else { Ok(()) };
                take(expected, &|p| p.deposit(amount), Self { deposited: self.deposited + n, ..self });
            }
            take(needs(n), &|p| p.withdraw(amount), Self { withdrawn: self.withdrawn + n, ..self });
            take(needs(n), &|p| p.reserve(amount), self);
            let covered =
                |gross: u64| if gross > self.reserved { Err(RuleError::InsufficientReserved) } else { Ok(()) };
            take(covered(n), &|p| p.release(amount), self);
            take(covered(n), &|p| p.forfeit(amount), self);
            for fee in 0..=MOST {
                take(covered(n + fee), &|p| p.pay(amount, Atoms(fee)), Self { paid: self.paid + n, ..self });
            }
        }
        take(Ok(()), &|p| p.sweep_fees().map(|_| ()), Self { swept: self.swept + self.fees + self.forfeits, ..self });
        next
    }
}

#[test]
fn no_sequence_of_steps_makes_or_loses_an_atom() {
    let mut seen = HashSet::from([Story::default()]);
    let mut open = vec![Story::default()];
    let mut steps = 0;
    while let Some(story) = open.pop() {
        story.assert_whole();
        for after in story.steps() {
            steps += 1;
            if seen.insert(after) {
                open.push(after);
            }
        }
    }
    println!("{} states, {steps} steps", seen.len());
    // Every way to divide at most twelve atoms among free, reserved, fees, forfeits, withdrawn, paid and swept, and no
    // other.
    assert_eq!(seen.len(), 50_388);
}

#[test]
fn at_the_end_of_u64_every_step_is_refused_or_exact() {
    let ends = [0, 1, 2, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    for balance in ends {
        for reserved in ends {
            for fees in ends {
                let purse = Purse {
                    balance: Atoms(balance),
                    reserved: Atoms(reserved),
                    fees_owed: Atoms(fees),
                    ..Purse::default()
                };
                let wide = |purse: &Purse| {
                    (u128::from(purse.balance.0), u128::from(purse.reserved.0), u128::from(purse.fees_owed.0))
                };
                for n in ends {
                    let mut deposited = purse;
                    let fits = balance.checked_add(n).is_some() && n > 0;
                    assert_eq!(deposited.deposit(Atoms(n)).is_ok(), fits);
                    assert_eq!(wide(&deposited).0, wide(&purse).0 + if fits { u128::from(n) } else { 0 });
                    for fee in ends {
                        let mut paid = purse;
                        if paid.pay(Atoms(n), Atoms(fee)).is_ok() {
                            let (was, is) = (wide(&purse), wide(&paid));
                            let (n, fee) = (u128::from(n), u128::from(fee));
                            assert_eq!((is.0 + n, is.1 + n + fee, is.2), (was.0, was.1, was.2 + fee));
                        } else {
                            assert_eq!(paid, purse);
                        }
                    }
                }
            }
        }
    }
}
