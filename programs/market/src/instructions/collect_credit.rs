//! Has a buyer claim its credit for downtime out of the stake.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::CreditCollected;
use crate::staking_cpi::{self, Taken, signing, slashed};
use crate::state::{Config, Lease};
use staking_interface::ID as STAKING_ID;

/// Accounts of `collect_credit`. Anyone may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CollectCredit<'info> {
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = bond))]
    #[account(mut, constraint = names!(lease: Lease, bond) @ MarketError::WrongBond)]
    pub lease: AccountLoader<'info, Lease>,
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
    /// The bond's vault.
    /// CHECK: the staking program checks it.
    #[account(mut)]
    pub bond_vault: UncheckedAccount<'info>,
    /// The insurance fund.
    /// CHECK: the staking program, which alone names it, checks it.
    #[account(mut)]
    pub insurance: UncheckedAccount<'info>,
    /// The staking program.
    /// CHECK: it has this one address.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// The PDA by which the staking program signs its events.
    /// CHECK: the staking program checks it.
    pub staking_events: UncheckedAccount<'info>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// What downtime was credited beyond what was held back shall become a claim of the buyer, out of the operator's part of the
/// stake reserved for the lease and as far as that goes; it leaves the bond seven days later. What it does not reach for is
/// told, and paid by nobody. No token moves, so no account of anyone holds it up. With nothing to collect, nothing changes.
pub fn collect_credit(ctx: Context<CollectCredit>) -> Result<()> {
    let lease_key = ctx.accounts.lease.key();
    staking_cpi::check_reservation(&ctx.accounts.reservation, &lease_key)?;
    let (_, part) = staking_cpi::read_reserved(&ctx.accounts.reservation, &ctx.accounts.bond)?;
    let (taken, short) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let owed = next.credit;
        if owed.is_zero() {
            return Ok(());
        }
        let claimed = next.collect_credit(part).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        let taken = Taken { buyer: claimed, buyer_key: lease.owner, ..Taken::default() };
        (taken, owed.saturating_sub(claimed))
    };
    tell(
        &ctx.accounts.event_authority,
        &CreditCollected { lease: lease_key, buyer: taken.buyer_key, claimed: taken.buyer.0, short: short.0 },
    )?;
    if taken.is_nothing() {
        return Ok(());
    }
    let accounts = ctx.accounts;
    let bump = accounts.config.load()?.authority_bump;
    staking_cpi::slash(&slashed!(accounts), &signing!(accounts, bump), &taken)
}
