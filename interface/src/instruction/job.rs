//! Jobs, bids and the award.

use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, market, market_events, staking_events};
use crate::address;
use crate::program::market::client::{accounts, args};
pub use crate::program::market::types::{JobArgs, RequirementArgs};

/// Posts job `number` of the purse of `owner`, who signs and pays the rent. A URI longer than 255 bytes is refused by the
/// program.
pub fn post(owner: &Pubkey, number: u64, job: JobArgs) -> Instruction {
    post_by(owner, owner, number, job)
}

/// As [`post`], signed and paid by `signer`: the owner, or the purse's spender.
pub fn post_by(signer: &Pubkey, owner: &Pubkey, number: u64, job: JobArgs) -> Instruction {
    let purse = address::purse(owner);
    // A longer one does not match its length byte and is refused.
    let uri_len = u8::try_from(job.manifest_uri.len()).unwrap_or(u8::MAX);
    market(
        &accounts::PostJob {
            signer: *signer,
            payer: *signer,
            config: address::market_config(),
            purse,
            job: address::job(&purse, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::PostJob { number, uri_len, args: job },
    )
}

/// Most offers that an instant posting names.
pub const INSTANT_OFFERS: usize = gridlease_core::limits::INSTANT_OFFERS;

/// Posts job `number` of the purse of `owner` (whose `mode` must be instant), and takes the first of `offers` that fits, at its
/// ask; where none does, nothing is posted. Only the first [`INSTANT_OFFERS`] are passed. Beside four offers, a URI of
/// 49 bytes still fits into a transaction.
pub fn post_instant(owner: &Pubkey, number: u64, job: JobArgs, offers: &[BidderKeys]) -> Instruction {
    post_instant_by(owner, owner, number, job, offers)
}

/// As [`post_instant`], signed and paid by `signer`: the owner, or the purse's spender.
pub fn post_instant_by(
    signer: &Pubkey,
    owner: &Pubkey,
    number: u64,
    job: JobArgs,
    offers: &[BidderKeys],
) -> Instruction {
    let purse = address::purse(owner);
    let address = address::job(&purse, number);
    let lease = address::lease(&address, 0);
    // A longer one does not match its length byte and is refused.
    let uri_len = u8::try_from(job.manifest_uri.len()).unwrap_or(u8::MAX);
    let mut instruction = market(
        &accounts::PostInstant {
            signer: *signer,
            payer: *signer,
            config: address::market_config(),
            purse,
            job: address,
            lease,
            reservation: address::reservation(&lease),
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::PostInstant { number, uri_len, args: job },
    );
    push_bidders(&mut instruction, offers, INSTANT_OFFERS);
    instruction
}

fn push_bidders(instruction: &mut Instruction, bidders: &[BidderKeys], most: usize) {
    for bidder in bidders.iter().take(most) {
        let offer = address::offer(&bidder.provider, bidder.offer);
        instruction.accounts.extend([
            AccountMeta::new(offer, false),
            AccountMeta::new(bidder.provider, false),
            AccountMeta::new(bidder.bond, false),
        ]);
    }
}

/// A bidder: its provider record, the number of its offer, its bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BidderKeys {
    /// Provider record.
    pub provider: Pubkey,
    /// Number of the offer.
    pub offer: u32,
    /// Bond in the staking program.
    pub bond: Pubkey,
}

/// Bids `price` atoms per hour; `node_key` signs.
pub fn bid(node_key: &Pubkey, job: &Pubkey, bidder: &BidderKeys, price: u64) -> Instruction {
    market(
        &accounts::PlaceBid {
            node_key: *node_key,
            config: address::market_config(),
            job: *job,
            provider: bidder.provider,
            offer: address::offer(&bidder.provider, bidder.offer),
            bond: bidder.bond,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::PlaceBid { price },
    )
}

/// Enters an offer that takes automatic bids. Nobody need sign but the payer.
pub fn enter_offer(job: &Pubkey, bidder: &BidderKeys) -> Instruction {
    market(
        &accounts::EnterOffer {
            config: address::market_config(),
            job: *job,
            provider: bidder.provider,
            offer: address::offer(&bidder.provider, bidder.offer),
            bond: bidder.bond,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::EnterOffer {},
    )
}

/// Most bidders that fit one award's transaction beside its other accounts.
pub const AWARD_BIDDERS: usize = 5;

/// Awards `job`, whose next lease has `number`, to the first of `bidders` (the book's, in its order) that is still good.
/// Only the first [`AWARD_BIDDERS`] are passed: where all of those are bad, they are dropped, and a repeated call goes on.
pub fn award(job: &Pubkey, purse: &Pubkey, number: u8, bidders: &[BidderKeys]) -> Instruction {
    let lease = address::lease(job, number);
    let mut instruction = market(
        &accounts::Award {
            config: address::market_config(),
            job: *job,
            purse: *purse,
            lease,
            reservation: address::reservation(&lease),
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            system_program: SYSTEM_PROGRAM,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Award {},
    );
    push_bidders(&mut instruction, bidders, AWARD_BIDDERS);
    instruction
}

/// Takes `job` of the purse of `owner` back before its award.
pub fn cancel(owner: &Pubkey, job: &Pubkey) -> Instruction {
    cancel_by(owner, owner, job)
}

/// As [`cancel`], signed by the owner or its guardian.
pub fn cancel_by(signer: &Pubkey, owner: &Pubkey, job: &Pubkey) -> Instruction {
    market(
        &accounts::CancelJob {
            signer: *signer,
            purse: address::purse(owner),
            job: *job,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CancelJob {},
    )
}

/// Ends `job`, which waited for a bid until its wait was over. Nobody need sign but the payer.
pub fn expire(job: &Pubkey, purse: &Pubkey) -> Instruction {
    market(
        &accounts::ExpireJob {
            purse: *purse,
            job: *job,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::ExpireJob {},
    )
}

/// Closes `job`, which is over; its rent goes to the recorded `payer`.
pub fn close(job: &Pubkey, purse: &Pubkey, payer: &Pubkey) -> Instruction {
    market(
        &accounts::CloseJob {
            purse: *purse,
            job: *job,
            payer: *payer,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CloseJob {},
    )
}

impl RequirementArgs {
    /// The GPU models that will do, in both halves of the mask.
    #[must_use]
    pub fn models(&self) -> u128 {
        u128::from(self.gpu_models_high) << 64 | u128::from(self.gpu_models)
    }

    /// Adds GPU models to those that will do.
    pub fn add_models(&mut self, models: u128) {
        self.gpu_models |= models as u64; // the low half
        self.gpu_models_high |= (models >> 64) as u64;
    }
}
