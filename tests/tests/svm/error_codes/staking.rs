//! Errors of the staking program: its configuration, its bonds, and what only the market's PDA asks of it.

use gridlease_core::limits::{BOND_CAP, GOVERNANCE_DELAY, GOVERNANCE_WINDOW};
use gridlease_sdk::account::VERSION as ACCOUNT_VERSION;
use gridlease_sdk::account::{Bond, Reservation, StakingConfig};
use gridlease_sdk::address::{self, STAKING};
use gridlease_sdk::instruction::stake;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Provider, USDC};
use gridlease_tests::svm::pools::{release_call, reserve_call, slash_call};
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("staking WrongVersion", wrong_version),
    ("staking ZeroKey", zero_key),
    ("staking NotMoved", not_moved),
    ("staking NotUpgradeAuthority", not_upgrade_authority),
    ("staking NothingProposed", nothing_proposed),
    ("staking NoSpareLamport", no_spare_lamport),
    ("staking Overflow", overflow),
    ("staking ZeroAmount", zero_amount),
    ("staking TooEarly", too_early),
    ("staking TooLate", too_late),
    ("staking InsufficientStake", insufficient_stake),
    ("staking InsufficientReserved", insufficient_reserved),
    ("staking SlashAboveReservation", slash_above_reservation),
    ("staking InvariantBroken", invariant_broken),
    ("staking NotEmpty", not_empty),
    ("staking WrongClaimant", wrong_claimant),
    ("staking PaysItself", pays_itself),
];

#[test]
fn the_errors_of_staking_come_as_they_are_named() {
    play(ALL);
}

/// A bond of ten USDC in a world that checks no signature, and a lease, made up, that reserved six.
fn reserved() -> (World, Provider, Pubkey) {
    let mut w = World::unsigned();
    w.stop_auditing();
    let owner = w.registered(10 * USDC);
    let lease = w.reserve(&owner, 6 * USDC);
    (w, owner, lease)
}

fn wrong_version() -> String {
    let (mut w, owner, lease) = reserved();
    w.edit(&owner.bond, |data| data[8] = ACCOUNT_VERSION + 1); // behind the discriminator
    w.refuse(release_call(&owner.bond, &lease, &owner.payout), &[])
}

/// The fund is the vault that is to be slashed.
fn pays_itself() -> String {
    let (mut w, owner, lease) = reserved();
    let vault = address::bond_vault(&owner.bond);
    w.edit_as::<StakingConfig>(&address::staking_config(), |config| config.insurance = vault);
    w.refuse(slash_call(&owner.bond, &lease, &vault, 0, USDC), &[])
}

fn zero_key() -> String {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let nobody = stake::propose_config(&admin.pubkey(), &w.insurance, [Pubkey::default(); 4], BOND_CAP.0);
    w.refuse(nobody, &[&admin])
}

/// A token program that takes orders and moves nothing.
fn not_moved() -> String {
    let mut w = World::new();
    let owner = w.registered(10 * USDC);
    w.mint_to(&owner.payout, 1);
    w.stop_auditing();
    w.put_idle_token_program();
    w.refuse(stake::add_stake(&owner.authority.pubkey(), &owner.payout, 1), &[&owner.authority])
}

fn not_upgrade_authority() -> String {
    let mut w = World::bare();
    let (deployer, thief) = (w.key().pubkey(), w.person());
    w.edit(&address::program_data(&STAKING), |data| {
        data[12] = 1;
        data[13..45].copy_from_slice(deployer.as_ref());
    });
    w.refuse(stake::init_config(&thief.pubkey(), &w.mint, &w.insurance), &[&thief])
}

fn nothing_proposed() -> String {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    w.refuse(stake::cancel_config(&admin.pubkey()), &[&admin])
}

/// A bond that lent a lamport to each of ten thousand reservations.
fn no_spare_lamport() -> String {
    let (mut w, owner, _) = reserved();
    let mut account = w.account(&owner.bond).unwrap();
    account.lamports = w.rent(account.data.len());
    w.put(owner.bond, account);
    w.edit_as::<Bond>(&owner.bond, |bond| bond.leases = 10_000);
    let lease = w.key().pubkey();
    w.refuse(reserve_call(&owner.bond, &lease, &owner.payout, 1), &[])
}

fn overflow() -> String {
    let (mut w, owner, lease) = reserved();
    w.refuse(slash_call(&owner.bond, &lease, &w.insurance, u64::MAX, 1), &[])
}

fn zero_amount() -> String {
    let mut w = World::new();
    let owner = w.registered(10 * USDC);
    w.refuse(stake::add_stake(&owner.authority.pubkey(), &owner.payout, 0), &[&owner.authority])
}

fn too_early() -> String {
    let mut w = World::new();
    let (admin, none) = (w.admin.insecure_clone(), Pubkey::default());
    let slashers = [address::market_authority(), none, none, none];
    w.ok(&[stake::propose_config(&admin.pubkey(), &w.insurance, slashers, BOND_CAP.0)], &[&admin]);
    w.refuse(stake::execute_config(&w.insurance), &[])
}

/// A proposal that nobody executed in the two weeks after it was due.
fn too_late() -> String {
    let mut w = World::new();
    let (admin, none) = (w.admin.insecure_clone(), Pubkey::default());
    let slashers = [address::market_authority(), none, none, none];
    w.ok(&[stake::propose_config(&admin.pubkey(), &w.insurance, slashers, BOND_CAP.0)], &[&admin]);
    w.pass(GOVERNANCE_DELAY.0 + GOVERNANCE_WINDOW.0);
    w.refuse(stake::execute_config(&w.insurance), &[])
}

fn insufficient_stake() -> String {
    let (mut w, owner, _) = reserved();
    let lease = w.key().pubkey();
    w.refuse(reserve_call(&owner.bond, &lease, &owner.payout, 4 * USDC + 1), &[])
}

/// A bond that forgot what its reservation holds: no transaction brings it about.
fn insufficient_reserved() -> String {
    let (mut w, owner, lease) = reserved();
    w.edit_as::<Bond>(&owner.bond, |bond| bond.reserved = 0);
    w.refuse(release_call(&owner.bond, &lease, &owner.payout), &[])
}

fn slash_above_reservation() -> String {
    let (mut w, owner, lease) = reserved();
    w.refuse(slash_call(&owner.bond, &lease, &w.insurance, 6 * USDC, 1), &[])
}

/// A reservation of more than its bond: no transaction brings it about.
fn invariant_broken() -> String {
    let (mut w, owner, lease) = reserved();
    w.edit_as::<Reservation>(&address::reservation(&lease), |reservation| reservation.amount = 11 * USDC);
    w.refuse(slash_call(&owner.bond, &lease, &w.insurance, 0, 11 * USDC), &[])
}

/// The second claim out of one reservation names another buyer: the market names the lease's, always.
fn wrong_claimant() -> String {
    let (mut w, owner, lease) = reserved();
    w.slash(&owner, &lease, USDC, 0);
    let mut other = slash_call(&owner.bond, &lease, &w.insurance, USDC, 0);
    let at = other.data.len() - 64; // the buyer stands before the prover
    other.data[at] ^= 1;
    w.refuse(other, &[])
}

fn not_empty() -> String {
    let mut w = World::new();
    let owner = w.registered(10 * USDC);
    w.refuse(stake::close_bond(&owner.authority.pubkey(), &owner.payout, false), &[&owner.authority])
}
