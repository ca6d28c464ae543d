//! The price index.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::lease::LeaseKeys;
use super::{SYSTEM_PROGRAM, market, market_events};
use crate::address;
use crate::program::market::client::{accounts, args};

/// Opens the price index of a GPU model in a region, by their numbers in `gridlease_core::gpu`. `payer` pays its rent, which
/// stays with it.
pub fn open_index(payer: &Pubkey, gpu_model: u8, region: u8) -> Instruction {
    market(
        &accounts::OpenIndex {
            payer: *payer,
            index: address::price_index(gpu_model, region),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::OpenIndex { gpu_model, region },
    )
}

/// Counts a lease that is over in the price index of its offer's GPU model and region. Nobody need sign but the payer. Once
/// the lease is closed it cannot be counted, so this goes before `close`, for example in the same transaction.
pub fn record_trade(keys: &LeaseKeys, gpu_model: u8, region: u8) -> Instruction {
    market(
        &accounts::RecordTrade {
            lease: keys.lease,
            provider: keys.provider,
            offer: keys.offer,
            index: address::price_index(gpu_model, region),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RecordTrade {},
    )
}
