//! What other programs and clients rely on: sizes, offsets, discriminators and seeds never change by accident; and what the
//! conversions refuse.

use core::mem::offset_of;

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use gridlease_core::delegation::{self as rules, SharePool, Stake};
use gridlease_core::{Atoms, RuleError};

use crate::ID;
use crate::account::{Bond, Config, Delegation, Header, Reservation, Unbonding};
use crate::seed::{
    BOND_SEED, CONFIG_SEED, DELEGATION_SEED, RESERVATION_SEED, REVENUE_SEED, UNBONDING_SEED, VAULT_SEED,
};

/// Length of the discriminator, to which the offsets within the structs are added.
const DISCRIMINATOR: usize = 8;

#[test]
fn the_program_has_its_fixed_address() {
    assert_eq!(ID.to_string(), "9qRtEGwZdmjZvB1JrfdFKgQvK1cUYFmeuEmqHKU2rfRR");
}

fn bond(own: u64, reserved: u64, leaving: u64) -> Bond {
    let mut bond: Bond = bytemuck::Zeroable::zeroed();
    let exit = SharePool { assets: Atoms(leaving), shares: leaving };
    bond.set_stake(&Stake { own: Atoms(own), exit, reserved: Atoms(reserved), ..Stake::default() }).unwrap();
    bond
}

#[test]
fn every_account_has_its_size_and_discriminator() {
    assert_eq!((Config::SPACE, Config::DISCRIMINATOR), (576, &[155, 12, 170, 224, 30, 250, 204, 130][..]));
    assert_eq!((Bond::SPACE, Bond::DISCRIMINATOR), (712, &[224, 128, 48, 251, 182, 246, 111, 196][..]));
    assert_eq!((Delegation::SPACE, Delegation::DISCRIMINATOR), (240, &[237, 90, 140, 159, 124, 255, 243, 80][..]));
    assert_eq!((Unbonding::SPACE, Unbonding::DISCRIMINATOR), (192, &[95, 230, 238, 186, 158, 104, 194, 88][..]));
    assert_eq!((Reservation::SPACE, Reservation::DISCRIMINATOR), (288, &[188, 235, 0, 111, 208, 253, 247, 212][..]));
}

#[test]
fn every_account_begins_with_the_common_header() {
    assert_eq!(size_of::<Header>(), 16);
    assert_eq!(offset_of!(Header, version) + DISCRIMINATOR, 8);
    assert_eq!(offset_of!(Header, state) + DISCRIMINATOR, 9);
    assert_eq!(offset_of!(Header, shard) + DISCRIMINATOR, 10);
    assert_eq!(offset_of!(Header, bump) + DISCRIMINATOR, 11);
    assert_eq!(offset_of!(Header, due_ts) + DISCRIMINATOR, 16);
    assert_eq!(offset_of!(Config, header), 0);
    assert_eq!(offset_of!(Bond, header), 0);
    assert_eq!(offset_of!(Reservation, header), 0);
    assert_eq!(offset_of!(Delegation, header), 0);
    assert_eq!(offset_of!(Unbonding, header), 0);
}

#[test]
fn the_fields_of_a_bond_that_the_market_reads_stay_where_they_are() {
    assert_eq!(offset_of!(Bond, authority) + DISCRIMINATOR, 24);
    assert_eq!(offset_of!(Bond, vault) + DISCRIMINATOR, 56);
    assert_eq!(offset_of!(Bond, amount) + DISCRIMINATOR, 88);
    assert_eq!(offset_of!(Bond, reserved) + DISCRIMINATOR, 96);
    assert_eq!(offset_of!(Bond, unbonding) + DISCRIMINATOR, 104);
    assert_eq!(offset_of!(Bond, slashed_total) + DISCRIMINATOR, 112);
    assert_eq!(offset_of!(Bond, added_total) + DISCRIMINATOR, 120);
    assert_eq!(offset_of!(Bond, leases) + DISCRIMINATOR, 128);
    assert_eq!(offset_of!(Bond, vault_bump) + DISCRIMINATOR, 132);
    assert_eq!(offset_of!(Bond, delegators_len) + DISCRIMINATOR, 133);
    assert_eq!(offset_of!(Bond, marks) + DISCRIMINATOR, 136);
    assert_eq!(size_of_val(&bond(0, 0, 0).marks), 32 * 8);
}

