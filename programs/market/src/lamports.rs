//! Rent: direct moves of lamports between accounts of this program and accounts that it opens or closes.
//! Called after every CPI, because a CPI refuses a caller whose lamports do not add up at that moment.

use anchor_lang::prelude::*;
use anchor_lang::system_program;
use gridlease_core::RuleError;

use crate::error::rule;

/// Moves lamports between two accounts; `from` belongs to this program.
pub fn shift(from: &AccountInfo, to: &AccountInfo, lamports: u64) -> Result<()> {
    if lamports == 0 {
        return Ok(());
    }
    let less = from.lamports().checked_sub(lamports).ok_or_else(|| rule(RuleError::Overflow))?;
    let more = to.lamports().checked_add(lamports).ok_or_else(|| rule(RuleError::Overflow))?;
    **from.try_borrow_mut_lamports()? = less;
    **to.try_borrow_mut_lamports()? = more;
    Ok(())
}

/// Closes an account of this program: all its lamports go to `to`, its data is emptied, the system program owns it.
pub fn close(account: &AccountInfo, to: &AccountInfo) -> Result<()> {
    shift(account, to, account.lamports())?;
    account.assign(&system_program::ID);
    account.resize(0)?;
    Ok(())
}

/// Makes `account` one of this program with `space` bytes of zeros, without funding it: works whether or not somebody
/// sent lamports to the address before.
pub fn open_unfunded<'info>(
    account: &AccountInfo<'info>,
    system: &AccountInfo<'info>,
    space: usize,
    seeds: &[&[u8]],
) -> Result<()> {
    // An account of this program can be resized by it directly: one call less than allocating by the system program.
    let assign = system_program::Assign { account_to_assign: account.clone() };
    system_program::assign(CpiContext::new_with_signer(system.key(), assign, &[seeds]), &crate::ID)?;
    account.resize(space)?;
    Ok(())
}
