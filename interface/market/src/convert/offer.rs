//! An offer.

use gridlease_core::gpu::{model_name, region_name};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::machine::StakeLimit;
use gridlease_core::requirement::OfferSpec;
use gridlease_core::{Atoms, RuleResult, UnixTs};

use crate::account::{Offer, offer_state};

impl Offer {
    /// What one unit has.
    pub fn unit(&self) -> OfferSpec {
        OfferSpec::from(&self.spec)
    }

    /// What of it counts for its claims of GPUs.
    pub fn claims(&self) -> Claims {
        Claims { units: self.units, units_free: self.units_free, gpu_count: self.spec.gpu_count, claimed: self.claimed }
    }

    /// Until when it takes leases; zero for one that was withdrawn.
    pub fn live_until(&self) -> UnixTs {
        UnixTs(if self.header.state == offer_state::LIVE { self.header.due_ts } else { 0 })
    }

    /// Does it take leases at `now`?
    pub fn is_live(&self, now: UnixTs) -> bool {
        self.live_until() > now
    }

    /// The machine in words: "2 × h100 (80 GiB)", or "CPU".
    pub fn machine(&self) -> String {
        if self.spec.gpu_count == 0 {
            return "CPU".to_owned();
        }
        let model = model_name(self.spec.gpu_model).unwrap_or("unknown");
        format!("{} × {model} ({} GiB)", self.spec.gpu_count, self.spec.vram_mib / 1_024)
    }

    /// The region in words.
    pub fn region(&self) -> &'static str {
        region_name(self.spec.region).unwrap_or("unknown")
    }

    /// What it may bind of its provider's bond.
    pub fn limit(&self) -> StakeLimit {
        StakeLimit { limit: Atoms(self.stake_limit), bound: Atoms(self.bound) }
    }

    /// Binds the stake of a lease or a sealed bid.
    ///
    /// # Errors
    /// Those of [`StakeLimit::bind`].
    pub fn bind(&mut self, stake: Atoms) -> RuleResult<()> {
        self.bound = self.limit().bind(stake)?.bound.0;
        Ok(())
    }

    /// Takes back what was left of a reservation.
    ///
    /// # Errors
    /// Those of [`StakeLimit::unbind`].
    pub fn unbind(&mut self, left: Atoms) -> RuleResult<()> {
        self.bound = self.limit().unbind(left)?.bound.0;
        Ok(())
    }
}
