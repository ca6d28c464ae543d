//! Sealed bids: committed, revealed, forfeited or let go.

use gridlease_core::PricePerHour;
use gridlease_core::sealed::Bid;
use sha2::{Digest, Sha256};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::job::BidderKeys;
use super::{SYSTEM_PROGRAM, TOKEN_PROGRAM, market, market_events, staking_events};
use crate::account::Commitment;
use crate::address;
use crate::program::market::client::{accounts, args};

/// What is committed: the hash of a bid of `price` atoms per hour by `bidder` for `job`. `salt` must be 32 random bytes; who
/// loses it cannot reveal, and loses the bond.
pub fn hash(job: &Pubkey, bidder: &BidderKeys, price: u64, salt: &[u8; 32]) -> [u8; 32] {
    let bid = Bid {
        program: address::MARKET.to_bytes(),
        job: job.to_bytes(),
        provider: bidder.provider.to_bytes(),
        offer: address::offer(&bidder.provider, bidder.offer).to_bytes(),
        price: PricePerHour(price),
        salt: *salt,
    };
    Sha256::digest(bid.preimage()).into()
}

/// Commits a sealed bid; `node_key` signs and pays the rent of two accounts, which comes back when the bid is resolved.
pub fn commit(node_key: &Pubkey, job: &Pubkey, bidder: &BidderKeys, hash: [u8; 32]) -> Instruction {
    let commitment = address::commitment(job, &bidder.provider);
    market(
        &accounts::CommitBid {
            node_key: *node_key,
            config: address::market_config(),
            job: *job,
            provider: bidder.provider,
            offer: address::offer(&bidder.provider, bidder.offer),
            commitment,
            bond: bidder.bond,
            reservation: address::reservation(&commitment),
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CommitBid { hash },
    )
}

/// The accounts that a sealed bid records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedKeys {
    /// The job.
    pub job: Pubkey,
    /// The provider record.
    pub provider: Pubkey,
    /// The buyer's purse.
    pub purse: Pubkey,
    /// The bond.
    pub bond: Pubkey,
    /// Who gets the rent back.
    pub rent_to: Pubkey,
    /// The offer whose limit of stake counts it.
    pub offer: Pubkey,
}

impl From<&Commitment> for SealedKeys {
    fn from(account: &Commitment) -> Self {
        Self {
            job: account.job,
            provider: account.provider,
            purse: account.purse,
            bond: account.bond,
            rent_to: account.rent_to,
            offer: account.offer,
        }
    }
}

impl SealedKeys {
    /// The offer; none for a bid of the first edition.
    fn named_offer(&self) -> Option<Pubkey> {
        (self.offer != Pubkey::default()).then_some(self.offer)
    }

    /// Address of the sealed bid.
    pub fn commitment(&self) -> Pubkey {
        address::commitment(&self.job, &self.provider)
    }
}

/// Reveals a sealed bid of offer number `offer`. Nobody need sign but the payer.
pub fn reveal(keys: &SealedKeys, offer: u32, price: u64, salt: [u8; 32]) -> Instruction {
    let commitment = keys.commitment();
    market(
        &accounts::RevealBid {
            config: address::market_config(),
            job: keys.job,
            provider: keys.provider,
            offer: address::offer(&keys.provider, offer),
            commitment,
            bond: keys.bond,
            reservation: address::reservation(&commitment),
            rent_to: keys.rent_to,
            authority: address::market_authority(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RevealBid { price, salt },
    )
}

/// Slashes the bond of a sealed bid that was not revealed; `insurance` is the configured account. Nobody need sign but the
/// payer.
pub fn forfeit(keys: &SealedKeys, insurance: &Pubkey) -> Instruction {
    let commitment = keys.commitment();
    market(
        &accounts::ForfeitBid {
            config: address::market_config(),
            job: keys.job,
            commitment,
            bond: keys.bond,
            reservation: address::reservation(&commitment),
            bond_vault: address::bond_vault(&keys.bond),
            insurance: *insurance,
            rent_to: keys.rent_to,
            offer: keys.named_offer(),
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            token_program: TOKEN_PROGRAM,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ForfeitBid {},
    )
}

/// Lets a sealed bid go whose job ended before it could be revealed. Nobody need sign but the payer.
pub fn release(keys: &SealedKeys) -> Instruction {
    let commitment = keys.commitment();
    market(
        &accounts::ReleaseBid {
            config: address::market_config(),
            job: keys.job,
            commitment,
            bond: keys.bond,
            reservation: address::reservation(&commitment),
            rent_to: keys.rent_to,
            offer: keys.named_offer(),
            authority: address::market_authority(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ReleaseBid {},
    )
}
