//! Bids: placed by a node, or entered for an offer that takes automatic bids.

use anchor_lang::prelude::*;
use gridlease_core::book::Entry;
use gridlease_core::requirement::{Requirement, Standing, satisfies};
use gridlease_core::score::{auto_bid_price, score};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, bond};

use crate::convert::now;
use crate::error::{MarketError, OrRule, rule};
use crate::event::BidEntered;
use crate::kin;
use crate::staking_cpi::read_bond;
use crate::state::{Config, Job, Offer, Provider, offer_state};

/// Accounts of `place_bid`. For a replica of a task the group of the task follows behind them.
#[event_cpi]
#[derive(Accounts)]
pub struct PlaceBid<'info> {
    /// The provider's node key.
    pub node_key: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Its book is written.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The bidder.
    #[account(has_one = node_key @ MarketError::NotNodeKey, has_one = bond @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The machine class behind the bid.
    #[account(has_one = provider @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// CHECK: the provider's bond; owner and layout are checked when it is read.
    pub bond: UncheckedAccount<'info>,
}

/// Accounts of `enter_offer`. Anybody may call it. For a replica of a task the group of the task follows behind them.
#[event_cpi]
#[derive(Accounts)]
pub struct EnterOffer<'info> {
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Its book is written.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The bidder.
    #[account(has_one = bond @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The machine class behind the bid.
    #[account(has_one = provider @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// CHECK: the provider's bond; owner and layout are checked when it is read.
    pub bond: UncheckedAccount<'info>,
}

/// A bid shall enter the book where its offer is live, satisfies the requirement, has a free unit and can reserve its
/// stake, and where its price is at most the job's. A second bid of a provider shall be lower than its first.
pub fn place_bid<'info>(ctx: Context<'info, PlaceBid<'info>>, price: u64) -> Result<()> {
    require!(ctx.accounts.config.load()?.paused == 0, MarketError::Paused);
    let now = now()?;
    let job_key = ctx.accounts.job.key();
    let event = {
        let mut job = ctx.accounts.job.load_mut()?;
        let provider = ctx.accounts.provider.load()?;
        let offer = ctx.accounts.offer.load()?;
        let bidder = Bidder {
            provider_key: ctx.accounts.provider.key(),
            provider: &provider,
            offer: &offer,
            bond: read_bond(&ctx.accounts.bond, &provider.authority)?,
        };
        let (group, _) = kin::split(&job, ctx.remaining_accounts)?;
        kin::check(group.as_ref(), &job, &provider, &ctx.accounts.bond)?;
        enter(&mut job, job_key, &bidder, PricePerHour(price), false, now)?
    };
    emit_cpi!(event);
    Ok(())
}

/// An offer that takes automatic bids shall be entered by anybody: at its ask where that leads, else at the highest price
/// that beats the best bid of another provider, never below its floor. Where it already stands that low, nothing changes.
pub fn enter_offer<'info>(ctx: Context<'info, EnterOffer<'info>>) -> Result<()> {
    require!(ctx.accounts.config.load()?.paused == 0, MarketError::Paused);
    let now = now()?;
    let job_key = ctx.accounts.job.key();
    let event = {
        let mut job = ctx.accounts.job.load_mut()?;
        let provider = ctx.accounts.provider.load()?;
        let offer = ctx.accounts.offer.load()?;
        require!(offer.auto_bid == 1, MarketError::NoAutoBid);
        let provider_key = ctx.accounts.provider.key();
        let book = job.book()?;
        let standing = book.entries().iter().find(|entry| entry.provider == provider_key.to_bytes());
        if standing.is_some_and(|entry| book.best() == Some(entry)) {
            return Ok(()); // it leads already
        }
        let price = auto_bid_price(
            &job.score_weights()?,
            &provider.merit(),
            PricePerHour(offer.ask),
            PricePerHour(offer.floor),
            PricePerHour(job.max_price),
            book.best_other(&provider_key.to_bytes()).map(|entry| entry.score),
        )
        .or_rule()?;
        if standing.is_some_and(|entry| entry.price <= price) {
            return Ok(()); // it cannot go lower
        }
        let bond = read_bond(&ctx.accounts.bond, &provider.authority)?;
        let (group, _) = kin::split(&job, ctx.remaining_accounts)?;
        kin::check(group.as_ref(), &job, &provider, &ctx.accounts.bond)?;
        let bidder = Bidder { provider_key, provider: &provider, offer: &offer, bond };
        enter(&mut job, job_key, &bidder, price, true, now)?
    };
    emit_cpi!(event);
    Ok(())
}

