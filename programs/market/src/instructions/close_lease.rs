//! Closes a lease that is over and paid.

use anchor_lang::prelude::*;
use gridlease_core::RuleError;
use program_common::clock::now;
use program_common::names;

use super::finish::free_unit;
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{LeaseClosed, LeaseReleased};
use crate::history::add_closed;
use crate::lamports::{self, pay_tip};
use crate::staking_cpi::{self, signing};
use crate::state::{Config, Lease, Offer, Provider};
use staking_interface::ID as STAKING_ID;

/// Accounts of `close_lease`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseLease<'info> {
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = offer, has_one = bond))]
    #[account(
        mut,
        constraint = names!(lease: Lease, provider) @ MarketError::Unrelated, constraint = names!(lease: Lease, offer) @ MarketError::Unrelated,
        constraint = names!(lease: Lease, bond) @ MarketError::WrongBond,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// Its history grows.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Gets its unit and the rent back.
    #[account(mut)]
    pub offer: AccountLoader<'info, Offer>,
    /// The bond whose stake stands behind the lease.
    /// CHECK: it is the one that the lease records.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// The lease's reservation; gone where the stake is free already.
    /// CHECK: that it is this lease's is checked below, the rest by the staking program.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
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
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// A lease that is over shall set its stake and its unit free and grow the provider's history by one; once it owes nothing,
/// its account is closed and its rent back with the offer that paid it. Where money cannot be paid yet, the call does the
/// first part, and a later one the second. A unit that its node's finish set free is free already.
pub fn close_lease(ctx: Context<CloseLease>) -> Result<()> {
    let lease_key = ctx.accounts.lease.key();
    let now = now()?;
    let (due, releases, closed) = {
        let lease = ctx.accounts.lease.load()?;
        let rules = lease.rules().or_rule()?;
        rules.check_release(now).or_rule()?;
        let (releases, frees) = (lease.released == 0, lease.unit_free == 0);
        let mut offer = ctx.accounts.offer.load_mut()?;
        if rules.check_paid().is_err() {
            if !releases {
                return Ok(()); // it still waits for money
            }
            if frees {
                free_unit(&mut offer)?;
            }
            (rules.due(), true, None)
        } else {
            let mut record = ctx.accounts.provider.load_mut()?;
            record.leases = record.leases.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
            record.earned = record.earned.saturating_add(lease.paid);
            add_closed(&mut record, &offer.node_key, &lease, rules.reason);
            if frees {
                require!(offer.units_free < offer.units, MarketError::BadUnits);
                offer.units_free += 1;
            } else {
                offer.unpaid = offer.unpaid.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
            }
            let (provider, paid, fee, refunded) = (lease.provider, lease.paid, lease.fee, lease.refunded);
            (rules.due(), releases, Some(LeaseClosed { lease: lease_key, provider, paid, fee, refunded }))
        }
    };
    if releases {
        release(&ctx)?;
    }
    let (lease, tip_to) = (ctx.accounts.lease.as_ref(), ctx.accounts.tip_to.as_ref());
    let Some(closed) = closed else {
        {
            let mut lease = ctx.accounts.lease.load_mut()?;
            lease.released = 1;
            lease.unit_free = 1;
        }
        let provider = ctx.accounts.provider.key();
        tell(&ctx.accounts.event_authority, &LeaseReleased { lease: lease_key, provider })?;
        return pay_tip(&ctx.accounts.event_authority, lease, tip_to, due, now.ts);
    };
    tell(&ctx.accounts.event_authority, &closed)?;
    pay_tip(&ctx.accounts.event_authority, lease, tip_to, due, now.ts)?;
    lamports::close(lease, ctx.accounts.offer.as_ref())
}

/// Sets the stake free.
fn release(ctx: &Context<CloseLease>) -> Result<()> {
    let left = staking_cpi::read_left(&ctx.accounts.reservation, ctx.accounts.lease.as_ref().key)?;
    ctx.accounts.offer.load_mut()?.unbind(left).or_rule()?;
    let signer = signing!(ctx.accounts, ctx.accounts.config.load()?.authority_bump);
    staking_cpi::release(&ctx.accounts.bond, &ctx.accounts.reservation, ctx.accounts.offer.as_ref(), &signer)
}
