//! What a buyer's purse gets of a slash.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use gridlease_core::slash::SlashSplit;

use crate::error::OrRule;
use crate::raw_token::TokenAccount;
use crate::state::Purse;

/// A frozen account never holds up an end: what a frozen vault of the buyer cannot take goes to insurance. (What a frozen
/// insurance account cannot take, the staking program keeps for it.)
pub fn divert(slash: SlashSplit, vault: &TokenAccount) -> Result<SlashSplit> {
    if vault.is_frozen() {
        return Ok(SlashSplit { victim: Atoms::ZERO, insurance: slash.total().or_rule()? });
    }
    Ok(slash)
}

/// Records what comes into the purse's vault.
pub fn compensate(purse: &mut Purse, victim: Atoms) -> Result<()> {
    if victim.is_zero() {
        return Ok(());
    }
    let mut amounts = purse.amounts();
    amounts.deposit(victim).or_rule()?;
    purse.compensated = purse.compensated.saturating_add(victim.0);
    purse.set_amounts(amounts)
}
