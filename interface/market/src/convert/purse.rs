//! A purse and the rules of its money.

use anchor_lang::prelude::Pubkey;
use gridlease_core::period_cap::PeriodCap;
use gridlease_core::purse::Purse as Amounts;
use gridlease_core::purse_key::{PurseKey, PurseStep};
use gridlease_core::{Atoms, RuleResult, Seconds, UnixTs};

use crate::account::Purse;

impl Purse {
    /// The purse's amounts.
    pub fn amounts(&self) -> Amounts {
        Amounts {
            balance: Atoms(self.balance),
            reserved: Atoms(self.reserved),
            fees_owed: Atoms(self.fees_owed),
            forfeits_owed: Atoms(self.forfeits_owed),
        }
    }

    /// Writes the purse's amounts back, after they were checked.
    pub fn set_amounts(&mut self, next: Amounts) -> RuleResult<()> {
        next.free()?;
        self.balance = next.balance.0;
        self.reserved = next.reserved.0;
        self.fees_owed = next.fees_owed.0;
        self.forfeits_owed = next.forfeits_owed.0;
        Ok(())
    }

    /// What can be reserved or withdrawn; zero for a damaged account.
    pub fn free(&self) -> Atoms {
        self.amounts().free().unwrap_or(Atoms::ZERO)
    }

    /// The spender's cap and what it used of it.
    pub fn spender_rules(&self) -> PeriodCap {
        PeriodCap {
            cap: Atoms(self.spender_cap),
            spent: Atoms(self.spender_spent),
            period_start: UnixTs(self.spender_period_start),
            period: Seconds(self.spender_period_s.into()),
        }
    }

    /// Writes back what moves; the length of the period is set with the key.
    pub fn set_spender_rules(&mut self, next: &PeriodCap) {
        self.spender_cap = next.cap.0;
        self.spender_spent = next.spent.0;
        self.spender_period_start = next.period_start.0;
    }

    /// The guardian's cap and what it used of it.
    pub fn guardian_rules(&self) -> PeriodCap {
        PeriodCap {
            cap: Atoms(self.guardian_cap),
            spent: Atoms(self.guardian_spent),
            period_start: UnixTs(self.guardian_period_start),
            period: Seconds(self.guardian_period_s.into()),
        }
    }

    /// Writes back what moves; the length of the period is set with the key.
    pub fn set_guardian_rules(&mut self, next: &PeriodCap) {
        self.guardian_cap = next.cap.0;
        self.guardian_spent = next.spent.0;
        self.guardian_period_start = next.period_start.0;
    }

    /// The role in which `signer` takes `step`; `None` where it may not.
    pub fn key_for(&self, signer: &Pubkey, step: PurseStep) -> Option<PurseKey> {
        let is = |key: &Pubkey| key == signer && *key != Pubkey::default();
        PurseKey::of(is(&self.owner), is(&self.spender), is(&self.guardian), step)
    }
}
