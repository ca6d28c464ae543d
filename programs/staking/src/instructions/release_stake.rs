//! `release`.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;

use crate::error::{OrRule, StakingError};
use crate::event::Released;
use crate::state::{Bond, Reservation};
use crate::token;

/// Releases what is left of a lease's reservation. Called by the program that reserved it.
///
/// - Only the slasher that made the reservation shall release it; it may do so even after the configuration has
///   stopped naming it, so that an exit is never blocked.
/// - What is left shall become free stake of the bond, less what is on its way out and waited for it; and the reservation shall be closed.
/// - The lamport that the bond lent it shall go back to the bond, all others to the account that it records.
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
    fn validate(&self) -> Result<()> {
        self.bond.load()?.header.check()?;
        let reservation = self.reservation.load()?;
        reservation.header.check()?;
        require_keys_eq!(reservation.bond, self.bond.key(), StakingError::WrongBond);
        require_keys_eq!(self.slasher.key(), reservation.slasher, StakingError::WrongSlasher);
        require_keys_eq!(self.rent_to.key(), reservation.rent_to, StakingError::WrongRentTo);
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        accounts.validate()?;
        let lent = accounts.reservation.load()?.lent;
        let released = {
            let reservation = accounts.reservation.load()?;
            let mut bond = accounts.bond.load_mut()?;
            let mut stake = bond.stake();
            stake.release(Atoms(reservation.amount)).or_rule()?;
            // No tokens move, so the vault need not be looked at; that the bond covers what is bound is checked here.
            bond.set_stake(&stake)?;
            bond.count_released()?;
            Released {
                bond: accounts.bond.key(),
                lease: reservation.lease,
                slasher: accounts.slasher.key(),
                released: reservation.amount,
                amount: bond.amount,
                reserved: bond.reserved,
                unbonding: bond.unbonding,
                leases: bond.leases,
            }
        };
        emit_cpi!(released);
        let (bond, reservation) = (ctx.accounts.bond.as_ref(), ctx.accounts.reservation.as_ref());
        token::lend(reservation, bond, lent)?;
        // Lamports move last. No data is left, and the address is the System program's again.
        ctx.accounts.reservation.close(ctx.accounts.rent_to.to_account_info())
    }
}
