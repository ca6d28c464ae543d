//! What a buyer's purse gets of a slash.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use gridlease_core::slash::SlashSplit;

use crate::error::OrRule;
use crate::staking_cpi::read_operators;
use crate::state::Purse;

/// A frozen account never holds up an end: where nothing can move into the buyer's vault now, or out of the bond's, all goes to
/// insurance. (What a frozen insurance account cannot take, or a frozen vault of the bond cannot give, the staking program
/// keeps for it.) And no buyer is paid out of delegators' stake.
pub fn divert(slash: SlashSplit, frozen: bool, bond: &AccountInfo) -> Result<SlashSplit> {
    let operator = if frozen { Atoms::ZERO } else { read_operators(bond)? };
    slash.out_of(operator).or_rule()
}

/// Records what comes into the purse's vault.
pub fn compensate(purse: &mut Purse, victim: Atoms) -> Result<()> {
    if victim.is_zero() {
        return Ok(());
    }
    let mut amounts = purse.amounts();
    amounts.deposit(victim).or_rule()?;
    purse.compensated = purse.compensated.saturating_add(victim.0);
    purse.set_amounts(amounts).or_rule()
}
