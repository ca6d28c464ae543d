//! What the configuration asks of whatever comes into the market. Nothing that goes out, or comes back, is asked.

use anchor_lang::prelude::*;
use gridlease_core::governance::Caps;
use gridlease_core::verdict::takes_class;
use program_common::require;

use crate::error::MarketError;
use crate::state::Config;

/// Intake is open; returns the caps that hold.
///
/// # Errors
/// [`MarketError::Paused`].
pub fn open(config: &AccountLoader<Config>) -> Result<Caps> {
    let config = config.load()?;
    require!(config.paused == 0, MarketError::Paused);
    Ok(config.caps())
}

/// As [`open`], for a posting of a verification class.
///
/// # Errors
/// [`MarketError::Paused`]; [`MarketError::NotTaken`] for a class that is unknown, or that nobody is configured to verify.
pub fn open_for(config: &AccountLoader<Config>, class: u8) -> Result<Caps> {
    let caps = open(config)?;
    let verifier = config.load()?.verifier != Pubkey::default();
    require!(takes_class(class, verifier), MarketError::NotTaken);
    Ok(caps)
}
