//! Changes of the configuration: proposed by the admin, executed by anybody 48 hours later, or taken back.

use anchor_lang::prelude::*;
use gridlease_core::governance::{self, Caps, Parameters};
use gridlease_core::{Atoms, Bps, UnixTs};
use program_common::clock::now;
use program_common::names;
use program_common::{require, require_keys_eq};

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{CapsLowered, ChangeCancelled, ChangeExecuted, ChangeProposed};
use crate::payout;
use crate::state::Config;
use program_common::raw_token::TokenAccount;

/// What a proposal sets, besides the treasury, which is an account. It names every field: what stays as it is is
/// repeated, so that a reader of the proposal sees all of it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct ChangeArgs {
    /// Authority of the verification program; zero for none.
    pub verifier: Pubkey,
    /// Milliseconds that one slot is billed at most.
    pub slot_ms: u32,
    /// Fee in basis points.
    pub fee_bps: u16,
    /// The most that a purse may hold, in atoms.
    pub purse_cap: u64,
    /// The most that a job or an array may reserve, in atoms.
    pub job_cap: u64,
}

impl ChangeArgs {
    fn check(&self) -> Result<()> {
        Parameters { fee: Bps(self.fee_bps), slot_ms: self.slot_ms }.check().or_rule()?;
        caps(self.purse_cap, self.job_cap).check().or_rule()
    }
}

/// The caps that the market asks for; that of bonds is the staking program's.
fn caps(purse: u64, job: u64) -> Caps {
    Caps { purse: Atoms(purse), job: Atoms(job), ..Caps::GENESIS }
}

/// Accounts of `propose_change`.
#[event_cpi]
#[derive(Accounts)]
pub struct ProposeChange<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = admin))]
    #[account(mut, constraint = names!(config: Config, admin) @ MarketError::NotAdmin)]
    pub config: AccountLoader<'info, Config>,
    /// The treasury after the change; of the market's mint, not frozen (checked below).
    pub treasury: Box<Account<'info, TokenAccount>>,
}

/// Accounts of `cancel_change`.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelChange<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = admin))]
    #[account(mut, constraint = names!(config: Config, admin) @ MarketError::NotAdmin)]
    pub config: AccountLoader<'info, Config>,
}

/// Accounts of `execute_change`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ExecuteChange<'info> {
    /// Written.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
    /// The treasury that was proposed; still of the market's mint and not frozen (checked below).
    pub treasury: Box<Account<'info, TokenAccount>>,
}

/// The admin shall propose one change at a time, inside the bounds of the code; it shall be told at once and wait 48 hours.
/// One that lapsed counts as none.
pub fn propose_change(ctx: Context<ProposeChange>, args: ChangeArgs) -> Result<()> {
    let now = now()?.ts;
    args.check()?;
    let event = {
        let mut config = ctx.accounts.config.load_mut()?;
        require!(!governance::stands(UnixTs(config.next_ts), now), MarketError::ProposalPending);
        payout::check(&ctx.accounts.treasury, &config.usdc_mint)?;
        let due = governance::due(now).or_rule()?;
        config.next_treasury = ctx.accounts.treasury.key();
        config.next_verifier = args.verifier;
        config.next_slot_ms = args.slot_ms;
        config.next_fee_bps = args.fee_bps;
        config.next_purse_cap = args.purse_cap;
        config.next_job_cap = args.job_cap;
        config.next_ts = due.0;
        config.header.due_ts = due.0;
        config.proposals = config.proposals.saturating_add(1);
        ChangeProposed {
            number: config.proposals,
            treasury: config.next_treasury,
            verifier: args.verifier,
            fee_bps: args.fee_bps,
            slot_ms: args.slot_ms,
            purse_cap: args.purse_cap,
            job_cap: args.job_cap,
            execute_ts: due.0,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// The admin shall be able to take a proposal back at any time.
pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
    let number = {
        let mut config = ctx.accounts.config.load_mut()?;
        require!(config.next_ts != 0, MarketError::NoProposal);
        clear_proposal(&mut config);
        config.proposals
    };
    tell(&ctx.accounts.event_authority, &ChangeCancelled { number })?;
    Ok(())
}

/// Anybody shall be able to execute a proposal once its time has come and until it lapses; what it sets shall still be
/// inside the bounds. Without a proposal nothing changes. Leases that are open keep what they were opened with.
pub fn execute_change(ctx: Context<ExecuteChange>) -> Result<()> {
    let now = now()?.ts;
    let event = {
        let mut config = ctx.accounts.config.load_mut()?;
        if config.next_ts == 0 {
            return Ok(()); // stale: somebody was faster, or it was taken back
        }
        governance::check_execute(UnixTs(config.next_ts), now).or_rule()?;
        let next = ChangeArgs {
            verifier: config.next_verifier,
            slot_ms: config.next_slot_ms,
            fee_bps: config.next_fee_bps,
            purse_cap: config.next_purse_cap,
            job_cap: config.next_job_cap,
        };
        next.check()?;
        require_keys_eq!(ctx.accounts.treasury.key(), config.next_treasury, MarketError::WrongTokenAccount);
        payout::check(&ctx.accounts.treasury, &config.usdc_mint)?;
        config.treasury = config.next_treasury;
        config.verifier = next.verifier;
        config.slot_ms = next.slot_ms;
        config.fee_bps = next.fee_bps;
        config.purse_cap = next.purse_cap;
        config.job_cap = next.job_cap;
        clear_proposal(&mut config);
        ChangeExecuted {
            number: config.proposals,
            treasury: config.treasury,
            verifier: config.verifier,
            fee_bps: config.fee_bps,
            slot_ms: config.slot_ms,
            purse_cap: config.purse_cap,
            job_cap: config.job_cap,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// Accounts of `lower_caps`.
#[event_cpi]
#[derive(Accounts)]
pub struct LowerCaps<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = admin))]
    #[account(mut, constraint = names!(config: Config, admin) @ MarketError::NotAdmin)]
    pub config: AccountLoader<'info, Config>,
}

/// The admin shall be able to lower the caps at once, without a proposal: it takes nothing from anyone, and what is above a cap
/// stays. To raise one it shall propose a change.
pub fn lower_caps(ctx: Context<LowerCaps>, purse_cap: u64, job_cap: u64) -> Result<()> {
    let next = caps(purse_cap, job_cap);
    {
        let mut config = ctx.accounts.config.load_mut()?;
        config.caps().lower_to(&next).or_rule()?;
        config.purse_cap = purse_cap;
        config.job_cap = job_cap;
    }
    tell(&ctx.accounts.event_authority, &CapsLowered { purse_cap, job_cap })?;
    Ok(())
}

fn clear_proposal(config: &mut Config) {
    config.next_treasury = Pubkey::default();
    config.next_verifier = Pubkey::default();
    config.next_slot_ms = 0;
    config.next_fee_bps = 0;
    config.next_purse_cap = 0;
    config.next_job_cap = 0;
    config.next_ts = 0;
    config.header.due_ts = 0;
}
