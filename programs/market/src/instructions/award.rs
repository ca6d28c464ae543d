//! Awards a job to the best bidder that is still good.

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use gridlease_core::book::Entry;
use gridlease_core::job::{JobState, Unawarded, start_deadline};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, lease as rules};

use super::place_bid::Bidder;
use crate::constants::{ACCOUNT_VERSION, LEASE_SEED, OFFER_SEED, RESERVATION_BYTES, STAKING_ID};
use crate::convert::now;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{JobAwarded, JobEnded, JobReopened};
use crate::kin;
use crate::lamports;
use crate::staking_cpi::{self, Signing, read_bond};
use crate::state::{Config, Header, Job, Lease, Offer, Provider, Purse, TaskGroup, shard_of};

/// Accounts of `award`. Behind them follow, for a replica of a task the group of the task (writable), and for the bidders in the book's order and as many as the caller likes to pass,
/// three accounts each: offer (writable), provider (writable), bond (writable).
#[event_cpi]
#[derive(Accounts)]
pub struct Award<'info> {
    /// Slot length, fee, and the bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[account(mut, has_one = purse @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Written where the job ends without a lease.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// CHECK: the address of the next lease of this job; created here, its seeds are checked by that.
    #[account(mut)]
    pub lease: UncheckedAccount<'info>,
    /// CHECK: the lease's reservation; the staking program checks and creates it.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// CHECK: the PDA that signs for stake; a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// CHECK: the staking program checks it.
    pub staking_config: UncheckedAccount<'info>,
    /// CHECK: the staking program.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// CHECK: the PDA by which the staking program signs its events; it checks it.
    pub staking_events: UncheckedAccount<'info>,
    /// Creates the lease.
    pub system_program: Program<'info, System>,
}

/// The accounts of one candidate.
struct Candidate<'info> {
    offer: &'info AccountInfo<'info>,
    provider: &'info AccountInfo<'info>,
    bond: &'info AccountInfo<'info>,
}

/// Once the window is over, the first bidder of the book that is still good shall get the lease; those before it shall be
/// dropped. With nobody left the job shall take bids again while attempts remain, else end and return its reservation.
/// On a job that is not open, nothing changes. No outcome depends on who calls.
pub fn award<'info>(ctx: Context<'info, Award<'info>>) -> Result<()> {
    let now = now()?;
    let mut skipped = 0u8;
    let winner = {
        let job = ctx.accounts.job.load()?;
        let rules = job.rules()?;
        if rules.state != JobState::Open {
            return Ok(()); // stale: somebody was faster
        }
        rules.check_award(now.ts).or_rule()?;
        let book = job.book()?;
        let mut winner = None;
        let (group, candidates) = kin::split(&job, ctx.remaining_accounts)?;
        let mut candidates = candidates.chunks_exact(3);
        for entry in book.entries() {
            let Some([offer, provider, bond]) = candidates.next() else { break };
            match good(&job, entry, &Candidate { offer, provider, bond }, group.as_ref(), now)? {
                Some(stake) => {
                    let record = AccountLoader::<Provider>::try_from(provider)?;
                    kin::admit(group.as_ref(), &job, &*record.load()?, bond)?;
                    winner = Some((*entry, stake, Candidate { offer, provider, bond }));
                    break;
                }
                None => skipped += 1,
            }
        }
        let unseen = book.entries().len() > usize::from(skipped);
        if winner.is_none() && unseen && skipped == 0 {
            return err!(MarketError::CandidateMissing);
        }
        if winner.is_none() && unseen {
            drop(job);
            return drop_bids(&ctx, skipped);
        }
        winner
    };
    match winner {
        Some((entry, stake, candidate)) => open_lease(&ctx, &entry, stake, &candidate, skipped, now),
        None => nobody(&ctx, now),
    }
}

/// The stake to reserve where the candidate is still good, `None` where it is not; an error where the accounts are not
/// the entry's, so that no caller can skip a good bidder.
fn good(
    job: &Job,
    entry: &Entry,
    candidate: &Candidate,
    group: Option<&AccountLoader<TaskGroup>>,
    now: Now,
) -> Result<Option<Atoms>> {
    let provider_key = Pubkey::new_from_array(entry.provider);
    require_keys_eq!(*candidate.provider.key, provider_key, MarketError::CandidateMissing);
    let provider = AccountLoader::<Provider>::try_from(candidate.provider)?;
    let provider = provider.load()?;
    require_keys_eq!(*candidate.bond.key, provider.bond, MarketError::CandidateMissing);
    if *candidate.offer.owner != crate::ID {
        // Gone: then it must be the very address at which it was.
        let number = entry.offer.to_le_bytes();
        let (address, _) = Pubkey::find_program_address(&[OFFER_SEED, &entry.provider, &number], &crate::ID);
        require_keys_eq!(*candidate.offer.key, address, MarketError::CandidateMissing);
        return Ok(None);
    }
    let offer = AccountLoader::<Offer>::try_from(candidate.offer)?;
    let offer = offer.load()?;
    require!(offer.provider == provider_key && offer.number == entry.offer, MarketError::CandidateMissing);
    if candidate.offer.lamports() < Offer::rent_needed(&Rent::get()?, 1) {
        return Ok(None);
    }
    if *candidate.bond.owner != STAKING_ID {
        return Ok(None); // never opened
    }
    let bond = read_bond(candidate.bond, &provider.authority)?;
    let bidder = Bidder { provider_key, provider: &provider, offer: &offer, bond };
    if kin::check(group, job, &provider, candidate.bond).is_err() {
        return Ok(None); // it runs another replica of the task, or shares somebody with who does
    }
    Ok(bidder.check(job, entry.price, now).ok())
}

