//! The hot keys of a purse.

use anchor_lang::prelude::*;
use gridlease_core::period_cap::PeriodCap;
use gridlease_core::purse_key::{PurseKey, PurseStep};
use gridlease_core::{Atoms, Seconds, UnixTs};
use program_common::clock::now;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{GuardianSet, SpenderSet};
use crate::state::Purse;

/// Accounts of `set_spender`.
#[event_cpi]
#[derive(Accounts)]
pub struct SetSpender<'info> {
    /// The purse's owner.
    pub owner: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = owner))]
    #[account(mut, constraint = names!(purse: Purse, owner) @ MarketError::NotBuyer)]
    pub purse: AccountLoader<'info, Purse>,
}

/// The owner shall name one key that may post jobs and nothing else, up to `cap` atoms of reservations in each period of
/// `period_s` seconds from now on. The zero key removes it, whatever cap and period say. A new setting begins a new period.
pub fn set_spender(ctx: Context<SetSpender>, spender: Pubkey, cap: u64, period_s: u32) -> Result<()> {
    let event = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        let rules = if spender == Pubkey::default() {
            PeriodCap::default()
        } else {
            PeriodCap::set(Atoms(cap), Seconds(period_s.into()), now()?.ts).or_rule()?
        };
        purse.spender = spender;
        purse.spender_period_s = if spender == Pubkey::default() { 0 } else { period_s };
        purse.set_spender_rules(&rules);
        SpenderSet {
            purse: ctx.accounts.purse.key(),
            spender,
            cap: purse.spender_cap,
            period_s: purse.spender_period_s,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// Accounts of `set_guardian`.
#[event_cpi]
#[derive(Accounts)]
pub struct SetGuardian<'info> {
    /// The purse's owner.
    pub owner: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = owner))]
    #[account(mut, constraint = names!(purse: Purse, owner) @ MarketError::NotBuyer)]
    pub purse: AccountLoader<'info, Purse>,
}

/// The owner shall name one key that may stop, reject, reopen, accept, cancel and speak to nodes in its name, and add up to `cap`
/// atoms to its leases in each period of `period_s` seconds from now on; with a cap of zero it adds nothing. It takes nothing out
/// of the purse and names no key. The zero key removes it, whatever cap and period say. A new setting begins a new period.
pub fn set_guardian(ctx: Context<SetGuardian>, guardian: Pubkey, cap: u64, period_s: u32) -> Result<()> {
    let event = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        let without = guardian == Pubkey::default() || cap == 0;
        let rules = if without {
            PeriodCap::default()
        } else {
            PeriodCap::set(Atoms(cap), Seconds(period_s.into()), now()?.ts).or_rule()?
        };
        purse.guardian = guardian;
        purse.guardian_period_s = if without { 0 } else { period_s };
        purse.set_guardian_rules(&rules);
        GuardianSet {
            purse: ctx.accounts.purse.key(),
            guardian,
            cap: purse.guardian_cap,
            period_s: purse.guardian_period_s,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// May `signer` take `step` in the name of the purse?
///
/// # Errors
/// [`MarketError::NotBuyer`].
pub fn authorise(purse: &Purse, signer: &Pubkey, step: PurseStep) -> Result<PurseKey> {
    purse.key_for(signer, step).ok_or_else(|| error!(MarketError::NotBuyer))
}

/// As [`authorise`], for a step that reserves `amount`: the owner anything, a hot key what is left of its cap, which then counts
/// it.
///
/// # Errors
/// [`MarketError::NotBuyer`], [`MarketError::SpenderCap`], [`MarketError::GuardianCap`].
pub fn authorise_spending(
    purse: &mut Purse,
    signer: &Pubkey,
    step: PurseStep,
    amount: Atoms,
    now: UnixTs,
) -> Result<()> {
    match authorise(purse, signer, step)? {
        PurseKey::Owner => {}
        PurseKey::Spender => {
            let next = purse.spender_rules().spend(amount, now).ok_or(MarketError::SpenderCap)?;
            purse.set_spender_rules(&next);
        }
        PurseKey::Guardian => {
            let next = purse.guardian_rules().spend(amount, now).ok_or(MarketError::GuardianCap)?;
            purse.set_guardian_rules(&next);
        }
    }
    Ok(())
}
