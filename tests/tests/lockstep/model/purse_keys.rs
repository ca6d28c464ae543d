//! Who acts in the name of a purse: its owner, its spender, its guardian.

use gridlease_core::period_cap::PeriodCap;
use gridlease_core::purse_key::{PurseKey, PurseStep};
use gridlease_core::{Atoms, Seconds};
use solana_pubkey::Pubkey;

use super::{Answer, InMarket, Model};
use crate::command::By;

impl Model {
    /// The key with which whoever signs where the purse's owner could takes this step.
    pub(super) fn in_the_name_of(&mut self, buyer: usize, by: By, step: PurseStep) -> Result<PurseKey, String> {
        let owner = self.buyers[buyer].key;
        let signer = self.signer(by, owner);
        let purse = *self.purse(buyer)?;
        let is = |key: Pubkey| key == signer && key != Pubkey::default();
        let key = PurseKey::of(is(owner), is(purse.spender), is(purse.guardian), step).ok_or("market NotBuyer")?;
        self.noted.extend(way_of(key, step));
        Ok(key)
    }

    /// As [`Model::in_the_name_of`], for a step that reserves `amount`: the owner anything, the others what is left of their caps.
    pub(super) fn spend_in_the_name_of(&mut self, buyer: usize, by: By, step: PurseStep, amount: Atoms) -> Answer {
        let now = self.now.ts;
        let key = self.in_the_name_of(buyer, by, step)?;
        let purse = self.purse(buyer)?;
        let (cap, refusal, in_period, in_new_period) = match key {
            PurseKey::Owner => return Ok(()),
            PurseKey::Spender => {
                (&mut purse.spending, "market SpenderCap", "a spender posted", "a spender posted in a new period")
            }
            PurseKey::Guardian => {
                let in_new_period = "a guardian topped up in a new period";
                (&mut purse.guarding, "market GuardianCap", "a guardian topped up", in_new_period)
            }
        };
        let before = cap.period_start;
        *cap = cap.spend(amount, now).ok_or(refusal)?;
        let same = cap.period_start == before;
        self.noted.push(if same { in_period } else { in_new_period });
        Ok(())
    }

    pub(super) fn set_guardian(&mut self, buyer: usize, guardian: u8, cap: u64, period_s: u32) -> Answer {
        let (guardian, now) = (self.somebody(guardian), self.now.ts);
        let none = guardian == Pubkey::default();
        let guarding = match none || cap == 0 {
            true => PeriodCap::default(),
            false => PeriodCap::set(Atoms(cap), Seconds(period_s.into()), now).market()?,
        };
        let purse = self.purse(buyer)?;
        (purse.guardian, purse.guarding) = (guardian, guarding);
        self.noted.push(match (none, cap) {
            (true, _) => "a guardian was removed",
            (_, 0) => "a guardian was set that adds nothing",
            _ => "a guardian was set",
        });
        Ok(())
    }
}

/// What somebody other than the owner does, where its answer does not tell.
const fn way_of(key: PurseKey, step: PurseStep) -> Option<&'static str> {
    match (key, step) {
        (PurseKey::Guardian, PurseStep::Cancel) => Some("a guardian cancelled"),
        (PurseKey::Guardian, PurseStep::Stop) => Some("a guardian stopped a lease"),
        (PurseKey::Guardian, PurseStep::Reject) => Some("a guardian rejected a start"),
        (PurseKey::Guardian, PurseStep::Reopen) => Some("a guardian reopened a job"),
        (PurseKey::Guardian, PurseStep::Accept) => Some("a guardian accepted"),
        (PurseKey::Guardian, PurseStep::Extend) => Some("a guardian extended a lease"),
        (PurseKey::Spender, PurseStep::Accept) => Some("a spender accepted"),
        _ => None,
    }
}