/// A bidder with everything that its eligibility hangs on.
pub struct Bidder<'a> {
    /// Address of the provider record.
    pub provider_key: Pubkey,
    /// The provider record.
    pub provider: &'a Provider,
    /// The offer behind the bid.
    pub offer: &'a Offer,
    /// The bond's amounts.
    pub bond: bond::Bond,
}

impl Bidder<'_> {
    /// Can this bidder take `job` at `price` now? Asked when it bids, and again when the job is awarded. Returns the
    /// stake that the lease would reserve.
    pub fn check(&self, job: &Job, price: PricePerHour, now: Now) -> Result<Atoms> {
        require!(
            self.offer.header.state == offer_state::LIVE && self.offer.header.due_ts > now.ts.0,
            MarketError::OfferNotLive
        );
        if self.offer.units_free == 0 {
            return Err(rule(RuleError::NoFreeUnit));
        }
        if job.excludes(&self.provider_key) {
            return Err(rule(RuleError::Excluded));
        }
        let standing = Standing { stake: self.bond.amount, reputation: Bps(self.provider.standing) };
        satisfies(&self.offer.unit(), &standing, &Requirement::from(&job.requirement)).map_err(|unmet| {
            // The field is told by number; the SDK turns it into words.
            msg!("unmet {} required {} offered {}", unmet.field as u8, unmet.required, unmet.offered);
            rule(RuleError::Unsatisfied)
        })?;
        let stake = bond::lease_reservation(price, job.terms().max_duration).or_rule()?;
        if self.bond.free().or_rule()? < stake {
            return Err(rule(RuleError::InsufficientStake));
        }
        Ok(stake)
    }
}

fn enter(
    job: &mut Job,
    job_key: Pubkey,
    bidder: &Bidder,
    price: PricePerHour,
    automatic: bool,
    now: Now,
) -> Result<BidEntered> {
    let mut rules = job.rules()?;
    rules.check_bid(price, now.ts).or_rule()?;
    if price.0 < bidder.offer.floor {
        return Err(rule(RuleError::BidBelowFloor));
    }
    bidder.check(job, price, now)?;
    let score = score(&job.score_weights()?, &bidder.provider.merit(), price, rules.terms.max_price).or_rule()?;
    let entry = Entry {
        provider: bidder.provider_key.to_bytes(),
        offer: bidder.offer.number,
        score,
        price,
        tie: tie(&job_key, &bidder.provider_key),
    };
    let mut book = job.book()?;
    let inserted = book.insert(entry).or_rule()?;
    if inserted.leads {
        rules.on_lead(now.ts).or_rule()?;
    }
    job.set_book(&book);
    job.set_rules(&rules, now);
    Ok(BidEntered {
        job: job_key,
        provider: bidder.provider_key,
        offer: bidder.offer.number,
        price: price.0,
        score,
        rank: inserted.rank as u8,
        automatic,
        close_ts: job.close_ts,
    })
}

/// First eight bytes of SHA-256(job ‖ provider), big endian.
fn tie(job: &Pubkey, provider: &Pubkey) -> u64 {
    let hash = solana_sha256_hasher::hashv(&[job.as_ref(), provider.as_ref()]).to_bytes();
    hash.iter().take(8).fold(0, |tie, byte| tie << 8 | u64::from(*byte))
}
