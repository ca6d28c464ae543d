//! Accounts of an older layout, brought to the present one.

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, Owner, ZeroCopy, system_program};

use crate::lamports::rent_of;

/// Where the version stands: behind the discriminator.
pub const VERSION_AT: usize = 8;

/// An account that is to grow, and who pays for it.
pub struct Growing<'a, 'info> {
    /// Pays the rent of what is added.
    pub payer: &'a Signer<'info>,
    /// The account.
    pub account: &'a AccountInfo<'info>,
    /// Moves the rent.
    pub system: &'a Program<'info, System>,
}

impl Growing<'_, '_> {
    /// Makes an account of version 1, whose fixed part had `old` bytes, a `T` of `version`: zeros are added behind the old fixed part,
    /// what follows moves up, and `fit` puts what stands in it where the present layout has it. `Some(false)` where it is a `T` of
    /// `version` already, `None` where it is neither.
    ///
    /// # Errors
    /// Those of the payment and of `fit`.
    pub fn grow<T: ZeroCopy + Owner + Discriminator>(
        &self,
        old: usize,
        version: u8,
        fit: impl FnOnce(&mut T) -> Result<()>,
    ) -> Result<Option<bool>> {
        let head = T::DISCRIMINATOR.len();
        let Some(added) = size_of::<T>().checked_sub(old) else { return Ok(None) };
        let len = {
            let data = self.account.try_borrow_data()?;
            if *self.account.owner != T::owner() || !data.starts_with(T::DISCRIMINATOR) {
                return Ok(None);
            }
            match data.get(VERSION_AT).copied() {
                Some(found) if found == version => return Ok(Some(false)),
                Some(1) if data.len() >= head + old => data.len(),
                _ => return Ok(None),
            }
        };
        let rent = Rent::get()?;
        let missing = rent_of(&rent, len + added).saturating_sub(rent_of(&rent, len));
        let accounts = system_program::Transfer { from: self.payer.to_account_info(), to: self.account.clone() };
        system_program::transfer(CpiContext::new(self.system.key(), accounts), missing)?;
        self.account.resize(len + added)?;
        let mut data = self.account.try_borrow_mut_data()?;
        let end = head + old;
        data.copy_within(end..len, end + added);
        let Some(new) = data.get_mut(end..end + added) else { return Ok(None) };
        new.fill(0);
        let Some(byte) = data.get_mut(VERSION_AT) else { return Ok(None) };
        *byte = version;
        let Some(body) = data.get_mut(head..end + added) else { return Ok(None) };
        match bytemuck::try_from_bytes_mut(body) {
            Ok(value) => fit(value).map(|()| Some(true)),
            Err(_) => Ok(None),
        }
    }
}
