//! A provider changes the account that it is paid to, 48 hours after it said so; and closes its record.

use anchor_lang::prelude::*;
use gridlease_core::payout as rules;
use gridlease_core::{RuleError, UnixTs};
use program_common::clock::now;
use program_common::names;
use program_common::{require, require_keys_eq};

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{PayoutChanged, PayoutProposed, ProviderClosed};
use crate::payout;
use crate::staking_cpi::has_delegators;
use crate::state::{Config, Provider};
use program_common::raw_token::TokenAccount;

/// Accounts of `propose_payout`.
#[event_cpi]
#[derive(Accounts)]
pub struct ProposePayout<'info> {
    /// Cold key.
    pub authority: Signer<'info>,
    /// Names the mint.
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = authority, has_one = bond))]
    #[account(mut, constraint = names!(provider: Provider, authority) @ MarketError::NotAuthority, constraint = names!(provider: Provider, bond) @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The account proposed; of the market's mint, not frozen (checked below).
    pub payout: Box<Account<'info, TokenAccount>>,
    /// The provider's bond: where it has delegators, the change waits longer.
    /// CHECK: it is the one that the provider's record names; it need not be open.
    pub bond: UncheckedAccount<'info>,
}

/// Accounts of `cancel_payout`.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelPayout<'info> {
    /// Cold key.
    pub authority: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = authority))]
    #[account(mut, constraint = names!(provider: Provider, authority) @ MarketError::NotAuthority)]
    pub provider: AccountLoader<'info, Provider>,
}

/// Accounts of `apply_payout`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct ApplyPayout<'info> {
    /// Names the mint.
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = bond))]
    #[account(mut, constraint = names!(provider: Provider, bond) @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// The account that was proposed; still of the market's mint and not frozen (checked below).
    pub payout: Box<Account<'info, TokenAccount>>,
    /// The provider's bond: where it has delegators by now, the change waits longer.
    /// CHECK: it is the one that the provider's record names; it need not be open.
    pub bond: UncheckedAccount<'info>,
}

/// Accounts of `close_provider`.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseProvider<'info> {
    /// Cold key; paid the rent and gets it back.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = authority))]
    #[account(mut, constraint = names!(provider: Provider, authority) @ MarketError::NotAuthority)]
    pub provider: AccountLoader<'info, Provider>,
}

/// The cold key shall propose a payout account, which may take effect 48 hours later: time to notice a stolen key; nine days
/// later where the provider's bond has delegators, who need seven to leave. Another proposal replaces the first and waits anew.
pub fn propose_payout(ctx: Context<ProposePayout>) -> Result<()> {
    payout::check(&ctx.accounts.payout, &ctx.accounts.config.load()?.usdc_mint)?;
    let now = now()?.ts;
    let due = rules::due(now, has_delegators(&ctx.accounts.bond)).or_rule()?;
    let payout = ctx.accounts.payout.key();
    {
        let mut provider = ctx.accounts.provider.load_mut()?;
        provider.pending_payout = payout;
        set_proposed(&mut provider, now, due);
    }
    tell(
        &ctx.accounts.event_authority,
        &PayoutProposed { provider: ctx.accounts.provider.key(), payout, apply_ts: due.0 },
    )?;
    Ok(())
}

/// The cold key shall be able to take its proposal back.
pub fn cancel_payout(ctx: Context<CancelPayout>) -> Result<()> {
    {
        let mut provider = ctx.accounts.provider.load_mut()?;
        require!(provider.pending_payout != Pubkey::default(), MarketError::NoPendingPayout);
        provider.pending_payout = Pubkey::default();
        set_proposed(&mut provider, UnixTs::ZERO, UnixTs::ZERO);
    }
    tell(
        &ctx.accounts.event_authority,
        &PayoutProposed { provider: ctx.accounts.provider.key(), payout: Pubkey::default(), apply_ts: 0 },
    )?;
    Ok(())
}

/// Anybody shall be able to let a proposed payout account take effect once its time has come; leases that are open keep the
/// account that they recorded. Without a proposal nothing changes.
pub fn apply_payout(ctx: Context<ApplyPayout>) -> Result<()> {
    let now = now()?.ts;
    let payout = ctx.accounts.payout.key();
    {
        let mut provider = ctx.accounts.provider.load_mut()?;
        if provider.pending_payout == Pubkey::default() {
            return Ok(()); // stale: somebody was faster, or it was taken back
        }
        require_keys_eq!(payout, provider.pending_payout, MarketError::WrongTokenAccount);
        let proposed = UnixTs(provider.pending_payout_ts);
        rules::check_apply(proposed, has_delegators(&ctx.accounts.bond), now).or_rule()?;
        payout::check(&ctx.accounts.payout, &ctx.accounts.config.load()?.usdc_mint)?;
        provider.payout = payout;
        provider.pending_payout = Pubkey::default();
        set_proposed(&mut provider, UnixTs::ZERO, UnixTs::ZERO);
    }
    tell(&ctx.accounts.event_authority, &PayoutChanged { provider: ctx.accounts.provider.key(), payout })?;
    Ok(())
}

/// A provider without offers, machines and leases shall be closed by its cold key, which gets the rent back. Its history goes with it:
/// it comes back as a newcomer, which any key can be.
pub fn close_provider(ctx: Context<CloseProvider>) -> Result<()> {
    {
        let provider = ctx.accounts.provider.load()?;
        if provider.offers != 0 || provider.machines != 0 {
            return Err(rule(RuleError::NotEmpty));
        }
        if provider.leases != 0 {
            return Err(rule(RuleError::StillLeased));
        }
    }
    tell(&ctx.accounts.event_authority, &ProviderClosed { provider: ctx.accounts.provider.key() })?;
    ctx.accounts.provider.close(ctx.accounts.authority.to_account_info())
}

fn set_proposed(provider: &mut Provider, proposed: UnixTs, due: UnixTs) {
    provider.pending_payout_ts = proposed.0;
    provider.header.due_ts = due.0;
}
