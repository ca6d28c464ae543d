//! `close_delegation` and `close_bond`: what is empty goes, with all its rent.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::RuleError;
use program_common::require_keys_eq;

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check, rule};
use crate::event::{BondClosed, DelegationClosed};
use crate::state::{Bond, Delegation};
use crate::token::{self, BondSigner};
use program_common::raw_token::TokenAccount;

/// Frees the place of a delegator whose stake is all out, and closes its delegation.
///
/// - Anyone shall do so, once it has no shares and no open request: its place among the bond's delegators is free from then on.
/// - Where it is owed revenue that it has not taken, the delegation shall stay until it has: a delegator that cannot take it
///   blocks nobody. Else its rent shall go to the delegator, who paid it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseDelegation<'info> {
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation; closed.
    #[account(mut)]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The delegator; gets the rent.
    /// CHECK: it is the one that the delegation records.
    #[account(mut)]
    pub delegator: UncheckedAccount<'info>,
}

impl CloseDelegation<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        let closed = {
            let mut bond = accounts.bond.load_mut()?;
            bond.header.check()?;
            let mut delegation = accounts.delegation.load_mut()?;
            delegation.header.check()?;
            require_keys_eq!(delegation.bond, accounts.bond.key(), StakingError::WrongDelegation);
            require_keys_eq!(accounts.delegator.key(), delegation.delegator, StakingError::WrongDelegation);
            let frees = delegation.place > 0;
            check(!delegation.position().holds_place() && (frees || delegation.owed == 0), RuleError::NotEmpty)?;
            if frees {
                bond.free_place(delegation.place).or_rule()?;
                delegation.place = 0;
            }
            if delegation.owed == 0 {
                bond.delegations = bond.delegations.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
            }
            DelegationClosed {
                bond: delegation.bond,
                delegator: delegation.delegator,
                delegators: bond.delegators_len,
                owed: delegation.owed,
            }
        };
        tell(&ctx.accounts.event_authority, &closed)?;
        if closed.owed > 0 {
            return Ok(());
        }
        ctx.accounts.delegation.close(ctx.accounts.delegator.to_account_info())
    }
}

/// Closes the signer's empty bond.
///
/// - Only the bond's authority shall do so, once it has no stake, no reservation, no claim, no open request, no delegation, and
///   owes the insurance fund nothing.
/// - What is left in both vaults (donations, the operator's revenue, roundings) shall go to `destination`; both shall be
///   closed, and all rent shall go to the authority, who paid it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseBond<'info> {
    /// The bond's authority; gets the rent.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// The bond; closed.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's token account; closed.
    #[account(mut)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The bond's revenue vault; closed. None where the operator has opened no pool.
    #[account(mut)]
    pub revenue: Option<Box<Account<'info, TokenAccount>>>,
    /// Where the rest goes.
    /// CHECK: SPL Token checks that it is of the vault's mint; that it is none of the vaults is checked below.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl CloseBond<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        require_keys_eq!(self.authority.key(), bond.authority, StakingError::WrongAuthority);
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        let revenue = self.revenue.as_ref().map(|revenue| revenue.key()).unwrap_or_default();
        require_keys_eq!(revenue, bond.revenue, StakingError::WrongRevenue);
        token::check_destination(&bond, &self.authority, &self.destination.key(), &self.destination.key())?;
        // token_program: checked by its type.
        let idle = bond.amount == 0 && bond.leases == 0 && bond.insurance_owed == 0;
        let alone = bond.requests == 0 && bond.exit_shares == 0 && bond.delegations == 0 && bond.claims_shares == 0;
        check(idle && alone && bond.delegated_shares == 0, RuleError::NotEmpty)?;
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let bump = accounts.bond.load()?.header.bump;
        let closed = BondClosed {
            bond: accounts.bond.key(),
            authority: accounts.authority.key(),
            destination: accounts.destination.key(),
            of_vault: accounts.vault.amount,
            of_revenue: accounts.revenue.as_ref().map_or(0, |revenue| revenue.amount),
        };
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: closed.authority, bump };
        let (program, to, rent_to) =
            (&accounts.token_program, accounts.destination.as_ref(), accounts.authority.as_ref());
        for vault in [Some(&mut accounts.vault), accounts.revenue.as_mut()].into_iter().flatten() {
            let rest = vault.amount;
            token::out_of_vault(vault, to, &signer, rest)?;
            token::close(program, &vault.to_account_info(), rent_to, &signer)?;
        }
        tell(&ctx.accounts.event_authority, &closed)?;
        ctx.accounts.bond.close(ctx.accounts.authority.to_account_info())
    }
}
