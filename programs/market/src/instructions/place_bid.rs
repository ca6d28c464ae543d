//! Bids: placed by a node, or entered for an offer that takes automatic bids.

use anchor_lang::prelude::*;
use gridlease_core::book::{Book, Entry};
use gridlease_core::eligibility::{self, Refusal};
use gridlease_core::score::{auto_bid_price, score};
use gridlease_core::{Now, PricePerHour, RuleError, bond, job as rules};
use market_interface::tie;
use program_common::clock::now;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::{MarketError, OrRule, RULE_BASE, rule};
use crate::event::BidEntered;
use crate::intake;
use crate::replicas;
use crate::staking_cpi::read_bond;
use crate::state::{Config, Job, Offer, Provider};

/// Accounts of `place_bid`. For a replica of a task the group of the task follows behind them.
#[event_cpi]
#[derive(Accounts)]
pub struct PlaceBid<'info> {
    /// The offer's node key.
    pub node_key: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Its book is written.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The bidder.
    #[cfg_attr(feature = "idl-build", account(has_one = bond))]
    #[account(constraint = names!(provider: Provider, bond) @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The machine class behind the bid.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key, has_one = provider))]
    #[account(constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey, constraint = names!(offer: Offer, provider) @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// The provider's bond.
    /// CHECK: owner and layout are checked when it is read.
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
    #[cfg_attr(feature = "idl-build", account(has_one = bond))]
    #[account(constraint = names!(provider: Provider, bond) @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The machine class behind the bid.
    #[cfg_attr(feature = "idl-build", account(has_one = provider))]
    #[account(constraint = names!(offer: Offer, provider) @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// The provider's bond.
    /// CHECK: owner and layout are checked when it is read.
    pub bond: UncheckedAccount<'info>,
}

