//! What happens to a lease beside its meter: liveness, checkpoints, notice.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::lease::LeaseKeys;
use super::{SYSTEM_PROGRAM, TOKEN_PROGRAM, market, market_events, staking_events};
use crate::address;
use crate::program::market::client::{accounts, args};

/// The sysvar of the recent slots' hashes.
pub const SLOT_HASHES: Pubkey = Pubkey::from_str_const("SysvarS1otHashes111111111111111111111111111");

/// Asks the node of `lease` for a sign of life; `challenger` signs and puts up the bond
/// ([`gridlease_core::limits::CHALLENGE_BOND_LAMPORTS`]).
pub fn challenge(challenger: &Pubkey, lease: &Pubkey) -> Instruction {
    market(
        &accounts::Challenge {
            challenger: *challenger,
            lease: *lease,
            slot_hashes: SLOT_HASHES,
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Challenge {},
    )
}

/// The node answers with the `nonce` that the lease records.
pub fn answer_challenge(node_key: &Pubkey, keys: &LeaseKeys, nonce: [u8; 32]) -> Instruction {
    market(
        &accounts::AnswerChallenge {
            node_key: *node_key,
            provider: keys.provider,
            offer: keys.offer,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::AnswerChallenge { nonce },
    )
}

/// Ends a challenge that was not answered; the bond goes back to `challenger`, whom the lease records. Nobody need sign but
/// the payer.
pub fn resolve_challenge(keys: &LeaseKeys, challenger: &Pubkey) -> Instruction {
    market(
        &accounts::ResolveChallenge {
            provider: keys.provider,
            lease: keys.lease,
            challenger: *challenger,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ResolveChallenge {},
    )
}

/// The node says that it lives again.
pub fn resume(node_key: &Pubkey, keys: &LeaseKeys) -> Instruction {
    market(
        &accounts::Resume {
            node_key: *node_key,
            provider: keys.provider,
            offer: keys.offer,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Resume {},
    )
}

/// The configured `verifier` clears a verified lease (`slash` is zero) or has `slash` atoms of what is reserved for it taken; `prover`
/// claims its share, `insurance` is the account that the staking program names.
pub fn verdict(verifier: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey, slash: u64, prover: &Pubkey) -> Instruction {
    market(
        &accounts::Verdict {
            verifier: *verifier,
            config: address::market_config(),
            lease: keys.lease,
            provider: keys.provider,
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            bond: keys.bond,
            reservation: address::reservation(&keys.lease),
            bond_vault: address::bond_vault(&keys.bond),
            insurance: *insurance,
            staking_program: address::STAKING,
            staking_events: staking_events(),
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Verdict { slash, prover: *prover },
    )
}

/// Has the buyer claim its credit for downtime out of the stake. No one need sign but the payer.
pub fn collect_credit(keys: &LeaseKeys, insurance: &Pubkey) -> Instruction {
    market(
        &accounts::CollectCredit {
            config: address::market_config(),
            lease: keys.lease,
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            bond: keys.bond,
            reservation: address::reservation(&keys.lease),
            bond_vault: address::bond_vault(&keys.bond),
            insurance: *insurance,
            staking_program: address::STAKING,
            staking_events: staking_events(),
            token_program: TOKEN_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CollectCredit {},
    )
}

/// The node records checkpoint number `seq` (above the last one's) with its hash and its size in bytes.
pub fn checkpoint(node_key: &Pubkey, keys: &LeaseKeys, seq: u32, hash: [u8; 32], bytes: u64) -> Instruction {
    market(
        &accounts::Checkpoint {
            node_key: *node_key,
            offer: keys.offer,
            job: keys.job,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Checkpoint { seq, hash, bytes },
    )
}

/// The provider (node key or authority) gives notice.
pub fn give_notice(signer: &Pubkey, keys: &LeaseKeys) -> Instruction {
    market(
        &accounts::GiveNotice {
            signer: *signer,
            provider: keys.provider,
            offer: keys.offer,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::GiveNotice {},
    )
}
