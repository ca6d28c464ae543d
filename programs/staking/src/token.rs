//! Moves money. Called after every check and every change of state.

use anchor_lang::prelude::*;
use anchor_spl::token::{self, Token, TokenAccount, Transfer};

use crate::constants::BOND_SEED;
use crate::error::StakingError;

/// Moves `amount` atoms from a token account of `authority`, who signed the transaction, to the vault, and sees that
/// they arrived.
pub fn into_vault<'info>(
    token_program: &Program<'info, Token>,
    from: &AccountInfo<'info>,
    vault: &mut Account<'info, TokenAccount>,
    authority: &AccountInfo<'info>,
    amount: u64,
) -> Result<()> {
    let before = vault.amount;
    let accounts = Transfer { from: from.clone(), to: vault.to_account_info(), authority: authority.clone() };
    token::transfer(CpiContext::new(token_program.key(), accounts), amount)?;
    vault.reload()?;
    require!(before.checked_add(amount) == Some(vault.amount), StakingError::NotMoved);
    Ok(())
}

/// The bond that signs for its vault.
pub struct BondSigner<'a, 'info> {
    /// The bond's account.
    pub bond: &'a AccountInfo<'info>,
    /// Its authority, from which its address is derived.
    pub authority: Pubkey,
    /// Bump of its address.
    pub bump: u8,
}

/// Moves `amount` atoms from the vault to `to`, and sees that they left. Zero moves nothing and touches nothing.
pub fn out_of_vault<'info>(
    token_program: &Program<'info, Token>,
    vault: &mut Account<'info, TokenAccount>,
    to: &AccountInfo<'info>,
    signer: &BondSigner<'_, 'info>,
    amount: u64,
) -> Result<()> {
    if amount == 0 {
        return Ok(());
    }
    let before = vault.amount;
    let seeds: &[&[u8]] = &[BOND_SEED, signer.authority.as_ref(), &[signer.bump]];
    let accounts = Transfer { from: vault.to_account_info(), to: to.clone(), authority: signer.bond.clone() };
    token::transfer(CpiContext::new_with_signer(token_program.key(), accounts, &[seeds]), amount)?;
    vault.reload()?;
    require!(vault.amount.checked_add(amount) == Some(before), StakingError::NotMoved);
    Ok(())
}
