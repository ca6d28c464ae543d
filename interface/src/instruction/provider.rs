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
            payer: *authority,
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

/// Changes hot key, endpoint, certificate and limit of stake of the first machine of the provider of `authority`. Where the hot key
/// changes, `offers` are all offers of that machine.
pub fn update_node(authority: &Pubkey, node: NodeArgs, offers: &[Pubkey]) -> Instruction {
    let mut instruction = market(
        &accounts::UpdateNode {
            authority: *authority,
            provider: address::provider(authority),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::UpdateNode { args: node },
    );
    instruction.accounts.extend(all_offers(offers));
    instruction
}

fn all_offers(offers: &[Pubkey]) -> impl Iterator<Item = AccountMeta> {
    offers.iter().map(|offer| AccountMeta::new(*offer, false))
}

/// Puts offer `number` of the first machine of `provider` on the market; `node_key` signs and pays the rent.
pub fn post_offer(
    node_key: &Pubkey,
    provider: &Pubkey,
    number: u32,
    machine: OfferMachine,
    terms: OfferTerms,
) -> Instruction {
    post_offer_of(node_key, provider, None, number, machine, terms)
}

/// As [`post_offer`], for the machine `of` of the provider; `None` for its first one.
pub fn post_offer_of(
    node_key: &Pubkey,
    provider: &Pubkey,
    of: Option<Pubkey>,
    number: u32,
    machine: OfferMachine,
    terms: OfferTerms,
) -> Instruction {
    market(
        &accounts::PostOffer {
            node_key: *node_key,
            config: address::market_config(),
            provider: *provider,
            machine: of,
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
            offer: address::offer(provider, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RefreshOffer { terms },
    )
}

/// Takes offer `number` of the first machine of `provider` off the market; `payer` is the one that the offer records.
pub fn withdraw_offer(signer: &Pubkey, provider: &Pubkey, number: u32, payer: &Pubkey) -> Instruction {
    withdraw_offer_of(signer, provider, None, number, payer)
}

/// As [`withdraw_offer`], for the machine `of` of the provider; `None` for its first one.
pub fn withdraw_offer_of(
    signer: &Pubkey,
    provider: &Pubkey,
    of: Option<Pubkey>,
    number: u32,
    payer: &Pubkey,
) -> Instruction {
    market(
        &accounts::WithdrawOffer {
            signer: *signer,
            provider: *provider,
            machine: of,
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
    withdraw_offer_and_gpus_of(signer, provider, None, number, payer, claims)
}

/// As [`withdraw_offer_and_gpus`], for the machine `of` of the provider; `None` for its first one.
pub fn withdraw_offer_and_gpus_of(
    signer: &Pubkey,
    provider: &Pubkey,
    of: Option<Pubkey>,
    number: u32,
    payer: &Pubkey,
    claims: &[Claimed],
) -> Instruction {
    let mut instruction = withdraw_offer_of(signer, provider, of, number, payer);
    instruction.accounts.extend(claim_accounts(claims));
    instruction
}

/// Claims the GPUs with these `hashes` (SHA-256 of their UUIDs), at most eight, for offer `number` of `provider`, whose bond is
/// `bond`; `node_key` signs and pays the rent.
pub fn claim_gpus(
    node_key: &Pubkey,
    provider: &Pubkey,
    bond: &Pubkey,
    number: u32,
    hashes: &[[u8; 32]],
) -> Instruction {
    let mut instruction = market(
        &accounts::ClaimGpus {
            node_key: *node_key,
            provider: *provider,
            offer: address::offer(provider, number),
            bond: *bond,
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
/// anyone once the offer has been expired or withdrawn for a week and has no lease.
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

/// Puts machine `number` below the provider of `authority`.
pub fn register_machine(authority: &Pubkey, number: u32, node: NodeArgs) -> Instruction {
    let provider = address::provider(authority);
    market(
        &accounts::RegisterMachine {
            authority: *authority,
            payer: *authority,
            config: address::market_config(),
            provider,
            machine: address::machine(&provider, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RegisterMachine { number, args: node },
    )
}

/// Changes hot key, endpoint, certificate and limit of stake of machine `number`. Where the hot key changes, `offers` are all of its
/// offers.
pub fn update_machine(authority: &Pubkey, number: u32, node: NodeArgs, offers: &[Pubkey]) -> Instruction {
    let provider = address::provider(authority);
    let mut instruction = market(
        &accounts::UpdateMachine {
            authority: *authority,
            provider,
            machine: address::machine(&provider, number),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::UpdateMachine { args: node },
    );
    instruction.accounts.extend(all_offers(offers));
    instruction
}

/// Retires machine `number`; `offers` are all of its offers.
pub fn retire_machine(authority: &Pubkey, number: u32, offers: &[Pubkey]) -> Instruction {
    let provider = address::provider(authority);
    let mut instruction = market(
        &accounts::RetireMachine {
            authority: *authority,
            provider,
            machine: address::machine(&provider, number),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RetireMachine {},
    );
    instruction.accounts.extend(all_offers(offers));
    instruction
}

/// Closes a retired machine without offers; `payer` is the one that it records.
pub fn close_machine(provider: &Pubkey, machine: &Pubkey, payer: &Pubkey) -> Instruction {
    market(
        &accounts::CloseMachine {
            provider: *provider,
            machine: *machine,
            payer: *payer,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CloseMachine {},
    )
}
