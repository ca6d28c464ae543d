//! `distribute`, `claim_revenue` and `claim_commission`: what the stake earns.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::{Atoms, RuleError};
use program_common::clock::now;
use program_common::{require, require_keys_eq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check};
use crate::event::{CommissionClaimed, RevenueClaimed, RevenueDistributed};
use crate::state::{Bond, Delegation};
use crate::token::{self, BondSigner};
use program_common::raw_token::TokenAccount;

/// Divides what arrived in the revenue vault between the operator and the delegators.
///
/// - Anybody shall do so, at any time. No tokens move: each is owed its part and has it paid when it likes, so that
///   nobody's frozen account hinders anybody else.
/// - The parts shall follow the stake that is not on its way out; of the delegators' part the operator keeps the
///   commission that holds now.
/// - Where nothing arrived, nothing shall change.
#[event_cpi]
#[derive(Accounts)]
pub struct Distribute<'info> {
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's revenue vault.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
}

impl Distribute<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        let distributed = {
            let mut bond = accounts.bond.load_mut()?;
            bond.header.check()?;
            require!(bond.has_pool(), StakingError::PoolClosed);
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let parts = bond.distribute(arrived, now()?.ts).or_rule()?;
            RevenueDistributed::of(accounts.bond.key(), &bond, &parts)
        };
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        Ok(())
    }
}

/// Pays a delegator all that it earned and has not claimed.
///
/// - Anybody shall do so, to the recorded account; where that is closed, which the account behind all others shows, to the
///   delegator's associated one; or to another, if the delegator signs.
/// - What arrived in the revenue vault shall be divided before. Something shall be owed.
#[event_cpi]
#[derive(Accounts)]
pub struct ClaimRevenue<'info> {
    /// The delegator; signs only to name another account.
    /// CHECK: it is the one that the delegation records.
    pub delegator: UncheckedAccount<'info>,
    /// The bond; signs for its revenue vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation.
    #[account(mut)]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The bond's revenue vault.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub revenue: Box<Account<'info, TokenAccount>>,
    /// Where the revenue goes.
    /// CHECK: it is the recorded one, or the delegator signs; SPL Token checks that it is of the vault's mint.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl ClaimRevenue<'_> {
    fn validate(&self, rest: &[AccountInfo]) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        let delegation = self.delegation.load()?;
        delegation.header.check()?;
        require_keys_eq!(self.delegator.key(), delegation.delegator, StakingError::WrongDelegator);
        require_keys_eq!(delegation.bond, self.bond.key(), StakingError::WrongDelegation);
        require_keys_eq!(self.revenue.key(), bond.revenue, StakingError::WrongRevenue);
        let (recorded, to, mint) = (&delegation.destination, &self.destination.key(), &self.revenue.mint);
        token::check_due(&bond, &self.delegator, recorded, to, mint, rest)
        // token_program: checked by its type.
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate(ctx.remaining_accounts)?;
        let accounts = &mut *ctx.accounts;
        let (distributed, claimed, signer) = {
            let mut bond = accounts.bond.load_mut()?;
            let mut delegation = accounts.delegation.load_mut()?;
            let parts = bond.distribute(Atoms(accounts.revenue.amount), now()?.ts).or_rule()?;
            let distributed = RevenueDistributed::of(accounts.bond.key(), &bond, &parts);
            let mut revenue = bond.revenue_owed();
            delegation.settle(&revenue).or_rule()?;
            let amount = delegation.owed;
            revenue.claim_delegator(Atoms(amount)).or_rule()?;
            bond.set_revenue_owed(&revenue);
            delegation.owed = 0;
            let claimed = RevenueClaimed {
                bond: accounts.bond.key(),
                delegator: delegation.delegator,
                destination: accounts.destination.key(),
                amount,
                delegators_owed: bond.delegators_owed,
            };
            (distributed, claimed, (bond.authority, bond.header.bump))
        };
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: signer.0, bump: signer.1 };
        let to = accounts.destination.as_ref();
        token::out_of_vault(&mut accounts.revenue, to, &signer, claimed.amount)?;
        check_covered(&accounts.bond, &accounts.revenue)?;
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &claimed)?;
        Ok(())
    }
}

/// Pays the operator its part of the revenue.
///
/// - Anybody shall do so, to the payout account that the bond records.
/// - What arrived in the revenue vault shall be divided before. Something shall be owed.
#[event_cpi]
#[derive(Accounts)]
pub struct ClaimCommission<'info> {
    /// The bond; signs for its revenue vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's revenue vault.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub revenue: Box<Account<'info, TokenAccount>>,
    /// The payout account.
    /// CHECK: it is the one that the bond records; SPL Token checks that it is of the vault's mint.
    #[account(mut)]
    pub payout: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl ClaimCommission<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        require!(bond.has_pool(), StakingError::PoolClosed);
        require_keys_eq!(self.revenue.key(), bond.revenue, StakingError::WrongRevenue);
        require_keys_eq!(self.payout.key(), bond.payout, StakingError::WrongDestination);
        // token_program: checked by its type.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let (distributed, claimed, signer) = {
            let mut bond = accounts.bond.load_mut()?;
            let parts = bond.distribute(Atoms(accounts.revenue.amount), now()?.ts).or_rule()?;
            let distributed = RevenueDistributed::of(accounts.bond.key(), &bond, &parts);
            let mut revenue = bond.revenue_owed();
            let amount = revenue.claim_operator().or_rule()?.0;
            bond.set_revenue_owed(&revenue);
            let claimed = CommissionClaimed { bond: accounts.bond.key(), payout: bond.payout, amount };
            (distributed, claimed, (bond.authority, bond.header.bump))
        };
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: signer.0, bump: signer.1 };
        let to = accounts.payout.as_ref();
        token::out_of_vault(&mut accounts.revenue, to, &signer, claimed.amount)?;
        check_covered(&accounts.bond, &accounts.revenue)?;
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &claimed)?;
        Ok(())
    }
}

/// The revenue vault covers what is owed out of it.
fn check_covered(bond: &AccountLoader<Bond>, revenue: &TokenAccount) -> Result<()> {
    let owed = bond.load()?.revenue_owed().owed().or_rule()?;
    check(revenue.amount >= owed.0, RuleError::InvariantBroken)?;
    Ok(())
}
