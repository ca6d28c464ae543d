//! Accounts of version 1 that have grown are brought to the present layout.
//!
//! Anyone may do so, once; a second call changes nothing. The caller pays the rent of the bytes that are added, which stay with the
//! account: about 0.0007 SOL. No amount, owner, state or deadline changes.

use core::cell::RefMut;

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use gridlease_core::limits::DEFAULT_WAIT;
use program_common::clock::now;
use program_common::grow::{Growing, VERSION_AT};

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::Migrated;
use crate::staking_cpi::read_left;
use crate::state::{ACCOUNT_VERSION, Array, Job, Lease, Offer, Provider, Purse, first};

/// What a machine of the first edition, which had no limit of stake, may bind.
const NO_LIMIT: u64 = u64::MAX;
/// What each of its offers is allotted of that: so much that 256 of them do not exceed it.
const LIMIT_OF_OFFER: u64 = NO_LIMIT >> 9;

/// Accounts of `migrate_purse`, `migrate_provider`, `migrate_job` and `migrate_array`.
#[event_cpi]
#[derive(Accounts)]
pub struct Migrate<'info> {
    /// Pays the rent of what is added.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Written.
    /// CHECK: owner, discriminator and version are checked when it grows.
    #[account(mut)]
    pub account: UncheckedAccount<'info>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

/// Accounts of `migrate_lease`.
#[event_cpi]
#[derive(Accounts)]
pub struct MigrateLease<'info> {
    /// Pays the rent of what is added.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The lease's job, migrated before; gone where it is closed already.
    /// CHECK: that it is this lease's is checked below, and what it is when it is read.
    #[account(mut)]
    pub job: UncheckedAccount<'info>,
    /// The lease's offer, migrated before: from now on its limit of stake counts the lease.
    #[account(mut)]
    pub offer: AccountLoader<'info, Offer>,
    /// The lease's reservation, migrated before; gone where the stake is free already.
    /// CHECK: that it is this lease's is checked when it is read.
    pub reservation: UncheckedAccount<'info>,
    /// Written.
    /// CHECK: owner, discriminator and version are checked when it grows, its job and its offer after that.
    #[account(mut)]
    pub account: UncheckedAccount<'info>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

/// Accounts of `migrate_offer`.
#[event_cpi]
#[derive(Accounts)]
pub struct MigrateOffer<'info> {
    /// Pays the rent of what is added.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The offer's provider, migrated before: its record is the offer's machine.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Written.
    /// CHECK: owner, discriminator and version are checked when it grows, its provider after that.
    #[account(mut)]
    pub account: UncheckedAccount<'info>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

/// A purse gets room for a guardian; it has none. What it counted as received from slashes is counted no more.
pub fn migrate_purse(ctx: Context<Migrate>) -> Result<()> {
    ctx.accounts.grow::<Purse>(first::PURSE, |purse| {
        first::take_out(bytemuck::bytes_of_mut(purse), first::PURSE_COMPENSATED, first::PURSE);
        Ok(())
    })
}

/// A provider record becomes its own first machine, with no limit of stake.
pub fn migrate_provider(ctx: Context<Migrate>) -> Result<()> {
    ctx.accounts.grow::<Provider>(first::PROVIDER, |provider| {
        provider.stake_limit = NO_LIMIT;
        Ok(())
    })
}

/// An offer gets its provider's first machine, and with it the hot key. Its limit of stake counts each of its leases from that
/// one's migration on.
pub fn migrate_offer(ctx: Context<MigrateOffer>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let growing = Growing { payer: &accounts.payer, account: &accounts.account, system: &accounts.system_program };
    let grown = grow::<Offer>(&growing, first::OFFER, |offer| {
        require_keys_eq!(offer.provider, accounts.provider.key(), MarketError::Unrelated);
        let mut provider = accounts.provider.load_mut()?;
        check_migrated(provider.header.version)?;
        offer.machine = accounts.provider.key();
        offer.node_key = provider.node_key;
        offer.stake_limit = LIMIT_OF_OFFER;
        provider.own_offers = provider.own_offers.saturating_add(1);
        provider.allotted = provider.allotted.saturating_add(LIMIT_OF_OFFER);
        provider.claims = provider.claims.saturating_add(offer.claimed.into());
        Ok(())
    })?;
    tell_of(grown, &accounts.account, &accounts.event_authority)
}

/// A job's requirement gets room for twice as many GPU models, and its bids hold no tie any more: that is computed. From now on it waits as one that is posted now, and the end of its
/// revealing counts from now.
pub fn migrate_job(ctx: Context<Migrate>) -> Result<()> {
    let now = now()?;
    ctx.accounts.grow::<Job>(first::JOB, |job| {
        let bytes = bytemuck::bytes_of_mut(job);
        first::take_ties_out(bytes);
        first::put_in(bytes, first::JOB_MODELS, first::JOB_WITHOUT_TIES);
        job.wait_s = wait_s();
        job.expires_at = now.ts.0.saturating_add(DEFAULT_WAIT.0);
        (job.mark_ts, job.mark_slot) = (now.ts.0, now.slot);
        Ok(())
    })
}

