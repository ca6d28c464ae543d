//! Accounts that can take a payment.

use anchor_lang::prelude::*;
use program_common::require;

use crate::error::MarketError;
use crate::token::check_mint;
use program_common::raw_token::TokenAccount;

/// The account can be paid: of the market's mint, and not frozen.
pub fn check(account: &TokenAccount, mint: &Pubkey) -> Result<()> {
    check_mint(account, mint)?;
    require!(!account.is_frozen(), MarketError::FrozenTokenAccount);
    Ok(())
}
