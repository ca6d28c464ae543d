//! `unbond` and `undelegate`: stake is put on its way out.

use anchor_lang::prelude::*;
use gridlease_core::limits::MAX_REQUESTS;
use gridlease_core::{Atoms, RuleError, UnixTs, delegation as rules};
use program_common::clock::now;
use program_common::{require, require_keys_eq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check, rule};
use crate::event::{RevenueDistributed, Totals, UnbondingRequested};
use crate::state::{Bond, Config, DELEGATOR, Delegation, Header, OPERATOR, Unbonding};
use crate::token;
use program_common::raw_token::TokenAccount;
use staking_interface::seed::UNBONDING_SEED;

/// Puts `amount` atoms of the operator's stake on their way out.
///
/// - Only the bond's authority shall do so; at least a fifth of what stays in the bond shall be its own.
/// - The stake shall mature in seven days. Until it is withdrawn it is slashed first, as all of the operator's stake;
///   it can be reserved no more. What is reserved stays until its leases are closed.
/// - `number` shall be the operator's next; eight requests at most shall be open.
/// - `destination`, of the configured mint and neither of the bond's vaults, shall be recorded.
/// - What arrived in the revenue vault before shall be divided by the stake as it was before.
#[event_cpi]
#[derive(Accounts)]
#[instruction(amount: u64, number: u32)]
pub struct Unbond<'info> {
    /// The bond's authority.
    pub authority: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The request, new.
    #[account(
        init,
        payer = payer,
        space = Unbonding::SPACE,
        seeds = [UNBONDING_SEED, bond.key().as_ref(), authority.key().as_ref(), &number.to_le_bytes()],
        bump
    )]
    pub unbonding: AccountLoader<'info, Unbonding>,
    /// Token account that the stake goes to.
    pub destination: Box<Account<'info, TokenAccount>>,
    /// The bond's revenue vault; any account where the operator has opened no pool.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl Unbond<'_> {
    fn validate(&self, number: u32) -> Result<()> {
        let config = self.config.load()?;
        config.header.check()?;
        let bond = self.bond.load()?;
        bond.header.check()?;
        require_keys_eq!(self.authority.key(), bond.authority, StakingError::WrongAuthority);
        check(bond.requests < MAX_REQUESTS, RuleError::TooManyRequests)?;
        require!(number == bond.next_number, StakingError::WrongUnbonding);
        // unbonding: new, at its derived address.
        require_keys_eq!(self.destination.mint, config.usdc_mint, StakingError::WrongMint);
        let outside = self.destination.key() != bond.vault && self.destination.key() != bond.revenue;
        require!(outside, StakingError::WrongDestination);
        // revenue: checked where it is read. system_program: checked by its type.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64, number: u32) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate(number)?;
        let now = now()?.ts;
        let matures = rules::matures(now).or_rule()?;
        let (distributed, requested) = {
            let (key, authority) = (accounts.bond.key(), accounts.authority.key());
            let mut bond = accounts.bond.load_mut()?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let parts = bond.distribute(arrived, now).or_rule()?;
            let mut stake = bond.stake();
            let shares = stake.unbond(Atoms(amount), now).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            bond.requests = bond.requests.saturating_add(1);
            bond.next_number = bond.next_number.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
            let mut unbonding = accounts.unbonding.load_init()?;
            unbonding.header = header(&accounts.unbonding.key(), ctx.bumps.unbonding, matures);
            unbonding.bond = key;
            unbonding.owner = authority;
            unbonding.destination = accounts.destination.key();
            unbonding.rent_to = accounts.payer.key();
            unbonding.shares = shares;
            unbonding.number = number;
            unbonding.kind = OPERATOR;
            let requested = requested(&bond, &unbonding, authority, bond.own, 0);
            (RevenueDistributed::of(key, &bond, &parts), requested)
        };
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &requested)?;
        Ok(())
    }
}

