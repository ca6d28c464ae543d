//! `open_bond`.

use anchor_lang::prelude::*;
use anchor_lang::system_program::{self, Transfer};
use anchor_spl::token::{Mint, Token, TokenAccount};
use program_common::require_keys_eq;

use crate::checks::Checked as _;
use crate::constants::SPARE_LAMPORTS;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::BondOpened;
use crate::state::{Bond, Config, Header};
use staking_interface::seed::{BOND_SEED, VAULT_SEED};

/// Opens the signer's bond, empty.
///
/// - There shall be one bond per authority; a second call shall fail and change nothing.
/// - The vault shall be a new token account of the configured mint, owned by the bond, at its derived address.
/// - The payer shall pay the rent of both, and the bond's spare lamports, one of which each reservation borrows.
#[event_cpi]
#[derive(Accounts)]
pub struct OpenBond<'info> {
    /// The provider's cold key.
    pub authority: Signer<'info>,
    /// Pays the rent; it goes to the cold key when the bond is closed.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond, new.
    #[account(init, payer = payer, space = Bond::SPACE, seeds = [BOND_SEED, authority.key().as_ref()], bump)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's token account, new.
    #[account(
        init,
        payer = payer,
        seeds = [VAULT_SEED, bond.key().as_ref()],
        bump,
        token::mint = usdc_mint,
        token::authority = bond,
        token::token_program = token_program
    )]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The configured mint.
    pub usdc_mint: Box<Account<'info, Mint>>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl OpenBond<'_> {
    fn validate(&self) -> Result<()> {
        // authority: anyone, for itself.
        let config = self.config.load()?;
        config.header.check()?;
        // bond, vault: new, at their derived addresses.
        require_keys_eq!(self.usdc_mint.key(), config.usdc_mint, StakingError::WrongMint);
        // token_program, system_program: checked by their types.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate()?;
        let opened =
            BondOpened { bond: accounts.bond.key(), authority: accounts.authority.key(), vault: accounts.vault.key() };
        {
            // The account is new and all zero: what is not set here starts at zero.
            let mut bond = accounts.bond.load_init()?;
            bond.header = Header::new(&opened.bond, ctx.bumps.bond);
            bond.authority = opened.authority;
            bond.vault = opened.vault;
            bond.vault_bump = ctx.bumps.vault;
            bond.invariant(accounts.vault.amount).or_rule()?;
        }
        let spare = Transfer { from: accounts.payer.to_account_info(), to: accounts.bond.to_account_info() };
        system_program::transfer(CpiContext::new(accounts.system_program.key(), spare), SPARE_LAMPORTS)?;
        tell(&ctx.accounts.event_authority, &opened)?;
        Ok(())
    }
}
