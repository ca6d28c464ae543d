//! `withdraw_stake` and `withdraw_delegation`: stake that has matured is paid out.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::delegation::{Left, check_matured};
use gridlease_core::{RuleError, UnixTs};
use program_common::clock::now;
use program_common::{require, require_keys_eq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, rule};
use crate::event::{StakeWithdrawn, Totals};
use crate::state::{Bond, DELEGATOR, Delegation, OPERATOR, Unbonding};
use crate::token::{self, BondSigner};
use program_common::raw_token::TokenAccount;

/// Pays out a matured request of the operator.
///
/// - Anybody shall do so, to the recorded account; or to another, if the operator signs.
/// - Not before it matures; but a request that a slash left nothing of shall be closed at any time.
/// - No more shall be paid than what of the operator's stake stands behind no lease: it is the first loss of every
///   reservation. What is kept stays in the request, and can be withdrawn when leases are closed.
/// - Nothing else shall hinder it. A request without shares shall be closed, its rent back with who paid it.
#[event_cpi]
#[derive(Accounts)]
pub struct WithdrawStake<'info> {
    /// The operator; signs only to name another account.
    /// CHECK: it is the one that the request records.
    pub owner: UncheckedAccount<'info>,
    /// The bond; signs for its vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The request.
    #[account(mut)]
    pub unbonding: AccountLoader<'info, Unbonding>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake goes.
    /// CHECK: it is the recorded one, or the owner signs; SPL Token checks that it is of the vault's mint.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// Gets the request's rent.
    /// CHECK: it is the one that the request records.
    #[account(mut)]
    pub rent_to: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl<'info> WithdrawStake<'info> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &mut *ctx.accounts;
        let withdrawn = {
            let mut bond = accounts.bond.load_mut()?;
            let mut unbonding = accounts.unbonding.load_mut()?;
            let way = Way {
                owner: &accounts.owner,
                bond: accounts.bond.key(),
                vault: &accounts.vault,
                rest: ctx.remaining_accounts,
            };
            way.check(&bond, &unbonding, OPERATOR, &accounts.destination.key(), &accounts.rent_to.key())?;
            let mut stake = bond.stake();
            check_matured(&stake.exit, unbonding.shares, UnixTs(unbonding.header.due_ts), now()?.ts).or_rule()?;
            let left = stake.withdraw(unbonding.shares).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            let withdrawn = take(&mut bond, &mut unbonding, &left, accounts.destination.key())?;
            if withdrawn.shares == 0 {
                bond.requests = bond.requests.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
            }
            withdrawn
        };
        let signer = signer(&accounts.bond)?;
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: signer.0, bump: signer.1 };
        let to = accounts.destination.as_ref();
        token::out_of_vault(&mut accounts.vault, to, &signer, withdrawn.paid)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        let closed = withdrawn.shares == 0;
        tell(&ctx.accounts.event_authority, &withdrawn)?;
        if closed { ctx.accounts.unbonding.close(ctx.accounts.rent_to.to_account_info()) } else { Ok(()) }
    }
}

/// Pays out a matured request of a delegator.
///
/// - As [`WithdrawStake`], the delegator in the operator's place; and no more shall be paid than what of all stake stands
///   behind no lease.
#[event_cpi]
#[derive(Accounts)]
pub struct WithdrawDelegation<'info> {
    /// The delegator; signs only to name another account.
    /// CHECK: it is the one that the request records.
    pub owner: UncheckedAccount<'info>,
    /// The bond; signs for its vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation.
    #[account(mut)]
    pub delegation: AccountLoader<'info, Delegation>,
    /// The request.
    #[account(mut)]
    pub unbonding: AccountLoader<'info, Unbonding>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the stake goes.
    /// CHECK: it is the recorded one, or the owner signs; SPL Token checks that it is of the vault's mint.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// Gets the request's rent.
    /// CHECK: it is the one that the request records.
    #[account(mut)]
    pub rent_to: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl<'info> WithdrawDelegation<'info> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &mut *ctx.accounts;
        let withdrawn = {
            let mut bond = accounts.bond.load_mut()?;
            let mut delegation = accounts.delegation.load_mut()?;
            let mut unbonding = accounts.unbonding.load_mut()?;
            let way = Way {
                owner: &accounts.owner,
                bond: accounts.bond.key(),
                vault: &accounts.vault,
                rest: ctx.remaining_accounts,
            };
            way.check(&bond, &unbonding, DELEGATOR, &accounts.destination.key(), &accounts.rent_to.key())?;
            delegation.header.check()?;
            require_keys_eq!(delegation.bond, unbonding.bond, StakingError::WrongDelegation);
            require_keys_eq!(delegation.delegator, unbonding.owner, StakingError::WrongDelegation);
            let mut stake = bond.stake();
            check_matured(&stake.delegated, unbonding.shares, UnixTs(unbonding.header.due_ts), now()?.ts).or_rule()?;
            let left = stake.withdraw_delegated(unbonding.shares).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            let withdrawn = take(&mut bond, &mut unbonding, &left, accounts.destination.key())?;
            if withdrawn.shares == 0 {
                delegation.requests =
                    delegation.requests.checked_sub(1).ok_or_else(|| rule(RuleError::InvariantBroken))?;
            }
            withdrawn
        };
        let signer = signer(&accounts.bond)?;
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: signer.0, bump: signer.1 };
        let to = accounts.destination.as_ref();
        token::out_of_vault(&mut accounts.vault, to, &signer, withdrawn.paid)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        let closed = withdrawn.shares == 0;
        tell(&ctx.accounts.event_authority, &withdrawn)?;
        if closed { ctx.accounts.unbonding.close(ctx.accounts.rent_to.to_account_info()) } else { Ok(()) }
    }
}

/// The accounts that both ways out have in common.
struct Way<'a, 'info, 'rest> {
    owner: &'a UncheckedAccount<'info>,
    bond: Pubkey,
    vault: &'a Account<'info, TokenAccount>,
    /// Shows the recorded account where that is closed.
    rest: &'a [AccountInfo<'rest>],
}

impl Way<'_, '_, '_> {
    fn check(&self, bond: &Bond, request: &Unbonding, kind: u8, to: &Pubkey, rent_to: &Pubkey) -> Result<()> {
        bond.header.check()?;
        request.header.check()?;
        require_keys_eq!(request.bond, self.bond, StakingError::WrongUnbonding);
        require_keys_eq!(self.owner.key(), request.owner, StakingError::WrongUnbonding);
        require!(request.kind == kind, StakingError::WrongUnbonding);
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        token::check_due(bond, self.owner, &request.destination, to, &self.vault.mint, self.rest)?;
        require_keys_eq!(*rent_to, request.rent_to, StakingError::WrongRentTo);
        Ok(())
    }
}

/// Takes the shares out of the request and counts what is paid.
fn take(bond: &mut Bond, request: &mut Unbonding, left: &Left, destination: Pubkey) -> Result<StakeWithdrawn> {
    request.shares = request.shares.checked_sub(left.shares).ok_or_else(|| rule(RuleError::InvariantBroken))?;
    bond.count_withdrawn(left.amount);
    Ok(StakeWithdrawn {
        bond: request.bond,
        owner: request.owner,
        number: request.number,
        kind: request.kind,
        destination,
        paid: left.amount.0,
        burned: left.shares,
        shares: request.shares,
        withdrawn_total: bond.withdrawn_total,
        totals: Totals::of(bond),
    })
}

fn signer(bond: &AccountLoader<Bond>) -> Result<(Pubkey, u8)> {
    let bond = bond.load()?;
    Ok((bond.authority, bond.header.bump))
}
