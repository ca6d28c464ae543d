//! The market's configuration: written once by who deploys the program, changed by the admin with notice.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{market, market_events};
use crate::address;
use crate::program::market::client::{accounts, args};
pub use crate::program::market::types::ChangeArgs;

/// Proposes a change to `change` and `treasury`; `admin` signs. It can be executed 48 hours later.
pub fn propose_change(admin: &Pubkey, treasury: &Pubkey, change: ChangeArgs) -> Instruction {
    market(
        &accounts::ProposeChange {
            admin: *admin,
            config: address::market_config(),
            treasury: *treasury,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ProposeChange { args: change },
    )
}

/// Takes the proposed change back; `admin` signs.
pub fn cancel_change(admin: &Pubkey) -> Instruction {
    market(
        &accounts::CancelChange {
            admin: *admin,
            config: address::market_config(),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CancelChange {},
    )
}

/// Lets the proposed change take effect; `treasury` is the one that the proposal names. Nobody need sign but the payer.
pub fn execute_change(treasury: &Pubkey) -> Instruction {
    market(
        &accounts::ExecuteChange {
            config: address::market_config(),
            treasury: *treasury,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ExecuteChange {},
    )
}

/// Lowers the caps of purses and jobs, in atoms, at once; `admin` signs.
pub fn lower_caps(admin: &Pubkey, purse_cap: u64, job_cap: u64) -> Instruction {
    // The IDL has one structure of accounts for each instruction.
    let same = admin_only(admin);
    market(
        &accounts::LowerCaps {
            admin: same.admin,
            config: same.config,
            event_authority: same.event_authority,
            program: same.program,
        },
        &args::LowerCaps { purse_cap, job_cap },
    )
}

/// Names who may become the admin (the zero key: nobody); `admin` signs.
pub fn propose_admin(admin: &Pubkey, pending_admin: &Pubkey) -> Instruction {
    market(&admin_only(admin), &args::ProposeAdmin { pending_admin: *pending_admin })
}

/// Becomes the admin; `pending_admin`, who was named, signs.
pub fn accept_admin(pending_admin: &Pubkey) -> Instruction {
    market(
        &accounts::AcceptAdmin {
            pending_admin: *pending_admin,
            config: address::market_config(),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::AcceptAdmin {},
    )
}

/// Pauses intake, or opens it again; `admin` signs.
pub fn set_paused(admin: &Pubkey, paused: bool) -> Instruction {
    // The IDL has one structure of accounts for each instruction.
    let same = admin_only(admin);
    market(
        &accounts::SetPaused {
            admin: same.admin,
            config: same.config,
            event_authority: same.event_authority,
            program: same.program,
        },
        &args::SetPaused { paused },
    )
}

fn admin_only(admin: &Pubkey) -> accounts::ProposeAdmin {
    accounts::ProposeAdmin {
        admin: *admin,
        config: address::market_config(),
        event_authority: market_events(),
        program: address::MARKET,
    }
}
