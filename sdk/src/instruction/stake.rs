//! The staking program's instructions that a person sends. Reserving, releasing and slashing are the market's.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, TOKEN_PROGRAM, staking, staking_events};
use crate::address;
use crate::program::staking::client::{accounts, args};

/// Writes the staking program's configuration: the market's authority PDA is the one that may reserve and slash.
pub fn init_config(admin: &Pubkey, usdc_mint: &Pubkey, insurance: &Pubkey) -> Instruction {
    staking(
        &accounts::InitConfig {
            admin: *admin,
            config: address::staking_config(),
            usdc_mint: *usdc_mint,
            insurance: *insurance,
            system_program: SYSTEM_PROGRAM,
        },
        &args::InitConfig { slasher: address::market_authority() },
    )
}

/// Opens the bond of `authority`, who signs and pays the rent.
pub fn open_bond(authority: &Pubkey, usdc_mint: &Pubkey) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::OpenBond {
            authority: *authority,
            config: address::staking_config(),
            bond,
            vault: address::bond_vault(&bond),
            usdc_mint: *usdc_mint,
            token_program: TOKEN_PROGRAM,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::OpenBond {},
    )
}

/// Adds `amount` atoms of stake out of `from`, a token account of `authority`.
pub fn add_stake(authority: &Pubkey, from: &Pubkey, amount: u64) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::AddStake {
            authority: *authority,
            bond,
            vault: address::bond_vault(&bond),
            from: *from,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::AddStake { amount },
    )
}
