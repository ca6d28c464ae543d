//! Commits a sealed bid.

use anchor_lang::prelude::*;
use gridlease_core::{Atoms, RuleError, tip};
use program_common::clock::now;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::BidCommitted;
use crate::intake;
use crate::lamports;
use crate::staking_cpi::{self, signing};
use crate::state::ACCOUNT_VERSION;
use crate::state::{Commitment, Config, Header, Job, Offer, Provider, shard_of};
use market_interface::seed::COMMIT_SEED;
use staking_interface::ID as STAKING_ID;
use staking_interface::account::Reservation;

/// Accounts of `commit_bid`.
#[event_cpi]
#[derive(Accounts)]
pub struct CommitBid<'info> {
    /// The offer's node key; pays the rent and gets it back.
    #[account(mut)]
    pub node_key: Signer<'info>,
    /// Tells whether intake is paused; bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Counts its sealed bids.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The bidder.
    #[cfg_attr(feature = "idl-build", account(has_one = bond))]
    #[account(constraint = names!(provider: Provider, bond) @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The offer behind the bid: its limit of stake counts the sealed bid's bond.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key, has_one = provider))]
    #[account(mut, constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey, constraint = names!(offer: Offer, provider) @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// Must not exist yet: a provider has one sealed bid in a job.
    #[account(
        init, payer = node_key, space = 8 + size_of::<Commitment>(),
        seeds = [COMMIT_SEED, job.key().as_ref(), provider.key().as_ref()], bump,
    )]
    pub commitment: AccountLoader<'info, Commitment>,
    /// The provider's bond.
    /// CHECK: the staking program checks it.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// The sealed bid's reservation.
    /// CHECK: the staking program checks and creates it.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// The PDA by which the market signs for stake.
    /// CHECK: a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// The staking program's configuration.
    /// CHECK: the staking program checks it.
    pub staking_config: UncheckedAccount<'info>,
    /// The staking program.
    /// CHECK: it has this one address.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// The PDA by which the staking program signs its events.
    /// CHECK: the staking program checks it.
    pub staking_events: UncheckedAccount<'info>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

/// A sealed bid shall bind the job's bond in the provider's stake, within its offer's limit, and tell nothing else but its hash.
/// Its price is not known, so that is checked when it is revealed.
pub fn commit_bid(ctx: Context<CommitBid>, hash: [u8; 32]) -> Result<()> {
    let now = now()?;
    let accounts = &*ctx.accounts;
    let authority_bump = {
        let config = accounts.config.load()?;
        intake::open(&config)?;
        config.authority_bump
    };
    let key = accounts.commitment.key();
    let event = {
        let mut job = accounts.job.load_mut()?;
        let mut next = job.rules().or_rule()?;
        next.check_commit(now.ts).or_rule()?;
        let provider_key = accounts.provider.key();
        if job.excludes(&provider_key) {
            return Err(rule(RuleError::Excluded));
        }
        next.on_commit(now).or_rule()?;
        job.set_rules(&next, now);

        let mut commitment = accounts.commitment.load_init()?;
        commitment.header = Header {
            version: ACCOUNT_VERSION,
            state: 1,
            shard: shard_of(&key),
            bump: ctx.bumps.commitment,
            due_ts: next.reveal_end.0,
            ..Header::default()
        };
        commitment.job = accounts.job.key();
        commitment.provider = provider_key;
        commitment.purse = job.purse;
        commitment.bond = accounts.bond.key();
        commitment.rent_to = accounts.node_key.key();
        commitment.hash = hash;
        commitment.amount = next.sealed_bond.0;
        commitment.offer = accounts.offer.key();
        let mut offer = accounts.offer.load_mut()?;
        offer.bind(next.sealed_bond).or_rule()?;
        offer.sealed = offer.sealed.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
        BidCommitted {
            job: commitment.job,
            provider: provider_key,
            commitment: key,
            bond: commitment.amount,
            reveal_end: next.reveal_end.0,
        }
    };
    let missing = lamports::rent_of(&Rent::get()?, Reservation::SPACE).saturating_sub(accounts.reservation.lamports());
    lamports::pay_in(&accounts.system_program, &accounts.node_key, &accounts.reservation, missing)?;
    let tips = tip::prepaid_sealed_bid();
    lamports::pay_in(&accounts.system_program, &accounts.node_key, accounts.commitment.as_ref(), tips)?;
    staking_cpi::reserve(
        &accounts.bond,
        &accounts.reservation,
        &accounts.staking_config,
        accounts.commitment.as_ref(),
        accounts.node_key.as_ref(),
        accounts.system_program.as_ref(),
        &signing!(accounts, authority_bump),
        Atoms(event.bond),
    )?;
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}
