//! `migrate_bond`, `migrate_delegation` and `migrate_reservation`: accounts of version 1, which have grown since, are brought to the
//! present layout.

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, Owner, ZeroCopy};
use program_common::grow::Growing;
use program_common::{require, require_keys_eq};

use crate::emit::tell;
use crate::error::StakingError;
use crate::event::Migrated;
use crate::state::{ACCOUNT_VERSION, Bond, Delegation, Reservation, first};

/// Brings a bond or a reservation of the first edition to the present layout.
///
/// - Anyone shall do so, once; a second call shall change nothing. No amount, owner or deadline shall change.
/// - The signer shall pay the rent of what is added, which stays with the account.
/// - Of a bond, every delegator shall keep its place and its mark.
#[event_cpi]
#[derive(Accounts)]
pub struct Migrate<'info> {
    /// Pays the rent of what is added.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The bond or the reservation.
    /// CHECK: owner, discriminator and version are checked when it grows.
    #[account(mut)]
    pub account: UncheckedAccount<'info>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

impl Migrate<'_> {
    pub(crate) fn bond(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.grow::<Bond>(first::BOND, |bond| {
            // Its delegators stood one behind the other, and each had a place until its delegation was closed.
            let taken = u32::from(bond.delegators_len);
            let places = 1u64.checked_shl(taken).and_then(|end| u32::try_from(end - 1).ok());
            bond.places = places.ok_or(StakingError::WrongVersion)?;
            bond.delegations = taken;
            Ok(())
        })
    }

    pub(crate) fn reservation(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.grow::<Reservation>(first::RESERVATION, |_| Ok(()))
    }

    fn grow<T: ZeroCopy + Owner + Discriminator>(
        &self,
        old: usize,
        fit: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<()> {
        let growing = Growing { payer: &self.payer, account: &self.account, system: &self.system_program };
        grow(&growing, old, fit, &self.event_authority)
    }
}

/// Brings a delegation of the first edition to the present layout, as [`Migrate`] does. It shall have the place at which its bond,
/// migrated before, has its mark.
#[event_cpi]
#[derive(Accounts)]
pub struct MigrateDelegation<'info> {
    /// Pays the rent of what is added.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The delegation's bond.
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation.
    /// CHECK: owner, discriminator and version are checked when it grows, its bond after that.
    #[account(mut)]
    pub account: UncheckedAccount<'info>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

impl MigrateDelegation<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &*ctx.accounts;
        let growing = Growing { payer: &accounts.payer, account: &accounts.account, system: &accounts.system_program };
        let place_of = |delegation: &mut Delegation| {
            require_keys_eq!(delegation.bond, accounts.bond.key(), StakingError::WrongDelegation);
            let place = accounts.bond.load()?.place_of(&delegation.delegator);
            delegation.place = place.ok_or(StakingError::WrongDelegation)?;
            Ok(())
        };
        grow::<Delegation>(&growing, first::DELEGATION, place_of, &accounts.event_authority)
    }
}

/// Makes an account of version 1 a `T`, and tells of it; see [`Growing::grow`].
fn grow<T: ZeroCopy + Owner + Discriminator>(
    growing: &Growing,
    old: usize,
    fit: impl FnOnce(&mut T) -> Result<()>,
    events: &AccountInfo,
) -> Result<()> {
    let grown = growing.grow(old, ACCOUNT_VERSION, fit)?;
    require!(grown.is_some(), StakingError::WrongVersion);
    if grown == Some(true) {
        tell(events, &Migrated { account: *growing.account.key, version: ACCOUNT_VERSION })?;
    }
    Ok(())
}
