//! What a job needs, what an offer has, and whether the one satisfies the other.

use crate::error::{RuleError, RuleResult};
use crate::gpu::{ALL_MODELS, MODELS, REGIONS, model_bit, nominal_mib, region_bit};
use crate::quantity::{Atoms, Bps};

/// Flags of requirements and offers. A requirement's flag must be among the offer's, but for those of [`flags::CONSENT`].
pub mod flags {
    /// Trusted execution environment.
    pub const TEE: u32 = 1;
    /// The lease may be ended with a short notice. In an offer: it is such; in a requirement: that is accepted.
    pub const SPOT: u32 = 1 << 1;
    /// A static public address.
    pub const STATIC_IP: u32 = 1 << 2;
    /// The container may reach the network.
    pub const EGRESS: u32 = 1 << 3;
    /// A machine without a GPU, offered as such.
    pub const CPU_CLASS: u32 = 1 << 4;
    /// All flags that are known.
    pub const KNOWN: u32 = TEE | SPOT | STATIC_IP | EGRESS | CPU_CLASS;
    /// Their names, by bit.
    pub const NAMES: [&str; 5] = ["TEE", "spot", "static IP", "egress", "CPU class"];
    /// Flags that an offer may carry only where the requirement accepts them.
    pub const CONSENT: u32 = SPOT;
}

/// What a job needs. Zero means "no matter".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// GPU models that will do, a bit each (see [`crate::gpu`]); zero: any.
    pub gpu_models: u128,
    /// GPUs needed; zero: none.
    pub gpu_count: u8,
    /// Memory of each GPU in MiB, as printed on the box: 24,576 asks for a GPU of 24 GB (see [`nominal_mib`]).
    pub vram_mib: u32,
    /// Least compute capability, major × 10 + minor.
    pub compute_capability: u16,
    /// Least CUDA version of the driver, major × 100 + minor.
    pub cuda: u16,
    /// CPU in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Disk in MiB.
    pub disk_mib: u32,
    /// Regions that will do, a bit each; zero, or the bit of "any": any.
    pub regions: u32,
    /// Downstream bandwidth in Mbit/s.
    pub down_mbit: u32,
    /// Upstream bandwidth in Mbit/s.
    pub up_mbit: u32,
    /// See [`flags`].
    pub flags: u32,
    /// Least stake of the provider's bond.
    pub min_stake: Atoms,
    /// Least reputation.
    pub min_reputation: Bps,
}

/// What one unit of an offer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferSpec {
    /// GPU model (see [`crate::gpu`]); 0 with a count of 0 for a machine without one.
    pub gpu_model: u8,
    /// GPUs of one unit.
    pub gpu_count: u8,
    /// Memory of each GPU in MiB, as its driver reports it.
    pub vram_mib: u32,
    /// Compute capability, major × 10 + minor.
    pub compute_capability: u16,
    /// CUDA version of the driver, major × 100 + minor.
    pub cuda: u16,
    /// CPU of one unit in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory of one unit in MiB.
    pub memory_mib: u32,
    /// Disk of one unit in MiB.
    pub disk_mib: u32,
    /// Region (see [`crate::gpu::REGIONS`]); 0: not told.
    pub region: u8,
    /// Downstream bandwidth in Mbit/s.
    pub down_mbit: u32,
    /// Upstream bandwidth in Mbit/s.
    pub up_mbit: u32,
    /// See [`flags`].
    pub flags: u32,
}

/// What is known of the provider behind an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// All stake of its bond.
    pub stake: Atoms,
    /// Its reputation.
    pub reputation: Bps,
}

/// A field of a requirement, in the order in which they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Number of GPUs.
    GpuCount,
    /// GPU model.
    GpuModel,
    /// GPU memory.
    Vram,
    /// Compute capability.
    ComputeCapability,
    /// CUDA version.
    Cuda,
    /// CPU.
    Cpu,
    /// Memory.
    Memory,
    /// Disk.
    Disk,
    /// Region.
    Region,
    /// Downstream bandwidth.
    Down,
    /// Upstream bandwidth.
    Up,
    /// Flags.
    Flags,
    /// Stake.
    Stake,
    /// Reputation.
    Reputation,
}

impl Field {
    /// All of them, in their order: programs tell a field by its place here.
    pub const ALL: [Field; 14] = [
        Self::GpuCount,
        Self::GpuModel,
        Self::Vram,
        Self::ComputeCapability,
        Self::Cuda,
        Self::Cpu,
        Self::Memory,
        Self::Disk,
        Self::Region,
        Self::Down,
        Self::Up,
        Self::Flags,
        Self::Stake,
        Self::Reputation,
    ];

    /// The names of the bits of a field that is a mask; none for a quantity.
    const fn bits(self) -> &'static [&'static str] {
        match self {
            Self::GpuModel => &MODELS,
            Self::Region => &REGIONS,
            Self::Flags => &flags::NAMES,
            _ => &[],
        }
    }

    /// The name that a person reads, with its unit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GpuCount => "GPU count",
            Self::GpuModel => "GPU model",
            Self::Vram => "GPU memory (MiB)",
            Self::ComputeCapability => "compute capability (×10)",
            Self::Cuda => "CUDA version (×100)",
            Self::Cpu => "CPU (millicores)",
            Self::Memory => "memory (MiB)",
            Self::Disk => "disk (MiB)",
            Self::Region => "region",
            Self::Down => "downstream bandwidth (Mbit/s)",
            Self::Up => "upstream bandwidth (Mbit/s)",
            Self::Flags => "flags",
            Self::Stake => "stake (atoms)",
            Self::Reputation => "reputation (basis points)",
        }
    }
}

