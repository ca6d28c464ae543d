//! `slash`.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::delegation::{self as rules, Stake};
use gridlease_core::timelock::{Act, may};
use gridlease_core::{Atoms, RuleError, UnixTs};
use program_common::clock::now;
use program_common::{require_keys_eq, require_keys_neq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check, rule};
use crate::event::{Slashed, Totals};
use crate::state::{Bond, Config, Reservation};
use crate::token::{self, BondSigner};
use program_common::raw_token::TokenAccount;

/// Slashes a part of a lease's reservation. Called by the program that reserved it.
///
/// - Only the slasher that made the reservation shall slash it; it may do so even after the configuration has stopped naming
///   it, so that no lease is left without an end.
/// - All of it together, more than zero, shall not exceed what is left of this reservation; other leases' stake and free
///   stake shall not be touched.
/// - `buyer` and `prover` atoms shall be claimed for the keys that are named, out of the operator's part of this reservation
///   and never beyond it: see [`gridlease_core::delegation::Stake::claim`]. They leave the bond seven days later.
/// - `insurance` atoms shall move to the configured insurance account; the operator's stake shall be lost first, on its way
///   out or not, then what is claimed, then the delegators', each share alike.
/// - Where the insurance account cannot take tokens now (it is frozen or closed), or the vault cannot give them (it is
///   frozen), they shall be recorded as owed and stay in the vault, counted as stake no more, until anyone pays them out: see
///   [`super::PayInsurance`].
/// - The stake shall leave the vault: the insurance account shall not be the vault itself.
/// - The reservation shall stay open with what is left, possibly nothing, until it is released and its claims are paid.
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
    /// The configured insurance account.
    /// CHECK: it is the one that the configuration records.
    #[account(mut)]
    pub insurance_account: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

/// What a slash takes, in atoms, and for whom.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct Taken {
    /// Claimed by the buyer.
    pub buyer: u64,
    /// Claimed by who proved the fault.
    pub prover: u64,
    /// To the insurance fund.
    pub insurance: u64,
    /// The buyer; zero for none.
    pub buyer_key: Pubkey,
    /// Who proved the fault; zero for none.
    pub prover_key: Pubkey,
}

impl Slash<'_> {
    fn validate(&self) -> Result<()> {
        let bond = self.bond.load()?;
        bond.header.check()?;
        let reservation = self.reservation.load()?;
        reservation.header.check()?;
        require_keys_eq!(reservation.bond, self.bond.key(), StakingError::WrongBond);
        let config = self.config.load()?;
        let (listed, own) = (config.is_slasher(self.slasher.key), *self.slasher.key == reservation.slasher);
        require!(may(Act::Slash, listed, own), StakingError::WrongSlasher);
        config.header.check()?;
        require_keys_eq!(self.vault.key(), bond.vault, StakingError::WrongVault);
        require_keys_eq!(self.insurance_account.key(), config.insurance, StakingError::WrongInsurance);
        require_keys_neq!(self.insurance_account.key(), bond.vault, StakingError::PaysItself);
        // token_program: checked by its type.
        Ok(())
    }

    pub(crate) fn handle(ctx: Context<Self>, taken: Taken) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = &mut *ctx.accounts;
        let now = now()?.ts;
        let insurance = Atoms(taken.insurance);
        let takes = !accounts.vault.is_frozen() && token::is_payable(&accounts.insurance_account, &accounts.vault.mint);
        let kept = if takes { 0 } else { taken.insurance };
        let slashed = {
            let mut bond = accounts.bond.load_mut()?;
            let mut reservation = accounts.reservation.load_mut()?;
            let mut stake = bond.stake();
            claim(&mut stake, &mut reservation, &taken, now)?;
            let mut borne = rules::Slash::default();
            if !insurance.is_zero() {
                borne = stake.slash(Atoms(reservation.amount), insurance).or_rule()?;
                reservation.amount = borne.left.0;
            }
            bond.set_stake(&stake).or_rule()?;
            bond.count_slashed(insurance).or_rule()?;
            bond.insurance_owed = Atoms(bond.insurance_owed).add(Atoms(kept)).or_rule()?.0;
            Slashed {
                bond: accounts.bond.key(),
                lease: reservation.lease,
                slasher: accounts.slasher.key(),
                buyer: taken.buyer_key,
                claimed: taken.buyer,
                prover: taken.prover_key,
                claimed_by_prover: taken.prover,
                due: reservation.header.due_ts,
                insurance: taken.insurance,
                reservation: reservation.amount,
                slashed_total: bond.slashed_total,
                of_operator: borne.operator.0,
                of_claims: borne.claims.0,
                of_delegators: borne.delegators.0,
                insurance_owed: bond.insurance_owed,
                totals: Totals::of(&bond),
            }
        };
        accounts.pay(taken.insurance.saturating_sub(kept))?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        tell(&ctx.accounts.event_authority, &slashed)?;
        Ok(())
    }

    /// Moves the tokens out of the vault. The bond must not be borrowed here: it signs.
    fn pay(&mut self, insurance: u64) -> Result<()> {
        let (authority, bump) = {
            let bond = self.bond.load()?;
            (bond.authority, bond.header.bump)
        };
        let signer = BondSigner { bond: self.bond.as_ref(), authority, bump };
        token::out_of_vault(&mut self.vault, &self.insurance_account, &signer, insurance)
    }
}

/// Turns what is claimed into claims, the prover's first.
fn claim(stake: &mut Stake, reservation: &mut Reservation, taken: &Taken, now: UnixTs) -> Result<()> {
    let all = Atoms(taken.buyer).add(Atoms(taken.prover)).or_rule()?;
    check(!all.add(Atoms(taken.insurance)).or_rule()?.is_zero(), RuleError::ZeroAmount)?;
    if all.is_zero() {
        return Ok(());
    }
    for (amount, key, of_buyer) in [(taken.prover, taken.prover_key, false), (taken.buyer, taken.buyer_key, true)] {
        if amount == 0 {
            continue;
        }
        let (left, before) = (Atoms(reservation.amount), Atoms(reservation.claimed));
        let claimed = stake.claim(left, before, Atoms(amount)).or_rule()?;
        check(claimed.amount == Atoms(amount), RuleError::SlashAboveReservation)?;
        reservation.amount = claimed.left.0;
        reservation.claimed = before.add(claimed.amount).or_rule()?.0;
        let (owner, shares) = if of_buyer {
            let Reservation { buyer, buyer_shares, .. } = reservation;
            (buyer, buyer_shares)
        } else {
            let Reservation { prover, prover_shares, .. } = reservation;
            (prover, prover_shares)
        };
        // A reservation has one buyer and one prover for all of its life.
        require!(
            key != Pubkey::default() && (*owner == key || *owner == Pubkey::default()),
            StakingError::WrongClaimant
        );
        *owner = key;
        *shares = shares.checked_add(claimed.shares).ok_or_else(|| rule(RuleError::Overflow))?;
    }
    reservation.header.due_ts = rules::matures(now).or_rule()?.0;
    Ok(())
}
