//! `release`.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use program_common::require_keys_eq;

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::Released;
use crate::state::{ACTIVE, Bond, RELEASED, Reservation};
use crate::token;

/// Releases what is left of a lease's reservation. Called by the program that reserved it.
///
/// - Only the slasher that made the reservation shall release it; it may do so even after the configuration has
///   stopped naming it, so that an exit is never blocked.
/// - What is left shall become free stake of the bond, less what is on its way out and waited for it; and the reservation
///   shall be closed. Where something is claimed out of it that was not paid, it shall stay until it is: see [`super::PayClaim`].
/// - The lamport that the bond lent it shall go back to the bond, all others to the account that it records; those of one that
///   stays, later, to the bond's authority, because the account that it records may be gone by then.
#[event_cpi]
#[derive(Accounts)]
pub struct Release<'info> {
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The reservation; closed.
    #[account(mut)]
    pub reservation: AccountLoader<'info, Reservation>,
    /// PDA of the calling program.
    pub slasher: Signer<'info>,
    /// Gets the reservation's lamports.
    /// CHECK: it is the one that the reservation records.
    #[account(mut)]
    pub rent_to: UncheckedAccount<'info>,
}

impl Release<'_> {
    fn validate(&self, bond: &Bond, reservation: &Reservation) -> Result<()> {
        bond.header.check()?;
        reservation.header.check()?;
        require!(reservation.header.state == ACTIVE, StakingError::WrongSlasher);
        require_keys_eq!(reservation.bond, *self.bond.as_ref().key, StakingError::WrongBond);
        require_keys_eq!(*self.slasher.key, reservation.slasher, StakingError::WrongSlasher);
        require_keys_eq!(*self.rent_to.key, reservation.rent_to, StakingError::WrongRentTo);
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let (lent, released, claims) = {
            let accounts = &ctx.accounts;
            let mut reservation = accounts.reservation.load_mut()?;
            let mut bond = accounts.bond.load_mut()?;
            accounts.validate(&bond, &reservation)?;
            let mut stake = bond.stake();
            stake.release(Atoms(reservation.amount)).or_rule()?;
            // No tokens move, so the vault need not be looked at; that the bond covers what is bound is checked here.
            bond.set_stake(&stake).or_rule()?;
            bond.count_released().or_rule()?;
            let released = Released {
                bond: reservation.bond,
                lease: reservation.lease,
                slasher: reservation.slasher,
                released: reservation.amount,
                amount: bond.amount,
                reserved: bond.reserved,
                unbonding: bond.unbonding,
                leases: bond.leases,
            };
            let claims = reservation.has_claims();
            if claims {
                reservation.amount = 0;
                reservation.header.state = RELEASED;
                reservation.rent_to = bond.authority;
            }
            (reservation.lent, released, claims)
        };
        tell(&ctx.accounts.event_authority, &released)?;
        if claims {
            return Ok(());
        }
        // Lamports move last.
        let accounts = &ctx.accounts;
        token::close_reservation(accounts.reservation.as_ref(), accounts.bond.as_ref(), lent, &accounts.rent_to)
    }
}