/// The first field that fails, with both values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Which field.
    pub field: Field,
    /// What the job needs (a mask for models, regions and flags).
    pub required: u128,
    /// What the offer has; of GPU memory the nominal size.
    pub offered: u128,
}

impl core::fmt::Display for Unmet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let value = |value| Value { value, bits: self.field.bits() };
        let (required, offered) = (value(self.required), value(self.offered));
        write!(f, "{}: the job needs {required}, the offer has {offered}", self.field.name())
    }
}

/// A quantity, or the names of a mask's bits.
struct Value {
    value: u128,
    bits: &'static [&'static str],
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.bits.is_empty() {
            return write!(f, "{}", self.value);
        }
        let mut between = "";
        for (_, name) in self.bits.iter().enumerate().filter(|(at, _)| self.value >> at & 1 == 1) {
            write!(f, "{between}{name}")?;
            between = ", ";
        }
        if between.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

impl From<Unmet> for RuleError {
    fn from(_: Unmet) -> Self {
        RuleError::Unsatisfied
    }
}

/// Does a unit of `offer`, of a provider with `standing`, satisfy `need`?
///
/// # Errors
/// The first field that fails, in the order of [`Field`].
pub fn satisfies(offer: &OfferSpec, standing: &Standing, need: &Requirement) -> Result<(), Unmet> {
    let least = |field, required: u64, offered: u64| {
        if offered >= required {
            Ok(())
        } else {
            Err(Unmet { field, required: required.into(), offered: offered.into() })
        }
    };
    least(Field::GpuCount, need.gpu_count.into(), offer.gpu_count.into())?;
    if need.gpu_count > 0 {
        let model = model_bit(offer.gpu_model);
        if need.gpu_models != 0 && need.gpu_models & model == 0 {
            return Err(Unmet { field: Field::GpuModel, required: need.gpu_models, offered: model });
        }
        least(Field::Vram, need.vram_mib.into(), nominal_mib(offer.gpu_model, offer.vram_mib).into())?;
        least(Field::ComputeCapability, need.compute_capability.into(), offer.compute_capability.into())?;
        least(Field::Cuda, need.cuda.into(), offer.cuda.into())?;
    }
    least(Field::Cpu, need.cpu_milli.into(), offer.cpu_milli.into())?;
    least(Field::Memory, need.memory_mib.into(), offer.memory_mib.into())?;
    least(Field::Disk, need.disk_mib.into(), offer.disk_mib.into())?;
    let region = region_bit(offer.region);
    let elsewhere = need.regions & (region | region_bit(0)) == 0;
    if need.regions != 0 && elsewhere {
        return Err(Unmet { field: Field::Region, required: need.regions.into(), offered: region.into() });
    }
    least(Field::Down, need.down_mbit.into(), offer.down_mbit.into())?;
    least(Field::Up, need.up_mbit.into(), offer.up_mbit.into())?;
    let wanted = need.flags & !flags::CONSENT;
    let unaccepted = offer.flags & flags::CONSENT & !need.flags;
    if wanted & !offer.flags != 0 || unaccepted != 0 {
        return Err(Unmet { field: Field::Flags, required: need.flags.into(), offered: offer.flags.into() });
    }
    least(Field::Stake, need.min_stake.0, standing.stake.0)?;
    least(Field::Reputation, need.min_reputation.0.into(), standing.reputation.0.into())
}

impl Requirement {
    /// Is every field inside its bounds?
    ///
    /// # Errors
    /// [`RuleError::InvalidSpec`] for unknown bits, GPU fields without a GPU, or a GPU asked of a machine without one;
    /// [`RuleError::BpsOutOfBounds`].
    pub fn check(&self) -> RuleResult<()> {
        let known_regions = (1u32 << REGIONS.len()) - 1;
        let gpu_fields = self.gpu_models != 0 || self.vram_mib != 0 || self.compute_capability != 0 || self.cuda != 0;
        if self.gpu_models & !ALL_MODELS != 0
            || self.regions & !known_regions != 0
            || self.flags & !flags::KNOWN != 0
            || (self.gpu_count == 0 && gpu_fields)
            || (self.gpu_count > 0 && self.flags & flags::CPU_CLASS != 0)
        {
            return Err(RuleError::InvalidSpec);
        }
        if self.min_reputation > Bps::WHOLE {
            return Err(RuleError::BpsOutOfBounds);
        }
        Ok(())
    }
}

impl OfferSpec {
    /// Is every field inside its bounds? A machine without a GPU says so, and one with a GPU does not.
    ///
    /// # Errors
    /// [`RuleError::InvalidSpec`].
    pub fn check(&self) -> RuleResult<()> {
        let without = self.gpu_count == 0;
        let gpu_fields = self.gpu_model != 0 || self.vram_mib != 0 || self.compute_capability != 0 || self.cuda != 0;
        if usize::from(self.gpu_model) >= MODELS.len()
            || usize::from(self.region) >= REGIONS.len()
            || self.flags & !flags::KNOWN != 0
            || without != (self.flags & flags::CPU_CLASS != 0)
            || (without && gpu_fields)
            || self.cpu_milli == 0
            || self.memory_mib == 0
        {
            return Err(RuleError::InvalidSpec);
        }
        Ok(())
    }
}
