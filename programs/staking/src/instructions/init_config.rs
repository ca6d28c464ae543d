//! `init_config`.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, TokenAccount};

use crate::constants::{CONFIG_SEED, MAX_SLASHERS, USDC_DECIMALS};
use crate::error::StakingError;
use crate::state::{Config, Header};

/// Writes the configuration, once.
///
/// - The first caller shall become the admin. A deployment calls this right after the program is deployed; binding it
///   to the program's upgrade authority is left to a later version.
/// - The mint shall be a classic SPL Token mint with 6 decimals; a Token-2022 mint shall be refused.
/// - The insurance account shall be a classic SPL Token account of that mint.
/// - `slasher`, the PDA by which the market signs, shall not be zero, and shall be the only slasher.
/// - A second call shall fail and change nothing.
#[derive(Accounts)]
pub struct InitConfig<'info> {
    /// Pays the rent and becomes the admin.
    #[account(mut)]
    pub admin: Signer<'info>,
    /// The configuration, new.
    #[account(init, payer = admin, space = Config::SPACE, seeds = [CONFIG_SEED], bump)]
    pub config: AccountLoader<'info, Config>,
    /// The USDC mint, owned by the classic SPL Token program.
    pub usdc_mint: Box<Account<'info, Mint>>,
    /// Gets the insurance part of every slash.
    pub insurance: Box<Account<'info, TokenAccount>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl InitConfig<'_> {
    fn validate(&self, slasher: &Pubkey) -> Result<()> {
        // admin: whoever comes first.
        // config: new, at its derived address.
        require!(self.usdc_mint.decimals == USDC_DECIMALS, StakingError::WrongMint);
        require_keys_eq!(self.insurance.mint, self.usdc_mint.key(), StakingError::WrongInsurance);
        // system_program: checked by its type.
        require_keys_neq!(*slasher, Pubkey::default(), StakingError::ZeroKey);
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, slasher: Pubkey) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(&slasher)?;
        let mut slashers = [Pubkey::default(); MAX_SLASHERS];
        let [first, ..] = &mut slashers;
        *first = slasher;
        *accounts.config.load_init()? = Config {
            header: Header::new(&accounts.config.key(), ctx.bumps.config),
            admin: accounts.admin.key(),
            pending_admin: Pubkey::default(),
            usdc_mint: accounts.usdc_mint.key(),
            insurance: accounts.insurance.key(),
            slashers,
            reserved_space: [0; 128],
        };
        Ok(())
    }
}
