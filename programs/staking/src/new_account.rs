//! Writing of new accounts.

use anchor_lang::ZeroCopy;
use anchor_lang::prelude::*;
use gridlease_core::RuleError;

use crate::error::rule;

/// Writes a whole new account: its discriminator, then the value. The account's length must be exactly theirs.
///
/// # Errors
/// [`RuleError::InvariantBroken`] where the length differs.
pub fn write_new<T: ZeroCopy>(account: &AccountInfo, value: &T) -> Result<()> {
    let mut data = account.try_borrow_mut_data()?;
    let split = data.split_at_mut_checked(T::DISCRIMINATOR.len()).filter(|(_, body)| body.len() == size_of::<T>());
    let (head, body) = split.ok_or_else(|| rule(RuleError::InvariantBroken))?;
    head.copy_from_slice(T::DISCRIMINATOR);
    body.copy_from_slice(bytemuck::bytes_of(value));
    Ok(())
}
