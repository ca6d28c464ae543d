//! Opens a buyer's purse.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use gridlease_core::job_number;
use program_common::clock::now;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::PurseOpened;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Config, Header, Purse, shard_of};
use market_interface::seed::{PURSE_SEED, VAULT_SEED};

/// Accounts of `open_purse`.
#[event_cpi]
#[derive(Accounts)]
pub struct OpenPurse<'info> {
    /// Owns the purse.
    pub owner: Signer<'info>,
    /// Pays the rent; it goes to the owner when the purse is closed.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Names the mint.
    pub config: AccountLoader<'info, Config>,
    /// Must not exist yet.
    #[account(init, payer = payer, space = 8 + core::mem::size_of::<Purse>(), seeds = [PURSE_SEED, owner.key().as_ref()], bump)]
    pub purse: AccountLoader<'info, Purse>,
    /// Created here, owned by the purse.
    #[account(init, payer = payer, seeds = [VAULT_SEED, purse.key().as_ref()], bump, token::mint = usdc_mint, token::authority = purse)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The market's mint.
    #[account(address = config.load()?.usdc_mint @ MarketError::WrongMint)]
    pub usdc_mint: Box<Account<'info, Mint>>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

/// A buyer shall have one purse, with a vault that only the purse can move. The numbers of its jobs begin with those of the
/// present slot: above all that a purse of this owner that was closed has used.
pub fn open_purse(ctx: Context<OpenPurse>) -> Result<()> {
    let key = ctx.accounts.purse.key();
    let owner = ctx.accounts.owner.key();
    {
        let mut purse = ctx.accounts.purse.load_init()?;
        purse.header =
            Header { version: ACCOUNT_VERSION, shard: shard_of(&key), bump: ctx.bumps.purse, ..Header::default() };
        purse.owner = owner;
        purse.vault = ctx.accounts.vault.key();
        purse.vault_bump = ctx.bumps.vault;
        purse.last_job = job_number::first(now()?.slot).or_rule()?;
    }
    tell(&ctx.accounts.event_authority, &PurseOpened { purse: key, owner })?;
    Ok(())
}
