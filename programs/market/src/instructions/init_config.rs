//! Writes the market's configuration, once.

use anchor_lang::prelude::*;
use anchor_spl::token::Mint;
use gridlease_core::governance::{Caps, Parameters};
use program_common::require;

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::MarketConfigured;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Config, Header};
use crate::{deployer, payout};
use gridlease_core::limits::USDC_DECIMALS;
use market_interface::seed::{AUTHORITY_SEED, CONFIG_SEED};
use program_common::raw_token::TokenAccount;

/// Accounts of `init_config`.
#[event_cpi]
#[derive(Accounts)]
pub struct InitConfig<'info> {
    /// The program's upgrade authority; becomes the admin and pays the rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    /// Must not exist yet.
    #[account(init, payer = admin, space = 8 + core::mem::size_of::<Config>(), seeds = [CONFIG_SEED], bump)]
    pub config: AccountLoader<'info, Config>,
    /// The PDA by which the market will sign for stake.
    /// CHECK: an address without an account; only its bump is of interest.
    #[account(seeds = [AUTHORITY_SEED], bump)]
    pub authority: UncheckedAccount<'info>,
    /// Classic SPL Token (the type checks the owner), 6 decimals (checked below).
    pub usdc_mint: Box<Account<'info, Mint>>,
    /// Of that mint (checked below).
    pub treasury: Box<Account<'info, TokenAccount>>,
    /// The program's data, which names its upgrade authority.
    /// CHECK: see [`deployer::check`].
    pub program_data: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Only the program's upgrade authority shall write the configuration, and only once. The market shall take one classic SPL
/// Token mint with 6 decimals, and pay its fees to an account of that mint and to the insurance fund that the staking program names.
/// Fee, slot length and caps start at their genesis values.
pub fn init_config(ctx: Context<InitConfig>) -> Result<()> {
    let admin = ctx.accounts.admin.key();
    deployer::check(&ctx.accounts.program.to_account_info(), &ctx.accounts.program_data, &admin)?;
    let mint = ctx.accounts.usdc_mint.key();
    require!(ctx.accounts.usdc_mint.decimals == USDC_DECIMALS, MarketError::WrongMint);
    payout::check(&ctx.accounts.treasury, &mint)?;
    let (genesis, caps) = (Parameters::GENESIS, Caps::GENESIS);

    let event = {
        let mut config = ctx.accounts.config.load_init()?;
        config.header = Header { version: ACCOUNT_VERSION, bump: ctx.bumps.config, ..Header::default() };
        config.admin = admin;
        config.usdc_mint = mint;
        config.treasury = ctx.accounts.treasury.key();
        config.slot_ms = genesis.slot_ms;
        config.fee_bps = genesis.fee.0;
        config.purse_cap = caps.purse.0;
        config.job_cap = caps.job.0;
        config.authority_bump = ctx.bumps.authority;
        MarketConfigured {
            admin,
            usdc_mint: mint,
            treasury: config.treasury,
            fee_bps: config.fee_bps,
            slot_ms: config.slot_ms,
            purse_cap: config.purse_cap,
            job_cap: config.job_cap,
        }
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}
