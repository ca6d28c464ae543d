//! Accounts of version 1 that have grown are brought to the present layout.
//!
//! Anyone may do so, once; a second call changes nothing. The caller pays the rent of the bytes that are added, which stay with the
//! account: about 0.0007 SOL. No amount, owner, state or deadline changes.

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, Owner, ZeroCopy};

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::Migrated;
use crate::lamports;
use crate::state::{ACCOUNT_VERSION, Array, Job, Offer, Provider, Purse, first};

/// Where the version stands: behind the discriminator.
const VERSION_AT: usize = 8;
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

/// A purse gets room for a guardian; it has none.
pub fn migrate_purse(ctx: Context<Migrate>) -> Result<()> {
    let grown = grow::<Purse>(&ctx.accounts.parts(), first::PURSE, first::PURSE)?;
    ctx.accounts.tell_of(grown)
}

/// A provider record becomes its own first machine, with no limit of stake.
pub fn migrate_provider(ctx: Context<Migrate>) -> Result<()> {
    let grown = grow::<Provider>(&ctx.accounts.parts(), first::PROVIDER, first::PROVIDER)?;
    if grown {
        let mut data = ctx.accounts.account.try_borrow_mut_data()?;
        let body = data.get_mut(8..8 + size_of::<Provider>()).ok_or(MarketError::WrongVersion)?;
        let provider: &mut Provider = bytemuck::try_from_bytes_mut(body).map_err(|_| MarketError::WrongVersion)?;
        provider.stake_limit = NO_LIMIT;
    }
    ctx.accounts.tell_of(grown)
}

/// An offer gets its provider's first machine, and with it the hot key. The leases that it has were bound without being counted, and
/// are not counted when they end.
pub fn migrate_offer(ctx: Context<MigrateOffer>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let parts = Parts { payer: &accounts.payer, account: &accounts.account, system: &accounts.system_program };
    if !grow::<Offer>(&parts, first::OFFER, first::OFFER)? {
        return Ok(());
    }
    {
        let mut data = accounts.account.try_borrow_mut_data()?;
        let body = data.get_mut(8..8 + size_of::<Offer>()).ok_or(MarketError::WrongVersion)?;
        let offer: &mut Offer = bytemuck::try_from_bytes_mut(body).map_err(|_| MarketError::WrongVersion)?;
        require_keys_eq!(offer.provider, accounts.provider.key(), MarketError::Unrelated);
        let mut provider = accounts.provider.load_mut()?;
        offer.machine = accounts.provider.key();
        offer.node_key = provider.node_key;
        offer.stake_limit = LIMIT_OF_OFFER;
        provider.own_offers = provider.own_offers.saturating_add(1);
        provider.allotted = provider.allotted.saturating_add(LIMIT_OF_OFFER);
    }
    let migrated = Migrated { account: accounts.account.key(), version: ACCOUNT_VERSION };
    tell(&ctx.accounts.event_authority, &migrated)?;
    Ok(())
}

/// A job's requirement gets room for twice as many GPU models.
pub fn migrate_job(ctx: Context<Migrate>) -> Result<()> {
    let at = core::mem::offset_of!(Job, requirement) + size_of::<u64>();
    let grown = grow::<Job>(&ctx.accounts.parts(), first::JOB, at)?;
    ctx.accounts.tell_of(grown)
}

/// As [`migrate_job`], for the jobs of an array.
pub fn migrate_array(ctx: Context<Migrate>) -> Result<()> {
    let at = core::mem::offset_of!(Array, requirement) + size_of::<u64>();
    let grown = grow::<Array>(&ctx.accounts.parts(), first::ARRAY, at)?;
    ctx.accounts.tell_of(grown)
}

/// What a migration needs.
struct Parts<'a, 'info> {
    payer: &'a Signer<'info>,
    account: &'a AccountInfo<'info>,
    system: &'a Program<'info, System>,
}

impl<'info> Migrate<'info> {
    fn parts(&self) -> Parts<'_, 'info> {
        Parts { payer: &self.payer, account: &self.account, system: &self.system_program }
    }

    fn tell_of(&self, grown: bool) -> Result<()> {
        if grown {
            let migrated = Migrated { account: self.account.key(), version: ACCOUNT_VERSION };
            tell(&self.event_authority, &migrated)?;
        }
        Ok(())
    }
}

/// Inserts zeros at `at` (counted behind the discriminator) into an account of version 1 whose fixed part had `old` bytes, so that it
/// is a `T`; what follows moves up. `false` where it is one already.
fn grow<T: ZeroCopy + Owner + Discriminator>(parts: &Parts, old: usize, at: usize) -> Result<bool> {
    let account = parts.account;
    require_keys_eq!(*account.owner, crate::ID, MarketError::WrongVersion);
    let added = size_of::<T>().checked_sub(old).ok_or(MarketError::WrongVersion)?;
    let len = {
        let data = account.try_borrow_data()?;
        require!(data.starts_with(T::DISCRIMINATOR), MarketError::WrongVersion);
        match data.get(VERSION_AT).copied() {
            Some(ACCOUNT_VERSION) => return Ok(false),
            Some(1) if data.len() >= 8 + old => data.len(),
            _ => return err!(MarketError::WrongVersion),
        }
    };
    let rent = Rent::get()?;
    let missing = lamports::rent_of(&rent, len + added).saturating_sub(lamports::rent_of(&rent, len));
    lamports::pay_in(parts.system, parts.payer, account, missing)?;
    account.resize(len + added)?;
    let mut data = account.try_borrow_mut_data()?;
    data.copy_within(8 + at..len, 8 + at + added);
    data.get_mut(8 + at..8 + at + added).ok_or(MarketError::WrongVersion)?.fill(0);
    *data.get_mut(VERSION_AT).ok_or(MarketError::WrongVersion)? = ACCOUNT_VERSION;
    Ok(true)
}
