//! `open_pool` and `change_pool`: an operator opens its bond to delegators, and sets the terms.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use gridlease_core::delegation::check_minimum;
use gridlease_core::revenue::Commission;
use gridlease_core::{Atoms, Bps};
use program_common::clock::now;
use program_common::{require, require_keys_eq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::{PoolChanged, PoolOpened, RevenueDistributed};
use crate::state::{Bond, Config};
use crate::token;
use staking_interface::seed::REVENUE_SEED;

/// Opens the signer's bond to delegators: makes its revenue vault, and sets the terms.
///
/// - Only the bond's authority shall open its pool, once.
/// - The revenue vault shall be a new token account of the configured mint, owned by the bond, at its derived address. A
///   provider that names it as its payout account shares what it earns; everything that arrives in it is revenue.
/// - The commission shall be 30 per cent at most; the least delegation at least one USDC and at most a million.
/// - The payout account, for the operator's part, shall be of the configured mint and neither of the bond's vaults.
#[event_cpi]
#[derive(Accounts)]
pub struct OpenPool<'info> {
    /// The bond's authority.
    pub authority: Signer<'info>,
    /// Pays the rent; it goes to the cold key when the bond is closed.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The revenue vault, new.
    #[account(
        init,
        payer = payer,
        seeds = [REVENUE_SEED, bond.key().as_ref()],
        bump,
        token::mint = usdc_mint,
        token::authority = bond,
        token::token_program = token_program
    )]
    pub revenue: Box<Account<'info, TokenAccount>>,
    /// Token account that the operator's part of the revenue goes to.
    pub payout: Box<Account<'info, TokenAccount>>,
    /// The configured mint.
    pub usdc_mint: Box<Account<'info, Mint>>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl OpenPool<'_> {
    fn validate(&self) -> Result<()> {
        let config = self.config.load()?;
        config.header.check()?;
        let bond = self.bond.load()?;
        bond.header.check()?;
        require_keys_eq!(self.authority.key(), bond.authority, StakingError::WrongAuthority);
        // revenue: new, at its derived address; so the pool was not open.
        require_keys_eq!(self.usdc_mint.key(), config.usdc_mint, StakingError::WrongMint);
        require_keys_eq!(self.payout.mint, config.usdc_mint, StakingError::WrongMint);
        let outside = self.payout.key() != bond.vault && self.payout.key() != self.revenue.key();
        require!(outside, StakingError::WrongDestination);
        // token_program, system_program: checked by their types.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, commission: u16, min_delegation: u64, kin_least: u64) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate()?;
        check_minimum(Atoms(min_delegation)).or_rule()?;
        check_minimum(Atoms(kin_least)).or_rule()?;
        let terms = Commission::new(Bps(commission)).or_rule()?;
        let opened = PoolOpened {
            bond: accounts.bond.key(),
            revenue: accounts.revenue.key(),
            payout: accounts.payout.key(),
            commission,
            min_delegation,
            kin_least,
        };
        {
            let mut bond = accounts.bond.load_mut()?;
            bond.revenue = opened.revenue;
            bond.revenue_bump = ctx.bumps.revenue;
            bond.payout = opened.payout;
            bond.min_delegation = min_delegation;
            bond.kin_least = kin_least;
            bond.set_commission(&terms);
        }
        tell(&ctx.accounts.event_authority, &opened)?;
        Ok(())
    }
}

/// Changes the terms of the signer's pool.
///
/// - Only the bond's authority shall change them. Each shall be within its bounds, as when the pool was opened.
/// - A lower commission shall hold at once, a higher one three days later; either takes the place of one that was
///   announced. The same again shall not put it off. What arrived before shall be divided by the terms that held.
/// - The least delegation shall hold for what is added from now on; the least that makes kin for each delegation from its next
///   step on, which anyone can take (`activate`).
/// - The payout account shall hold at once.
#[event_cpi]
#[derive(Accounts)]
pub struct ChangePool<'info> {
    /// The bond's authority.
    pub authority: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's revenue vault.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
    /// Token account that the operator's part of the revenue goes to from now on.
    pub payout: Box<Account<'info, TokenAccount>>,
}

impl ChangePool<'_> {
    fn validate(&self) -> Result<()> {
        let config = self.config.load()?;
        config.header.check()?;
        let bond = self.bond.load()?;
        bond.header.check()?;
        require_keys_eq!(self.authority.key(), bond.authority, StakingError::WrongAuthority);
        require!(bond.has_pool(), StakingError::PoolClosed);
        // revenue: checked where it is read.
        require_keys_eq!(self.payout.mint, config.usdc_mint, StakingError::WrongMint);
        let outside = self.payout.key() != bond.vault && self.payout.key() != bond.revenue;
        require!(outside, StakingError::WrongDestination);
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, commission: u16, min_delegation: u64, kin_least: u64) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate()?;
        check_minimum(Atoms(min_delegation)).or_rule()?;
        check_minimum(Atoms(kin_least)).or_rule()?;
        let now = now()?.ts;
        let (distributed, changed) = {
            let mut bond = accounts.bond.load_mut()?;
            let mut terms = bond.commission();
            terms.set(Bps(commission), now).or_rule()?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let parts = bond.distribute(arrived, now).or_rule()?;
            bond.set_commission(&terms);
            bond.min_delegation = min_delegation;
            bond.kin_least = kin_least;
            bond.payout = accounts.payout.key();
            let changed = PoolChanged {
                bond: accounts.bond.key(),
                payout: bond.payout,
                commission: bond.commission,
                next_commission: bond.next_commission,
                commission_from: bond.commission_from,
                min_delegation,
                kin_least,
            };
            (RevenueDistributed::of(accounts.bond.key(), &bond, &parts), changed)
        };
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &changed)?;
        Ok(())
    }
}
