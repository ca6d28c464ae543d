//! What is taken out of the stake behind a lease or a sealed bid, and what of that is claimed and paid later.

use gridlease_core::delegation::{check_matured, matures};
use gridlease_core::slash::SlashSplit;
pub use gridlease_core::verdict::Split as Taken;
use gridlease_core::{Atoms, RuleError, UnixTs};
use gridlease_sdk::address;
use solana_pubkey::Pubkey;

use super::pools::{Holdings, NO_ACCOUNT};
use super::{Answer, GONE_IN_STAKING, InMarket, Model, require};
use crate::command::pools::To;

/// Whose claims a lease's reservation bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    pub lease: Pubkey,
    pub buyer: Pubkey,
    /// Who proved something; the zero key: nobody.
    pub prover: Pubkey,
}

/// What is claimed out of a lease's reservation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub lease: Pubkey,
    /// The zero key where the buyer claims nothing.
    pub buyer: Pubkey,
    pub prover: Pubkey,
    /// Ever claimed out of it.
    pub claimed: Atoms,
    /// What of the buyer's was not paid, as shares.
    pub shares: u64,
    /// The same of who proved something.
    pub prover_shares: u64,
    pub due: UnixTs,
    /// The lease was closed: the reservation stays for this alone.
    pub released: bool,
}

/// What a fault takes.
pub fn by_fault(parts: &SlashSplit) -> Taken {
    Taken { prover: Atoms::ZERO, victim: parts.victim, insurance: parts.insurance }
}

impl Claim {
    /// Is something claimed that was not paid?
    pub fn is_open(&self) -> bool {
        self.shares > 0 || self.prover_shares > 0
    }

    /// Whose claim is paid.
    pub fn claimant(&self, to_prover: bool) -> Pubkey {
        if to_prover { self.prover } else { self.buyer }
    }
}

impl Holdings {
    /// What is claimed out of a lease's reservation.
    pub fn claim(&self, lease: &Pubkey) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.lease == *lease)
    }

    /// The place of claim number `at`.
    pub fn claim_at(&self, at: u8) -> Option<usize> {
        usize::from(at).checked_rem(self.claims.len())
    }
}

impl Model {
    /// Slashes a reservation of stake, that of a lease of a buyer or of a sealed bid; returns what is left of it.
    pub(super) fn slash_stake(
        &mut self,
        provider: usize,
        behind: Option<Behind>,
        reservation: Atoms,
        parts: &Taken,
    ) -> Result<Atoms, String> {
        let insurance = self.staking.insurance;
        let vault = self.providers[provider].bond_vault;
        let held = self.frozen.contains(&vault);
        let owed = if held || self.frozen.contains(&insurance) { parts.insurance } else { Atoms::ZERO };
        let mut left = reservation;
        if let Some(behind) = behind {
            left = self.claim_stake(provider, &behind, left, parts)?;
        }
        if parts.insurance.is_zero() {
            return Ok(left);
        }
        let stake = self.stake(provider)?;
        let borne = stake.totals.slash(left, parts.insurance).staking()?;
        stake.slashed += parts.insurance.0;
        stake.insurance_owed += owed.0;
        let leaving = stake.totals.exit.shares > 0;
        if !borne.delegators.is_zero() {
            self.noted.push("a slash was borne by delegators");
        } else if leaving {
            self.noted.push("a slash was borne while stake was on its way out");
        }
        if held {
            self.noted.push("a slash of a frozen bond is owed to insurance");
        }
        // What a frozen insurance account cannot take, or a frozen vault cannot give, stays in the bond's vault.
        self.pay_out(vault, insurance, parts.insurance.sub(owed).staking()?)?;
        Ok(borne.left)
    }

    /// Turns what is taken for the buyer, and for who proved something, into claims, the latter first; returns what is left of the
    /// reservation.
    fn claim_stake(
        &mut self,
        provider: usize,
        behind: &Behind,
        reservation: Atoms,
        parts: &Taken,
    ) -> Result<Atoms, String> {
        if parts.prover.is_zero() && parts.victim.is_zero() {
            return Ok(reservation);
        }
        let due = matures(self.now.ts).staking()?;
        let owner = &mut self.providers[provider];
        let stake = owner.bond.as_mut().ok_or(GONE_IN_STAKING)?;
        let claims = &mut owner.holdings.claims;
        let place = claims.iter().position(|claim| claim.lease == behind.lease).unwrap_or_else(|| {
            claims.push(Claim { lease: behind.lease, ..Claim::default() });
            claims.len() - 1
        });
        let claim = &mut claims[place];
        let mut left = reservation;
        for (amount, key, of_buyer) in [(parts.prover, behind.prover, false), (parts.victim, behind.buyer, true)] {
            if amount.is_zero() {
                continue;
            }
            let got = stake.totals.claim(left, claim.claimed, amount).staking()?;
            require(got.amount == amount, "staking SlashAboveReservation")?;
            require(key != Pubkey::default(), "staking WrongClaimant")?;
            left = got.left;
            claim.claimed = claim.claimed.add(got.amount).staking()?;
            if of_buyer {
                (claim.buyer, claim.shares) = (key, claim.shares + got.shares);
                self.noted.push("a buyer claims stake");
            } else {
                (claim.prover, claim.prover_shares) = (key, claim.prover_shares + got.shares);
                self.noted.push("who proved a fault claims stake");
            }
        }
        claim.due = due;
        Ok(left)
    }

    /// Pays claim `at` of a bond's to the buyer, or to who proved something.
    pub(super) fn pay_claim(&mut self, provider: usize, at: u8, to_prover: bool, signed: bool, to: To) -> Answer {
        let now = self.now.ts;
        let place = self.providers[provider].holdings.claim_at(at).ok_or(GONE_IN_STAKING)?;
        let mut stake = *self.stake(provider)?;
        let mut claim = self.providers[provider].holdings.claims[place];
        let claimant = claim.claimant(to_prover);
        let wallet = self.wallet_of(claimant).ok_or(NO_ACCOUNT)?;
        let destination = self.account(provider, to, wallet).ok_or(NO_ACCOUNT)?;
        let named = destination == wallet || signed;
        require(named && !self.is_vault(provider, destination), "staking WrongDestination")?;
        let mut shares = 0;
        if claim.buyer == claimant {
            shares += core::mem::take(&mut claim.shares);
        }
        if claim.prover == claimant {
            shares += core::mem::take(&mut claim.prover_shares);
        }
        if shares == 0 {
            return Err(RuleError::NothingToClaim).staking();
        }
        check_matured(&stake.totals.claims, shares, claim.due, now).staking()?;
        let amount = stake.totals.pay_claim(shares).staking()?;
        stake.claimed += amount.0;
        self.providers[provider].bond = Some(stake);
        self.noted.push(match (amount.is_zero(), claim.buyer == claim.prover, claim.buyer == claimant) {
            (true, ..) => "a claim was slashed to nothing",
            (_, true, _) => "a claim was paid to a buyer that proved a fault itself",
            (.., true) => "a claim was paid",
            (.., false) => "a claim was paid to who proved a fault",
        });
        if claim.released && !claim.is_open() {
            self.closed.push(address::reservation(&claim.lease));
            self.providers[provider].holdings.claims.remove(place);
        } else {
            self.providers[provider].holdings.claims[place] = claim;
        }
        self.pay_out(self.providers[provider].bond_vault, destination, amount)
    }
}
