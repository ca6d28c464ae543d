//! Reveals a sealed bid.

use anchor_lang::prelude::*;
use gridlease_core::eligibility::Refusal;
use gridlease_core::sealed::{Bid, Fate, fate};
use gridlease_core::{Atoms, Now, PricePerHour, RuleError, UnixTs, job as rules};
use program_common::clock::now;
use program_common::names;
use program_common::require;

use super::forfeit_bid::resolve;
use super::place_bid::{NewBid, refusal_code};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{BidEntered, BidRevealed};
use crate::lamports;
use crate::peek::peek;
use crate::staking_cpi::{self, read_bond, signing};
use crate::state::{Commitment, Config, Job, Offer, Provider};
use staking_interface::ID as STAKING_ID;

/// Accounts of `reveal_bid`. Anybody who knows price and salt may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct RevealBid<'info> {
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Its book is written.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The bidder.
    pub provider: AccountLoader<'info, Provider>,
    /// The offer behind the bid. It stands as long as the bid; one behind a bid of the first edition may be gone.
    /// CHECK: the hash proves it.
    #[account(mut)]
    pub offer: UncheckedAccount<'info>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = job, has_one = provider, has_one = bond, has_one = rent_to))]
    #[account(
        mut,
        constraint = names!(commitment: Commitment, job) @ MarketError::Unrelated, constraint = names!(commitment: Commitment, provider) @ MarketError::Unrelated,
        constraint = names!(commitment: Commitment, bond) @ MarketError::WrongBond, constraint = names!(commitment: Commitment, rent_to) @ MarketError::Unrelated,
    )]
    pub commitment: AccountLoader<'info, Commitment>,
    /// The bond whose stake the sealed bid binds.
    /// CHECK: it is the one that the sealed bid records.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// The sealed bid's reservation.
    /// CHECK: that it is this one's is checked below, the rest by the staking program.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// Gets the rent back: who paid it.
    /// CHECK: it is the one that the sealed bid records.
    #[account(mut)]
    pub rent_to: UncheckedAccount<'info>,
    /// The PDA by which the market signs for stake.
    /// CHECK: a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// The staking program.
    /// CHECK: it has this one address.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// The PDA by which the staking program signs its events.
    /// CHECK: the staking program checks it.
    pub staking_events: UncheckedAccount<'info>,
}

/// Between the end of the committing and the end of the revealing, whoever knows price and salt shall reveal a sealed bid: its
/// bond is free again and its rent goes back, whether or not it enters the book. It enters where a public bid of the same
/// price would. A pause of intake does not hinder it, because its bond is at stake.
pub fn reveal_bid(ctx: Context<RevealBid>, price: u64, salt: [u8; 32]) -> Result<()> {
    let now = now()?;
    let accounts = &*ctx.accounts;
    let authority_bump = accounts.config.load()?.authority_bump;
    let (revealed, entered) = {
        let commitment = accounts.commitment.load()?;
        staking_cpi::check_reservation(&accounts.reservation, &accounts.commitment.key())?;
        let bid = Bid {
            program: crate::ID.to_bytes(),
            job: commitment.job.to_bytes(),
            provider: commitment.provider.to_bytes(),
            offer: accounts.offer.key().to_bytes(),
            price: PricePerHour(price),
            salt,
        };
        let hash = solana_sha256_hasher::hash(&bid.preimage()).to_bytes();
        require!(hash == commitment.hash, MarketError::WrongReveal);
        let mut job = accounts.job.load_mut()?;
        let mut moving = job.rules().or_rule()?;
        let round = UnixTs(commitment.header.due_ts);
        // Before the bid is looked at: one limit counts both.
        resolve(Some(&accounts.offer), &commitment.offer, Atoms(commitment.amount))?;
        let outcome = match fate(round, Some((&moving, UnixTs(job.ended_ts))), now) {
            Fate::Wait => return Err(rule(RuleError::WindowOpen)),
            Fate::Forfeit => return Err(rule(RuleError::RevealClosed)),
            Fate::Release => Err(Refusal::Rule(RuleError::WrongState)),
            Fate::Reveal => enter(accounts, &commitment, &mut job, &moving, PricePerHour(price), now),
        };
        moving = job.rules().or_rule()?; // with the bid that was entered
        moving.on_unsealed(round);
        job.set_rules(&moving, now);
        let refused = outcome.as_ref().map_or_else(refusal_code, |_| 0);
        let revealed = BidRevealed {
            job: commitment.job,
            provider: commitment.provider,
            offer: accounts.offer.key(),
            price,
            refused,
        };
        (revealed, outcome.ok())
    };
    let signer = signing!(accounts, authority_bump);
    staking_cpi::release(&accounts.bond, &accounts.reservation, &accounts.rent_to, &signer)?;
    tell(&ctx.accounts.event_authority, &revealed)?;
    if let Some(entered) = entered {
        tell(&ctx.accounts.event_authority, &entered)?;
    }
    lamports::close(accounts.commitment.as_ref(), &accounts.rent_to)
}

/// Enters the bid where it is still good; the bond that it bound counts as free, because it is released in this step.
fn enter(
    accounts: &RevealBid,
    commitment: &Commitment,
    job: &mut Job,
    moving: &rules::Job,
    price: PricePerHour,
    now: Now,
) -> core::result::Result<BidEntered, Refusal> {
    let gone = |_| Refusal::Rule(RuleError::InvariantBroken);
    moving.check_bid_price(price)?;
    let provider = accounts.provider.load().map_err(gone)?;
    let offer = peek::<Offer>(&accounts.offer).filter(|offer| offer.provider == commitment.provider);
    let Some(offer) = offer else { return Err(Refusal::Withdrawn) };
    let mut bond = read_bond(&accounts.bond, &provider.authority).map_err(gone)?;
    bond.release(Atoms(commitment.amount))?;
    let book = job.book()?;
    let bidder =
        NewBid { job_key: commitment.job, provider_key: commitment.provider, provider: &provider, offer: &offer, bond };
    bidder.enter(job, *moving, book, price, false, now)
}
