//! Accounts of the first edition are brought to the present layout: by anyone, who pays the rent of what is added.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, market, market_events};
use crate::address;
use crate::program::market::client::{accounts, args};

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
