//! `propose_config`, `cancel_config` and `execute_config`: a change is proposed, waits, and is executed by anybody.

use anchor_lang::prelude::*;
use gridlease_core::governance::{self, Caps};
use gridlease_core::{Atoms, timelock};
use program_common::clock::now;
use program_common::{require, require_keys_eq};

use crate::checks::{Checked as _, check_list};
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::{ConfigProposed, ConfigWritten};
use crate::state::Config;
use crate::state::MAX_SLASHERS;
use program_common::raw_token::TokenAccount;

/// Proposes another insurance account, other slashers and another cap, in place of what was proposed before.
///
/// - Only the admin shall propose.
/// - The insurance account shall be a classic SPL Token account of the configured mint; the list shall name at least one
///   slasher and none twice, zero keys being unused places; the cap shall not be zero.
/// - The proposal shall wait 48 hours; where it names a new slasher, seven days more, so that whoever does not trust that
///   slasher can have all of its stake out before.
#[event_cpi]
#[derive(Accounts)]
pub struct ProposeConfig<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// The configuration.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
    /// The insurance account that is proposed.
    pub insurance: Box<Account<'info, TokenAccount>>,
}

impl ProposeConfig<'_> {
    pub(crate) fn handle(ctx: Context<Self>, slashers: [Pubkey; MAX_SLASHERS], bond_cap: u64) -> Result<()> {
        let accounts = &ctx.accounts;
        let now = now()?.ts;
        let proposed = {
            let mut config = accounts.config.load_mut()?;
            config.header.check()?;
            require_keys_eq!(accounts.admin.key(), config.admin, StakingError::WrongAdmin);
            require_keys_eq!(accounts.insurance.mint, config.usdc_mint, StakingError::WrongInsurance);
            check_list(&slashers)?;
            Caps { bond: Atoms(bond_cap), ..Caps::GENESIS }.check().or_rule()?;
            let from =
                if config.adds(&slashers) { timelock::slasher_from(now) } else { timelock::executable_from(now) };
            let from = from.or_rule()?.0;
            config.pending_insurance = accounts.insurance.key();
            config.pending_slashers = slashers;
            config.pending_bond_cap = bond_cap;
            config.pending_from = from;
            config.header.due_ts = from;
            ConfigProposed { insurance: accounts.insurance.key(), slashers, bond_cap, from }
        };
        tell(&ctx.accounts.event_authority, &proposed)?;
        Ok(())
    }
}

/// Takes the proposal back.
///
/// - Only the admin shall take it back. Where nothing is proposed, nothing shall change.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelConfig<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// The configuration.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
}

impl CancelConfig<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        {
            let mut config = accounts.config.load_mut()?;
            config.header.check()?;
            require_keys_eq!(accounts.admin.key(), config.admin, StakingError::WrongAdmin);
            require!(config.pending_from != 0, StakingError::NothingProposed);
            clear(&mut config);
        }
        let none = ConfigProposed { insurance: Pubkey::default(), slashers: Default::default(), bond_cap: 0, from: 0 };
        tell(&ctx.accounts.event_authority, &none)?;
        Ok(())
    }
}

/// Executes the proposal.
///
/// - Anyone shall execute it, not before its time, and not later than 14 days after it: then it has lapsed, so that none lies in
///   wait until it is forgotten. The insurance account shall still be one of the configured mint.
/// - What is reserved stays with the slasher that reserved it: one that is named no more finishes it, by releasing or slashing it,
///   and reserves nothing new.
#[event_cpi]
#[derive(Accounts)]
pub struct ExecuteConfig<'info> {
    /// The configuration.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
    /// The insurance account that was proposed.
    pub insurance: Box<Account<'info, TokenAccount>>,
}

impl ExecuteConfig<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        let now = now()?.ts;
        let written = {
            let mut config = accounts.config.load_mut()?;
            config.header.check()?;
            require!(config.pending_from != 0, StakingError::NothingProposed);
            governance::check_execute(gridlease_core::UnixTs(config.pending_from), now).or_rule()?;
            require_keys_eq!(accounts.insurance.key(), config.pending_insurance, StakingError::WrongInsurance);
            require_keys_eq!(accounts.insurance.mint, config.usdc_mint, StakingError::WrongInsurance);
            config.insurance = config.pending_insurance;
            config.slashers = config.pending_slashers;
            config.bond_cap = config.pending_bond_cap;
            clear(&mut config);
            written(&config)
        };
        tell(&ctx.accounts.event_authority, &written)?;
        Ok(())
    }
}

/// Lowers the cap of bonds.
///
/// - Only the admin shall lower it, at once: it takes nothing from anyone, and a bond above it stays as it is. To raise it, the admin
///   proposes a change.
#[event_cpi]
#[derive(Accounts)]
pub struct LowerCap<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// The configuration.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
}

impl LowerCap<'_> {
    pub(crate) fn handle(ctx: Context<Self>, bond_cap: u64) -> Result<()> {
        let accounts = &ctx.accounts;
        let lowered = {
            let mut config = accounts.config.load_mut()?;
            config.header.check()?;
            require_keys_eq!(accounts.admin.key(), config.admin, StakingError::WrongAdmin);
            let next = Caps { bond: Atoms(bond_cap), ..config.caps() };
            config.caps().lower_to(&next).or_rule()?;
            config.bond_cap = bond_cap;
            written(&config)
        };
        tell(&ctx.accounts.event_authority, &lowered)?;
        Ok(())
    }
}

fn written(config: &Config) -> ConfigWritten {
    ConfigWritten {
        admin: config.admin,
        insurance: config.insurance,
        slashers: config.slashers,
        bond_cap: config.caps().bond.0,
    }
}

fn clear(config: &mut Config) {
    config.pending_insurance = Pubkey::default();
    config.pending_slashers = Default::default();
    config.pending_bond_cap = 0;
    config.pending_from = 0;
    config.header.due_ts = 0;
}
