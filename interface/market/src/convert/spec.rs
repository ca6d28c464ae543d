//! Machine class and requirement.

use gridlease_core::requirement::{OfferSpec, Requirement};
use gridlease_core::{Atoms, Bps};

use crate::account::{RequirementData, SpecData};

impl From<&SpecData> for OfferSpec {
    fn from(data: &SpecData) -> Self {
        Self {
            gpu_model: data.gpu_model,
            gpu_count: data.gpu_count,
            vram_mib: data.vram_mib,
            compute_capability: data.compute_capability,
            cuda: data.cuda,
            cpu_milli: data.cpu_milli,
            memory_mib: data.memory_mib,
            disk_mib: data.disk_mib,
            region: data.region,
            down_mbit: data.down_mbit,
            up_mbit: data.up_mbit,
            flags: data.flags,
        }
    }
}

impl From<&RequirementData> for Requirement {
    fn from(data: &RequirementData) -> Self {
        Self {
            gpu_models: data.models(),
            gpu_count: data.gpu_count,
            vram_mib: data.vram_mib,
            compute_capability: data.compute_capability,
            cuda: data.cuda,
            cpu_milli: data.cpu_milli,
            memory_mib: data.memory_mib,
            disk_mib: data.disk_mib,
            regions: data.regions,
            down_mbit: data.down_mbit,
            up_mbit: data.up_mbit,
            flags: data.flags,
            min_stake: Atoms(data.min_stake),
            min_reputation: Bps(data.min_reputation),
        }
    }
}
