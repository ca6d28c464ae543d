//! R32: an owner of forty machines has one bond, and a thief has the node key of one of them.

use gridlease_core::bond::{Bond, lease_reservation};
use gridlease_core::machine::{Leaving, Machine, StakeLimit, leaving};
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, PricePerHour, RuleError, Seconds};

const USDC: u64 = 1_000_000;
const MACHINES: u64 = 40;
const PER_MACHINE: u64 = 100 * USDC;

/// What one abandoned lease of the thief's costs the bond; the thief leases to a buyer of its own, for a minute's price.
fn burn(bond: &mut Bond, reservation: Atoms) -> Atoms {
    bond.reserve(reservation).unwrap();
    let case = Case {
        fault: Fault::Abandoned,
        reservation,
        price: PricePerHour(USDC),
        charged: Atoms(0),
        sealed_bond: Atoms(0),
    };
    let lost = slash_for(&case).unwrap().total().unwrap();
    let left = bond.slash(reservation, lost).unwrap();
    bond.release(left).unwrap();
    lost
}

fn bond() -> Bond {
    Bond { amount: Atoms(MACHINES * PER_MACHINE), ..Bond::default() }
}

#[test]
fn r32_a_stolen_node_key_burns_its_machines_limit_and_not_the_bond_of_forty() {
    let day = lease_reservation(PricePerHour(USDC), PricePerHour(USDC), Seconds(24 * 3_600)).unwrap();

    // The first edition: the key speaks for the bond, for as long as the thief goes on.
    let (mut before, mut burned) = (bond(), 0);
    for _ in 0..800 {
        burned += burn(&mut before, day).0;
    }
    assert!(burned > 3_800 * USDC, "800 leases burned {burned} of 4,000 USDC");

    // Now: an offer of one machine, whatever the thief does with it.
    let mut machine = Machine { limit: Atoms(PER_MACHINE), ..Machine::default() };
    let (mut now, mut burned, mut refused) = (bond(), 0, 0);
    machine = machine.allot(Atoms(PER_MACHINE)).unwrap();
    let mut offer = StakeLimit { limit: Atoms(PER_MACHINE), bound: Atoms(0) };
    for _ in 0..800 {
        let Ok(bound) = offer.bind(day) else {
            refused += 1;
            // It withdraws the offer and posts it anew, with all that the machine has left.
            machine = machine.take_back(&offer).unwrap();
            let left = machine.limit.saturating_sub(machine.allotted);
            offer = StakeLimit { limit: left, bound: Atoms(0) };
            match machine.allot(left) {
                Ok(next) => machine = next,
                Err(_) => break,
            }
            if left < day {
                break;
            }
            continue;
        };
        let lost = burn(&mut now, day);
        burned += lost.0;
        offer = bound.unbind(Atoms(day.0 - lost.0)).unwrap();
    }
    assert!(refused > 0 && burned <= PER_MACHINE, "{burned} burned");
    assert!(now.amount.0 >= 3_900 * USDC, "thirty-nine machines work on with {} behind them", now.amount.0);
}

#[test]
fn r32_sealed_bonds_count_in_the_limit() {
    let offer = StakeLimit { limit: Atoms(10 * USDC), bound: Atoms(0) };
    let bids = offer.bind(Atoms(6 * USDC)).unwrap();
    assert_eq!(bids.bind(Atoms(5 * USDC)), Err(RuleError::StakeLimit), "a second bid that is never to be revealed");
    let forfeited = bids.unbind(Atoms(0)).unwrap();
    assert_eq!(forfeited.room(), Atoms(4 * USDC), "what was forfeited stays bound");
}

#[test]
fn r32_a_retired_machine_leaves_as_was_agreed() {
    assert_eq!((leaving(true), leaving(false)), (Leaving::Notice, Leaving::Abandon));
    let retired = Machine { limit: Atoms(10), offers: 1, allotted: Atoms(5), retired: false }.retire();
    assert_eq!(retired.allot(Atoms(1)), Err(RuleError::WrongState));
    assert_eq!(retired.check_close(), Err(RuleError::NotEmpty));
    let empty = retired.take_back(&StakeLimit { limit: Atoms(5), bound: Atoms(0) }).unwrap();
    assert_eq!((empty.check_close(), empty.allotted), (Ok(()), Atoms(0)));
}
