//! Takes a credit for downtime from the stake.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::slash::SlashSplit;
use gridlease_core::{Atoms, RuleError};
use program_common::{require, require_keys_neq};

use crate::compensation::{compensate, divert};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::CreditCollected;
use crate::payout;
use crate::staking_cpi::{self, Signing, SlashAccounts};
use crate::state::{Config, Lease, Purse};
use crate::token;
use program_common::raw_token::TokenAccount;
use staking_interface::ID as STAKING_ID;

/// Accounts of `collect_credit`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CollectCredit<'info> {
    /// Bump of the signing PDA, insurance account.
    #[account(has_one = insurance @ MarketError::WrongTokenAccount)]
    pub config: AccountLoader<'info, Config>,
    /// Gets the credit.
    #[account(mut, has_one = vault @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    // `dup`: Anchor's search for duplicates costs 1,000; the one that could be is refused below.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Written.
    #[account(mut, has_one = purse @ MarketError::Unrelated, has_one = bond @ MarketError::WrongBond)]
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
    #[account(mut, dup, constraint = insurance.key() != vault.key() @ ErrorCode::ConstraintDuplicateMutableAccount)]
    pub insurance: Box<Account<'info, TokenAccount>>,
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

/// Accounts of `waive_credit`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct WaiveCredit<'info> {
    /// Written.
    #[account(mut, has_one = purse @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// The lease's purse, which must be closed.
    /// CHECK: its address is the recorded one, and nothing is there.
    pub purse: UncheckedAccount<'info>,
}

/// A buyer that closed its purse has given up what it was credited: without this, the stake behind the lease could never
/// go free. With nothing to waive, nothing changes.
pub fn waive_credit(ctx: Context<WaiveCredit>) -> Result<()> {
    require_keys_neq!(*ctx.accounts.purse.owner, crate::ID, MarketError::PurseOpen);
    {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        if next.credit.is_zero() {
            return Ok(());
        }
        next.collect_credit(Atoms::ZERO).or_rule()?;
        lease.set_rules(&next).or_rule()?;
    }
    tell(&ctx.accounts.event_authority, &CreditCollected { lease: ctx.accounts.lease.key(), victim: 0, insurance: 0 })?;
    Ok(())
}

/// What downtime was credited beyond what was held back shall be taken from the stake reserved for the lease, as far as that
/// goes, and paid into the buyer's purse. With nothing to collect, nothing changes.
pub fn collect_credit(ctx: Context<CollectCredit>) -> Result<()> {
    let lease_key = ctx.accounts.lease.key();
    staking_cpi::check_reservation(&ctx.accounts.reservation, &lease_key)?;
    let stake = staking_cpi::read_reserved(&ctx.accounts.reservation)?;
    // While the bond's vault gives nothing the credit waits: nobody but the provider, whose vault it is, is held up by that.
    require!(!payout::is_frozen(&ctx.accounts.bond_vault), MarketError::FrozenTokenAccount);
    let slash = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        if next.credit.is_zero() {
            return Ok(());
        }
        let victim = next.collect_credit(stake).or_rule()?;
        let slash = SlashSplit { victim, insurance: Atoms::ZERO };
        let slash = divert(slash, ctx.accounts.vault.is_frozen(), &ctx.accounts.bond)?;
        lease.set_rules(&next).or_rule()?;
        compensate(&mut *ctx.accounts.purse.load_mut()?, slash.victim)?;
        slash
    };
    tell(
        &ctx.accounts.event_authority,
        &CreditCollected { lease: lease_key, victim: slash.victim.0, insurance: slash.insurance.0 },
    )?;
    let total = slash.total().or_rule()?;
    if total > stake {
        return Err(rule(RuleError::SlashAboveReservation));
    }
    if total.is_zero() {
        return Ok(());
    }
    let accounts = ctx.accounts;
    let bump = accounts.config.load()?.authority_bump;
    staking_cpi::slash(
        &SlashAccounts {
            bond: &accounts.bond,
            reservation: &accounts.reservation,
            config: &accounts.staking_config,
            vault: &accounts.bond_vault,
            victim: &accounts.vault.to_account_info(),
            insurance: &accounts.insurance.to_account_info(),
            token_program: &accounts.token_program.to_account_info(),
        },
        &Signing {
            authority: &accounts.authority,
            bump,
            events: &accounts.staking_events,
            program: &accounts.staking_program,
        },
        slash.victim,
        slash.insurance,
    )?;
    token::check_vault(&accounts.purse, &mut accounts.vault)
}
