//! A sealed bid that was not revealed: forfeited, or let go where its job ended first.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::sealed::{Fate, fate, forfeit};
use gridlease_core::{Atoms, RuleError, UnixTs};

use crate::clock::now;
use crate::compensation::{compensate, divert};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{BidForfeited, BidReleased};
use crate::lamports::{self, pay_tip};
use crate::payout;
use crate::peek::peek;
use crate::staking_cpi::{self, Signing, SlashAccounts};
use crate::state::{Commitment, Config, Job, Offer, Purse};
use crate::token;
use program_common::raw_token::TokenAccount;
use staking_interface::ID as STAKING_ID;

/// Accounts of `forfeit_bid`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ForfeitBid<'info> {
    /// Bump of the signing PDA, insurance account.
    #[account(has_one = insurance @ MarketError::WrongTokenAccount)]
    pub config: AccountLoader<'info, Config>,
    /// Counts its sealed bids.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Gets the buyer's part.
    #[account(mut, has_one = vault @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor's search for duplicates costs 1,000; the one that could be is refused below.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Closed.
    #[account(
        mut,
        has_one = job @ MarketError::Unrelated, has_one = purse @ MarketError::Unrelated,
        has_one = bond @ MarketError::WrongBond, has_one = rent_to @ MarketError::Unrelated,
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
    #[account(mut, dup, constraint = insurance.key() != vault.key() @ ErrorCode::ConstraintDuplicateMutableAccount)]
    pub insurance: Box<Account<'info, TokenAccount>>,
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
    #[account(
        mut,
        has_one = job @ MarketError::Unrelated, has_one = bond @ MarketError::WrongBond,
        has_one = rent_to @ MarketError::Unrelated,
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

/// From the end of the revealing on, a sealed bid that nobody revealed shall lose its bond: 30 % to the buyer's purse, rounded
/// down, the rest to the insurance fund. Where the buyer's vault is frozen, all goes to the insurance fund, so that nobody
/// else's account can hold the provider's stake. The rent goes back to who paid it.
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
        let frozen = accounts.vault.is_frozen() || payout::is_frozen(&accounts.bond_vault);
        let split = divert(forfeit(Atoms(commitment.amount)).or_rule()?, frozen, &accounts.bond)?;
        moving.on_unsealed(round);
        job.set_rules(&moving, now);
        compensate(&mut *accounts.purse.load_mut()?, split.victim)?;
        let event = BidForfeited {
            job: commitment.job,
            provider: commitment.provider,
            commitment: key,
            purse: commitment.purse,
            victim: split.victim.0,
            insurance: split.insurance.0,
        };
        (round, split, event)
    };
    let signer = Signing {
        authority: &accounts.authority,
        bump,
        events: &accounts.staking_events,
        program: &accounts.staking_program,
    };
    staking_cpi::slash(
        &SlashAccounts {
            bond: &accounts.bond,
            reservation: &accounts.reservation,
            config: &accounts.staking_config,
            vault: &accounts.bond_vault,
            victim: &accounts.vault.to_account_info(),
            insurance: &accounts.insurance.to_account_info(),
            token_program: &accounts.token_program.to_account_info(),
        },
        &signer,
        split.victim,
        split.insurance,
    )?;
    staking_cpi::release(&accounts.bond, &accounts.reservation, &accounts.rent_to, &signer)?;
    token::check_vault(&accounts.purse, &mut accounts.vault)?;
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
    let signer = Signing {
        authority: &accounts.authority,
        bump,
        events: &accounts.staking_events,
        program: &accounts.staking_program,
    };
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