/// As [`migrate_job`], for the jobs of an array. Its pauses are over.
pub fn migrate_array(ctx: Context<Migrate>) -> Result<()> {
    ctx.accounts.grow::<Array>(first::ARRAY, |array| {
        first::put_in(bytemuck::bytes_of_mut(array), first::ARRAY_MODELS, first::ARRAY);
        array.pad = Default::default();
        array.wait_s = wait_s();
        array.review_s = 0;
        Ok(())
    })
}

/// A lease's deadlines count from now where they can hurt somebody, its checkpoints come as often as its job says, and its stake
/// counts in its offer's limit. Once it is ready, nobody waits in its job's book any more. A job may be closed while a lease of it
/// that is over waits for money: that lease is migrated without it.
pub fn migrate_lease(ctx: Context<MigrateLease>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let now = now()?;
    let growing = Growing { payer: &accounts.payer, account: &accounts.account, system: &accounts.system_program };
    let grown = grow::<Lease>(&growing, first::LEASE, |lease| {
        require_keys_eq!(lease.job, accounts.job.key(), MarketError::Unrelated);
        require_keys_eq!(lease.offer, accounts.offer.key(), MarketError::Unrelated);
        let (mut job, mut offer) = (open_job(&accounts.job)?, accounts.offer.load_mut()?);
        check_migrated(offer.header.version)?;
        (lease.mark_ts, lease.mark_slot) = (now.ts.0, now.slot);
        // What now says that the unit is free said that the lease is durable.
        let durable = lease.unit_free == 1;
        lease.unit_free = lease.released;
        lease.checkpoint_s = job.as_ref().map_or(0, |job| if durable { job.checkpoint_s } else { 0 });
        // Its meter went on beyond the end of a notice, and what it has earned so stays earned; from now on it does not.
        if lease.notice_end > 0 && lease.ended_ts == 0 {
            lease.notice_end = lease.notice_end.max(now.ts.0);
        }
        if lease.released == 0 {
            let left = read_left(&accounts.reservation, accounts.account.key)?;
            offer.bound = offer.bound.saturating_add(left.0);
        }
        if let Some(job) = job.as_mut().filter(|job| job.leases == lease.number.saturating_add(1))
            && lease.ready_ts > 0
        {
            job.empty_book();
        }
        Ok(())
    })?;
    tell_of(grown, &accounts.account, &accounts.event_authority)
}

/// A job, migrated before; `None` where it is closed.
fn open_job<'a>(account: &'a AccountInfo) -> Result<Option<RefMut<'a, Job>>> {
    if *account.owner == anchor_lang::system_program::ID {
        return Ok(None);
    }
    require_keys_eq!(*account.owner, crate::ID, MarketError::Unrelated);
    let data = account.try_borrow_mut_data()?;
    require!(data.starts_with(Job::DISCRIMINATOR), MarketError::Unrelated);
    check_migrated(data.get(VERSION_AT).copied().unwrap_or_default())?;
    let job = RefMut::filter_map(data, |data| {
        let body = data.get_mut(8..8 + size_of::<Job>())?;
        bytemuck::try_from_bytes_mut(body).ok()
    });
    Ok(Some(job.map_err(|_| MarketError::Outdated)?))
}

/// How long a job waits that did not say so.
fn wait_s() -> u32 {
    u32::try_from(DEFAULT_WAIT.0).unwrap_or(u32::MAX)
}

/// Another account of the first edition, on which this one rests, was migrated before. A migration is let in with accounts of any
/// layout, and behind a job's fixed part there are bytes enough for another's.
fn check_migrated(version: u8) -> Result<()> {
    require!(version == ACCOUNT_VERSION, MarketError::Outdated);
    Ok(())
}

impl Migrate<'_> {
    /// Makes the account a `T`; see [`Growing::grow`].
    fn grow<T: ZeroCopy + Owner + Discriminator>(
        &self,
        old: usize,
        fit: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<()> {
        let growing = Growing { payer: &self.payer, account: &self.account, system: &self.system_program };
        tell_of(grow(&growing, old, fit)?, &self.account, &self.event_authority)
    }
}

/// Makes an account of version 1 a `T`; see [`Growing::grow`]. `false` where it is one already.
fn grow<T: ZeroCopy + Owner + Discriminator>(
    growing: &Growing,
    old: usize,
    fit: impl FnOnce(&mut T) -> Result<()>,
) -> Result<bool> {
    Ok(growing.grow(old, ACCOUNT_VERSION, fit)?.ok_or(MarketError::WrongVersion)?)
}

fn tell_of(grown: bool, account: &AccountInfo, events: &AccountInfo) -> Result<()> {
    if grown { tell(events, &Migrated { account: *account.key, version: ACCOUNT_VERSION }) } else { Ok(()) }
}