/// Puts a delegator's stake on its way out: `amount` atoms of it, or all of it for 2⁶⁴ − 1.
///
/// - The delegator shall do so; what stays shall be nothing, or one USDC's shares at least. Or the operator shall, who
///   sends a delegator off, and then all of it; so no delegator can hold an operator in its bond.
/// - It costs shares, rounded up. They earn no more from now on: what arrived in the revenue vault before shall be
///   divided before.
/// - The stake shall mature in seven days. Until it is withdrawn it is slashed as the stake that stays is; it can be
///   reserved no more. What is reserved stays until its leases are closed.
/// - `number` shall be the delegator's next; eight requests at most shall be open, and a ninth by the operator.
/// - `destination` shall be recorded: of the configured mint and neither of the bond's vaults; where the operator signs,
///   the one that the delegation records.
#[event_cpi]
#[derive(Accounts)]
#[instruction(amount: u64, number: u32)]
pub struct Undelegate<'info> {
    /// The delegator, or the bond's authority.
    pub signer: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation.
    #[account(mut)]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The delegator.
    /// CHECK: it is the one that the delegation records.
    pub delegator: UncheckedAccount<'info>,
    /// The request, new.
    #[account(
        init,
        payer = payer,
        space = Unbonding::SPACE,
        seeds = [UNBONDING_SEED, bond.key().as_ref(), delegator.key().as_ref(), &number.to_le_bytes()],
        bump
    )]
    pub unbonding: AccountLoader<'info, Unbonding>,
    /// Token account that the stake goes to.
    /// CHECK: it is a token account of the configured mint, or the recorded one, whatever became of that.
    pub destination: UncheckedAccount<'info>,
    /// The bond's revenue vault.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl Undelegate<'_> {
    fn validate(&self, number: u32) -> Result<()> {
        let config = self.config.load()?;
        config.header.check()?;
        let bond = self.bond.load()?;
        bond.header.check()?;
        let delegation = self.delegation.load()?;
        delegation.header.check()?;
        require_keys_eq!(delegation.bond, self.bond.key(), StakingError::WrongDelegation);
        require_keys_eq!(self.delegator.key(), delegation.delegator, StakingError::WrongDelegation);
        let signer = self.signer.key();
        let by_owner = signer == delegation.delegator;
        require!(by_owner || signer == bond.authority, StakingError::WrongDelegator);
        require!(number == delegation.next_number, StakingError::WrongUnbonding);
        // unbonding: new, at its derived address.
        let destination = self.destination.key();
        if destination != delegation.destination {
            require!(by_owner, StakingError::WrongDestination);
            require!(token::is_payable(&self.destination, &config.usdc_mint), StakingError::WrongDestination);
            require!(destination != bond.vault && destination != bond.revenue, StakingError::WrongDestination);
        }
        // revenue: checked where it is read. system_program: checked by its type.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64, number: u32) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate(number)?;
        let now = now()?.ts;
        let matures = rules::matures(now).or_rule()?;
        let (distributed, requested) = {
            let (key, signer) = (accounts.bond.key(), accounts.signer.key());
            let mut bond = accounts.bond.load_mut()?;
            let mut delegation = accounts.delegation.load_mut()?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let parts = bond.distribute(arrived, now).or_rule()?;
            delegation.settle(&bond.revenue_owed()).or_rule()?;
            let (mut stake, mut position) = (bond.stake(), delegation.position());
            let by_operator = signer != delegation.delegator;
            let shares = position.request(&mut stake, Atoms(amount), by_operator, now).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            delegation.set_position(&position);
            bond.mark(delegation.place, &delegation.delegator, &position).or_rule()?;
            delegation.next_number = delegation.next_number.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
            let mut unbonding = accounts.unbonding.load_init()?;
            unbonding.header = header(&accounts.unbonding.key(), ctx.bumps.unbonding, matures);
            unbonding.bond = key;
            unbonding.owner = delegation.delegator;
            unbonding.destination = accounts.destination.key();
            unbonding.rent_to = accounts.payer.key();
            unbonding.shares = shares;
            unbonding.number = number;
            unbonding.kind = DELEGATOR;
            let requested = requested(&bond, &unbonding, signer, delegation.shares, delegation.owed);
            (RevenueDistributed::of(key, &bond, &parts), requested)
        };
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &requested)?;
        Ok(())
    }
}

fn header(address: &Pubkey, bump: u8, matures: UnixTs) -> Header {
    Header { due_ts: matures.0, ..Header::new(address, bump) }
}

fn requested(bond: &Bond, unbonding: &Unbonding, by: Pubkey, stays: u64, owed: u64) -> UnbondingRequested {
    UnbondingRequested {
        bond: unbonding.bond,
        owner: unbonding.owner,
        number: unbonding.number,
        kind: unbonding.kind,
        by,
        shares: unbonding.shares,
        matures: unbonding.header.due_ts,
        stays,
        owed,
        totals: Totals::of(bond),
    }
}
