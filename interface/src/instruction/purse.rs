//! Configuration, and the buyer's purse.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, TOKEN_PROGRAM, market, market_events};
use crate::address;
use crate::program::market::client::{accounts, args};

/// Writes the market's configuration: `admin`, the program's upgrade authority, signs and pays.
pub fn init_config(admin: &Pubkey, usdc_mint: &Pubkey, treasury: &Pubkey) -> Instruction {
    market(
        &accounts::InitConfig {
            admin: *admin,
            config: address::market_config(),
            authority: address::market_authority(),
            usdc_mint: *usdc_mint,
            treasury: *treasury,
            program_data: address::program_data(&address::MARKET),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::InitConfig {},
    )
}

/// Opens the purse of `owner`, who signs and pays the rent.
pub fn open(owner: &Pubkey, usdc_mint: &Pubkey) -> Instruction {
    let purse = address::purse(owner);
    market(
        &accounts::OpenPurse {
            owner: *owner,
            payer: *owner,
            config: address::market_config(),
            purse,
            vault: address::purse_vault(&purse),
            usdc_mint: *usdc_mint,
            token_program: TOKEN_PROGRAM,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::OpenPurse {},
    )
}

/// Puts `amount` atoms out of `from`, a token account of `depositor`, into the purse of `owner`.
pub fn deposit(depositor: &Pubkey, owner: &Pubkey, from: &Pubkey, amount: u64) -> Instruction {
    let purse = address::purse(owner);
    market(
        &accounts::Deposit {
            depositor: *depositor,
            config: address::market_config(),
            purse,
            vault: address::purse_vault(&purse),
            from: *from,
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Deposit { amount },
    )
}

/// Takes `amount` atoms out of the free balance of the purse of `owner` to the token account `to`.
pub fn withdraw(owner: &Pubkey, to: &Pubkey, amount: u64) -> Instruction {
    let purse = address::purse(owner);
    market(
        &accounts::Withdraw {
            owner: *owner,
            purse,
            vault: address::purse_vault(&purse),
            to: *to,
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Withdraw { amount },
    )
}

/// Moves the fees of `purse` to the market's treasury and the insurance fund that the staking program names. Nobody need sign but the payer.
pub fn sweep_fees(purse: &Pubkey, treasury: &Pubkey, insurance: &Pubkey) -> Instruction {
    market(
        &accounts::SweepFees {
            config: address::market_config(),
            staking_config: address::staking_config(),
            purse: *purse,
            vault: address::purse_vault(purse),
            treasury: *treasury,
            insurance: *insurance,
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::SweepFees {},
    )
}

/// Lets `spender` (the zero key: nobody) post jobs for the purse of `owner`, who signs: up to `cap` atoms of reservations in
/// each `period_s` seconds.
pub fn set_spender(owner: &Pubkey, spender: &Pubkey, cap: u64, period_s: u32) -> Instruction {
    market(
        &accounts::SetSpender {
            owner: *owner,
            purse: address::purse(owner),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::SetSpender { spender: *spender, cap, period_s },
    )
}

/// Names `guardian` as the key that may stop, reject, reopen, accept, cancel and speak to nodes in the name of the purse of
/// `owner`, and add at most `cap` atoms to its leases in each `period_s` seconds; the zero key removes it.
pub fn set_guardian(owner: &Pubkey, guardian: &Pubkey, cap: u64, period_s: u32) -> Instruction {
    market(
        &accounts::SetGuardian {
            owner: *owner,
            purse: address::purse(owner),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::SetGuardian { guardian: *guardian, cap, period_s },
    )
}

/// Moves tokens that the purse of `owner` does not record to the token account `to`; `owner` signs.
pub fn sweep_donation(owner: &Pubkey, to: &Pubkey) -> Instruction {
    let purse = address::purse(owner);
    market(
        &accounts::SweepDonation {
            owner: *owner,
            purse,
            vault: address::purse_vault(&purse),
            to: *to,
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::SweepDonation {},
    )
}

/// Closes the empty purse of `owner`, who signs and gets the rent; unrecorded tokens go to the token account `to`.
pub fn close(owner: &Pubkey, to: &Pubkey) -> Instruction {
    let purse = address::purse(owner);
    market(
        &accounts::ClosePurse {
            owner: *owner,
            purse,
            vault: address::purse_vault(&purse),
            to: *to,
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ClosePurse {},
    )
}
