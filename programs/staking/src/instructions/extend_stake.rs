//! `extend`.

use anchor_lang::prelude::*;
use gridlease_core::Atoms;
use gridlease_core::timelock::{Act, may};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::Extended;
use crate::state::{ACTIVE, Bond, Config, Reservation};

/// Reserves more free stake for a lease that has a reservation. Called by the program that made it.
///
/// - Only the slasher that made the reservation shall extend it, and only while the configuration names it: it binds new stake.
/// - `amount`, more than zero, shall not exceed the bond's free stake.
/// - A reservation that was released shall not be extended.
#[event_cpi]
#[derive(Accounts)]
pub struct Extend<'info> {
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The reservation.
    #[account(mut)]
    pub reservation: AccountLoader<'info, Reservation>,
    /// PDA of the calling program.
    pub slasher: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
}

impl Extend<'_> {
    fn validate(&self, bond: &Bond, reservation: &Reservation) -> Result<()> {
        bond.header.check()?;
        reservation.header.check()?;
        require_keys_eq!(reservation.bond, *self.bond.as_ref().key, StakingError::WrongBond);
        let config = self.config.load()?;
        let (listed, own) = (config.is_slasher(self.slasher.key), *self.slasher.key == reservation.slasher);
        require!(own, StakingError::WrongSlasher);
        require!(may(Act::Extend, listed, own), StakingError::UnknownSlasher);
        require!(reservation.header.state == ACTIVE, StakingError::WrongSlasher);
        config.header.check()
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        let accounts = &ctx.accounts;
        let extended = {
            let mut bond = accounts.bond.load_mut()?;
            let mut reservation = accounts.reservation.load_mut()?;
            accounts.validate(&bond, &reservation)?;
            // No tokens move, so the vault need not be looked at; that the bond covers what is bound is checked here.
            bond.reserve(Atoms(amount)).or_rule()?;
            reservation.amount = Atoms(reservation.amount).add(Atoms(amount)).or_rule()?.0;
            Extended {
                bond: reservation.bond,
                lease: reservation.lease,
                slasher: reservation.slasher,
                added: amount,
                reservation: reservation.amount,
                amount: bond.amount,
                reserved: bond.reserved,
                unbonding: bond.unbonding,
            }
        };
        tell(&ctx.accounts.event_authority, &extended)?;
        Ok(())
    }
}
