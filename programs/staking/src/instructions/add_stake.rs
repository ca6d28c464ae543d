//! `add_stake`.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use program_common::clock::now;
use program_common::require_keys_eq;

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::{RevenueDistributed, StakeAdded};
use crate::state::{Bond, Config};
use crate::token;
use gridlease_core::Atoms;
use program_common::raw_token::TokenAccount;

/// Adds stake to the signer's bond.
///
/// - Only the bond's authority shall add stake, from a token account that it may spend.
/// - Exactly `amount` atoms, more than zero, shall move into the vault and count as stake, free to be reserved at once. It
///   earns from its activation on: see [`super::Activate`].
/// - The bond shall hold no more than the configured cap.
/// - Tokens that reach the vault by any other way shall not count.
/// - What arrived in the revenue vault before shall be divided by the stake as it was before.
#[event_cpi]
#[derive(Accounts)]
pub struct AddStake<'info> {
    /// The bond's authority; may spend `from`.
    pub authority: Signer<'info>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake comes from.
    /// CHECK: SPL Token checks that it is a token account of the vault's mint which the authority may spend.
    #[account(mut)]
    pub from: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
    /// The bond's revenue vault; any account where the operator has opened no pool.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
    /// The configuration, which caps the bond.
    pub config: AccountLoader<'info, Config>,
}

impl AddStake<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        require_keys_eq!(self.authority.key(), bond.authority, StakingError::WrongAuthority);
        bond.header.check()?;
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        // from: checked by SPL Token in the transfer.
        // token_program: checked by its type. revenue: checked where it is read.
        self.config.load()?.header.check()
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let distributed = {
            let mut bond = accounts.bond.load_mut()?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let now = now()?.ts;
            let parts = bond.distribute(arrived, now).or_rule()?;
            let mut stake = bond.stake();
            stake.add(Atoms(amount), now).or_rule()?;
            accounts.config.load()?.caps().check_stake(stake.amount().or_rule()?).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            bond.count_added(amount).or_rule()?;
            RevenueDistributed::of(accounts.bond.key(), &bond, &parts)
        };
        token::into_vault(accounts.from.as_ref(), &mut accounts.vault, accounts.authority.as_ref(), amount)?;
        let added = {
            let bond = accounts.bond.load()?;
            bond.invariant(accounts.vault.amount).or_rule()?;
            StakeAdded {
                bond: accounts.bond.key(),
                from: accounts.from.key(),
                added: amount,
                amount: bond.amount,
                reserved: bond.reserved,
                unbonding: bond.unbonding,
                added_total: bond.added_total,
                fresh: bond.fresh,
            }
        };
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &added)?;
        Ok(())
    }
}
