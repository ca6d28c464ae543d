//! `reserve`.

use anchor_lang::prelude::*;
use anchor_lang::system_program;
use gridlease_core::Atoms;
use program_common::lamports::{open_unfunded, rent_of, shift};
use program_common::{require, require_keys_eq, require_keys_neq};

use crate::checks::{Checked as _, check_slasher};
use crate::constants::SPARE_LAMPORTS;
use crate::derive;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::Reserved;
use crate::new_account::write_new;
use crate::state::{Bond, Config, Header, Reservation};
use staking_interface::seed::RESERVATION_SEED;

/// Reserves free stake for one lease. Called by a program that the configuration names, signing with its PDA.
///
/// - Only a configured slasher shall reserve.
/// - `amount`, more than zero, shall not exceed the bond's free stake; it shall no longer be free afterwards.
/// - There shall be at most one reservation per lease at a time. It records the slasher, who alone may release or
///   slash it, and `rent_to`, who gets its lamports.
/// - The reservation shall be created without lamports being asked of anyone; lamports that somebody sent to its
///   address before shall not hinder it.
/// - **The caller shall credit what the reservation lacks of the rent of [`Reservation::SPACE`] bytes in the same
///   transaction**, directly from an account that it owns (a program may credit any account): after this call; or
///   before it, if that account is `rent_to`, because the runtime wants lamports balanced over the accounts that a call
///   sees. An account without any lamports would disappear at the end of the transaction, and its stake stay reserved
///   for ever. So a reservation without lamports shall be lent one by the bond: the runtime refuses a transaction that
///   leaves an account with lamports, but fewer than its rent, and a caller that forgets the rent changes nothing.
/// - `lease` and `rent_to` are only recorded. `rent_to` shall be an account that can receive lamports, and not the
///   reservation itself.
#[event_cpi]
#[derive(Accounts)]
pub struct Reserve<'info> {
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The reservation, new.
    /// CHECK: that its address is derived from the lease, and that it is empty, is checked below.
    // The seeds for readers of the IDL; Anchor's own search for the address costs 1,500 CU a bump, ours a third.
    #[cfg_attr(feature = "idl-build", account(mut, seeds = [RESERVATION_SEED, lease.key().as_ref()], bump))]
    #[cfg_attr(not(feature = "idl-build"), account(mut))]
    pub reservation: UncheckedAccount<'info>,
    /// PDA of the calling program.
    pub slasher: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The lease.
    /// CHECK: only its key counts; what a lease is, is the caller's affair.
    pub lease: UncheckedAccount<'info>,
    /// Gets the reservation's lamports on release.
    /// CHECK: only its key counts.
    pub rent_to: UncheckedAccount<'info>,
    /// Gives the address to this program.
    pub system_program: Program<'info, System>,
}

impl Reserve<'_> {
    /// Returns the bump of the reservation's address.
    fn validate(&self) -> Result<u8> {
        self.bond.load()?.header.check()?;
        let (expected, bump) = derive::find([RESERVATION_SEED, self.lease.key.as_ref()]);
        require_keys_eq!(*self.reservation.key, expected, ErrorCode::ConstraintSeeds);
        let free = self.reservation.owner == &system_program::ID && self.reservation.data_is_empty();
        require!(free, StakingError::ReservationExists);
        let config = self.config.load()?;
        check_slasher(&config, self.slasher.key)?;
        config.header.check()?;
        // lease: any key.
        require_keys_neq!(self.rent_to.key(), self.reservation.key(), StakingError::WrongRentTo);
        // system_program: checked by its type.
        Ok(bump)
    }

    pub(crate) fn handle(ctx: Context<Self>, amount: u64) -> Result<()> {
        let accounts = &ctx.accounts;
        let bump = accounts.validate()?;
        let lent = u64::from(accounts.reservation.lamports() == 0);
        let reserved = {
            let mut bond = accounts.bond.load_mut()?;
            // No tokens move, so the vault need not be looked at; that the bond covers what is bound is checked here.
            bond.reserve(Atoms(amount)).or_rule()?;
            bond.count_reserved().or_rule()?;
            Reserved {
                bond: accounts.bond.key(),
                lease: accounts.lease.key(),
                slasher: accounts.slasher.key(),
                reservation: amount,
                amount: bond.amount,
                reserved: bond.reserved,
                unbonding: bond.unbonding,
                leases: bond.leases,
            }
        };
        accounts.create(bump, amount, lent)?;
        tell(&ctx.accounts.event_authority, &reserved)?;
        ctx.accounts.lend(lent)
    }

    /// Lends the reservation its first lamport. What the bond keeps must be its rent; the runtime sees to that, and what
    /// a bond is opened with lasts for so many leases that it is worth saying why only beyond them.
    fn lend(&self, lent: u64) -> Result<()> {
        if lent > 0 && u64::from(self.bond.load()?.leases) > SPARE_LAMPORTS {
            let keeps = self.bond.as_ref().lamports().saturating_sub(lent);
            require!(keeps >= rent_of(&Rent::get()?, Bond::SPACE), StakingError::NoSpareLamport);
        }
        shift(self.bond.as_ref(), &self.reservation, lent)
    }

    /// Takes the address over and writes the reservation. Once assigned, the program may size the account itself.
    fn create(&self, bump: u8, amount: u64, lent: u64) -> Result<()> {
        let seeds: &[&[u8]] = &[RESERVATION_SEED, self.lease.key.as_ref(), &[bump]];
        open_unfunded(&crate::ID, self.reservation.as_ref(), Reservation::SPACE, seeds)?;
        let reservation = Reservation {
            header: Header::new(self.reservation.key, bump),
            bond: self.bond.key(),
            lease: self.lease.key(),
            slasher: self.slasher.key(),
            rent_to: self.rent_to.key(),
            amount,
            lent,
            claimed: 0,
            buyer: Pubkey::default(),
            buyer_shares: 0,
            prover: Pubkey::default(),
            prover_shares: 0,
            reserved_space: [0; 32],
        };
        write_new(&self.reservation, &reservation)
    }
}