/// A bid shall enter the book where its offer is live, satisfies the requirement, has a free unit and can reserve its stake, and
/// where its price is at most the job's. A second bid of a provider shall be lower than its first.
pub fn place_bid<'info>(ctx: Context<'info, PlaceBid<'info>>, price: u64) -> Result<()> {
    intake::open(&*ctx.accounts.config.load()?)?;
    let now = now()?;
    let price = PricePerHour(price);
    let event = {
        let mut job = ctx.accounts.job.load_mut()?;
        let provider = ctx.accounts.provider.load()?;
        let offer = ctx.accounts.offer.load()?;
        let moving = job.rules().or_rule()?;
        moving.check_bid(price, now.ts).or_rule()?;
        let bidder = NewBid {
            job_key: ctx.accounts.job.key(),
            provider_key: ctx.accounts.provider.key(),
            provider: &provider,
            offer: &offer,
            bond: read_bond(&ctx.accounts.bond, &provider.authority)?,
        };
        let (group, _) = replicas::split(&job, ctx.remaining_accounts)?;
        replicas::check(group.as_ref(), &job, &provider, &ctx.accounts.bond)?;
        let book = job.book().or_rule()?;
        bidder.enter(&mut job, moving, book, price, false, now).map_err(refused)?
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// An offer that takes automatic bids shall be entered by anybody: at its ask where that leads, or where not even its floor
/// does; else at the highest price that beats the best bid of another provider. It shall live to the end of the window, so that
/// nobody else can make it break its word. Where the window is over, where it leads already or cannot improve its place,
/// nothing changes.
pub fn enter_offer<'info>(ctx: Context<'info, EnterOffer<'info>>) -> Result<()> {
    intake::open(&*ctx.accounts.config.load()?)?;
    let now = now()?;
    let event = {
        let mut job = ctx.accounts.job.load_mut()?;
        let provider = ctx.accounts.provider.load()?;
        let offer = ctx.accounts.offer.load()?;
        require!(offer.auto_bid == 1, MarketError::NoAutoBid);
        let moving = job.rules().or_rule()?;
        match moving.check_bid(PricePerHour(1), now.ts) {
            Err(RuleError::WrongState | RuleError::WindowClosed | RuleError::WaitOver) => return Ok(()), // stale
            checked => checked.or_rule()?,
        }
        let provider_key = ctx.accounts.provider.key();
        let book = job.book().or_rule()?;
        let standing = book.entries().iter().find(|entry| entry.provider == provider_key.to_bytes());
        if standing.is_some_and(|entry| book.best() == Some(entry)) {
            return Ok(()); // it leads already
        }
        let price = auto_bid_price(
            &job.score_weights().or_rule()?,
            &provider.merit(),
            PricePerHour(offer.ask),
            PricePerHour(offer.floor),
            moving.terms.max_price,
            book.best_other(&provider_key.to_bytes()).map(|entry| entry.score),
        )
        .or_rule()?;
        if standing.is_some_and(|entry| entry.price <= price) {
            return Ok(()); // it cannot go lower
        }
        let bond = read_bond(&ctx.accounts.bond, &provider.authority)?;
        let (group, _) = replicas::split(&job, ctx.remaining_accounts)?;
        replicas::check(group.as_ref(), &job, &provider, &ctx.accounts.bond)?;
        let job_key = ctx.accounts.job.key();
        let bidder = NewBid { job_key, provider_key, provider: &provider, offer: &offer, bond };
        match bidder.enter(&mut job, moving, book, price, true, now) {
            Err(Refusal::Rule(RuleError::BookFull)) => return Ok(()), // it cannot displace anybody
            entered => entered.map_err(refused)?,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// Number of the program error for a refusal.
pub fn refusal_code(refusal: &Refusal) -> u32 {
    match refusal {
        Refusal::Withdrawn | Refusal::NotLive => MarketError::OfferNotLive.into(),
        other => RULE_BASE + u32::from(RuleError::from(*other).code()),
    }
}

/// A refusal as a program error.
pub fn refused(refusal: Refusal) -> Error {
    if let Refusal::Unsatisfied(unmet) = &refusal {
        // The field is told by number; the SDK turns it into words.
        msg!("unmet {} required {} offered {}", unmet.field as u8, unmet.required, unmet.offered);
    }
    match refusal {
        Refusal::Withdrawn | Refusal::NotLive => MarketError::OfferNotLive.into(),
        other => rule(RuleError::from(other)),
    }
}

/// A bidder with everything that its bid hangs on.
pub struct NewBid<'a> {
    /// Address of the job.
    pub job_key: Pubkey,
    /// Address of the provider record.
    pub provider_key: Pubkey,
    /// The provider record.
    pub provider: &'a Provider,
    /// The offer behind the bid.
    pub offer: &'a Offer,
    /// The bond's amounts.
    pub bond: bond::Bond,
}

impl NewBid<'_> {
    /// Enters a bid that the job takes now (the caller has asked that) into its book. A refusal leaves the job as it was.
    pub fn enter(
        &self,
        job: &mut Job,
        mut moving: rules::Job,
        mut book: Book,
        price: PricePerHour,
        automatic: bool,
        now: Now,
    ) -> core::result::Result<BidEntered, Refusal> {
        if price.0 < self.offer.floor {
            return Err(Refusal::Rule(RuleError::BidBelowFloor));
        }
        let until = eligibility::Bidder::lives_until(moving.auction_end(now.ts)?, automatic, now.ts);
        let candidate = job.bidder(&self.provider_key, self.provider, self.offer, self.bond);
        let stake = candidate.check(&job.wanted(), price, until)?;
        self.offer.limit().bind(stake)?;
        let weights = gridlease_core::score::Weights::new(job.weights)?;
        let score = score(&weights, &self.provider.merit(), price, moving.terms.max_price)?;
        let entry = Entry { provider: self.provider_key.to_bytes(), offer: self.offer.number, score, price, automatic };
        let inserted = book.insert(entry, |provider| tie(&self.job_key, provider))?;
        moving.on_bid(inserted.leads, book.len(), now)?;
        job.set_book(&book);
        job.set_rules(&moving, now);
        Ok(BidEntered {
            job: self.job_key,
            provider: self.provider_key,
            offer: self.offer.number,
            price: price.0,
            score,
            rank: inserted.rank as u8,
            automatic,
            close_ts: job.close_ts,
        })
    }
}
