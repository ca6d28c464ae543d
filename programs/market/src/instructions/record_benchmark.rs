//! Records what an offer's machine measured.

use anchor_lang::prelude::*;
use program_common::clock::now;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::BenchmarkRecorded;
use crate::state::{Offer, offer_state};

/// Accounts of `record_benchmark`.
#[event_cpi]
#[derive(Accounts)]
pub struct RecordBenchmark<'info> {
    /// The offer's node key.
    pub node_key: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key))]
    #[account(mut, constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
}

/// The node shall record a benchmark's result with the hash of its record; the slot is the chain's, never the node's word.
pub fn record_benchmark(ctx: Context<RecordBenchmark>, value: u64, hash: [u8; 32]) -> Result<()> {
    require!(value != 0 && hash != [0; 32], MarketError::EmptyBenchmark);
    let slot = now()?.slot;
    {
        let mut offer = ctx.accounts.offer.load_mut()?;
        require!(offer.header.state == offer_state::LIVE, MarketError::OfferNotLive);
        offer.benchmark = value;
        offer.benchmark_hash = hash;
        offer.benchmark_slot = slot;
    }
    tell(&ctx.accounts.event_authority, &BenchmarkRecorded { offer: ctx.accounts.offer.key(), value, hash, slot })?;
    Ok(())
}