#[test]
fn the_other_fields_of_a_bond_stay_where_they_are() {
    assert_eq!(offset_of!(Bond, requests) + DISCRIMINATOR, 134);
    assert_eq!(offset_of!(Bond, revenue_bump) + DISCRIMINATOR, 135);
    assert_eq!(offset_of!(Bond, own) + DISCRIMINATOR, 392);
    assert_eq!(offset_of!(Bond, exit_assets) + DISCRIMINATOR, 400);
    assert_eq!(offset_of!(Bond, exit_shares) + DISCRIMINATOR, 408);
    assert_eq!(offset_of!(Bond, delegated_assets) + DISCRIMINATOR, 416);
    assert_eq!(offset_of!(Bond, delegated_shares) + DISCRIMINATOR, 424);
    assert_eq!(offset_of!(Bond, leaving_shares) + DISCRIMINATOR, 432);
    assert_eq!(offset_of!(Bond, operator_owed) + DISCRIMINATOR, 440);
    assert_eq!(offset_of!(Bond, delegators_owed) + DISCRIMINATOR, 448);
    assert_eq!(offset_of!(Bond, per_share) + DISCRIMINATOR, 456);
    assert_eq!(offset_of!(Bond, insurance_owed) + DISCRIMINATOR, 472);
    assert_eq!(offset_of!(Bond, withdrawn_total) + DISCRIMINATOR, 480);
    assert_eq!(offset_of!(Bond, min_delegation) + DISCRIMINATOR, 488);
    assert_eq!(offset_of!(Bond, commission_from) + DISCRIMINATOR, 496);
    assert_eq!(offset_of!(Bond, commission) + DISCRIMINATOR, 504);
    assert_eq!(offset_of!(Bond, next_commission) + DISCRIMINATOR, 506);
    assert_eq!(offset_of!(Bond, next_number) + DISCRIMINATOR, 508);
    assert_eq!(offset_of!(Bond, revenue) + DISCRIMINATOR, 512);
    assert_eq!(offset_of!(Bond, payout) + DISCRIMINATOR, 544);
    assert_eq!(offset_of!(Bond, claims_assets) + DISCRIMINATOR, 576);
    assert_eq!(offset_of!(Bond, claims_shares) + DISCRIMINATOR, 584);
    assert_eq!(offset_of!(Bond, pending_shares) + DISCRIMINATOR, 592);
    assert_eq!(offset_of!(Bond, fresh) + DISCRIMINATOR, 600);
    assert_eq!(offset_of!(Bond, fresh_from) + DISCRIMINATOR, 608);
    assert_eq!(offset_of!(Bond, fell) + DISCRIMINATOR, 616);
    assert_eq!(offset_of!(Bond, kin_least) + DISCRIMINATOR, 624);
    assert_eq!(offset_of!(Bond, claimed_total) + DISCRIMINATOR, 632);
    assert_eq!(offset_of!(Bond, places) + DISCRIMINATOR, 640);
    assert_eq!(offset_of!(Bond, delegations) + DISCRIMINATOR, 644);
    assert_eq!(offset_of!(Bond, reserved_space) + DISCRIMINATOR, 648);
}

