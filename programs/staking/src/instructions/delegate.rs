//! `open_delegation` and `delegate`: somebody adds stake to another's bond.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::{Atoms, RuleError};
use program_common::clock::now;
use program_common::{require, require_keys_eq, require_keys_neq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, rule};
use crate::event::{Delegated, RevenueDistributed, Totals};
use crate::state::{Bond, Config, Delegation, Header};
use crate::token;
use program_common::raw_token::TokenAccount;
use staking_interface::seed::DELEGATION_SEED;

/// Opens the signer's delegation to a bond, with its first stake.
///
/// - The bond shall have a pool, and a place: 32 delegators at most. Its operator shall not delegate to itself.
/// - At least the operator's least delegation shall move into the vault; the operator's own stake shall be at least a
///   fifth of all stake that is not its own on the way out.
/// - Shares shall be given for it, rounded down. It earns, and stands behind leases, from its activation on: see
///   [`super::Activate`]. With it the bond shall hold no more than the configured cap.
/// - From the least that makes kin on, which the operator sets, the bond shall keep a mark of the delegator, by which others see
///   who shares delegators with whom.
/// - `destination`, of the configured mint and neither of the bond's vaults, shall be recorded: anybody may have revenue
///   paid to it, and stake after the operator sent the delegator off.
/// - The signer shall pay the rent.
#[event_cpi]
#[derive(Accounts)]
pub struct OpenDelegation<'info> {
    /// The delegator; may spend `from`.
    pub delegator: Signer<'info>,
    /// Pays the rent; it goes to the delegator when the delegation is closed.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation, new.
    #[account(
        init,
        payer = payer,
        space = Delegation::SPACE,
        seeds = [DELEGATION_SEED, bond.key().as_ref(), delegator.key().as_ref()],
        bump
    )]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake comes from.
    /// CHECK: SPL Token checks that it is a token account of the vault's mint which the delegator may spend.
    #[account(mut)]
    pub from: UncheckedAccount<'info>,
    /// Token account that revenue goes to.
    pub destination: Box<Account<'info, TokenAccount>>,
    /// The bond's revenue vault.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl OpenDelegation<'_> {
    fn validate(&self) -> Result<()> {
        let config = self.config.load()?;
        config.header.check()?;
        let bond = self.bond.load()?;
        bond.header.check()?;
        require!(bond.has_pool(), StakingError::PoolClosed);
        require_keys_neq!(self.delegator.key(), bond.authority, StakingError::OwnDelegation);
        // delegation: new, at its derived address.
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        // from: checked by SPL Token in the transfer.
        require_keys_eq!(self.destination.mint, config.usdc_mint, StakingError::WrongMint);
        let outside = self.destination.key() != bond.vault && self.destination.key() != bond.revenue;
        require!(outside, StakingError::WrongDestination);
        // revenue: checked where it is read. token_program, system_program: checked by their types.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        ctx.accounts.validate()?;
        let bump = ctx.bumps.delegation;
        let accounts = &mut *ctx.accounts;
        let (distributed, delegated) = {
            let (key, delegator) = (accounts.bond.key(), accounts.delegator.key());
            let mut bond = accounts.bond.load_mut()?;
            let mut delegation = accounts.delegation.load_init()?;
            delegation.header = Header::new(&accounts.delegation.key(), bump);
            delegation.bond = key;
            delegation.delegator = delegator;
            delegation.destination = accounts.destination.key();
            bond.delegations = bond.delegations.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let joined = join(key, &mut bond, &mut delegation, arrived, accounts.from.key(), amount)?;
            accounts.config.load()?.caps().check_stake(Atoms(bond.amount)).or_rule()?;
            joined
        };
        let (from, by) = (accounts.from.as_ref(), accounts.delegator.as_ref());
        token::into_vault(from, &mut accounts.vault, by, amount)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &delegated)?;
        Ok(())
    }
}

/// Adds stake to the signer's delegation.
///
/// - As [`OpenDelegation`], for a delegation that is open, even one that is empty and has lost its place.
/// - What it added a day ago or earlier shall be activated.
#[event_cpi]
#[derive(Accounts)]
pub struct Delegate<'info> {
    /// The delegator; may spend `from`.
    pub delegator: Signer<'info>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation.
    #[account(mut)]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake comes from.
    /// CHECK: SPL Token checks that it is a token account of the vault's mint which the delegator may spend.
    #[account(mut)]
    pub from: UncheckedAccount<'info>,
    /// The bond's revenue vault.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
    /// The configuration, which caps the bond.
    pub config: AccountLoader<'info, Config>,
}

impl Delegate<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        let delegation = self.delegation.load()?;
        delegation.header.check()?;
        require_keys_eq!(delegation.bond, self.bond.key(), StakingError::WrongDelegation);
        require_keys_eq!(self.delegator.key(), delegation.delegator, StakingError::WrongDelegator);
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        // from: checked by SPL Token in the transfer. revenue: checked where it is read.
        // token_program: checked by its type.
        self.config.load()?.header.check()
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let (distributed, delegated) = {
            let mut bond = accounts.bond.load_mut()?;
            let mut delegation = accounts.delegation.load_mut()?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let joined = join(accounts.bond.key(), &mut bond, &mut delegation, arrived, accounts.from.key(), amount)?;
            accounts.config.load()?.caps().check_stake(Atoms(bond.amount)).or_rule()?;
            joined
        };
        let (from, by) = (accounts.from.as_ref(), accounts.delegator.as_ref());
        token::into_vault(from, &mut accounts.vault, by, amount)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &delegated)?;
        Ok(())
    }
}

fn join(
    key: Pubkey,
    bond: &mut Bond,
    delegation: &mut Delegation,
    arrived: Atoms,
    from: Pubkey,
    amount: u64,
) -> Result<(Option<RevenueDistributed>, Delegated)> {
    let now = now()?.ts;
    let parts = bond.distribute(arrived, now).or_rule()?;
    delegation.settle(&bond.revenue_owed()).or_rule()?;
    let (mut stake, mut position) = (bond.stake(), delegation.position());
    let issued = position.add(&mut stake, Atoms(amount), Atoms(bond.min_delegation), now).or_rule()?;
    bond.set_stake(&stake).or_rule()?;
    bond.count_added(amount).or_rule()?;
    delegation.set_position(&position);
    if delegation.place == 0 {
        delegation.place = bond.take_place().or_rule()?;
    }
    bond.mark(delegation.place, &delegation.delegator, &position).or_rule()?;
    let delegated = Delegated {
        bond: key,
        delegator: delegation.delegator,
        from,
        added: amount,
        issued,
        shares: delegation.shares,
        owed: delegation.owed,
        totals: Totals::of(bond),
    };
    Ok((RevenueDistributed::of(key, bond, &parts), delegated))
}
