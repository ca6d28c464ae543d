//! The market: offers, jobs, books, leases and purses. Rules come from `gridlease-core`; this program checks accounts,
//! asks the rules, writes what they say, and moves money last.

#![allow(missing_docs, reason = "the macros of Anchor generate items without documentation")]

use anchor_lang::prelude::*;

pub mod constants;
pub mod convert;
pub mod derive;
pub mod error;
pub mod event;
pub mod instructions;
pub mod lamports;
pub mod peek;
pub mod staking_cpi;
pub mod state;
pub mod token;

use instructions::*;

declare_id!("qkSjp3wiqiaf6D2CyrBc9vAPtd8eQBhWYLZy3P2jrsx");

/// The instructions, in the order of a job's life.
#[program]
pub mod market {
    use super::*;

    /// Writes the configuration, once.
    pub fn init_config(ctx: Context<InitConfig>) -> Result<()> {
        instructions::init_config::init_config(ctx)
    }

    /// Opens a buyer's purse.
    pub fn open_purse(ctx: Context<OpenPurse>) -> Result<()> {
        instructions::open_purse::open_purse(ctx)
    }

    /// Puts `amount` atoms into a purse.
    pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
        instructions::deposit::deposit(ctx, amount)
    }

    /// Takes `amount` atoms of the free balance out of a purse.
    pub fn withdraw(ctx: Context<Withdraw>, amount: u64) -> Result<()> {
        instructions::withdraw::withdraw(ctx, amount)
    }

    /// Moves a purse's fees to treasury and insurance.
    pub fn sweep_fees(ctx: Context<SweepFees>) -> Result<()> {
        instructions::sweep_fees::sweep_fees(ctx)
    }

    /// Registers a provider.
    pub fn register_provider(ctx: Context<RegisterProvider>, args: NodeArgs) -> Result<()> {
        instructions::register_provider::register_provider(ctx, args)
    }

    /// Changes a provider's hot key, endpoint and certificate.
    pub fn update_node(ctx: Context<UpdateNode>, args: NodeArgs) -> Result<()> {
        instructions::register_provider::update_node(ctx, args)
    }

    /// Puts a machine class on the market.
    pub fn post_offer(ctx: Context<PostOffer>, number: u32, machine: OfferMachine, terms: OfferTerms) -> Result<()> {
        instructions::post_offer::post_offer(ctx, number, machine, terms)
    }

    /// Prolongs an offer and changes its prices and units.
    pub fn refresh_offer(ctx: Context<RefreshOffer>, terms: OfferTerms) -> Result<()> {
        instructions::post_offer::refresh_offer(ctx, terms)
    }

    /// Takes an offer off the market.
    pub fn withdraw_offer(ctx: Context<WithdrawOffer>) -> Result<()> {
        instructions::post_offer::withdraw_offer(ctx)
    }

    /// Posts a job.
    pub fn post_job(ctx: Context<PostJob>, number: u64, uri_len: u8, args: JobArgs) -> Result<()> {
        instructions::post_job::post_job(ctx, number, uri_len, args)
    }

    /// Bids `price` atoms per hour.
    pub fn place_bid(ctx: Context<PlaceBid>, price: u64) -> Result<()> {
        instructions::place_bid::place_bid(ctx, price)
    }

    /// Enters an offer that takes automatic bids.
    pub fn enter_offer(ctx: Context<EnterOffer>) -> Result<()> {
        instructions::place_bid::enter_offer(ctx)
    }

    /// Awards a job whose window is over.
    pub fn award<'info>(ctx: Context<'info, Award<'info>>) -> Result<()> {
        instructions::award::award(ctx)
    }

    /// Starts the meter.
    pub fn ready(ctx: Context<Ready>, image_digest: [u8; 32], gpu_hash: [u8; 32]) -> Result<()> {
        instructions::ready::ready(ctx, image_digest, gpu_hash)
    }

    /// Pays what has accrued.
    pub fn settle(ctx: Context<Settle>) -> Result<()> {
        instructions::settle::settle(ctx)
    }

    /// Adds `amount` atoms to a lease's reservation.
    pub fn top_up(ctx: Context<TopUp>, amount: u64) -> Result<()> {
        instructions::top_up::top_up(ctx, amount)
    }

    /// Ends a lease for the buyer.
    pub fn stop(ctx: Context<Stop>) -> Result<()> {
        instructions::stop::stop(ctx)
    }

    /// Ends a lease for the node.
    pub fn finish(ctx: Context<Finish>, reason: u8, outcome: Outcome) -> Result<()> {
        instructions::finish::finish(ctx, reason, outcome)
    }

    /// Leaves a running lease without notice.
    pub fn abandon(ctx: Context<FaultedLease>, outcome: Outcome) -> Result<()> {
        instructions::fail_start::abandon(ctx, outcome)
    }

    /// Fails a lease that did not start.
    pub fn fail_start(ctx: Context<FaultedLease>) -> Result<()> {
        instructions::fail_start::fail_start(ctx)
    }

    /// Moves a lease on whose time has come.
    pub fn expire(ctx: Context<Expire>) -> Result<()> {
        instructions::expire::expire(ctx)
    }

    /// Closes a lease that is over and paid.
    pub fn close_lease(ctx: Context<CloseLease>) -> Result<()> {
        instructions::close_lease::close_lease(ctx)
    }

    /// Takes an open job back.
    pub fn cancel_job(ctx: Context<CancelJob>) -> Result<()> {
        instructions::close_job::cancel_job(ctx)
    }

    /// Closes a job that is over.
    pub fn close_job(ctx: Context<CloseJob>) -> Result<()> {
        instructions::close_job::close_job(ctx)
    }

    /// Posts a job and takes the first of up to four offers that fits, at its ask.
    pub fn post_instant<'info>(
        ctx: Context<'info, PostInstant<'info>>,
        number: u64,
        uri_len: u8,
        args: JobArgs,
    ) -> Result<()> {
        instructions::instant::post_instant(ctx, number, uri_len, args)
    }

    /// Commits a sealed bid.
    pub fn commit_bid(ctx: Context<CommitBid>, hash: [u8; 32]) -> Result<()> {
        instructions::commit_bid::commit_bid(ctx, hash)
    }

    /// Reveals a sealed bid.
    pub fn reveal_bid(ctx: Context<RevealBid>, price: u64, salt: [u8; 32]) -> Result<()> {
        instructions::reveal_bid::reveal_bid(ctx, price, salt)
    }

    /// Slashes the bond of a sealed bid that was not revealed.
    pub fn forfeit_bid(ctx: Context<ForfeitBid>) -> Result<()> {
        instructions::forfeit_bid::forfeit_bid(ctx)
    }

    /// Lets a sealed bid go whose job ended before it could be revealed.
    pub fn release_bid(ctx: Context<ReleaseBid>) -> Result<()> {
        instructions::forfeit_bid::release_bid(ctx)
    }
}
