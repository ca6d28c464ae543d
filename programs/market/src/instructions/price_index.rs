//! The price index: opened by anybody, fed with leases that are over, read by whoever likes.

use anchor_lang::prelude::*;
use gridlease_core::price_index as rules;
use gridlease_core::{PricePerHour, UnixTs};
use program_common::clock::now;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{IndexOpened, TradeRecorded};
use crate::history::mark_of;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Header, Lease, Offer, PriceIndex, Provider, shard_of};
use market_interface::seed::INDEX_SEED;

/// Accounts of `open_index`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(gpu_model: u8, region: u8)]
pub struct OpenIndex<'info> {
    /// Anybody; pays the rent, which stays with the index.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Must not exist yet.
    #[account(init, payer = payer, space = 8 + core::mem::size_of::<PriceIndex>(), seeds = [INDEX_SEED, &[gpu_model], &[region]], bump)]
    pub index: AccountLoader<'info, PriceIndex>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `record_trade`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct RecordTrade<'info> {
    /// Marked as counted.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = offer))]
    #[account(
        mut,
        constraint = names!(lease: Lease, provider) @ MarketError::Unrelated, constraint = names!(lease: Lease, offer) @ MarketError::Unrelated,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// Tells who must not be the buyer.
    pub provider: AccountLoader<'info, Provider>,
    /// Tells what was rented; it cannot change or close while the lease is open.
    pub offer: AccountLoader<'info, Offer>,
    /// Written; of the offer's model and region (checked below).
    #[account(mut)]
    pub index: AccountLoader<'info, PriceIndex>,
}

/// There shall be one index for each named GPU model in each region, empty at first.
pub fn open_index(ctx: Context<OpenIndex>, gpu_model: u8, region: u8) -> Result<()> {
    rules::check_class(gpu_model, region).or_rule()?;
    let key = ctx.accounts.index.key();
    {
        let mut index = ctx.accounts.index.load_init()?;
        index.header = Header {
            version: ACCOUNT_VERSION,
            state: 1,
            shard: shard_of(&key),
            bump: ctx.bumps.index,
            ..Header::default()
        };
        index.gpu_model = gpu_model;
        index.region = region;
    }
    tell(
        &ctx.accounts.event_authority,
        &IndexOpened { index: key, payer: ctx.accounts.payer.key(), gpu_model, region },
    )?;
    Ok(())
}

/// A lease that is over, paid in full, without a fault, and not of the provider with itself shall enter the index of its GPU
/// and region once, at most five per cent from where the index stands. On a lease that was counted, nothing changes.
pub fn record_trade(ctx: Context<RecordTrade>) -> Result<()> {
    let now = now()?;
    let event = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        if lease.indexed != 0 {
            return Ok(()); // counted already
        }
        let provider = ctx.accounts.provider.load()?;
        let offer = ctx.accounts.offer.load()?;
        let own = provider.is_self(&lease.owner) || offer.node_key == lease.owner;
        require!(!own, MarketError::SelfDealing);
        rules::check_trade(&lease.rules().or_rule()?).or_rule()?;
        let mut index = ctx.accounts.index.load_mut()?;
        let same = index.gpu_model == offer.spec.gpu_model && index.region == offer.spec.region;
        require!(same, MarketError::WrongIndex);
        let price = rules::per_gpu_up(PricePerHour(lease.price), offer.spec.gpu_count).or_rule()?;
        let mut next = index.rules();
        let buyer = mark_of(&lease.owner);
        let entered = next.record(price, buyer, UnixTs(lease.ended_ts)).or_rule()?;

        index.set_rules(&next, entered.at);
        index.recorded = index.recorded.saturating_add(1);
        index.recorded_ts = now.ts.0;
        lease.indexed = 1;
        TradeRecorded {
            index: ctx.accounts.index.key(),
            lease: ctx.accounts.lease.key(),
            buyer: lease.owner,
            price: price.0,
            entered: entered.price.0,
            ended_ts: lease.ended_ts,
            place: entered.at as u8,
            len: next.len,
            index_price: next.price.0,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}