fn drop_bids(ctx: &Context<Award>, count: u8) -> Result<()> {
    let mut job = ctx.accounts.job.load_mut()?;
    let mut book = job.book()?;
    for _ in 0..count {
        book.pop_best();
    }
    job.set_book(&book);
    Ok(())
}

fn nobody(ctx: &Context<Award>, now: Now) -> Result<()> {
    drop_bids(ctx, gridlease_core::limits::BOOK_SIZE as u8)?;
    let job_key = ctx.accounts.job.key();
    let (outcome, attempts_left, close_ts, reason) = {
        let mut job = ctx.accounts.job.load_mut()?;
        let mut next = job.rules()?;
        let outcome = next.unawarded(now.ts).or_rule()?;
        if let Unawarded::Refunded(back) = outcome {
            let mut purse = ctx.accounts.purse.load_mut()?;
            let mut amounts = purse.amounts();
            amounts.release(back).or_rule()?;
            purse.set_amounts(amounts)?;
        }
        job.set_rules(&next, now);
        (outcome, next.attempts_left, next.close_ts.0, next.reason as u8)
    };
    match outcome {
        Unawarded::Reopened => emit_cpi!(JobReopened { job: job_key, attempts_left, close_ts }),
        Unawarded::Refunded(back) => {
            emit_cpi!(JobEnded { job: job_key, purse: ctx.accounts.purse.key(), reason, refunded: back.0 });
        }
    }
    Ok(())
}

fn open_lease<'info>(
    ctx: &Context<'info, Award<'info>>,
    entry: &Entry,
    stake: Atoms,
    candidate: &Candidate<'info>,
    skipped: u8,
    now: Now,
) -> Result<()> {
    drop_bids(ctx, skipped + 1)?;
    let job_key = ctx.accounts.job.key();
    let lease_info = ctx.accounts.lease.to_account_info();
    let lease_key = lease_info.key();
    let price = PricePerHour(entry.price.0);

    let (number, reserved, deadline, owner, purse) = {
        let mut job = ctx.accounts.job.load_mut()?;
        let mut next = job.rules()?;
        let number = next.leases;
        let reserved = next.award(price, now.ts).or_rule()?;
        job.set_rules(&next, now);
        (number, reserved, start_deadline(now.ts, job.image_mb).or_rule()?, job.owner, job.purse)
    };
    let (lease_key_expected, bump) =
        Pubkey::find_program_address(&[LEASE_SEED, job_key.as_ref(), &[number]], &crate::ID);
    require_keys_eq!(lease_key, lease_key_expected, MarketError::Unrelated);
    require_keys_eq!(*lease_info.owner, anchor_lang::system_program::ID, MarketError::Unrelated);

    let (bond, payout) = {
        let provider = AccountLoader::<Provider>::try_from(candidate.provider)?;
        let mut provider = provider.load_mut()?;
        provider.leases = provider.leases.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
        (provider.bond, provider.payout)
    };
    {
        let offer = AccountLoader::<Offer>::try_from(candidate.offer)?;
        let mut offer = offer.load_mut()?;
        offer.units_free = offer.units_free.checked_sub(1).ok_or_else(|| rule(RuleError::NoFreeUnit))?;
    }
    let space = 8 + core::mem::size_of::<Lease>();
    let system = ctx.accounts.system_program.to_account_info();
    lamports::open_unfunded(&lease_info, &system, space, &[LEASE_SEED, job_key.as_ref(), &[number], &[bump]])?;
    let config = ctx.accounts.config.load()?;
    let (authority_bump, slot_ms, fee_bps) = (config.authority_bump, config.slot_ms, config.fee_bps);
    drop(config);
    {
        let mut data = lease_info.try_borrow_mut_data()?;
        let (discriminator, body) = data.split_at_mut(8);
        discriminator.copy_from_slice(Lease::DISCRIMINATOR);
        let lease: &mut Lease = bytemuck::from_bytes_mut(body);
        lease.header = Header { version: ACCOUNT_VERSION, shard: shard_of(&lease_key), bump, ..Header::default() };
        lease.job = job_key;
        lease.purse = purse;
        lease.owner = owner;
        lease.provider = Pubkey::new_from_array(entry.provider);
        lease.offer = candidate.offer.key();
        lease.bond = bond;
        lease.payout = payout;
        lease.awarded_ts = now.ts.0;
        lease.stake = stake.0;
        lease.number = number;
        lease.set_rules(&rules::Lease::open(price, reserved, slot_ms, Bps(fee_bps), deadline))?;
    }
    staking_cpi::reserve(
        candidate.bond,
        &ctx.accounts.reservation,
        &ctx.accounts.staking_config,
        &lease_info,
        candidate.offer,
        &system,
        &Signing {
            authority: &ctx.accounts.authority,
            bump: authority_bump,
            events: &ctx.accounts.staking_events,
            program: &ctx.accounts.staking_program,
        },
        stake,
    )?;
    emit_cpi!(JobAwarded {
        job: job_key,
        lease: lease_key,
        provider: Pubkey::new_from_array(entry.provider),
        offer: entry.offer,
        price: price.0,
        reserved: reserved.0,
        stake: stake.0,
        skipped,
        start_deadline: deadline.0,
    });
    let rent = Rent::get()?;
    fund(candidate.offer, &lease_info, rent.minimum_balance(space))?;
    fund(candidate.offer, &ctx.accounts.reservation, rent.minimum_balance(RESERVATION_BYTES))
}

/// Brings `account` up to `lamports` out of the offer.
fn fund(offer: &AccountInfo, account: &AccountInfo, lamports: u64) -> Result<()> {
    lamports::shift(offer, account, lamports.saturating_sub(account.lamports()))
}
