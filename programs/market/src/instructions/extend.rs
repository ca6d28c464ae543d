//! Lengthens what a lease may be paid for, and what stands behind it.

use anchor_lang::prelude::*;
use gridlease_core::bond::extension;
use gridlease_core::purse_key::PurseStep;
use gridlease_core::{Atoms, PricePerHour, Seconds};
use program_common::clock::now;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::LeaseExtended;
use crate::instructions::purse_keys::authorise;
use crate::staking_cpi::{self, signing};
use crate::state::{Config, Job, Lease, Offer, Purse};
use staking_interface::ID as STAKING_ID;

/// Accounts of `extend`.
#[event_cpi]
#[derive(Accounts)]
pub struct ExtendLease<'info> {
    /// The purse's owner or its guardian.
    pub signer: Signer<'info>,
    /// Names them.
    pub purse: AccountLoader<'info, Purse>,
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Names the most that is paid, which the stake follows.
    pub job: AccountLoader<'info, Job>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse, has_one = job, has_one = offer, has_one = bond))]
    #[account(
        mut,
        constraint = names!(lease: Lease, purse) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated,
        constraint = names!(lease: Lease, offer) @ MarketError::Unrelated, constraint = names!(lease: Lease, bond) @ MarketError::WrongBond,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// Counts the stake that its leases bind.
    #[account(mut)]
    pub offer: AccountLoader<'info, Offer>,
    /// The PDA by which the market signs for stake.
    /// CHECK: a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// The staking program's configuration.
    /// CHECK: the staking program checks it.
    pub staking_config: UncheckedAccount<'info>,
    /// The bond whose stake stands behind the lease.
    /// CHECK: it is the one that the lease records.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// The lease's reservation.
    /// CHECK: that it is this lease's is checked below, the rest by the staking program.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// The staking program.
    /// CHECK: it has this one address.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// The PDA by which the staking program signs its events.
    /// CHECK: the staking program checks it.
    pub staking_events: UncheckedAccount<'info>,
}

/// The buyer or its guardian shall be able to lengthen what a running lease may be paid for, to 720 hours in all at most; the stake
/// that the longer lease asks for beyond what is reserved shall be reserved for it, within the limit of its offer, or nothing
/// changes. Money is added by a top-up.
pub fn extend(ctx: Context<ExtendLease>, by_s: u32) -> Result<()> {
    authorise(&*ctx.accounts.purse.load()?, ctx.accounts.signer.key, PurseStep::Extend)?;
    let (lease_key, now) = (ctx.accounts.lease.key(), now()?);
    let (more, event) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let before = next.extend(Seconds(by_s.into()), now).or_rule()?;
        staking_cpi::check_reservation(&ctx.accounts.reservation, &lease_key)?;
        let most = PricePerHour(ctx.accounts.job.load()?.max_price);
        let more = extension(next.price, most, before, next.duration).or_rule()?;
        ctx.accounts.offer.load_mut()?.bind(more).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        lease.stake = Atoms(lease.stake).add(more).or_rule()?.0;
        (more, LeaseExtended { lease: lease_key, duration_s: lease.duration_s, stake: lease.stake })
    };
    tell(&ctx.accounts.event_authority, &event)?;
    if more.is_zero() {
        return Ok(()); // stake follows the next 24 hours of revenue only
    }
    let accounts = ctx.accounts;
    staking_cpi::extend(
        &accounts.bond,
        &accounts.reservation,
        &accounts.staking_config,
        &signing!(accounts, accounts.config.load()?.authority_bump),
        more,
    )
}
