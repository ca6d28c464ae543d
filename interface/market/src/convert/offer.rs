//! An offer.

use gridlease_core::UnixTs;
use gridlease_core::gpu::{model_name, region_name};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::requirement::OfferSpec;

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
}
