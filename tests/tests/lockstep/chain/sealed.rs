//! Sealed bids on the chain.

use gridlease_core::job::Mode;
use gridlease_sdk::instruction::job::BidderKeys;
use gridlease_sdk::instruction::sealed::{self, SealedKeys};
use gridlease_sdk::{account, address};
use gridlease_tests::svm::World;
use solana_instruction::Instruction;

use super::{keys, offer_number};
use crate::command::sealed::SealedStep;
use crate::model::sealed::SealedBid;
use crate::model::{Model, Posted};

/// The instruction of a step; `None` where it makes no sense in this state.
pub fn build(model: &Model, job: usize, provider: usize, step: &SealedStep) -> Option<Instruction> {
    let posted = model.jobs[job].as_ref()?;
    let owner = &model.providers[provider];
    let bid = posted.sealed_of(provider);
    let keys = SealedKeys {
        job: posted.key,
        provider: owner.record_key,
        purse: model.buyers[posted.buyer].purse_key,
        bond: owner.bond_key,
        rent_to: bid.map_or(owner.authority, |bid| bid.rent_to),
        offer: bid.map_or(owner.authority, |bid| address::offer(&owner.record_key, offer_number(bid.offer))),
    };
    Some(match *step {
        SealedStep::Commit { by, offer, price, salt } => {
            let node = model.node_of(provider, offer)?;
            let bidder = BidderKeys { provider: owner.record_key, offer: offer_number(offer), bond: owner.bond_key };
            let hash = sealed::hash(&posted.key, &bidder, price, &[salt; 32]);
            sealed::commit(&model.signer(by, node), &posted.key, &bidder, hash)
        }
        SealedStep::Reveal { right } => {
            let (offer, price, salt) = bid.map_or((0, 1, 0), |bid| (bid.offer, bid.price, bid.salt));
            let price = if right { price } else { price.wrapping_add(1) };
            sealed::reveal(&keys, offer_number(offer), price, [salt; 32])
        }
        SealedStep::Forfeit => sealed::forfeit(&keys, &model.staking.insurance),
        SealedStep::Release => sealed::release(&keys),
    })
}

/// Are the sealed bids of a job those of the model?
pub fn compare(world: &World, model: &Model, posted: &Posted) -> Result<(), String> {
    if posted.rules.terms.mode != Mode::Sealed {
        return Ok(());
    }
    for (at, owner) in model.providers.iter().enumerate() {
        let key = keys::commitment(&posted.key, &owner.record_key);
        let bid = posted.sealed_of(at);
        let chain: Option<account::Commitment> = world.find(&key);
        let reservation = keys::reservation(&key);
        let bound: Option<account::Reservation> = world.find(&reservation);
        let Some(bid) = bid else {
            same!(format!("sealed bid of {at} open"), chain.is_some() || bound.is_some(), false);
            continue;
        };
        let found = chain.map(|chain| (chain.header.due_ts, chain.amount, chain.rent_to, chain.hash));
        let told = (bid.round.0, bid.amount.0, bid.rent_to, hash_of(posted, owner.record_key, owner.bond_key, bid));
        same!(format!("sealed bid of {at}"), found, Some(told));
        same!(
            format!("its parties, {at}"),
            chain.map(|of| (of.purse, of.bond)),
            Some((model.buyers[posted.buyer].purse_key, owner.bond_key,))
        );
        same!(format!("lamports of the sealed bid of {at}"), world.lamports(&key), bid.lamports);
        same!(format!("stake behind the sealed bid of {at}"), bound.map(|of| of.amount), Some(bid.amount.0));
    }
    Ok(())
}

fn hash_of(posted: &Posted, provider: solana_pubkey::Pubkey, bond: solana_pubkey::Pubkey, bid: &SealedBid) -> [u8; 32] {
    let bidder = BidderKeys { provider, offer: offer_number(bid.offer), bond };
    sealed::hash(&posted.key, &bidder, bid.price, &[bid.salt; 32])
}
