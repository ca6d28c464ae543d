//! `slash`.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::{Atoms, RuleError};
use program_common::{require_keys_eq, require_keys_neq};

use crate::checks::{Checked as _, check_slasher};
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check};
use crate::event::Slashed;
use crate::state::{Bond, Config, Reservation};
use crate::token::{self, BondSigner};
use program_common::raw_token::TokenAccount;

/// Slashes a part of a lease's reservation. Called by the program that reserved it.
///
/// - Only the slasher that made the reservation shall slash it, and only while the configuration names it.
/// - `victim + insurance`, more than zero, shall not exceed what is left of this reservation; other leases' stake and
///   free stake shall not be touched.
/// - `victim` atoms shall move to the victim's account, `insurance` atoms to the configured insurance account; a part
///   of zero shall move nothing, and its account need not even be a token account.
/// - Where the insurance account cannot take tokens now (it is frozen or closed), or the vault cannot give them (it is
///   frozen), the insurance part shall be recorded as owed and stay in the vault, counted as stake no more, until anybody pays it out: see [`super::PayInsurance`].
/// - The operator's stake shall be lost first, on its way out or not; then the delegators', each share alike.
/// - The stake shall leave the vault: neither account shall be the vault itself.
/// - The reservation shall stay open with what is left, possibly nothing, until it is released.
#[event_cpi]
#[derive(Accounts)]
pub struct Slash<'info> {
    /// The bond; signs for its vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The reservation.
    #[account(mut)]
    pub reservation: AccountLoader<'info, Reservation>,
    /// PDA of the calling program.
    pub slasher: Signer<'info>,
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Token account of the victim, as the slasher says.
    /// CHECK: SPL Token checks that it is a token account of the vault's mint; that it is not the vault is checked below.
    #[account(mut)]
    pub victim_account: UncheckedAccount<'info>,
    /// The configured insurance account.
    /// CHECK: it is the one that the configuration records.
    #[account(mut)]
    pub insurance_account: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl Slash<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        let reservation = self.reservation.load()?;
        reservation.header.check()?;
        require_keys_eq!(reservation.bond, self.bond.key(), StakingError::WrongBond);
        require_keys_eq!(self.slasher.key(), reservation.slasher, StakingError::WrongSlasher);
        let config = self.config.load()?;
        check_slasher(&config, self.slasher.key)?;
        config.header.check()?;
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        require_keys_neq!(self.victim_account.key(), bond.vault, StakingError::PaysItself);
        require_keys_eq!(self.insurance_account.key(), config.insurance, StakingError::WrongInsurance);
        require_keys_neq!(self.insurance_account.key(), bond.vault, StakingError::PaysItself);
        // token_program: checked by its type.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, victim: u64, insurance: u64) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let slash = Atoms(victim).add(Atoms(insurance)).or_rule()?;
        check(!slash.is_zero(), RuleError::ZeroAmount)?;
        let takes = !accounts.vault.is_frozen() && token::is_payable(&accounts.insurance_account, &accounts.vault.mint);
        let kept = if takes { 0 } else { insurance };
        let slashed = {
            let mut bond = accounts.bond.load_mut()?;
            let mut reservation = accounts.reservation.load_mut()?;
            let mut stake = bond.stake();
            let borne = stake.slash(Atoms(reservation.amount), slash).or_rule()?;
            bond.set_stake(&stake).or_rule()?;
            bond.count_slashed(slash).or_rule()?;
            bond.insurance_owed = Atoms(bond.insurance_owed).add(Atoms(kept)).or_rule()?.0;
            reservation.amount = borne.left.0;
            Slashed {
                bond: accounts.bond.key(),
                lease: reservation.lease,
                slasher: accounts.slasher.key(),
                victim_account: accounts.victim_account.key(),
                victim,
                insurance,
                reservation: borne.left.0,
                amount: bond.amount,
                reserved: bond.reserved,
                unbonding: bond.unbonding,
                slashed_total: bond.slashed_total,
                of_operator: borne.operator.0,
                of_delegators: borne.delegators.0,
                insurance_owed: bond.insurance_owed,
            }
        };
        accounts.pay(victim, insurance.saturating_sub(kept))?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        tell(&ctx.accounts.event_authority, &slashed)?;
        Ok(())
    }

    /// Moves the tokens out of the vault. The bond must not be borrowed here: it signs.
    fn pay(&mut self, victim: u64, insurance: u64) -> Result<()> {
        let (authority, bump) = {
            let bond = self.bond.load()?;
            (bond.authority, bond.header.bump)
        };
        let signer = BondSigner { bond: self.bond.as_ref(), authority, bump };
        token::out_of_vault(&mut self.vault, self.victim_account.as_ref(), &signer, victim)?;
        token::out_of_vault(&mut self.vault, self.insurance_account.as_ref(), &signer, insurance)
    }
}
