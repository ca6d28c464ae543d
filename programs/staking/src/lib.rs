//! The staking program of Gridlease: the stake that stands behind every lease.
//!
//! A provider opens one [`state::Bond`] and adds USDC to its vault. A program that the configuration names (the market,
//! by its authority PDA) reserves a part of the bond for each lease, and later releases it or slashes some of it. What
//! is reserved for one lease can never be slashed for another, and a slash moves tokens. Every amount is decided by
//! `gridlease_core::bond`; this crate checks accounts, moves money and tells what happened.
//!
//! Delegations, unbonding and withdrawal are not part of this version: stake that was added stays in the bond.

#![allow(missing_docs, reason = "the macros of Anchor generate items without documentation")]

use anchor_lang::prelude::*;

pub mod constants;
pub mod convert;
pub mod error;
pub mod event;
pub mod instructions;
pub mod state;
mod token;

use instructions::*;

declare_id!("9qRtEGwZdmjZvB1JrfdFKgQvK1cUYFmeuEmqHKU2rfRR");

/// The instructions; the specification of each stands above its accounts.
#[program]
pub mod staking {
    use super::*;

    /// Writes the configuration, once. See [`InitConfig`].
    pub fn init_config(ctx: Context<InitConfig>, slasher: Pubkey) -> Result<()> {
        InitConfig::handle(ctx, slasher)
    }

    /// Opens the signer's bond, empty. See [`OpenBond`].
    pub fn open_bond(ctx: Context<OpenBond>) -> Result<()> {
        OpenBond::handle(ctx)
    }

    /// Adds stake to the signer's bond. See [`AddStake`].
    pub fn add_stake(ctx: Context<AddStake>, amount: u64) -> Result<()> {
        AddStake::handle(ctx, amount)
    }

    /// Reserves free stake for one lease. See [`Reserve`].
    pub fn reserve(ctx: Context<Reserve>, amount: u64) -> Result<()> {
        Reserve::handle(ctx, amount)
    }

    /// Releases what is left of a lease's reservation. See [`Release`].
    pub fn release(ctx: Context<Release>) -> Result<()> {
        Release::handle(ctx)
    }

    /// Slashes a part of a lease's reservation. See [`Slash`].
    pub fn slash(ctx: Context<Slash>, victim: u64, insurance: u64) -> Result<()> {
        Slash::handle(ctx, victim, insurance)
    }
}

#[cfg(test)]
mod tests;