#[test]
fn the_fields_of_a_delegation_and_of_a_request_stay_where_they_are() {
    assert_eq!(offset_of!(Delegation, bond) + DISCRIMINATOR, 24);
    assert_eq!(offset_of!(Delegation, delegator) + DISCRIMINATOR, 56);
    assert_eq!(offset_of!(Delegation, destination) + DISCRIMINATOR, 88);
    assert_eq!(offset_of!(Delegation, shares) + DISCRIMINATOR, 120);
    assert_eq!(offset_of!(Delegation, owed) + DISCRIMINATOR, 128);
    assert_eq!(offset_of!(Delegation, entry) + DISCRIMINATOR, 136);
    assert_eq!(offset_of!(Delegation, next_number) + DISCRIMINATOR, 152);
    assert_eq!(offset_of!(Delegation, requests) + DISCRIMINATOR, 156);
    assert_eq!(offset_of!(Delegation, place) + DISCRIMINATOR, 157);
    assert_eq!(offset_of!(Delegation, pending) + DISCRIMINATOR, 160);
    assert_eq!(offset_of!(Delegation, active_from) + DISCRIMINATOR, 168);
    assert_eq!(offset_of!(Delegation, reserved_space) + DISCRIMINATOR, 176);
    assert_eq!(offset_of!(Unbonding, bond) + DISCRIMINATOR, 24);
    assert_eq!(offset_of!(Unbonding, owner) + DISCRIMINATOR, 56);
    assert_eq!(offset_of!(Unbonding, destination) + DISCRIMINATOR, 88);
    assert_eq!(offset_of!(Unbonding, rent_to) + DISCRIMINATOR, 120);
    assert_eq!(offset_of!(Unbonding, shares) + DISCRIMINATOR, 152);
    assert_eq!(offset_of!(Unbonding, number) + DISCRIMINATOR, 160);
    assert_eq!(offset_of!(Unbonding, kind) + DISCRIMINATOR, 164);
}

#[test]
fn the_fields_of_a_reservation_stay_where_they_are() {
    assert_eq!(offset_of!(Reservation, bond) + DISCRIMINATOR, 24);
    assert_eq!(offset_of!(Reservation, lease) + DISCRIMINATOR, 56);
    assert_eq!(offset_of!(Reservation, slasher) + DISCRIMINATOR, 88);
    assert_eq!(offset_of!(Reservation, rent_to) + DISCRIMINATOR, 120);
    assert_eq!(offset_of!(Reservation, amount) + DISCRIMINATOR, 152);
    assert_eq!(offset_of!(Reservation, lent) + DISCRIMINATOR, 160);
    assert_eq!(offset_of!(Reservation, claimed) + DISCRIMINATOR, 168);
    assert_eq!(offset_of!(Reservation, buyer) + DISCRIMINATOR, 176);
    assert_eq!(offset_of!(Reservation, buyer_shares) + DISCRIMINATOR, 208);
    assert_eq!(offset_of!(Reservation, prover) + DISCRIMINATOR, 216);
    assert_eq!(offset_of!(Reservation, prover_shares) + DISCRIMINATOR, 248);
    assert_eq!(offset_of!(Reservation, reserved_space) + DISCRIMINATOR, 256);
}

#[test]
fn the_fields_of_the_configuration_stay_where_they_are() {
    assert_eq!(offset_of!(Config, admin) + DISCRIMINATOR, 24);
    assert_eq!(offset_of!(Config, pending_admin) + DISCRIMINATOR, 56);
    assert_eq!(offset_of!(Config, usdc_mint) + DISCRIMINATOR, 88);
    assert_eq!(offset_of!(Config, insurance) + DISCRIMINATOR, 120);
    assert_eq!(offset_of!(Config, slashers) + DISCRIMINATOR, 152);
    assert_eq!(offset_of!(Config, pending_insurance) + DISCRIMINATOR, 280);
    assert_eq!(offset_of!(Config, pending_slashers) + DISCRIMINATOR, 312);
    assert_eq!(offset_of!(Config, pending_from) + DISCRIMINATOR, 440);
    assert_eq!(offset_of!(Config, bond_cap) + DISCRIMINATOR, 448);
    assert_eq!(offset_of!(Config, pending_bond_cap) + DISCRIMINATOR, 456);
    assert_eq!(offset_of!(Config, reserved_space) + DISCRIMINATOR, 480);
}

