//! What every instruction asks of an account, with this program's refusals.

use anchor_lang::prelude::*;
use program_common::require;

use crate::error::StakingError;
use crate::state::{Config, Header, MAX_SLASHERS};

/// Checks of an account's layout.
pub trait Checked {
    /// Is the layout the one that this program reads?
    ///
    /// # Errors
    /// [`StakingError::WrongVersion`].
    fn check(&self) -> Result<()>;
}

impl Checked for Header {
    fn check(&self) -> Result<()> {
        require!(self.is_read(), StakingError::WrongVersion);
        Ok(())
    }
}

/// Is this key one of the slashers? A zero key never is.
///
/// # Errors
/// [`StakingError::UnknownSlasher`].
pub fn check_slasher(config: &Config, key: &Pubkey) -> Result<()> {
    require!(config.is_slasher(key), StakingError::UnknownSlasher);
    Ok(())
}

/// Is this a list of slashers: at least one, none twice?
///
/// # Errors
/// [`StakingError::ZeroKey`] for an empty list, [`StakingError::UnknownSlasher`] for one that is named twice.
pub fn check_list(slashers: &[Pubkey; MAX_SLASHERS]) -> Result<()> {
    let named = || slashers.iter().filter(|key| **key != Pubkey::default());
    require!(named().next().is_some(), StakingError::ZeroKey);
    let once = named().all(|key| named().filter(|other| *other == key).count() == 1);
    require!(once, StakingError::UnknownSlasher);
    Ok(())
}
