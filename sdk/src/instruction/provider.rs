//! Provider record and offers.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, market, market_events};
use crate::address;
use crate::program::market::client::{accounts, args};
pub use crate::program::market::types::{NodeArgs, OfferMachine, OfferTerms, SpecArgs};

/// Registers `authority` as a provider that is paid to the token account `payout`.
pub fn register(authority: &Pubkey, payout: &Pubkey, node: NodeArgs) -> Instruction {
    market(
        &accounts::RegisterProvider {
            authority: *authority,
            config: address::market_config(),
            provider: address::provider(authority),
            payout: *payout,
            bond: address::bond(authority),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RegisterProvider { args: node },
    )
}

/// Changes hot key, endpoint and certificate of the provider of `authority`.
pub fn update_node(authority: &Pubkey, node: NodeArgs) -> Instruction {
    market(
        &accounts::UpdateNode {
            authority: *authority,
            provider: address::provider(authority),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::UpdateNode { args: node },
    )
}

/// Puts offer `number` of `provider` on the market; `node_key` signs and pays the rent.
pub fn post_offer(
    node_key: &Pubkey,
    provider: &Pubkey,
    number: u32,
    machine: OfferMachine,
    terms: OfferTerms,
) -> Instruction {
    market(
        &accounts::PostOffer {
            node_key: *node_key,
            config: address::market_config(),
            provider: *provider,
            offer: address::offer(provider, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::PostOffer { number, machine, terms },
    )
}

/// Prolongs offer `number` of `provider`.
pub fn refresh_offer(node_key: &Pubkey, provider: &Pubkey, number: u32, terms: OfferTerms) -> Instruction {
    market(
        &accounts::RefreshOffer {
            node_key: *node_key,
            provider: *provider,
            offer: address::offer(provider, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RefreshOffer { terms },
    )
}

/// Takes offer `number` of `provider` off the market; `payer` is the one that the offer records.
pub fn withdraw_offer(signer: &Pubkey, provider: &Pubkey, number: u32, payer: &Pubkey) -> Instruction {
    market(
        &accounts::WithdrawOffer {
            signer: *signer,
            provider: *provider,
            offer: address::offer(provider, number),
            payer: *payer,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::WithdrawOffer {},
    )
}
