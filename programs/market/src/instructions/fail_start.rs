//! Faults that slash: a lease that never started, and one that its node abandons.

use anchor_lang::prelude::*;
use anchor_spl::token::{Token, TokenAccount};
use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::slash::{Fault, SlashSplit, slash_for};
use gridlease_core::{Atoms, PricePerHour};

use super::end_lease::{Outcome, write_end};
use crate::constants::STAKING_ID;
use crate::convert::now;
use crate::error::{MarketError, OrRule};
use crate::event::{FaultSlashed, JobEnded, LeaseEnded};
use crate::staking_cpi::{self, Signing, SlashAccounts};
use crate::state::{Config, Job, Lease, Provider, Purse};
use crate::token;

/// Accounts of `fail_start` and `abandon`.
#[event_cpi]
#[derive(Accounts)]
pub struct FaultedLease<'info> {
    /// Anybody after the start deadline; the node key at any time before ready, and for `abandon`.
    pub caller: Signer<'info>,
    /// Bump of the signing PDA, insurance account.
    #[account(has_one = insurance @ MarketError::WrongTokenAccount)]
    pub config: AccountLoader<'info, Config>,
    /// Its reputation falls.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Takes the reservation back, excludes the provider.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Gets the slash.
    #[account(mut, has_one = vault @ MarketError::WrongTokenAccount)]
    pub purse: AccountLoader<'info, Purse>,
    /// The purse's vault.
    #[account(mut)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Written.
    #[account(
        mut,
        has_one = provider @ MarketError::Unrelated, has_one = job @ MarketError::Unrelated,
        has_one = purse @ MarketError::Unrelated, has_one = bond @ MarketError::WrongBond,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// CHECK: the PDA that signs for stake; a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// CHECK: the staking program checks it.
    pub staking_config: UncheckedAccount<'info>,
    /// CHECK: the bond that the lease records.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// CHECK: the lease's reservation; that it is this lease's is checked below, the rest by the staking program.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// CHECK: the bond's token account; the staking program checks it.
    #[account(mut)]
    pub bond_vault: UncheckedAccount<'info>,
    /// The insurance fund.
    #[account(mut)]
    pub insurance: Box<Account<'info, TokenAccount>>,
    /// CHECK: the staking program.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// CHECK: the PDA by which the staking program signs its events; it checks it.
    pub staking_events: UncheckedAccount<'info>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
}

/// A lease that is not ready at its deadline, or that its node gives up before, shall fail: one per cent of the stake
/// reserved for it goes to the buyer, its reservation back to the job, which turns to the runner-up while attempts remain;
/// the provider is excluded from this job. On a lease that is not starting, nothing changes.
pub fn fail_start(ctx: Context<FaultedLease>) -> Result<()> {
    let now = now()?;
    let caller = ctx.accounts.caller.key();
    let (lease_key, job_key, purse_key) = (ctx.accounts.lease.key(), ctx.accounts.job.key(), ctx.accounts.purse.key());
    let (slash, lease_ended, job_ended) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules()?;
        if next.state != LeaseState::Starting {
            return Ok(()); // stale
        }
        let mut provider = ctx.accounts.provider.load_mut()?;
        let back = next.fail_start(caller == provider.node_key, now).or_rule()?;
        let slash = slash_for(Fault::NoStart, Atoms(lease.stake), PricePerHour(lease.price)).or_rule()?;
        let mut job = ctx.accounts.job.load_mut()?;
        let mut next_job = job.rules()?;
        let refunded = next_job.on_no_start(back, now.ts).or_rule()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut amounts = purse.amounts();
        amounts.release(refunded).or_rule()?;
        compensate(&mut purse, &mut amounts, slash.victim)?;
        let mut history = provider.reputation();
        history.on_fault();

        lease.set_rules(&next)?;
        job.set_rules(&next_job, now);
        job.exclude(&ctx.accounts.provider.key());
        purse.set_amounts(amounts)?;
        provider.set_reputation(&history);
        let reason = EndReason::NoStart as u8;
        let lease_ended = LeaseEnded {
            lease: lease_key,
            job: job_key,
            reason,
            exit_code: None,
            gross: 0,
            refunded: back.0,
            result_hash: [0; 32],
            log_hash: [0; 32],
        };
        let ended = next_job.state == JobState::Ended;
        (slash, lease_ended, ended.then_some(JobEnded { job: job_key, purse: purse_key, reason, refunded: refunded.0 }))
    };
    emit_cpi!(lease_ended);
    if let Some(job_ended) = job_ended {
        emit_cpi!(job_ended);
    }
    take_stake(ctx, EndReason::NoStart, &slash)
}

/// A node that leaves a running lease without notice shall lose ten per cent of the stake reserved for it, to the buyer
/// first; it is paid to this moment and not a minute more.
pub fn abandon(ctx: Context<FaultedLease>, outcome: Outcome) -> Result<()> {
    let now = now()?;
    let caller = ctx.accounts.caller.key();
    let keys = (ctx.accounts.lease.key(), ctx.accounts.job.key(), ctx.accounts.purse.key());
    let (slash, lease_ended, job_ended) = {
        let mut provider = ctx.accounts.provider.load_mut()?;
        require_keys_eq!(caller, provider.node_key, MarketError::NotNodeKey);
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut job = ctx.accounts.job.load_mut()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut next = lease.rules()?;
        let back = next.finish(EndReason::Abandoned, now).or_rule()?;
        let slash = slash_for(Fault::Abandoned, Atoms(lease.stake), PricePerHour(lease.price)).or_rule()?;
        let (lease_ended, job_ended) = write_end(keys, &mut lease, &mut job, &mut purse, &next, back, &outcome, now)?;
        let mut amounts = purse.amounts();
        compensate(&mut purse, &mut amounts, slash.victim)?;
        purse.set_amounts(amounts)?;
        let mut history = provider.reputation();
        history.on_fault();
        provider.set_reputation(&history);
        (slash, lease_ended, job_ended)
    };
    emit_cpi!(lease_ended);
    emit_cpi!(job_ended);
    take_stake(ctx, EndReason::Abandoned, &slash)
}

fn compensate(purse: &mut Purse, amounts: &mut gridlease_core::purse::Purse, victim: Atoms) -> Result<()> {
    if !victim.is_zero() {
        amounts.deposit(victim).or_rule()?;
        purse.compensated = purse.compensated.saturating_add(victim.0);
    }
    Ok(())
}

fn take_stake(ctx: Context<FaultedLease>, reason: EndReason, slash: &SlashSplit) -> Result<()> {
    emit_cpi!(FaultSlashed {
        lease: ctx.accounts.lease.key(),
        provider: ctx.accounts.provider.key(),
        reason: reason as u8,
        victim: slash.victim.0,
        insurance: slash.insurance.0,
    });
    let accounts = ctx.accounts;
    let bump = accounts.config.load()?.authority_bump;
    staking_cpi::check_reservation(&accounts.reservation, &accounts.lease.key())?;
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
