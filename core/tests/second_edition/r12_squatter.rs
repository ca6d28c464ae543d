//! R12. A squatter bids an atom for a job that is worth 480 USDC, binds 5 and lets it fail for 0.05.

use gridlease_core::bond::lease_reservation;
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, PricePerHour, Seconds};

use super::money::{DAY, U, first_reservation};

fn no_start(reservation: Atoms) -> Atoms {
    let case = Case {
        fault: Fault::NoStart,
        reservation,
        price: PricePerHour(1),
        charged: Atoms::ZERO,
        sealed_bond: Atoms::ZERO,
    };
    slash_for(&case).unwrap().total().unwrap()
}

#[test]
fn r12_killing_a_job_costs_ten_times_what_it_did() {
    let (most, day) = (PricePerHour(20 * U), Seconds(DAY));
    let first = first_reservation(PricePerHour(1), day);
    assert_eq!((first, no_start(first)), (Atoms(5 * U), Atoms(50_000)), "a job worth 480 USDC is killed for 0.05");
    let stake = lease_reservation(PricePerHour(1), most, day).unwrap();
    assert_eq!((stake, no_start(stake)), (Atoms(50 * U), Atoms(500_000)), "ten times what its own price asks");
}

#[test]
fn r12_who_bids_a_tenth_of_the_maximum_or_more_binds_what_it_did() {
    let (most, day) = (PricePerHour(20 * U), Seconds(DAY));
    for price in [2 * U, 5 * U, 20 * U] {
        let price = PricePerHour(price);
        assert_eq!(lease_reservation(price, most, day).unwrap(), first_reservation(price, day));
    }
    // Half of that binds twice what it did: a tenth of the job's 960 USDC.
    assert_eq!(lease_reservation(PricePerHour(U), most, day).unwrap(), Atoms(96 * U));
    assert_eq!(first_reservation(PricePerHour(U), day), Atoms(48 * U));
}

#[test]
fn r12_a_maximum_that_nobody_will_pay_binds_a_bidder_s_stake_ten_times_over_at_most() {
    let stake = lease_reservation(PricePerHour(U), PricePerHour(100_000 * U), Seconds(DAY)).unwrap();
    assert_eq!(stake, Atoms(480 * U), "of the 4,800,000 that the maximum would ask for");
}
