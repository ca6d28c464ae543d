//! Machines: whatever their keys do, no more stake is bound and burned than the cold key allowed.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use gridlease_core::limits::MAX_MACHINE_OFFERS;
use gridlease_core::machine::{Machine, StakeLimit};
use gridlease_core::{Atoms, RuleError};
use proptest::prelude::*;

/// What a holder of a node key, or the cold key, does.
#[derive(Clone, Copy, Debug)]
enum Move {
    Post(u64),
    Withdraw(usize),
    Reserve(usize, u64),
    /// A reservation ends, with this many hundredths slashed.
    End(usize, u64),
    SetLimit(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0u64..60).prop_map(Move::Post),
        (0usize..4).prop_map(Move::Withdraw),
        (0usize..4, 0u64..40).prop_map(|(at, amount)| Move::Reserve(at, amount)),
        (0usize..4, 0u64..=100).prop_map(|(at, part)| Move::End(at, part)),
        (0u64..200).prop_map(Move::SetLimit),
    ];
    prop::collection::vec(one, 0..120)
}

#[derive(Default)]
struct Story {
    machine: Machine,
    offers: Vec<(StakeLimit, Vec<u64>)>,
    burned: u64,
    /// The most that the cold key ever allowed.
    allowed: u64,
}

impl Story {
    fn play(&mut self, step: Move) {
        match step {
            Move::Post(limit) => {
                if let Ok(machine) = self.machine.allot(Atoms(limit)) {
                    self.machine = machine;
                    self.offers.push((StakeLimit { limit: Atoms(limit), bound: Atoms(0) }, Vec::new()));
                }
            }
            Move::Withdraw(at) => {
                if self.offers.get(at).is_some_and(|(_, leases)| leases.is_empty()) {
                    let (offer, _) = self.offers.remove(at);
                    self.machine = self.machine.take_back(&offer).unwrap();
                }
            }
            Move::Reserve(at, amount) => {
                let Some((offer, leases)) = self.offers.get_mut(at) else { return };
                match offer.bind(Atoms(amount)) {
                    Ok(bound) => {
                        *offer = bound;
                        leases.push(amount);
                    }
                    Err(error) => assert!(error == RuleError::StakeLimit && amount > offer.room().0),
                }
            }
            Move::End(at, part) => {
                let Some((offer, leases)) = self.offers.get_mut(at) else { return };
                let Some(amount) = leases.pop() else { return };
                let slashed = amount * part / 100;
                *offer = offer.unbind(Atoms(amount - slashed)).unwrap();
                self.burned += slashed;
            }
            Move::SetLimit(limit) => {
                self.machine.limit = Atoms(limit);
                self.allowed = self.allowed.max(limit);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn r32_what_is_bound_and_burned_stays_within_the_most_that_the_cold_key_allowed(moves in moves()) {
        let mut story = Story::default();
        for step in moves {
            story.play(step);
            let open: u64 = story.offers.iter().flat_map(|(_, leases)| leases).sum();
            prop_assert!(open + story.burned <= story.allowed, "{open} + {} of {}", story.burned, story.allowed);
            let limits: u64 = story.offers.iter().map(|(offer, _)| offer.limit.0).sum();
            prop_assert!(story.machine.allotted.0 >= limits);
            prop_assert_eq!(usize::from(story.machine.offers), story.offers.len());
        }
        // When everything ended and every offer is withdrawn, what is allotted is what was burned.
        for at in 0..story.offers.len() {
            while !story.offers[at].1.is_empty() {
                story.play(Move::End(at, 0));
            }
        }
        while !story.offers.is_empty() {
            story.play(Move::Withdraw(0));
        }
        prop_assert_eq!(story.machine.allotted.0, story.burned);
        prop_assert_eq!(story.machine.retire().check_close(), Ok(()));
    }
}

#[test]
fn r32_a_machine_has_as_many_offers_as_one_transaction_can_name() {
    let mut machine = Machine { limit: Atoms(100), ..Machine::default() };
    for _ in 0..MAX_MACHINE_OFFERS {
        machine = machine.allot(Atoms(1)).unwrap();
    }
    assert_eq!(machine.allot(Atoms(1)), Err(RuleError::MachineLimit));
    assert_eq!(Machine::default().allot(Atoms(1)), Err(RuleError::MachineLimit));
    assert_eq!(machine.allot(Atoms(0)), Err(RuleError::ZeroAmount));
    assert_eq!(machine.allot(Atoms::MAX), Err(RuleError::Overflow));
    assert_eq!(machine.check_close(), Err(RuleError::WrongState), "it is not retired");
}

#[test]
fn r32_the_limit_is_reached_to_the_atom() {
    let offer = StakeLimit { limit: Atoms(10), bound: Atoms(4) };
    assert_eq!(offer.bind(Atoms(6)).unwrap().room(), Atoms(0));
    assert_eq!(offer.bind(Atoms(7)), Err(RuleError::StakeLimit));
    assert_eq!(offer.unbind(Atoms(5)), Err(RuleError::InvariantBroken));
    let lowered = StakeLimit { limit: Atoms(3), ..offer };
    assert_eq!((lowered.room(), lowered.unbind(Atoms(4)).unwrap().bound), (Atoms(0), Atoms(0)));
    assert_eq!(Machine::default().take_back(&offer), Err(RuleError::InvariantBroken));
}
