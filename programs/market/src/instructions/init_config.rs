//! Writes the market's configuration, once.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, TokenAccount};
use gridlease_core::limits::{FEE_BPS, SLOT_MS};

use crate::constants::{ACCOUNT_VERSION, AUTHORITY_SEED, CONFIG_SEED, USDC_DECIMALS};
use crate::error::MarketError;
use crate::state::{Config, Header};
use crate::token::check_mint;

/// Accounts of `init_config`.
#[derive(Accounts)]
pub struct InitConfig<'info> {
    /// Becomes the admin; pays the rent. The deployment calls this in the transaction that follows the deploy; binding
    /// it to the program's upgrade authority belongs to the governance issue.
    #[account(mut)]
    pub admin: Signer<'info>,
    /// Must not exist yet.
    #[account(init, payer = admin, space = 8 + core::mem::size_of::<Config>(), seeds = [CONFIG_SEED], bump)]
    pub config: AccountLoader<'info, Config>,
    /// CHECK: an address without an account; only its bump is of interest.
    #[account(seeds = [AUTHORITY_SEED], bump)]
    pub authority: UncheckedAccount<'info>,
    /// Classic SPL Token (the type checks the owner), 6 decimals (checked below).
    pub usdc_mint: Box<Account<'info, Mint>>,
    /// Of that mint (checked below).
    pub treasury: Box<Account<'info, TokenAccount>>,
    /// Of that mint (checked below).
    pub insurance: Box<Account<'info, TokenAccount>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// The market shall take one classic SPL Token mint with 6 decimals, and pay its fees to two accounts of that mint.
/// Fee and slot length start at their genesis values.
pub fn init_config(ctx: Context<InitConfig>) -> Result<()> {
    let mint = ctx.accounts.usdc_mint.key();
    require!(ctx.accounts.usdc_mint.decimals == USDC_DECIMALS, MarketError::WrongMint);
    check_mint(&ctx.accounts.treasury, &mint)?;
    check_mint(&ctx.accounts.insurance, &mint)?;

    let mut config = ctx.accounts.config.load_init()?;
    config.header = Header { version: ACCOUNT_VERSION, bump: ctx.bumps.config, ..Header::default() };
    config.admin = ctx.accounts.admin.key();
    config.usdc_mint = mint;
    config.treasury = ctx.accounts.treasury.key();
    config.insurance = ctx.accounts.insurance.key();
    config.slot_ms = SLOT_MS;
    config.fee_bps = FEE_BPS.0;
    config.authority_bump = ctx.bumps.authority;
    Ok(())
}
