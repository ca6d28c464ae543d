//! What the configuration asks of whatever comes into the market. Nothing that goes out, or comes back, is asked.

use anchor_lang::prelude::*;
use gridlease_core::governance::Caps;
use gridlease_core::verdict::takes_class;
use program_common::require;

use crate::error::MarketError;
use crate::state::Config;

/// Intake is open.
///
/// # Errors
/// [`MarketError::Paused`].
pub fn open(config: &Config) -> Result<()> {
    require!(config.paused == 0, MarketError::Paused);
    Ok(())
}

/// As [`open`], for a posting of a verification class; returns the caps that hold.
///
/// # Errors
/// [`MarketError::Paused`]; [`MarketError::NotTaken`] for a class that is unknown, or that nobody is configured to verify.
pub fn open_for(config: &AccountLoader<Config>, class: u8) -> Result<Caps> {
    let config = config.load()?;
    open(&config)?;
    require!(takes_class(class, config.verifier != Pubkey::default()), MarketError::NotTaken);
    Ok(config.caps())
}
