//! Liveness: a challenge with a bond, its answer, and what silence leads to.
//!
//! The bond is in lamports and lies in the lease's account, so that nobody's token account can hold any of this up.

use anchor_lang::prelude::*;
use gridlease_core::lease::{Challenge as Missing, LeaseState};
use gridlease_core::limits::CHALLENGE_BOND_LAMPORTS;
use gridlease_core::tip::CHALLENGE_BOUNTY;
use program_common::clock::now;
use program_common::names;
use program_common::{require, require_keys_eq};

use crate::constants::SLOT_HASHES;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{ChallengeResolved, LeaseResumed, LivenessChallenged};
use crate::lamports::{self, pay_bounty, pay_tip};
use crate::state::{Lease, Offer, Provider};

/// Outcomes in [`ChallengeResolved`].
pub mod challenge_outcome {
    /// The node answered.
    pub const ANSWERED: u8 = 0;
    /// It did not.
    pub const MISSED: u8 = 1;
    /// It asked for nothing.
    pub const MOOT: u8 = 2;
}

/// Accounts of `challenge`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct Challenge<'info> {
    /// Puts up the bond.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// Written; holds the bond.
    #[account(mut)]
    pub lease: AccountLoader<'info, Lease>,
    /// The slot hashes, of which the newest is to be signed.
    /// CHECK: it has this one address.
    #[account(address = SLOT_HASHES)]
    pub slot_hashes: UncheckedAccount<'info>,
    /// Moves the bond.
    pub system_program: Program<'info, System>,
}

/// Accounts of `answer_challenge` and `resume`.
#[event_cpi]
#[derive(Accounts)]
pub struct NodeLives<'info> {
    /// The offer's node key; gets the bond.
    #[account(mut)]
    pub node_key: Signer<'info>,
    /// Its uptime is counted.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Names the node key.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key))]
    #[account(constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = offer))]
    #[account(mut, constraint = names!(lease: Lease, provider) @ MarketError::Unrelated, constraint = names!(lease: Lease, offer) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// Accounts of `resolve_challenge`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ResolveChallenge<'info> {
    /// Its uptime is counted.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider))]
    #[account(mut, constraint = names!(lease: Lease, provider) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// Gets the bond back: who put it up.
    /// CHECK: it is the one that the lease records while the challenge is open.
    #[account(mut)]
    pub challenger: UncheckedAccount<'info>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// Anybody shall be able to ask a running node for a sign of life, one challenge at a time, with a bond of
/// [`CHALLENGE_BOND_LAMPORTS`]. The node has sixty seconds.
pub fn challenge(ctx: Context<Challenge>) -> Result<()> {
    let now = now()?;
    let (lease, challenger) = (ctx.accounts.lease.key(), ctx.accounts.challenger.key());
    let nonce = newest_hash(&ctx.accounts.slot_hashes)?;
    let deadline = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        next.challenge(now).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        lease.challenger = challenger;
        lease.challenge_nonce = nonce;
        next.challenge_end.0
    };
    tell(&ctx.accounts.event_authority, &LivenessChallenged { lease, challenger, nonce, deadline })?;
    let (system, from, to) = (&ctx.accounts.system_program, &ctx.accounts.challenger, ctx.accounts.lease.as_ref());
    lamports::pay_in(system, from, to, CHALLENGE_BOND_LAMPORTS)
}

/// The node shall answer with the hash that the challenge recorded, in a transaction that it signs, and keep the bond.
pub fn answer_challenge(ctx: Context<NodeLives>, nonce: [u8; 32]) -> Result<()> {
    let now = now()?;
    let challenger = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        next.answer(now).or_rule()?;
        require!(nonce == lease.challenge_nonce, MarketError::WrongNonce);
        lease.set_rules(&next).or_rule()?;
        count(&ctx.accounts.provider, true)?;
        clear_challenge(&mut lease)
    };
    tell(
        &ctx.accounts.event_authority,
        &ChallengeResolved { lease: ctx.accounts.lease.key(), challenger, outcome: challenge_outcome::ANSWERED },
    )?;
    lamports::shift(ctx.accounts.lease.as_ref(), &ctx.accounts.node_key, CHALLENGE_BOND_LAMPORTS)
}

