//! A sealed bid that was not revealed: forfeited, or let go where its job ended first.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::sealed::{Fate, fate, forfeit};
use gridlease_core::{Atoms, RuleError, UnixTs};
use program_common::clock::now;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{BidForfeited, BidReleased};
use crate::lamports::{self, pay_tip};
use crate::peek::peek;
use crate::staking_cpi::{self, Taken, signing, slashed};
use crate::state::{Commitment, Config, Job, Offer};
use staking_interface::ID as STAKING_ID;

/// Accounts of `forfeit_bid`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ForfeitBid<'info> {
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Counts its sealed bids.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = job, has_one = bond, has_one = rent_to))]
    #[account(
        mut,
        constraint = names!(commitment: Commitment, job) @ MarketError::Unrelated, constraint = names!(commitment: Commitment, bond) @ MarketError::WrongBond,
        constraint = names!(commitment: Commitment, rent_to) @ MarketError::Unrelated,
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
    /// The bond's vault.
    /// CHECK: the staking program checks it.
    #[account(mut)]
    pub bond_vault: UncheckedAccount<'info>,
    /// The insurance fund.
    /// CHECK: the staking program, which alone names it, checks it.
    #[account(mut)]
    pub insurance: UncheckedAccount<'info>,
    /// Gets the rent back: who paid it.
    /// CHECK: it is the one that the sealed bid records.
    #[account(mut)]
    pub rent_to: UncheckedAccount<'info>,
    /// The offer whose limit counts the bid; left out for a bid of the first edition, which names none.
    /// CHECK: that it is the one that the sealed bid records is checked below.
    #[account(mut)]
    pub offer: Option<UncheckedAccount<'info>>,
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
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// Accounts of `release_bid`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ReleaseBid<'info> {
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// The job that the bid was for; it may be gone.
    /// CHECK: it is the one that the sealed bid records.
    pub job: UncheckedAccount<'info>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = job, has_one = bond, has_one = rent_to))]
    #[account(
        mut,
        constraint = names!(commitment: Commitment, job) @ MarketError::Unrelated, constraint = names!(commitment: Commitment, bond) @ MarketError::WrongBond,
        constraint = names!(commitment: Commitment, rent_to) @ MarketError::Unrelated,
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
    /// The offer whose limit counts the bid; left out for a bid of the first edition, which names none.
    /// CHECK: that it is the one that the sealed bid records is checked below.
    #[account(mut)]
    pub offer: Option<UncheckedAccount<'info>>,
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

/// From the end of the revealing on, a sealed bid that nobody revealed shall lose its bond, all of it to the insurance fund, so
/// that nobody gains by a bid that is not revealed. The rent goes back to who paid it.
pub fn forfeit_bid(ctx: Context<ForfeitBid>) -> Result<()> {
    let now = now()?;
    let accounts = &mut *ctx.accounts;
    let bump = accounts.config.load()?.authority_bump;
    let key = accounts.commitment.key();
    staking_cpi::check_reservation(&accounts.reservation, &key)?;
    let named = accounts.commitment.load()?.offer;
    let (due, split, event) = {
        let commitment = accounts.commitment.load()?;
        let round = UnixTs(commitment.header.due_ts);
        let mut job = accounts.job.load_mut()?;
        let mut moving = job.rules().or_rule()?;
        if round == moving.reveal_end && moving.see_reveal_end(now) {
            // Its end is a minute and sixty slots from now: the chain may have stood still.
            job.set_rules(&moving, now);
            return Ok(());
        }
        match fate(round, Some((&moving, UnixTs(job.ended_ts))), now) {
            Fate::Forfeit => {}
            Fate::Release => return Err(rule(RuleError::WrongFate)),
            Fate::Wait | Fate::Reveal => return Err(rule(RuleError::RevealOpen)),
        }
        let split = forfeit(Atoms(commitment.amount));
        moving.on_unsealed(round);
        job.set_rules(&moving, now);
        let event = BidForfeited {
            job: commitment.job,
            provider: commitment.provider,
            commitment: key,
            insurance: split.insurance.0,
        };
        (round, split, event)
    };
    let signer = signing!(accounts, bump);
    staking_cpi::slash(&slashed!(accounts), &signer, &Taken::by_fault(split, Pubkey::default()))?;
    staking_cpi::release(&accounts.bond, &accounts.reservation, &accounts.rent_to, &signer)?;
    resolve(accounts.offer.as_deref(), &named, Atoms::ZERO)?; // all of it is slashed, and stays bound
    tell(&ctx.accounts.event_authority, &event)?;
    let (commitment, tip_to) = (ctx.accounts.commitment.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, commitment, tip_to, due, now.ts)?;
    lamports::close(commitment, &ctx.accounts.rent_to)
}

/// A sealed bid whose job ended before it could be revealed, or whose job is gone, shall be free: its bond is released and its
/// rent goes back to who paid it.
pub fn release_bid(ctx: Context<ReleaseBid>) -> Result<()> {
    let now = now()?;
    let accounts = &*ctx.accounts;
    let bump = accounts.config.load()?.authority_bump;
    let key = accounts.commitment.key();
    staking_cpi::check_reservation(&accounts.reservation, &key)?;
    let event = {
        let commitment = accounts.commitment.load()?;
        let round = UnixTs(commitment.header.due_ts);
        let job = peek::<Job>(&accounts.job);
        let moving = job.as_ref().map(|job| job.rules()).transpose().or_rule()?;
        let ended_ts = UnixTs(job.as_ref().map_or(0, |job| job.ended_ts));
        match fate(round, moving.as_ref().map(|moving| (moving, ended_ts)), now) {
            Fate::Release => {}
            Fate::Wait | Fate::Reveal => return Err(rule(RuleError::RevealOpen)),
            Fate::Forfeit => return Err(rule(RuleError::WrongFate)),
        }
        resolve(accounts.offer.as_deref(), &commitment.offer, Atoms(commitment.amount))?;
        BidReleased { job: commitment.job, provider: commitment.provider, commitment: key }
    };
    let signer = signing!(accounts, bump);
    staking_cpi::release(&accounts.bond, &accounts.reservation, &accounts.rent_to, &signer)?;
    tell(&ctx.accounts.event_authority, &event)?;
    lamports::close(accounts.commitment.as_ref(), &accounts.rent_to)
}

/// Takes a sealed bid, which names the offer `named`, off that one's count, with `left` of its bond. A bid of the first edition names
/// none.
pub fn resolve(offer: Option<&AccountInfo>, named: &Pubkey, left: Atoms) -> Result<()> {
    if *named == Pubkey::default() {
        return Ok(());
    }
    let offer = offer.filter(|offer| offer.key == named).ok_or(MarketError::Unrelated)?;
    let mut data = offer.try_borrow_mut_data()?;
    let body = data.get_mut(8..8 + size_of::<Offer>()).ok_or(MarketError::Unrelated)?;
    let offer: &mut Offer = bytemuck::try_from_bytes_mut(body).map_err(|_| MarketError::Unrelated)?;
    offer.unbind(left).or_rule()?;
    offer.sealed = offer.sealed.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
    Ok(())
}
