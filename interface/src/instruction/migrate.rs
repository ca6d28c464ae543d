//! Accounts of the first edition are brought to the present layout: by anyone, who pays the rent of what is added.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, market, market_events, staking, staking_events};
use crate::address;
use crate::program::market::client::{accounts, args};
use crate::program::staking::client::{accounts as of_staking, args as to_staking};

/// Migrates a purse.
pub fn purse(payer: &Pubkey, account: &Pubkey) -> Instruction {
    market(
        &accounts::MigratePurse {
            payer: *payer,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::MigratePurse {},
    )
}

/// Migrates a provider record.
pub fn provider(payer: &Pubkey, account: &Pubkey) -> Instruction {
    market(
        &accounts::MigrateProvider {
            payer: *payer,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::MigrateProvider {},
    )
}

/// Migrates an offer of `provider`, whose record was migrated before.
pub fn offer(payer: &Pubkey, provider: &Pubkey, account: &Pubkey) -> Instruction {
    market(
        &accounts::MigrateOffer {
            payer: *payer,
            provider: *provider,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::MigrateOffer {},
    )
}

/// Migrates a job.
pub fn job(payer: &Pubkey, account: &Pubkey) -> Instruction {
    market(
        &accounts::MigrateJob {
            payer: *payer,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::MigrateJob {},
    )
}

/// Migrates an array.
pub fn array(payer: &Pubkey, account: &Pubkey) -> Instruction {
    market(
        &accounts::MigrateArray {
            payer: *payer,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::MigrateArray {},
    )
}

/// Migrates a lease of `job` out of `offer`, which were migrated before, as was its reservation.
pub fn lease(payer: &Pubkey, job: &Pubkey, offer: &Pubkey, account: &Pubkey) -> Instruction {
    market(
        &accounts::MigrateLease {
            payer: *payer,
            job: *job,
            offer: *offer,
            reservation: address::reservation(account),
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::MigrateLease {},
    )
}

/// Migrates a bond.
pub fn bond(payer: &Pubkey, account: &Pubkey) -> Instruction {
    staking(
        &of_staking::MigrateBond {
            payer: *payer,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &to_staking::MigrateBond {},
    )
}

/// Migrates a delegation to `bond`, which was migrated before.
pub fn delegation(payer: &Pubkey, bond: &Pubkey, account: &Pubkey) -> Instruction {
    staking(
        &of_staking::MigrateDelegation {
            payer: *payer,
            bond: *bond,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &to_staking::MigrateDelegation {},
    )
}

/// Migrates the reservation of a lease or of a sealed bid.
pub fn reservation(payer: &Pubkey, account: &Pubkey) -> Instruction {
    staking(
        &of_staking::MigrateReservation {
            payer: *payer,
            account: *account,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &to_staking::MigrateReservation {},
    )
}
