//! The hot key of a purse.

use anchor_lang::prelude::*;
use gridlease_core::period_cap::PeriodCap;
use gridlease_core::{Atoms, Seconds, UnixTs};

use crate::clock::now;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::SpenderSet;
use crate::state::Purse;

/// Accounts of `set_spender`.
#[event_cpi]
#[derive(Accounts)]
pub struct SetSpender<'info> {
    /// The purse's owner.
    pub owner: Signer<'info>,
    /// Written.
    #[account(mut, has_one = owner @ MarketError::NotBuyer)]
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

/// Lets `signer` reserve `amount` for a job: the owner anything, the spender what is left of its cap, which then
/// counts it. Called by every instruction that posts.
///
/// # Errors
/// [`MarketError::NotBuyer`] for anybody else, [`MarketError::SpenderCap`].
pub fn authorise_posting(purse: &mut Purse, signer: &Pubkey, amount: Atoms, now: UnixTs) -> Result<()> {
    if *signer == purse.owner {
        return Ok(());
    }
    require!(*signer == purse.spender && *signer != Pubkey::default(), MarketError::NotBuyer);
    let next = purse.spender_rules().spend(amount, now).ok_or(MarketError::SpenderCap)?;
    purse.set_spender_rules(&next);
    Ok(())
}