#[test]
fn every_address_comes_from_its_seeds() {
    assert_eq!((CONFIG_SEED, BOND_SEED), (&b"config"[..], &b"bond"[..]));
    assert_eq!((VAULT_SEED, RESERVATION_SEED), (&b"vault"[..], &b"reservation"[..]));
    assert_eq!((REVENUE_SEED, DELEGATION_SEED), (&b"revenue"[..], &b"delegation"[..]));
    assert_eq!(UNBONDING_SEED, &b"unbonding"[..]);
}

#[test]
fn a_bond_that_binds_more_than_it_has_is_never_written() {
    let mut account = bond(7, 4, 3);
    let mut stake = account.stake();
    assert_eq!(stake.bond().unwrap().free(), Ok(Atoms(3)));
    stake.reserved = Atoms(11);
    assert_eq!(account.set_stake(&stake), Err(RuleError::InvariantBroken));
    assert_eq!(account.stake(), bond(7, 4, 3).stake());
}

#[test]
fn a_vault_that_holds_less_than_the_stake_breaks_the_invariant() {
    let account = bond(7, 4, 3);
    assert_eq!(account.invariant(9), Err(RuleError::InvariantBroken));
    assert_eq!(account.invariant(10), Ok(()));
    assert_eq!(account.invariant(11), Ok(()));
    let account = Bond { insurance_owed: 2, ..account };
    assert_eq!(
        account.invariant(11),
        Err(RuleError::InvariantBroken),
        "what the insurance fund is owed is in there, too"
    );
    assert_eq!(account.invariant(12), Ok(()));
}

#[test]
fn a_delegator_has_a_place_until_its_stake_is_out_and_a_mark_from_the_operator_s_least_on() {
    let mut account = Bond { kin_least: 5, ..bond(0, 0, 0) };
    let keys: Vec<_> = (1..=33u8).map(|n| Pubkey::new_from_array([n; 32])).collect();
    let small = rules::Delegation { shares: 4, ..Default::default() };
    let large = rules::Delegation { shares: 5, ..Default::default() };
    for (place, key) in (1..).zip(&keys[..32]) {
        assert_eq!(account.take_place(), Ok(place));
        account.mark(place, key, if place == 2 { &small } else { &large }).unwrap();
    }
    assert_eq!(account.take_place(), Err(RuleError::TooManyDelegators));
    assert_eq!((account.marks[0], account.marks[1], account.marks[31]), ([1; 8], [0; 8], [32; 8]));
    account.free_place(1).unwrap();
    assert_eq!(account.free_place(1), Err(RuleError::InvariantBroken), "nobody has it");
    for none in [0, 33] {
        assert_eq!(account.free_place(none), Err(RuleError::InvariantBroken));
        assert_eq!(account.mark(none, &keys[0], &large), Err(RuleError::InvariantBroken));
    }
    assert_eq!((account.delegators_len, account.marks[0]), (31, [0; 8]));
    assert_eq!(account.take_place(), Ok(1), "the place that is free is taken again");
    for place in 1..=32 {
        account.free_place(place).unwrap();
    }
    assert_eq!((account.delegators_len, account.places, account.marks), (0, 0, [[0; 8]; 32]));
}

#[test]
fn the_last_release_leaves_nothing_reserved() {
    let mut account = Bond { leases: 1, ..bond(10, 4, 0) };
    assert_eq!(account.count_released(), Err(RuleError::InvariantBroken));
    let mut account = Bond { leases: 1, ..bond(10, 0, 0) };
    assert_eq!(account.count_released(), Ok(()));
    assert_eq!(account.count_released(), Err(RuleError::InvariantBroken));
}

#[test]
fn counters_refuse_to_overflow() {
    let mut account = Bond { added_total: u64::MAX, slashed_total: u64::MAX, leases: u32::MAX, ..bond(0, 0, 0) };
    assert_eq!(account.count_added(1), Err(RuleError::Overflow));
    assert_eq!(account.count_slashed(Atoms(1)), Err(RuleError::Overflow));
    assert_eq!(account.count_reserved(), Err(RuleError::Overflow));
}
