//! Closes a lease that is over and paid.

use anchor_lang::prelude::*;
use gridlease_core::RuleError;

use crate::constants::STAKING_ID;
use crate::error::{MarketError, OrRule, rule};
use crate::event::LeaseClosed;
use crate::lamports;
use crate::staking_cpi::{self, Signing};
use crate::state::{Config, Lease, Offer, Provider};

/// Accounts of `close_lease`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseLease<'info> {
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Closed.
    #[account(
        mut,
        has_one = provider @ MarketError::Unrelated, has_one = offer @ MarketError::Unrelated,
        has_one = bond @ MarketError::WrongBond,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// Its history grows.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Gets its unit and the rent back.
    #[account(mut)]
    pub offer: AccountLoader<'info, Offer>,
    /// CHECK: the bond that the lease records.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// CHECK: the lease's reservation; that it is this lease's is checked below, the rest by the staking program.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// CHECK: the PDA that signs for stake; a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// CHECK: the staking program.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// CHECK: the PDA by which the staking program signs its events; it checks it.
    pub staking_events: UncheckedAccount<'info>,
}

/// A lease that is over and owes nothing shall be closed: its stake is released, its unit free again, its rent back with the
/// offer that paid it, and the provider's history grown by one.
pub fn close_lease(ctx: Context<CloseLease>) -> Result<()> {
    let bump = ctx.accounts.config.load()?.authority_bump;
    staking_cpi::check_reservation(&ctx.accounts.reservation, &ctx.accounts.lease.key())?;
    let event = {
        let lease = ctx.accounts.lease.load()?;
        lease.rules()?.check_close().or_rule()?;
        let mut provider = ctx.accounts.provider.load_mut()?;
        let mut offer = ctx.accounts.offer.load_mut()?;
        let leases = provider.leases.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
        require!(offer.units_free < offer.units, MarketError::BadUnits);

        provider.leases = leases;
        provider.earned = provider.earned.saturating_add(lease.paid);
        provider.add_closed(&lease)?;
        offer.units_free += 1;
        LeaseClosed {
            lease: ctx.accounts.lease.key(),
            provider: lease.provider,
            paid: lease.paid,
            fee: lease.fee,
            refunded: lease.refunded,
        }
    };
    let offer = ctx.accounts.offer.to_account_info();
    let signer = Signing {
        authority: &ctx.accounts.authority,
        bump,
        events: &ctx.accounts.staking_events,
        program: &ctx.accounts.staking_program,
    };
    staking_cpi::release(&ctx.accounts.bond, &ctx.accounts.reservation, &offer, &signer)?;
    emit_cpi!(event);
    lamports::close(&ctx.accounts.lease.to_account_info(), &offer)
}