/// A challenge that was not answered shall pause the lease from the moment of the challenge; where the lease was over, or its
/// funds used up, before the time to answer was, the challenge asks for nothing. In both cases the bond goes back, and where the
/// challenge was missed with a bounty of [`CHALLENGE_BOUNTY`] out of what the provider set aside, as far as that is there.
/// While the node can still answer, and where no challenge is open, nothing changes.
pub fn resolve_challenge(ctx: Context<ResolveChallenge>) -> Result<()> {
    let now = now()?;
    let (due, challenger, outcome) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        if next.challenge_end.is_zero() {
            return Ok(()); // stale
        }
        require_keys_eq!(lease.challenger, ctx.accounts.challenger.key(), MarketError::Unrelated);
        let due = next.challenge_end;
        let Some(missing) = next.resolve_challenge(now).or_rule()? else { return Ok(()) };
        lease.set_rules(&next).or_rule()?;
        let outcome = match missing {
            Missing::Missed => {
                count(&ctx.accounts.provider, false)?;
                challenge_outcome::MISSED
            }
            Missing::Moot => challenge_outcome::MOOT,
        };
        (due, clear_challenge(&mut lease), outcome)
    };
    tell(&ctx.accounts.event_authority, &ChallengeResolved { lease: ctx.accounts.lease.key(), challenger, outcome })?;
    let (lease, challenger): (&AccountInfo, &AccountInfo) = (ctx.accounts.lease.as_ref(), &ctx.accounts.challenger);
    if return_bond(lease, challenger)? && outcome == challenge_outcome::MISSED {
        pay_bounty(&ctx.accounts.event_authority, lease, challenger, CHALLENGE_BOUNTY)?;
    }
    pay_tip(&ctx.accounts.event_authority, lease, ctx.accounts.tip_to.as_ref(), due, now.ts)
}

/// A node that was down and lives again shall say so: the meter starts anew, and the buyer is credited twice the price of the
/// downtime. On a lease that runs, nothing changes.
pub fn resume(ctx: Context<NodeLives>) -> Result<()> {
    let now = now()?;
    let event = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        if next.state == LeaseState::Running && next.challenge_end.is_zero() {
            return Ok(()); // it runs
        }
        next.resume(now).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        LeaseResumed {
            lease: ctx.accounts.lease.key(),
            runway_end: next.runway_end.0,
            credited_s: lease.credited_s,
            credit: next.credit.0,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// The newest entry of the slot hashes: behind the count (8 bytes) and its slot (8 bytes).
fn newest_hash(slot_hashes: &AccountInfo) -> Result<[u8; 32]> {
    let data = slot_hashes.try_borrow_data()?;
    let hash = data.get(16..48).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    Ok(hash.ok_or(MarketError::WrongNonce)?)
}

fn count(provider: &AccountLoader<Provider>, answered: bool) -> Result<()> {
    let mut provider = provider.load_mut()?;
    let mut history = provider.reputation();
    history.on_challenge(answered);
    provider.set_reputation(&history);
    Ok(())
}

/// Returns the bond of a challenge to who made it. An account that somebody emptied cannot hold so little: the bond then stays with
/// the lease, whose rent goes to its offer, because nobody shall hold up the end of a lease by emptying an account. Returns whether
/// it went back.
pub fn return_bond(lease: &AccountInfo, challenger: &AccountInfo) -> Result<bool> {
    let back = challenger.lamports().saturating_add(CHALLENGE_BOND_LAMPORTS);
    let fits = back >= lamports::rent_of(&Rent::get()?, challenger.data_len());
    if fits {
        lamports::shift(lease, challenger, CHALLENGE_BOND_LAMPORTS)?;
    }
    Ok(fits)
}

/// Takes the challenge out of the lease; returns who made it.
pub fn clear_challenge(lease: &mut Lease) -> Pubkey {
    lease.challenge_nonce = [0; 32];
    core::mem::take(&mut lease.challenger)
}
