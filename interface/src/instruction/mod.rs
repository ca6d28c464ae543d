//! Typed builders: every instruction with its accounts filled in. They compute; they send nothing.

pub mod array;
pub mod governance;
pub mod job;
pub mod lease;
pub mod migrate;
pub mod price_index;
pub mod provider;
pub mod purse;
pub mod sealed;
pub mod stake;
pub mod supervision;
pub mod tip;

use anchor_lang::{InstructionData, ToAccountMetas};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

/// Classic SPL Token.
pub const TOKEN_PROGRAM: Pubkey = spl_token_interface::ID;
/// The system program.
pub const SYSTEM_PROGRAM: Pubkey = solana_sdk_ids::system_program::ID;

fn build(program: Pubkey, accounts: &impl ToAccountMetas, args: &impl InstructionData) -> Instruction {
    Instruction { program_id: program, accounts: accounts.to_account_metas(None), data: args.data() }
}

fn market(accounts: &impl ToAccountMetas, args: &impl InstructionData) -> Instruction {
    build(crate::address::MARKET, accounts, args)
}

fn staking(accounts: &impl ToAccountMetas, args: &impl InstructionData) -> Instruction {
    build(crate::address::STAKING, accounts, args)
}

fn market_events() -> Pubkey {
    crate::address::event_authority(&crate::address::MARKET)
}

fn staking_events() -> Pubkey {
    crate::address::event_authority(&crate::address::STAKING)
}

/// Creates the associated token account of `owner` where it does not exist.
pub fn create_token_account(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    spl_associated_token_account_interface::instruction::create_associated_token_account_idempotent(
        payer,
        owner,
        mint,
        &TOKEN_PROGRAM,
    )
}

/// The same instruction with `payer` in place of who else would pay the rent of the account that it opens. That one is the second
/// account of every such instruction: a program's key, which cannot pay, signs as the first.
#[must_use]
pub fn paid_by(mut instruction: Instruction, payer: &Pubkey) -> Instruction {
    if let Some(meta) = instruction.accounts.get_mut(1) {
        meta.pubkey = *payer;
    }
    instruction
}
