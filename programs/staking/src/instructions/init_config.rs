//! `init_config`.

use anchor_lang::prelude::*;
use anchor_spl::token::Mint;
use program_common::{require, require_keys_eq, require_keys_neq};

use crate::constants::{FINAL_LOADERS, UPGRADEABLE_LOADER};
use crate::emit::tell;
use crate::error::StakingError;
use crate::event::ConfigWritten;
use crate::state::MAX_SLASHERS;
use crate::state::{Config, Header};
use gridlease_core::limits::{BOND_CAP, USDC_DECIMALS};
use program_common::raw_token::TokenAccount;
use staking_interface::seed::CONFIG_SEED;

/// Writes the configuration, once.
///
/// - Only the program's upgrade authority shall do so, and become the admin: whoever deployed the program configures
///   it, and nobody can come first. A program that nobody can upgrade any more (its authority was given up, or it is
///   under a loader without upgrades) has nobody to ask for; then the first caller becomes the admin. So a deployment
///   configures first and gives its upgrade authority up after.
/// - The mint shall be a classic SPL Token mint with 6 decimals; a Token-2022 mint shall be refused.
/// - The insurance account shall be a classic SPL Token account of that mint.
/// - `slasher`, the PDA by which the market signs, shall not be zero, and shall be the only slasher.
/// - A second call shall fail and change nothing.
#[event_cpi]
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
    /// This program's data, which says who may upgrade it.
    /// CHECK: it is the one at the address that the loader derives from the program's.
    pub program_data: UncheckedAccount<'info>,
}

impl InitConfig<'_> {
    fn validate(&self, slasher: &Pubkey) -> Result<()> {
        // admin: checked against the program's data, below.
        // config: new, at its derived address.
        require!(self.usdc_mint.decimals == USDC_DECIMALS, StakingError::WrongMint);
        require_keys_eq!(self.insurance.mint, self.usdc_mint.key(), StakingError::WrongInsurance);
        // system_program: checked by its type.
        if let Some(authority) = self.upgrade_authority()? {
            require_keys_eq!(self.admin.key(), authority, StakingError::NotUpgradeAuthority);
        }
        require_keys_neq!(*slasher, Pubkey::default(), StakingError::ZeroKey);
        Ok(())
    }

    /// Who may upgrade this program; nobody where it is final.
    fn upgrade_authority(&self) -> Result<Option<Pubkey>> {
        /// The loader's tag of a program's data (u32), the slot (u64), and whether an authority follows (u8).
        const TAG: &[u8] = &[3, 0, 0, 0];
        const AUTHORITY: usize = 12;
        require_keys_eq!(self.program.key(), crate::ID, StakingError::WrongProgramData);
        if FINAL_LOADERS.contains(self.program.owner) {
            return Ok(None);
        }
        require_keys_eq!(*self.program.owner, UPGRADEABLE_LOADER, StakingError::WrongProgramData);
        let (expected, _) = Pubkey::find_program_address(&[crate::ID.as_ref()], &UPGRADEABLE_LOADER);
        require_keys_eq!(self.program_data.key(), expected, StakingError::WrongProgramData);
        let data = self.program_data.try_borrow_data()?;
        require!(data.starts_with(TAG), StakingError::WrongProgramData);
        match data.get(AUTHORITY) {
            Some(0) => Ok(None),
            Some(1) => {
                let key = data.get(AUTHORITY + 1..).and_then(|rest| rest.first_chunk::<32>());
                let key = Pubkey::new_from_array(*key.ok_or(StakingError::WrongProgramData)?);
                // Nobody signs for the zero key, the System program's: it is nobody, too.
                Ok(Some(key).filter(|key| *key != Pubkey::default()))
            }
            _ => Err(StakingError::WrongProgramData.into()),
        }
    }

    pub(crate) fn handle(ctx: Context<Self>, slasher: Pubkey) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate(&slasher)?;
        let mut slashers = [Pubkey::default(); MAX_SLASHERS];
        let [first, ..] = &mut slashers;
        *first = slasher;
        let written = ConfigWritten {
            admin: accounts.admin.key(),
            insurance: accounts.insurance.key(),
            slashers,
            bond_cap: BOND_CAP.0,
        };
        {
            // The account is new and all zero: what is not set here starts at zero.
            let mut config = accounts.config.load_init()?;
            config.header = Header::new(&accounts.config.key(), ctx.bumps.config);
            config.admin = written.admin;
            config.usdc_mint = accounts.usdc_mint.key();
            config.insurance = written.insurance;
            config.slashers = slashers;
            config.bond_cap = written.bond_cap;
        }
        tell(&ctx.accounts.event_authority, &written)?;
        Ok(())
    }
}
