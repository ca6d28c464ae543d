//! Provider record and offers.

use solana_instruction::{AccountMeta, Instruction};
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

/// Takes offer `number` off the market and gives `claims` up, at most eight: each GPU's hash and who paid for its claim.
pub fn withdraw_offer_and_gpus(
    signer: &Pubkey,
    provider: &Pubkey,
    number: u32,
    payer: &Pubkey,
    claims: &[Claimed],
) -> Instruction {
    let mut instruction = withdraw_offer(signer, provider, number, payer);
    instruction.accounts.extend(claim_accounts(claims));
    instruction
}

/// Claims the GPUs with these `hashes` (SHA-256 of their UUIDs), at most eight, for offer `number` of `provider`; `node_key`
/// signs and pays the rent.
pub fn claim_gpus(node_key: &Pubkey, provider: &Pubkey, number: u32, hashes: &[[u8; 32]]) -> Instruction {
    let mut instruction = market(
        &accounts::ClaimGpus {
            node_key: *node_key,
            provider: *provider,
            offer: address::offer(provider, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ClaimGpus { hashes: hashes.to_vec() },
    );
    let claims = hashes.iter().map(|hash| AccountMeta::new(address::gpu_claim(hash), false));
    instruction.accounts.extend(claims);
    instruction
}

/// A claim as it is given up: the SHA-256 of the GPU's UUID, and who paid for it.
pub type Claimed = ([u8; 32], Pubkey);

/// Gives the claim `first` and `more` claims up, eight in all at most. `signer` is the provider's node key or authority, or
/// anybody once the offer has been expired or withdrawn for a day and has no lease.
pub fn release_gpus(signer: &Pubkey, provider: &Pubkey, number: u32, first: &Claimed, more: &[Claimed]) -> Instruction {
    let mut instruction = market(
        &accounts::ReleaseGpus {
            signer: *signer,
            provider: *provider,
            offer: address::offer(provider, number),
            claim: address::gpu_claim(&first.0),
            payer: first.1,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ReleaseGpus {},
    );
    instruction.accounts.extend(claim_accounts(more));
    instruction
}

fn claim_accounts(claims: &[Claimed]) -> impl Iterator<Item = AccountMeta> {
    claims
        .iter()
        .flat_map(|(hash, payer)| [AccountMeta::new(address::gpu_claim(hash), false), AccountMeta::new(*payer, false)])
}

/// Records a benchmark of offer `number`: its result and the hash of its record; `node_key` signs.
pub fn record_benchmark(node_key: &Pubkey, provider: &Pubkey, number: u32, value: u64, hash: [u8; 32]) -> Instruction {
    market(
        &accounts::RecordBenchmark {
            node_key: *node_key,
            provider: *provider,
            offer: address::offer(provider, number),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RecordBenchmark { value, hash },
    )
}

/// Proposes the token account `payout` for the provider of `authority`, who signs. It can take effect 48 hours later, nine days
/// where its bond has delegators.
pub fn propose_payout(authority: &Pubkey, payout: &Pubkey) -> Instruction {
    market(
        &accounts::ProposePayout {
            authority: *authority,
            config: address::market_config(),
            provider: address::provider(authority),
            payout: *payout,
            bond: address::bond(authority),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ProposePayout {},
    )
}

/// Takes the proposed payout account back; `authority` signs.
pub fn cancel_payout(authority: &Pubkey) -> Instruction {
    market(
        &accounts::CancelPayout {
            authority: *authority,
            provider: address::provider(authority),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CancelPayout {},
    )
}

/// Lets `payout`, which `provider` proposed, take effect; `bond` is the one that its record names. No one need sign but the payer.
pub fn apply_payout(provider: &Pubkey, bond: &Pubkey, payout: &Pubkey) -> Instruction {
    market(
        &accounts::ApplyPayout {
            config: address::market_config(),
            provider: *provider,
            payout: *payout,
            bond: *bond,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ApplyPayout {},
    )
}

/// Closes the record of `authority`, who signs and gets the rent back.
pub fn close(authority: &Pubkey) -> Instruction {
    market(
        &accounts::CloseProvider {
            authority: *authority,
            provider: address::provider(authority),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CloseProvider {},
    )
}
