//! `pay_claim`: what was claimed out of a lease's reservation leaves the bond.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::delegation::check_matured;
use gridlease_core::{RuleError, UnixTs};
use program_common::clock::now;

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check};
use crate::event::{ClaimPaid, Totals};
use crate::state::{Bond, RELEASED, Reservation};
use crate::token::{self, BondSigner};
use program_common::raw_token::{self, TokenAccount};

/// Pays what a buyer, or who proved a fault, claimed out of a lease's reservation.
///
/// - Anyone shall do so, seven days after the last claim out of it was made, whatever else is reserved.
/// - It shall be paid what its shares are still worth, to its associated token account of the bond's mint; or to any other, if
///   it signs.
/// - Where the reservation was released and nothing is claimed out of it any more, it shall be closed: the lamport that the
///   bond lent it goes back, all others to the account that it records.
#[event_cpi]
#[derive(Accounts)]
pub struct PayClaim<'info> {
    /// Whose claim it is; signs only to name another account.
    /// CHECK: it is the one that the reservation records.
    pub claimant: UncheckedAccount<'info>,
    /// The bond; signs for its vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The reservation.
    #[account(mut)]
    pub reservation: AccountLoader<'info, Reservation>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the claim goes.
    /// CHECK: it is the claimant's associated account, or the claimant signs; SPL Token checks that it is of the vault's mint.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// Gets the reservation's rent where that is closed.
    /// CHECK: it is the one that the reservation records.
    #[account(mut)]
    pub rent_to: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl PayClaim<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        let reservation = self.reservation.load()?;
        reservation.header.check()?;
        require_keys_eq!(reservation.bond, self.bond.key(), StakingError::WrongBond);
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        let associated = raw_token::associated(self.claimant.key, &self.vault.mint);
        token::check_destination(&bond, &self.claimant, &associated, self.destination.key)?;
        require_keys_eq!(self.rent_to.key(), reservation.rent_to, StakingError::WrongRentTo);
        // token_program: checked by its type.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let (paid, signer, close) = {
            let mut bond = accounts.bond.load_mut()?;
            let mut reservation = accounts.reservation.load_mut()?;
            let claimant = accounts.claimant.key();
            let mut shares = 0;
            if reservation.buyer == claimant {
                shares = core::mem::take(&mut reservation.buyer_shares);
            }
            if reservation.prover == claimant {
                // Both are shares of one pool.
                shares = u64::saturating_add(shares, core::mem::take(&mut reservation.prover_shares));
            }
            check(shares > 0, RuleError::NothingToClaim)?;
            let mut stake = bond.stake();
            check_matured(&stake.claims, shares, UnixTs(reservation.header.due_ts), now()?.ts).or_rule()?;
            let amount = stake.pay_claim(shares).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            bond.count_claimed(amount);
            let close = reservation.header.state == RELEASED && !reservation.has_claims();
            let paid = ClaimPaid {
                bond: reservation.bond,
                lease: reservation.lease,
                claimant,
                destination: accounts.destination.key(),
                paid: amount.0,
                burned: shares,
                claimed_total: bond.claimed_total,
                totals: Totals::of(&bond),
            };
            (paid, (bond.authority, bond.header.bump), close.then_some(reservation.lent))
        };
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: signer.0, bump: signer.1 };
        let to = accounts.destination.as_ref();
        token::out_of_vault(&mut accounts.vault, to, &signer, paid.paid)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        tell(&ctx.accounts.event_authority, &paid)?;
        let accounts = &ctx.accounts;
        match close {
            Some(lent) => {
                token::close_reservation(accounts.reservation.as_ref(), accounts.bond.as_ref(), lent, &accounts.rent_to)
            }
            None => Ok(()),
        }
    }
}
